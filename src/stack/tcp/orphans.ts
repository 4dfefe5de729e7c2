// Connections that a program has closed and that still have something to do: send what is left, the FIN, or wait for that of the
// peer. Nobody is there who would give them up, so there may be only so many (tcp_max_orphans), they may not keep memory that is
// scarce (tcp_mem), and they are patient for less long (tcp_orphan_retries). The rules are Linux's: tcp_check_oom,
// tcp_out_of_resources and tcp_orphan_retries.

import type { TcpCore } from './core.js';
import { flightSize } from './flight.js';
import { sendReset } from './output.js';
import { TIME_WAIT } from './state.js';
import type { Tcb } from './tcb.js';

/** Retransmissions that stand for a tcp_orphan_retries of 0: more than 100 s with the least timeout (RFC 9293 SHLD-11). */
const SAFE_RETRIES = 8;
/** A peer that was sent something in this time may still be there, and is told; Linux's TCP_TIMEWAIT_LEN, in µs. */
const RECENT_US = 60_000_000;

/**
 * The program has let go of a connection that lives on. Returns false when there are too many of them, or no memory for it: then it
 * has been reset.
 */
export function becomeOrphan(core: TcpCore, tcb: Tcb): boolean {
  // TIME-WAIT has nothing to send, and ends by itself.
  if (tcb.state === TIME_WAIT) return true;
  core.setOrphan(tcb, true);
  if (!isTooMuch(core, tcb, 0)) return true;
  core.counters.TcpExtTCPAbortOnMemory++;
  sendReset(core, tcb);
  core.destroy(tcb, 0);
  return false;
}

/** True when the connection is one too many. Each step of `penalty` halves the number of orphans that are allowed. */
function isTooMuch(core: TcpCore, tcb: Tcb, penalty: number): boolean {
  if (core.counters.TcpOrphans * 2 ** penalty > core.config.maxOrphans) return true;
  return core.isOutOfMemory && tcb.sendBuffer.length > core.config.wmem[0];
}

/**
 * A timer of an orphan has run out: ends it when resources are short, sooner when its peer has been silent for long or a router
 * has told of trouble. `mayReset`: the peer is told even if it was not sent anything lately. Returns whether it has been ended.
 */
export function outOfResources(core: TcpCore, tcb: Tcb, mayReset: boolean): boolean {
  const silentUs = core.clock.now - tcb.cc.lastSentAt;
  let penalty = 0;
  if (silentUs > 2 * core.config.rtoMaxUs || !mayReset) penalty++;
  if (tcb.softError !== 0) penalty++;
  if (!isTooMuch(core, tcb, penalty)) return false;
  const isShut = tcb.snd.wnd === 0 && flightSize(tcb) === 0;
  if (mayReset || silentUs <= RECENT_US || isShut) sendReset(core, tcb);
  core.counters.TcpExtTCPAbortOnMemory++;
  core.destroy(tcb, 0);
  return true;
}

/** How often an orphan tries; `isAlive`: its timeout has not grown to the largest yet. */
export function orphanRetries(core: TcpCore, tcb: Tcb, isAlive: boolean): number {
  const { orphanRetries: retries } = core.config;
  if (isAlive) return retries === 0 ? SAFE_RETRIES : retries;
  // An ICMP error says that something is wrong.
  return tcb.softError !== 0 ? 0 : retries;
}
