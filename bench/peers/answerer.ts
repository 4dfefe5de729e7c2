// Answers requests without a stack: every frame is answered from what is in it, and nothing is remembered. What no TCP can beat
// on this driver. Only for the load generator: a frame that is lost is not sent again.

import type { Nic } from '../../src/nic/nic.js';
import { ACK, FIN, PSH, RST, SYN } from '../generator/wire.js';
import { FrameServer } from './frame-server.js';

/** What a stream may have under way to here. */
const SINK_WINDOW = 4 << 20;

/** Replies that are longer need a window and a memory: the Streamer has them. */
export const LONGEST_ANSWER = 8192;

/** Replies of a fixed size for requests of a fixed size; with requests of 0 bytes, an ACK per batch and flow for streams. */
export class Answerer extends FrameServer {
  private readonly requestBytes: number;
  private readonly reply: Uint8Array;
  /** The flow whose data of this batch is not acknowledged yet, -1 for none, and what its ACK says. */
  private owedTo = -1;
  private owedSeq = 0;
  private owedAck = 0;

  constructor(nic: Nic, own: number, port: number, requestBytes: number, reply: Uint8Array) {
    super(nic, { own, port, payload: reply, ...(requestBytes === 0 ? { windowBytes: SINK_WINDOW } : {}) });
    this.requestBytes = requestBytes;
    this.reply = reply;
  }

  protected onSegment(): void {
    const { flags, seq, ack, dataLength } = this.segment;
    if ((flags & RST) !== 0) return;
    if ((flags & SYN) !== 0) this.send(SYN | ACK, 0, (seq + 1) | 0, 0, 0);
    else if ((flags & FIN) !== 0) this.send(FIN | ACK, ack, (seq + dataLength + 1) | 0, 0, 0);
    else if (dataLength > 0 && this.requestBytes === 0) this.owe(ack, (seq + dataLength) | 0);
    else if (dataLength > 0)
      this.sendReplies(Math.floor(dataLength / this.requestBytes), ack, seq + dataLength);
  }

  protected afterBatch(): number {
    this.sendOwed();
    return 0;
  }

  private owe(seq: number, ack: number): void {
    if (this.owedTo !== this.segment.from) this.sendOwed();
    this.owedTo = this.segment.from;
    this.owedSeq = seq;
    this.owedAck = ack;
  }

  private sendOwed(): void {
    if (this.owedTo >= 0) this.writer.send(this.port, this.owedTo, ACK, this.owedSeq, this.owedAck, 0, 0);
    this.owedTo = -1;
  }

  private sendReplies(count: number, from: number, ack: number): void {
    const { reply, mss } = this;
    let seq = from;
    for (let i = 0; i < count; i++) {
      for (let at = 0; at < reply.length; at += mss) {
        const length = Math.min(mss, reply.length - at);
        this.send(PSH | ACK, seq, ack | 0, at, length);
        seq = (seq + length) | 0;
      }
    }
  }

  private send(flags: number, seq: number, ack: number, start: number, length: number): void {
    this.writer.send(this.port, this.segment.from, flags, seq, ack, start, length);
  }
}
