// Segments on their way out: data, ACK, SYN and RST with their headers and options (RFC 9293 3.1, RFC 7323, RFC 2018). When to
// send what is decided in `transmit.ts`; nothing here changes a connection's state.

import { NEVER } from '../clock.js';
import { pseudoHeaderSum } from '../wire/checksum.js';
import { PROTOCOL_TCP } from '../wire/ipv4.js';
import {
  ACK,
  FIN,
  PSH,
  RST,
  type Segment,
  SYN,
  segLen,
  TCP_CHECKSUM_OFFSET,
  TCP_HEADER,
  URG,
  writeTcpHeader,
} from '../wire/tcp-header.js';
import {
  MAX_SACK_BLOCKS,
  sackBlocksLength,
  TIMESTAMPS_LENGTH,
  USER_TIMEOUT_LENGTH,
  writeAccEcn,
  writeFastOpen,
  writeSackBlocks,
  writeSpare,
  writeSynOptions,
  writeTimestamps,
  writeUserTimeout,
} from '../wire/tcp-options.js';
import {
  alignedLength,
  counterOfEct0,
  counterOfEct1,
  fieldsThatFit,
  optionLeaves,
  wantsOption,
} from './accecn-option.js';
import type { TcpCore } from './core.js';
import { onDeparture } from './delivery.js';
import { forgetDuplicate, hasDuplicate } from './dsack.js';
import { synAckFlags, synFlags } from './ecn-handshake.js';
import { fieldOf, flagsOf } from './ecn-output.js';
import { ACCURATE, ECT_0, type EcnState } from './ecn-state.js';
import { dataOnSyn } from './fast-open-client.js';
import {
  BYTES_RETRANS,
  BYTES_SENT,
  DATA_SEGS_OUT,
  LAST_ACK_SENT,
  SEGS_OUT,
  TOTAL_RETRANS,
} from './ledger.js';
import { Repairs } from './repairs.js';
import { add, diff, min } from './seq.js';
import { isSynchronized, SYN_RCVD } from './state.js';
import { timestampWith } from './syn-cookies.js';
import type { Tcb } from './tcb.js';
import { urgentPointer } from './urgent.js';
import { carriesUto, utoOnSyn } from './user-timeout.js';
import { advertise, initialWindow } from './window.js';

const sackLeft = new Int32Array(MAX_SACK_BLOCKS);
const sackRight = new Int32Array(MAX_SACK_BLOCKS);

/** TSval of a segment that leaves now (RFC 7323 5.4). */
export function timestampNow(core: TcpCore, tcb: Tcb): number {
  return (core.clock.ms + tcb.tsOffset) | 0;
}

/**
 * Sends one segment of an established connection: `length` bytes of the send buffer from `seq` on, and an ACK. Returns 0, a
 * negative errno when the next hop is dead, or 1 when no frame was free and nothing was sent.
 */
export function emit(core: TcpCore, tcb: Tcb, seq: number, length: number, flags: number): number {
  const ip = core.ip;
  const frame = ip.reserve();
  if (frame < 0) return 1;
  const view = ip.nic.view;
  const at = frame + ip.headroom;
  let end = at + TCP_HEADER;
  if (tcb.timestamps) end += writeTimestamps(view, end, timestampNow(core, tcb), tcb.tsRecent);
  // What the options behind it share the segment with.
  let beside = length;
  const { ecn, uto } = tcb;
  if (uto !== null && carriesUto(core, tcb, uto, seq, length, flags)) {
    end += writeUserTimeout(view, end, uto.field);
    beside += USER_TIMEOUT_LENGTH;
  }
  let tos = 0;
  if (ecn !== null) {
    tos = fieldOf(tcb, ecn, seq, length);
    flags |= flagsOf(tcb, ecn, seq, length);
  }
  if (ecn !== null && wantsOption(core, tcb, ecn)) end += writeFeedback(core, tcb, ecn, view, end, beside);
  else if (tcb.sack) end += writeSack(core, tcb, view, end, beside);
  const { snd } = tcb;
  const urgent = snd.up === snd.una ? 0 : urgentPointer(tcb, seq);
  if (urgent > 0) flags |= URG;
  const headerLength = end - at;
  if (length > 0) tcb.sendBuffer.copyOut(diff(seq, snd.base), ip.span, end, length);
  const wnd = advertise(core, tcb);
  writeTcpHeader(
    view,
    at,
    tcb.local.port,
    tcb.remote.port,
    seq,
    tcb.rcv.nxt,
    headerLength,
    flags | ACK,
    wnd,
    urgent,
  );
  tcb.rcv.lastAck = tcb.rcv.nxt;
  tcb.ackNow = false;
  countDeparture(core, tcb, length);
  tcb.delackAt = NEVER;
  // RFC 4022: what holds nothing but octets sent before is not counted here.
  const last = add(seq, length + (flags & FIN));
  if (last === seq || diff(last, snd.nxt) > 0) core.counters.TcpOutSegs++;
  return finish(core, tcb, frame, headerLength + length, tos);
}

