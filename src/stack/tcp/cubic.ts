// CUBIC (RFC 9438), the default congestion control: after a loss the window follows a cubic curve of the time since, never
// slower than Reno would. Slow start ends by HyStart++ (RFC 9406), when delay grows, before a queue overflows.

import { NEVER } from '../clock.js';
import type { CongestionControl } from './congestion.js';
import type { TcpCore } from './core.js';
import { HyStart } from './hystart.js';
import type { Tcb } from './tcb.js';

/** RFC 9438 4.6: the window after a loss, in its former size. */
const BETA = 0.7;
/** RFC 9438 4.1: how fast the curve rises, in segments per second cubed. */
const C = 0.4;
/** RFC 9438 4.3: Reno's growth for the same average window. */
const ALPHA = (3 * (1 - BETA)) / (1 + BETA);

/** CUBIC's variables (RFC 9438 4.1.2), windows in segments, times in seconds. */
export class CubicState {
  readonly hystart: HyStart = new HyStart();
  wMax = 0;
  k = 0;
  origin = 0;
  wEst = 0;
  epochAt = NEVER;
  /** For an undo. */
  priorWMax = 0;
  priorK = 0;
  priorEpochAt = NEVER;

  reset(): void {
    this.hystart.reset();
    this.wMax = 0;
    this.k = 0;
    this.origin = 0;
    this.wEst = 0;
    this.epochAt = NEVER;
    this.priorWMax = 0;
    this.priorK = 0;
    this.priorEpochAt = NEVER;
  }
}

export const cubic: CongestionControl = {
  name: 'cubic',

  init(tcb: Tcb): void {
    tcb.cubic?.reset();
  },

  onAck(core: TcpCore, tcb: Tcb, acked: number): void {
    const { cc } = tcb;
    const state = stateOf(tcb);
    if (cc.cwnd < cc.ssthresh) {
      const { mss } = tcb.snd;
      cc.cwnd += state.hystart.growth(core, tcb, acked);
      if (state.hystart.isOver) {
        cc.ssthresh = cc.cwnd;
        state.wMax = cc.cwnd / mss;
      }
      return;
    }
    avoid(core, tcb, state, acked);
  },

  ssthresh(tcb: Tcb, flight: number): number {
    const state = stateOf(tcb);
    const { mss } = tcb.snd;
    const window = tcb.cc.cwnd / mss;
    state.priorWMax = state.wMax;
    state.priorK = state.k;
    state.priorEpochAt = state.epochAt;
    // RFC 9438 4.7, fast convergence: a window that shrinks leaves room for newcomers.
    state.wMax = window < state.wMax ? (window * (1 + BETA)) / 2 : window;
    state.epochAt = NEVER;
    return Math.max(Math.floor(Math.min(flight, tcb.cc.cwnd) * BETA), 2 * mss);
  },

  onTimeout(_core: TcpCore, tcb: Tcb): void {
    // RFC 9438 4.8: after a timeout the curve begins anew from the first congestion avoidance.
    stateOf(tcb).epochAt = NEVER;
  },

  onUndo(tcb: Tcb): void {
    const state = stateOf(tcb);
    state.wMax = state.priorWMax;
    state.k = state.priorK;
    state.epochAt = state.priorEpochAt;
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
  const now = core.clock.now;
  const window = cc.cwnd / snd.mss;
  if (state.epochAt === NEVER) {
    state.epochAt = now;
    state.wEst = window;
    if (window < state.wMax) {
      state.k = Math.cbrt((state.wMax - window) / C);
      state.origin = state.wMax;
    } else {
      state.k = 0;
      state.origin = window;
    }
  }
  const segments = acked / snd.mss;
  const t = (now - state.epochAt) / 1e6;
  const later = t + rtt.srttUs / 1e6 - state.k;
  const target = Math.min(Math.max(C * later ** 3 + state.origin, window), 1.5 * window);
  const isPastWMax = state.wEst >= state.wMax;
  state.wEst += ((isPastWMax ? 1 : ALPHA) * segments) / window;
  const current = t - state.k;
  if (C * current ** 3 + state.origin < state.wEst) {
    // RFC 9438 4.3: where Reno would be faster, be as fast.
    cc.cwnd = Math.max(cc.cwnd, Math.floor(state.wEst * snd.mss));
  } else {
    cc.cwnd += Math.floor(((target - window) / window) * segments * snd.mss);
  }
}
