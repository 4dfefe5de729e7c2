// HyStart++ (RFC 9406): watches the smallest round trip of each round of slow start. When it grows, a queue is building up: first
// growth is slowed (conservative slow start), and if the growth of delay persists for some rounds, slow start is over.

import type { TcpCore } from './core.js';
import { geq } from './seq.js';
import type { Tcb } from './tcb.js';

/** RFC 9406 4.3: bounds of the delay that counts as growth, in µs, its divisor, and samples needed. */
const MIN_RTT_THRESH_US = 4_000;
const MAX_RTT_THRESH_US = 16_000;
const MIN_RTT_DIVISOR = 8;
const N_RTT_SAMPLE = 8;
const CSS_GROWTH_DIVISOR = 4;
const CSS_ROUNDS = 5;
/** Without pacing, an ACK may grow the window by this many segments at most (RFC 9406 4.3, L). */
const BURST = 8;

export class HyStart {
  /** Slow start has just ended because of delay; whoever acts on it takes it back. */
  hasEnded = false;
  #windowEnd = 0;
  #inRound = false;
  #lastMinUs = Number.POSITIVE_INFINITY;
  #currentMinUs = Number.POSITIVE_INFINITY;
  #samples = 0;
  #inCss = false;
  #cssBaselineUs = Number.POSITIVE_INFINITY;
  #cssRounds = 0;

  reset(): void {
    this.hasEnded = false;
    this.#inRound = false;
    this.#lastMinUs = Number.POSITIVE_INFINITY;
    this.#currentMinUs = Number.POSITIVE_INFINITY;
    this.#samples = 0;
    this.#inCss = false;
    this.#cssBaselineUs = Number.POSITIVE_INFINITY;
    this.#cssRounds = 0;
  }

  /** Returns by how many bytes an ACK of `acked` bytes makes the window grow in slow start. */
  growth(core: TcpCore, tcb: Tcb, acked: number): number {
    const { snd, rtt } = tcb;
    if (!this.#inRound || geq(snd.una, this.#windowEnd)) this.#startRound(tcb);
    // RFC 9406 4.3: what is paced makes no bursts.
    const bytes = tcb.pacer === null ? Math.min(acked, BURST * snd.mss) : acked;
    // RFC 9406 is for the first slow start; afterwards ssthresh is known.
    if (core.config.hystart === 0 || tcb.cc.ssthresh !== 0x7fffffff) return bytes;
    if (rtt.lastUs > 0) {
      this.#samples++;
      if (rtt.lastUs < this.#currentMinUs) this.#currentMinUs = rtt.lastUs;
    }
    if (this.#inCss) {
      if (this.#samples >= N_RTT_SAMPLE && this.#currentMinUs < this.#cssBaselineUs) {
        // The delay has gone again: back to slow start.
        this.#inCss = false;
        this.#cssBaselineUs = Number.POSITIVE_INFINITY;
      }
      return (bytes / CSS_GROWTH_DIVISOR) | 0;
    }
    if (this.#samples >= N_RTT_SAMPLE && this.#lastMinUs < Number.POSITIVE_INFINITY) {
      const threshold = Math.max(
        MIN_RTT_THRESH_US,
        Math.min(this.#lastMinUs / MIN_RTT_DIVISOR, MAX_RTT_THRESH_US),
      );
      if (this.#currentMinUs >= this.#lastMinUs + threshold) {
        this.#inCss = true;
        this.#cssBaselineUs = this.#currentMinUs;
        this.#cssRounds = 0;
      }
    }
    return bytes;
  }

  #startRound(tcb: Tcb): void {
    this.#inRound = true;
    this.#windowEnd = tcb.snd.nxt;
    this.#lastMinUs = this.#currentMinUs;
    this.#currentMinUs = Number.POSITIVE_INFINITY;
    this.#samples = 0;
    if (this.#inCss && ++this.#cssRounds >= CSS_ROUNDS) {
      this.hasEnded = true;
      this.#inCss = false;
    }
  }
}