/** Keeps what TCP_INFO tells of segments sent. */
function countDeparture(core: TcpCore, tcb: Tcb, length: number): void {
  const { ledger } = core;
  ledger.count(tcb.row, SEGS_OUT);
  ledger.setSum(tcb.row, LAST_ACK_SENT, core.clock.now);
  if (length === 0) return;
  ledger.count(tcb.row, DATA_SEGS_OUT);
  ledger.add(tcb.row, BYTES_SENT, length);
}

/** Writes the SACK option beside `length` bytes of data: a duplicate first (RFC 2883 4), then what lies beyond holes (RFC 2018 4). */
function writeSack(core: TcpCore, tcb: Tcb, view: DataView, at: number, length: number): number {
  const count = selectBlocks(tcb);
  // Beside a full segment there is no room; the next ACK tells it.
  if (count === 0 || length + sackBlocksLength(count) > tcb.snd.mss) return 0;
  if (hasDuplicate(tcb)) forgetDuplicate(core, tcb);
  return writeSackBlocks(view, at, sackLeft, sackRight, count);
}

/** Puts the blocks that are to be told in order, and returns how many there are. */
function selectBlocks(tcb: Tcb): number {
  const { reassembly, rcv } = tcb;
  const isDuplicate = hasDuplicate(tcb);
  if (reassembly === null && !isDuplicate) return 0;
  const limit = tcb.timestamps ? MAX_SACK_BLOCKS - 1 : MAX_SACK_BLOCKS;
  let count = 0;
  if (isDuplicate) {
    sackLeft[0] = rcv.dsackLeft;
    sackRight[0] = rcv.dsackRight;
    count = 1;
  }
  return reassembly === null ? count : reassembly.sackBlocks(sackLeft, sackRight, limit, count);
}

/** Writes an AccECN option and the SACK option behind it, which gives up a block for counters that are due (RFC 9768 3.2.3.3). */
function writeFeedback(
  core: TcpCore,
  tcb: Tcb,
  ecn: EcnState,
  view: DataView,
  at: number,
  length: number,
): number {
  const used = optionBytes(tcb);
  let blocks = tcb.sack ? selectBlocks(tcb) : 0;
  let fields = fieldsThatFit(ecn, used + sackBlocksLength(blocks), blocks);
  if (fields < 0 && blocks > 2) fields = fieldsThatFit(ecn, used + sackBlocksLength(--blocks), blocks);
  const size = fields < 0 ? 0 : alignedLength(fields, blocks > 0 ? 2 : 0);
  // Beside a full segment there is no room; the next ACK tells it.
  if (fields < 0 || length + size + sackBlocksLength(blocks) > tcb.snd.mss) {
    return tcb.sack ? writeSack(core, tcb, view, at, length) : 0;
  }
  let end = at + writeAccEcn(view, at, fields, counterOfEct1(ecn), ecn.receivedCeBytes, counterOfEct0(ecn));
  const isBesideDsack = blocks > 0 && hasDuplicate(tcb);
  optionLeaves(core, ecn, isBesideDsack);
  if (isBesideDsack) forgetDuplicate(core, tcb);
  const spareAt = end;
  end += writeSackBlocks(view, end, sackLeft, sackRight, blocks);
  end += writeSpare(view, spareAt, blocks > 0);
  return end - at;
}

/**
 * Sends bytes again, and the FIN behind them, in as many segments as they need by now. Returns false when no frame was free:
 * then the rest, or all, is to be sent later.
 */
