// A TCP client for load, as small as it can be: one typed array per field, a connection is an index, and its address one of several,
// as an address has no more than 64 K ports. It acknowledges once per
// batch, puts the first request on the last segment of the handshake, checks every byte of every reply, and sends again what
// was not answered in time. It is no TCP for other uses: no window, no congestion control, and one hole at a time.

import { type Nic, RX_STRIDE } from '../../src/nic/nic.js';
import { Histogram } from './histogram.js';
import { ACK, type Endpoints, FIN, FrameWriter, HEADERS, PSH, RST, Segment, SYN } from './wire.js';

const FREE = 0;
const SYN_SENT = 1;
const OPEN = 2;
const FIN_SENT = 3;

const BATCH = 256;
const FIRST_PORT = 1024;
/** Distance of the initial sequence numbers of one connection and the next. The ports have gone round before it reaches 2^31. */
const ISS_STEP = 16_384;
const PATIENCE_MS = 250;
/** The most that is under way while connections are opened, or silent ones are asked: no queue on the way overflows. */
const UNDER_WAY = 256;
/** The same before the first one is open. */
const FIRST = 64;
/** New ones per turn. */
const NEW = 8;
const PORTS = 65_536;
/** From so many bytes on, a call that compares them is faster than a loop. */
const LONG = 128;
/** Connections looked at per turn, for what has to be sent again. */
const LOOKS = 64;
/**
 * Connections that are reset before the server is asked whether it has come so far, how often it is asked on one of them and for how
 * long, and on how many it may be silent: a server without a stack always is, others where a request was lost.
 */
const RESETS = 256;
const PROBES = 30;
const PROBE_MS = 10;
const SILENT = 2;

/** What to ask and what to expect. */
export interface Exchange {
  readonly request: Uint8Array;
  /** Bytes of the reply; -1 where any byte will do. Undefined: the first reply tells (HTTP with Content-Length). */
  reply: Int16Array | undefined;
  readonly pipeline: number;
  readonly closes: boolean;
  /** Open, but ask nothing before `askAll`. */
  readonly silent: boolean;
  /** Connections that may wait for a reply at once, the others for their turn to ask; all of them when left out. */
  readonly underWay?: number;
}

/** Where the connections come from. */
export interface Origin {
  /** How many addresses there are, from the own one on; 1 when left out. */
  readonly addresses?: number;
  /** Which ports of an address may be used; all of them when left out. */
  readonly accepts?: (address: number, port: number) => boolean;
}

/** All connections of a generator. */
export class Client {
  replies = 0;
  /** Bytes of replies: of long ones, few come to their end in the time of a run. */
  bytes = 0;
  errors = 0;
  resent = 0;
  open = 0;
  readonly latency = new Histogram();
  private readonly nic: Nic;
  private readonly serverPort: number;
  private readonly exchange: Exchange;
  /** The reply as bytes, when each of them is known from the start. */
  private readonly exact: Buffer | undefined;
  /** By address. */
  private readonly writers: readonly FrameWriter[];
  private readonly firstAddress: number;
  private readonly segment = new Segment();
  private readonly batch = new Int32Array(BATCH * RX_STRIDE);
  private readonly state: Uint8Array;
  private readonly port: Uint16Array;
  private readonly iss: Int32Array;
  /** Next sequence number to send, and the first that is not acknowledged. */
  private readonly sndNxt: Int32Array;
  private readonly sndUna: Int32Array;
  private readonly rcvNxt: Int32Array;
  /** What has come behind a hole, from and to; nothing where they are the same. */
  private readonly ahead: Int32Array;
  private readonly aheadEnd: Int32Array;
  /** Replies that are to come. */
  private readonly outstanding: Int32Array;
  /** Bytes received of the replies that are under way. */
  private readonly received: Int32Array;
  private readonly peerEnded: Uint8Array;
  private readonly isDirty: Uint8Array;
  private readonly owesAck: Uint8Array;
  private readonly askedMs: Float64Array;
  private readonly movedMs: Float64Array;
  /** By address and port. */
  private readonly slotOf: Int32Array;
  private readonly nextPort: Uint16Array;
  private readonly accepts: Origin['accepts'];
  private readonly dirty: Int32Array;
  private dirtyCount = 0;
  private nextIss = 1;
  private looked = 0;
  private started = 0;
  /** Silent connections that have been asked, of those that are to be. */
  private repliesBefore = 0;
  private asked = 0;
  private toAsk = 0;
  /** Connections that wait for a reply, and, in their order, those that wait for their turn. */
  private underWay = 0;
  private readonly isUnderWay: Uint8Array;
  private readonly isQueued: Uint8Array;
  private readonly queue: Int32Array;
  private queueHead = 0;
  private queued = 0;

