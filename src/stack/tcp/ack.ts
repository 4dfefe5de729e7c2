// What an acceptable acknowledgment does (RFC 9293 3.10.7.4, fifth check): frees what the peer has, measures the round trip,
// moves the windows, and recognises duplicates.

import { NEVER } from '../clock.js';
import { FIN, type Segment, SYN } from '../wire/tcp-header.js';
import type { TcpCore } from './core.js';
import { checkAppLimited, onArrival } from './delivery.js';
import { acknowledgmentArrives } from './ecn.js';
import { flightSize } from './flight.js';
import { BYTES_ACKED, DELIVERED, DSACK_DUPS, RTO_SINCE, RTO_US } from './ledger.js';
import { mtuProbeAnswered } from './mtu-search.js';
import { followWindow } from './pacing.js';
import { probeAnswered } from './probe.js';
import { endDsackRound, onDelivered, onDsack } from './rack.js';
import { onAck } from './recovery.js';
import { isDsack, sackArrives } from './sack.js';
import { RESENT, SACKED, type Scoreboard } from './scoreboard.js';
import { add, diff, geq, gt, leq, lt, max } from './seq.js';
import { isSynchronized } from './state.js';
import { PERSIST, type Tcb } from './tcb.js';
import { startRetransmissionTimer, stopRetransmissionTimer, watchFlight } from './transmit.js';
import { wakeWriter } from './writability.js';

/** An echo of the future, or of more than a day ago, is no sample. */
const OLDEST_ECHO_MS = 86_400_000;
/** Least time in µs for a peer that seems to have taken back what it held. */
const LEAST_PATIENCE_US = 10_000;

/** True when the acknowledgment is none of ours: beyond SND.NXT, or older than any window reaches (RFC 5961 5.2). */
export function isInvalidAck(tcb: Tcb, seg: Segment): boolean {
  const { snd } = tcb;
  return gt(seg.ack, snd.nxt) || lt(seg.ack, add(snd.una, -snd.wndMax));
}

/** Processes SEG.ACK, known to be at most SND.NXT, its SACK blocks, and SEG.WND. */
export function acceptAck(core: TcpCore, tcb: Tcb, seg: Segment): void {
  const { snd } = tcb;
  const { report } = core;
  const acked = diff(seg.ack, snd.una);
  const wnd = (seg.flags & SYN) !== 0 ? seg.wnd : seg.wnd << snd.wscale;
  // One that others have overtaken acknowledges nothing, and may still tell by SACK what has arrived since.
  if (acked >= 0 || (tcb.sack && seg.options.sackCount > 0)) {
    checkAppLimited(core, tcb);
    report.acked = Math.max(0, acked);
    report.delivered = 0;
    report.lost = 0;
    report.ceMarked = 0;
    report.sample.reset();
    report.flight = flightSize(tcb);
    report.hasEcho = tcb.timestamps && seg.options.timestamps && seg.options.tsEcr !== 0;
    report.tsEcr = seg.options.tsEcr;
    report.isOriginal = false;
    report.isReordered = false;
    report.isResent = false;
    report.sackedNew = false;
    report.hasSack = seg.options.sackCount > 0;
    report.isDsack = tcb.sack && isDsack(tcb, seg);
    report.dsackLeft = seg.options.sackLeft[0];
    report.dsackRight = seg.options.sackRight[0];
    report.isVain = report.isDsack && tcb.repairs?.touch(report.dsackLeft, report.dsackRight) === true;
    report.isDuplicate = acked === 0 && isDuplicate(tcb, seg, wnd);
    if (acked > 0) progress(core, tcb, seg, acked);
    recover(core, tcb, seg);
  }
  // "If SND.UNA =< SEG.ACK =< SND.NXT, the send window should be updated."
  if (acked >= 0) updateWindow(core, tcb, seg, wnd);
  // Any acknowledgment answers a probe (RFC 9293 3.8.6.1: MUST-37, the connection lives on).
  tcb.probes = 0;
  tcb.heardAt = core.clock.now;
}

/** RFC 5681 2, a duplicate acknowledgment: (a) data outstanding, (b) none carried, (c) no SYN or FIN, (d), (e) same window. */
function isDuplicate(tcb: Tcb, seg: Segment, wnd: number): boolean {
  return (
    seg.dataLength === 0 && wnd === tcb.snd.wnd && flightSize(tcb) > 0 && (seg.flags & (SYN | FIN)) === 0
  );
}

