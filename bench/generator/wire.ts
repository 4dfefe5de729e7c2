// Writes and reads frames without a stack: Ethernet, IPv4 and TCP with no options but those of a SYN, straight in the memory of the
// Nic, between one address and one other. What all frames share is written once, as a template.

import { copyBytes } from '../../src/nic/copy.js';
import type { Nic } from '../../src/nic/nic.js';
import { add, finish, sum } from '../../src/stack/wire/checksum.js';

export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const PSH = 8;
export const ACK = 16;

/** Bytes of the three headers, which have no options after the SYN. */
export const HEADERS = 54;
const IP = 14;
const TCP = 34;
const MSS_OPTION_BYTES = 4;
/** With what pads it to a word. */
const SCALE_OPTION_BYTES = 4;
/** What a window is without scaling. */
const WINDOW = 65_535;

const ETHERTYPE_ARP = 0x0806;
const ARP_FRAME = 42;

/** Who talks to whom. */
export interface Endpoints {
  readonly ownMac: Uint8Array;
  readonly peerMac: Uint8Array;
  /** IPv4 addresses as 32-bit numbers. */
  readonly own: number;
  readonly peer: number;
  /** What a SYN says. */
  readonly mss: number;
  /** Bytes that may be under way to here; 65,535, without scaling, when left out. */
  readonly windowBytes?: number;
}

/** By how many bits a window of so many bytes is scaled (RFC 7323 2.2). */
export function scaleOf(windowBytes: number): number {
  let shift = 0;
  while (windowBytes / 2 ** shift > WINDOW) shift++;
  return shift;
}

/** An IPv4 address as a 32-bit number. */
export function addressNumber(address: string): number {
  return Buffer.from(address.split('.').map(Number)).readInt32BE(0);
}

/** Sends frames. */
export class FrameWriter {
  private readonly nic: Nic;
  private readonly ends: Endpoints;
  private readonly template = new Uint8Array(HEADERS);
  private readonly ipSum: number;
  private readonly tcpSum: number;
  /** What the window option of a SYN says; -1 for none, so that nobody scales. */
  private readonly scale: number;
  private readonly payload: Uint8Array;
  private readonly payloadView: DataView;
  /** Sum of the first n bytes of the payload, -1 when it is not known yet. */
  private readonly payloadSums: Int32Array;
  /** The same of `usual` bytes from the n-th on. */
  private readonly usual: number;
  private readonly usualSums: Int32Array;

  /** Segments are cut out of `payload`; where those of `usual` bytes begin anywhere in it, their sums are remembered as well. */
  constructor(nic: Nic, ends: Endpoints, payload: Uint8Array, usual = 0) {
    this.nic = nic;
    this.ends = ends;
    this.payload = payload;
    this.payloadView = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
    this.payloadSums = new Int32Array(payload.length + 1).fill(-1);
    this.usual = usual;
    this.usualSums = new Int32Array(usual > 0 ? payload.length : 0).fill(-1);
    const { template } = this;
    const view = new DataView(template.buffer);
    template.set(ends.peerMac, 0);
    template.set(ends.ownMac, 6);
    view.setUint16(12, 0x0800);
    template[IP] = 0x45;
    view.setUint16(IP + 6, 0x4000);
    template[IP + 8] = 64;
    template[IP + 9] = 6;
    view.setInt32(IP + 12, ends.own);
    view.setInt32(IP + 16, ends.peer);
    this.ipSum = sum(view, IP, 20);
    const { windowBytes } = ends;
    this.scale = windowBytes === undefined ? -1 : scaleOf(windowBytes);
    view.setUint16(TCP + 14, windowBytes === undefined ? WINDOW : windowBytes >>> this.scale);
    // With the pseudo-header (RFC 9293 3.1), but for the length.
    this.tcpSum = add(sum(view, IP + 12, 8, 6), sum(view, TCP, 20));
  }