  constructor(
    nic: Nic,
    ends: Endpoints,
    serverPort: number,
    connections: number,
    exchange: Exchange,
    { addresses = 1, accepts }: Origin = {},
  ) {
    this.accepts = accepts;
    this.nic = nic;
    this.serverPort = serverPort;
    this.exchange = exchange;
    const { request, pipeline, reply } = exchange;
    this.exact = reply?.every((byte) => byte >= 0) ? Buffer.from(reply) : undefined;
    const payload = new Uint8Array(request.length * pipeline);
    for (let i = 0; i < pipeline; i++) payload.set(request, i * request.length);
    this.firstAddress = ends.own;
    this.writers = Array.from({ length: addresses }, (_, i) => {
      return new FrameWriter(nic, { ...ends, own: (ends.own + i) | 0 }, payload);
    });
    this.slotOf = new Int32Array(PORTS * addresses).fill(-1);
    this.nextPort = new Uint16Array(addresses).fill(FIRST_PORT);
    this.state = new Uint8Array(connections);
    this.port = new Uint16Array(connections);
    this.iss = new Int32Array(connections);
    this.sndNxt = new Int32Array(connections);
    this.sndUna = new Int32Array(connections);
    this.rcvNxt = new Int32Array(connections);
    this.ahead = new Int32Array(connections);
    this.aheadEnd = new Int32Array(connections);
    this.outstanding = new Int32Array(connections);
    this.received = new Int32Array(connections);
    this.peerEnded = new Uint8Array(connections);
    this.isDirty = new Uint8Array(connections);
    this.owesAck = new Uint8Array(connections);
    this.isUnderWay = new Uint8Array(connections);
    this.isQueued = new Uint8Array(connections);
    this.queue = new Int32Array(connections);
    this.askedMs = new Float64Array(connections);
    this.movedMs = new Float64Array(connections);
    this.dirty = new Int32Array(connections);
  }

  /** Takes what has come, answers it, and sends. Returns how many frames there were. */
  turn(nowMs: number): number {
    const { nic, batch } = this;
    const count = nic.receive(batch);
    for (let i = 0; i < count; i++) {
      const frame = batch[i * RX_STRIDE];
      const length = batch[i * RX_STRIDE + 1];
      if (this.segment.read(nic.view, frame, length)) this.onSegment(nowMs);
      else this.writers.some((writer) => writer.answerArp(frame, length));
      nic.release(frame);
    }
    for (let i = 0; i < this.dirtyCount; i++) this.settle(this.dirty[i], nowMs);
    this.dirtyCount = 0;
    while (this.queued > 0 && this.mayAsk) this.askNext(nowMs);
    this.startSome(nowMs);
    if (this.asked < this.toAsk) this.askSome(nowMs);
    this.lookAfter(nowMs);
    nic.flush();
    return count;
  }

  /**
   * Resets what is open, so that the server has nothing left of it. Nothing is opened any more. Some at a time: what does not fit into
   * the server's queue is lost, and the server sends to that connection for minutes.
   */
  abort(): void {
    this.started = this.state.length;
    let silent = 0;
    for (let slot = 0, sent = 0; slot < this.state.length; slot++) {
      if (this.state[slot] === FREE) continue;
      if (silent < SILENT && sent >= RESETS && this.state[slot] === OPEN) {
        silent = this.hasCaughtUp(slot) ? 0 : silent + 1;
        // Where it was silent the next one is asked.
        if (silent === 0 || silent === SILENT) sent = 0;
      }
      for (let tries = 0; tries < 100; tries++) {
        if (this.send(slot, RST | ACK, this.sndNxt[slot], this.rcvNxt[slot], 0, 0)) break;
        this.nic.flush();
      }
      this.slotOf[this.keyOf(slot)] = -1;
      this.state[slot] = FREE;
      if ((++sent & 63) === 0) this.nic.flush();
    }
    this.open = 0;
    this.nic.flush();
  }

