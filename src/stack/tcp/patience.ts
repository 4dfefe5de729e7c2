// How long a connection tries (RFC 9293 3.8.3, R2) as a time, as Linux has it.

import type { TcpCore } from './core.js';

/** Linux's TCP_RTO_MIN, µs: a smaller `tcp_rto_min_us` makes retransmissions earlier, and does not make R2 shorter. */
const PATIENCE_RTO_US = 200_000;

/**
 * What `count` retransmissions with an RTO of 200 ms would take. With the default of `tcp_retries2` that is 924.6 s; SHLD-11 wants
 * 100 s at least.
 */
export function timeOfRetries(core: TcpCore, count: number): number {
  const { rtoMaxUs } = core.config;
  const doublings = Math.floor(Math.log2(rtoMaxUs / PATIENCE_RTO_US));
  if (count <= doublings) return (2 ** (count + 1) - 1) * PATIENCE_RTO_US;
  return (2 ** (doublings + 1) - 1) * PATIENCE_RTO_US + (count - doublings) * rtoMaxUs;
}