/** SND.UNA moves: frees the bytes, takes the round trip, and tells what waits for room. */
function progress(core: TcpCore, tcb: Tcb, seg: Segment, acked: number): void {
  const { snd, sendBuffer } = tcb;
  snd.una = seg.ack;
  core.ledger.add(tcb.row, BYTES_ACKED, acked);
  // Kept close behind, or after 2 GiB it would seem to lie ahead and hold small segments back for ever.
  snd.small = max(snd.small, snd.una);
  snd.up = max(snd.up, snd.una);
  const dataAcked = Math.min(Math.max(0, diff(snd.una, snd.base)), sendBuffer.length);
  if (dataAcked > 0) {
    sendBuffer.acknowledge(dataAcked, core.buffers);
    snd.base = add(snd.base, dataAcked);
  }
  if (tcb.records !== null) tcb.records.acknowledge(snd.una);
  if (tcb.board === null) {
    core.report.delivered = acked;
    core.ledger.count(tcb.row, DELIVERED);
    measureSyn(core, tcb);
  } else {
    settle(core, tcb, tcb.board);
  }
  if (tcb.mtuSearch !== null) mtuProbeAnswered(core, tcb, tcb.mtuSearch);
  if (tcb.retransmits > 0) endTimeouts(core, tcb);
  tcb.softError = 0;
  // As on Linux, MSG_MORE holds back until something is acknowledged; a cork holds on.
  tcb.more = false;
  endDsackRound(tcb);
  if (core.clock.now - tcb.confirmedAt > 1_000_000) {
    tcb.confirmedAt = core.clock.now;
    core.ip.confirm(tcb.nextHop);
  }
  wakeWriter(core, tcb);
  core.output.push(tcb);
}

/** There is progress again after retransmission timeouts. */
export function endTimeouts(core: TcpCore, tcb: Tcb): void {
  tcb.retransmits = 0;
  core.ledger.add(tcb.row, RTO_US, core.clock.now - core.ledger.sumOf(tcb.row, RTO_SINCE));
}

/** Takes acknowledged segments out of the scoreboard, and a round-trip sample from them (RFC 6298 3, Karn). */
function settle(core: TcpCore, tcb: Tcb, board: Scoreboard): void {
  const { una } = tcb.snd;
  const { report } = core;
  let sentAt = NEVER;
  let isAmbiguous = false;
  while (board.count > 0) {
    const at = board.first & board.mask;
    const flags = board.flagsAt(at);
    if (!leq(board.endAt(at), una)) {
      if (!lt(board.startAt(at), una)) break;
      if ((flags & SACKED) === 0) report.delivered += diff(una, board.startAt(at));
      board.trim(una);
      break;
    }
    if ((flags & SACKED) === 0) {
      report.delivered += diff(board.endAt(at), board.startAt(at));
      onDelivered(core, tcb, board, board.first, true);
      onArrival(core, tcb, board, board.first);
      if ((flags & RESENT) !== 0) isAmbiguous = true;
      else if (sentAt === NEVER) sentAt = board.sentAt(at);
      if ((flags & RESENT) === 0 && leq(board.endAt(at), tcb.cc.recover)) report.isOriginal = true;
    }
    board.shift();
  }
  report.isResent = isAmbiguous;
  if (!isAmbiguous && sentAt !== NEVER) tcb.rtt.sample(core.clock.now - sentAt, core.config);
  else if (isAmbiguous) measureByEcho(core, tcb, OLDEST_ECHO_MS);
  if (board.count === 0) core.dropBoard(tcb);
}

/**
 * The round trip of the SYN: of one that was sent once (RFC 6298 3, Karn), or by its echo. What took as long as the first timeout
 * is not believed: a SYN, a SYN-ACK or the ACK of it was lost, and the timeout would suffer from it for long.
 */
function measureSyn(core: TcpCore, tcb: Tcb): void {
  const { rtoInitialUs } = core.config;
  if (tcb.timing) {
    tcb.timing = false;
    const rttUs = core.clock.now - tcb.timedAt;
    if (rttUs < rtoInitialUs) measure(core, tcb, rttUs);
  } else {
    measureByEcho(core, tcb, rtoInitialUs / 1000);
  }
}

/** Timestamps tell the round trip even of what was sent twice (RFC 7323 4.1). */
function measureByEcho(core: TcpCore, tcb: Tcb, limitMs: number): void {
  const { report } = core;
  if (!report.hasEcho) return;
  const elapsedMs = (core.clock.ms + tcb.tsOffset - report.tsEcr) | 0;
  if (elapsedMs >= 0 && elapsedMs < limitMs) measure(core, tcb, Math.max(1, elapsedMs) * 1000);
}

function measure(core: TcpCore, tcb: Tcb, rttUs: number): void {
  tcb.rtt.sample(rttUs, core.config);
  tcb.rtt.observe(rttUs, core.clock.now, core.config);
}

