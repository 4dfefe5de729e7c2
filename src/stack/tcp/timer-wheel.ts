// All timers of one core: a hierarchical wheel over typed arrays in which arming, re-arming and clearing are O(1), however
// many connections there are. It reads no clock and calls nobody: the stack advances it and asks what has expired. A timer
// is a small integer chosen by its owner. After G. Varghese and A. Lauck, "Hashed and Hierarchical Timing Wheels" (1987).
//
// Time is cut into ticks of 64 us. A tick number is eight digits in base 64, which is all of JavaScript's safe integers. An
// armed timer sits at the level of the highest digit in which its tick differs from the wheel's own tick `ref`, in the slot
// of its digit there:
//
//   level 0   64 slots of 64 us      ref's slot and those after it
//   level 1   64 slots of 4 ms       only slots after ref's: what is in ref's own is on level 0
//   level 2   64 slots of 262 ms     likewise
//   ...
//   level 7   64 slots of 9 years
//
// So every timer of a level is due before every timer of the levels above, and the first slot in use of the lowest level
// in use holds the next one. When `ref` enters a slot, the timers in it move down.

const DIGIT_BITS = 6;
const DIGIT_MASK = 63;
const LEVELS = 8;
/** Digits of a tick in each of the two integers that hold it. */
const HALF_LEVELS = 4;
const HALF_BITS = 24;
const TICK_US = 64;
/** Microseconds in one unit of the upper half of a tick number. */
const HIGH_US = TICK_US * 2 ** HALF_BITS;

/** Values of `where` other than a slot number. */
const CLEAR = -1;
const EXPIRED = -2;

const NONE = -1;

/** A set of one-shot timers. No method allocates, except when a new largest id makes the arrays grow. */
export class TimerWheel {
  /** Timers set, including the expired ones that were not yet taken by `nextExpired`. */
  size: number;

  /** The wheel's tick: upper and lower 24 bits. No timer of the wheel is in an earlier slot. */
  private refHigh: number;
  private refLow: number;
  /** First microsecond of the wheel's tick. */
  private refUs: number;
  /** No timer in the slots is due before this; `exact` says whether one is due at this very time. */
  private boundUs: number;
  private exact: boolean;
  /** The timer due at the bound, while `exact`; -1 for none. */
  private boundId: number;
  /** Counts `set` calls modulo 2^32: timers with equal deadlines expire in the order in which they were set. */
  private turn: number;

  /** Per slot: its first timer. */
  private readonly head: Int32Array;
  /** Two words per level: which slots are in use. */
  private readonly used: Int32Array;

  /** Per timer: slot number, CLEAR or EXPIRED. */
  private where: Int32Array;
  private deadline: Float64Array;
  private order: Int32Array;
  /** Per timer: neighbours in its slot; `next` is the position in `heap` while EXPIRED. */
  private next: Int32Array;
  private previous: Int32Array;

  /** What has expired and was not taken yet: a binary heap by deadline, then order. */
  private heap: Int32Array;
  private heapLength: number;

  /**
   * @param startUs the time now, in microseconds
   * @param capacity how many ids (0 to capacity - 1) to make room for; larger ids make the wheel grow
   */
  constructor(startUs = 0, capacity = 64) {
    this.size = 0;
    this.refHigh = 0;
    this.refLow = 0;
    this.turn = 0;
    // The fields that may leave the range of small integers hold a double from the first store on: V8 then updates them
    // in place for ever.
    this.refUs = Number.NEGATIVE_INFINITY;
    this.boundUs = Number.POSITIVE_INFINITY;
    this.boundId = NONE;
    this.exact = true;
    this.head = new Int32Array(LEVELS << DIGIT_BITS).fill(NONE);
    this.used = new Int32Array(LEVELS * 2);
    const room = Math.max(1, capacity);
    this.where = new Int32Array(room).fill(CLEAR);
    this.deadline = new Float64Array(room).fill(Number.POSITIVE_INFINITY);
    this.order = new Int32Array(room);
    this.next = new Int32Array(room);
    this.previous = new Int32Array(room);
    this.heap = new Int32Array(room);
    this.heapLength = 0;
    this.moveTo(startUs);
  }

