// SEGMENT ARRIVES in SYN-SENT (RFC 9293 3.10.7.3), simultaneous open included.

import { ECONNREFUSED } from '../errors.js';
import { ACK, RST, type Segment, SYN } from '../wire/tcp-header.js';
import { acceptAck } from './ack.js';
import type { TcpCore } from './core.js';
import { synAckArrives, synArrives } from './ecn-handshake.js';
import { EPOLLOUT } from './events.js';
import { synAckOfFastOpen } from './fast-open-client.js';
import { acceptSyn, beginData } from './handshake.js';
import { finArrives, textArrives, trimEnd } from './input-text.js';
import { replyReset, sendAck } from './output.js';
import { gt, leq } from './seq.js';
import { ESTABLISHED, SYN_RCVD } from './state.js';
import type { Tcb } from './tcb.js';

export function synSentArrives(core: TcpCore, tcb: Tcb, seg: Segment): void {
  const { snd } = tcb;
  const hasAck = (seg.flags & ACK) !== 0;
  // First, check the ACK bit: SND.UNA < SEG.ACK =< SND.NXT.
  const ackable = hasAck && gt(seg.ack, snd.iss) && leq(seg.ack, snd.nxt);
  if (hasAck && !ackable) {
    core.counters.TcpExtTCPAckInvalid++;
    replyReset(core, seg);
    return;
  }
  // Second, check the RST bit: only with a good ACK is it an answer to our SYN.
  if ((seg.flags & RST) !== 0) {
    if (!ackable) {
      core.counters.TcpExtTCPBadFlags++;
      return;
    }
    core.counters.TcpAttemptFails++;
    core.destroy(tcb, ECONNREFUSED);
    return;
  }
  // Fourth, check the SYN bit.
  if ((seg.flags & SYN) === 0) {
    core.counters.TcpExtTCPBadFlags++;
    return;
  }
  acceptSyn(core, tcb, seg);
  if (!ackable) {
    synArrives(core, tcb, seg);
    // Simultaneous open: both SYNs crossed. The same ISS is sent again with an ACK.
    core.enter(tcb, SYN_RCVD);
    tcb.timing = false;
    tcb.synPending = true;
    core.output.push(tcb);
    return;
  }
  synAckArrives(core, tcb, seg);
  synAckOfFastOpen(core, tcb, seg);
  beginData(core, tcb);
  tcb.synPending = false;
  acceptAck(core, tcb, seg);
  core.enter(tcb, ESTABLISHED);
  if (tcb.ecn?.reflects) {
    // RFC 9768 3.2.2.1: a segment with data could not reflect the SYN-ACK unmistakably.
    sendAck(core, tcb);
  } else {
    tcb.ackNow = true;
  }
  core.output.push(tcb);
  core.notify(tcb, EPOLLOUT);
  // "If there are other controls or text in the segment, then continue processing at the sixth step."
  seg.seq = tcb.rcv.nxt;
  seg.flags &= ~SYN;
  trimEnd(core, tcb, seg);
  if (seg.dataLength > 0) textArrives(core, tcb, seg);
  finArrives(core, tcb, seg);
}
