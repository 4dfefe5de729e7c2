// Connections that a program has closed and that still have something to do: send what is left, the FIN, or wait for long for that of
// the peer. Nobody is there who would give them up, so there may be only so many (tcp_max_orphans), they may not keep memory that is
// scarce (tcp_mem), and they are patient for less long (tcp_orphan_retries). The rules are Linux's: tcp_check_oom,
// tcp_out_of_resources and tcp_orphan_retries.

import type { TcpCore } from './core.js';
import { flightSize } from './flight.js';
import { sendReset } from './output.js';
import { FIN_WAIT_2, TIME_WAIT } from './state.js';
import type { Tcb } from './tcb.js';
import { finTimeoutUs } from './tuning.js';

/** Retransmissions that stand for a tcp_orphan_retries of 0: more than 100 s with the least timeout (RFC 9293 SHLD-11). */
const SAFE_RETRIES = 8;
/**
 * Linux's TCP_TIMEWAIT_LEN, in µs: a peer that was sent something in this time may still be there, and is told; FIN-WAIT-2 for no
 * longer is like TIME-WAIT.
 */
const TIMEWAIT_US = 60_000_000;

/**
 * The program has let go of a connection that lives on. Returns false when there are too many of them, or no memory for it: then it
 * has been reset.
 */
export function becomeOrphan(core: TcpCore, tcb: Tcb): boolean {
  if (isHarmless(core, tcb)) return true;
  core.setOrphan(tcb, true);
  if (!isTooMuch(core, tcb, 0)) return true;
  core.counters.TcpExtTCPAbortOnMemory++;
  sendReset(core, tcb);
  core.destroy(tcb, 0);
  return false;
}

/** The FIN of a connection that its program has closed is acknowledged: it waits for the peer's, but not for ever. */
export function awaitFin(core: TcpCore, tcb: Tcb): void {
  tcb.lifeAt = core.clock.now + finTimeoutUs(core, tcb);
  core.arm(tcb);
  if (isHarmless(core, tcb)) core.setOrphan(tcb, false);
}

/**
 * It has nothing to send, and ends by itself soon: peers that are slow to close must not bring about that what is written to others is
 * lost.
 */
function isHarmless(core: TcpCore, tcb: Tcb): boolean {
  return tcb.state === TIME_WAIT || (tcb.state === FIN_WAIT_2 && finTimeoutUs(core, tcb) <= TIMEWAIT_US);
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
  if (mayReset || silentUs <= TIMEWAIT_US || isShut) sendReset(core, tcb);
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
