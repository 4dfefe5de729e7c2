// Virtual time for one or more virtual hosts: one clock, the wires between them, and the rule by which time moves. At every
// instant all hosts work until nothing is left to do; only then does time go on, to the next arrival or deadline.

import { VirtualClock } from '../nic/virtual-clock.js';

/** What a world needs to know of a host. */
export interface Inhabitant {
  /** Turns the host's loop once; true when anything happened. */
  turn(): boolean;
  /** When the host's stack wants to be turned next, in µs; Infinity for never. */
  deadline(): number;
}

/**
 * Thrown out of a call that would wait for ever: nothing is on its way, no timer runs, nobody is left to act. Also when virtual
 * time has passed `World.blockingLimitUs`. It means that the test is wrong, or the stack.
 */
export class WouldBlockForeverError extends Error {
  constructor(reason: string) {
    super(`the call would block for ever: ${reason}`);
    this.name = 'WouldBlockForeverError';
  }
}

/** Rounds at one instant after which something goes round in circles. */
const MAX_ROUNDS = 100_000;

/** Hosts that share a clock. */
export class World {
  readonly clock: VirtualClock = new VirtualClock();
  /** Where a blocking call gives up, in µs of virtual time. Default 30 days: probes of a closed window never end. */
  blockingLimitUs = 30 * 86_400_000_000;
  private readonly inhabitants: Inhabitant[] = [];

  /** Now, in whole microseconds. */
  get now(): number {
    return this.clock.now;
  }

  /** How many hosts live here. */
  get hosts(): number {
    return this.inhabitants.length;
  }

  add(inhabitant: Inhabitant): void {
    this.inhabitants.push(inhabitant);
  }

  remove(inhabitant: Inhabitant): void {
    const at = this.inhabitants.indexOf(inhabitant);
    if (at >= 0) this.inhabitants.splice(at, 1);
  }

  /** Lets everybody work until nothing is left to do at this instant. Returns whether there was anything. */
  settle(): boolean {
    let any = false;
    for (let round = 0; round < MAX_ROUNDS; round++) {
      let busy = this.clock.runDue() > 0;
      // By index: a host may be closed by the program that it runs.
      for (let i = 0; i < this.inhabitants.length; i++) busy = this.inhabitants[i].turn() || busy;
      if (!busy && this.clock.nextEvent() > this.clock.now) return any;
      any = true;
    }
    throw new Error(`${MAX_ROUNDS} rounds at ${this.now} µs and still something to do`);
  }

  /** Returns when something happens next by itself, in µs; Infinity for never. */
  nextEvent(): number {
    let next = this.clock.nextEvent();
    for (const inhabitant of this.inhabitants) next = Math.min(next, inhabitant.deadline());
    return next;
  }

  /** Moves time to `toUs`, with everything that happens on the way at its own time. */
  advance(toUs: number): void {
    if (!(Number.isFinite(toUs) && toUs >= this.now)) {
      throw new RangeError(`time cannot go from ${this.now} to ${toUs} µs`);
    }
    this.settle();
    for (let next = this.nextEvent(); next <= toUs; next = this.nextEvent()) {
      this.clock.advance(Math.ceil(next));
      this.settle();
    }
    this.clock.advance(Math.floor(toUs));
    this.settle();
  }

  /**
   * The wait of a blocked call: lets others work, and if they have nothing to do moves time to the next event, but not past
   * `untilUs`.
   * @throws WouldBlockForeverError when there is no next event and no limit
   */
  step(untilUs: number): void {
    if (this.settle()) return;
    const target = Math.min(this.nextEvent(), untilUs);
    if (target === Number.POSITIVE_INFINITY) {
      throw new WouldBlockForeverError('no packet is on its way and no timer runs');
    }
    if (target > this.blockingLimitUs) {
      throw new WouldBlockForeverError(`${this.now} µs have passed and only timers go on`);
    }
    this.clock.advance(Math.max(this.now, Math.ceil(target)));
    this.settle();
  }
}
