// What both ends agree on in their SYNs (RFC 9293 3.7.1, RFC 7323 2 and 3, RFC 2018 2) and what a connection begins with once
// the handshake is done.

import { NEVER } from '../clock.js';
import type { Endpoint } from '../wire/address.js';
import { IPV4_HEADER } from '../wire/ipv4.js';
import { type Segment, TCP_HEADER } from '../wire/tcp-header.js';
import { endTimeouts } from './ack.js';
import { congestionControl } from './congestion.js';
import type { TcpCore } from './core.js';
import { startKeepalive } from './keepalive.js';
import { beginSearch } from './mtu-search.js';
import { optionBytes } from './output.js';
import { choosePacing } from './pacing.js';
import { add } from './seq.js';
import type { Tcb } from './tcb.js';
import { beginUserTimeout } from './user-timeout.js';
import { initialCwnd } from './validation.js';
import { initialWindow, windowScale } from './window.js';

/** MSS of a peer that announces none, IPv4 (RFC 9293 3.7.1, MUST-15). */
const DEFAULT_MSS = 536;
/** Segments acknowledged at once at the beginning, at most; Linux's TCP_MAX_QUICKACKS. */
export const MAX_QUICK_ACKS = 16;
/** The program wants ACKs delayed (TCP_QUICKACK 0): nothing that arrives makes them quick. */
export const NO_QUICK_ACKS: number = -1;

/** Fills a new block with what the tuple and the options decide, before its SYN or SYN-ACK. */
export function prepare(core: TcpCore, tcb: Tcb, local: Endpoint, remote: Endpoint, nextHop: number): void {
  core.ledger.open(tcb.row);
  tcb.local.copyEndpoint(local);
  tcb.remote.copyEndpoint(remote);
  tcb.nextHop = nextHop;
  // RFC 6691: the announced MSS is the MTU less fixed headers, whatever the options.
  tcb.localMss = Math.min(core.ip.mtu - IPV4_HEADER - TCP_HEADER, 0xffff);
  if (tcb.tuning.maxSegment > 0) tcb.localMss = Math.min(tcb.localMss, tcb.tuning.maxSegment);
  tcb.scaling = core.config.windowScaling !== 0;
  tcb.timestamps = core.config.timestamps !== 0;
  tcb.sack = core.config.sack !== 0;
  // The clock of timestamps runs from a secret offset, so that it does not tell how long the stack has been up.
  tcb.tsOffset = core.config.timestamps === 2 ? 0 : core.isn.timestampOffset(local, remote);
  // A buffer that the program has set does not grow, and needs no scale beyond its own (as on Linux).
  const { limit } = tcb.recvBuffer;
  const isFixed = tcb.tuning.receiveBytes > 0;
  tcb.rcv.wscale = windowScale(isFixed ? limit : Math.max(limit, core.config.rmem[2]));
  startAt(tcb, core.isn.isn(local, remote, core.clock.now));
  const { congestion } = tcb.tuning;
  tcb.congestion = congestionControl(congestion === '' ? core.config.congestionControl : congestion) ?? null;
}

/** Sets the initial sequence number, before the SYN or SYN-ACK is sent. */
export function startAt(tcb: Tcb, isn: number): void {
  const { snd, cc } = tcb;
  snd.iss = isn;
  snd.una = isn;
  snd.nxt = add(isn, 1);
  snd.base = snd.nxt;
  snd.small = isn;
  snd.up = isn;
  cc.recover = isn;
  cc.usageEnd = isn;
  tcb.rack.reset(isn);
}

/** Takes over the peer's SYN: its sequence number and the options that both ends want. */
export function acceptSyn(core: TcpCore, tcb: Tcb, seg: Segment): void {
  const { rcv, snd } = tcb;
  const { options } = seg;
  rcv.irs = seg.seq;
  rcv.nxt = add(seg.seq, 1);
  rcv.lastAck = rcv.nxt;
  rcv.wnd = initialWindow(tcb);
  rcv.edge = add(rcv.nxt, rcv.wnd);
  tcb.scaling = tcb.scaling && options.wscale >= 0;
  // RFC 7323 2.3: a shift above 14 counts as 14; without the option on both SYNs neither side scales.
  snd.wscale = tcb.scaling ? Math.min(options.wscale, 14) : 0;
  if (!tcb.scaling) rcv.wscale = 0;
  tcb.sack = tcb.sack && options.sackPermitted;
  tcb.timestamps = tcb.timestamps && options.timestamps;
  if (tcb.timestamps) {
    tcb.tsRecent = options.tsVal;
    tcb.tsRecentAt = core.clock.now;
  }
  const peerMss = Math.max(options.mss === 0 ? DEFAULT_MSS : options.mss, core.config.minSndMss);
  // RFC 9293 3.7.1, Eff.snd.MSS: what the peer takes, what the link takes, less the options of every segment.
  snd.mssMax = Math.min(peerMss, tcb.localMss) - optionBytes(tcb);
  snd.mss = snd.mssMax;
  rcv.mss = Math.min(tcb.localMss - optionBytes(tcb), DEFAULT_MSS);
  // The window of a SYN is never scaled (RFC 7323 2.2).
  snd.wnd = seg.wnd;
  snd.wndMax = seg.wnd;
  snd.wl1 = seg.seq;
  snd.wl2 = seg.ack;
  beginUserTimeout(core, tcb, seg);
}

/** The connection is about to enter ESTABLISHED: windows, timeout and timers of the data phase. */
export function beginData(core: TcpCore, tcb: Tcb): void {
  const synLost = tcb.retransmits > 0;
  if (synLost) endTimeouts(core, tcb);
  tcb.rtxAt = NEVER;
  core.arm(tcb);
  startKeepalive(core, tcb);
  beginSearch(core, tcb);
  // RFC 5681 3.1: one segment after a lost SYN.
  tcb.cc.cwnd = synLost ? tcb.snd.mss : initialCwnd(core, tcb);
  choosePacing(core, tcb);
  tcb.congestion?.init(core, tcb);
  if (synLost && tcb.rtt.srttUs === 0) {
    // RFC 6298 5.7: after a lost SYN without a sample the data phase begins with 3 s.
    tcb.rtt.rtoUs = Math.min(3_000_000, core.config.rtoMaxUs);
    tcb.rtt.backoff = 0;
  }
  tcb.quickAcks = Math.min(MAX_QUICK_ACKS, Math.ceil(tcb.recvBuffer.limit / (2 * tcb.rcv.mss)));
}