export function sendAgain(core: TcpCore, tcb: Tcb, start: number, length: number, fin: boolean): boolean {
  const { mss, base } = tcb.snd;
  // The end of what was written, and of a record, is pushed, as it was when it first left.
  const end = add(start, length);
  const isPushed =
    length > 0 && (end === add(base, tcb.sendBuffer.length) || tcb.records?.isEnd(end) === true);
  // Of something that is sent again nobody can tell which size has arrived.
  if (tcb.mtuSearch !== null) tcb.mtuSearch.size = 0;
  let done = 0;
  do {
    const size = Math.min(mss, length - done);
    const isLast = done + size === length;
    const flags = isLast ? (fin ? FIN : 0) | (isPushed ? PSH : 0) : 0;
    if (emit(core, tcb, add(start, done), size, flags) > 0) return false;
    core.counters.TcpRetransSegs++;
    core.ledger.count(tcb.row, TOTAL_RETRANS);
    core.ledger.add(tcb.row, BYTES_RETRANS, size);
    tcb.cc.undoResent++;
    done += size;
  } while (done < length);
  if (tcb.repairs === null) {
    // alloc: once for each block of the pool that loses something
    tcb.repairs = new Repairs();
  }
  tcb.repairs.note(start, end);
  return true;
}

/**
 * Sends an ACK without data. Where the peer has taken its window back below SND.NXT it stands at the window's edge, as on Linux:
 * beyond that the peer would not look at it (RFC 9293 3.4). Returns as `emit`.
 */
export function sendAck(core: TcpCore, tcb: Tcb): number {
  const { snd } = tcb;
  const seq = isSynchronized(tcb.state) ? min(snd.nxt, add(snd.una, snd.wnd)) : snd.nxt;
  const result = emit(core, tcb, seq, 0, 0);
  // Without a frame the ACK is still owed.
  if (result > 0) {
    tcb.ackNow = true;
    core.output.push(tcb);
  }
  return result;
}

/** Sends the SYN, or SYN-ACK, of a connection in SYN-SENT or SYN-RECEIVED; `isAgain`: because the peer has asked. Returns as `emit`. */
export function sendSyn(core: TcpCore, tcb: Tcb, isAgain = false): number {
  const ip = core.ip;
  const frame = ip.reserve();
  if (frame < 0) return 1;
  const view = ip.nic.view;
  const at = frame + ip.headroom;
  const wscale = tcb.scaling ? tcb.rcv.wscale : -1;
  const isReply = tcb.state === SYN_RCVD;
  const { ecn } = tcb;
  const isFirst = tcb.retransmits === 0 && !isAgain;
  const { fastOpen } = tcb;
  // There is no room for both.
  const hasFeedback =
    fastOpen === null && isReply && isFirst && ecn?.mode === ACCURATE && core.config.ecnOption > 0;
  let options = writeSynOptions(
    view,
    at + TCP_HEADER,
    tcb.localMss,
    wscale,
    tcb.sack,
    tcb.timestamps,
    tcb.cookie ? cookieStamp(core, tcb) : timestampNow(core, tcb),
    tcb.tsRecent,
    hasFeedback,
  );
  if (fastOpen !== null && isFirst && fastOpen.length >= 0) {
    const { cookie, isExperimental } = fastOpen;
    options += writeFastOpen(view, at + TCP_HEADER + options, cookie, fastOpen.length, isExperimental);
  }
  const userTimeout = utoOnSyn(core, tcb, options);
  if (userTimeout >= 0) options += writeUserTimeout(view, at + TCP_HEADER + options, userTimeout);
  const wnd = initialWindow(tcb);
  let flags = isReply ? SYN | ACK : SYN;
  if (ecn !== null) flags |= isReply ? synAckFlags(tcb, ecn) : synFlags(core, tcb, ecn);
  const ack = isReply ? tcb.rcv.nxt : 0;
  const headerLength = TCP_HEADER + options;
  writeTcpHeader(view, at, tcb.local.port, tcb.remote.port, tcb.snd.iss, ack, headerLength, flags, wnd, 0);
  if (isReply) {
    tcb.rcv.edge = add(tcb.rcv.nxt, wnd);
    tcb.rcv.lastAck = tcb.rcv.nxt;
  }
  core.ledger.count(tcb.row, SEGS_OUT);
  if (tcb.retransmits > 0) {
    core.counters.TcpRetransSegs++;
    core.ledger.count(tcb.row, TOTAL_RETRANS);
  } else {
    core.counters.TcpOutSegs++;
  }
  const data = isReply ? 0 : dataOnSyn(core, tcb, options);
  if (data > 0) {
    tcb.sendBuffer.copyOut(0, ip.span, at + headerLength, data);
    synDataLeaves(core, tcb, data);
  }
  return finish(core, tcb, frame, headerLength + data, tcb.congestion?.needsEcn && ecn !== null ? ECT_0 : 0);
}

