// Congestion notification on an established connection: what arriving segments and acknowledgments tell. Classic feedback repeats ECE
// until CWR (RFC 3168 6.1), accurate feedback counts (RFC 9768 3.2). What leaves is in `ecn-output.ts`.

import { CWR, ECE, type Segment } from '../wire/tcp-header.js';
import { takeCounters } from './accecn-option.js';
import type { TcpCore } from './core.js';
import { aceOf } from './ecn-handshake.js';
import { ACE_MASK, ACE_OFFSET } from './ecn-output.js';
import { ACCURATE, CE, CLASSIC, ECT_0, type EcnState, NOT_ECT } from './ecn-state.js';
import { DELIVERED_CE } from './ledger.js';
import { sendAck } from './output.js';
import type { AckReport } from './recovery.js';
import type { Tcb } from './tcb.js';

/** Packets with CE that no ACK has told of, at most: the field has three bits (RFC 9768 3.2.2.5.1). */
const UNTOLD_LIMIT = 6;
/** ACKs are thinned out when they deliver more packets than this, on an average over about as many as that. */
const THINNED = 4;
const AVERAGED = 64;
/** Segments that are acknowledged at once after a mark, or after a segment that was probably sent again; Linux's number. */
const QUICK_ACKS = 2;
/** An option is sent at least when a counter has grown by so many bytes (RFC 9768 3.2.3.3). */
const BEACON_SHIFT = 22;

/** An acceptable segment has arrived: its ECN field is counted. */
export function segmentArrives(core: TcpCore, tcb: Tcb, ecn: EcnState, seg: Segment): void {
  if (ecn.mode === ACCURATE) countField(core, tcb, ecn, seg);
  else if (ecn.mode === CLASSIC) noteField(core, tcb, ecn, seg);
}

/** Accurate feedback (RFC 9768 3.2.2.5, 3.2.3.3): packets and bytes are counted, and a change is told at once. */
function countField(core: TcpCore, tcb: Tcb, ecn: EcnState, seg: Segment): void {
  const { ecn: field, dataLength } = seg;
  const isMarked = field === CE;
  if (field !== NOT_ECT) {
    ecn.seen = true;
    if (isMarked) {
      ecn.receivedCe++;
      ecn.untoldCe++;
    }
    if (dataLength > 0) countBytes(ecn, field, dataLength);
  }
  if (field !== ecn.lastField || isMarked) {
    if (field !== ecn.lastField) ecn.hasChanged = true;
    ecn.lastField = field;
    ecn.optionsDue = 2;
  }
  // Without data there is nothing to acknowledge: two ends would answer each other for ever.
  if (dataLength === 0 || !(ecn.hasChanged || ecn.untoldCe >= UNTOLD_LIMIT)) return;
  ecn.hasChanged = false;
  tcb.ackNow = true;
  core.output.push(tcb);
}

function countBytes(ecn: EcnState, field: number, length: number): void {
  let before: number;
  let needed = 2;
  if (field === CE) {
    before = ecn.receivedCeBytes;
    ecn.receivedCeBytes += length;
  } else if (field === ECT_0) {
    before = ecn.receivedEct0Bytes;
    ecn.receivedEct0Bytes += length;
    needed = 3;
  } else {
    before = ecn.receivedEct1Bytes;
    ecn.receivedEct1Bytes += length;
    needed = 1;
  }
  if (ecn.fieldsDue < needed) ecn.fieldsDue = needed;
  if (before >>> BEACON_SHIFT !== (before + length) >>> BEACON_SHIFT && ecn.optionsDue === 0)
    ecn.optionsDue = 1;
}

