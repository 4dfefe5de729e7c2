// SEGMENT ARRIVES in LISTEN (RFC 9293 3.10.7.2): a SYN makes a half-open connection, or gets a cookie when there are too many of them
// (RFC 4987 3.6), and an ACK may bring such a cookie back.

import { ACK, FIN, RST, type Segment, SYN } from '../wire/tcp-header.js';
import type { TcpCore } from './core.js';
import { synArrives } from './ecn-handshake.js';
import { CLASSIC } from './ecn-state.js';
import { fastOpenArrives } from './fast-open-server.js';
import { acceptSyn, prepare, startAt } from './handshake.js';
import { hasRoom, type Listener } from './listener.js';
import { replyReset, sendSyn } from './output.js';
import { add } from './seq.js';
import { CLOSED, SYN_RCVD } from './state.js';
import { COOKIE_LIFE_US, hasEcn, hasSack, scaleIn } from './syn-cookies.js';
import type { Tcb } from './tcb.js';
import { adopt } from './tune.js';

/**
 * Takes a segment for a listener. `isn` is the initial sequence number to use, where the tuple was in use before. Returns a connection
 * that the segment has brought back and that is to process it; undefined else.
 */
export function listenArrives(
  core: TcpCore,
  listener: Listener,
  seg: Segment,
  isn: number | undefined,
): Tcb | undefined {
  // First, check for a RST: ignored.
  if ((seg.flags & RST) !== 0) {
    core.counters.TcpExtTCPNoPort++;
    return undefined;
  }
  // Second, check for an ACK: there is nothing to acknowledge yet, unless it is a cookie.
  if ((seg.flags & ACK) !== 0) {
    if ((seg.flags & SYN) === 0 && mayHoldCookie(core, listener)) return cookieArrives(core, listener, seg);
    core.counters.TcpExtTCPNoPort++;
    replyReset(core, seg);
    return undefined;
  }
  // Third, check for a SYN. One with FIN is no honest request; Linux drops it, so do we. Anything else is dropped too.
  if ((seg.flags & (SYN | FIN)) !== SYN) {
    core.counters.TcpExtTCPBadFlags++;
    return undefined;
  }
  const mayAnswer = !listener.isFull && core.ip.route(seg.src) >= 0;
  const { syncookies } = core.config;
  if (!mayAnswer || (!hasRoom(core, listener) && syncookies === 0)) {
    core.counters.TcpExtListenDrops++;
  } else if (syncookies === 2 || !hasRoom(core, listener)) {
    sendCookie(core, listener, seg);
  } else {
    halfOpen(core, listener, seg, isn);
  }
  return undefined;
}

/** A connection in SYN-RECEIVED, whose SYN-ACK leaves with the next output. */
function halfOpen(core: TcpCore, listener: Listener, seg: Segment, isn: number | undefined): void {
  const tcb = makeConnection(core, listener, seg);
  if (isn !== undefined) startAt(tcb, isn);
  enterSynReceived(core, listener, tcb);
  fastOpenArrives(core, listener, tcb, seg);
  tcb.timing = true;
  tcb.timedAt = core.clock.now;
  tcb.synPending = true;
  core.output.push(tcb);
}

/** A block with what the SYN in `seg` and the listener say. */
function makeConnection(core: TcpCore, listener: Listener, seg: Segment): Tcb {
  const tcb = core.demux.allocate(core.config);
  adopt(tcb, listener.tuning);
  prepare(core, tcb, seg.dst, seg.src, core.ip.nextHop);
  acceptSyn(core, tcb, seg);
  synArrives(core, tcb, seg);
  return tcb;
}

function enterSynReceived(core: TcpCore, listener: Listener, tcb: Tcb): void {
  tcb.passive = true;
  tcb.listener = listener;
  listener.halfOpen++;
  core.enter(tcb, SYN_RCVD);
  core.demux.insert(tcb);
  core.counters.TcpPassiveOpens++;
}

/** Answers a SYN and forgets it: all that is known of it is in the SYN-ACK. */
function sendCookie(core: TcpCore, listener: Listener, seg: Segment): void {
  const tcb = makeConnection(core, listener, seg);
  startAt(tcb, core.cookies.make(seg.dst, seg.src, seg.seq, seg.options.mss));
  // Only a timestamp can keep the other options.
  if (!tcb.timestamps) {
    tcb.sack = false;
    tcb.scaling = false;
  }
  if (!tcb.timestamps || tcb.ecn?.mode !== CLASSIC) core.dropEcn(tcb);
  tcb.cookie = true;
  core.enter(tcb, SYN_RCVD);
  sendSyn(core, tcb);
  core.enter(tcb, CLOSED);
  core.dropEcn(tcb);
  core.dropUserTimeout(tcb);
  core.demux.free(tcb);
  listener.cookieAt = core.clock.now;
  core.counters.TcpExtSyncookiesSent++;
}

/** Cookies are believed only as long as they may be on their way, so that nobody can guess one at leisure. */
function mayHoldCookie(core: TcpCore, listener: Listener): boolean {
  const { syncookies } = core.config;
  return syncookies === 2 || (syncookies === 1 && core.clock.now - listener.cookieAt <= COOKIE_LIFE_US);
}

/** The ACK of a SYN-ACK that was forgotten: the connection is made from what comes back. */
function cookieArrives(core: TcpCore, listener: Listener, seg: Segment): Tcb | undefined {
  const { options } = seg;
  const cookie = add(seg.ack, -1);
  const irs = add(seg.seq, -1);
  const mss = core.cookies.check(seg.dst, seg.src, irs, cookie);
  if (mss === 0 || core.cookies.isUsed(cookie)) {
    core.counters.TcpExtSyncookiesFailed++;
    core.counters.TcpExtTCPNoPort++;
    replyReset(core, seg);
    return undefined;
  }
  core.counters.TcpExtSyncookiesRecv++;
  if (listener.isFull || core.demux.size >= core.config.maxConnections || core.ip.route(seg.src) < 0) {
    // The peer believes that it is connected, and will send again.
    core.counters.TcpExtListenOverflows++;
    return undefined;
  }
  core.cookies.use(cookie);
  const tcb = core.demux.allocate(core.config);
  adopt(tcb, listener.tuning);
  prepare(core, tcb, seg.dst, seg.src, core.ip.nextHop);
  // For a moment the segment says what the SYN said.
  const { seq } = seg;
  const stamp = options.timestamps ? (options.tsEcr - tcb.tsOffset) | 0 : 0;
  seg.seq = irs;
  options.mss = mss;
  options.wscale = options.timestamps ? scaleIn(stamp) : -1;
  options.sackPermitted = options.timestamps && hasSack(stamp);
  acceptSyn(core, tcb, seg);
  seg.seq = seq;
  startAt(tcb, cookie);
  if (options.timestamps && hasEcn(stamp) && core.config.ecn !== 0) core.ecnOf(tcb, CLASSIC);
  enterSynReceived(core, listener, tcb);
  return tcb;
}
