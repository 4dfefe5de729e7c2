// The face of TCP: what the stack feeds (segments, time, ICMP errors) and what the API calls (listen, connect, send, receive,
// close). Everything behind it is a function over `TcpCore`, in the files beside this one.

import { type Clock, type Micros, NEVER } from '../clock.js';
import type { StackConfig } from '../config.js';
import type { Counters } from '../counters.js';
import { EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL, ENOMEM } from '../errors.js';
import type { IpOutput } from '../link/ip-output.js';
import { isMulticastWord, type LocalAddresses } from '../link/local-addresses.js';
import { Endpoint } from '../wire/address.js';
import * as calls from './calls.js';
import { TcpCore } from './core.js';
import { offerEcn } from './ecn-handshake.js';
import { EPOLLIN } from './events.js';
import { FASTOPEN_CLIENT } from './fast-open.js';
import { maySendOnSyn, offerFastOpen } from './fast-open-client.js';
import { MAX_QUICK_ACKS, NO_QUICK_ACKS, prepare, startAt } from './handshake.js';
import { icmpErrorArrives, nextHopFailed } from './icmp-errors.js';
import { type TcpInfo, tcpInfo } from './info.js';
import { segmentArrives } from './input.js';
import { isnAfter } from './isn.js';
import { Listener } from './listener.js';
import { sendReset } from './output.js';
import type { ReadyQueue } from './queues.js';
import type { BytesView } from './ring-bytes.js';
import { add } from './seq.js';
import { SYN_RCVD, SYN_SENT, TIME_WAIT } from './state.js';
import type { Tcb } from './tcb.js';
import { runTimers } from './timers.js';
import { transmit } from './transmit.js';
import { adopt, tune } from './tune.js';
import { type Tuning, UNTUNED } from './tuning.js';
import { bytesToMark, isAtMark, receiveUrgent } from './urgent.js';
import * as zeroCopy from './zero-copy.js';

/** How soon to try again when the Nic has no free frame, in µs. */
const STARVED_RETRY_US = 1_000;

export class Tcp {
  readonly core: TcpCore;
  /**
   * Says whether this context may use a tuple for an active open: true while there is one queue. RSS tuple selection sets it.
   */
  ownsTuple: (local: Endpoint, remote: Endpoint) => boolean = () => true;
  readonly #local = new Endpoint();
  /** When output last stopped because the Nic had no frame; NEVER since it went through. */
  #starvedAt: Micros = NEVER;

  constructor(
    clock: Clock,
    config: StackConfig,
    counters: Counters,
    ip: IpOutput,
    addresses: LocalAddresses,
    random: () => number,
  ) {
    this.core = new TcpCore(clock, config, counters, ip, addresses, random);
  }

  /** Endpoints whose readiness may have changed since they were last taken out. */
  get ready(): ReadyQueue {
    return this.core.ready;
  }

  /** Processes the segment in `core.seg`. */
  input(): void {
    segmentArrives(this.core);
  }

  /** Handles an ICMP error that quotes a segment from `local` to `remote`. */
  icmpError(local: Endpoint, remote: Endpoint, seq: number, type: number, code: number, mtu: number): void {
    icmpErrorArrives(this.core, local, remote, seq, type, code, mtu);
  }

  /** Tells that the neighbour `nextHop`, an IPv4 word, does not answer. */
  nextHopFailed(nextHop: number): void {
    nextHopFailed(this.core, nextHop);
  }

  runTimers(): void {
    runTimers(this.core);
  }

  /** Sends what is to be sent, until nothing is left or the Nic has no more frames. */
  output(): void {
    const { core } = this;
    // Each connection once: one that could not finish waits for the next turn.
    for (let count = core.output.length; count > 0; count--) {
      const tcb = core.output.shift();
      if (tcb === undefined) return;
      if (!transmit(core, tcb)) {
        core.output.push(tcb);
        this.#starvedAt = core.clock.now;
        return;
      }
    }
    this.#starvedAt = NEVER;
  }

