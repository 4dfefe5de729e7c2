// Path MTU discovery of one connection (RFC 1191, RFC 9293 3.7.5): a router says that a segment was too big for its next link, so
// segments become smaller and what was too big is sent again at once. It was no sign of congestion, and the window stays. What a
// router has said is forgotten after a while, for the route may have changed.

import type { TcpCore } from './core.js';
import { headerBytes, limitSearch } from './mtu-search.js';
import type { Tcb } from './tcb.js';

/** RFC 1191 7.1: sizes to try when a router does not tell, for such do not know of this use of the field. */
const PLATEAUS = [32_000, 17_914, 8_166, 4_352, 2_002, 1_492, 1_006];

/**
 * Takes the next-hop MTU of an ICMP "fragmentation needed", 0 when it tells none. A router that asks for less than
 * `route.min_pmtu` is not believed, lest anybody make us send crumbs.
 */
export function packetTooBig(core: TcpCore, tcb: Tcb, nextHopMtu: number): void {
  const headers = headerBytes(tcb);
  const { minPmtu } = core.config;
  const mtu = nextHopMtu > 0 ? nextHopMtu : plateauBelow(tcb.snd.mss + headers);
  const mss = Math.max(mtu, minPmtu) - headers;
  // RFC 8899 4.6.2: it may be about a probe, and no larger one is worth sending.
  if (tcb.mtuSearch !== null) limitSearch(tcb.mtuSearch, mss + headers);
  if (mss >= tcb.snd.mss) {
    core.counters.TcpExtOutOfWindowIcmps++;
    return;
  }
  tcb.snd.mss = mss;
  tcb.pathMtu = mss + headers;
  tcb.pathMtuAt = core.clock.now;
  tcb.board?.cut(mss);
  core.output.push(tcb);
}

/** RFC 1191 6.3: segments grow again when what a router said is old, as far as black holes let them. */
export function expirePathMtu(core: TcpCore, tcb: Tcb): void {
  if (core.clock.now - tcb.pathMtuAt < core.config.pmtuExpiresUs) return;
  tcb.pathMtu = 0;
  if (tcb.mtuSearch === null) tcb.snd.mss = tcb.snd.mssMax;
}

function plateauBelow(mtu: number): number {
  return PLATEAUS.find((plateau) => plateau < mtu) ?? 0;
}