  /** Whether the server answers a probe of a connection (RFC 9293 3.8.4), and so has dealt with all that was sent before. */
  private hasCaughtUp(slot: number): boolean {
    for (let tries = 0; tries < PROBES; tries++) {
      this.send(slot, ACK, (this.sndNxt[slot] - 1) | 0, this.rcvNxt[slot], 0, 0);
      this.nic.flush();
      const endMs = performance.now() + PROBE_MS;
      while (performance.now() < endMs) if (this.isAnswered(slot)) return true;
    }
    return false;
  }

  /** Takes what has come; whether a connection was told that all it has sent has arrived, by a segment without data. */
  private isAnswered(slot: number): boolean {
    const { nic, batch, segment } = this;
    const local = (this.firstAddress + this.addressOf(slot)) | 0;
    let isAnswered = false;
    for (let i = nic.receive(batch) - 1; i >= 0; i--) {
      const frame = batch[i * RX_STRIDE];
      if (
        segment.read(nic.view, frame, batch[i * RX_STRIDE + 1]) &&
        segment.local === local &&
        segment.to === this.port[slot] &&
        segment.dataLength === 0 &&
        segment.ack === this.sndNxt[slot]
      )
        isAnswered = true;
      nic.release(frame);
    }
    return isAnswered;
  }

  /** Opens connections, few at a time, so that no queue on the way overflows before the load has begun. */
  private startSome(nowMs: number): void {
    const last = Math.min(this.state.length, this.started + NEW);
    // Nor that of frames that wait at the server for the client's address (ARP).
    const limit = this.open === 0 ? FIRST : UNDER_WAY;
    while (this.started < last && this.started - this.open < limit) this.start(this.started++, nowMs);
  }

  /** Asks once on every connection that is open, and silent so far; `replies` says how many have answered. */
  askAll(): void {
    this.repliesBefore = this.replies;
    this.asked = 0;
    this.toAsk = this.started;
  }

  private askSome(nowMs: number): void {
    const last = Math.min(this.toAsk, this.asked + NEW);
    for (; this.asked < last && this.asked - (this.replies - this.repliesBefore) < UNDER_WAY; this.asked++) {
      // One that has failed meanwhile is an error, and stays without an answer.
      if (this.state[this.asked] === OPEN) this.ask(this.asked, this.exchange.pipeline, nowMs);
    }
  }

  /** Connections take turns with the addresses. */
  private addressOf(slot: number): number {
    return slot % this.writers.length;
  }

  private keyOf(slot: number): number {
    return this.addressOf(slot) * PORTS + this.port[slot];
  }

  private start(slot: number, nowMs: number): void {
    const address = this.addressOf(slot);
    let port = this.nextPort[address];
    do port = port === PORTS - 1 ? FIRST_PORT : port + 1;
    while (this.slotOf[address * PORTS + port] >= 0 || !this.isAccepted(address, port));
    this.nextPort[address] = port;
    this.port[slot] = port;
    this.slotOf[address * PORTS + port] = slot;
    this.nextIss = (this.nextIss + ISS_STEP) | 0;
    this.iss[slot] = this.nextIss;
    this.sndUna[slot] = this.nextIss;
    this.sndNxt[slot] = (this.nextIss + 1) | 0;
    this.rcvNxt[slot] = 0;
    this.ahead[slot] = this.aheadEnd[slot];
    this.outstanding[slot] = 0;
    this.received[slot] = 0;
    this.peerEnded[slot] = 0;
    this.owesAck[slot] = 0;
    this.state[slot] = SYN_SENT;
    this.askedMs[slot] = nowMs;
    this.movedMs[slot] = nowMs;
    this.send(slot, SYN, this.nextIss, 0, 0, 0);
  }

