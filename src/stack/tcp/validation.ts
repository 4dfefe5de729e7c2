// Was the congestion window in use? One that was not says nothing about the path and does not grow (RFC 5681 3.1, RFC 7661).
// Judged by what happened when the data was sent that an ACK is for, as Linux does, not by what is outstanding when the ACK
// comes: several ACKs may be worked off before anything is sent again.

import { flightSize, pipe } from './flight.js';
import { geq } from './seq.js';
import type { Tcb } from './tcb.js';

/** Notes, after sending, whether the congestion window has room for another segment. */
export function noteUsage(tcb: Tcb): void {
  const { cc, snd } = tcb;
  const flight = flightSize(tcb);
  const isLimited = pipe(tcb) + snd.mss > cc.cwnd;
  // The strongest sign of the last window of data counts.
  const isNewWindow = geq(snd.una, cc.usageEnd);
  if (!isNewWindow && !isLimited && (cc.wasLimited || flight <= cc.usedFlight)) return;
  cc.wasLimited = isLimited;
  cc.usedFlight = flight;
  cc.usageEnd = snd.nxt;
}

/** True when the window was full; in slow start half full is enough, for it doubles in a round trip. */
export function isWindowLimited(tcb: Tcb): boolean {
  const { cwnd, ssthresh, wasLimited, usedFlight } = tcb.cc;
  return wasLimited || (cwnd < ssthresh && 2 * usedFlight >= cwnd);
}
