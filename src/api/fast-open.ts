// Opening a connection with data on its SYN. Apart from the calls, for the first write after a deferred connect does it as well.

import type { Context } from './context.js';
import { openFrom } from './rss-calls.js';
import type { Socket } from './sockets.js';
import { CONNECTING } from './sockets.js';

/** Connects a socket to `core.remote` with data on the SYN: how many bytes were taken, or a negated errno. */
export function openFast(
  core: Context,
  socket: Socket,
  buf: Uint8Array,
  offset: number,
  length: number,
): number {
  core.touch();
  const tcb = openFrom(core, socket);
  if (typeof tcb === 'number') return tcb;
  socket.tcb = tcb;
  socket.phase = CONNECTING;
  socket.fastOpenTo = undefined;
  return core.stack.tcp.sendOnSyn(tcb, buf, offset, length);
}

/** The first write after a connect that was put off until then. */
export function openDeferred(
  core: Context,
  socket: Socket,
  buf: Uint8Array,
  offset: number,
  length: number,
): number {
  core.remote.copyEndpoint(socket.fastOpenTo!);
  return openFast(core, socket, buf, offset, length);
}