  private isAccepted(address: number, port: number): boolean {
    return this.accepts === undefined || this.accepts((this.firstAddress + address) | 0, port);
  }

  private onSegment(nowMs: number): void {
    const { segment } = this;
    const address = (segment.local - this.firstAddress) | 0;
    if (address < 0 || address >= this.writers.length) return;
    const slot = this.slotOf[address * PORTS + segment.to];
    if (slot < 0 || segment.from !== this.serverPort) return;
    if ((segment.flags & RST) !== 0) {
      this.fail(slot, nowMs);
      return;
    }
    this.movedMs[slot] = nowMs;
    if (this.state[slot] === SYN_SENT) {
      if ((segment.flags & (SYN | ACK)) !== (SYN | ACK) || segment.ack !== this.sndNxt[slot]) return;
      this.rcvNxt[slot] = (segment.seq + 1) | 0;
      this.sndUna[slot] = segment.ack;
      this.state[slot] = OPEN;
      this.open++;
      this.mark(slot, true);
      return;
    }
    if (((segment.ack - this.sndNxt[slot]) | 0) > 0) {
      this.fail(slot, nowMs);
      return;
    }
    if (((segment.ack - this.sndUna[slot]) | 0) > 0) this.sndUna[slot] = segment.ack;
    const { dataLength } = segment;
    const hasEnd = (segment.flags & FIN) !== 0;
    if (segment.seq !== this.rcvNxt[slot]) {
      const distance = (segment.seq - this.rcvNxt[slot]) | 0;
      const isAhead = distance > 0 && dataLength > 0;
      if (isAhead && !this.keep(slot, distance)) this.fail(slot, nowMs);
      // Each is told at once what is next, as the sender counts that (RFC 5681 4.2). What comes again is answered with the others.
      else if (isAhead) this.answer(slot, ACK);
      else if (dataLength > 0 || hasEnd || (segment.flags & SYN) !== 0) this.mark(slot, true);
      return;
    }
    if (dataLength > 0) {
      if (!this.isRight(slot, 0)) {
        this.fail(slot, nowMs);
        return;
      }
      this.take(slot);
    }
    if (hasEnd) {
      this.rcvNxt[slot] = (this.rcvNxt[slot] + 1) | 0;
      this.peerEnded[slot] = 1;
    }
    this.mark(slot, dataLength > 0 || hasEnd);
  }

  /** Counts the data of the segment, and with it what had come before behind it. */
  private take(slot: number): void {
    const before = this.rcvNxt[slot];
    let end = (before + this.segment.dataLength) | 0;
    const ahead = this.ahead[slot];
    const aheadEnd = this.aheadEnd[slot];
    if (ahead !== aheadEnd && ((ahead - end) | 0) <= 0) {
      if (((aheadEnd - end) | 0) > 0) end = aheadEnd;
      this.ahead[slot] = aheadEnd;
    }
    const taken = (end - before) | 0;
    this.received[slot] += taken;
    this.bytes += taken;
    this.rcvNxt[slot] = end;
  }

  /** Remembers that data behind a hole has come; what lies behind a second hole comes again. Returns whether it was right. */
  private keep(slot: number, distance: number): boolean {
    const { seq, dataLength } = this.segment;
    // Before the first reply nobody knows what is right.
    if (this.exchange.reply === undefined) return true;
    if (this.ahead[slot] === this.aheadEnd[slot]) {
      this.ahead[slot] = seq;
      this.aheadEnd[slot] = seq;
    }
    if (seq !== this.aheadEnd[slot]) return true;
    if (!this.isRight(slot, distance)) return false;
    this.aheadEnd[slot] = (seq + dataLength) | 0;
    return true;
  }

