// How much of a connection's data is where: outstanding, thought to be in the network, deemed lost, not sent yet. Sums that
// sending and loss recovery share; nothing here changes anything.

import { diff } from './seq.js';
import type { Tcb } from './tcb.js';

/** Bytes sent and not acknowledged, FIN included. */
export function flightSize(tcb: Tcb): number {
  return diff(tcb.snd.nxt, tcb.snd.una);
}

/** Bytes thought to be in the network (RFC 6675 4, `pipe`). */
export function pipe(tcb: Tcb): number {
  const { board, cc } = tcb;
  if (board === null) return 0;
  return flightSize(tcb) - board.sacked - cc.renoSacked - board.lost + board.repaired;
}

/** True while something deemed lost waits to be sent again. */
export function hasLost(tcb: Tcb): boolean {
  return tcb.board?.hasUnrepaired ?? false;
}

/** Bytes in the send buffer that were never sent. */
export function unsentBytes(tcb: Tcb): number {
  return tcb.sendBuffer.length - diff(tcb.snd.nxt, tcb.snd.base) + (tcb.finSent ? 1 : 0);
}