  /** True when `runTimers` may have something to do; cheap enough to be asked in every turn. */
  get isDue(): boolean {
    return this.core.wheel.mayBeDue(this.core.clock.now);
  }

  nextDeadline(): Micros {
    return this.#orOutput(this.core.nextDeadline());
  }

  /** A time until which nothing has to be done; no later than `nextDeadline`. */
  get quietUntil(): Micros {
    return this.#orOutput(this.core.wheel.quietUntilUs);
  }

  /** The deadline of the timers, unless something is to be sent before. */
  #orOutput(timers: Micros): Micros {
    const { core } = this;
    if (core.output.length === 0) return timers;
    // Frames come back when the device has sent, or a neighbour answers: asking at once again would only spin.
    if (this.#starvedAt === core.clock.now) return Math.min(timers, core.clock.now + STARVED_RETRY_US);
    return core.clock.now;
  }

  /**
   * OPEN, passive (RFC 9293 3.10.1). `local` may have the unspecified address for all of the stack's. Returns the listener, or
   * -EADDRINUSE, -EADDRNOTAVAIL (not an address of the stack), -EINVAL (port 0).
   */
  listen(
    local: Endpoint,
    backlog: number,
    owner: number,
    tuning: Tuning = UNTUNED,
    reusePort = false,
  ): Listener | number {
    const { core } = this;
    if (local.port === 0) return -EINVAL;
    if (!local.isUnspecified && !core.addresses.has(local)) return -EADDRNOTAVAIL;
    if (core.listeners.conflicts(local, reusePort)) return -EADDRINUSE;
    const listener = new Listener(local, Math.min(Math.max(1, backlog), core.config.somaxconn), owner);
    listener.tuning = tuning;
    listener.reusePort = reusePort;
    core.listeners.add(listener);
    return listener;
  }

  /** Changes how many connections may wait on a listener. */
  setBacklog(listener: Listener, backlog: number): void {
    listener.backlog = Math.min(Math.max(1, backlog), this.core.config.somaxconn);
  }

  /** Stops listening; connections that nobody has accepted are reset. */
  unlisten(listener: Listener): void {
    const { core } = this;
    listener.closed = true;
    listener.owner = -1;
    core.listeners.remove(listener);
    core.demux.forEach((tcb) => {
      if (tcb.listener !== listener) return;
      // A half-open connection is forgotten without a word, as on Linux; its peer finds out by itself.
      if (tcb.state !== SYN_RCVD || tcb.fastOpen?.isOpen) sendReset(core, tcb);
      core.destroy(tcb, 0);
    });
    // Those that were gone before anybody accepted them.
    for (let tcb = listener.acceptQueue.shift(); tcb !== undefined; tcb = listener.acceptQueue.shift())
      core.free(tcb);
  }

  /** Takes the next connection that waits on a listener; undefined when none does. */
  accept(listener: Listener): Tcb | undefined {
    const tcb = listener.acceptQueue.shift();
    if (tcb !== undefined) tcb.listener = null;
    return tcb;
  }

  /**
   * OPEN, active (RFC 9293 3.10.1): the SYN leaves with the next output. A port or address of 0 in `local` is chosen. Returns the
   * connection, or -ENETUNREACH, -EADDRNOTAVAIL (no address, or no port left), -EADDRINUSE (the tuple is taken), -EAFNOSUPPORT
   * (no IPv6 yet), -EINVAL (port 0, a multicast or broadcast address, or a tuple of another core), -ENOMEM (too many).
   */
  connect(local: Endpoint, remote: Endpoint, owner: number, tuning: Tuning = UNTUNED): Tcb | number {
    const { core } = this;
    if (!remote.isV4) return -EAFNOSUPPORT;
    const isGroup = isMulticastWord(remote.w3) || core.addresses.isBroadcast(remote.w3);
    if (remote.port === 0 || remote.isUnspecified || isGroup) return -EINVAL;
    if (!local.isUnspecified && !core.addresses.has(local)) return -EADDRNOTAVAIL;
    const routed = core.ip.route(remote);
    if (routed < 0) return routed;
    if (core.demux.size >= core.config.maxConnections) return -ENOMEM;
    const { nextHop } = core.ip;
    const tuple = this.#local.copyEndpoint(local);
    if (tuple.isUnspecified) tuple.setV4(core.ip.source);
    if (tuple.port === 0) {
      const [first, last] = core.config.localPortRange;
      const isFree = (): boolean => this.#isFree(tuple, remote) && this.ownsTuple(tuple, remote);
      if (core.ports.choose(tuple, remote, first, last, isFree) === 0) return -EADDRNOTAVAIL;
    } else if (!this.#isFree(tuple, remote)) {
      return -EADDRINUSE;
    } else if (!this.ownsTuple(tuple, remote)) {
      return -EINVAL;
    }
    return this.#open(tuple, remote, nextHop, owner, tuning);
  }

