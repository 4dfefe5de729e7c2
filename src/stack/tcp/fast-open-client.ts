// Fast Open of an active open (RFC 7413 4.1, 4.2): the request of a cookie, data on the SYN, and what the SYN-ACK says of it.

import type { Segment } from '../wire/tcp-header.js';
import type { TcpCore } from './core.js';
import { FASTOPEN_CLIENT, FASTOPEN_CLIENT_NO_COOKIE } from './fast-open.js';
import { gt } from './seq.js';
import type { Tcb } from './tcb.js';

/** MSS of a server from which none is known (RFC 7413 4.1.3). */
const DEFAULT_MSS = 536;

/** True when data may go on a SYN to `remote` at once. */
export function maySendOnSyn(core: TcpCore, remote: Tcb['remote'], needsNoCookie: boolean): boolean {
  const { fastopen } = core.config;
  if ((fastopen & FASTOPEN_CLIENT) === 0) return false;
  return needsNoCookie || (fastopen & FASTOPEN_CLIENT_NO_COOKIE) !== 0 || core.fastOpenCache.has(remote);
}

/** Lets a SYN that has not left yet carry a cookie and data, or ask for a cookie. */
export function offerFastOpen(core: TcpCore, tcb: Tcb): void {
  if ((core.config.fastopen & FASTOPEN_CLIENT) === 0) return;
  const state = core.fastOpenOf(tcb);
  core.fastOpenCache.fill(tcb.remote, state);
  if (state.length > 0) return;
  const needsNone = tcb.tuning.fastOpenNoCookie || (core.config.fastopen & FASTOPEN_CLIENT_NO_COOKIE) !== 0;
  if (needsNone) state.length = -1;
}

/** Bytes of data that go on the SYN beside `options` bytes of options. */
export function dataOnSyn(core: TcpCore, tcb: Tcb, options: number): number {
  const { fastOpen, retransmits } = tcb;
  // The second SYN goes without: a box on the way may not like it (RFC 7413 4.1.3.1).
  if (fastOpen === null || fastOpen.length === 0 || retransmits > 0) return 0;
  const mss = core.fastOpenCache.mssOf(tcb.remote) || DEFAULT_MSS;
  return Math.max(0, Math.min(tcb.sendBuffer.length, Math.min(mss, tcb.localMss) - options));
}

/** The SYN-ACK has come: keeps the cookie, and lets what it does not acknowledge be sent like any other data. */
export function synAckOfFastOpen(core: TcpCore, tcb: Tcb, seg: Segment): void {
  const { fastOpen, snd } = tcb;
  if (fastOpen === null) return;
  const { options } = seg;
  const { fastOpenLength, fastOpenOffset, fastOpenExperimental } = options;
  if (fastOpenLength > 0) {
    const { view } = core.ip.nic;
    const mss = options.mss === 0 ? DEFAULT_MSS : options.mss;
    core.fastOpenCache.keep(tcb.remote, view, fastOpenOffset, fastOpenLength, mss, fastOpenExperimental);
  }
  if (fastOpen.hasSent) {
    if (gt(snd.nxt, seg.ack)) {
      core.counters.TcpExtTCPFastOpenActiveFail++;
      // It was dropped at the door, not lost on the way: nothing of it is outstanding.
      core.dropBoard(tcb);
      snd.nxt = seg.ack;
      if (tcb.retransmits > 0) core.fastOpenCache.spare(tcb.remote);
    } else {
      core.counters.TcpExtTCPFastOpenActive++;
      tcb.synDataAcked = true;
    }
  }
  core.dropFastOpen(tcb);
}
