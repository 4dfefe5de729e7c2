// CUBIC (RFC 9438), the default congestion control: after a loss the window follows a cubic curve of the time since, never
// slower than Reno would. Slow start ends by HyStart++ (RFC 9406), when delay grows, before a queue overflows.

import { NEVER } from '../clock.js';
import type { CongestionControl } from './congestion.js';
import type { TcpCore } from './core.js';
import { HyStart } from './hystart.js';
import type { AckReport } from './recovery.js';
import type { Tcb } from './tcb.js';

/** RFC 9438 4.6: the window after a loss, in its former size. */
const BETA = 0.7;
/** RFC 9438 4.1: how fast the curve rises, in segments per second cubed. */
const C = 0.4;
/** RFC 9438 4.3: Reno's growth for the same average window. */
const ALPHA = (3 * (1 - BETA)) / (1 + BETA);

/** Growth that pauses for longer, in round trips, was held up by the application. */
const PAUSE_RTTS = 2;

/** CUBIC's variables (RFC 9438 4.1.2), windows in segments, times in µs. */
export class CubicState {
  readonly hystart: HyStart = new HyStart();
  /** Top of the curve: the window before the last loss, or less by fast convergence. */
  wMax = 0;
  /** The window before the last loss. */
  prior = 0;
  /** When the curve reaches its top, in s from `epochAt` on; its height there; Reno's window beside it. */
  k = 0;
  origin = 0;
  wEst = 0;
  epochAt = NEVER;
  /** When the window last grew by the curve. */
  grownAt = 0.5;
  /** Growth in bytes that is not yet whole. */
  fraction = 0;
  /** For an undo. */
  pastWMax = 0;
  pastPrior = 0;
  pastK = 0;
  pastOrigin = 0;
  pastWEst = 0;
  pastEpochAt = NEVER;

  reset(): void {
    this.hystart.reset();
    this.wMax = 0;
    this.prior = 0;
    this.k = 0;
    this.origin = 0;
    this.wEst = 0;
    this.epochAt = NEVER;
    this.fraction = 0;
    this.remember();
  }

  remember(): void {
    this.pastWMax = this.wMax;
    this.pastPrior = this.prior;
    this.pastK = this.k;
    this.pastOrigin = this.origin;
    this.pastWEst = this.wEst;
    this.pastEpochAt = this.epochAt;
  }

  restore(): void {
    this.wMax = this.pastWMax;
    this.prior = this.pastPrior;
    this.k = this.pastK;
    this.origin = this.pastOrigin;
    this.wEst = this.pastWEst;
    this.epochAt = this.pastEpochAt;
  }
}

export const cubic: CongestionControl = {
  name: 'cubic',
  ownsWindow: false,

  init(_core: TcpCore, tcb: Tcb): void {
    tcb.cubic?.reset();
  },

  onAck(core: TcpCore, tcb: Tcb, { delivered }: AckReport): void {
    const { cc } = tcb;
    const state = stateOf(tcb);
    if (cc.cwnd >= cc.ssthresh) {
      avoid(core, tcb, state, delivered);
      return;
    }
    const { hystart } = state;
    // Slow start ends at the threshold, not somewhere above it.
    cc.cwnd = Math.min(cc.cwnd + hystart.growth(core, tcb, delivered), cc.ssthresh);
    if (!hystart.hasEnded) return;
    // RFC 9406 4.2: congestion avoidance from here on.
    hystart.hasEnded = false;
    cc.ssthresh = cc.cwnd;
    state.prior = cc.cwnd / tcb.snd.mss;
    state.wMax = state.prior;
  },

  onLost(_core: TcpCore, _tcb: Tcb, _at: number): void {
    // One loss or many in a round trip are the same.
  },

  remember(_core: TcpCore, tcb: Tcb): void {
    stateOf(tcb).remember();
  },

  ssthresh(tcb: Tcb, flight: number): number {
    const state = stateOf(tcb);
    const { mss } = tcb.snd;
    const window = tcb.cc.cwnd / mss;
    // RFC 9438 4.7, fast convergence: a window that shrinks leaves room for newcomers.
    state.wMax = window < state.wMax ? (window * (1 + BETA)) / 2 : window;
    state.prior = window;
    state.epochAt = NEVER;
    // RFC 9438 4.6; what is not in use is not worth keeping.
    return Math.max(Math.floor(Math.min(flight, tcb.cc.cwnd) * BETA), 2 * mss);
  },

  onTimeout(_core: TcpCore, tcb: Tcb): void {
    // RFC 9438 4.8: after a timeout the curve begins anew, at its top, with the first congestion avoidance.
    const state = stateOf(tcb);
    state.wMax = 0;
    state.epochAt = NEVER;
  },

  onRecoveryEnd(_core: TcpCore, _tcb: Tcb): void {
    // The curve begins with the next ACK, at `ssthresh`.
  },

  onRestart(_core: TcpCore, _tcb: Tcb): void {
    // `avoid` leaves out the time for which the window did not grow, idle or not.
  },

  onUndo(_core: TcpCore, tcb: Tcb): void {
    stateOf(tcb).restore();
  },

  onEcnEcho(_core: TcpCore, _tcb: Tcb, _report: AckReport): void {
    // The reduction that ECN asks for goes by `ssthresh`.
  },
};