  /**
   * Sends a segment from one port to another, with `length` bytes of the payload from `start` on; false when the ring is full.
   */
  send(
    from: number,
    to: number,
    flags: number,
    seq: number,
    ack: number,
    start: number,
    length: number,
  ): boolean {
    const { nic, template } = this;
    const at = nic.reserve();
    if (at < 0) return false;
    const { memory, view } = nic;
    for (let i = 0; i < HEADERS; i++) memory[at + i] = template[i];
    const isSyn = (flags & SYN) !== 0;
    const options = isSyn ? MSS_OPTION_BYTES + (this.scale < 0 ? 0 : SCALE_OPTION_BYTES) : 0;
    const tcpLength = 20 + options + length;
    view.setUint16(at + IP + 2, 20 + tcpLength);
    view.setUint16(at + IP + 10, finish(add(this.ipSum, 20 + tcpLength)));
    const offsetAndFlags = ((5 + (options >> 2)) << 12) | flags;
    view.setUint16(at + TCP, from);
    view.setUint16(at + TCP + 2, to);
    view.setInt32(at + TCP + 4, seq);
    view.setInt32(at + TCP + 8, ack);
    view.setUint16(at + TCP + 12, offsetAndFlags);
    let total = this.tcpSum + tcpLength + from + to + offsetAndFlags;
    total += (seq >>> 16) + (seq & 0xffff) + (ack >>> 16) + (ack & 0xffff);
    if (isSyn) {
      view.setUint16(at + HEADERS, 0x0204);
      view.setUint16(at + HEADERS + 2, this.ends.mss);
      total += 0x0204 + this.ends.mss;
      if (this.scale >= 0) {
        // No-operation, then kind 3 and length 3.
        view.setUint16(at + HEADERS + 4, 0x0103);
        view.setUint16(at + HEADERS + 6, 0x0300 | this.scale);
        total += 0x0103 + (0x0300 | this.scale);
      }
    }
    if (length > 0) {
      const data = at + HEADERS + options;
      copyBytes(memory, data, this.payload, start, length);
      total += this.sumOf(start, length);
    }
    total = (total & 0xffff) + (total >>> 16);
    view.setUint16(at + TCP + 16, ~(total + (total >>> 16)) & 0xffff);
    nic.submit(at, HEADERS + options + length, 0, 0);
    return true;
  }

  /** Answers a received frame when it is an ARP request for the own address; false when it is not. */
  answerArp(frame: number, length: number): boolean {
    const { nic, ends } = this;
    const { memory, view } = nic;
    const isRequest =
      length >= ARP_FRAME && view.getUint16(frame + 12) === ETHERTYPE_ARP && view.getUint16(frame + 20) === 1;
    if (!isRequest || view.getInt32(frame + 38) !== ends.own) return false;
    const at = nic.reserve();
    if (at < 0) return true;
    for (let i = 0; i < 6; i++) {
      memory[at + i] = memory[at + 32 + i] = memory[frame + 22 + i];
      memory[at + 6 + i] = memory[at + 22 + i] = ends.ownMac[i];
    }
    for (let i = 12; i < 22; i++) memory[at + i] = memory[frame + i];
    view.setUint16(at + 20, 2);
    view.setInt32(at + 28, ends.own);
    view.setInt32(at + 38, view.getInt32(frame + 28));
    nic.submit(at, ARP_FRAME, 0, 0);
    return true;
  }

  private sumOf(start: number, length: number): number {
    if (length === this.usual) {
      if (this.usualSums[start] < 0) this.usualSums[start] = sum(this.payloadView, start, length);
      return this.usualSums[start];
    }
    if (start !== 0) return sum(this.payloadView, start, length);
    let known = this.payloadSums[length];
    if (known < 0) {
      known = sum(this.payloadView, 0, length);
      this.payloadSums[length] = known;
    }
    return known;
  }
}

/** The last segment that was read; one object for all of them. */
export class Segment {
  /** The address it is for. */
  local = 0;
  from = 0;
  to = 0;
  flags = 0;
  seq = 0;
  ack = 0;
  /** As it stands in the header. */
  window = 0;
  /** Where the payload begins in the memory of the Nic, and how long it is. */
  data = 0;
  dataLength = 0;
  private optionsAt = 0;

  /** Reads a frame; false when it is no TCP segment. */
  read(view: DataView, frame: number, length: number): boolean {
    if (length < HEADERS || view.getUint16(frame + 12) !== 0x0800) return false;
    if (view.getUint8(frame + IP) !== 0x45 || view.getUint8(frame + IP + 9) !== 6) return false;
    const offsetAndFlags = view.getUint16(frame + TCP + 12);
    const header = (offsetAndFlags >>> 12) << 2;
    const end = view.getUint16(frame + IP + 2) + IP;
    if (header < 20 || end > length || TCP + header > end) return false;
    this.local = view.getInt32(frame + IP + 16);
    this.from = view.getUint16(frame + TCP);
    this.to = view.getUint16(frame + TCP + 2);
    this.flags = offsetAndFlags & 0x3f;
    this.seq = view.getInt32(frame + TCP + 4);
    this.ack = view.getInt32(frame + TCP + 8);
    this.window = view.getUint16(frame + TCP + 14);
    this.optionsAt = frame + HEADERS;
    this.data = frame + TCP + header;
    this.dataLength = end - TCP - header;
    return true;
  }
  /** The window scale that the options of a SYN say; -1 when they say none. */
  scale(view: DataView): number {
    for (let at = this.optionsAt; at < this.data; ) {
      const kind = view.getUint8(at);
      if (kind === 0) return -1;
      if (kind === 1) at++;
      else if (kind === 3 && at + 2 < this.data) return Math.min(14, view.getUint8(at + 2));
      else at += Math.max(2, view.getUint8(at + 1));
    }
    return -1;
  }
}
