// What a congestion control is to the rest of TCP: a small object fed with events that sets `cwnd` and `ssthresh` of the
// connection it is given, and the pacing rate where it paces. It keeps no state of its own, so one object serves every
// connection of a stack; what it wants to remember of one is in a record that it borrows from the core.

import { bbr } from './bbr.js';
import type { TcpCore } from './core.js';
import { cubic } from './cubic.js';
import { dctcp } from './dctcp.js';
import type { AckReport } from './recovery.js';
import { reno } from './reno.js';
import type { Tcb } from './tcb.js';

export interface CongestionControl {
  /** The name that TCP_CONGESTION and net.ipv4.tcp_congestion_control use. */
  readonly name: string;
  /**
   * It has a model of the path, sets window and pacing rate at every ACK and is always paced: loss recovery tells it what happens
   * and leaves the window alone (no proportional rate reduction, no validation, no restart from the initial window).
   */
  readonly ownsWindow: boolean;
  /** It wants ECN on its connections, whatever net.ipv4.tcp_ecn says, with ECT on every packet; it is told of every acknowledgment. */
  readonly needsEcn?: true;
  /** The connection is established, or has changed its control; `cwnd` holds the window so far. */
  init(core: TcpCore, tcb: Tcb): void;
  /**
   * `report.delivered` new bytes have arrived, as an acknowledgment of new data tells outside recovery while the window was in full
   * use; what SACK told before is not among them (Linux). One that owns the window is
   * told of every ACK that says anything; then `report.sample` is the sample of the delivery rate.
   */
  onAck(core: TcpCore, tcb: Tcb, report: AckReport): void;
  /** The segment in this slot of the scoreboard was deemed lost; `remember` and `ssthresh` follow. */
  onLost(core: TcpCore, tcb: Tcb, at: number): void;
  /** A loss was found: keeps what `onUndo` would bring back. */
  remember(core: TcpCore, tcb: Tcb): void;
  /** A loss was found: returns the new `ssthresh` for `flight` outstanding bytes. */
  ssthresh(tcb: Tcb, flight: number): number;
  /** The network has marked what was sent: returns the new `ssthresh`. Left out: as for a loss. */
  ssthreshOnMark?(tcb: Tcb): number;
  /** Everything that was outstanding when a loss was found has been acknowledged. */
  onRecoveryEnd(core: TcpCore, tcb: Tcb): void;
  /** The retransmission timer has expired for new data; `ssthresh` was asked before. */
  onTimeout(core: TcpCore, tcb: Tcb): void;
  /** Data is about to leave, nothing being outstanding. */
  onRestart(core: TcpCore, tcb: Tcb): void;
  /** The last loss was none: `cwnd` and `ssthresh` have been put back. */
  onUndo(core: TcpCore, tcb: Tcb): void;
  /** The peer has told that `report.ceMarked` of the bytes delivered met congestion (ECN); before `onAck`. */
  onEcnEcho(core: TcpCore, tcb: Tcb, report: AckReport): void;
}

const CONTROLS: Readonly<Record<string, CongestionControl>> = { bbr, cubic, dctcp, reno };

/** Finds a congestion control by name; undefined when there is none. */
export function congestionControl(name: string): CongestionControl | undefined {
  return Object.hasOwn(CONTROLS, name) ? CONTROLS[name] : undefined;
}
