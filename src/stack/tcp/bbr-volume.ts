// How much and how fast BBR sends (draft-ietf-ccwg-bbr-06 5.6): window, pacing rate and burst from the model of the path.

import { type BbrState, PROBE_BW_CRUISE, PROBE_BW_UP, PROBE_RTT } from './bbr-state.js';
import type { TcpCore } from './core.js';
import { deliveredBytes } from './delivery.js';
import { type Pacer, setPacingRate } from './pacing.js';
import type { Tcb } from './tcb.js';
import { initialCwnd } from './validation.js';

/** 2.8: what is left free for others of the volume that is known to be too much. */
const HEADROOM = 0.15;
/** 2.16.2 */
const PROBE_RTT_CWND_GAIN = 0.5;
/** 2.5: paces by so much less than the estimate, so that queues shrink. */
export const PACING_MARGIN = 0.99;
/** 5.5.8.1 */
const OFFLOAD_QUANTA = 3;

const INFINITY: number = Number.POSITIVE_INFINITY;

/** 2.8, BBR.MinPipeCwnd */
export function minPipeCwnd(tcb: Tcb): number {
  return 4 * tcb.snd.mss;
}

/** 5.6.4.2, BDPMultiple, for a bandwidth of `bw`. */
function bdpMultiple(core: TcpCore, tcb: Tcb, bbr: BbrState, bw: number, gain: number): number {
  if (bbr.minRttUs === INFINITY) return initialCwnd(core, tcb);
  return Math.floor(gain * bw * bbr.minRttUs);
}

/** 5.6.4.2, QuantizationBudget */
function quantizationBudget(tcb: Tcb, bbr: BbrState, volume: number): number {
  const quantum = tcb.pacer === null ? 0 : tcb.pacer.quantum;
  const budget = Math.max(volume, OFFLOAD_QUANTA * quantum, minPipeCwnd(tcb));
  return bbr.phase === PROBE_BW_UP ? budget + 2 * tcb.snd.mss : budget;
}

/** 5.6.4.2, Inflight: what the path holds at a bandwidth of `bw`, without a queue. */
export function pathVolume(core: TcpCore, tcb: Tcb, bbr: BbrState, bw: number): number {
  return quantizationBudget(tcb, bbr, bdpMultiple(core, tcb, bbr, bw, 1));
}

/** BBR.bdp */
export function bdp(core: TcpCore, tcb: Tcb, bbr: BbrState): number {
  return bdpMultiple(core, tcb, bbr, bbr.bw, 1);
}

/** 5.3.3.8.3, TargetInflight */
export function targetInflight(core: TcpCore, tcb: Tcb, bbr: BbrState): number {
  return Math.min(bdp(core, tcb, bbr), tcb.cc.cwnd);
}

/** 5.3.3.9, InflightWithHeadroom */
export function inflightWithHeadroom(tcb: Tcb, bbr: BbrState): number {
  const { inflightLongterm } = bbr;
  if (inflightLongterm === INFINITY) return INFINITY;
  const headroom = Math.max(tcb.snd.mss, HEADROOM * inflightLongterm);
  return Math.max(Math.floor(inflightLongterm - headroom), minPipeCwnd(tcb));
}

/** 5.6.4.5, ProbeRTTCwnd */
export function probeRttCwnd(core: TcpCore, tcb: Tcb, bbr: BbrState): number {
  return Math.max(bdpMultiple(core, tcb, bbr, bbr.bw, PROBE_RTT_CWND_GAIN), minPipeCwnd(tcb));
}

/**
 * 5.6.2, SetPacingRateWithGain, and the burst that goes with it (5.6.3). Not below a segment in a round trip: Linux measures in whole
 * segments, and by a sample of a few bytes the window that 5.6.4.1 grants at least would take hours.
 */
export function pace(core: TcpCore, tcb: Tcb, pacer: Pacer, bbr: BbrState, gain: number): void {
  if (bbr.bw <= 0) return;
  const least = tcb.rtt.srttUs > 0 ? tcb.snd.mss / tcb.rtt.srttUs : 0;
  const rate = Math.max(gain * bbr.bw * PACING_MARGIN, least);
  if (bbr.fullBwReached || rate > pacer.rate) setPacingRate(core, tcb, pacer, rate);
}

/** 5.6.4.6, SetCwnd, for `acked` bytes newly delivered. */
export function setCwnd(core: TcpCore, tcb: Tcb, bbr: BbrState, acked: number): void {
  const { cc } = tcb;
  const extraAcked = Math.max(bbr.extraAckedNow, bbr.extraAckedBefore);
  const volume = bdpMultiple(core, tcb, bbr, bbr.bw, bbr.cwndGain) + extraAcked;
  bbr.maxInflight = quantizationBudget(tcb, bbr, volume);
  let { cwnd } = cc;
  if (bbr.fullBwReached) cwnd = Math.min(cwnd + acked, bbr.maxInflight);
  else if (cwnd < bbr.maxInflight || deliveredBytes(core, tcb) < initialCwnd(core, tcb)) cwnd += acked;
  cwnd = Math.max(cwnd, minPipeCwnd(tcb));
  if (bbr.phase === PROBE_RTT) cwnd = Math.min(cwnd, probeRttCwnd(core, tcb, bbr));
  cc.cwnd = Math.min(cwnd, modelCap(tcb, bbr));
}

/** 5.6.4.7, BoundCwndForModel */
function modelCap(tcb: Tcb, bbr: BbrState): number {
  let cap = INFINITY;
  if (bbr.phase === PROBE_RTT || bbr.phase === PROBE_BW_CRUISE) cap = inflightWithHeadroom(tcb, bbr);
  else if (bbr.isInProbeBw) cap = bbr.inflightLongterm;
  cap = Math.min(cap, bbr.inflightShortterm);
  return Math.max(cap, minPipeCwnd(tcb));
}
