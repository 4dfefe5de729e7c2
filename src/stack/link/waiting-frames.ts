// First-in first-out queues of frames, one per neighbour, in one pool of nodes. Only neighbours.ts uses it, which also sets the
// bounds. Growing allocates; nothing else does.

const NO_NODE = -1;

/** Queues by number; every queue that was never used is empty. */
export class WaitingFrames {
  /** Frames in all queues. */
  size = 0;
  /** Length in bytes of the frame that `shift` gave last. */
  length = 0;
  #head: Int32Array = new Int32Array(0);
  #tail: Int32Array = new Int32Array(0);
  #count: Int32Array = new Int32Array(0);
  #offset: Int32Array = new Int32Array(0);
  #length: Int32Array = new Int32Array(0);
  #next: Int32Array = new Int32Array(0);
  #free = NO_NODE;

  /** Frames in the queue. */
  count(queue: number): number {
    return queue < this.#count.length ? this.#count[queue] : 0;
  }

  push(queue: number, offset: number, length: number): void {
    if (queue >= this.#count.length) this.#growQueues(queue);
    if (this.#free === NO_NODE) this.#growNodes();
    const node = this.#free;
    this.#free = this.#next[node];
    this.#offset[node] = offset;
    this.#length[node] = length;
    this.#next[node] = NO_NODE;
    if (this.#count[queue] === 0) this.#head[queue] = node;
    else this.#next[this.#tail[queue]] = node;
    this.#tail[queue] = node;
    this.#count[queue]++;
    this.size++;
  }

  /** Takes the oldest frame of the queue: its offset (and `length`), or -1 when there is none. */
  shift(queue: number): number {
    if (this.count(queue) === 0) {
      this.length = 0;
      return -1;
    }
    const node = this.#head[queue];
    this.#head[queue] = this.#next[node];
    this.#count[queue]--;
    this.#next[node] = this.#free;
    this.#free = node;
    this.size--;
    this.length = this.#length[node];
    return this.#offset[node];
  }

  #growQueues(queue: number): void {
    const capacity = Math.max(16, queue * 2);
    this.#head = grow(this.#head, capacity);
    this.#tail = grow(this.#tail, capacity);
    this.#count = grow(this.#count, capacity);
  }

  #growNodes(): void {
    const first = this.#next.length;
    const capacity = Math.max(16, first * 2);
    this.#offset = grow(this.#offset, capacity);
    this.#length = grow(this.#length, capacity);
    this.#next = grow(this.#next, capacity);
    for (let node = capacity - 1; node >= first; node--) {
      this.#next[node] = this.#free;
      this.#free = node;
    }
  }
}

function grow(from: Int32Array, capacity: number): Int32Array {
  const to = new Int32Array(capacity);
  to.set(from);
  return to;
}