/** Data that has left with the SYN is in flight like any other. */
function synDataLeaves(core: TcpCore, tcb: Tcb, length: number): void {
  const { fastOpen, snd } = tcb;
  const start = snd.nxt;
  snd.nxt = add(start, length);
  const board = core.boardOf(tcb);
  board.append(start, snd.nxt, false, core.clock.now);
  onDeparture(core, tcb, board, board.next - 1, true);
  if (fastOpen !== null) fastOpen.hasSent = true;
}

/** TSval of a SYN cookie: it tells the options, before the secret offset is added. */
function cookieStamp(core: TcpCore, tcb: Tcb): number {
  const { ecn, sack, scaling, snd, tsOffset } = tcb;
  return (timestampWith(core.clock.ms, scaling ? snd.wscale : -1, sack, ecn !== null) + tsOffset) | 0;
}

/** Resets a connection: <SEQ=SND.NXT><CTL=RST,ACK> (RFC 9293 3.10.5). */
export function sendReset(core: TcpCore, tcb: Tcb): void {
  const ip = core.ip;
  const frame = ip.reserve();
  if (frame < 0) return;
  const at = frame + ip.headroom;
  let end = at + TCP_HEADER;
  if (tcb.timestamps) end += writeTimestamps(ip.nic.view, end, timestampNow(core, tcb), tcb.tsRecent);
  writeTcpHeader(
    ip.nic.view,
    at,
    tcb.local.port,
    tcb.remote.port,
    tcb.snd.nxt,
    tcb.rcv.nxt,
    end - at,
    RST | ACK,
    0,
    0,
  );
  core.counters.TcpOutSegs++;
  core.counters.TcpOutRsts++;
  finish(core, tcb, frame, end - at, 0);
}

/**
 * Answers a segment that belongs to no connection, or acknowledges what was never sent, with a reset (RFC 9293 3.5.2 group 1
 * and 3.10.7.1). A RST is never answered.
 */
export function replyReset(core: TcpCore, seg: Segment): void {
  if ((seg.flags & RST) !== 0) return;
  const ip = core.ip;
  if (ip.route(seg.src) < 0) return;
  const frame = ip.reserve();
  if (frame < 0) return;
  const at = frame + ip.headroom;
  if ((seg.flags & ACK) !== 0) {
    writeTcpHeader(ip.nic.view, at, seg.dst.port, seg.src.port, seg.ack, 0, TCP_HEADER, RST, 0, 0);
  } else {
    const ack = add(seg.seq, segLen(seg));
    writeTcpHeader(ip.nic.view, at, seg.dst.port, seg.src.port, 0, ack, TCP_HEADER, RST | ACK, 0, 0);
  }
  core.counters.TcpOutSegs++;
  core.counters.TcpOutRsts++;
  const partial = pseudoHeaderSum(seg.dst, seg.src, PROTOCOL_TCP, TCP_HEADER);
  ip.send(frame, ip.nextHop, seg.dst.w3, seg.src.w3, PROTOCOL_TCP, TCP_HEADER, TCP_CHECKSUM_OFFSET, partial);
}

function finish(core: TcpCore, tcb: Tcb, frame: number, length: number, tos: number): number {
  const partial = pseudoHeaderSum(tcb.local, tcb.remote, PROTOCOL_TCP, length);
  return core.ip.send(
    frame,
    tcb.nextHop,
    tcb.local.w3,
    tcb.remote.w3,
    PROTOCOL_TCP,
    length,
    TCP_CHECKSUM_OFFSET,
    partial,
    tos | tcb.tuning.tos,
  );
}

/** Header bytes that every segment of the connection carries beyond the fixed 20. */
export function optionBytes(tcb: Tcb): number {
  return tcb.timestamps ? TIMESTAMPS_LENGTH : 0;
}
