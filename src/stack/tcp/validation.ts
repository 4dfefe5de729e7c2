// Congestion window validation (RFC 7661, RFC 5681 3.1 and 4.1): a window that was not in use says nothing about the path. It does
// not grow, a loss is answered by what was in use, and after some minutes, or a silence, it comes down. Judged by what happened
// when the data was sent that an ACK is for, as Linux does, not by what is outstanding when the ACK comes: several ACKs may be
// worked off before anything is sent again.

import { NEVER } from '../clock.js';
import type { TcpCore } from './core.js';
import { flightSize, pipe } from './flight.js';
import { geq } from './seq.js';
import type { Tcb } from './tcb.js';

/** RFC 7661 4.2: what was in use is the most of so many round trips, or of a second if that is longer. */
const SAMPLING_RTTS = 3;
const SAMPLING_US = 1_000_000;
/** RFC 7661 4.4.3: how long a window that is not in use may be kept, in µs. */
const NON_VALIDATED_US = 300_000_000;

/** Notes, after sending, whether the congestion window has room for another segment, and how much of it is in use. */
export function noteUsage(core: TcpCore, tcb: Tcb): void {
  const { cc, snd } = tcb;
  const flight = flightSize(tcb);
  const isLimited = pipe(tcb) + snd.mss > cc.cwnd;
  notePipe(core, tcb, flight);
  // The strongest sign of the last window of data counts.
  const isNewWindow = geq(snd.una, cc.usageEnd);
  if (!isNewWindow && !isLimited && (cc.wasLimited || flight <= cc.usedFlight)) return;
  cc.wasLimited = isLimited;
  cc.usedFlight = flight;
  cc.usageEnd = snd.nxt;
}

/** RFC 7661 4.2, pipeACK: the most that was outstanding in the sampling period. */
function notePipe(core: TcpCore, tcb: Tcb, flight: number): void {
  const { cc, rtt } = tcb;
  const { now } = core.clock;
  if (flight < cc.pipeUsed && now - cc.pipeUsedAt <= Math.max(SAMPLING_RTTS * rtt.srttUs, SAMPLING_US))
    return;
  cc.pipeUsed = flight;
  cc.pipeUsedAt = now;
  if (isValidated(tcb)) cc.unusedSince = NEVER;
  else if (cc.unusedSince === NEVER) cc.unusedSince = now;
  else if (!tcb.congestion?.ownsWindow) endNonValidated(core, tcb);
}

/** RFC 7661 4.3: at least half of the window was in use. */
function isValidated({ cc }: Tcb): boolean {
  return 2 * cc.pipeUsed >= cc.cwnd;
}

/** True when the window was full; in slow start half full is enough, for it doubles in a round trip. */
export function isWindowLimited(tcb: Tcb): boolean {
  const { cwnd, ssthresh, wasLimited, usedFlight } = tcb.cc;
  return wasLimited || (cwnd < ssthresh && 2 * usedFlight >= cwnd);
}

/** RFC 7661 4.4.1: the volume that a loss is about, with `flight` outstanding: of a window not in use, what was. */
export function lossVolume(tcb: Tcb, flight: number): number {
  return isValidated(tcb) ? flight : Math.max(flight, Math.min(tcb.cc.pipeUsed, tcb.cc.cwnd));
}

/**
 * Data is about to leave, nothing being outstanding. After a silence the window is halved for each RTO of it, down to the initial
 * one, as Linux does (RFC 5681 4.1 would have the initial one at once); without that (tcp_slow_start_after_idle), and when it was
 * little used, it is kept for five minutes (RFC 7661 4.4.3). What it was is remembered in `ssthresh`.
 */
export function restartWindow(core: TcpCore, tcb: Tcb): void {
  const { cc, rtt } = tcb;
  const idleUs = core.clock.now - cc.lastSentAt;
  if (core.config.slowStartAfterIdle !== 0 && idleUs > rtt.rtoUs) lower(core, tcb, idleUs, rtt.rtoUs);
  endNonValidated(core, tcb);
}

/** RFC 7661 4.4.3: a window is kept for five minutes without being in use. */
function endNonValidated(core: TcpCore, tcb: Tcb): void {
  const { cc } = tcb;
  const { now } = core.clock;
  if (now - cc.unusedSince <= NON_VALIDATED_US) return;
  lower(core, tcb, now - cc.unusedSince, NON_VALIDATED_US);
  cc.unusedSince = now;
}

/** Halves the window for each `stepUs` of `timeUs`, not below the initial one. */
function lower(core: TcpCore, tcb: Tcb, timeUs: number, stepUs: number): void {
  const { cc, snd } = tcb;
  const before = cc.cwnd;
  const floor = Math.min(initialCwnd(core, tcb), before);
  let { cwnd } = cc;
  for (let rest = timeUs - stepUs; rest > 0 && cwnd > floor; rest -= stepUs) {
    cwnd = Math.floor(cwnd / snd.mss / 2) * snd.mss;
  }
  cc.cwnd = Math.max(cwnd, floor);
  if (cc.cwnd < before) cc.ssthresh = Math.max(cc.ssthresh, (before >> 1) + (before >> 2));
}

/** The initial window in bytes (RFC 6928; RFC 5681 3.1: one segment when the SYN was lost). */
export function initialCwnd(core: TcpCore, tcb: Tcb): number {
  return core.config.initialCwnd * tcb.snd.mss;
}