  /**
   * Arms a timer, or arms it anew. A deadline that has passed is due at the next `advance`, so that a handler which arms
   * its own timer again never runs twice for one `advance`. Infinity clears the timer.
   *
   * @param deadlineUs microseconds
   * @throws RangeError when the deadline is not a number
   */
  set(id: number, deadlineUs: number): void {
    if (Number.isNaN(deadlineUs)) throw new RangeError(`timer ${id}: deadline is not a number`);
    if (deadlineUs > Number.MAX_SAFE_INTEGER) {
      this.clear(id);
      return;
    }
    if (id >= this.where.length) this.grow(id);
    // Its former deadline may have been the earliest one.
    if (this.where[id] >= 0 && this.deadline[id] === this.boundUs) this.exact = false;
    this.deadline[id] = deadlineUs;
    this.order[id] = this.turn;
    this.turn = (this.turn + 1) | 0;
    this.place(id);
    if (deadlineUs <= this.boundUs) {
      this.boundUs = deadlineUs;
      this.boundId = id;
      this.exact = true;
    }
  }

  /** Disarms a timer. One that has expired and was not yet taken will not be returned. Does nothing to one not set. */
  clear(id: number): void {
    if (id >= this.where.length) return;
    const old = this.where[id];
    if (old === CLEAR) return;
    if (old >= 0 && this.deadline[id] === this.boundUs) this.exact = false;
    this.remove(id, old);
    this.where[id] = CLEAR;
    this.deadline[id] = Number.POSITIVE_INFINITY;
    this.size--;
  }

  /** Tells whether a timer is armed. It still is between its expiry and `nextExpired`. */
  isSet(id: number): boolean {
    return id < this.where.length && this.where[id] !== CLEAR;
  }

  /** Returns the time for which a timer is set, in microseconds; Infinity when it is not. */
  deadlineOf(id: number): number {
    return id < this.where.length ? this.deadline[id] : Number.POSITIVE_INFINITY;
  }

  /** Collects every timer whose deadline is `nowUs` or earlier, for `nextExpired`. Time never goes back. */
  advance(nowUs: number): void {
    if (nowUs < this.boundUs) return;
    const oldHigh = this.refHigh;
    const oldLow = this.refLow;
    if (nowUs > this.refUs) this.moveTo(nowUs);
    const level = highestDigit(oldHigh ^ this.refHigh, oldLow ^ this.refLow);
    // Below that level everything belongs to slots that time has left; on it, the slots before ref's.
    for (let l = 0; l < level; l++) {
      for (let s = this.firstUsed(l); s <= DIGIT_MASK; s = this.firstUsed(l))
        this.empty((l << DIGIT_BITS) | s, nowUs);
    }
    const last = this.refDigit(level);
    for (let s = this.firstUsed(level); s < last; s = this.firstUsed(level)) {
      this.empty((level << DIGIT_BITS) | s, nowUs);
    }
    // The timers of the slot that ref is in are due, move down, or stay where they are on level 0.
    const current = (level << DIGIT_BITS) | last;
    if (this.head[current] !== NONE) this.empty(current, nowUs);
    this.estimate();
  }

  /** Returns the next timer that has expired, disarmed, or -1. In order of deadlines, then of the `set` calls. */
  nextExpired(): number {
    if (this.heapLength === 0) return NONE;
    const id = this.heap[0];
    this.heapRemove(id);
    this.where[id] = CLEAR;
    this.deadline[id] = Number.POSITIVE_INFINITY;
    this.size--;
    return id;
  }

  /** Returns the earliest deadline of all timers, exact to the microsecond; Infinity when none is set. */
  nextDeadline(): number {
    if (!this.exact) this.findEarliest();
    if (this.heapLength === 0) return this.boundUs;
    return Math.min(this.boundUs, this.deadline[this.heap[0]]);
  }

  /**
   * A time until which no timer is due: no later than `nextDeadline()`, unless timers that are due have not been taken yet. Cheap, as no
   * slot is looked through.
   */
  get quietUntilUs(): number {
    return this.heapLength > 0 ? this.deadline[this.heap[0]] : this.boundUs;
  }

