// Long replies without a stack: what no TCP can beat on this driver when it sends. Unlike the Answerer it remembers its flows, as a
// stream has to go on when room is acknowledged. It has no congestion control: a fixed amount is under way, for which there is room
// wherever it waits. Should something be lost all the same, it goes back to the first missing byte, and so cannot hang.

import type { Nic } from '../../src/nic/nic.js';
import { ACK, FIN, PSH, RST, SYN } from '../generator/wire.js';
import { FrameServer } from './frame-server.js';

/** Bytes of a flow under way: of the smallest segments, fewer than the generator has places to receive into. */
const UNDER_WAY = 1 << 20;
/** Segments of a flow per turn, so that what the client says is soon heard. */
const BURST = 128;
const DUPLICATES = 3;
const PATIENCE_MS = 20;
/** The first byte of a stream; the SYN is before it. */
const FIRST = 1;
/** What a SYN+ACK says, so that the client's own may be scaled (RFC 7323 2.2). */
const WINDOW = 65_535;

interface Flow {
  readonly port: number;
  /** First sequence number that is not acknowledged, next to send, as far as has ever been sent, and the end of what is asked for. */
  una: number;
  next: number;
  most: number;
  end: number;
  /** Bytes of a reply before `una`. */
  position: number;
  /** Next sequence number of the client, and bytes of a request that has not come whole. */
  received: number;
  asked: number;
  /** What the client's ACKs call a window, and by how many bits it is shifted. */
  window: number;
  readonly shift: number;
  owesAck: boolean;
  duplicates: number;
  /** What is lost before this has been sent again already. */
  recover: number;
  movedMs: number;
}

/** What is asked and what is replied. */
export interface Streams {
  readonly requestBytes: number;
  readonly replyBytes: number;
  /** A reply repeats it every `period` bytes; it has a segment more than that. */
  readonly pattern: Uint8Array;
  readonly period: number;
}

/** Replies of a fixed size, of any length, for requests of a fixed size. */
export class Streamer extends FrameServer {
  /** How often it has gone back. */
  resent = 0;
  private readonly streams: Streams;
  private readonly flows: Flow[] = [];

  constructor(nic: Nic, own: number, port: number, streams: Streams) {
    super(nic, {
      own,
      port,
      payload: streams.pattern,
      usual: nic.capabilities.mtu - 40,
      windowBytes: WINDOW,
    });
    if (streams.pattern.length < streams.period + this.mss)
      throw new Error('the pattern is shorter than it has to be');
    this.streams = streams;
  }

  /** Flows that there are. */
  get open(): number {
    return this.flows.length;
  }

  protected onSegment(nowMs: number): void {
    const { flags, from, seq, dataLength } = this.segment;
    const at = this.flows.findIndex(({ port }) => port === from);
    if ((flags & SYN) !== 0) {
      const flow = this.begin(nowMs);
      if (at < 0) this.flows.push(flow);
      else this.flows[at] = flow;
      this.writer.send(this.port, from, SYN | ACK, FIRST - 1, flow.received, 0, 0);
      return;
    }
    if (at < 0) return;
    const flow = this.flows[at];
    if ((flags & (RST | FIN)) !== 0) {
      this.flows.splice(at, 1);
      if ((flags & RST) !== 0) return;
      this.writer.send(this.port, from, FIN | ACK, flow.next, (seq + dataLength + 1) | 0, 0, 0);
      return;
    }
    this.onAck(flow, nowMs);
    if (dataLength > 0) this.onRequest(flow);
  }

  protected afterBatch(nowMs: number): number {
    let sent = 0;
    for (let i = 0; i < this.flows.length; i++) sent += this.sendMore(this.flows[i], nowMs);
    return sent;
  }

  private begin(nowMs: number): Flow {
    const { segment, nic } = this;
    return {
      port: segment.from,
      una: FIRST,
      next: FIRST,
      most: FIRST,
      end: FIRST,
      position: 0,
      received: (segment.seq + 1) | 0,
      asked: 0,
      window: segment.window,
      shift: Math.max(0, segment.scale(nic.view)),
      owesAck: false,
      duplicates: 0,
      recover: FIRST,
      movedMs: nowMs,
    };
  }

  private onAck(flow: Flow, nowMs: number): void {
    const { ack, window: field, dataLength } = this.segment;
    const progress = (ack - flow.una) | 0;
    if (progress < 0 || ((ack - flow.most) | 0) > 0) return;
    const window = field << flow.shift;
    if (progress > 0) {
      flow.una = ack;
      flow.position = (flow.position + progress) % this.streams.replyBytes;
      if (((flow.next - ack) | 0) < 0) flow.next = ack;
      flow.duplicates = 0;
      flow.movedMs = nowMs;
    } else if (dataLength === 0 && window === flow.window && flow.most !== flow.una) {
      if (++flow.duplicates === DUPLICATES && ((flow.una - flow.recover) | 0) >= 0) this.goBack(flow, nowMs);
    }
    flow.window = window;
  }

  private onRequest(flow: Flow): void {
    const { seq, dataLength } = this.segment;
    const { requestBytes, replyBytes } = this.streams;
    flow.owesAck = true;
    // What has come before is acknowledged again; what is ahead of something missing will be sent again.
    if (seq !== flow.received) return;
    flow.received = (seq + dataLength) | 0;
    flow.asked += dataLength;
    const whole = Math.floor(flow.asked / requestBytes);
    flow.asked -= whole * requestBytes;
    flow.end = (flow.end + whole * replyBytes) | 0;
  }

  private goBack(flow: Flow, nowMs: number): void {
    flow.next = flow.una;
    flow.recover = flow.most;
    flow.movedMs = nowMs;
    this.resent++;
  }

  private sendMore(flow: Flow, nowMs: number): number {
    const { mss, port, writer } = this;
    const { replyBytes, period } = this.streams;
    const room = Math.min(flow.window, UNDER_WAY);
    if (flow.most !== flow.una && nowMs - flow.movedMs > PATIENCE_MS) this.goBack(flow, nowMs);
    let sent = 0;
    for (; sent < BURST; sent++) {
      const ahead = (flow.next - flow.una) | 0;
      const at = (flow.position + ahead) % replyBytes;
      // Segments end where replies do, so that they begin at the same places of each reply, whose sums are known.
      const length = Math.min(mss, replyBytes - at, (flow.end - flow.next) | 0);
      if (length <= 0 || ahead + length > room) break;
      if (!writer.send(port, flow.port, PSH | ACK, flow.next, flow.received, at % period, length)) break;
      if (flow.most === flow.una) flow.movedMs = nowMs;
      flow.next = (flow.next + length) | 0;
      if (((flow.next - flow.most) | 0) > 0) flow.most = flow.next;
    }
    if (flow.owesAck && sent === 0) writer.send(port, flow.port, ACK, flow.next, flow.received, 0, 0);
    flow.owesAck = false;
    return sent;
  }
}
