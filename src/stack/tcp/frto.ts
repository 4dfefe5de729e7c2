// F-RTO (RFC 5682): was a retransmission timeout needed at all? After the first segment has been sent again, new data is sent
// instead of the rest; if then something arrives that was never sent again, only the delay had grown. `recovery.ts` asks after
// every ACK while it recovers from a timeout.

import { unsentBytes } from './flight.js';
import type { AckReport } from './recovery.js';
import { geq, gt } from './seq.js';
import type { Tcb } from './tcb.js';

/** Nothing is to be found out, or it has been found that the loss was real. */
export const FRTO_OFF = 0;
/** Step 2: the first segment has been sent again, its ACK is waited for. */
export const FRTO_RESENT = 1;
/** Step 3: new data is sent, up to two segments. */
export const FRTO_NEW_DATA = 2;

/** RFC 5682 2.1 and 3.1, steps 2 and 3. Returns true when the timeout turns out to have been spurious. */
export function isSpuriousTimeout(tcb: Tcb, report: AckReport): boolean {
  const { cc, snd } = tcb;
  if (cc.frto === FRTO_RESENT) {
    // Step 2a: all of it is acknowledged, or without SACK a duplicate: ordinary recovery from a timeout.
    if (geq(snd.una, cc.recover) || (report.isDuplicate && !tcb.sack)) cc.frto = FRTO_OFF;
    // Step 2b, and with SACK duplicates are waited out.
    else if (report.acked > 0) cc.frto = maySendNew(tcb) ? FRTO_NEW_DATA : FRTO_OFF;
    return false;
  }
  if (cc.frto === FRTO_NEW_DATA) {
    // Step 3a: new data is there, what went before it is not: the loss was real.
    if (report.sackedNew || gt(snd.una, cc.recover) || (report.isDuplicate && !tcb.sack)) {
      cc.frto = FRTO_OFF;
      cc.cwnd = 3 * snd.mss;
      return false;
    }
    // Step 3b: what was never sent again has arrived. Without SACK the first segment's copy must not be part of it.
    return report.isOriginal && (tcb.sack || !report.isResent);
  }
  return false;
}

/** Without new data, or a window for it, nothing can be found out. */
function maySendNew(tcb: Tcb): boolean {
  const { snd } = tcb;
  return unsentBytes(tcb) > 0 && gt((snd.una + snd.wnd) | 0, snd.nxt);
}
