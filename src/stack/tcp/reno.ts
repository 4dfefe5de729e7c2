// The congestion control of RFC 5681: slow start and congestion avoidance by bytes acknowledged (RFC 3465, L = 2).

import type { CongestionControl } from './congestion.js';
import type { TcpCore } from './core.js';
import type { AckReport } from './recovery.js';
import { gt } from './seq.js';
import type { Tcb } from './tcb.js';

export const reno: CongestionControl = {
  name: 'reno',
  ownsWindow: false,

  init(_core: TcpCore, _tcb: Tcb): void {
    // The initial window and an unlimited ssthresh are all that Reno begins with.
  },

  onAck(_core: TcpCore, tcb: Tcb, { delivered }: AckReport): void {
    const cc = tcb.cc;
    const mss = tcb.snd.mss;
    if (cc.cwnd < cc.ssthresh) {
      // RFC 3465 2.2 and 2.3: at most two segments for each ACK, so that a stretched ACK makes no burst, and at most one
      // while what a timeout has sent again is being acknowledged.
      const growth = Math.min(delivered, gt(cc.recover, tcb.snd.una) ? mss : 2 * mss);
      // Slow start ends at the threshold, not somewhere above it.
      cc.cwnd = Math.min(cc.cwnd + growth, cc.ssthresh);
      return;
    }
    // RFC 5681 3.1: one segment for each window of data acknowledged.
    cc.credit += delivered;
    if (cc.credit >= cc.cwnd) {
      cc.credit -= cc.cwnd;
      cc.cwnd += mss;
    }
  },

  ssthresh(tcb: Tcb, flight: number): number {
    // RFC 5681 3.1, equation (4).
    return Math.max(flight >> 1, 2 * tcb.snd.mss);
  },

  onLost(_core: TcpCore, _tcb: Tcb, _at: number): void {
    // One loss or many in a round trip are the same.
  },

  remember(_core: TcpCore, _tcb: Tcb): void {
    // `cwnd` and `ssthresh` are kept by loss recovery.
  },

  onRecoveryEnd(_core: TcpCore, _tcb: Tcb): void {
    // Congestion avoidance goes on from `ssthresh`.
  },

  onRestart(_core: TcpCore, _tcb: Tcb): void {
    // Time alone changes nothing.
  },

  onTimeout(_core: TcpCore, _tcb: Tcb): void {
    // `ssthresh` says it all.
  },

  onUndo(_core: TcpCore, _tcb: Tcb): void {
    // There is nothing else to put back.
  },

  onEcnEcho(_core: TcpCore, _tcb: Tcb, _report: AckReport): void {
    // The reduction that ECN asks for goes by `ssthresh`.
  },
};
