// Whether a connection has room for the application to write (what Linux calls sk_stream_is_writeable), asked by poll, by ACKs
// that make room and by what is sent.

import type { TcpCore } from './core.js';
import { EPOLLOUT } from './events.js';
import { diff } from './seq.js';
import type { Tcb } from './tcb.js';

/** True when TCP_NOTSENT_LOWAT keeps the application from writing more. */
export function isBacklogged(tcb: Tcb): boolean {
  const { notSentLowat } = tcb.tuning;
  if (notSentLowat === 0) return false;
  return tcb.sendBuffer.length - diff(tcb.snd.nxt, tcb.snd.base) >= notSentLowat;
}

/** True when a third of the send buffer is free and little enough waits to be sent. */
export function isWritable(tcb: Tcb): boolean {
  return tcb.sendBuffer.free * 3 >= tcb.sendBuffer.limit && !isBacklogged(tcb);
}

/** Tells an application that was refused room that there is some again. */
export function wakeWriter(core: TcpCore, tcb: Tcb): void {
  if (!tcb.sendBlocked || !isWritable(tcb)) return;
  tcb.sendBlocked = false;
  core.notify(tcb, EPOLLOUT);
}
