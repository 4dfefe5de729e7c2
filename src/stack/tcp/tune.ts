// Puts the options of a program into effect on a connection: before its SYN (`adopt`) or while it lives (`tune`). Called by
// `tcp.ts` and where connections begin.

import { congestionControl } from './congestion.js';
import type { TcpCore } from './core.js';
import { startKeepalive } from './keepalive.js';
import { choosePacing } from './pacing.js';
import { CLOSED, isSynchronized, TIME_WAIT } from './state.js';
import type { Tcb } from './tcb.js';
import type { Tuning } from './tuning.js';
import { retuneUserTimeout } from './user-timeout.js';

/** Gives a new block its options; what the handshake tells the peer follows from them. */
export function adopt(tcb: Tcb, tuning: Tuning): void {
  tcb.tuning = tuning;
  if (tuning.sendBytes > 0) tcb.sendBuffer.limit = tuning.sendBytes;
  if (tuning.receiveBytes > 0) tcb.recvBuffer.limit = tuning.receiveBytes;
}

/** Changes the options of a connection; what they allow to be sent is sent with the next output. */
export function tune(core: TcpCore, tcb: Tcb, tuning: Tuning): void {
  const before = tcb.tuning;
  adopt(tcb, tuning);
  if (tcb.state === CLOSED || tcb.state === TIME_WAIT) return;
  if (tuning.maxSegment > 0 && tuning.maxSegment < tcb.snd.mssMax) tcb.snd.mssMax = tuning.maxSegment;
  if (tcb.snd.mss > tcb.snd.mssMax) tcb.snd.mss = tcb.snd.mssMax;
  if (tuning.congestion !== before.congestion) changeControl(core, tcb, tuning.congestion);
  retuneUserTimeout(core, tcb, before);
  if (isSynchronized(tcb.state)) {
    if (tuning.maxPacingRate !== before.maxPacingRate) choosePacing(core, tcb);
    startKeepalive(core, tcb);
  }
  core.output.push(tcb);
}

/** Another congestion control takes over with the window as it is. */
function changeControl(core: TcpCore, tcb: Tcb, name: string): void {
  const control = congestionControl(name);
  if (control === undefined || control === tcb.congestion) return;
  tcb.congestion = control;
  if (!isSynchronized(tcb.state)) return;
  if (!control.ownsWindow) core.dropBbr(tcb);
  choosePacing(core, tcb);
  control.init(core, tcb);
}
