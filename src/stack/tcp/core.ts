// What every part of TCP shares: time, options, counters, tables, queues and the way out. The files beside this one are
// functions over it, one RFC section each; `tcp.ts` is the face that the rest of the stack sees.

import { type Clock, type Micros, NEVER } from '../clock.js';
import { NO_KEY, type StackConfig } from '../config.js';
import type { Counters } from '../counters.js';
import { ECONNRESET } from '../errors.js';
import type { IpOutput } from '../link/ip-output.js';
import type { LocalAddresses } from '../link/local-addresses.js';
import { SpanCache } from '../wire/span.js';
import { Segment } from '../wire/tcp-header.js';
import { LookAhead } from './ahead.js';
import type { BbrState } from './bbr-state.js';
import { BufferPool } from './buffer-pool.js';
import { Demux } from './demux.js';
import { Dormancy } from './dormancy.js';
import { EcnState } from './ecn-state.js';
import { EphemeralPorts } from './ephemeral.js';
import { EPOLL_ALL } from './events.js';
import { FastOpen, FastOpenCache, FastOpenKeys, parseKeys } from './fast-open.js';
import { IsnGenerator } from './isn.js';
import { Ledger } from './ledger.js';
import { ListenerTable } from './listener.js';
import { Pacer } from './pacing.js';
import { OutputQueue, ReadyQueue } from './queues.js';
import { Reassembly } from './reassembly.js';
import { AckReport } from './recovery.js';
import { Scoreboard } from './scoreboard.js';
import { RowStore } from './segment-rows.js';
import * as State from './state.js';
import { SynCookies } from './syn-cookies.js';
import type { Tcb } from './tcb.js';
import { Throttle } from './throttle.js';
import { TimerWheel } from './timer-wheel.js';
import { UserTimeout } from './user-timeout.js';

/** Unit of tcp_mem in bytes. */
const PAGE = 4096;
/** Rows of scoreboards made at a time: 256 KiB. */
const ROWS = 4096;

export class TcpCore {
  readonly clock: Clock;
  readonly config: StackConfig;
  readonly counters: Counters;
  readonly ip: IpOutput;
  readonly addresses: LocalAddresses;
  readonly demux: Demux;
  readonly listeners: ListenerTable;
  readonly wheel: TimerWheel = new TimerWheel();
  readonly buffers: BufferPool;
  readonly isn: IsnGenerator;
  readonly ports: EphemeralPorts;
  readonly throttle: Throttle;
  #cookies: SynCookies | undefined = undefined;
  /** Hands the segment in `seg`, for which no connection is here, to another core: whether that is done. */
  handOver: (seg: Segment, isListening: boolean) => boolean = () => false;
  readonly ready: ReadyQueue = new ReadyQueue();
  readonly output: OutputQueue = new OutputQueue();
  /** The segment that is being processed. */
  readonly seg: Segment = new Segment();
  /** Views of the buffers that the application passed last, for SEND and RECEIVE. */
  readonly sendSpans: SpanCache = new SpanCache();
  readonly receiveSpans: SpanCache = new SpanCache();
  /** What the acknowledgment in `seg` has told. */
  readonly report: AckReport = new AckReport();
  readonly ledger: Ledger = new Ledger();
  readonly dormancy: Dormancy = new Dormancy(this);
  readonly ahead: LookAhead = new LookAhead(this);
  /** Uniform int32 values. */
  readonly random: () => number;
  /** Records of congestion controls that no connection uses now. */
  readonly bbrStates: BbrState[] = [];
  readonly #pacers: Pacer[] = [];
  readonly #reassemblies: Reassembly[] = [];
  readonly #boards: Scoreboard[] = [];
  readonly #rows = new RowStore(ROWS);
  readonly #ecnStates: EcnState[] = [];
  readonly #userTimeouts: UserTimeout[] = [];
  readonly fastOpenCache: FastOpenCache;
  readonly #namedKeys = new Map<string, FastOpenKeys>();
  #fastOpenKeys: FastOpenKeys | undefined = undefined;

  constructor(
    clock: Clock,
    config: StackConfig,
    counters: Counters,
    ip: IpOutput,
    addresses: LocalAddresses,
    random: () => number,
  ) {
    this.clock = clock;
    this.config = config;
    this.counters = counters;
    this.ip = ip;
    this.buffers = new BufferPool(ip.nic.spare);
    this.addresses = addresses;
    this.random = random;
    this.fastOpenCache = new FastOpenCache(clock);
    this.demux = new Demux(random, clock);
    this.isn = new IsnGenerator(random);
    this.ports = new EphemeralPorts(random);
    this.throttle = new Throttle(clock, config, random);
    this.listeners = new ListenerTable(this.demux.key);
  }

