// Path MTU discovery of one connection (RFC 1191, RFC 9293 3.7.5): a router says that a segment was too big for its next link, so
// segments become smaller and what was too big is sent again at once. It was no sign of congestion, and the window stays.

import { IPV4_HEADER } from '../wire/ipv4.js';
import { TCP_HEADER } from '../wire/tcp-header.js';
import type { TcpCore } from './core.js';
import { optionBytes } from './output.js';
import type { Tcb } from './tcb.js';

/** Linux's ip_rt_min_pmtu: a router that asks for less is not believed, lest anybody make us send crumbs. */
const LEAST_MTU = 552;
/** RFC 1191 7.1: sizes to try when a router does not tell, for such do not know of this use of the field. */
const PLATEAUS = [32_000, 17_914, 8_166, 4_352, 2_002, 1_492, 1_006, LEAST_MTU];

/** Takes the next-hop MTU of an ICMP "fragmentation needed", 0 when it tells none. */
export function packetTooBig(core: TcpCore, tcb: Tcb, nextHopMtu: number): void {
  const headers = IPV4_HEADER + TCP_HEADER + optionBytes(tcb);
  const mtu = nextHopMtu > 0 ? nextHopMtu : plateauBelow(tcb.snd.mss + headers);
  const mss = Math.max(mtu, LEAST_MTU) - headers;
  if (mss >= tcb.snd.mss) {
    core.counters.TcpExtOutOfWindowIcmps++;
    return;
  }
  tcb.snd.mss = mss;
  tcb.pathMtu = mss + headers;
  tcb.board?.cut(mss);
  core.output.push(tcb);
}

function plateauBelow(mtu: number): number {
  return PLATEAUS.find((plateau) => plateau < mtu) ?? LEAST_MTU;
}
