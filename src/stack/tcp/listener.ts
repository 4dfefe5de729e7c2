// A listening port (RFC 9293 3.10.1, passive OPEN): how many connections are half open, which ones wait to be accepted, and
// the table in which a SYN finds its listener.

import type { Address } from '../wire/address.js';
import { Endpoint } from '../wire/address.js';
import { AcceptQueue } from './queues.js';

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
    return this.acceptQueue.length > this.backlog;
  }
}

/** Listeners by port. */
export class ListenerTable {
  readonly #byPort = new Map<number, Listener[]>();

  /** Finds the listener for a destination: one of its very address before one of any. */
  find(port: number, address: Address): Listener | undefined {
    const listeners = this.#byPort.get(port);
    if (listeners === undefined) return undefined;
    let any: Listener | undefined;
    for (let i = 0; i < listeners.length; i++) {
      if (listeners[i].local.equals(address)) return listeners[i];
      if (listeners[i].local.isUnspecified) any = listeners[i];
    }
    return any;
  }

  /** True when a listener would clash with `local`: same port, and the same address or either of them any. */
  conflicts(local: Endpoint): boolean {
    const listeners = this.#byPort.get(local.port) ?? [];
    return listeners.some(
      (other) => other.local.isUnspecified || local.isUnspecified || other.local.equals(local),
    );
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
