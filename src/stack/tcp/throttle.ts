// Limits on ACKs that answer invalid segments (RFC 5961 7 and 10): one per connection and interval, and a budget of challenge
// ACKs per second for the whole stack whose size varies at random, so that it tells an off-path attacker nothing.

import type { Clock } from '../clock.js';
import type { StackConfig } from '../config.js';
import type { Tcb } from './tcb.js';

export class Throttle {
  readonly #clock: Clock;
  readonly #config: StackConfig;
  readonly #random: () => number;
  #second = -1;
  #budget = 0;

  constructor(clock: Clock, config: StackConfig, random: () => number) {
    this.#clock = clock;
    this.#config = config;
    this.#random = random;
  }

  /** True when this connection may answer an invalid segment now. */
  allowInvalid(tcb: Tcb): boolean {
    const now = this.#clock.now;
    if (now - tcb.invalidAckAt < this.#config.invalidRatelimitUs) return false;
    tcb.invalidAckAt = now;
    return true;
  }

  /** True when this connection may send a challenge ACK now. */
  allowChallenge(tcb: Tcb): boolean {
    if (!this.allowInvalid(tcb)) return false;
    const second = Math.floor(this.#clock.now / 1_000_000);
    if (second !== this.#second) {
      this.#second = second;
      const half = (this.#config.challengeAckLimit + 1) >> 1;
      this.#budget = half + ((this.#random() >>> 0) % Math.max(1, this.#config.challengeAckLimit - half + 1));
    }
    if (this.#budget === 0) return false;
    this.#budget--;
    return true;
  }
}
