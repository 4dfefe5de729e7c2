// SEGMENT ARRIVES (RFC 9293 3.10.7): finds the connection or listener of a segment, and handles those that have none: CLOSED
// (3.10.7.1). The other states are in `input-listen.ts`, `input-syn-sent.ts` and `input-synchronized.ts`.

import type { Segment } from '../wire/tcp-header.js';
import type { TcpCore } from './core.js';
import { listenArrives } from './input-listen.js';
import { synSentArrives } from './input-syn-sent.js';
import { synchronizedArrives } from './input-synchronized.js';
import { isnAfter } from './isn.js';
import { DATA_SEGS_IN, SEGS_IN } from './ledger.js';
import { replyReset } from './output.js';
import { SYN_SENT, TIME_WAIT } from './state.js';

/** Processes the segment in `core.seg`, whose checksum is known to be right. */
export function segmentArrives(core: TcpCore): void {
  const seg = core.seg;
  if (seg.options.md5 || seg.options.ao) {
    dropSigned(core, seg);
    return;
  }
  const tcb = core.demux.find(seg.dst, seg.src);
  if (tcb !== undefined) {
    core.ledger.count(tcb.row, SEGS_IN);
    if (seg.dataLength > 0) core.ledger.count(tcb.row, DATA_SEGS_IN);
  }
  if (tcb === undefined) {
    noConnection(core, seg, undefined);
  } else if (tcb.state === SYN_SENT) {
    synSentArrives(core, tcb, seg);
  } else {
    const isn = tcb.state === TIME_WAIT ? isnAfter(tcb) : undefined;
    // RFC 6191: a new SYN may take over a tuple in TIME-WAIT; the old connection is gone by now.
    if (synchronizedArrives(core, tcb, seg)) noConnection(core, seg, isn);
  }
}

/**
 * A segment with a signature (RFC 2385, RFC 5925) is none for a stack without keys: dropped in silence, as on Linux, and not
 * answered by a reset that nobody could tell from a forged one.
 */
function dropSigned(core: TcpCore, seg: Segment): void {
  if (seg.options.md5) core.counters.TcpExtTCPMD5Unexpected++;
  else core.counters.TcpExtTCPAOKeyNotFound++;
}

/** `isn` is the initial sequence number to use, where the tuple was in use before. */
function noConnection(core: TcpCore, seg: Segment, isn: number | undefined): void {
  const listener = core.listeners.find(seg.dst.port, seg.dst, seg.src);
  if (isn === undefined && core.handOver(seg, listener !== undefined)) return;
  if (listener !== undefined) {
    // A cookie that comes back makes a connection, to which the segment belongs.
    const tcb = listenArrives(core, listener, seg, isn);
    if (tcb !== undefined) synchronizedArrives(core, tcb, seg);
    return;
  }
  // RFC 9293 3.10.7.1: everything but a RST is answered with one.
  core.counters.TcpExtTCPNoPort++;
  replyReset(core, seg);
}
