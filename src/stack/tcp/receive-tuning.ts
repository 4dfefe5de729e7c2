// How large the receive buffer should be: as large as twice what the application takes in a round trip, so that the window never
// holds the sender back (dynamic right-sizing, as Linux's tcp_moderate_rcvbuf). `input-text.ts` feeds it with what arrives, the
// RECEIVE calls with what is read; nothing else may make a buffer grow.

import { type Micros, NEVER } from '../clock.js';
import type { Segment } from '../wire/tcp-header.js';
import type { TcpCore } from './core.js';
import { add, diff } from './seq.js';
import type { Tcb } from './tcb.js';

/** Room for the bursts of a sender that has just begun, in segments. */
const SPARE_SEGMENTS = 16;
/** What an application is taken to read in a round trip at first, in segments. */
const FIRST_SEGMENTS = 10;

export class ReceiveTuning {
  /** Round trip as the receiver sees it, in µs; 0 before the first sample. */
  rttUs = 0;
  /** Without timestamps: a window's worth of data is timed, from when to which sequence number. */
  windowAt: Micros = NEVER;
  windowEnd = 0;
  /** Bytes read in this round trip and in the one before, and when this one began. */
  read = 0;
  readBefore = 0;
  roundAt: Micros = NEVER;

  reset(): void {
    this.rttUs = 0;
    this.windowAt = NEVER;
    this.windowEnd = 0;
    this.read = 0;
    this.readBefore = 0;
    this.roundAt = NEVER;
  }
}

/** Takes a round trip from a segment with data that has moved RCV.NXT. */
export function onDataArrived(core: TcpCore, tcb: Tcb, seg: Segment, length: number): void {
  const { autoReceive, rcv } = tcb;
  const { now } = core.clock;
  if (tcb.timestamps) {
    // The ACK that it echoes has made room for it; only of a full segment one may be sure (RFC 7323 4.1).
    const { options } = seg;
    if (!options.timestamps || options.tsEcr === 0 || length < rcv.mss) return;
    const elapsedMs = (core.clock.ms + tcb.tsOffset - options.tsEcr) | 0;
    if (elapsedMs < 0 || elapsedMs > 60_000) return;
    const sample = Math.max(1, elapsedMs) * 1000;
    autoReceive.rttUs =
      autoReceive.rttUs === 0 ? sample : autoReceive.rttUs + (sample - autoReceive.rttUs) / 8;
    return;
  }
  if (autoReceive.windowAt !== NEVER) {
    if (diff(rcv.nxt, autoReceive.windowEnd) < 0) return;
    // A window takes a round trip at least: the shortest time is the best guess.
    const sample = Math.max(1, now - autoReceive.windowAt);
    if (autoReceive.rttUs === 0 || sample < autoReceive.rttUs) autoReceive.rttUs = sample;
  }
  autoReceive.windowAt = now;
  autoReceive.windowEnd = add(rcv.nxt, rcv.wnd);
}

/** The application has read `count` bytes. Once in a round trip the buffer grows if it reads ever faster. */
export function onRead(core: TcpCore, tcb: Tcb, count: number): void {
  const { autoReceive, recvBuffer } = tcb;
  const { now } = core.clock;
  autoReceive.read += count;
  if (autoReceive.roundAt === NEVER) {
    autoReceive.roundAt = now;
    // Of a window of few large segments no more than it holds can be read in a round trip.
    autoReceive.readBefore = Math.min(FIRST_SEGMENTS * tcb.localMss, recvBuffer.limit >> 1);
  }
  if (autoReceive.rttUs === 0 || now - autoReceive.roundAt < autoReceive.rttUs) return;
  const { read, readBefore } = autoReceive;
  autoReceive.roundAt = now;
  autoReceive.read = 0;
  if (read <= readBefore) return;
  autoReceive.readBefore = read;
  // A size that the program has chosen stays (socket(7), SO_RCVBUF).
  if (core.config.moderateRcvbuf === 0 || tcb.tuning.receiveBytes > 0 || core.isUnderPressure) return;
  // The sender may double in the next round trip, and in slow start it has doubled when this window is used.
  const window = 2 * read + SPARE_SEGMENTS * tcb.localMss;
  const wanted = window * (1 + (2 * (read - readBefore)) / readBefore);
  const limit = Math.floor(Math.min(wanted, core.config.rmem[2] >> 1));
  if (limit > recvBuffer.limit) recvBuffer.limit = limit;
}
