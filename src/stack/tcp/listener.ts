// A listening port (RFC 9293 3.10.1, passive OPEN): how many connections are half open, which ones wait to be accepted, and
// the table in which a SYN finds its listener.

import { type Micros, NEVER } from '../clock.js';
import { type Address, Endpoint } from '../wire/address.js';
import type { TcpCore } from './core.js';
import { EPOLLIN } from './events.js';
import { AcceptQueue } from './queues.js';
import type { Tcb } from './tcb.js';
import { type Tuning, UNTUNED } from './tuning.js';

export class Listener {
  readonly kind = 'listener';
  /** Socket of the API; -1 for none. */
  owner: number;
  /** The port, and the address or the unspecified one for all. */
  readonly local: Endpoint = new Endpoint();
  /** Connections that may wait to be accepted. */
  backlog: number;
  /** Connections in SYN-RECEIVED. */
  halfOpen = 0;
  readonly acceptQueue: AcceptQueue = new AcceptQueue();
  /** Established connections that are not to be accepted before their first data (TCP_DEFER_ACCEPT). */
  deferred = 0;
  /** Options that its connections begin with. */
  tuning: Tuning = UNTUNED;
  /** Shares its address with other listeners that do so too (SO_REUSEPORT). */
  reusePort = false;
  /** Connections by Fast Open whose handshake is not complete. */
  fastOpenPending = 0;
  /** When those of them were reset that are kept on the list for that reason, the oldest first. */
  readonly fastOpenResets: Micros[] = [];
  /** When a SYN was last answered by a cookie. */
  cookieAt: Micros = -NEVER;
  queued = false;
  /** Events that have come about, as in epoll(7). */
  news = 0;
  closed = false;

  constructor(local: Endpoint, backlog: number, owner: number) {
    this.local.copyEndpoint(local);
    this.backlog = backlog;
    this.owner = owner;
  }

  get isFull(): boolean {
    // Linux lets one more in than the backlog says (listen(2)).
    return this.acceptQueue.length + this.deferred > this.backlog;
  }
}

/** Lets a connection that has been established wait to be accepted. */
export function enqueue(core: TcpCore, tcb: Tcb, listener: Listener): void {
  listener.acceptQueue.push(tcb);
  listener.news |= EPOLLIN;
  core.ready.push(listener);
}

/** Keeps one that has been established from being accepted until its first data, or the listener's time, is there. */
export function defer(core: TcpCore, tcb: Tcb, listener: Listener): void {
  tcb.deferred = true;
  listener.deferred++;
  tcb.holdAt = core.clock.now + listener.tuning.deferAcceptUs;
  core.arm(tcb);
}

/** Ends that. */
export function admit(core: TcpCore, tcb: Tcb): void {
  const { listener } = tcb;
  tcb.deferred = false;
  tcb.holdAt = NEVER;
  if (listener === null) return;
  listener.deferred--;
  enqueue(core, tcb, listener);
}

/** True when a SYN may open one more connection. */
export function hasRoom(core: TcpCore, listener: Listener): boolean {
  const halfOpen = Math.min(core.config.maxSynBacklog, Math.max(8, listener.backlog));
  return !listener.isFull && listener.halfOpen < halfOpen && core.demux.size < core.config.maxConnections;
}

/** Listeners by port. */
export class ListenerTable {
  readonly #byPort = new Map<number, Listener[]>();
  /** Secret, so that nobody outside can choose a listener. */
  readonly #key: number;

  constructor(key = 0) {
    this.#key = key;
  }

  /**
   * Finds the listener for a destination: one of its very address before one of any. Among several that share the address the
   * peer decides, so that each of its connections keeps its listener.
   */
  find(port: number, to: Address, from?: Endpoint): Listener | undefined {
    const listeners = this.#byPort.get(port);
    if (listeners === undefined) return undefined;
    let own = 0;
    let any = 0;
    for (let i = 0; i < listeners.length; i++) {
      if (listeners[i].local.equals(to)) own++;
      else if (listeners[i].local.isUnspecified) any++;
    }
    const count = own > 0 ? own : any;
    let left = count > 1 && from !== undefined ? this.#spread(port, from) % count : 0;
    for (let i = 0; i < listeners.length; i++) {
      const { local } = listeners[i];
      if ((own > 0 ? local.equals(to) : local.isUnspecified) && left-- === 0) return listeners[i];
    }
    return undefined;
  }

  /** True when a listener would clash with `local`: same port, and the same address or either of them any. */
  conflicts(local: Endpoint, reusePort = false): boolean {
    const listeners = this.#byPort.get(local.port) ?? [];
    return listeners.some(
      (other) =>
        !(reusePort && other.reusePort) &&
        (other.local.isUnspecified || local.isUnspecified || other.local.equals(local)),
    );
  }

  #spread(port: number, from: Endpoint): number {
    let h = Math.imul(this.#key ^ from.w3 ^ port, 0x7feb352d);
    h = Math.imul(h ^ (h >>> 15) ^ from.port, 0x846ca68b);
    return (h ^ (h >>> 16)) >>> 0;
  }

  add(listener: Listener): void {
    const listeners = this.#byPort.get(listener.local.port);
    if (listeners === undefined) this.#byPort.set(listener.local.port, [listener]);
    else listeners.push(listener);
  }

  remove(listener: Listener): void {
    const rest = (this.#byPort.get(listener.local.port) ?? []).filter((other) => other !== listener);
    if (rest.length === 0) this.#byPort.delete(listener.local.port);
    else this.#byPort.set(listener.local.port, rest);
  }
}
