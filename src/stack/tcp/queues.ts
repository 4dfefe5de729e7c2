// The queues that connections stand in: those that have news for the application, those that have something to send, and those that
// wait to be accepted. Each stands in a queue at most once; the queues reuse their memory.

import type { Listener } from './listener.js';
import type { Tcb } from './tcb.js';

/** A first-in first-out queue over an array that is used as a ring. */
class Fifo<T> {
  #items: (T | undefined)[] = new Array<T | undefined>(64).fill(undefined);
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(item: T): void {
    if (this.#length === this.#items.length) this.#grow();
    this.#items[(this.#head + this.#length++) & (this.#items.length - 1)] = item;
  }

  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#items.length - 1);
    this.#length--;
    return item;
  }

  /** Takes an item out of the middle, if it is there; those behind it move up. */
  remove(item: T): void {
    const items = this.#items;
    const mask = items.length - 1;
    let at = 0;
    while (at < this.#length && items[(this.#head + at) & mask] !== item) at++;
    if (at === this.#length) return;
    this.#length--;
    for (; at < this.#length; at++) items[(this.#head + at) & mask] = items[(this.#head + at + 1) & mask];
    items[(this.#head + at) & mask] = undefined;
  }

  #grow(): void {
    const size = this.#items.length;
    const items = new Array<T | undefined>(size * 2).fill(undefined);
    for (let i = 0; i < this.#length; i++) items[i] = this.#items[(this.#head + i) & (size - 1)];
    this.#items = items;
    this.#head = 0;
  }
}

/** Endpoints whose readiness may have changed. */
export class ReadyQueue {
  readonly #fifo = new Fifo<Tcb | Listener>();

  get length(): number {
    return this.#fifo.length;
  }

  push(endpoint: Tcb | Listener): void {
    if (endpoint.queued) return;
    endpoint.queued = true;
    this.#fifo.push(endpoint);
  }

  /** Takes the next endpoint out; undefined when there is none. */
  shift(): Tcb | Listener | undefined {
    const endpoint = this.#fifo.shift();
    if (endpoint !== undefined) endpoint.queued = false;
    return endpoint;
  }
}

/** Connections that have something to send. */
export class OutputQueue {
  readonly #fifo = new Fifo<Tcb>();

  get length(): number {
    return this.#fifo.length;
  }

  push(tcb: Tcb): void {
    if (tcb.outputQueued) return;
    tcb.outputQueued = true;
    this.#fifo.push(tcb);
  }

  shift(): Tcb | undefined {
    const tcb = this.#fifo.shift();
    if (tcb !== undefined) tcb.outputQueued = false;
    return tcb;
  }
}

/** Connections that wait to be accepted: a queue that also lets one be taken out of the middle. */
export class AcceptQueue {
  readonly #fifo = new Fifo<Tcb>();

  get length(): number {
    return this.#fifo.length;
  }

  push(tcb: Tcb): void {
    this.#fifo.push(tcb);
  }

  shift(): Tcb | undefined {
    return this.#fifo.shift();
  }

  remove(tcb: Tcb): void {
    this.#fifo.remove(tcb);
  }
}
