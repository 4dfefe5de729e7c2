// SEGMENT ARRIVES (RFC 9293 3.10.7): finds the connection of a segment, and handles those that have none: CLOSED (3.10.7.1)
// and LISTEN (3.10.7.2). The other states are in `input-syn-sent.ts` and `input-synchronized.ts`.

import { ACK, FIN, RST, type Segment, SYN } from '../wire/tcp-header.js';
import type { TcpCore } from './core.js';
import { synArrives } from './ecn-handshake.js';
import { acceptSyn, prepare, startAt } from './handshake.js';
import { synSentArrives } from './input-syn-sent.js';
import { synchronizedArrives } from './input-synchronized.js';
import { isnAfter } from './isn.js';
import { DATA_SEGS_IN, SEGS_IN } from './ledger.js';
import { hasRoom, type Listener } from './listener.js';
import { replyReset } from './output.js';
import { SYN_RCVD, SYN_SENT, TIME_WAIT } from './state.js';
import { adopt } from './tune.js';

/** Processes the segment in `core.seg`, whose checksum is known to be right. */
export function segmentArrives(core: TcpCore): void {
  const seg = core.seg;
  if (seg.options.md5 || seg.options.ao) {
    dropSigned(core, seg);
    return;
  }
  const tcb = core.demux.find(seg.dst, seg.src);
  if (tcb !== undefined) {
    core.ledger.count(tcb.index, SEGS_IN);
    if (seg.dataLength > 0) core.ledger.count(tcb.index, DATA_SEGS_IN);
  }
  if (tcb === undefined) {
    noConnection(core, seg, undefined);
  } else if (tcb.state === SYN_SENT) {
    synSentArrives(core, tcb, seg);
  } else {
    const isn = tcb.state === TIME_WAIT ? isnAfter(tcb) : undefined;
    // RFC 6191: a new SYN may take over a tuple in TIME-WAIT; the old connection is gone by now.
    if (synchronizedArrives(core, tcb, seg)) noConnection(core, seg, isn);
  }
}

/**
 * A segment with a signature (RFC 2385, RFC 5925) is none for a stack without keys: dropped in silence, as on Linux, and not
 * answered by a reset that nobody could tell from a forged one.
 */
function dropSigned(core: TcpCore, seg: Segment): void {
  if (seg.options.md5) core.counters.TcpExtTCPMD5Unexpected++;
  else core.counters.TcpExtTCPAOKeyNotFound++;
}

/** `isn` is the initial sequence number to use, where the tuple was in use before. */
function noConnection(core: TcpCore, seg: Segment, isn: number | undefined): void {
  const listener = core.listeners.find(seg.dst.port, seg.dst, seg.src);
  if (listener !== undefined) {
    listenArrives(core, listener, seg, isn);
    return;
  }
  // RFC 9293 3.10.7.1: everything but a RST is answered with one.
  core.counters.TcpExtTCPNoPort++;
  replyReset(core, seg);
}

/** RFC 9293 3.10.7.2 */
function listenArrives(core: TcpCore, listener: Listener, seg: Segment, isn: number | undefined): void {
  // First, check for a RST: ignored.
  if ((seg.flags & RST) !== 0) {
    core.counters.TcpExtTCPNoPort++;
    return;
  }
  // Second, check for an ACK: there is nothing to acknowledge yet.
  if ((seg.flags & ACK) !== 0) {
    core.counters.TcpExtTCPNoPort++;
    replyReset(core, seg);
    return;
  }
  // Third, check for a SYN. One with FIN is no honest request; Linux drops it, so do we. Anything else is dropped too.
  if ((seg.flags & (SYN | FIN)) !== SYN) {
    core.counters.TcpExtTCPBadFlags++;
    return;
  }
  if (!hasRoom(core, listener) || core.ip.route(seg.src) < 0) {
    core.counters.TcpExtListenDrops++;
    return;
  }
  const tcb = core.demux.allocate(core.config);
  adopt(tcb, listener.tuning);
  prepare(core, tcb, seg.dst, seg.src, core.ip.nextHop);
  if (isn !== undefined) startAt(tcb, isn);
  acceptSyn(core, tcb, seg);
  synArrives(core, tcb, seg);
  tcb.passive = true;
  tcb.listener = listener;
  listener.halfOpen++;
  core.enter(tcb, SYN_RCVD);
  core.demux.insert(tcb);
  core.counters.TcpPassiveOpens++;
  tcb.timing = true;
  tcb.timedAt = core.clock.now;
  tcb.synPending = true;
  core.output.push(tcb);
}
