// Loss recovery by duplicate ACKs and timeouts: fast retransmit and fast recovery with NewReno (RFC 5681 3.2, RFC 6582), and
// what an RTO does to the window (RFC 5681 3.1, RFC 6298 5). What is to be sent again is left in `cc.rtxNext`/`rtxEnd`.

import type { TcpCore } from './core.js';
import { add, diff, geq, gt, lt, max, min } from './seq.js';
import type { Tcb } from './tcb.js';

/** Bytes sent and not acknowledged, FIN included. */
export function flightSize(tcb: Tcb): number {
  return diff(tcb.snd.nxt, tcb.snd.una);
}

/** Bytes thought to be in the network: the flight without what is deemed lost and not sent again yet. */
export function pipe(tcb: Tcb): number {
  const cc = tcb.cc;
  // In fast recovery `cwnd` is inflated instead (RFC 6582 3.2), so nothing is taken off.
  if (cc.inRecovery || geq(cc.rtxNext, cc.rtxEnd)) return flightSize(tcb);
  return diff(cc.rtxNext, tcb.snd.una) + diff(tcb.snd.nxt, cc.rtxEnd);
}

/** True while something deemed lost waits to be sent again. */
export function hasLost(tcb: Tcb): boolean {
  return lt(tcb.cc.rtxNext, tcb.cc.rtxEnd);
}

/** A duplicate ACK arrived (RFC 5681 2). */
export function onDuplicateAck(core: TcpCore, tcb: Tcb): void {
  const cc = tcb.cc;
  if (++cc.dupAcks === 1) cc.dupFlight = flightSize(tcb);
  if (cc.inRecovery) {
    // RFC 6582 3.2 step 3: each further duplicate says that a segment has left the network.
    cc.cwnd += tcb.snd.mss;
  } else if (cc.dupAcks === 3 && geq(tcb.snd.una, cc.recover)) {
    // RFC 6582 3.2 step 1: only if everything sent before the last recovery is acknowledged.
    cc.recover = tcb.snd.nxt;
    cc.ssthresh = tcb.congestion?.ssthresh(tcb, cc.dupFlight) ?? 2 * tcb.snd.mss;
    cc.cwnd = cc.ssthresh + 3 * tcb.snd.mss;
    cc.inRecovery = true;
    cc.credit = 0;
    core.counters.TcpExtTCPFastRetrans++;
    deemLost(tcb, tcb.snd.mss);
  }
  core.output.push(tcb);
}

/** SND.UNA has moved by `acked` bytes; `flight` was outstanding before. */
export function onProgress(tcb: Tcb, acked: number, flight: number): void {
  const cc = tcb.cc;
  const { una, mss } = tcb.snd;
  cc.dupAcks = 0;
  cc.rtxNext = max(cc.rtxNext, una);
  cc.rtxEnd = max(cc.rtxEnd, una);
  // RFC 9293 3.4: what stays behind by 2 GiB would seem to lie ahead, and no loss would be recovered any more.
  cc.recover = max(cc.recover, una);
  if (!cc.inRecovery) {
    if (isWindowLimited(tcb, flight)) tcb.congestion?.onAck(tcb, acked);
    return;
  }
  if (geq(una, cc.recover)) {
    // RFC 6582 3.2, full acknowledgment, option 1: out of recovery without a burst.
    cc.inRecovery = false;
    cc.cwnd = Math.min(cc.ssthresh, Math.max(flightSize(tcb), mss) + mss);
    return;
  }
  // Partial acknowledgment: the next hole is sent again at once, and the window deflates by what has left.
  cc.cwnd = Math.max(mss, cc.cwnd - acked + (acked >= mss ? mss : 0));
  deemLost(tcb, mss);
}

/** The retransmission timer has expired: everything outstanding is deemed lost. */
export function onTimeout(tcb: Tcb): void {
  const cc = tcb.cc;
  // RFC 5681 3.1: ssthresh falls once for the same data, however often it times out.
  if (tcb.retransmits === 0) {
    cc.ssthresh = tcb.congestion?.ssthresh(tcb, flightSize(tcb)) ?? 2 * tcb.snd.mss;
  }
  cc.cwnd = tcb.snd.mss;
  cc.credit = 0;
  cc.dupAcks = 0;
  cc.inRecovery = false;
  cc.recover = tcb.snd.nxt;
  deemLost(tcb, flightSize(tcb));
}

/** Marks `length` bytes from SND.UNA on, as far as they have been sent, to be sent again. */
function deemLost(tcb: Tcb, length: number): void {
  tcb.cc.rtxNext = tcb.snd.una;
  tcb.cc.rtxEnd = min(add(tcb.snd.una, length), tcb.snd.nxt);
  // Karn (RFC 6298 3): a segment that is sent again gives no sample.
  if (tcb.timing && gt(tcb.timedSeq, tcb.snd.una)) tcb.timing = false;
}

/** RFC 5681 3.1, RFC 7661: a window that was not in use says nothing about the path and does not grow. */
function isWindowLimited(tcb: Tcb, flight: number): boolean {
  const { cwnd, ssthresh } = tcb.cc;
  return cwnd < ssthresh ? 2 * flight >= cwnd : flight + tcb.snd.mss > cwnd;
}
