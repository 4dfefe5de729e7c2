// The user timeout as an option on the wire (RFC 5482): each end tells how long it lets data stay unacknowledged, and the other may
// follow, so that both sit out the same interruption. Advice, not negotiation: nothing depends on its arrival. Variables bear the
// RFC's names: ENABLED and CHANGEABLE are in the tuning, ADV_UTO, REMOTE_UTO and what follows from them here.

import { FIN, type Segment, SYN } from '../wire/tcp-header.js';
import { USER_TIMEOUT_LENGTH } from '../wire/tcp-options.js';
import type { TcpCore } from './core.js';
import { hasDuplicate } from './dsack.js';
import { timeOfRetries } from './patience.js';
import { add, diff, gt } from './seq.js';
import { isSynchronized, SYN_RCVD } from './state.js';
import type { Tcb } from './tcb.js';
import type { Tuning } from './tuning.js';

const SECOND_US = 1_000_000;
const MINUTE_US = 60 * SECOND_US;
/** Granularity bit: the value is in minutes (RFC 5482 3.4). */
const MINUTES = 0x8000;
const MAX_VALUE = 0x7fff;
/** Bytes of all options of a segment. */
const OPTION_SPACE = 40;
/** Timeouts in a row after which the option is suspected to be why nothing arrives (RFC 5482 4.1). */
const SUSPICIOUS_RETRANSMITS = 2;

/** State of a connection that has the option enabled. */
export class UserTimeout {
  /** ADV_UTO as it goes on the wire. */
  field = 0;
  /** REMOTE_UTO: the last value that the peer has suggested, in µs; 0 for none. */
  remoteUs = 0;
  /** USER_TIMEOUT that both have led to, in µs; 0 while the peer has changed nothing. */
  adoptedUs = 0;
  /** The next segment without SYN carries the option. */
  isDue = false;
  /** The next segment with data or FIN does, and is its bearer then: whenever that byte is sent again, so is the option. */
  wantsBearer = false;
  hasBearer = false;
  bearer = 0;
  /** The path seems to swallow what carries it: no more are sent. */
  isMuted = false;

  reset(): void {
    this.field = 0;
    this.remoteUs = 0;
    this.adoptedUs = 0;
    this.hasBearer = false;
    this.isMuted = false;
    this.announce();
  }

  /** Something is to be told that the peer does not know. */
  announce(): void {
    this.isDue = true;
    this.wantsBearer = true;
    this.hasBearer = false;
  }
}

/** ENABLED: what the program says, or the stack's option. */
export function isUtoEnabled(core: TcpCore, { utoEnabled }: Tuning): boolean {
  return utoEnabled === 0 ? core.config.uto !== 0 : utoEnabled > 0;
}

/**
 * ADV_UTO in µs, as the wire can tell it: what the program wants told, else the user timeout that it has set, else the stack's
 * option, else the time that the stack gives up after by itself.
 */
export function advertisedUs(core: TcpCore, tuning: Tuning): number {
  return microsOf(fieldOf(core, tuning));
}

/** ADV_UTO as it goes on the wire: in seconds where they suffice, rounded up. */
function fieldOf(core: TcpCore, { utoAdvertisedUs, userTimeoutUs }: Tuning): number {
  const { config } = core;
  const us =
    utoAdvertisedUs || userTimeoutUs || config.utoAdvertisedUs || timeOfRetries(core, config.retries2);
  const seconds = Math.ceil(us / SECOND_US);
  return seconds <= MAX_VALUE ? seconds : MINUTES | Math.min(Math.ceil(us / MINUTE_US), MAX_VALUE);
}

function microsOf(field: number): number {
  return (field & MAX_VALUE) * ((field & MINUTES) !== 0 ? MINUTE_US : SECOND_US);
}

/** USER_TIMEOUT that the option has led to, in µs; 0 for none. Nobody waits for so long with a connection that no program owns. */
export function adoptedUs({ attached, tuning, uto }: Tcb): number {
  if (uto === null || !attached || (tuning.userTimeoutUs > 0 && !tuning.utoChangeable)) return 0;
  return uto.adoptedUs;
}

/** USER_TIMEOUT: how long data may stay unacknowledged, in µs; 0 for the stack's own (RFC 9293 3.8.3). */
export function userTimeoutUs(tcb: Tcb): number {
  return tcb.uto === null ? tcb.tuning.userTimeoutUs : adoptedUs(tcb) || tcb.tuning.userTimeoutUs;
}

/** Both SYNs are known: what the peer's says is taken, and the first segment without SYN says it once more (RFC 5482 3). */
export function beginUserTimeout(core: TcpCore, tcb: Tcb, seg: Segment): void {
  // What brings a cookie back is looked at like any other segment.
  const isTold = seg.options.userTimeout >= 0 && (seg.flags & SYN) !== 0;
  if (!isUtoEnabled(core, tcb.tuning)) {
    if (isTold) core.counters.TcpExtTCPUTOIgnored++;
    return;
  }
  const uto = core.userTimeoutOf(tcb);
  uto.field = fieldOf(core, tcb.tuning);
  // Without it the SYN got through at last.
  uto.isMuted = tcb.retransmits >= SUSPICIOUS_RETRANSMITS;
  if (isTold) userTimeoutArrives(core, tcb, seg);
}