/** Loss recovery and congestion control, and the timers of what is still in flight. */
function recover(core: TcpCore, tcb: Tcb, seg: Segment): void {
  const { report } = core;
  const { board } = tcb;
  if (board !== null && board.count > 0 && tcb.sack && report.hasSack) sackArrives(core, tcb, board, seg);
  const { rttUs } = report.sample;
  if (rttUs >= 0) tcb.rtt.observe(rttUs, core.clock.now, core.config);
  // What the handshake echoes is no count, and no mark.
  if (tcb.ecn !== null && isSynchronized(tcb.state)) {
    const isNews = report.acked > 0 || report.delivered > 0 || isNewer(tcb, seg);
    acknowledgmentArrives(core, tcb, tcb.ecn, seg, report, isNews);
  }
  if (report.isDsack) {
    core.counters.TcpExtTCPDSACKRecv++;
    const length = diff(report.dsackRight, report.dsackLeft);
    const segments = Math.max(1, Math.ceil(length / tcb.snd.mss));
    core.ledger.setCount(tcb.row, DSACK_DUPS, core.ledger.countOf(tcb.row, DSACK_DUPS) + segments);
  }
  // A probe is no repair: that both it and the original arrive says nothing about reordering.
  if (report.isVain && !(tcb.cc.tlpPending && report.dsackRight === tcb.cc.tlpEnd)) onDsack(tcb);
  const isSilent = report.acked === 0 && report.delivered === 0 && report.ceMarked === 0;
  if (isSilent && !report.isDuplicate && !report.isDsack) return;
  onAck(core, tcb, report);
  probeAnswered(core, tcb, seg.ack, report);
  if (tcb.rtxMode !== PERSIST) {
    // RFC 6298 5.2 and 5.3: off when all is acknowledged, otherwise started anew.
    if (tcb.snd.una === tcb.snd.nxt) stopRetransmissionTimer(tcb);
    else if (report.acked > 0) startRetransmissionTimer(core, tcb);
    if (tcb.board?.isReneged === true) hurryTimeout(core, tcb);
    watchFlight(core, tcb);
  }
  if (tcb.pacer !== null && !tcb.congestion?.ownsWindow) followWindow(core, tcb, tcb.pacer);
  growSendBuffer(core, tcb);
  core.output.push(tcb);
}

/**
 * RFC 2018 8: SND.UNA stands at something that the peer said it held. It gets half a round trip to go on, as on Linux, before the
 * timeout forgets what it said.
 */
function hurryTimeout(core: TcpCore, tcb: Tcb): void {
  tcb.rtoAt = Math.min(tcb.rtoAt, core.clock.now + Math.max(tcb.rtt.srttUs / 2, LEAST_PATIENCE_US));
}

/** RFC 9293 3.10.7.4: the window is taken from newer segments only (WL1, WL2). */
function updateWindow(core: TcpCore, tcb: Tcb, seg: Segment, wnd: number): void {
  const { snd } = tcb;
  if (!(lt(snd.wl1, seg.seq) || (snd.wl1 === seg.seq && leq(snd.wl2, seg.ack)))) return;
  snd.wl1 = seg.seq;
  snd.wl2 = seg.ack;
  if (wnd === snd.wnd) return;
  snd.wnd = wnd;
  if (wnd > snd.wndMax) snd.wndMax = wnd;
  if (tcb.rtxMode === PERSIST && wnd > 0) {
    tcb.probeBackoff = 0;
    stopRetransmissionTimer(tcb);
  }
  core.output.push(tcb);
}

/** The send buffer follows the congestion window, so that a fast path is not limited by it. */
function growSendBuffer(core: TcpCore, tcb: Tcb): void {
  if (tcb.tuning.sendBytes > 0) return;
  const { wmem } = core.config;
  // One that goes on sending while it repairs needs room for another window.
  const windows = tcb.congestion?.ownsWindow ? 3 : 2;
  const wanted = Math.min(windows * tcb.cc.cwnd, wmem[2]);
  if (wanted > tcb.sendBuffer.limit) tcb.sendBuffer.limit = wanted;
}

/** True when our FIN has been acknowledged. */
export function finAcked(tcb: Tcb): boolean {
  return tcb.finSent && geq(tcb.snd.una, tcb.snd.nxt);
}

/** True when the timestamp shows that a segment is newer than those before it. */
function isNewer(tcb: Tcb, seg: Segment): boolean {
  return tcb.timestamps && seg.options.timestamps && gt(seg.options.tsVal, tcb.tsRecent);
}
