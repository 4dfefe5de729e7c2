// Sends streams without an end, to measure what a server takes in: a few flows of the pattern (src/cli/servers/pattern.ts), as fast as the
// server's window allows. The server compares every byte and resets a flow in which one is wrong. Like the Client it is no TCP: it
// has no congestion control, and goes back to the first byte that is missing when something was lost.

import { type Nic, RX_STRIDE } from '../../src/nic/nic.js';
import { Histogram } from './histogram.js';
import { ACK, type Endpoints, FIN, FrameWriter, PSH, RST, Segment, SYN } from './wire.js';

const BATCH = 256;
const FIRST_PORT = 2000;
const ISS = 1000;
/** Segments of all flows under way at most, fewer than the server has places to receive into. */
const UNDER_WAY = 1024;
/** Segments of a flow per turn, so that what the server says is soon heard. */
const BURST = 32;
const DUPLICATES = 3;
const PATIENCE_MS = 20;

const CLOSED = 0;
const SYN_SENT = 1;
const OPEN = 2;
/** It has found a wrong byte, or has gone: that is told, and not tried again. */
const FAILED = 3;

interface Flow {
  readonly port: number;
  state: number;
  una: number;
  next: number;
  /** As far as has ever been sent. */
  most: number;
  /** Bytes of the stream before `una`, modulo the period. */
  position: number;
  /** What the server's ACKs call a window, and by how many bits it is shifted. */
  window: number;
  shift: number;
  received: number;
  duplicates: number;
  /** What is lost before this has been sent again already. */
  recover: number;
  movedMs: number;
}

/** Streams, and how much of them has been acknowledged. */
export class Sender {
  /** Bytes that the server has acknowledged. */
  bytes = 0;
  /** A stream has none. */
  readonly replies = 0;
  errors = 0;
  resent = 0;
  open = 0;
  readonly latency = new Histogram();
  private readonly nic: Nic;
  private readonly serverPort: number;
  private readonly mss: number;
  private readonly period: number;
  private readonly limit: number;
  private readonly writer: FrameWriter;
  private readonly segment = new Segment();
  private readonly batch = new Int32Array(BATCH * RX_STRIDE);
  private readonly flows: Flow[];

  /** `pattern` is what the stream repeats every `period` bytes, with a segment more than that. */
  constructor(
    nic: Nic,
    ends: Endpoints,
    serverPort: number,
    flows: number,
    pattern: Uint8Array,
    period: number,
  ) {
    this.nic = nic;
    this.serverPort = serverPort;
    this.mss = ends.mss;
    this.period = period;
    this.limit = Math.max(2, Math.floor(UNDER_WAY / flows)) * ends.mss;
    if (pattern.length < period + ends.mss) throw new Error('the pattern is shorter than it has to be');
    this.writer = new FrameWriter(nic, { ...ends, windowBytes: 65_535 }, pattern, ends.mss);
    this.flows = Array.from({ length: flows }, (_, i) => ({
      port: FIRST_PORT + i,
      state: CLOSED,
      una: ISS,
      next: ISS,
      most: ISS,
      position: 0,
      window: 0,
      shift: 0,
      received: 0,
      duplicates: 0,
      recover: ISS,
      movedMs: 0,
    }));
  }

  /** Takes what has come, and sends. Returns how many frames there were. */
  turn(nowMs: number): number {
    const { nic, batch, flows } = this;
    const count = nic.receive(batch);
    for (let i = 0; i < count; i++) {
      const frame = batch[i * RX_STRIDE];
      const length = batch[i * RX_STRIDE + 1];
      if (this.segment.read(nic.view, frame, length)) this.onSegment(nowMs);
      else this.writer.answerArp(frame, length);
      nic.release(frame);
    }
    for (let i = 0; i < flows.length; i++) {
      if (flows[i].state === OPEN) this.sendMore(flows[i], nowMs);
      else if (flows[i].state !== FAILED) this.openIt(flows[i], nowMs);
    }
    nic.flush();
    return count;
  }

