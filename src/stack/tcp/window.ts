// The receive window that goes into a segment (RFC 9293 3.8.6.2.2, RFC 7323 2): silly-window avoidance at the receiver, and a
// right edge that never moves left.

import type { TcpCore } from './core.js';
import { add, diff } from './seq.js';
import type { Tcb } from './tcb.js';

/** What remains of the window that the peer was last offered, in bytes. */
export function offered(tcb: Tcb): number {
  return Math.max(0, diff(tcb.rcv.edge, tcb.rcv.nxt));
}

/** The window that would be offered now, in bytes before scaling. */
export function selectWindow(tcb: Tcb): number {
  const current = offered(tcb);
  const { free, limit } = tcb.recvBuffer;
  // RFC 9293 3.8.6.2.2: the edge moves only by a worthwhile step: a full segment or half the buffer.
  return free - current >= Math.min(tcb.localMss, limit >> 1) ? free : current;
}

/** Returns the window field for a segment that is about to leave, and remembers the right edge that it promises. */
export function advertise(core: TcpCore, tcb: Tcb): number {
  const rcv = tcb.rcv;
  const current = offered(tcb);
  const shift = rcv.wscale;
  const wanted = selectWindow(tcb);
  // A window that is kept is rounded up to the scale, for rounded down it would take back what was promised.
  let field = wanted > current ? wanted >> shift : (current + (1 << shift) - 1) >> shift;
  if (field << shift < current) field = (current + (1 << shift) - 1) >> shift;
  if (field > 0xffff) field = 0xffff;
  if (field === 0 && current > 0) core.counters.TcpExtTCPToZeroWindowAdv++;
  else if (field > 0 && current === 0) core.counters.TcpExtTCPFromZeroWindowAdv++;
  rcv.edge = add(rcv.nxt, field << shift);
  return field;
}

/** The window of a SYN, which is never scaled: as many full segments as fit the buffer and 16 bits. */
export function initialWindow(tcb: Tcb): number {
  const space = Math.min(tcb.recvBuffer.limit, 0xffff);
  return space > tcb.localMss ? space - (space % tcb.localMss) : space;
}

/** The scale to announce so that the largest receive buffer can be offered (RFC 7323 2.3). */
export function windowScale(largestBuffer: number): number {
  let shift = 0;
  while (shift < 14 && largestBuffer >> shift > 0xffff) shift++;
  return shift;
}

/** True when the application has read so much that the peer should hear of the new window at once. */
export function worthUpdating(tcb: Tcb): boolean {
  const current = offered(tcb);
  if (current * 2 > tcb.recvBuffer.limit) return false;
  const next = selectWindow(tcb);
  return next > 0 && next >= current * 2;
}
