// The receiver's report of duplicates (RFC 2883): what has arrived before is told once, in the first block of the SACK option of
// the next ACK, so that the sender learns which of its retransmissions were in vain. `input-*.ts` note, `output.ts` sends.

import type { TcpCore } from './core.js';
import type { Reassembly } from './reassembly.js';
import { geq, gt, leq, lt, max, min } from './seq.js';
import type { Tcb } from './tcb.js';

/** Notes that [left, right) has arrived once more. Of several only the first is told, and what adjoins it. */
export function noteDuplicate(core: TcpCore, tcb: Tcb, left: number, right: number): void {
  if (!tcb.sack || core.config.dsack === 0 || !lt(left, right)) return;
  const { ecn, rcv } = tcb;
  // RFC 9768 3.2.3.2.1: the same again, though an ACK with an option has told of it: the option does not get through.
  if (ecn?.optionWithDsack && left === ecn.dsackStart) ecn.optionFailed = true;
  if (!hasDuplicate(tcb)) {
    rcv.dsackLeft = left;
    rcv.dsackRight = right;
  } else if (leq(left, rcv.dsackRight) && geq(right, rcv.dsackLeft)) {
    rcv.dsackLeft = min(rcv.dsackLeft, left);
    rcv.dsackRight = max(rcv.dsackRight, right);
  }
}

/** Notes what of [left, right) has arrived beyond a hole before: "the first duplicated contiguous sequence" (RFC 2883 4.2). */
export function noteOverlap(core: TcpCore, tcb: Tcb, ranges: Reassembly, left: number, right: number): void {
  for (let i = 0; i < ranges.count; i++) {
    if (!gt(ranges.right[i], left)) continue;
    noteDuplicate(core, tcb, max(left, ranges.left[i]), min(right, ranges.right[i]));
    return;
  }
}

/** True while a duplicate waits to be told. */
export function hasDuplicate(tcb: Tcb): boolean {
  return tcb.rcv.dsackLeft !== tcb.rcv.dsackRight;
}

/** The duplicate stands in a segment that leaves: it is not told again. */
export function forgetDuplicate(core: TcpCore, tcb: Tcb): void {
  const { rcv } = tcb;
  if (leq(rcv.dsackRight, rcv.nxt)) core.counters.TcpExtTCPDSACKOldSent++;
  else core.counters.TcpExtTCPDSACKOfoSent++;
  if (tcb.ecn !== null) tcb.ecn.dsackStart = rcv.dsackLeft;
  rcv.dsackLeft = rcv.dsackRight;
}
