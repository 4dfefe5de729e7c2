// The socket table of one context: small integers, lowest free first, to descriptors that are reused, so that a connection
// costs no garbage here. Only src/api uses it.

import type { BlockHolder, Demux } from '../stack/tcp/demux.js';
import type { Listener } from '../stack/tcp/listener.js';
import type { Tcb } from '../stack/tcp/tcb.js';
import { type Tuning, UNTUNED } from '../stack/tcp/tuning.js';
import { Endpoint } from '../stack/wire/address.js';
import { MTCP_SOCK_UNUSED } from './constants.js';
import type { EpollSet, Interest } from './epoll.js';
import type { Pipe } from './pipe.js';

/** Not connected, and no attempt under way. */
export const UNCONNECTED = 0;
/** `mtcp_connect` has been called and its outcome has not been told to the application yet. */
export const CONNECTING = 1;
/** Connected, now or once. */
export const CONNECTED = 2;

/** The address of all sockets that are bound to none. */
const UNBOUND = new Endpoint();

/** Where blocks of dormant connections come back from. */
type Blocks = Pick<Demux, 'at'>;

/** One descriptor: a stream, a listener, an epoll set or the end of a pipe. */
export class Socket {
  readonly id: number;
  /** MTCP_SOCK_UNUSED, _STREAM, _LISTENER, _EPOLL or _PIPE. */
  kind = MTCP_SOCK_UNUSED;
  nonblocking = false;
  /** UNCONNECTED, CONNECTING or CONNECTED; of streams. */
  phase = UNCONNECTED;
  /** True after `mtcp_bind`; `local` is what it was given. */
  bound = false;
  local: Endpoint = UNBOUND;
  /** Options of its connection, and of those to come. */
  tuning: Tuning = UNTUNED;
  reuseAddress = false;
  reusePort = false;
  /** SO_LINGER in seconds; -1 when off. */
  lingerS = -1;
  /** SO_RCVTIMEO and SO_SNDTIMEO in µs; 0 for ever. */
  receiveTimeoutUs = 0;
  sendTimeoutUs = 0;
  /** `mtcp_recvmsg` tells how much is left (TCP_INQ). */
  tellsInq = false;
  /** Bytes that `mtcp_send_reserve` has given out, and the turn of the loop in which it did. */
  reserved = 0;
  reservedTurn = -1;
  /** True after `mtcp_shutdown` of the receiving side: reads find the end of the stream. */
  readShut = false;
  /** The SYN to this peer is left to the first write (TCP_FASTOPEN_CONNECT). */
  fastOpenTo: Endpoint | undefined = undefined;
  /** The next SYN asks for a cookie of Fast Open. */
  asksForCookie = false;
  private connection: Tcb | undefined = undefined;
  /** Place of its connection in the stack's table while that is dormant; -1 when it is not. */
  private dormantAt = -1;
  private readonly blocks: Blocks;
  listener: Listener | undefined = undefined;
  epoll: EpollSet | undefined = undefined;
  pipe: Pipe | undefined = undefined;
  /** The first entry of this socket in an epoll set. */
  firstInterest: Interest | undefined = undefined;

  constructor(id: number, blocks: Blocks) {
    this.id = id;
    this.blocks = blocks;
  }

  /** The block of its connection, which a dormant one gets again; not to be kept beyond the next turn of the loop. */
  get tcb(): Tcb | undefined {
    return this.dormantAt < 0 ? this.connection : (this.blocks.at(this.dormantAt) ?? undefined);
  }

  set tcb(tcb: Tcb | undefined) {
    this.connection = tcb;
    this.dormantAt = -1;
  }

  /** Its connection gives up its block, which comes back by the setter. */
  sleep(index: number): void {
    this.connection = undefined;
    this.dormantAt = index;
  }
}

/** Descriptors by id. */
export class SocketTable implements BlockHolder {
  /** How many descriptors there can be. */
  readonly limit: number;
  /** How many there are. */
  used = 0;
  private readonly entries: Socket[] = [];
  /** One bit per id, set when it is in use. */
  private readonly taken: Int32Array;
  /** How many sockets are bound to a port. */
  private readonly boundTo = new Map<number, number>();
  /** No id below 32 times this is free. */
  private firstWord = 0;
  private readonly blocks: Blocks;

