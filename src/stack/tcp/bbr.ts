// BBR, version 3 (draft-ietf-ccwg-bbr-06): a model of the path from the delivery rate and the round trip, from which pacing rate and
// window follow; losses correct the model instead of halving a window. The parts are in the files `bbr-*.ts`, one for each
// of the draft's sections; here is what happens on which event (5.2).

import { checkDrainDone, checkStartupDone, updateProbeBwCycle } from './bbr-cycle.js';
import {
  adaptLowerBounds,
  adaptToMarks,
  handleLostPacket,
  noteLoss,
  noteMarks,
  restoreCwnd,
} from './bbr-loss.js';
import {
  advanceLatestDelivery,
  checkFullBw,
  updateAggregation,
  updateLatestDelivery,
  updateMaxBw,
  updateRound,
} from './bbr-model.js';
import { enterStartup, STARTUP_PACING_GAIN, startProbeBwRefill } from './bbr-phases.js';
import { checkProbeRtt, checkProbeRttDone, updateMinRtt } from './bbr-probe-rtt.js';
import { BbrState, bbrOf, NO_STATE, PROBE_BW_UP, PROBE_RTT, STARTUP } from './bbr-state.js';
import { pace, setCwnd } from './bbr-volume.js';
import type { CongestionControl } from './congestion.js';
import type { TcpCore } from './core.js';
import { APP_LIMITED } from './ledger.js';
import { setPacingRate } from './pacing.js';
import type { AckReport } from './recovery.js';
import type { Tcb } from './tcb.js';
import { initialCwnd } from './validation.js';

/** 5.6.2, InitPacingRate, before the first sample. */
const NOMINAL_RTT_US = 1_000;

export const bbr: CongestionControl = {
  name: 'bbr',
  ownsWindow: true,

  /** 5.2.1, OnInit */
  init(core: TcpCore, tcb: Tcb): void {
    // alloc: the first connections that use BBR; then the records go round
    tcb.bbr ??= core.bbrStates.pop() ?? new BbrState();
    const state = tcb.bbr;
    const { now } = core.clock;
    const { srttUs } = tcb.rtt;
    state.reset();
    if (srttUs > 0) state.minRttUs = srttUs;
    state.minRttAt = now;
    state.probeRttMinUs = state.minRttUs;
    state.probeRttMinAt = now;
    state.extraAckedAt = now;
    enterStartup(state);
    tcb.cc.ssthresh = 0x7fffffff;
    initPacingRate(core, tcb, state);
  },

  /** 5.2.3, UpdateOnACK */
  onAck(core: TcpCore, tcb: Tcb, report: AckReport): void {
    const state = bbrOf(tcb);
    const { sample } = report;
    if (report.delivered <= 0) return;
    if (!state.hasSeenRtt && tcb.rtt.srttUs > 0) initPacingRate(core, tcb, state);
    updateLatestDelivery(core, tcb, state, sample);
    updateRound(core, tcb, state, sample);
    updateMaxBw(state, sample);
    state.ecnDelivered += report.delivered;
    if (state.roundStart) adaptToMarks(core, tcb, state);
    if (state.lossRoundStart) {
      adaptLowerBounds(tcb, state);
      state.isLossInRound = false;
      state.isEcnInRound = false;
    }
    updateAggregation(core, tcb, state, report.delivered);
    checkFullBw(state, sample);
    checkStartupDone(core, tcb, state, report);
    checkDrainDone(core, tcb, state);
    updateProbeBwCycle(core, tcb, state, report);
    updateMinRtt(core, state, sample);
    checkProbeRtt(core, tcb, state, sample);
    advanceLatestDelivery(state, sample);
    state.bw = Math.min(state.maxBw, state.bwShortterm);
    if (tcb.pacer !== null) pace(core, tcb, tcb.pacer, state, state.pacingGain);
    setCwnd(core, tcb, state, report.delivered);
  },

  /** 5.2.4 */
  onLost(core: TcpCore, tcb: Tcb, at: number): void {
    if (tcb.board !== null) handleLostPacket(core, tcb, bbrOf(tcb), tcb.board, at);
  },

  /** 5.6.4.4, OnEnterFastRecovery and OnEnterRTO. Where a loss has been noted before, what was before it has been kept. */
  remember(core: TcpCore, tcb: Tcb): void {
    noteLoss(core, tcb, bbrOf(tcb));
  },

  ssthresh(tcb: Tcb, _flight: number): number {
    return tcb.cc.ssthresh;
  },

  /** 5.6.4.4 */
  onRecoveryEnd(_core: TcpCore, tcb: Tcb): void {
    restoreCwnd(tcb, bbrOf(tcb));
  },

  onTimeout(_core: TcpCore, _tcb: Tcb): void {
    // The window of one segment comes from loss recovery, and 5.6.4.6 lets it grow again.
  },

  /** 5.4.1, HandleRestartFromIdle */
  onRestart(core: TcpCore, tcb: Tcb): void {
    if (core.ledger.sumOf(tcb.row, APP_LIMITED) === 0) return;
    const state = bbrOf(tcb);
    state.idleRestart = true;
    state.extraAckedAt = core.clock.now;
    if (state.isInProbeBw && tcb.pacer !== null) pace(core, tcb, tcb.pacer, state, 1);
    else if (state.phase === PROBE_RTT) checkProbeRttDone(core, tcb, state);
  },

  /** 5.5.11.2, HandleSpuriousLossDetection */
  onUndo(core: TcpCore, tcb: Tcb): void {
    const state = bbrOf(tcb);
    restoreCwnd(tcb, state);
    state.isLossInRound = false;
    state.resetFullBw();
    state.bwShortterm = Math.max(state.bwShortterm, state.undoBwShortterm);
    state.inflightShortterm = Math.max(state.inflightShortterm, state.undoInflightShortterm);
    state.inflightLongterm = Math.max(state.inflightLongterm, state.undoInflightLongterm);
    const { undoState } = state;
    state.undoState = NO_STATE;
    if (undoState === STARTUP && state.phase !== STARTUP) {
      state.fullBwReached = false;
      if (state.phase !== PROBE_RTT) enterStartup(state);
    } else if (undoState === PROBE_BW_UP && state.phase !== PROBE_BW_UP && state.phase !== PROBE_RTT) {
      startProbeBwRefill(core, tcb, state);
    }
  },

  onEcnEcho(_core: TcpCore, tcb: Tcb, report: AckReport): void {
    noteMarks(bbrOf(tcb), report.ceMarked);
  },
};

/** 5.6.2, InitPacingRate: with a nominal round trip until there is a sample. */
function initPacingRate(core: TcpCore, tcb: Tcb, state: BbrState): void {
  const { srttUs } = tcb.rtt;
  state.hasSeenRtt = srttUs > 0;
  const rate = initialCwnd(core, tcb) / (srttUs > 0 ? srttUs : NOMINAL_RTT_US);
  if (tcb.pacer !== null) setPacingRate(core, tcb, tcb.pacer, STARTUP_PACING_GAIN * rate);
}
