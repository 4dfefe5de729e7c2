// The retransmission timeout (RFC 6298): a smoothed round-trip time and its variation from samples that are never taken from
// retransmitted data without timestamps (Karn). The lower bound is added to SRTT as Linux does, not clamped.

import type { StackConfig } from '../config.js';

export class RttEstimator {
  /** Smoothed round-trip time in µs; 0 before the first sample. */
  srttUs = 0;
  rttvarUs = 0;
  /** Smallest sample in µs; 0 before the first. */
  minRttUs = 0;
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
      this.minRttUs = rtt;
    } else {
      const error = Math.abs(this.srttUs - rtt);
      this.rttvarUs = Math.round((3 * this.rttvarUs + error) / 4);
      this.srttUs = Math.max(1, Math.round((7 * this.srttUs + rtt) / 8));
      if (rtt < this.minRttUs) this.minRttUs = rtt;
    }
    this.rtoUs = Math.min(this.srttUs + Math.max(4 * this.rttvarUs, config.rtoMinUs), config.rtoMaxUs);
    this.backoff = 0;
  }

  /** The timeout with its back-off (RFC 6298 5.5), in µs. */
  timeoutUs(config: StackConfig): number {
    if (this.backoff === 0) return this.rtoUs;
    return Math.min(this.rtoUs * 2 ** Math.min(this.backoff, 30), config.rtoMaxUs);
  }
}