  constructor(limit: number, blocks: Blocks) {
    this.limit = limit;
    this.blocks = blocks;
    this.taken = new Int32Array((limit + 31) >>> 5);
  }

  /** Finds the descriptor of an id, of whatever type the caller was given; undefined when there is none. */
  get(id: unknown): Socket | undefined {
    if (typeof id !== 'number' || !(id >= 0 && id < this.entries.length)) return undefined;
    const socket = this.entries[id];
    return socket === undefined || socket.kind === MTCP_SOCK_UNUSED ? undefined : socket;
  }

  /** Takes the lowest free id. Returns undefined when all are in use. */
  take(kind: number): Socket | undefined {
    if (this.used >= this.limit) return undefined;
    let word = this.firstWord;
    while (this.taken[word] === -1) word++;
    this.firstWord = word;
    const free = ~this.taken[word];
    const bit = 31 - Math.clz32(free & -free);
    this.taken[word] |= 1 << bit;
    const id = (word << 5) | bit;
    if (id === this.entries.length) this.entries.push(new Socket(id, this.blocks));
    const socket = this.entries[id];
    socket.kind = kind;
    this.used++;
    return socket;
  }

  /** Gives an id back. The caller has let go of everything that the descriptor held. */
  release(socket: Socket): void {
    socket.kind = MTCP_SOCK_UNUSED;
    socket.nonblocking = false;
    socket.phase = UNCONNECTED;
    this.unbind(socket);
    socket.tuning = UNTUNED;
    socket.reuseAddress = false;
    socket.reusePort = false;
    socket.lingerS = -1;
    socket.receiveTimeoutUs = 0;
    socket.sendTimeoutUs = 0;
    socket.tellsInq = false;
    socket.reserved = 0;
    socket.reservedTurn = -1;
    socket.readShut = false;
    socket.fastOpenTo = undefined;
    socket.asksForCookie = false;
    socket.tcb = undefined;
    socket.listener = undefined;
    socket.epoll = undefined;
    socket.pipe = undefined;
    const word = socket.id >>> 5;
    this.taken[word] &= ~(1 << (socket.id & 31));
    if (word < this.firstWord) this.firstWord = word;
    this.used--;
  }

  /** Records the address that a socket is bound to. */
  bind(socket: Socket, local: Endpoint): void {
    this.unbind(socket);
    socket.local = new Endpoint().copyEndpoint(local);
    socket.bound = true;
    this.boundTo.set(local.port, (this.boundTo.get(local.port) ?? 0) + 1);
  }

  private unbind(socket: Socket): void {
    if (!socket.bound) return;
    const left = (this.boundTo.get(socket.local.port) ?? 1) - 1;
    if (left > 0) this.boundTo.set(socket.local.port, left);
    else this.boundTo.delete(socket.local.port);
    socket.bound = false;
    socket.local = UNBOUND;
  }

  /** Finds a bound stream or listener that keeps `asker` from binding to `local`. */
  findBound(local: Endpoint, asker: Socket): Socket | undefined {
    if (!this.boundTo.has(local.port)) return undefined;
    for (const socket of this.entries) {
      if (socket.bound && socket !== asker && socket.local.port === local.port) {
        if (asker.reusePort && socket.reusePort) continue;
        if (asker.reuseAddress && socket.reuseAddress && socket.listener === undefined) continue;
        if (local.isUnspecified || socket.local.isUnspecified || socket.local.equals(local)) return socket;
      }
    }
    return undefined;
  }

  connectionSleeps(owner: number, index: number): void {
    this.entries[owner]?.sleep(index);
  }

  connectionWakes(owner: number, tcb: Tcb): void {
    const socket = this.entries[owner];
    if (socket !== undefined) socket.tcb = tcb;
  }

  lookAhead(owner: number): number {
    const socket = this.entries[owner];
    if (socket === undefined) return 0;
    const { kind, reservedTurn, firstInterest } = socket;
    return (
      kind ^ reservedTurn ^ (firstInterest === undefined ? 0 : firstInterest.mask ^ firstInterest.number)
    );
  }

  /** Calls `visit` for each descriptor in use. */
  forEach(visit: (socket: Socket) => void): void {
    for (const socket of this.entries) if (socket.kind !== MTCP_SOCK_UNUSED) visit(socket);
  }
}
