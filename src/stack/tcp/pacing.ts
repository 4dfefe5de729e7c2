// Pacing: segments leave at a rate and not as fast as the windows allow. A connection that is paced borrows a Pacer; `transmit.ts`
// asks it before a segment leaves, and where the answer is no the connection's timer comes at the microsecond at which it
// will be yes. A connection that is not paced has none, and costs one comparison.
//
// Segments leave in bursts of what the rate carries in a millisecond, two segments at least and 64 KiB at most, as Linux's TSO
// autosizing makes them (tcp_pacing_shift) and as draft-ietf-ccwg-bbr 5.6.3 asks for.
//
// A core of a program shares its CPU with others and often comes late, by much more than a kernel's timer does. What it owes then it
// makes good at twice the rate, as Linux does (tcp_update_skb_after_send), but for as long as it takes: a rate that is never
// reached looks to BBR like a slower path.

import { type Micros, NEVER } from '../clock.js';
import type { TcpCore } from './core.js';
import { diff } from './seq.js';
import type { Tcb } from './tcb.js';

const BURST_US = 1_000;
const MAX_BURST = 65_536;
/** Most that is made good: this part of a round trip. For more the path has emptied, and what is right for it may have changed. */
const MAX_LATE_RTTS = 0.25;
/** Round trip before the first sample, in µs (draft-ietf-ccwg-bbr 5.6.2, InitPacingRate). */
const NOMINAL_RTT_US = 1_000;

export class Pacer {
  /** Bytes in a microsecond. */
  rate = 0.5;
  /** Bytes that leave in a burst (C.send_quantum), and how many of the present one are left. */
  quantum = 0;
  left = 0;
  /** When the next burst may leave (C.next_send_time). */
  nextAt: Micros = 0.5;
  /** By how much what has left was late, in µs, as far as it is to be made good. */
  lateUs = 0.5;
  /** A segment has had to wait for the next burst. */
  isWaiting = false;
  /** When a segment that had to wait is to be looked at again; NEVER while none waits. */
  resumeAt: Micros = NEVER;

  reset(): void {
    this.rate = 0;
    this.quantum = 0;
    this.left = 0;
    this.nextAt = 0;
    this.lateUs = 0;
    this.isWaiting = false;
    this.resumeAt = NEVER;
  }
}

/** Gives a connection a pacer, or takes it away, as its options and its congestion control want. */
export function choosePacing(core: TcpCore, tcb: Tcb): void {
  const isPaced = tcb.tuning.maxPacingRate > 0 || (tcb.congestion?.ownsWindow ?? false);
  if (!isPaced) {
    core.dropPacer(tcb);
    return;
  }
  if (tcb.pacer === null) tcb.pacer = core.takePacer();
  if (tcb.congestion?.ownsWindow) setPacingRate(core, tcb, tcb.pacer, tcb.pacer.rate);
  else followWindow(core, tcb, tcb.pacer);
}

/** Sets the rate in bytes per µs, within what SO_MAX_PACING_RATE allows, and the burst that goes with it. */
export function setPacingRate(core: TcpCore, tcb: Tcb, pacer: Pacer, rate: number): void {
  const { maxPacingRate } = tcb.tuning;
  const before = pacer.rate;
  pacer.rate = maxPacingRate > 0 ? Math.min(rate, maxPacingRate / 1e6) : rate;
  if (before > 0 && before !== pacer.rate) rescaleDebt(core, tcb, pacer, before);
  pacer.quantum = Math.max(2 * tcb.snd.mss, Math.min(Math.floor(pacer.rate * BURST_US), MAX_BURST));
}

/** What has left ahead of time is a debt in bytes, and is paid at the new rate: otherwise a rate that was too low for once would last. */
function rescaleDebt(core: TcpCore, tcb: Tcb, pacer: Pacer, before: number): void {
  const { now } = core.clock;
  if (pacer.nextAt <= now || pacer.rate <= 0) return;
  pacer.nextAt = now + ((pacer.nextAt - now) * before) / pacer.rate;
  if (pacer.resumeAt === NEVER) return;
  pacer.resumeAt = Math.ceil(pacer.nextAt);
  core.arm(tcb);
}

/** Of a congestion control that knows only windows: somewhat more than one in a round trip, as on Linux. */
export function followWindow(core: TcpCore, tcb: Tcb, pacer: Pacer): void {
  setPacingRate(core, tcb, pacer, windowRate(core, tcb));
}

/** The window's worth of a round trip, in bytes per µs, so much more that pacing does not hold the window's growth back. */
export function windowRate(core: TcpCore, tcb: Tcb): number {
  const { cc, snd } = tcb;
  const percent = 2 * cc.cwnd < cc.ssthresh ? core.config.pacingSsRatio : core.config.pacingCaRatio;
  const bytes = Math.max(cc.cwnd, diff(snd.nxt, snd.una));
  return (bytes * percent) / 100 / (tcb.rtt.srttUs === 0 ? NOMINAL_RTT_US : tcb.rtt.srttUs);
}

/** True when a segment may leave now; otherwise the connection is looked at again when it may. */
export function mayDepart(core: TcpCore, tcb: Tcb, pacer: Pacer): boolean {
  const { now } = core.clock;
  if (now >= pacer.nextAt) {
    // A new burst. Time in which nothing had to wait does not add up.
    pacer.lateUs = pacer.isWaiting ? Math.min(pacer.lateUs + now - pacer.nextAt, mostLateUs(tcb, pacer)) : 0;
    pacer.nextAt = now;
    pacer.left = pacer.quantum;
    pacer.isWaiting = false;
    return true;
  }
  if (pacer.left > 0) return true;
  pacer.isWaiting = true;
  pacer.resumeAt = Math.ceil(pacer.nextAt);
  core.arm(tcb);
  return false;
}

/** `length` bytes have left. */
export function onPacedDeparture(core: TcpCore, pacer: Pacer, length: number): void {
  pacer.resumeAt = NEVER;
  pacer.left -= length;
  if (pacer.rate <= 0) {
    pacer.nextAt = core.clock.now;
    return;
  }
  const costUs = length / pacer.rate;
  const madeGoodUs = Math.min(costUs / 2, pacer.lateUs);
  pacer.lateUs -= madeGoodUs;
  pacer.nextAt += costUs - madeGoodUs;
}

/** A burst can always be made good. */
function mostLateUs(tcb: Tcb, pacer: Pacer): number {
  const burstUs = pacer.rate > 0 ? pacer.quantum / pacer.rate : 0;
  return Math.max(burstUs, tcb.rtt.srttUs * MAX_LATE_RTTS);
}

/** How long a segment that may not leave yet has to wait, in µs; 0 when none does. It is not late, as Linux's tcp_pacing_delay says. */
export function pacingDelayUs(core: TcpCore, tcb: Tcb): number {
  const { pacer } = tcb;
  return pacer === null || pacer.resumeAt === NEVER ? 0 : Math.max(0, pacer.resumeAt - core.clock.now);
}
