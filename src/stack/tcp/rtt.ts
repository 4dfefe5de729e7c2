// The retransmission timeout (RFC 6298): a smoothed round-trip time and its variation from samples that are never taken from
// retransmitted data without timestamps (Karn). The lower bound is added to SRTT as Linux does, not clamped.

import type { Micros } from '../clock.js';
import type { StackConfig } from '../config.js';

export class RttEstimator {
  /** Smoothed round-trip time in µs; 0 before the first sample. */
  srttUs = 0;
  rttvarUs = 0;
  /** Smallest round trip of the window that `observe` is given, in µs; 0 before the first. */
  minRttUs = 0;
  minRttAt: Micros = 0.5;
  /** What takes its place when it is too old: the smallest one seen later. */
  nextMinUs = 0;
  nextMinAt: Micros = 0.5;
  /** The last sample in µs; 0 before the first. */
  lastUs = 0;
  /** Timeout without back-off, in µs. */
  rtoUs = 0;
  /** How often the timeout has doubled since the last sample or progress. */
  backoff = 0;

  reset(config: StackConfig): void {
    this.srttUs = 0;
    this.rttvarUs = 0;
    this.minRttUs = 0;
    this.minRttAt = 0;
    this.nextMinUs = 0;
    this.nextMinAt = 0;
    this.lastUs = 0;
    this.rtoUs = config.rtoInitialUs;
    this.backoff = 0;
  }

  /** Takes a sample in µs (RFC 6298 2.2 and 2.3, alpha 1/8, beta 1/4). */
  sample(rttUs: number, config: StackConfig): void {
    // No round trip is longer than the longest timeout; what claims to be is a stale or forged echo.
    const rtt = Math.max(1, Math.min(Math.round(rttUs), config.rtoMaxUs));
    this.lastUs = rtt;
    if (this.srttUs === 0) {
      this.srttUs = rtt;
      this.rttvarUs = rtt >> 1;
    } else {
      const error = Math.abs(this.srttUs - rtt);
      this.rttvarUs = Math.round((3 * this.rttvarUs + error) / 4);
      this.srttUs = Math.max(1, Math.round((7 * this.srttUs + rtt) / 8));
    }
    this.rtoUs = Math.min(this.srttUs + Math.max(4 * this.rttvarUs, config.rtoMinUs), config.rtoMaxUs);
    this.backoff = 0;
  }

  /**
   * Takes a round trip for the smallest one of the last tcp_min_rtt_wlen seconds (RFC 8985 5.2, RACK.min_RTT): that of the segment
   * sent last of those that an ACK tells of, which waited least. The former one is kept for a whole window, and its successor is the
   * smallest one of the second half of it.
   */
  observe(rttUs: number, now: Micros, config: StackConfig): void {
    const rtt = Math.max(1, Math.min(Math.round(rttUs), config.rtoMaxUs));
    const windowUs = config.minRttWindowUs;
    if (this.minRttUs === 0 || rtt <= this.minRttUs) {
      this.minRttUs = rtt;
      this.minRttAt = now;
      this.nextMinUs = rtt;
      this.nextMinAt = now;
      return;
    }
    if (rtt <= this.nextMinUs || now - this.nextMinAt > windowUs / 2) {
      this.nextMinUs = rtt;
      this.nextMinAt = now;
    }
    if (now - this.minRttAt <= windowUs) return;
    this.minRttUs = this.nextMinUs;
    this.minRttAt = this.nextMinAt;
    this.nextMinUs = rtt;
    this.nextMinAt = now;
  }

  /** The timeout with its back-off (RFC 6298 5.5), in µs. */
  timeoutUs(config: StackConfig): number {
    if (this.backoff === 0) return this.rtoUs;
    return Math.min(this.rtoUs * 2 ** Math.min(this.backoff, 30), config.rtoMaxUs);
  }
}