  /** Makes and checks SYN cookies; its secrets are drawn when the first is needed. */
  get cookies(): SynCookies {
    this.#cookies ??= new SynCookies(this.clock, this.random);
    return this.#cookies;
  }

  /** Tells the application that something has happened to the connection: `news` are the epoll events it brings about. */
  notify(tcb: Tcb, news: number): void {
    if (tcb.owner < 0) return;
    tcb.news |= news;
    this.ready.push(tcb);
  }

  /** True when all buffers together are so large that nothing is kept that may come again (tcp_mem, second value). */
  get isUnderPressure(): boolean {
    return this.buffers.inUse >= this.config.mem[1] * PAGE;
  }

  /** True when no buffer may grow any more (tcp_mem, third value). */
  get isOutOfMemory(): boolean {
    return this.buffers.inUse >= this.config.mem[2] * PAGE;
  }

  /** Takes or gives back the memory of out-of-order ranges. */
  reassemblyOf(tcb: Tcb): Reassembly {
    tcb.reassembly ??= this.#reassemblies.pop() ?? new Reassembly();
    return tcb.reassembly;
  }

  dropReassembly(tcb: Tcb): void {
    if (tcb.reassembly === null) return;
    tcb.reassembly.clear();
    this.#reassemblies.push(tcb.reassembly);
    tcb.reassembly = null;
  }

  /**
   * Makes sure that the wheel comes back to the connection at the earliest of its deadlines. To be called after bringing one
   * forward; one that moves back or is dropped costs nothing, for the wheel then comes early and finds nothing due.
   */
  arm(tcb: Tcb): void {
    const deadline = earliestDeadline(tcb);
    if (deadline < this.wheel.deadlineOf(tcb.index)) this.wheel.set(tcb.index, deadline);
  }

  /** The next time at which a connection has something to do, exact: early visits of the wheel are put right on the way. */
  nextDeadline(): Micros {
    const { wheel } = this;
    for (;;) {
      const index = wheel.earliest();
      if (index < 0) return NEVER;
      const tcb = this.demux.awakeAt(index);
      // That of a dormant connection is exact.
      if (tcb === null) return wheel.deadlineOf(index);
      const deadline = earliestDeadline(tcb);
      if (deadline <= wheel.deadlineOf(index)) return wheel.deadlineOf(index);
      wheel.set(index, deadline);
    }
  }

  /** Takes the record of what is in flight, or gives it back when nothing is. */
  boardOf(tcb: Tcb): Scoreboard {
    tcb.board ??= this.#boards.pop() ?? new Scoreboard(this.#rows);
    return tcb.board;
  }

  dropBoard(tcb: Tcb): void {
    if (tcb.board === null) return;
    tcb.board.clear();
    this.#boards.push(tcb.board);
    tcb.board = null;
  }

  /** Gives a connection a record of congestion notification, or the one that it has a new mode. */
  ecnOf(tcb: Tcb, mode: number): EcnState {
    if (tcb.ecn === null) {
      tcb.ecn = this.#ecnStates.pop() ?? new EcnState();
      tcb.ecn.reset(mode);
    }
    tcb.ecn.mode = mode;
    return tcb.ecn;
  }

  /** The state of Fast Open that a connection has until its handshake is complete. */
  fastOpenOf(tcb: Tcb): FastOpen {
    // alloc: once for each connection with Fast Open
    tcb.fastOpen ??= new FastOpen();
    return tcb.fastOpen;
  }

  /** Its handshake is over. One that was reset keeps its place among the pending ones for a while (`expireResets`). */
  dropFastOpen(tcb: Tcb, isReset = false): void {
    const { fastOpen } = tcb;
    if (fastOpen === null) return;
    const { listener } = fastOpen;
    if (listener !== null) {
      if (isReset) listener.fastOpenResets.push(this.clock.now);
      else listener.fastOpenPending--;
    }
    tcb.fastOpen = null;
  }

