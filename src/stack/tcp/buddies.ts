// Which parts of a stretch of memory are free, by the buddy system: pieces are powers of two, lie at multiples of their size, and two
// halves that are free are whole again. One byte of a binary tree says how large a piece a node has free at most, so that taking and
// giving back look at one node for each size.

/**
 * `#largest[n]` is 1 + log2 of the largest free piece, in units, at or below node n, and 0 where there is none. Node 1 is all of it, nodes
 * 2n and 2n + 1 are the halves of node n, and the last level are the units:
 *
 *     1               1 + 2 (4 units)
 *     2       3       1 + 1 (2 units)
 *     4   5   6   7   1 + 0 (1 unit)
 */
export class Buddies {
  readonly #largest: Uint8Array;
  /** Nodes of the last level. */
  readonly #leaves: number;

  /** All of `units` are free. */
  constructor(units: number) {
    let leaves = 1;
    while (leaves < units) leaves <<= 1;
    this.#leaves = leaves;
    this.#largest = new Uint8Array(2 * leaves);
    this.#largest.fill(1, leaves, leaves + units);
    let level = 1;
    for (let first = leaves >> 1; first > 0; first >>= 1) {
      for (let node = first; node < 2 * first; node++) this.#join(node, level);
      level++;
    }
  }

  /** Takes a free piece of `1 << level` units, the first that there is: the number of its first unit, or -1. */
  take(level: number): number {
    const largest = this.#largest;
    if (largest[1] <= level) return -1;
    let node = 1;
    let first = 0;
    for (let size = this.#leaves; size > 1 << level; ) {
      size >>= 1;
      node <<= 1;
      if (largest[node] > level) continue;
      node++;
      first += size;
    }
    largest[node] = 0;
    this.#update(node, level);
    return first;
  }

  /** Gives back what `take` has given. */
  give(first: number, level: number): void {
    const node = (this.#leaves + first) >> level;
    this.#largest[node] = level + 1;
    this.#update(node, level);
  }

  #update(from: number, level: number): void {
    let above = level;
    for (let node = from >> 1; node > 0; node >>= 1) this.#join(node, ++above);
  }

  #join(node: number, level: number): void {
    const largest = this.#largest;
    const left = largest[2 * node];
    const right = largest[2 * node + 1];
    largest[node] = left === level && right === level ? level + 1 : Math.max(left, right);
  }
}
