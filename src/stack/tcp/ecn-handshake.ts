// What the two SYNs agree on about congestion notification: none, classic (RFC 3168 6.1.1) or accurate feedback (RFC 9768 3.1), and
// the checks whether the path lets it through.

import { AE, CWR, ECE, type Segment, SYN } from '../wire/tcp-header.js';
import { noteOption } from './accecn-option.js';
import type { TcpCore } from './core.js';
import {
  ACCURATE,
  ASKED_ACCURATE,
  ASKED_CLASSIC,
  CE,
  CLASSIC,
  ECT_0,
  ECT_1,
  type EcnState,
  NOT_ECT,
  OPTION_COUNTERS,
} from './ecn-state.js';
import { DELIVERED_CE } from './ledger.js';
import type { Tcb } from './tcb.js';

/** Where the ACE field begins among the flags: ECE, CWR and AE, the lowest first (RFC 9768 3.2.2). */
export const ACE_SHIFT = 6;
const ACE = AE | CWR | ECE;

/** ACE of a SYN-ACK or of the ACK behind it, by the ECN field that it reflects (RFC 9768 table 2). */
const REFLECTIONS = [0b010, 0b011, 0b100, 0b110];
/** And back; what no field stands for counts as that beside it. */
const REFLECTED = [ECT_0, ECT_1, NOT_ECT, ECT_1, ECT_0, ECT_1, CE, ECT_1];

/** The ACE field of a segment. */
export function aceOf(seg: Segment): number {
  return (seg.flags >> ACE_SHIFT) & 7;
}

/** Our SYN offers what net.ipv4.tcp_ecn says, or what the congestion control needs. */
export function offerEcn(core: TcpCore, tcb: Tcb): void {
  const { ecn } = core.config;
  if (ecn === 3) core.ecnOf(tcb, ASKED_ACCURATE);
  else if (ecn === 1 || ecn === 4 || tcb.congestion?.needsEcn) core.ecnOf(tcb, ASKED_CLASSIC);
}

/**
 * Flags of a SYN, which gives them up when it seems to be lost for their sake (RFC 3168 6.1.1.1, RFC 9768 3.1.4.1). Whoever has sent one
 * without them sets no ECT, whatever the answer says (RFC 3168 6.1.1).
 */
export function synFlags(core: TcpCore, tcb: Tcb, ecn: EcnState): number {
  const patience = ecn.mode === ASKED_ACCURATE ? 1 : 0;
  if (core.config.ecnFallback !== 0 && tcb.retransmits > patience) {
    ecn.failed = true;
    return 0;
  }
  return ecn.mode === ASKED_ACCURATE ? ACE : ECE | CWR;
}

/** Flags of a SYN-ACK; the second time that it is sent again it has none (RFC 9768 3.1.4.2), and no ECT follows (RFC 3168 6.1.1). */
export function synAckFlags(tcb: Tcb, ecn: EcnState): number {
  if (tcb.retransmits > 1) {
    ecn.failed = true;
    return 0;
  }
  return ecn.mode === ACCURATE ? REFLECTIONS[ecn.synField] << ACE_SHIFT : ECE;
}

/** The flags that reflect the ECN field of the peer's SYN-ACK. */
export function reflectionFlags(ecn: EcnState): number {
  return REFLECTIONS[ecn.synField] << ACE_SHIFT;
}

/** A SYN has arrived, in LISTEN or because both SYNs crossed. */
export function synArrives(core: TcpCore, tcb: Tcb, seg: Segment): void {
  const ace = aceOf(seg);
  const { ecn: allowed } = core.config;
  const needs = tcb.congestion?.needsEcn ?? false;
  const mayBeAccurate = tcb.ecn === null ? allowed >= 3 : tcb.ecn.mode === ASKED_ACCURATE;
  // RFC 9768 3.1.2: whatever is neither no ECN nor the classic request asks for accurate feedback.
  if (mayBeAccurate && ace !== 0 && ace !== 0b011) {
    const ecn = core.ecnOf(tcb, ACCURATE);
    ecn.synField = seg.ecn;
    ecn.lastField = seg.ecn;
    return;
  }
  const isClassic = (seg.flags & (ECE | CWR)) === (ECE | CWR);
  // RFC 3168 6.1.1: no host sets ECT on a SYN; one that does is not to be trusted, unless it speaks DCTCP, as we do.
  if (isClassic && (needs || (allowed !== 0 && seg.ecn === NOT_ECT))) core.ecnOf(tcb, CLASSIC);
  else core.dropEcn(tcb);
}

