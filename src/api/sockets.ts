// The socket table of one context: small integers, lowest free first, to descriptors that are reused, so that a connection
// costs no garbage here. Only src/api uses it.

import type { BlockHolder } from '../stack/tcp/demux.js';
import type { Tcb } from '../stack/tcp/tcb.js';
import { Endpoint } from '../stack/wire/address.js';
import { MTCP_SOCK_STREAM, MTCP_SOCK_UNUSED } from './constants.js';
import type { Interests } from './epoll.js';
import { RestingSockets } from './resting.js';
import { RESTING, Socket, type SocketBlocks, UNBOUND } from './socket.js';

export { CONNECTED, CONNECTING, Socket, UNCONNECTED } from './socket.js';

/** Blank descriptors that are kept for use again; more are left to the garbage collector. */
const SPARE = 1024;

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
  /** Blank ones, of those that rest. */
  private readonly spare: Socket[] = [];
  private readonly resting: RestingSockets;
  private readonly blocks: SocketBlocks;

  constructor(limit: number, blocks: SocketBlocks, interests: Interests) {
    this.limit = limit;
    this.blocks = blocks;
    this.resting = new RestingSockets(interests, blocks);
    this.taken = new Int32Array((limit + 31) >>> 5);
  }

  /** Finds the descriptor of an id, of whatever type the caller was given; undefined when there is none. */
  get(id: unknown): Socket | undefined {
    if (typeof id !== 'number' || !(id >= 0 && id < this.entries.length)) return undefined;
    const socket = this.entries[id];
    if (socket === undefined || socket.kind === MTCP_SOCK_UNUSED) return undefined;
    return socket.kind === RESTING ? this.rise(id) : socket;
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
    if (id === this.entries.length) this.entries.push(this.blank(id));
    const socket = this.entries[id];
    socket.kind = kind;
    this.used++;
    return socket;
  }

  /** Gives an id back. The caller has let go of everything that the descriptor held. */
  release(socket: Socket): void {
    this.unbind(socket);
    socket.reset();
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
    const socket = this.entries[owner];
    if (socket === undefined) return;
    const like = this.resting.rest(socket, index);
    if (like === undefined) {
      socket.sleep(index);
      return;
    }
    this.entries[owner] = like;
    socket.reset();
    if (this.spare.length < SPARE) this.spare.push(socket);
  }

  connectionWakes(owner: number, tcb: Tcb): void {
    const socket = this.get(owner);
    if (socket !== undefined) socket.tcb = tcb;
  }

  lookAhead(owner: number): number {
    const socket = this.entries[owner];
    if (socket === undefined) return 0;
    const { kind, phase, firstInterest } = socket;
    if (firstInterest === undefined) return kind ^ phase;
    return kind ^ phase ^ firstInterest.mask ^ (firstInterest.previousCandidate === undefined ? 1 : 0);
  }

  /** Gives the socket of a dormant connection a descriptor again. */
  private rise(id: number): Socket {
    const like = this.entries[id];
    const socket = this.blank(id);
    this.entries[id] = socket;
    socket.kind = MTCP_SOCK_STREAM;
    this.resting.rise(socket, like);
    return socket;
  }

  private blank(id: number): Socket {
    // alloc: the table grows
    const socket = this.spare.pop() ?? new Socket(id, this.blocks);
    socket.id = id;
    return socket;
  }

  /** Calls `visit` for each descriptor in use. */
  forEach(visit: (socket: Socket) => void): void {
    for (let id = 0; id < this.entries.length; id++) {
      const socket = this.get(id);
      if (socket !== undefined) visit(socket);
    }
  }
}
