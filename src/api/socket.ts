// One descriptor of a context: a stream, a listener, an epoll set or the end of a pipe. Only src/api uses it.

import type { Demux } from '../stack/tcp/demux.js';
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

/** Kind of what stands for the sockets of dormant connections (resting.ts). */
export const RESTING = -1;

/** The address of all sockets that are bound to none. */
export const UNBOUND = new Endpoint();

/** Where blocks of dormant connections come back from. */
export type SocketBlocks = Pick<Demux, 'at'>;

/**
 * One descriptor: a stream, a listener, an epoll set or the end of a pipe. Objects have their fields in this order: what every call
 * asks comes first, to lie together.
 */
export class Socket {
  id: number;
  /** MTCP_SOCK_UNUSED, _STREAM, _LISTENER, _EPOLL or _PIPE; RESTING for what is no descriptor itself. */
  kind = MTCP_SOCK_UNUSED;
  private connection: Tcb | undefined = undefined;
  /** Place of its connection in the stack's table while that is dormant; -1 when it is not. */
  private dormantAt = -1;
  nonblocking = false;
  /** True after `mtcp_shutdown` of the receiving side: reads find the end of the stream. */
  readShut = false;
  /** The SYN to this peer is left to the first write (TCP_FASTOPEN_CONNECT). */
  fastOpenTo: Endpoint | undefined = undefined;
  pipe: Pipe | undefined = undefined;
  /** The first entry of this socket in an epoll set. */
  firstInterest: Interest | undefined = undefined;
  /** UNCONNECTED, CONNECTING or CONNECTED; of streams. */
  phase = UNCONNECTED;
  listener: Listener | undefined = undefined;
  epoll: EpollSet | undefined = undefined;
  private readonly blocks: SocketBlocks;
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
  /** The next SYN asks for a cookie of Fast Open. */
  asksForCookie = false;

  constructor(id: number, blocks: SocketBlocks) {
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

  /** Puts every field back to its first value; what it refers to has been let go, and it is bound to nothing. */
  reset(): void {
    this.kind = MTCP_SOCK_UNUSED;
    this.nonblocking = false;
    this.phase = UNCONNECTED;
    this.tuning = UNTUNED;
    this.reuseAddress = false;
    this.reusePort = false;
    this.lingerS = -1;
    this.receiveTimeoutUs = 0;
    this.sendTimeoutUs = 0;
    this.tellsInq = false;
    this.reserved = 0;
    this.reservedTurn = -1;
    this.readShut = false;
    this.fastOpenTo = undefined;
    this.asksForCookie = false;
    this.tcb = undefined;
    this.listener = undefined;
    this.epoll = undefined;
    this.pipe = undefined;
  }

  /** Takes over what `other` has been set to. Both are streams without an address of their own. */
  copySettings(other: Socket): void {
    this.phase = other.phase;
    this.nonblocking = other.nonblocking;
    this.tuning = other.tuning;
    this.reuseAddress = other.reuseAddress;
    this.reusePort = other.reusePort;
    this.lingerS = other.lingerS;
    this.receiveTimeoutUs = other.receiveTimeoutUs;
    this.sendTimeoutUs = other.sendTimeoutUs;
    this.tellsInq = other.tellsInq;
    this.readShut = other.readShut;
  }

  /** True when `copySettings` would change nothing. */
  hasSettingsOf(other: Socket): boolean {
    return (
      this.phase === other.phase &&
      this.nonblocking === other.nonblocking &&
      this.tuning === other.tuning &&
      this.reuseAddress === other.reuseAddress &&
      this.reusePort === other.reusePort &&
      this.lingerS === other.lingerS &&
      this.receiveTimeoutUs === other.receiveTimeoutUs &&
      this.sendTimeoutUs === other.sendTimeoutUs &&
      this.tellsInq === other.tellsInq &&
      this.readShut === other.readShut
    );
  }
}