function stateOf(tcb: Tcb): CubicState {
  if (tcb.cubic === null) {
    // alloc: once for each block of the pool
    tcb.cubic = new CubicState();
  }
  return tcb.cubic;
}

/** RFC 9438 4.2 to 4.5: congestion avoidance. */
function avoid(core: TcpCore, tcb: Tcb, state: CubicState, acked: number): void {
  const { cc, snd, rtt } = tcb;
  const window = cc.cwnd / snd.mss;
  if (state.epochAt === NEVER) startEpoch(core, state, window);
  skipPause(core, tcb, state);
  const segments = acked / snd.mss;
  const t = (core.clock.now - state.epochAt) / 1e6;
  // RFC 9438 4.3: Reno's window for the same loss rate; from the size before the loss on it grows as fast as Reno.
  state.wEst += ((state.wEst >= state.prior ? 1 : ALPHA) * segments) / window;
  if (height(state, t) < state.wEst) {
    // RFC 9438 4.3: where Reno would be faster, be as fast.
    cc.cwnd = Math.max(cc.cwnd, Math.floor(state.wEst * snd.mss));
    return;
  }
  // RFC 9438 4.2: in a round trip to where the curve will be then, at most half again as much.
  const target = Math.min(Math.max(height(state, t + rtt.srttUs / 1e6), window), 1.5 * window);
  const growth = state.fraction + ((target - window) / window) * acked;
  const whole = Math.floor(growth);
  state.fraction = growth - whole;
  cc.cwnd += whole;
}

/**
 * RFC 9438 4.2 and 5.8: the time in which the application did not fill the window, or sent nothing, is no part of the curve. ACKs that
 * make the window grow come at least once in a round trip; what is longer is a pause.
 */
function skipPause(core: TcpCore, tcb: Tcb, state: CubicState): void {
  const { now } = core.clock;
  const pause = now - state.grownAt;
  if (pause > PAUSE_RTTS * Math.max(tcb.rtt.srttUs, tcb.rtt.lastUs))
    state.epochAt = Math.min(state.epochAt + pause, now);
  state.grownAt = now;
}

/** RFC 9438 4.2: the curve begins at the window of now and is flat at that of the last loss. */
function startEpoch(core: TcpCore, state: CubicState, window: number): void {
  state.epochAt = core.clock.now;
  state.grownAt = core.clock.now;
  state.wEst = window;
  state.fraction = 0;
  state.k = window < state.wMax ? Math.cbrt((state.wMax - window) / C) : 0;
  state.origin = Math.max(state.wMax, window);
}

/** RFC 9438 4.2, figure 1: W_cubic in segments, `t` seconds after the epoch began. */
function height(state: CubicState, t: number): number {
  const since = t - state.k;
  return C * since * since * since + state.origin;
}
