// Fast Open at a listener (RFC 7413 4.2): which SYNs open a connection at once, and which only get a cookie.

import type { Segment } from '../wire/tcp-header.js';
import type { TcpCore } from './core.js';
import {
  COOKIE_LENGTH,
  FASTOPEN_ALL_LISTENERS,
  FASTOPEN_SERVER,
  FASTOPEN_SERVER_NO_COOKIE,
  type FastOpen,
  type FastOpenKeys,
} from './fast-open.js';
import { beginData } from './handshake.js';
import { enqueue, type Listener } from './listener.js';
import { add } from './seq.js';
import type { Tcb } from './tcb.js';

/** How long a connection that was reset counts as pending, in µs; Linux's number. */
const RESET_HOLD_US = 60_000_000;

/** Looks at the option of a SYN, whose connection is in SYN-RECEIVED: the data may be taken, and a cookie may be due. */
export function fastOpenArrives(core: TcpCore, listener: Listener, tcb: Tcb, seg: Segment): void {
  const { options } = seg;
  const { fastopen } = core.config;
  const { fastOpenQueue, fastOpenNoCookie } = listener.tuning;
  if ((fastopen & FASTOPEN_SERVER) === 0) return;
  if (fastOpenQueue === 0 && (fastopen & FASTOPEN_ALL_LISTENERS) === 0) return;
  const needsNone = fastOpenNoCookie || (fastopen & FASTOPEN_SERVER_NO_COOKIE) !== 0;
  if (options.fastOpenLength < 0 && !(needsNone && seg.dataLength > 0)) return;
  const keys = keysOf(core, listener);
  const { view } = core.ip.nic;
  const { fastOpenLength, fastOpenOffset } = options;
  const key =
    fastOpenLength > 0 ? keys.check(tcb.local, tcb.remote, view, fastOpenOffset, fastOpenLength) : -1;
  const state = core.fastOpenOf(tcb);
  state.isExperimental = options.fastOpenExperimental;
  // A request, a wrong cookie and one of the old key are answered by a fresh one.
  if (fastOpenLength >= 0 && key !== 0 && !(needsNone && fastOpenLength > 0)) {
    keys.make(tcb.local, tcb.remote, state.cookie);
    state.length = COOKIE_LENGTH;
    if (fastOpenLength === 0) core.counters.TcpExtTCPFastOpenCookieReqd++;
    else if (key < 0) core.counters.TcpExtTCPFastOpenPassiveFail++;
  }
  const mayOpen = key >= 0 || (needsNone && fastOpenLength !== 0);
  if (!mayOpen) return;
  expireResets(core, listener);
  if (listener.fastOpenPending >= (fastOpenQueue === 0 ? listener.backlog : fastOpenQueue)) {
    core.counters.TcpExtTCPFastOpenListenOverflow++;
    return;
  }
  open(core, listener, tcb, seg, state);
}

/**
 * RFC 7413 5.1: whoever sends SYNs in the name of hosts that answer by a reset must not get round the limit of pending ones, so that
 * each reset takes a place for a minute.
 */
function expireResets(core: TcpCore, listener: Listener): void {
  const { fastOpenResets } = listener;
  const until = core.clock.now - RESET_HOLD_US;
  let expired = 0;
  while (expired < fastOpenResets.length && fastOpenResets[expired] <= until) expired++;
  if (expired === 0) return;
  fastOpenResets.splice(0, expired);
  listener.fastOpenPending -= expired;
}

/** The connection can be accepted at once, with the data of the SYN in its buffer. */
function open(core: TcpCore, listener: Listener, tcb: Tcb, seg: Segment, state: FastOpen): void {
  core.counters.TcpExtTCPFastOpenPassive++;
  listener.fastOpenPending++;
  state.listener = listener;
  state.isOpen = true;
  const length = Math.min(seg.dataLength, tcb.rcv.wnd);
  if (length > 0) {
    tcb.synDataAcked = true;
    tcb.recvBuffer.place(0, core.ip.span, seg.dataOffset, length, core.buffers);
    tcb.recvBuffer.advance(length);
    tcb.rcv.nxt = add(tcb.rcv.nxt, length);
  }
  beginData(core, tcb);
  // Our SYN is still outstanding and takes one number of the window.
  tcb.cc.cwnd += 1;
  listener.halfOpen--;
  enqueue(core, tcb, listener);
}

function keysOf(core: TcpCore, listener: Listener): FastOpenKeys {
  const own = listener.tuning.fastOpenKey;
  return own === '' ? core.fastOpenKeys : core.fastOpenKeysOf(own);
}
