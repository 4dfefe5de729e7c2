// Answers requests without a stack: every frame is answered from what is in it, and nothing is remembered. What no TCP can beat
// on this driver. Only for the load generator: a frame that is lost is not sent again.

import { type Nic, RX_STRIDE } from '../../src/nic/nic.js';
import { ACK, type Endpoints, FIN, FrameWriter, PSH, RST, Segment, SYN } from '../generator/wire.js';

const BATCH = 256;
const SOURCE_MAC = 6;
const SOURCE_ADDRESS = 26;

/** What a stream may have under way to here. */
const SINK_WINDOW = 4 << 20;

/** Replies of a fixed size for requests of a fixed size; with requests of 0 bytes, an ACK per batch and flow for streams. */
export class Answerer {
  private readonly nic: Nic;
  private readonly own: number;
  private readonly port: number;
  private readonly mss: number;
  private readonly requestBytes: number;
  private readonly reply: Uint8Array;
  private readonly segment = new Segment();
  private readonly batch = new Int32Array(BATCH * RX_STRIDE);
  /** Who asked last: one load generator is all there is. */
  private peer = 0;
  private writer: FrameWriter;
  /** The flow whose data of this batch is not acknowledged yet, -1 for none, and what its ACK says. */
  private owedTo = -1;
  private owedSeq = 0;
  private owedAck = 0;

  constructor(nic: Nic, own: number, port: number, requestBytes: number, reply: Uint8Array) {
    this.nic = nic;
    this.own = own;
    this.port = port;
    this.mss = nic.capabilities.mtu - 40;
    this.requestBytes = requestBytes;
    this.reply = reply;
    this.writer = this.writerTo(0, new Uint8Array(6));
  }

  /** Answers what has come. Returns how many frames there were. */
  turn(): number {
    const { nic, batch, segment } = this;
    const count = nic.receive(batch);
    for (let i = 0; i < count; i++) {
      const frame = batch[i * RX_STRIDE];
      const length = batch[i * RX_STRIDE + 1];
      if (!segment.read(nic.view, frame, length)) this.writer.answerArp(frame, length);
      else if (segment.to === this.port) {
        const peer = nic.view.getInt32(frame + SOURCE_ADDRESS);
        if (peer !== this.peer) {
          const at = frame + SOURCE_MAC;
          this.writer = this.writerTo(peer, nic.memory.slice(at, at + 6));
        }
        this.answer();
      }
      nic.release(frame);
    }
    this.sendOwed();
    nic.flush();
    return count;
  }

  private writerTo(peer: number, peerMac: Uint8Array): FrameWriter {
    this.peer = peer;
    const ends: Endpoints = {
      ownMac: this.nic.capabilities.mac,
      peerMac,
      own: this.own,
      peer,
      mss: this.mss,
      ...(this.requestBytes === 0 ? { windowBytes: SINK_WINDOW } : {}),
    };
    return new FrameWriter(this.nic, ends, this.reply);
  }

  private answer(): void {
    const { flags, seq, ack, dataLength } = this.segment;
    if ((flags & RST) !== 0) return;
    if ((flags & SYN) !== 0) this.send(SYN | ACK, 0, (seq + 1) | 0, 0, 0);
    else if ((flags & FIN) !== 0) this.send(FIN | ACK, ack, (seq + dataLength + 1) | 0, 0, 0);
    else if (dataLength > 0 && this.requestBytes === 0) this.owe(ack, (seq + dataLength) | 0);
    else if (dataLength > 0)
      this.sendReplies(Math.floor(dataLength / this.requestBytes), ack, seq + dataLength);
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