  /** Returns a timer whose deadline is `nextDeadline()`, or -1 when none is set. */
  earliest(): number {
    if (!this.exact) this.findEarliest();
    if (this.heapLength === 0) return this.boundId;
    const expired = this.heap[0];
    return this.boundId === NONE || this.deadline[expired] <= this.boundUs ? expired : this.boundId;
  }

  /** True when `advance` to `nowUs` might find something: never wrong when it says no, and cheap. */
  mayBeDue(nowUs: number): boolean {
    return this.heapLength > 0 || this.boundUs <= nowUs;
  }

  private moveTo(us: number): void {
    const high = Math.floor(us / HIGH_US);
    const low = Math.floor((us - high * HIGH_US) / TICK_US);
    this.refHigh = high | 0;
    this.refLow = low | 0;
    this.refUs = high * HIGH_US + low * TICK_US;
  }

  private refDigit(level: number): number {
    return level < HALF_LEVELS
      ? (this.refLow >>> (level * DIGIT_BITS)) & DIGIT_MASK
      : (this.refHigh >>> ((level - HALF_LEVELS) * DIGIT_BITS)) & DIGIT_MASK;
  }

  /** Brings a timer to the slot of its deadline. */
  private place(id: number): void {
    const slot = this.slotOf(id);
    const old = this.where[id];
    if (old === slot) return;
    if (old === CLEAR) this.size++;
    else this.remove(id, old);
    this.link(id, slot);
  }

  /** The slot for the deadline of a timer. (A time passed as an argument is an object on V8's heap, unless the call is inlined.) */
  private slotOf(id: number): number {
    const us = this.deadline[id];
    if (us < this.refUs + TICK_US) return this.refLow & DIGIT_MASK;
    const high = (us / HIGH_US) | 0;
    const low = ((us - high * HIGH_US) / TICK_US) | 0;
    const level = highestDigit(high ^ this.refHigh, low ^ this.refLow);
    const digit =
      level < HALF_LEVELS ? low >>> (level * DIGIT_BITS) : high >>> ((level - HALF_LEVELS) * DIGIT_BITS);
    return (level << DIGIT_BITS) | (digit & DIGIT_MASK);
  }

  private link(id: number, slot: number): void {
    const first = this.head[slot];
    this.next[id] = first;
    this.previous[id] = NONE;
    if (first !== NONE) this.previous[first] = id;
    this.head[slot] = id;
    this.where[id] = slot;
    this.used[slot >>> 5] |= 1 << (slot & 31);
  }

  /** Takes a timer out of its slot or out of the heap; the caller says where it is from now on. */
  private remove(id: number, from: number): void {
    if (from === EXPIRED) {
      this.heapRemove(id);
      return;
    }
    const next = this.next[id];
    const previous = this.previous[id];
    if (next !== NONE) this.previous[next] = previous;
    if (previous !== NONE) this.next[previous] = next;
    else {
      this.head[from] = next;
      if (next === NONE) this.used[from >>> 5] &= ~(1 << (from & 31));
    }
  }

  /** Moves each timer of a slot to the heap when it is due, and else to the slot that fits the present `ref`. */
  private empty(slot: number, nowUs: number): void {
    let id = this.head[slot];
    this.head[slot] = NONE;
    this.used[slot >>> 5] &= ~(1 << (slot & 31));
    while (id !== NONE) {
      const next = this.next[id];
      if (this.deadline[id] <= nowUs) this.heapInsert(id);
      else this.link(id, this.slotOf(id));
      id = next;
    }
  }

  /** The first slot in use of a level, or 64. */
  private firstUsed(level: number): number {
    const low = this.used[level << 1];
    if (low !== 0) return 31 - Math.clz32(low & -low);
    const high = this.used[(level << 1) | 1];
    if (high !== 0) return 63 - Math.clz32(high & -high);
    return DIGIT_MASK + 1;
  }

