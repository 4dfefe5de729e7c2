// What happens when a connection's deadline comes: retransmission of SYN, data and FIN (RFC 6298 5), zero-window probes
// (RFC 9293 3.8.6.1), delayed ACKs, keepalive, the end of TIME-WAIT and of an orphan's FIN-WAIT-2, and that of waiting for a
// full segment or a first one.

import { NEVER } from '../clock.js';
import { ETIMEDOUT } from '../errors.js';
import type { TcpCore } from './core.js';
import { checkAppLimited } from './delivery.js';
import { flightSize } from './flight.js';
import { onKeepalive } from './keepalive.js';
import { RTO_RECOVERIES, RTO_SINCE, TOTAL_RTO } from './ledger.js';
import { admit } from './listener.js';
import { isRepairing } from './loss-phases.js';
import { suspectBlackHole } from './mtu-search.js';
import { sendAck } from './output.js';
import { detectLoss } from './rack.js';
import { onLateLoss, onTimeout } from './recovery.js';
import { isSynchronized, SYN_SENT } from './state.js';
import { PERSIST, PROBE, REORDER, RTO, type Tcb } from './tcb.js';
import {
  sendTailProbe,
  sendWindowProbe,
  startPersistTimer,
  startRetransmissionTimer,
  watchFlight,
} from './transmit.js';

/** Runs every timer that is due. */
export function runTimers(core: TcpCore): void {
  const wheel = core.wheel;
  wheel.advance(core.clock.now);
  for (;;) {
    const index = wheel.nextExpired();
    if (index < 0) return;
    const tcb = core.demux.at(index);
    if (tcb !== null) expire(core, tcb);
  }
}

function expire(core: TcpCore, tcb: Tcb): void {
  const now = core.clock.now;
  if (tcb.lifeAt <= now) {
    // A TIME-WAIT of 0 is over before output has told the peer that its FIN has come (RFC 9293 3.10.7.4).
    if (tcb.ackNow) sendAck(core, tcb);
    core.destroy(tcb, 0);
    return;
  }
  if (tcb.delackAt <= now) {
    tcb.delackAt = NEVER;
    core.counters.TcpExtDelayedACKs++;
    sendAck(core, tcb);
  }
  if (tcb.rtxAt <= now) {
    tcb.rtxAt = NEVER;
    if (isSynchronized(tcb.state)) checkAppLimited(core, tcb);
    if (isSynchronized(tcb.state)) onFlightTimeout(core, tcb);
    else onSynTimeout(core, tcb);
  }
  if (tcb.holdAt <= now) {
    tcb.holdAt = NEVER;
    if (tcb.deferred) admit(core, tcb);
    tcb.flush = true;
    tcb.unpushed = false;
    core.output.push(tcb);
  }
  if (tcb.pacer !== null && tcb.pacer.resumeAt <= now) {
    tcb.pacer.resumeAt = NEVER;
    core.output.push(tcb);
  }
  if (tcb.keepAt <= now) onKeepalive(core, tcb);
  core.arm(tcb);
}

/** RFC 9293 3.8.3, RFC 6298 5.5: the SYN is sent again after 1, 2, 4, … seconds. */
function onSynTimeout(core: TcpCore, tcb: Tcb): void {
  const { synRetries, userTimeoutUs } = tcb.tuning;
  const own = synRetries > 0 ? synRetries : core.config.synRetries;
  const limit = tcb.state === SYN_SENT ? own : core.config.synackRetries;
  const now = core.clock.now;
  if (tcb.retransmits === 0) tcb.retransmitSince = now - tcb.rtt.timeoutUs(core.config);
  const isOver = userTimeoutUs > 0 && tcb.retransmits > 0 && now - tcb.retransmitSince >= userTimeoutUs;
  if (tcb.retransmits >= limit || isOver) {
    core.counters.TcpAttemptFails++;
    giveUp(core, tcb);
    return;
  }
  countTimeout(core, tcb);
  tcb.rtt.backoff++;
  tcb.timing = false;
  tcb.synPending = true;
  core.output.push(tcb);
}

/** One more timeout in a row; TCP_INFO tells of the rows as well. */
function countTimeout(core: TcpCore, tcb: Tcb): void {
  const { ledger } = core;
  ledger.count(tcb.index, TOTAL_RTO);
  if (tcb.retransmits++ > 0) return;
  ledger.count(tcb.index, RTO_RECOVERIES);
  ledger.setSum(tcb.index, RTO_SINCE, core.clock.now);
}

function onFlightTimeout(core: TcpCore, tcb: Tcb): void {
  switch (tcb.rtxMode) {
    case PERSIST:
      onPersistTimeout(core, tcb);
      break;
    case PROBE:
      // RFC 8985 7.3: the RTO begins anew with the probe.
      if (!sendTailProbe(core, tcb)) tcb.cc.tlpPending = false;
      startRetransmissionTimer(core, tcb);
      break;
    case REORDER:
      onReorderTimeout(core, tcb);
      break;
    default:
      onRetransmissionTimeout(core, tcb);
  }
}

