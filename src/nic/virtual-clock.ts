// Time that moves only when told to: what simulations, scripts and the testing host run on. Everything that will happen
// stands in one list; `advance` plays it in order of time and, at one time, in the order in which it was scheduled.

interface Event {
  readonly atUs: number;
  readonly token: number;
  /** Undefined once it was cancelled; it is thrown away when its turn comes. */
  callback: (() => void) | undefined;
}

/** A clock of integer microseconds. */
export class VirtualClock {
  /** The time, in microseconds. */
  now: number;
  private lastToken: number;
  /** A binary heap by time, then token. */
  private readonly heap: Event[];
  private readonly events: Map<number, Event>;

  constructor(startUs = 0) {
    this.now = startUs;
    this.lastToken = 0;
    this.heap = [];
    this.events = new Map();
  }

  /**
   * Plans a call at `atUs` microseconds; a time that has passed means now, after what is already planned for now.
   *
   * @returns a token for `cancel`, never 0
   */
  schedule(atUs: number, callback: () => void): number {
    if (!Number.isFinite(atUs)) throw new RangeError(`an event cannot be scheduled at ${atUs}`);
    const event: Event = { atUs: Math.max(atUs, this.now), token: ++this.lastToken, callback };
    this.events.set(event.token, event);
    this.insert(event);
    return event.token;
  }

  /** Takes a planned call back. Returns false when it has happened or was cancelled before. */
  cancel(token: number): boolean {
    const event = this.events.get(token);
    if (event === undefined) return false;
    event.callback = undefined;
    this.events.delete(token);
    return true;
  }

  /** Returns the time of the next event, Infinity when there is none. */
  nextEvent(): number {
    while (this.heap.length > 0 && this.heap[0].callback === undefined) this.removeFirst();
    return this.heap.length > 0 ? this.heap[0].atUs : Number.POSITIVE_INFINITY;
  }

  /** Moves time to the next event and runs that one only. Returns false when there is none. */
  runNext(): boolean {
    const atUs = this.nextEvent();
    if (atUs === Number.POSITIVE_INFINITY) return false;
    const event = this.removeFirst();
    // A callback may have advanced the clock by itself, past the events that are still to run.
    this.now = Math.max(this.now, atUs);
    this.events.delete(event.token);
    event.callback!();
    return true;
  }

  /** Runs what is due now, including what that schedules for now. Returns the number of events. */
  runDue(): number {
    let count = 0;
    while (this.nextEvent() <= this.now) {
      this.runNext();
      count++;
    }
    return count;
  }

  /**
   * Moves time to `toUs`, running on the way each event at its time, those too that events on the way schedule. Does
   * nothing when `toUs` has passed, except running what is due. Returns the number of events.
   */
  advance(toUs: number): number {
    let count = 0;
    while (this.nextEvent() <= Math.max(toUs, this.now)) {
      this.runNext();
      count++;
    }
    this.now = Math.max(this.now, toUs);
    return count;
  }

  private insert(event: Event): void {
    const heap = this.heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (!before(event, heap[parent])) break;
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = event;
  }

  private removeFirst(): Event {
    const heap = this.heap;
    const first = heap[0];
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1], heap[child])) child++;
      if (!before(heap[child], last)) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function before(a: Event, b: Event): boolean {
  return a.atUs !== b.atUs ? a.atUs < b.atUs : a.token < b.token;
}
