// What an acceptable acknowledgment does (RFC 9293 3.10.7.4, fifth check): frees what the peer has, measures the round trip,
// moves the windows, and recognises duplicates.

import { NEVER } from '../clock.js';
import { FIN, type Segment, SYN } from '../wire/tcp-header.js';
import type { TcpCore } from './core.js';
import { flightSize, onDuplicateAck, onProgress } from './recovery.js';
import { add, diff, geq, gt, leq, lt, max } from './seq.js';
import type { Tcb } from './tcb.js';
import { startRetransmissionTimer } from './transmit.js';
import { wakeWriter } from './writability.js';

/** True when the acknowledgment is none of ours: beyond SND.NXT, or older than any window reaches (RFC 5961 5.2). */
export function isInvalidAck(tcb: Tcb, seg: Segment): boolean {
  const { snd } = tcb;
  return gt(seg.ack, snd.nxt) || lt(seg.ack, add(snd.una, -snd.wndMax));
}

/** Processes SEG.ACK, known to be at most SND.NXT, and SEG.WND. */
export function acceptAck(core: TcpCore, tcb: Tcb, seg: Segment): void {
  const { snd } = tcb;
  const acked = diff(seg.ack, snd.una);
  const wnd = (seg.flags & SYN) !== 0 ? seg.wnd : seg.wnd << snd.wscale;
  if (acked > 0) progress(core, tcb, seg, acked);
  else if (acked === 0 && isDuplicate(tcb, seg, wnd)) onDuplicateAck(core, tcb);
  updateWindow(core, tcb, seg, wnd);
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

function progress(core: TcpCore, tcb: Tcb, seg: Segment, acked: number): void {
  const { snd, sendBuffer } = tcb;
  const flight = flightSize(tcb);
  snd.una = seg.ack;
  // Kept close behind, or after 2 GiB it would seem to lie ahead and hold small segments back for ever.
  snd.small = max(snd.small, snd.una);
  const dataAcked = Math.min(Math.max(0, diff(snd.una, snd.base)), sendBuffer.length);
  if (dataAcked > 0) {
    sendBuffer.acknowledge(dataAcked, core.buffers);
    snd.base = add(snd.base, dataAcked);
  }
  measure(core, tcb, seg);
  tcb.retransmits = 0;
  tcb.softError = 0;
  onProgress(tcb, acked, flight);
  if (!tcb.persisting) {
    // RFC 6298 5.2 and 5.3: off when all is acknowledged, otherwise started anew.
    if (snd.una === snd.nxt) {
      tcb.rtxAt = NEVER;
      core.arm(tcb);
    } else {
      startRetransmissionTimer(core, tcb);
    }
  }
  growSendBuffer(core, tcb);
  if (core.clock.now - tcb.confirmedAt > 1_000_000) {
    tcb.confirmedAt = core.clock.now;
    core.ip.confirm(tcb.nextHop);
  }
  wakeWriter(core, tcb);
  core.output.push(tcb);
}

/** Takes a round-trip sample (RFC 6298 3): of the timed segment, else by timestamps, which retransmission does not spoil. */
function measure(core: TcpCore, tcb: Tcb, seg: Segment): void {
  if (tcb.timing) {
    if (lt(seg.ack, tcb.timedSeq)) return;
    tcb.timing = false;
    tcb.rtt.sample(core.clock.now - tcb.timedAt, core.config);
  } else if (tcb.timestamps && seg.options.timestamps && seg.options.tsEcr !== 0) {
    // RFC 7323 4.1: an echo of the future, or of more than a day ago, is no sample.
    const elapsedMs = (core.clock.ms + tcb.tsOffset - seg.options.tsEcr) | 0;
    if (elapsedMs >= 0 && elapsedMs < 86_400_000) {
      tcb.rtt.sample(Math.max(1, elapsedMs) * 1000, core.config);
    }
  }
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
  if (tcb.persisting && wnd > 0) {
    tcb.persisting = false;
    tcb.probeBackoff = 0;
    tcb.rtxAt = NEVER;
    core.arm(tcb);
  }
  core.output.push(tcb);
}

/** The send buffer follows the congestion window, so that a fast path is not limited by it. */
function growSendBuffer(core: TcpCore, tcb: Tcb): void {
  if (tcb.tuning.sendBytes > 0) return;
  const { wmem } = core.config;
  const wanted = Math.min(2 * tcb.cc.cwnd, wmem[2]);
  if (wanted > tcb.sendBuffer.limit) tcb.sendBuffer.limit = wanted;
}

/** True when our FIN has been acknowledged. */
export function finAcked(tcb: Tcb): boolean {
  return tcb.finSent && geq(tcb.snd.una, tcb.snd.nxt);
}
