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
import { orphanRetries, outOfResources } from './orphans.js';
import { sendAck } from './output.js';
import { timeOfRetries } from './patience.js';
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
import { adoptedUs, userTimeoutUs } from './user-timeout.js';

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

/** RFC 9293 3.8.3, RFC 6298 5.5: the SYN is sent again after 1, 2, 4, … seconds (tcp_syn_linear_timeouts: or after 1, 1, … first). */
function onSynTimeout(core: TcpCore, tcb: Tcb): void {
  const { synRetries, userTimeoutUs: limitUs } = tcb.tuning;
  const own = synRetries > 0 ? synRetries : core.config.synRetries;
  // As on Linux those that are a second apart come on top of the others.
  const linear = tcb.state === SYN_SENT ? core.config.synLinearTimeouts : 0;
  const limit = tcb.state === SYN_SENT ? own + linear : core.config.synackRetries;
  const now = core.clock.now;
  if (tcb.retransmits === 0) tcb.retransmitSince = now - tcb.rtt.timeoutUs(core.config);
  const isOver = limitUs > 0 && tcb.retransmits > 0 && now - tcb.retransmitSince >= limitUs;
  if (tcb.retransmits >= limit || isOver) {
    core.counters.TcpAttemptFails++;
    giveUp(core, tcb);
    return;
  }
  countTimeout(core, tcb);
  if (tcb.retransmits > linear) tcb.rtt.backoff++;
  tcb.timing = false;
  tcb.synPending = true;
  core.output.push(tcb);
}

/** One more timeout in a row; TCP_INFO tells of the rows as well. */
function countTimeout(core: TcpCore, tcb: Tcb): void {
  const { ledger } = core;
  ledger.count(tcb.row, TOTAL_RTO);
  if (tcb.retransmits++ > 0) return;
  ledger.count(tcb.row, RTO_RECOVERIES);
  ledger.setSum(tcb.row, RTO_SINCE, core.clock.now);
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
  if (!tcb.attached && isOrphanOver(core, tcb)) return;
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
  const limitUs = tcb.tuning.userTimeoutUs;
  if (tcb.probeBackoff === 0) tcb.probeSince = now;
  const isOver = limitUs > 0 && tcb.probeBackoff > 0 && now - tcb.probeSince >= limitUs;
  if (!tcb.attached && outOfResources(core, tcb, true)) return;
  if (isOver || isUnanswered(core, tcb)) {
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

/**
 * True when a peer with a closed window seems to be gone: so many probes without an answer, or for as long as its own user timeout
 * has made ours. One that answers is waited for all the same (RFC 9293 3.8.6.1, MUST-37).
 */
function isUnanswered(core: TcpCore, tcb: Tcb): boolean {
  const adopted = adoptedUs(tcb);
  if (adopted > 0) return tcb.probes > 0 && core.clock.now - Math.max(tcb.heardAt, tcb.probeSince) >= adopted;
  // A peer may keep a program waiting for as long as it answers, but not memory that no program owns any more.
  return (tcb.attached ? tcb.probes : tcb.probeBackoff) >= retries(core, tcb);
}

function giveUp(core: TcpCore, tcb: Tcb): void {
  core.counters.TcpExtTCPAbortOnTimeout++;
  core.destroy(tcb, tcb.softError !== 0 ? tcb.softError : ETIMEDOUT);
}

/** True when the retransmission timer of an orphan has run out and resources are short: then it has been ended. */
function isOrphanOver(core: TcpCore, tcb: Tcb): boolean {
  const isAlive = tcb.rtt.timeoutUs(core.config) < core.config.rtoMaxUs;
  const isPatient =
    tcb.retransmits === 0 ||
    core.clock.now - tcb.retransmitSince < timeOfRetries(core, orphanRetries(core, tcb, isAlive));
  return outOfResources(core, tcb, isAlive || isPatient);
}

/** Retransmissions or probes before a connection is given up. */
function retries(core: TcpCore, tcb: Tcb): number {
  if (tcb.attached) return core.config.retries2;
  const { rtoMaxUs } = core.config;
  const waitUs =
    tcb.probeBackoff > 0 ? tcb.rtt.rtoUs * 2 ** tcb.probeBackoff : tcb.rtt.timeoutUs(core.config);
  return orphanRetries(core, tcb, waitUs < rtoMaxUs);
}

/** How long data may stay unacknowledged: the user timeout, or R2 of RFC 9293 3.8.3 as a time. */
function patienceUs(core: TcpCore, tcb: Tcb): number {
  return userTimeoutUs(tcb) || timeOfRetries(core, retries(core, tcb));
}
