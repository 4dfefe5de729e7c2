// Packetization-layer path MTU discovery (RFC 4821, RFC 8899) as Linux has it (tcp_mtu_probing). A path that swallows large
// packets without a word is found out by timeouts, and segments become smaller; one that takes larger ones is found out by a
// probe: a larger segment of data in the flow, which congestion control does not mourn when it is lost.

import type { Micros } from '../clock.js';
import { IPV4_HEADER } from '../wire/ipv4.js';
import { TCP_HEADER } from '../wire/tcp-header.js';
import type { TcpCore } from './core.js';
import { hasDuplicate } from './dsack.js';
import { flightSize, pipe, unsentBytes } from './flight.js';
import { OPEN } from './loss-phases.js';
import { optionBytes } from './output.js';
import { add, geq } from './seq.js';
import type { Tcb } from './tcb.js';

/** A probe wants so many segments behind it, by which its loss is found out. */
const FOLLOWERS = 4;
/** Least window for a probe, in segments. */
const LEAST_CWND = 11;

/** What is known of the largest packet that the path takes: it lies from `low` to `high`. */
export class MtuSearch {
  low = 0;
  high = 0;
  /** Size of the packet that is out as a probe, 0 for none, and its data. */
  size = 0;
  start = 0;
  end = 0;
  /** When the search last began. */
  begunAt: Micros = 0;

  /** True for the segment that begins at `start` when it is a probe that is out. */
  isProbe(start: number): boolean {
    return this.size > 0 && this.start === start;
  }
}

/** Bytes of headers in every packet of data. */
export function headerBytes(tcb: Tcb): number {
  return IPV4_HEADER + TCP_HEADER + optionBytes(tcb);
}

/** The data phase begins: with tcp_mtu_probing 2 every connection begins small. */
export function beginSearch(core: TcpCore, tcb: Tcb): void {
  if (core.config.mtuProbing < 2) return;
  startSearch(core, tcb);
  tcb.snd.mss = Math.min(tcb.snd.mss, core.config.baseMss);
}

function startSearch(core: TcpCore, tcb: Tcb): MtuSearch {
  const headers = headerBytes(tcb);
  // alloc: once in the life of a connection whose path is in doubt
  const search = new MtuSearch();
  search.low = core.config.baseMss + headers;
  search.high = tcb.snd.mssMax + headers;
  search.begunAt = core.clock.now;
  tcb.mtuSearch = search;
  return search;
}

/**
 * The same data has timed out again and again (R1): perhaps it is too large for the path, and nobody says so (RFC 4821 7.7).
 * Segments that are no larger than tcp_base_mss are not doubted at first.
 */
export function suspectBlackHole(core: TcpCore, tcb: Tcb): void {
  const { config } = core;
  const { snd } = tcb;
  let search = tcb.mtuSearch;
  if (config.mtuProbing === 0 || (search === null && snd.mss <= config.baseMss)) return;
  const headers = headerBytes(tcb);
  if (search === null) {
    search = startSearch(core, tcb);
  } else {
    const half = Math.min(config.baseMss, (search.low - headers) >> 1);
    search.low = Math.max(half, config.mtuProbeFloor, config.minSndMss) + headers;
  }
  const mss = search.low - headers;
  if (mss >= snd.mss) return;
  core.counters.TcpExtTCPMTUPBlackHole++;
  snd.mss = mss;
  tcb.board?.cut(mss);
}

/** A router has told the largest packet. */
export function limitSearch(search: MtuSearch, mtu: number): void {
  if (search.high > mtu) search.high = mtu;
  if (search.low > mtu) search.low = mtu;
}

/** Payload of a probe that may leave now; 0 for none, and -1: it may, as soon as what is in flight makes room for it. */
export function probeLength(core: TcpCore, tcb: Tcb, search: MtuSearch): number {
  const { cc, snd } = tcb;
  const isReporting = tcb.reassembly !== null || hasDuplicate(tcb);
  if (search.size > 0 || cc.phase !== OPEN || cc.cwnd < LEAST_CWND * snd.mss || isReporting) return 0;
  const { probeThreshold, probeIntervalUs } = core.config;
  if (search.high - search.low < probeThreshold) {
    if (core.clock.now - search.begunAt >= probeIntervalUs) restartSearch(core, tcb, search);
    return 0;
  }
  const length = ((search.low + search.high) >> 1) - headerBytes(tcb);
  const needed = length + FOLLOWERS * snd.mss;
  if (length <= snd.mss || unsentBytes(tcb) < needed || snd.wnd < needed) return 0;
  if (flightSize(tcb) + needed > snd.wnd) return -1;
  if (pipe(tcb) + Math.max(length, 2 * snd.mss) > cc.cwnd) return pipe(tcb) > 0 ? -1 : 0;
  return length;
}

/** Routes change: after a while the path may take more than was found (RFC 8899 5.3.3). */
function restartSearch(core: TcpCore, tcb: Tcb, search: MtuSearch): void {
  const headers = headerBytes(tcb);
  search.low = tcb.snd.mss + headers;
  search.high = tcb.snd.mssMax + headers;
  search.begunAt = core.clock.now;
}

/** A probe has left, with `length` bytes of data from `start` on. */
export function noteMtuProbe(tcb: Tcb, search: MtuSearch, start: number, length: number): void {
  search.size = length + headerBytes(tcb);
  search.start = start;
  search.end = add(start, length);
}

/** SND.UNA has moved: when the probe has arrived, segments grow to its size. */
export function mtuProbeAnswered(core: TcpCore, tcb: Tcb, search: MtuSearch): void {
  if (search.size === 0 || !geq(tcb.snd.una, search.end)) return;
  core.counters.TcpExtTCPMTUPSuccess++;
  search.low = search.size;
  search.size = 0;
  const mss = search.low - headerBytes(tcb);
  if (mss > tcb.snd.mss) tcb.snd.mss = mss;
}

/**
 * A loss has been found. When it is that of the probe alone it says nothing of congestion (RFC 4821 7.5): the probe was too
 * large, and its data is sent again in segments of the usual size. Returns whether it was so.
 */
export function isLossOfProbe(core: TcpCore, tcb: Tcb, search: MtuSearch): boolean {
  const { board, snd } = tcb;
  if (search.size === 0 || snd.una !== search.start || board === null) return false;
  if (board.lost !== search.size - headerBytes(tcb)) return false;
  core.counters.TcpExtTCPMTUPFail++;
  search.high = Math.min(search.high, search.size - 1);
  search.size = 0;
  board.cut(snd.mss);
  // Duplicates that still come are about the probe, too.
  tcb.cc.recover = snd.nxt;
  core.output.push(tcb);
  return true;
}
