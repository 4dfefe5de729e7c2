// The eleven states of RFC 9293 3.3.2 and the table of its figure 5. Every state change of a connection goes through
// `enter`, which knows the legal edges.

import type { Tcb } from './tcb.js';

export const CLOSED = 0;
export const LISTEN = 1;
export const SYN_SENT = 2;
export const SYN_RCVD = 3;
export const ESTABLISHED = 4;
export const FIN_WAIT_1 = 5;
export const FIN_WAIT_2 = 6;
export const CLOSE_WAIT = 7;
export const CLOSING = 8;
export const LAST_ACK = 9;
export const TIME_WAIT = 10;

const NAMES = [
  'CLOSED',
  'LISTEN',
  'SYN-SENT',
  'SYN-RECEIVED',
  'ESTABLISHED',
  'FIN-WAIT-1',
  'FIN-WAIT-2',
  'CLOSE-WAIT',
  'CLOSING',
  'LAST-ACK',
  'TIME-WAIT',
];

/** The state's name as RFC 9293 spells it. */
export function stateName(state: number): string {
  return NAMES[state] ?? `state ${state}`;
}

const bit = (...states: number[]): number => states.reduce((set, state) => set | (1 << state), 0);

/** For each state, the set of states that may follow it. CLOSED may follow any: abort, reset, timeout. */
const EDGES = [
  /* CLOSED */ bit(SYN_SENT, SYN_RCVD),
  /* LISTEN: a listener is no connection and never enters another state */ 0,
  /* SYN_SENT */ bit(CLOSED, SYN_RCVD, ESTABLISHED),
  /* SYN_RCVD */ bit(CLOSED, ESTABLISHED, FIN_WAIT_1, CLOSE_WAIT),
  /* ESTABLISHED */ bit(CLOSED, FIN_WAIT_1, CLOSE_WAIT),
  /* FIN_WAIT_1 */ bit(CLOSED, FIN_WAIT_2, CLOSING, TIME_WAIT),
  /* FIN_WAIT_2 */ bit(CLOSED, TIME_WAIT),
  /* CLOSE_WAIT */ bit(CLOSED, LAST_ACK),
  /* CLOSING */ bit(CLOSED, TIME_WAIT),
  /* LAST_ACK */ bit(CLOSED),
  /* TIME_WAIT */ bit(CLOSED),
];

/** True when figure 5 of RFC 9293 has an arrow from `from` to `to`. */
export function isLegal(from: number, to: number): boolean {
  return (EDGES[from] & (1 << to)) !== 0;
}

/**
 * Moves a connection to another state.
 * @throws Error when RFC 9293 has no such edge: a defect of this stack, never the doing of a packet.
 */
export function enter(tcb: Tcb, state: number): void {
  if (!isLegal(tcb.state, state)) {
    throw new Error(`illegal TCP state change ${stateName(tcb.state)} to ${stateName(state)}`);
  }
  tcb.state = state;
}

/** States in which both SYNs have been exchanged (RFC 9293 3.5.2: "synchronized"). */
export const isSynchronized = (state: number): boolean => state >= ESTABLISHED;
/** States in which the application may still send. */
export const maySend = (state: number): boolean => state === ESTABLISHED || state === CLOSE_WAIT;
/** States in which data of the peer is still taken. */
export const mayReceive = (state: number): boolean =>
  state === ESTABLISHED || state === FIN_WAIT_1 || state === FIN_WAIT_2;
