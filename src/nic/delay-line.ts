// Frames on their way, ordered by the time of their arrival and, at one time, by their departure. It keeps small integers
// (slots) only; `simulated-wire` and `fault-nic` keep what belongs to a slot in tables of their own.

/** A priority queue of slots by time. Allocates only to grow. */
export class DelayLine {
  /** How many slots are taken. */
  length: number;
  /** Takes turns upwards without end, so that frames which are due together keep their order. */
  private turn: number;
  private due: Float64Array;
  private order: Float64Array;
  /** The first `length` entries are a binary heap of taken slots; the others are the free ones. */
  private heap: Int32Array;

  constructor(capacity = 64) {
    this.length = 0;
    this.turn = 2 ** 31;
    this.due = new Float64Array(capacity);
    this.order = new Float64Array(capacity);
    this.heap = Int32Array.from({ length: capacity }, (_, slot) => slot);
  }

  /** One more than the largest slot so far possible: how long tables indexed by slot must be. */
  get capacity(): number {
    return this.heap.length;
  }

  /** Takes a slot that comes out at `dueUs`. */
  add(dueUs: number): number {
    if (this.length === this.heap.length) this.grow();
    const slot = this.heap[this.length];
    this.due[slot] = dueUs;
    this.order[slot] = this.turn++;
    let at = this.length++;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (!this.before(slot, this.heap[parent])) break;
      this.heap[at] = this.heap[parent];
      at = parent;
    }
    this.heap[at] = slot;
    return slot;
  }

  /** Returns the earliest time, Infinity when the line is empty. */
  nextDue(): number {
    return this.length > 0 ? this.due[this.heap[0]] : Number.POSITIVE_INFINITY;
  }

  /** Takes the earliest slot out; -1 when the line is empty. What is kept under that slot is safe until the next `add`. */
  shift(): number {
    if (this.length === 0) return -1;
    const first = this.heap[0];
    const last = this.heap[--this.length];
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.length) break;
      if (child + 1 < this.length && this.before(this.heap[child + 1], this.heap[child])) child++;
      if (!this.before(this.heap[child], last)) break;
      this.heap[at] = this.heap[child];
      at = child;
    }
    this.heap[at] = last;
    this.heap[this.length] = first;
    return first;
  }

  private before(a: number, b: number): boolean {
    const difference = this.due[a] - this.due[b];
    return difference !== 0 ? difference < 0 : this.order[a] < this.order[b];
  }

  private grow(): void {
    const old = this.heap.length;
    const due = new Float64Array(2 * old);
    due.set(this.due);
    this.due = due;
    const order = new Float64Array(2 * old);
    order.set(this.order);
    this.order = order;
    const heap = Int32Array.from({ length: 2 * old }, (_, slot) => slot);
    heap.set(this.heap);
    this.heap = heap;
  }
}
