// Control data of mtcp_recvmsg: how much more can be read (TCP_INQ), laid out as C's `struct cmsghdr` of 64 bits (cmsg(3)).

import { SOL_TCP, TCP_CM_INQ } from './constants.js';
import type { Socket } from './sockets.js';

/** Bytes of the header, of header and int (CMSG_LEN), and of both with padding (CMSG_SPACE). */
const HEADER = 16;
const LENGTH = HEADER + 4;
const SPACE = 24;

/** Bytes that wait to be read. At the end of the stream there is one more, as on Linux: reading on finds it. */
function bytesLeft({ tcb }: Socket): number {
  return tcb === undefined ? 0 : tcb.recvBuffer.length + (tcb.readShut ? 1 : 0);
}

/**
 * Writes how much is left to `control`, of which the program has said that `room` bytes are there. Returns the bytes used; 0 when
 * they do not suffice.
 */
export function writeInq(socket: Socket, control: unknown, room: number): number {
  if (!(control instanceof Uint8Array) || Math.min(room, control.length) < LENGTH) return 0;
  const view = new DataView(control.buffer, control.byteOffset, control.byteLength);
  view.setBigUint64(0, BigInt(LENGTH), true);
  view.setInt32(8, SOL_TCP, true);
  view.setInt32(12, TCP_CM_INQ, true);
  view.setInt32(HEADER, bytesLeft(socket), true);
  return Math.min(room, control.length, SPACE);
}
