// One core's world (mTCP's mctx): a Nic, a stack, a socket table and epoll sets. Nothing in it is shared with another core.
// `mtcp_create_context` makes one on a queue of an interface, src/testing makes one on a Nic in memory.

import type { Nic } from '../nic/nic.js';
import { RX_STRIDE } from '../nic/nic.js';
import type { StackOptions } from '../stack/stack.js';
import { Stack } from '../stack/stack.js';
import { type Address, Endpoint } from '../stack/wire/address.js';
import type { CoreSiblings } from './core-siblings.js';
import { Interests } from './epoll.js';
import { RX_BATCH, turn } from './loop.js';
import type { SourcePool } from './rss-calls.js';
import { SocketTable } from './sockets.js';

/** Sockets of a context when nothing else is said; the table grows as they are made. */
export const DEFAULT_MAX_CONCURRENCY = 100_000;

/** What a context can be told beyond its stack's options. */
export interface ContextOptions {
  /** Most sockets at a time (mTCP's max_concurrency). */
  maxConcurrency?: number;
}

/** A context, `mctx_t`. Programs pass it to every call; its members are for those who drive or watch a core. */
export class Context {
  readonly cpu: number;
  readonly nic: Nic;
  readonly stack: Stack;
  /** Reads the clock: integer microseconds since the context was made. */
  readonly clock: () => number;
  readonly sockets: SocketTable;
  readonly interests: Interests;
  /** The receive batch of `turn`. */
  readonly batch = new Int32Array(RX_BATCH * RX_STRIDE);
  /** Scratch of the calls. */
  readonly local = new Endpoint();
  readonly remote = new Endpoint();
  /** Source addresses by destination; see `mtcp_init_rss`. */
  readonly sourcePools = new Map<number, SourcePool>();
  /** Turns of the loop so far. */
  turns = 0;
  /** Calls that answered EAGAIN since the last turn. */
  attempts = 0;
  /** The last `mtcp_epoll_wait` found something and did not turn the loop. */
  hasSkipped = false;
  destroyed = false;
  /** The other cores of the host; undefined when this is the only one. */
  siblings: CoreSiblings | undefined = undefined;
  /** Not 0 when whoever started this core wants it to end; undefined when nobody did. */
  stopWord: Int32Array | undefined = undefined;

  constructor(nic: Nic, stack: Stack, clock: () => number, cpu: number, options: ContextOptions = {}) {
    this.cpu = cpu;
    this.nic = nic;
    this.stack = stack;
    this.clock = clock;
    const { demux } = stack.tcp.core;
    this.interests = new Interests(stack.tcp);
    const limit = options.maxConcurrency ?? DEFAULT_MAX_CONCURRENCY;
    this.sockets = new SocketTable(limit, demux, this.interests);
    demux.holder = this.sockets;
  }

  /** Tells whether an address is one of this host's. */
  isOwnAddress(address: Address): boolean {
    return this.stack.addresses.has(address);
  }

  /** Tells that a call that waits is to end with EINTR. */
  get isInterrupted(): boolean {
    return this.destroyed || (this.stopWord !== undefined && Atomics.load(this.stopWord, 0) !== 0);
  }

  /** Turns the loop once; see `loop.ts`. Returns whether anything happened. */
  turn(): boolean {
    return this.destroyed ? false : turn(this);
  }

  /** Brings the stack's time up to date, for a call that starts timers. */
  touch(): void {
    this.stack.now = this.clock();
  }

  /** Hands what the stack has to tell to the epoll sets. Returns whether there was anything. */
  drainNews(): boolean {
    const { ready } = this.stack.tcp;
    let any = false;
    for (let endpoint = ready.shift(); endpoint !== undefined; endpoint = ready.shift()) {
      any = true;
      const socket = this.sockets.get(endpoint.owner);
      const { news } = endpoint;
      endpoint.news = 0;
      // A connection that waits to be accepted, or one whose socket has been closed, has nobody to tell.
      if (socket === undefined || (socket.tcb !== endpoint && socket.listener !== endpoint)) continue;
      if (socket.firstInterest !== undefined) this.interests.notify(socket, news);
    }
    return any;
  }

  /** Sends what is written, resets what is open, and closes the Nic. Idempotent. */
  destroy(): void {
    if (this.destroyed) return;
    try {
      turn(this);
      const { tcp } = this.stack;
      this.sockets.forEach((socket) => {
        if (socket.tcb !== undefined) tcp.abort(socket.tcb);
        if (socket.listener !== undefined) tcp.unlisten(socket.listener);
      });
      this.stack.output();
      this.nic.flush();
    } finally {
      this.destroyed = true;
      this.siblings?.close();
      this.nic.close();
    }
  }
}

/**
 * Makes a context on a Nic. `clock` gives integer microseconds since the stack's start, `random` uniform int32 values.
 * @throws RangeError that names the option when one of the stack's options is wrong
 */
export function makeContext(
  nic: Nic,
  stackOptions: StackOptions,
  clock: () => number,
  random: () => number,
  cpu: number,
  options: ContextOptions = {},
): Context {
  return new Context(nic, new Stack(nic, stackOptions, random), clock, cpu, options);
}
