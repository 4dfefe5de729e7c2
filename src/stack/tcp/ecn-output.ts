// Congestion notification in segments that leave: the ECN field of the IP header, and the flags (RFC 3168 6.1, RFC 9768 3.2.2).

import { CWR, ECE } from '../wire/tcp-header.js';
import { ACE_SHIFT, reflectionFlags } from './ecn-handshake.js';
import { ACCURATE, CLASSIC, ECT_0, type EcnState, NOT_ECT } from './ecn-state.js';
import { diff } from './seq.js';
import type { Tcb } from './tcb.js';

/** What the ACE field counts from (RFC 9768 3.2.1), and its three bits. */
export const ACE_OFFSET = 5;
export const ACE_MASK = 7;

/** ECN field of the IP header of a segment with `length` bytes from `seq` on. */
export function fieldOf(tcb: Tcb, ecn: EcnState, seq: number, length: number): number {
  if (ecn.failed) return NOT_ECT;
  if (ecn.mode === ACCURATE) return ECT_0;
  if (ecn.mode !== CLASSIC) return NOT_ECT;
  if (tcb.congestion?.needsEcn) return ECT_0;
  // RFC 3168 6.1.4 to 6.1.6: new data only; neither pure ACKs nor what is sent again, nor probes of a closed window.
  return length > 0 && diff(seq, tcb.snd.nxt) >= 0 && tcb.snd.wnd > 0 ? ECT_0 : NOT_ECT;
}

/** Flags that a segment tells the peer. */
export function flagsOf(tcb: Tcb, ecn: EcnState, seq: number, length: number): number {
  if (ecn.mode === ACCURATE) {
    if (ecn.reflects) {
      ecn.reflects = false;
      return reflectionFlags(ecn);
    }
    ecn.untoldCe = 0;
    return ((ecn.receivedCe + ACE_OFFSET) & ACE_MASK) << ACE_SHIFT;
  }
  if (ecn.mode !== CLASSIC) return 0;
  let flags = ecn.echoing ? ECE : 0;
  if (ecn.cwrDue && length > 0 && diff(seq, tcb.snd.nxt) >= 0) {
    ecn.cwrDue = false;
    flags |= CWR;
  }
  return flags;
}