  /** Compares the data of the segment with what the reply has at this place, `distance` bytes behind what is expected. */
  private isRight(slot: number, distance: number): boolean {
    const { exchange, segment, nic } = this;
    exchange.reply ??= replyOf(nic.memory.subarray(segment.data, segment.data + segment.dataLength));
    const { reply } = exchange;
    if (reply === undefined) return false;
    let at = (this.received[slot] + distance) % reply.length;
    if (segment.dataLength >= LONG && this.exact !== undefined) return this.isExact(this.exact, at);
    for (let i = 0; i < segment.dataLength; i++) {
      const expected = reply[at];
      if (expected >= 0 && nic.memory[segment.data + i] !== expected) return false;
      if (++at === reply.length) at = 0;
    }
    return true;
  }

  /** The same for long data, where the loop would take longer than the server did. */
  private isExact(reply: Buffer, from: number): boolean {
    const { data, dataLength } = this.segment;
    for (let done = 0, at = from; done < dataLength; at = 0) {
      const part = Math.min(reply.length - at, dataLength - done);
      const start = data + done;
      if (reply.compare(this.nic.memory, start, start + part, at, at + part) !== 0) return false;
      done += part;
    }
    return true;
  }

  private mark(slot: number, owesAck: boolean): void {
    if (owesAck) this.owesAck[slot] = 1;
    if (this.isDirty[slot] !== 0) return;
    this.isDirty[slot] = 1;
    this.dirty[this.dirtyCount++] = slot;
  }

  /** Does what the segments of this turn ask for on one connection: the next requests, the end, or just an ACK. */
  private settle(slot: number, nowMs: number): void {
    this.isDirty[slot] = 0;
    const { exchange } = this;
    const { pipeline, reply } = exchange;
    if (this.state[slot] === FIN_SENT) {
      if (this.owesAck[slot] !== 0) this.answer(slot, ACK);
      if (this.peerEnded[slot] !== 0 && this.sndUna[slot] === this.sndNxt[slot]) this.end(slot, nowMs);
      return;
    }
    if (this.state[slot] !== OPEN) return;
    const isFirst = this.sndNxt[slot] === ((this.iss[slot] + 1) | 0);
    if (isFirst && !exchange.silent && this.isQueued[slot] === 0) {
      if (this.mayAsk) this.ask(slot, pipeline, nowMs);
      else {
        this.answer(slot, ACK);
        this.enqueue(slot);
      }
      return;
    }
    const whole = reply === undefined ? 0 : Math.floor(this.received[slot] / reply.length);
    // Nobody has asked for more.
    if (whole > this.outstanding[slot]) {
      this.fail(slot, nowMs);
      return;
    }
    if (whole > 0) {
      this.outstanding[slot] -= whole;
      this.received[slot] -= whole * reply!.length;
      this.replies += whole;
      this.latency.add((nowMs - this.askedMs[slot]) * 1000);
      this.isDone(slot);
      if (exchange.silent) {
        this.answer(slot, ACK);
        return;
      }
      if (!exchange.closes) {
        if (this.queued === 0 && this.mayAsk) this.ask(slot, whole, nowMs);
        else this.enqueue(slot);
        return;
      }
      this.answer(slot, FIN | ACK);
      this.sndNxt[slot] = (this.sndNxt[slot] + 1) | 0;
      this.state[slot] = FIN_SENT;
      return;
    }
    if (this.peerEnded[slot] !== 0) this.fail(slot, nowMs);
    else if (this.owesAck[slot] !== 0) this.answer(slot, ACK);
  }

  private send(
    slot: number,
    flags: number,
    seq: number,
    ack: number,
    start: number,
    length: number,
  ): boolean {
    const writer = this.writers[this.addressOf(slot)];
    return writer.send(this.port[slot], this.serverPort, flags, seq, ack, start, length);
  }

  private get mayAsk(): boolean {
    return this.exchange.underWay === undefined || this.underWay < this.exchange.underWay;
  }

  /** Lets a connection wait for its turn; what it has received is acknowledged then. */
  private enqueue(slot: number): void {
    if (this.isQueued[slot] !== 0) return;
    this.isQueued[slot] = 1;
    this.queue[(this.queueHead + this.queued++) % this.queue.length] = slot;
  }

