// Keepalive (RFC 9293 3.8.4: off until asked for, MUST-24) and the idle timeout of mTCP, which share a deadline. It is armed
// when the option is set or the connection established, and looks at the time of the last segment only when it comes.

import { type Micros, NEVER } from '../clock.js';
import { ETIMEDOUT } from '../errors.js';
import type { TcpCore } from './core.js';
import { emit, sendReset } from './output.js';
import { add, diff } from './seq.js';
import { CLOSED, isSynchronized, TIME_WAIT } from './state.js';
import type { Tcb } from './tcb.js';
import { adoptedUs } from './user-timeout.js';

/**
 * Silence before the first probe, in µs. RFC 5482 4.2: it must be longer than a user timeout that follows the peer's, or keepalive
 * would end what both ends mean to wait for.
 */
export function keepIdleUs(core: TcpCore, tcb: Tcb): number {
  const own = tcb.tuning.keepIdleUs > 0 ? tcb.tuning.keepIdleUs : core.config.keepaliveTimeUs;
  return tcb.uto === null ? own : Math.max(own, adoptedUs(tcb) + 1_000_000);
}

/** Arms the deadline of an established connection, if its options or the stack's want one. */
export function startKeepalive(core: TcpCore, tcb: Tcb): void {
  const { idleTimeoutUs } = core.config;
  const now = core.clock.now;
  let at = tcb.tuning.keepalive ? now + keepIdleUs(core, tcb) : NEVER;
  if (idleTimeoutUs > 0) at = Math.min(at, now + idleTimeoutUs);
  tcb.keepAt = at;
  if (at !== NEVER) core.arm(tcb);
}

/** The deadline has come. The caller arms what is left in `keepAt`. */
export function onKeepalive(core: TcpCore, tcb: Tcb): void {
  tcb.keepAt = NEVER;
  if (!isSynchronized(tcb.state) || tcb.state === TIME_WAIT) return;
  const now = core.clock.now;
  const { idleTimeoutUs } = core.config;
  let next = NEVER;
  if (idleTimeoutUs > 0) {
    // mTCP's tcp_timeout: neither sent nor received, and the peer is told nothing.
    const sentAt = tcb.cc.lastSentAt === NEVER ? tcb.heardAt : tcb.cc.lastSentAt;
    const idleSince = Math.max(tcb.heardAt, sentAt);
    if (now - idleSince >= idleTimeoutUs) {
      core.counters.TcpExtTCPAbortOnTimeout++;
      core.destroy(tcb, ETIMEDOUT);
      return;
    }
    next = idleSince + idleTimeoutUs;
  }
  if (tcb.tuning.keepalive) next = Math.min(next, probe(core, tcb, now));
  if (tcb.state !== CLOSED) tcb.keepAt = next;
}

/** Probes a peer that has been silent for long enough, or gives it up. Returns when to look again. */
function probe(core: TcpCore, tcb: Tcb, now: Micros): Micros {
  const { snd, tuning } = tcb;
  const idleUs = keepIdleUs(core, tcb);
  // What is in flight or waits is watched by the retransmission and persist timers.
  const isQuiet = snd.una === snd.nxt && tcb.sendBuffer.length <= diff(snd.nxt, snd.base);
  if (!isQuiet) return now + idleUs;
  const silentUs = now - tcb.heardAt;
  if (silentUs < idleUs) return tcb.heardAt + idleUs;
  // RFC 9293 MUST-26: one probe without an answer says nothing. tcp(7): TCP_USER_TIMEOUT overrides the number of probes.
  const limit = tuning.keepProbes > 0 ? tuning.keepProbes : core.config.keepaliveProbes;
  const { userTimeoutUs } = tuning;
  if (userTimeoutUs > 0 ? silentUs >= userTimeoutUs && tcb.probes > 0 : tcb.probes >= limit) {
    sendReset(core, tcb);
    core.counters.TcpExtTCPAbortOnTimeout++;
    core.destroy(tcb, tcb.softError !== 0 ? tcb.softError : ETIMEDOUT);
    return NEVER;
  }
  // SEG.SEQ = SND.NXT - 1: a byte that the peer has acknowledged makes it answer; without data even where garbage would not do.
  if (emit(core, tcb, add(snd.nxt, -1), 0, 0) <= 0) {
    tcb.probes++;
    core.counters.TcpExtTCPKeepAlive++;
  }
  return now + (tuning.keepIntervalUs > 0 ? tuning.keepIntervalUs : core.config.keepaliveIntervalUs);
}