/** Classic feedback (RFC 3168 6.1.3): a mark is echoed until the peer says that it has reduced its window. */
function noteField(core: TcpCore, tcb: Tcb, ecn: EcnState, seg: Segment): void {
  if ((seg.flags & CWR) !== 0) {
    if (!tcb.congestion?.needsEcn) ecn.echoing = false;
    // The window of the peer may be down to one segment, which must not wait for a second one.
    if (seg.dataLength > 0) {
      tcb.ackNow = true;
      core.output.push(tcb);
    }
  }
  if (seg.dataLength === 0) return;
  const isMarked = seg.ecn === CE;
  if (seg.ecn === NOT_ECT) {
    // Among data with ECT it was probably sent again, and the sender waits for news.
    if (ecn.seen) tcb.quickAcks = Math.max(tcb.quickAcks, QUICK_ACKS);
    return;
  }
  ecn.seen = true;
  if (tcb.congestion?.needsEcn) {
    changeState(core, tcb, ecn, isMarked);
  } else if (isMarked && !ecn.echoing) {
    ecn.echoing = true;
    tcb.quickAcks = Math.max(tcb.quickAcks, QUICK_ACKS);
  }
}

/**
 * RFC 8257 3.2: ECE says of each segment whether it was marked. What came before the change is acknowledged as it came, and the first
 * one after it at once.
 */
function changeState(core: TcpCore, tcb: Tcb, ecn: EcnState, isMarked: boolean): void {
  if (ecn.echoing === isMarked) return;
  if (tcb.rcv.nxt !== tcb.rcv.lastAck) sendAck(core, tcb);
  ecn.echoing = isMarked;
  tcb.ackNow = true;
  core.output.push(tcb);
}

/**
 * An acknowledgment has been taken: finds out how many of the bytes that it has delivered met congestion, for `report.ceMarked`.
 * `isNews` is false for one that may be older than others.
 */
export function acknowledgmentArrives(
  core: TcpCore,
  tcb: Tcb,
  ecn: EcnState,
  seg: Segment,
  report: AckReport,
  isNews: boolean,
): void {
  if (ecn.mode === CLASSIC) {
    if ((seg.flags & ECE) !== 0 && report.delivered > 0)
      mark(core, tcb, ecn, segmentsOf(tcb, report.delivered), report);
    return;
  }
  if (ecn.mode !== ACCURATE || !isNews) return;
  const bytesBefore = ecn.deliveredCeBytes;
  const areBytesKnown = takeCounters(core, tcb, ecn, seg.options, report.delivered);
  if (ecn.failed) return;
  const delivered = segmentsOf(tcb, report.delivered);
  if (delivered > 0) averagePackets(ecn, delivered);
  const change = (aceOf(seg) - ACE_OFFSET - ecn.deliveredCe) & ACE_MASK;
  const packets = disambiguate(
    tcb,
    ecn,
    delivered,
    change,
    areBytesKnown ? ecn.deliveredCeBytes - bytesBefore : -1,
  );
  if (packets > 0) mark(core, tcb, ecn, packets, report);
}

function averagePackets(ecn: EcnState, delivered: number): void {
  const { averageDelivery } = ecn;
  ecn.averageDelivery =
    averageDelivery === 0 ? delivered : averageDelivery + (delivered - averageDelivery) / AVERAGED;
}

function segmentsOf(tcb: Tcb, bytes: number): number {
  return Math.ceil(bytes / Math.max(1, tcb.snd.mss));
}

/**
 * The field has three bits: when more than seven packets were acknowledged it may have gone round (RFC 9768 3.2.2.5.2 and A.2). The
 * bytes of the option decide where there are some (`bytes` is not negative), caution where not.
 */
function disambiguate(tcb: Tcb, ecn: EcnState, delivered: number, change: number, bytes: number): number {
  if (delivered <= ACE_MASK) return change;
  const most = delivered - ((delivered - change) & ACE_MASK);
  const { mss } = tcb.snd;
  // Where ACKs are thinned out on the way many packets in one are no sign of many marks.
  if (bytes < 0) return ecn.averageDelivery > THINNED ? change : most;
  if (bytes === 0) return change;
  if (bytes > change * mss) return most;
  return bytes < (most * mss) >> 1 ? change : most;
}

function mark(core: TcpCore, tcb: Tcb, ecn: EcnState, packets: number, report: AckReport): void {
  if (ecn.mode !== CLASSIC) ecn.deliveredCe += packets;
  report.ceMarked = Math.max(1, Math.min(report.delivered, packets * tcb.snd.mss));
  core.ledger.addCount(tcb.row, DELIVERED_CE, packets);
  core.counters.TcpExtTCPDeliveredCE += packets;
}
