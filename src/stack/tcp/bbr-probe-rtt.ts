// BBR's round trip without a queue (draft-ietf-ccwg-bbr-06 5.3.4, 5.5.7): the least of ten seconds, and a short retreat every five
// seconds if nothing else has shown it, so that flows that share a queue empty it together.

import { restoreCwnd, saveCwnd } from './bbr-loss.js';
import { enterStartup, startProbeBwCruise, startProbeBwDown, startRound } from './bbr-phases.js';
import { ACKS_PROBE_STOPPING, type BbrState, PROBE_RTT } from './bbr-state.js';
import { probeRttCwnd } from './bbr-volume.js';
import type { TcpCore } from './core.js';
import { markAppLimited, type RateSample } from './delivery.js';
import { pipe } from './flight.js';
import type { Tcb } from './tcb.js';

/** 2.16 */
const MIN_RTT_FILTER_US = 10_000_000;
const PROBE_RTT_INTERVAL_US = 5_000_000;
const PROBE_RTT_DURATION_US = 200_000;
const PROBE_RTT_CWND_GAIN = 0.5;

/** 5.3.4.3, UpdateMinRTT */
export function updateMinRtt(core: TcpCore, bbr: BbrState, sample: RateSample): void {
  const { now } = core.clock;
  bbr.probeRttExpired = now > bbr.probeRttMinAt + PROBE_RTT_INTERVAL_US;
  if (sample.rttUs >= 0 && (sample.rttUs < bbr.probeRttMinUs || bbr.probeRttExpired)) {
    bbr.probeRttMinUs = sample.rttUs;
    bbr.probeRttMinAt = now;
  }
  if (bbr.probeRttMinUs < bbr.minRttUs || now > bbr.minRttAt + MIN_RTT_FILTER_US) {
    bbr.minRttUs = bbr.probeRttMinUs;
    bbr.minRttAt = bbr.probeRttMinAt;
  }
}

/** 5.3.4.3, CheckProbeRTT */
export function checkProbeRtt(core: TcpCore, tcb: Tcb, bbr: BbrState, sample: RateSample): void {
  if (bbr.phase !== PROBE_RTT && bbr.probeRttExpired && !bbr.idleRestart) {
    saveCwnd(tcb, bbr);
    bbr.phase = PROBE_RTT;
    bbr.pacingGain = 1;
    bbr.cwndGain = PROBE_RTT_CWND_GAIN;
    bbr.isProbeRttTimed = false;
    bbr.ackPhase = ACKS_PROBE_STOPPING;
    startRound(core, tcb, bbr);
  }
  if (bbr.phase === PROBE_RTT) handleProbeRtt(core, tcb, bbr);
  if (sample.delivered > 0) bbr.idleRestart = false;
}

/** 5.3.4.3, HandleProbeRTT */
function handleProbeRtt(core: TcpCore, tcb: Tcb, bbr: BbrState): void {
  // The low rates of now say nothing about the path.
  markAppLimited(core, tcb);
  if (!bbr.isProbeRttTimed) {
    if (pipe(tcb) > probeRttCwnd(core, tcb, bbr)) return;
    bbr.isProbeRttTimed = true;
    bbr.probeRttDoneAt = core.clock.now + PROBE_RTT_DURATION_US;
    bbr.probeRttRoundDone = false;
    startRound(core, tcb, bbr);
    return;
  }
  if (bbr.roundStart) bbr.probeRttRoundDone = true;
  if (bbr.probeRttRoundDone) checkProbeRttDone(core, tcb, bbr);
}

/** 5.3.4.3, CheckProbeRTTDone */
export function checkProbeRttDone(core: TcpCore, tcb: Tcb, bbr: BbrState): void {
  const { now } = core.clock;
  if (!bbr.isProbeRttTimed || now <= bbr.probeRttDoneAt) return;
  bbr.probeRttMinAt = now;
  restoreCwnd(tcb, bbr);
  bbr.resetShortTermModel();
  // 5.3.4.4: what is in flight is below what the path holds, so the flow can cruise at once.
  if (bbr.fullBwReached) {
    startProbeBwDown(core, tcb, bbr);
    startProbeBwCruise(bbr);
  } else {
    enterStartup(bbr);
  }
}