  /** The stack's keys of Fast Open: those of the option, or others that nobody knows. */
  get fastOpenKeys(): FastOpenKeys {
    const { fastopenKey } = this.config;
    if (fastopenKey !== NO_KEY) return this.fastOpenKeysOf(fastopenKey);
    this.#fastOpenKeys ??= new FastOpenKeys(
      new Uint8Array(Int32Array.from({ length: 4 }, this.random).buffer),
    );
    return this.#fastOpenKeys;
  }

  /** Keys by their text, each made once. */
  fastOpenKeysOf(text: string): FastOpenKeys {
    let keys = this.#namedKeys.get(text);
    if (keys === undefined) {
      keys = new FastOpenKeys(parseKeys(text) ?? new Uint8Array(16));
      this.#namedKeys.set(text, keys);
    }
    return keys;
  }

  dropEcn(tcb: Tcb): void {
    if (tcb.ecn === null) return;
    this.#ecnStates.push(tcb.ecn);
    tcb.ecn = null;
  }

  /** The state of the user timeout option that a connection has or gets. */
  userTimeoutOf(tcb: Tcb): UserTimeout {
    if (tcb.uto === null) {
      tcb.uto = this.#userTimeouts.pop() ?? new UserTimeout();
      tcb.uto.reset();
    }
    return tcb.uto;
  }

  dropUserTimeout(tcb: Tcb): void {
    if (tcb.uto === null) return;
    this.#userTimeouts.push(tcb.uto);
    tcb.uto = null;
  }

  /** Takes a pacer for a connection. */
  takePacer(): Pacer {
    const pacer = this.#pacers.pop() ?? new Pacer();
    pacer.reset();
    return pacer;
  }

  dropPacer(tcb: Tcb): void {
    if (tcb.pacer === null) return;
    this.#pacers.push(tcb.pacer);
    tcb.pacer = null;
  }

  /** Gives back what BBR knows of a connection. */
  dropBbr(tcb: Tcb): void {
    if (tcb.bbr === null) return;
    this.bbrStates.push(tcb.bbr);
    tcb.bbr = null;
  }

  /** Keeps the gauge of RFC 4022's tcpCurrEstab while a connection changes state. */
  enter(tcb: Tcb, state: number): void {
    const before = tcb.state === State.ESTABLISHED || tcb.state === State.CLOSE_WAIT;
    State.enter(tcb, state);
    const after = state === State.ESTABLISHED || state === State.CLOSE_WAIT;
    if (before !== after) this.counters.TcpCurrEstab += after ? 1 : -1;
  }

  /** Keeps the number of connections that no program holds any more and that still have something to send. */
  setOrphan(tcb: Tcb, isOrphan: boolean): void {
    if (tcb.isOrphan === isOrphan) return;
    tcb.isOrphan = isOrphan;
    this.counters.TcpOrphans += isOrphan ? 1 : -1;
  }

  /**
   * Ends a connection: out of every table and queue of the stack, timers off, memory back. With an error the application is
   * told; the block itself goes back to the pool once the application has let go of it.
   */
  destroy(tcb: Tcb, error: number): void {
    if (tcb.state === State.CLOSED) return;
    const wasHalfOpen = tcb.state === State.SYN_RCVD;
    this.setOrphan(tcb, false);
    this.enter(tcb, State.CLOSED);
    this.demux.remove(tcb);
    this.wheel.clear(tcb.index);
    tcb.rtxAt = NEVER;
    tcb.delackAt = NEVER;
    tcb.lifeAt = NEVER;
    tcb.keepAt = NEVER;
    tcb.holdAt = NEVER;
    tcb.ackNow = false;
    tcb.synPending = false;
    tcb.readShut = true;
    if (error !== 0) tcb.error = error;
    tcb.sendBuffer.clear(this.buffers);
    this.dropReassembly(tcb);
    this.dropBoard(tcb);
    this.dropPacer(tcb);
    this.dropBbr(tcb);
    this.dropEcn(tcb);
    this.dropUserTimeout(tcb);
    const wasFast = tcb.fastOpen?.isOpen === true;
    this.dropFastOpen(tcb, error === ECONNRESET);
    const listener = tcb.listener;
    // One that waits to be accepted stays: its data can be read, and what has become of it is told then.
    if (listener !== null && ((wasHalfOpen && !wasFast) || tcb.deferred || listener.closed)) {
      tcb.listener = null;
      if (wasHalfOpen && !wasFast) listener.halfOpen--;
      else if (tcb.deferred) listener.deferred--;
      else listener.acceptQueue.remove(tcb);
      tcb.deferred = false;
      tcb.attached = false;
    }
    this.notify(tcb, EPOLL_ALL);
    if (!tcb.attached) this.free(tcb);
  }

  /** Gives the block of a dead connection back that no program holds any more. */
  free(tcb: Tcb): void {
    tcb.recvBuffer.clear(this.buffers);
    tcb.owner = -1;
    this.demux.free(tcb);
  }
}

function earliestDeadline(tcb: Tcb): Micros {
  const first = tcb.rtxAt < tcb.delackAt ? tcb.rtxAt : tcb.delackAt;
  const second = tcb.keepAt < tcb.holdAt ? tcb.keepAt : tcb.holdAt;
  let least = second < first ? second : first;
  if (tcb.pacer !== null && tcb.pacer.resumeAt < least) least = tcb.pacer.resumeAt;
  return tcb.lifeAt < least ? tcb.lifeAt : least;
}