/** RFC 8985 6.2 step 5: what was given time for reordering has not arrived. */
function onReorderTimeout(core: TcpCore, tcb: Tcb): void {
  const { board, cc } = tcb;
  if (board === null) return;
  const flight = flightSize(tcb);
  if (detectLoss(core, tcb, board, isRepairing(cc.phase))) onLateLoss(core, tcb, flight);
  watchFlight(core, tcb);
  core.output.push(tcb);
}

function onRetransmissionTimeout(core: TcpCore, tcb: Tcb): void {
  tcb.rtoAt = NEVER;
  if (flightSize(tcb) === 0) return;
  const now = core.clock.now;
  if (tcb.retransmits === 0) tcb.retransmitSince = now - tcb.rtt.timeoutUs(core.config);
  else if (now - tcb.retransmitSince >= patienceUs(core, tcb) && !isShutOut(core, tcb)) {
    giveUp(core, tcb);
    return;
  }
  core.counters.TcpExtTCPTimeouts++;
  // RFC 9293 3.8.3, R1: perhaps it is the next hop that has gone (RFC 1122 3.3.1.4, negative advice).
  if (tcb.retransmits === core.config.retries1) core.ip.suspect(tcb.nextHop);
  if (tcb.retransmits >= core.config.retries1) suspectBlackHole(core, tcb);
  onTimeout(core, tcb);
  countTimeout(core, tcb);
  // RFC 6298 5.5: the timer backs off; it is started again when the segment leaves.
  tcb.rtt.backoff++;
  core.output.push(tcb);
}

/**
 * True when the peer has taken its window back from under data in flight and still answers: it is robust to wait (RFC 9293
 * 3.8.6, MUST-34) for as long as a peer whose window is closed is waited for.
 */
function isShutOut(core: TcpCore, tcb: Tcb): boolean {
  if (tcb.tuning.userTimeoutUs > 0) return false;
  return tcb.attached && tcb.snd.wnd === 0 && core.clock.now - tcb.heardAt <= core.config.rtoMaxUs;
}

/** RFC 9293 3.8.6.1: probed for as long as the probes are answered. */
function onPersistTimeout(core: TcpCore, tcb: Tcb): void {
  tcb.rtxMode = RTO;
  const now = core.clock.now;
  const { userTimeoutUs } = tcb.tuning;
  if (tcb.probeBackoff === 0) tcb.probeSince = now;
  const isOver = userTimeoutUs > 0 && tcb.probeBackoff > 0 && now - tcb.probeSince >= userTimeoutUs;
  // A peer may keep a program waiting for as long as it answers, but not memory that no program owns any more.
  const unanswered = tcb.attached ? tcb.probes : tcb.probeBackoff;
  if (isOver || unanswered >= retries(core, tcb)) {
    giveUp(core, tcb);
    return;
  }
  const result = sendWindowProbe(core, tcb);
  // Data has gone out instead of a probe: it is retransmitted like any other.
  if (tcb.rtxAt !== NEVER) return;
  if (result <= 0) {
    // RFC 9293 3.8.6.1, SHLD-30: ever longer intervals, even when the probes are answered.
    tcb.probes++;
    tcb.probeBackoff++;
  }
  startPersistTimer(core, tcb);
}

function giveUp(core: TcpCore, tcb: Tcb): void {
  core.counters.TcpExtTCPAbortOnTimeout++;
  core.destroy(tcb, tcb.softError !== 0 ? tcb.softError : ETIMEDOUT);
}

function retries(core: TcpCore, tcb: Tcb): number {
  if (tcb.attached) return core.config.retries2;
  return core.config.orphanRetries === 0 ? 8 : core.config.orphanRetries;
}

/** Linux's TCP_RTO_MIN, µs: a smaller `tcp_rto_min_us` makes retransmissions earlier, and does not make R2 shorter. */
const PATIENCE_RTO_US = 200_000;

/**
 * R2 of RFC 9293 3.8.3 as a time, as Linux has it: what `tcp_retries2` retransmissions with an RTO of 200 ms would take. With
 * the defaults that is 924.6 s; SHLD-11 wants 100 s at least.
 */
function patienceUs(core: TcpCore, tcb: Tcb): number {
  if (tcb.tuning.userTimeoutUs > 0) return tcb.tuning.userTimeoutUs;
  const { rtoMaxUs } = core.config;
  const count = retries(core, tcb);
  const doublings = Math.floor(Math.log2(rtoMaxUs / PATIENCE_RTO_US));
  if (count <= doublings) return (2 ** (count + 1) - 1) * PATIENCE_RTO_US;
  return (2 ** (doublings + 1) - 1) * PATIENCE_RTO_US + (count - doublings) * rtoMaxUs;
}