  /** The slot that holds the earliest timer, or -1. */
  private firstSlot(): number {
    for (let level = 0; level < LEVELS; level++) {
      const slot = this.firstUsed(level);
      if (slot <= DIGIT_MASK) return (level << DIGIT_BITS) | slot;
    }
    return NONE;
  }

  /** Sets the bound to the beginning of the first slot in use: no need to look at its timers before. */
  private estimate(): void {
    const slot = this.firstSlot();
    if (slot === NONE) {
      this.boundUs = Number.POSITIVE_INFINITY;
      this.boundId = NONE;
      this.exact = true;
      return;
    }
    const level = slot >>> DIGIT_BITS;
    const half = level < HALF_LEVELS ? level : level - HALF_LEVELS;
    const shift = half * DIGIT_BITS;
    const above = -1 << (shift + DIGIT_BITS);
    const digit = (slot & DIGIT_MASK) << shift;
    this.boundUs =
      level < HALF_LEVELS
        ? this.refHigh * HIGH_US + ((this.refLow & above) | digit) * TICK_US
        : ((this.refHigh & above) | digit) * HIGH_US;
    this.exact = false;
    // A deadline that had already passed when it was set is in ref's slot, which begins later.
    if (level === 0 && (slot & DIGIT_MASK) === (this.refLow & DIGIT_MASK)) this.findEarliest();
  }

  private findEarliest(): void {
    const slot = this.firstSlot();
    let earliest = Number.POSITIVE_INFINITY;
    this.boundId = NONE;
    if (slot !== NONE) {
      for (let id = this.head[slot]; id !== NONE; id = this.next[id]) {
        if (this.deadline[id] >= earliest) continue;
        earliest = this.deadline[id];
        this.boundId = id;
      }
    }
    this.boundUs = earliest;
    this.exact = true;
  }

  private before(a: number, b: number): boolean {
    const difference = this.deadline[a] - this.deadline[b];
    return difference !== 0 ? difference < 0 : ((this.order[a] - this.order[b]) | 0) < 0;
  }

  private heapInsert(id: number): void {
    this.where[id] = EXPIRED;
    this.heapRise(id, this.heapLength++);
  }

  private heapRemove(id: number): void {
    const at = this.next[id];
    const last = this.heap[--this.heapLength];
    if (last === id) return;
    if (at > 0 && this.before(last, this.heap[(at - 1) >>> 1])) this.heapRise(last, at);
    else this.heapSink(last, at);
  }

  private heapRise(id: number, position: number): void {
    let at = position;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      const other = this.heap[parent];
      if (!this.before(id, other)) break;
      this.heap[at] = other;
      this.next[other] = at;
      at = parent;
    }
    this.heap[at] = id;
    this.next[id] = at;
  }

  private heapSink(id: number, position: number): void {
    let at = position;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.heapLength) break;
      if (child + 1 < this.heapLength && this.before(this.heap[child + 1], this.heap[child])) child++;
      const other = this.heap[child];
      if (!this.before(other, id)) break;
      this.heap[at] = other;
      this.next[other] = at;
      at = child;
    }
    this.heap[at] = id;
    this.next[id] = at;
  }

  // alloc: the tables double when there are more connections than ever before.
  private grow(id: number): void {
    const old = this.where.length;
    let room = old;
    while (room <= id) room *= 2;
    this.where = grown(this.where, new Int32Array(room).fill(CLEAR));
    this.next = grown(this.next, new Int32Array(room));
    this.previous = grown(this.previous, new Int32Array(room));
    this.heap = grown(this.heap, new Int32Array(room));
    this.deadline = grown(this.deadline, new Float64Array(room).fill(Number.POSITIVE_INFINITY));
    this.order = grown(this.order, new Int32Array(room));
  }
}

/** The level of the highest digit that is not zero in the exclusive-or of two ticks; 0 for equal ticks. */
function highestDigit(high: number, low: number): number {
  if (high !== 0) return HALF_LEVELS + (((31 - Math.clz32(high)) / DIGIT_BITS) | 0);
  return ((31 - Math.clz32(low | 1)) / DIGIT_BITS) | 0;
}

function grown<T extends Int32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