  #open(local: Endpoint, remote: Endpoint, nextHop: number, owner: number, tuning: Tuning): Tcb {
    const { core } = this;
    const old = core.demux.find(local, remote);
    const isn = old === undefined ? undefined : isnAfter(old);
    if (old !== undefined) core.destroy(old, 0);
    const tcb = core.demux.allocate(core.config);
    adopt(tcb, tuning);
    prepare(core, tcb, local, remote, nextHop);
    offerEcn(core, tcb);
    if (isn !== undefined) startAt(tcb, isn);
    tcb.owner = owner;
    tcb.timing = true;
    tcb.timedAt = core.clock.now;
    core.enter(tcb, SYN_SENT);
    core.demux.insert(tcb);
    core.counters.TcpActiveOpens++;
    tcb.synPending = true;
    core.output.push(tcb);
    return tcb;
  }

  /** A tuple is free when nothing holds it, or only a TIME-WAIT that timestamps make safe to follow (RFC 6191 4). */
  #isFree(local: Endpoint, remote: Endpoint): boolean {
    const { core } = this;
    if (core.listeners.conflicts(local) && remote.equals(local)) return false;
    const { demux } = core;
    // Many tuples may be looked at before one is taken: nobody is woken for that.
    const place = demux.dormantAt(local, remote);
    if (place >= 0) {
      return (
        demux.peek(place, 'state') === TIME_WAIT &&
        demux.peek(place, 'attached') === 0 &&
        demux.peek(place, 'timestamps') !== 0 &&
        this.#isOld(demux.peek(place, 'tsRecentAt'))
      );
    }
    const tcb = demux.find(local, remote);
    if (tcb === undefined) return true;
    return tcb.state === TIME_WAIT && !tcb.attached && tcb.timestamps && this.#isOld(tcb.tsRecentAt);
  }

  /** True for a timestamp that came at `at` when ours have moved on since. */
  #isOld(at: Micros): boolean {
    return this.core.clock.now - at > 1_000_000;
  }

  /** Whether data may go on SYNs at all (net.ipv4.tcp_fastopen). */
  get mayFastOpen(): boolean {
    return (this.core.config.fastopen & FASTOPEN_CLIENT) !== 0;
  }

  /** Whether data may go on a SYN to `remote`: there is a cookie, or none is needed. */
  maySendOnSyn(remote: Endpoint, tuning: Tuning): boolean {
    return maySendOnSyn(this.core, remote, tuning.fastOpenNoCookie);
  }

  /** Gives the SYN of a connection that has just been opened data: how many bytes were taken. */
  sendOnSyn(tcb: Tcb, bytes: Uint8Array, offset: number, length: number): number {
    const { core } = this;
    offerFastOpen(core, tcb);
    return tcb.sendBuffer.append(core.sendSpans.of(bytes), offset, length, core.buffers);
  }

  /** Lets the SYN of a connection that has just been opened ask for a cookie. */
  askForCookie(tcb: Tcb): void {
    offerFastOpen(this.core, tcb);
  }

  /**
   * `more`: the program says that more follows, so that a small segment may wait for it (MSG_MORE). `urgent`: its last byte is
   * urgent (MSG_OOB).
   */
  send(tcb: Tcb, bytes: Uint8Array, offset: number, length: number, more = false, urgent = false): number {
    tcb.more = more;
    tcb.unpushed = more;
    const taken = calls.send(this.core, tcb, bytes, offset, length);
    if (urgent && taken > 0) tcb.snd.up = add(tcb.snd.base, tcb.sendBuffer.length);
    return taken;
  }

  /** What was written last ends a record (MSG_EOR). */
  endRecord(tcb: Tcb): void {
    calls.endRecord(tcb);
  }

  receive(tcb: Tcb, bytes: Uint8Array, offset: number, length: number, peek: boolean): number {
    return calls.receive(this.core, tcb, bytes, offset, length, peek);
  }

  /** Points `view` at received bytes where they lie: how many, or as `receive`. They stay until `discard`. */
  look(tcb: Tcb, view: BytesView): number {
    return zeroCopy.look(this.core, tcb, view);
  }

  /** Forgets up to `length` received bytes: how many, or as `receive`. */
  discard(tcb: Tcb, length: number): number {
    return zeroCopy.discard(this.core, tcb, length);
  }

  /** Points `view` at room for up to `length` bytes in the send buffer: how many, or as `send`. */
  reserve(tcb: Tcb, length: number, view: BytesView): number {
    return zeroCopy.reserve(this.core, tcb, length, view);
  }

  /** Sends `length` bytes that were written where `reserve` pointed, nothing having happened since. */
  commit(tcb: Tcb, length: number): number {
    return zeroCopy.commit(this.core, tcb, length);
  }

  /** What TCP_INFO tells of a connection. */
  info(tcb: Tcb): TcpInfo {
    return tcpInfo(this.core, tcb);
  }

  /** Bytes that can be read without waiting (FIONREAD). */
  available(tcb: Tcb): number {
    return bytesToMark(tcb);
  }

  /** Reads the urgent byte (MSG_OOB). */
  receiveUrgent(tcb: Tcb, bytes: Uint8Array, offset: number, length: number, peek: boolean): number {
    return receiveUrgent(tcb, bytes, offset, length, peek);
  }

  /** True when reading has come to the urgent byte (SIOCATMARK). */
  isAtMark(tcb: Tcb): boolean {
    return isAtMark(tcb);
  }

  shutdownWrite(tcb: Tcb): number {
    return calls.shutdownWrite(this.core, tcb);
  }

  close(tcb: Tcb): void {
    calls.close(this.core, tcb);
  }

  abort(tcb: Tcb): void {
    calls.abort(this.core, tcb);
  }

  /** Sends small segments at once (true), or lets Nagle's algorithm hold them (false). */
  setNoDelay(tcb: Tcb, nodelay: boolean): void {
    this.tune(tcb, { ...tcb.tuning, nodelay });
    if (nodelay) this.flush(tcb);
  }

  /** Changes the options of a connection. */
  tune(tcb: Tcb, tuning: Tuning): void {
    tune(this.core, tcb, tuning);
  }

  /** Lets what is held back for want of a full segment go (tcp(7): setting TCP_NODELAY does, whatever it was). */
  flush(tcb: Tcb): void {
    tcb.flush = true;
    this.core.output.push(tcb);
  }

  /** Acknowledges what comes at once, for a while, or lets ACKs be delayed again (TCP_QUICKACK). */
  setQuickAck(tcb: Tcb, quick: boolean): void {
    tcb.quickAcks = quick ? MAX_QUICK_ACKS : NO_QUICK_ACKS;
    if (!quick || tcb.delackAt === NEVER) return;
    tcb.ackNow = true;
    this.core.output.push(tcb);
  }

  /** Takes the pending error: an errno, 0 for none (SO_ERROR). */
  takeError(tcb: Tcb): number {
    return -calls.takeError(tcb);
  }

  readiness(tcb: Tcb): number {
    return calls.readiness(tcb);
  }

  listenerReadiness(listener: Listener): number {
    return listener.acceptQueue.length > 0 ? EPOLLIN : 0;
  }
}
