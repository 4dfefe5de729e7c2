// What the servers without a stack have in common: frames in and out of a Nic, ARP, and whom to answer. Only for the load generator.

import { type Nic, RX_STRIDE } from '../../src/nic/nic.js';
import { type Endpoints, FrameWriter, Segment } from '../generator/wire.js';

const BATCH = 256;
const SOURCE_MAC = 6;
const SOURCE_ADDRESS = 26;

/** What it is and what it sends. */
export interface FrameServerOptions {
  /** Its IPv4 address as a 32-bit number, and its port. */
  readonly own: number;
  readonly port: number;
  /** What segments are cut out of; those of `usual` bytes may begin anywhere in it. */
  readonly payload: Uint8Array;
  readonly usual?: number;
  /** Bytes that may be under way to here; 65,535, without scaling, when left out. */
  readonly windowBytes?: number;
}

/** Takes frames in batches and gives segments to whoever answers them. */
export abstract class FrameServer {
  protected readonly nic: Nic;
  protected readonly mss: number;
  /** What has come; one object for all of it. */
  protected readonly segment: Segment = new Segment();
  protected writer: FrameWriter;
  protected readonly port: number;
  private readonly options: FrameServerOptions;
  private readonly batch = new Int32Array(BATCH * RX_STRIDE);
  /** Who asked last: one load generator is all there is. */
  private peer = 0;

  constructor(nic: Nic, options: FrameServerOptions) {
    this.nic = nic;
    this.options = options;
    this.port = options.port;
    this.mss = nic.capabilities.mtu - 40;
    this.writer = this.writerTo(0, new Uint8Array(6));
  }

  /** Answers what has come. Returns how many frames there were, in and, of streams, out. */
  turn(nowMs: number): number {
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
        this.onSegment(nowMs);
      }
      nic.release(frame);
    }
    const sent = this.afterBatch(nowMs);
    nic.flush();
    return count + sent;
  }

  /** Takes `segment`. */
  protected abstract onSegment(nowMs: number): void;

  /** Sends what no single segment asks for; how many frames of streams. */
  protected abstract afterBatch(nowMs: number): number;

  private writerTo(peer: number, peerMac: Uint8Array): FrameWriter {
    this.peer = peer;
    const { own, payload, usual = 0, windowBytes } = this.options;
    const ends: Endpoints = {
      ownMac: this.nic.capabilities.mac,
      peerMac,
      own,
      peer,
      mss: this.mss,
      ...(windowBytes === undefined ? {} : { windowBytes }),
    };
    return new FrameWriter(this.nic, ends, payload, usual);
  }
}