/** An acceptable segment has brought the option. */
export function userTimeoutArrives(core: TcpCore, tcb: Tcb, { options }: Segment): void {
  const { uto } = tcb;
  // RFC 5482 3.5: a value of zero is reserved, and ignored.
  if (uto === null || (options.userTimeout & MAX_VALUE) === 0) {
    core.counters.TcpExtTCPUTOIgnored++;
    return;
  }
  core.counters.TcpExtTCPUTORecv++;
  uto.remoteUs = microsOf(options.userTimeout);
  adopt(core, tcb, uto);
}

/**
 * RFC 5482 3.1: USER_TIMEOUT = min(U_LIMIT, max(ADV_UTO, REMOTE_UTO, L_LIMIT)), if it is CHANGEABLE. The lower limit must be larger
 * than the retransmission timeout.
 */
function adopt(core: TcpCore, tcb: Tcb, uto: UserTimeout): void {
  if (!tcb.tuning.utoChangeable || uto.remoteUs === 0) return;
  const { utoMinUs, utoMaxUs } = core.config;
  const least = Math.max(utoMinUs, tcb.rtt.timeoutUs(core.config) + SECOND_US);
  uto.adoptedUs = Math.min(utoMaxUs, Math.max(microsOf(uto.field), uto.remoteUs, least));
}

/** The program has changed its options: a new value goes out with the next segment (RFC 5482 3). */
export function retuneUserTimeout(core: TcpCore, tcb: Tcb, before: Tuning): void {
  const { tuning } = tcb;
  if (
    tuning.utoEnabled === before.utoEnabled &&
    tuning.utoAdvertisedUs === before.utoAdvertisedUs &&
    tuning.utoChangeable === before.utoChangeable &&
    tuning.userTimeoutUs === before.userTimeoutUs
  )
    return;
  if (!isUtoEnabled(core, tuning)) {
    core.dropUserTimeout(tcb);
    return;
  }
  // Before, the SYN tells it.
  if (!isSynchronized(tcb.state) && tcb.state !== SYN_RCVD) return;
  const uto = core.userTimeoutOf(tcb);
  const field = fieldOf(core, tuning);
  if (field !== uto.field) {
    uto.field = field;
    uto.announce();
  }
  adopt(core, tcb, uto);
}

/** Bytes that the option takes from the payload of the next segment with new data. */
export function utoLength({ uto }: Tcb): number {
  return uto?.wantsBearer && !uto.isMuted ? USER_TIMEOUT_LENGTH : 0;
}

/** The option of a SYN or SYN-ACK that has `used` bytes of others; -1 for none. */
export function utoOnSyn(core: TcpCore, tcb: Tcb, used: number): number {
  if (!isUtoEnabled(core, tcb.tuning) || used + USER_TIMEOUT_LENGTH > OPTION_SPACE) return -1;
  if (tcb.retransmits >= SUSPICIOUS_RETRANSMITS) {
    if (tcb.uto !== null) tcb.uto.isMuted = true;
    return -1;
  }
  core.counters.TcpExtTCPUTOSent++;
  return fieldOf(core, tcb.tuning);
}

/** True when a segment that is about to leave carries the option; it counts as sent then. */
export function carriesUto(
  core: TcpCore,
  tcb: Tcb,
  uto: UserTimeout,
  seq: number,
  length: number,
  flags: number,
): boolean {
  if (uto.isMuted) return false;
  const size = length + (flags & FIN);
  if (uto.hasBearer && gt(tcb.snd.una, uto.bearer)) uto.hasBearer = false;
  if (!(size === 0 ? isForAck(tcb, uto, seq) : isForData(uto, seq, size))) return false;
  // Beside SACK blocks, or a full segment of old data, there is no room.
  if (tcb.sack && (tcb.reassembly !== null || hasDuplicate(tcb))) return false;
  if (length + USER_TIMEOUT_LENGTH > tcb.snd.mss) return false;
  if (uto.hasBearer && tcb.retransmits >= SUSPICIOUS_RETRANSMITS) {
    uto.isMuted = true;
    return false;
  }
  if (size > 0 && uto.wantsBearer) {
    uto.wantsBearer = false;
    uto.hasBearer = true;
    uto.bearer = seq;
  }
  uto.isDue = false;
  core.counters.TcpExtTCPUTOSent++;
  return true;
}

/** A probe, whose number is an old one, would not be looked at. */
function isForAck(tcb: Tcb, uto: UserTimeout, seq: number): boolean {
  return uto.isDue && seq === tcb.snd.nxt;
}

function isForData(uto: UserTimeout, seq: number, size: number): boolean {
  if (uto.wantsBearer) return true;
  return uto.hasBearer && diff(uto.bearer, seq) >= 0 && gt(add(seq, size), uto.bearer);
}
