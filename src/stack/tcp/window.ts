// The receive window that goes into a segment (RFC 9293 3.8.6.2.2, RFC 7323 2): silly-window avoidance at the receiver, and a
// right edge that never moves left.

import { TIMESTAMPS_LENGTH } from '../wire/tcp-options.js';
import type { TcpCore } from './core.js';
import { add, diff, gt } from './seq.js';
import type { Tcb } from './tcb.js';

/** What remains of the window that the peer was last offered, in bytes. */
export function offered(tcb: Tcb): number {
  return Math.max(0, diff(tcb.rcv.edge, tcb.rcv.nxt));
}

/** Payload of a full segment of the peer: what timestamps take of it, the program never reads. */
function fullSegment(tcb: Tcb): number {
  return tcb.timestamps ? tcb.localMss - TIMESTAMPS_LENGTH : tcb.localMss;
}

/** The window that would be offered now, in bytes before scaling. */
export function selectWindow(tcb: Tcb): number {
  const current = offered(tcb);
  const { limit } = tcb.recvBuffer;
  // More cannot be told than the field holds: without scaling a large buffer is no news to the peer.
  const free = Math.min(tcb.recvBuffer.free, 0xffff << tcb.rcv.wscale);
  // RFC 9293 3.8.6.2.2: the edge moves only by a worthwhile step: a full segment or half the buffer.
  return free - current >= Math.min(fullSegment(tcb), limit >> 1) ? free : current;
}

/** Returns the window field for a segment that is about to leave, and remembers the right edge that it promises. */
export function advertise(core: TcpCore, tcb: Tcb): number {
  const { rcv, recvBuffer } = tcb;
  const shift = rcv.wscale;
  const window = selectWindow(tcb);
  let field = window >> shift;
  if (field << shift < window) {
    // What the scale cuts off is added while the buffer has room for it, so that the right edge does not seem to move left. In
    // a full buffer it must not be: rounded up with every segment, the window would never close. One that is smaller than a
    // unit of the scale is offered as a whole unit.
    const { free, limit } = recvBuffer;
    const isSubUnit = field === 0 && free >= Math.min(fullSegment(tcb), limit >> 1);
    if (isSubUnit || (field + 1) << shift <= free) field++;
  }
  if (field > 0xffff) field = 0xffff;
  const wnd = field << shift;
  if (wnd === 0 && rcv.wnd > 0) core.counters.TcpExtTCPToZeroWindowAdv++;
  else if (wnd > 0 && rcv.wnd === 0) core.counters.TcpExtTCPFromZeroWindowAdv++;
  rcv.wnd = wnd;
  // RFC 7323 2.4: what was once offered is honoured, whatever the scale leaves of it.
  const edge = add(rcv.nxt, wnd);
  if (gt(edge, rcv.edge)) rcv.edge = edge;
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
