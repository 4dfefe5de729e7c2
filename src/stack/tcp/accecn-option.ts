// The AccECN option of segments behind the handshake (RFC 9768 3.2.3): when it goes, which counters it holds, and what those of the
// peer say.

import { ACCECN_FULL_LENGTH, type TcpOptions } from '../wire/tcp-options.js';
import type { TcpCore } from './core.js';
import {
  ACCURATE,
  CE,
  ECT_0,
  ECT_1,
  type EcnState,
  NOT_ECT,
  OPTION_COUNTERS,
  OPTION_EMPTY,
  OPTION_MANGLED,
  OPTION_NEVER,
} from './ecn-state.js';
import { BYTES_SENT } from './ledger.js';
import type { Tcb } from './tcb.js';

/** First values of the counters of ECT: not 0, so that a path that zeroes them is found out (RFC 9768 3.2.1). */
const ECT_OFFSET = 1;
/** Bytes of one counter. */
const COUNTER = 3;
/** Bytes of all options of a segment. */
const OPTION_SPACE = 40;
/** Beyond so many bytes sent without an option of the peer its counters may have gone round unnoticed. */
const UNSEEN_LIMIT = (1 << 23) - 1;

/** How many counters an option of ours may hold beside `used` bytes of other options and `blocks` SACK blocks; -1 for no option. */
export function fieldsThatFit(ecn: EcnState, used: number, blocks: number): number {
  const room = OPTION_SPACE - used;
  // The two NOPs in front of SACK blocks can be put to use.
  const saving = blocks > 0 ? 2 : 0;
  for (let fields = 3; fields >= ecn.fieldsDue; fields--) {
    if (room >= alignedLength(fields, saving)) return fields;
  }
  return -1;
}

/** Bytes that an option takes beyond the NOPs that it replaces. */
export function alignedLength(fields: number, saving: number): number {
  const length = 2 + COUNTER * fields;
  return (length & 3) > saving ? (length + 3) & ~3 : length & ~3;
}

/** True when the next segment should carry an option (RFC 9768 3.2.3.3; net.ipv4.tcp_ecn_option). */
export function wantsOption(core: TcpCore, tcb: Tcb, ecn: EcnState): boolean {
  const { ecnOption, ecnOptionBeacon } = core.config;
  if (ecn.mode !== ACCURATE || ecnOption === 0 || ecn.optionSeen === OPTION_NEVER) return false;
  if (ecn.optionFailed && ecnOption < 3) return false;
  if (ecnOption >= 2 || ecn.optionsDue > 0) return true;
  return ecnOptionBeacon > 0 && (core.clock.now - ecn.optionSentAt) * ecnOptionBeacon >= tcb.rtt.srttUs;
}

/** Bytes that an option with all counters takes from the payload of the next segment; 0 when none is to be sent. */
export function feedbackLength(core: TcpCore, tcb: Tcb, ecn: EcnState): number {
  return wantsOption(core, tcb, ecn) ? alignedLength(3, 0) : 0;
}

/** An option has been written. */
export function optionLeaves(core: TcpCore, ecn: EcnState, besideDsack: boolean): void {
  ecn.fieldsDue = 0;
  ecn.optionSentAt = core.clock.now;
  ecn.optionWithDsack = besideDsack;
  if (ecn.optionsDue > 0) ecn.optionsDue--;
}

/** The counters of an option of ours, as they go on the wire. */
export function counterOfEct0(ecn: EcnState): number {
  return ecn.receivedEct0Bytes + ECT_OFFSET;
}

export function counterOfEct1(ecn: EcnState): number {
  return ecn.receivedEct1Bytes + ECT_OFFSET;
}

/** Looks at the first option of the peer: one whose counters begin with 0 was mangled on the way (RFC 9768 3.2.3.2.4). */
export function noteOption(view: DataView, options: TcpOptions, ecn: EcnState): void {
  const { accEcnOffset: at, accEcnLength: length } = options;
  if (length < COUNTER) {
    ecn.optionSeen = OPTION_EMPTY;
    return;
  }
  const isZeroed =
    read24(view, at) === 0 || (length >= ACCECN_FULL_LENGTH - 2 && read24(view, at + 2 * COUNTER) === 0);
  ecn.optionSeen = isZeroed ? OPTION_MANGLED : OPTION_COUNTERS;
}

/**
 * Takes the counters of an acknowledgment of `delivered` bytes, or counts these bytes where those before them went. Returns true
 * when the bytes that met congestion are known.
 */
export function takeCounters(
  core: TcpCore,
  tcb: Tcb,
  ecn: EcnState,
  options: TcpOptions,
  delivered: number,
): boolean {
  if (ecn.optionSeen === OPTION_MANGLED) return false;
  if (options.accEcnKind === 0) {
    if (ecn.optionSeen === OPTION_NEVER) {
      if (core.ledger.sumOf(tcb.row, BYTES_SENT) >= UNSEEN_LIMIT) ecn.optionSeen = OPTION_MANGLED;
      return false;
    }
    if (ecn.growing === NOT_ECT) return false;
    count(ecn, ecn.growing, delivered);
    return true;
  }
  const { view } = core.ip.nic;
  if (ecn.optionSeen < OPTION_COUNTERS) noteOption(view, options, ecn);
  const before = ecn.growing;
  let isKnown = before !== NOT_ECT;
  let isAmbiguous = false;
  let hasChanged = false;
  for (let i = 0; (i + 1) * COUNTER <= options.accEcnLength; i++) {
    const field = fieldAt(options.accEcnKind, i);
    const change = follow(ecn, field, read24(view, options.accEcnOffset + i * COUNTER));
    if (change < 0) isAmbiguous = true;
    if (change === 0 || field === before) continue;
    if (hasChanged) isAmbiguous = true;
    else ecn.growing = field;
    hasChanged = true;
  }
  if (isAmbiguous) {
    ecn.growing = NOT_ECT;
    isKnown = false;
  }
  return isKnown;
}

/** Which counter stands at a place of an option, by its kind (RFC 9768 table 5). */
function fieldAt(kind: number, place: number): number {
  if (place === 1) return CE;
  return (place === 0) === (kind === 172) ? ECT_0 : ECT_1;
}

/** Brings a counter of 24 bits up to date: by how many bytes it has grown. */
function follow(ecn: EcnState, field: number, onWire: number): number {
  const known =
    field === CE ? ecn.deliveredCeBytes : field === ECT_0 ? ecn.deliveredEct0Bytes : ecn.deliveredEct1Bytes;
  const told = onWire - (field === CE ? 0 : ECT_OFFSET);
  // The difference of two numbers of 24 bits, negative when the segment is an old one.
  const change = ((told - known) << 8) >> 8;
  count(ecn, field, change);
  return change;
}

function count(ecn: EcnState, field: number, bytes: number): void {
  if (field === CE) ecn.deliveredCeBytes += bytes;
  else if (field === ECT_0) ecn.deliveredEct0Bytes += bytes;
  else ecn.deliveredEct1Bytes += bytes;
}

function read24(view: DataView, at: number): number {
  return (view.getUint16(at) << 8) | view.getUint8(at + 2);
}
