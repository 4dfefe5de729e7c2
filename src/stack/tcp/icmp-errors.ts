// ICMP errors about a connection (RFC 5461, RFC 5927, RFC 9293 3.9.2.2): those that quote a segment in flight end a connection
// that is being opened, and are only remembered by an established one.

import { NEVER } from '../clock.js';
import { ECONNREFUSED, EHOSTUNREACH, EMSGSIZE, ENETUNREACH } from '../errors.js';
import type { Endpoint } from '../wire/address.js';
import {
  ICMP_FRAGMENTATION_NEEDED,
  ICMP_HOST_ISOLATED,
  ICMP_HOST_UNREACHABLE,
  ICMP_NET_PROHIBITED,
  ICMP_NET_TOS,
  ICMP_NET_UNKNOWN,
  ICMP_NET_UNREACHABLE,
  ICMP_PORT_UNREACHABLE,
  ICMP_PROTOCOL_UNREACHABLE,
  ICMP_UNREACHABLE,
} from '../wire/icmp.js';
import type { TcpCore } from './core.js';
import { packetTooBig } from './path-mtu.js';
import { geq, lt } from './seq.js';
import { isSynchronized, SYN_SENT } from './state.js';
import { RTO, type Tcb } from './tcb.js';
import { watchFlight } from './transmit.js';

export function icmpErrorArrives(
  core: TcpCore,
  local: Endpoint,
  remote: Endpoint,
  seq: number,
  type: number,
  code: number,
  mtu: number,
): void {
  const tcb = core.demux.find(local, remote);
  // RFC 5927 4.1: an error about something that is not in flight was not caused by us.
  if (tcb === undefined || !geq(seq, tcb.snd.una) || !lt(seq, tcb.snd.nxt)) {
    core.counters.TcpExtOutOfWindowIcmps++;
    return;
  }
  const error = errnoOf(type, code);
  if (error === EMSGSIZE) {
    if (isSynchronized(tcb.state)) packetTooBig(core, tcb, mtu);
    return;
  }
  if (tcb.state === SYN_SENT) {
    core.counters.TcpAttemptFails++;
    core.destroy(tcb, error);
  } else {
    tcb.softError = error;
    if (type === ICMP_UNREACHABLE && code <= ICMP_HOST_UNREACHABLE) revertBackoff(core, tcb, seq);
  }
}

/**
 * RFC 6069: a router that has no way for a retransmission shows that it was no congestion that lost it, so one step of the
 * back-off is taken back, and the next retransmission comes sooner.
 */
function revertBackoff(core: TcpCore, tcb: Tcb, seq: number): void {
  const { board, rtt } = tcb;
  if (seq !== tcb.snd.una || tcb.retransmits === 0 || rtt.backoff === 0) return;
  if (board === null || tcb.rtxMode !== RTO || tcb.rtoAt === NEVER) return;
  rtt.backoff--;
  core.counters.TcpExtTCPBackoffReverted++;
  const lastSentAt = board.sentAt(board.first & board.mask);
  tcb.rtoAt = Math.max(core.clock.now, lastSentAt + rtt.timeoutUs(core.config));
  watchFlight(core, tcb);
}

/** A next hop does not answer: connections that are being opened over it fail, others remember. */
export function nextHopFailed(core: TcpCore, nextHop: number): void {
  core.demux.forEach((tcb) => {
    if (tcb.nextHop !== nextHop) return;
    if (tcb.state === SYN_SENT) {
      core.counters.TcpAttemptFails++;
      core.destroy(tcb, EHOSTUNREACH);
    } else {
      tcb.softError = EHOSTUNREACH;
    }
  });
}

function errnoOf(type: number, code: number): number {
  if (type !== ICMP_UNREACHABLE) return EHOSTUNREACH;
  switch (code) {
    case ICMP_NET_UNREACHABLE:
    case ICMP_NET_UNKNOWN:
    case ICMP_NET_PROHIBITED:
    case ICMP_NET_TOS:
      return ENETUNREACH;
    case ICMP_PORT_UNREACHABLE:
    case ICMP_PROTOCOL_UNREACHABLE:
      return ECONNREFUSED;
    case ICMP_FRAGMENTATION_NEEDED:
      return EMSGSIZE;
    case ICMP_HOST_ISOLATED:
      return EHOSTUNREACH;
    default:
      return EHOSTUNREACH;
  }
}
