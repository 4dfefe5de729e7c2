// What a congestion control is to the rest of TCP: a small object fed with events that sets `cwnd` and `ssthresh` of the
// connection it is given. It keeps no state of its own, so one object serves every connection of a stack.

import type { TcpCore } from './core.js';
import { cubic } from './cubic.js';
import { reno } from './reno.js';
import type { Tcb } from './tcb.js';

export interface CongestionControl {
  /** The name that TCP_CONGESTION and net.ipv4.tcp_congestion_control use. */
  readonly name: string;
  /** The connection is established; `cwnd` holds the initial window. */
  init(tcb: Tcb): void;
  /** `acked` new bytes were acknowledged outside recovery while the window was in full use. */
  onAck(core: TcpCore, tcb: Tcb, acked: number): void;
  /** A loss was found: keeps what `onUndo` would bring back. */
  remember(tcb: Tcb): void;
  /** A loss was found: returns the new `ssthresh` for `flight` outstanding bytes. */
  ssthresh(tcb: Tcb, flight: number): number;
  /** The retransmission timer has expired for new data; `ssthresh` was asked before. */
  onTimeout(core: TcpCore, tcb: Tcb): void;
  /** Data leaves after nothing was outstanding, `idleUs` after the last. */
  onRestart(core: TcpCore, tcb: Tcb, idleUs: number): void;
  /** The last loss was none: `cwnd` and `ssthresh` have been put back. */
  onUndo(tcb: Tcb): void;
}

const CONTROLS: Readonly<Record<string, CongestionControl>> = { cubic, reno };

/** Finds a congestion control by name; undefined when there is none. */
export function congestionControl(name: string): CongestionControl | undefined {
  return CONTROLS[name];
}