  /** Resets what is open, so that the server has nothing left of it. */
  abort(): void {
    for (const flow of this.flows) {
      for (let tries = 0; flow.state === OPEN && tries < 100; tries++) {
        if (this.send(flow, RST | ACK, flow.most, 0, 0)) break;
        this.nic.flush();
      }
      flow.state = FAILED;
    }
    this.open = 0;
    this.nic.flush();
  }

  private send(flow: Flow, flags: number, seq: number, start: number, length: number): boolean {
    return this.writer.send(flow.port, this.serverPort, flags, seq, flow.received, start, length);
  }

  private openIt(flow: Flow, nowMs: number): void {
    if (flow.state === SYN_SENT && nowMs - flow.movedMs < PATIENCE_MS) return;
    if (flow.state === SYN_SENT) this.resent++;
    flow.state = SYN_SENT;
    flow.movedMs = nowMs;
    this.send(flow, SYN, ISS, 0, 0);
  }

  private onSegment(nowMs: number): void {
    const { segment } = this;
    const flow = this.flows[segment.to - FIRST_PORT];
    if (
      flow === undefined ||
      segment.from !== this.serverPort ||
      flow.state === CLOSED ||
      flow.state === FAILED
    )
      return;
    if ((segment.flags & (RST | FIN)) !== 0) {
      this.errors++;
      if (flow.state === OPEN) this.open--;
      flow.state = FAILED;
      return;
    }
    if (flow.state === SYN_SENT) {
      if ((segment.flags & (SYN | ACK)) !== (SYN | ACK) || segment.ack !== ISS + 1) return;
      flow.state = OPEN;
      this.open++;
      flow.una = flow.next = flow.most = flow.recover = ISS + 1;
      flow.received = (segment.seq + 1) | 0;
      flow.shift = Math.max(0, segment.scale(this.nic.view));
      flow.window = segment.window;
      flow.movedMs = nowMs;
      this.send(flow, ACK, flow.next, 0, 0);
      return;
    }
    const progress = (segment.ack - flow.una) | 0;
    if (progress < 0 || ((segment.ack - flow.most) | 0) > 0) return;
    const window = segment.window << flow.shift;
    if (progress > 0) {
      flow.una = segment.ack;
      flow.position = (flow.position + progress) % this.period;
      if (((flow.next - flow.una) | 0) < 0) flow.next = flow.una;
      flow.duplicates = 0;
      flow.movedMs = nowMs;
      this.bytes += progress;
    } else if (window === flow.window && flow.most !== flow.una) {
      if (++flow.duplicates === DUPLICATES && ((flow.una - flow.recover) | 0) >= 0) this.goBack(flow, nowMs);
    }
    flow.window = window;
  }

  private goBack(flow: Flow, nowMs: number): void {
    flow.next = flow.una;
    flow.recover = flow.most;
    flow.movedMs = nowMs;
    this.resent++;
  }

  private sendMore(flow: Flow, nowMs: number): void {
    const { mss, period } = this;
    const room = Math.min(flow.window, this.limit);
    if (nowMs - flow.movedMs > PATIENCE_MS) {
      if (flow.most !== flow.una) this.goBack(flow, nowMs);
      // A window that has closed is asked about with a byte.
      else if (room === 0) {
        flow.movedMs = nowMs;
        if (flow.most === flow.una) flow.most = (flow.una + 1) | 0;
        this.send(flow, ACK, flow.una, flow.position, 1);
        return;
      }
    }
    for (let i = 0; i < BURST; i++) {
      const ahead = (flow.next - flow.una) | 0;
      // Whole segments only, unless the window never has room for one.
      const length = room < mss ? (ahead === 0 ? room : 0) : mss;
      if (length <= 0 || ahead + length > room) return;
      if (!this.send(flow, PSH | ACK, flow.next, (flow.position + ahead) % period, length)) return;
      if (flow.most === flow.una) flow.movedMs = nowMs;
      flow.next = (flow.next + length) | 0;
      if (((flow.next - flow.most) | 0) > 0) flow.most = flow.next;
    }
  }
}