/** The answer to our SYN has arrived (RFC 9768 table 2, RFC 3168 6.1.1). */
export function synAckArrives(core: TcpCore, tcb: Tcb, seg: Segment): void {
  const { ecn } = tcb;
  if (ecn === null) return;
  const ace = aceOf(seg);
  if (ace === 0b001) {
    ecn.mode = CLASSIC;
  } else if (ecn.mode !== ASKED_ACCURATE || ace === 0 || ace === 0b111) {
    core.dropEcn(tcb);
  } else {
    ecn.mode = ACCURATE;
    ecn.synField = seg.ecn;
    ecn.reflects = true;
    if (seg.options.accEcnKind !== 0 && ecn.optionSeen < OPTION_COUNTERS) {
      noteOption(core.ip.nic.view, seg.options, ecn);
      ecn.optionsDue = 2;
    }
    const isBelieved =
      ace === 0b101 || checkReflection(core, ecn, ace, tcb.congestion?.needsEcn ? ECT_0 : NOT_ECT);
    if (seg.ecn === CE && isBelieved) {
      ecn.receivedCe++;
      ecn.untoldCe++;
    }
  }
}

/** The SYN-ACK, or the SYN, comes again: the answer reflects its ECN field. */
export function synComesAgain(tcb: Tcb, seg: Segment): void {
  const { ecn } = tcb;
  if (ecn === null || ecn.mode !== ACCURATE) return;
  ecn.synField = seg.ecn;
  ecn.reflects = true;
}

/** A SYN comes again before the handshake is complete: without the flags it says that they do not get through. */
export function repeatedSynArrives(tcb: Tcb, seg: Segment): void {
  const { ecn } = tcb;
  if (ecn === null) return;
  if (aceOf(seg) === 0 || tcb.retransmits > 1) ecn.failed = true;
  if (ecn.mode === ACCURATE) ecn.synField = seg.ecn;
}

/** The ACK of our SYN-ACK reflects the ECN field that the SYN-ACK arrived with (RFC 9768 3.2.2.1, table 4). */
export function thirdAckArrives(core: TcpCore, tcb: Tcb, seg: Segment): void {
  const { ecn } = tcb;
  if (ecn === null || ecn.mode !== ACCURATE) return;
  const ace = aceOf(seg);
  ecn.optionsDue = 1;
  if (seg.options.accEcnKind !== 0 && ecn.optionSeen < OPTION_COUNTERS)
    noteOption(core.ip.nic.view, seg.options, ecn);
  if (tcb.retransmits > 1) ecn.failed = true;
  // A segment with data may be a later one, whose field counts; so may one without when the SYN-ACK was sent again.
  if (ace === 0) {
    if (tcb.retransmits === 0) ecn.failed = true;
    return;
  }
  if (ace === 0b001 || ace === 0b101 || ace === 0b111) return;
  if (seg.dataLength > 0 || (seg.flags & SYN) !== 0) return;
  if (!checkReflection(core, ecn, ace, NOT_ECT) || REFLECTED[ace] !== CE) return;
  ecn.deliveredCe = 1;
  core.ledger.setCount(tcb.row, DELIVERED_CE, 1);
}

/** Whether the field that the peer says it saw can be what became of the one that was sent (RFC 9768 3.2.2.3). */
function checkReflection(core: TcpCore, ecn: EcnState, ace: number, sent: number): boolean {
  const seen = REFLECTED[ace];
  if (core.config.ecnFallback === 0 || seen === sent) return true;
  if (sent !== NOT_ECT && seen !== NOT_ECT && sent !== CE) return true;
  ecn.failed = true;
  return false;
}