  private askNext(nowMs: number): void {
    const slot = this.queue[this.queueHead];
    this.queueHead = (this.queueHead + 1) % this.queue.length;
    this.queued--;
    this.isQueued[slot] = 0;
    const count = this.exchange.pipeline - this.outstanding[slot];
    // One that has been opened again since asks when it is open.
    if (this.state[slot] === OPEN && count > 0) this.ask(slot, count, nowMs);
  }

  private isDone(slot: number): void {
    this.underWay -= this.isUnderWay[slot];
    this.isUnderWay[slot] = 0;
  }

  private ask(slot: number, count: number, nowMs: number): void {
    this.underWay += 1 - this.isUnderWay[slot];
    this.isUnderWay[slot] = 1;
    const length = count * this.exchange.request.length;
    this.askedMs[slot] = nowMs;
    this.movedMs[slot] = nowMs;
    this.owesAck[slot] = 0;
    this.send(slot, PSH | ACK, this.sndNxt[slot], this.rcvNxt[slot], 0, length);
    this.sndNxt[slot] = (this.sndNxt[slot] + length) | 0;
    this.outstanding[slot] += count;
  }

  private answer(slot: number, flags: number): void {
    this.owesAck[slot] = 0;
    this.send(slot, flags, this.sndNxt[slot], this.rcvNxt[slot], 0, 0);
  }

  private fail(slot: number, nowMs: number): void {
    this.errors++;
    this.send(slot, RST | ACK, this.sndNxt[slot], this.rcvNxt[slot], 0, 0);
    this.end(slot, nowMs);
  }

  private end(slot: number, nowMs: number): void {
    if (this.state[slot] !== SYN_SENT) this.open--;
    this.isDone(slot);
    this.slotOf[this.keyOf(slot)] = -1;
    this.state[slot] = FREE;
    this.start(slot, nowMs);
  }

  /** Sends again what has not been answered, for a few connections per turn. */
  private lookAfter(nowMs: number): void {
    const { started } = this;
    for (let i = Math.min(LOOKS, started); i > 0; i--) {
      this.looked = this.looked + 1 < started ? this.looked + 1 : 0;
      const slot = this.looked;
      if (this.state[slot] === FREE || nowMs - this.movedMs[slot] < PATIENCE_MS) continue;
      this.movedMs[slot] = nowMs;
      this.sendAgain(slot);
    }
  }

  private sendAgain(slot: number): void {
    const una = this.sndUna[slot];
    const missing = (this.sndNxt[slot] - una) | 0;
    if (this.state[slot] === SYN_SENT) this.send(slot, SYN, this.iss[slot], 0, 0, 0);
    else if (missing > 0) {
      const data = this.state[slot] === FIN_SENT ? missing - 1 : missing;
      const start = ((una - this.iss[slot] - 1) >>> 0) % this.exchange.request.length;
      const flags = this.state[slot] === FIN_SENT ? FIN | ACK : PSH | ACK;
      this.send(slot, flags, una, this.rcvNxt[slot], start, data);
    } else if (this.isQueued[slot] !== 0) {
      // It waits for its turn, and the server for an ACK.
      if (this.owesAck[slot] !== 0) this.answer(slot, ACK);
      return;
    } else if (!this.exchange.silent) this.answer(slot, ACK);
    else return;
    this.resent++;
  }
}

/** What HTTP replies look like, from the first bytes of one: any header of that length, and the body as it came. */
function replyOf(bytes: Uint8Array): Int16Array | undefined {
  const text = Buffer.from(bytes).toString('latin1');
  const headerEnd = text.indexOf('\r\n\r\n') + 4;
  const body = /^content-length: *(\d+)/im.exec(text)?.[1];
  if (headerEnd < 4 || !text.startsWith('HTTP/1.1 200') || body === undefined) return undefined;
  const length = headerEnd + Number(body);
  return Int16Array.from({ length }, (_, i) => (i < headerEnd || i >= bytes.length ? -1 : bytes[i]));
}

/** The longest payload that a generator on this MTU may be asked to send in one segment. */
export function longestPayload(mtu: number): number {
  return mtu + 14 - HEADERS;
}
