// Drives a context from Node's event loop for sockets and servers of this folder: one epoll set for all of them, a turn of the stack at
// a time, and the process kept alive as long as one of them wants it.

import { AsyncResource } from 'node:async_hooks';
import type { Mctx } from '../api/index.js';
import {
  EpollEvent,
  MTCP_EPOLL_CTL_ADD,
  MTCP_EPOLL_CTL_DEL,
  MTCP_EPOLL_CTL_MOD,
  MTCP_EPOLLET,
  MTCP_EPOLLIN,
  MTCP_EPOLLOUT,
  MTCP_EPOLLRDHUP,
  mtcp_epoll_create,
  mtcp_epoll_ctl,
} from '../api/index.js';
import { turn } from '../api/loop.js';

/** Something with a socket of the context. */
export interface Handle {
  /** Whether it keeps the process alive. */
  isReferenced: boolean;
  /** What its events run in: an AsyncLocalStorage holds there what it held when that was made, as in Node. */
  readonly scope: AsyncResource;
  /** Deals with events that have come about; they are told once (MTCP_EPOLLET), and again if it throws. */
  onEvents(events: number): void;
  /** The context is no more, and its socket with it. */
  onDestroyed(): void;
}

const MAX_EVENTS = 256;
/** Turns without work after which the event loop is left to sleep between two. */
const IDLE_TURNS = 1000;
const SLEEP_MS = 1;
const WATCHED = MTCP_EPOLLIN | MTCP_EPOLLOUT | MTCP_EPOLLRDHUP | MTCP_EPOLLET;

const drivers = new WeakMap<Mctx, Driver>();

/** The driver of a context, which is made when it is first asked for. */
export function driverOf(mctx: Mctx): Driver {
  let driver = drivers.get(mctx);
  if (driver === undefined) {
    driver = new Driver(mctx);
    drivers.set(mctx, driver);
  }
  return driver;
}

/** Lets a context work while it has handles, and until what they have left behind has been sent. */
export class Driver {
  readonly mctx: Mctx;
  /** When the last turn began, in ms of `performance.now`. */
  now = performance.now();
  private readonly epoll: number;
  private readonly events: EpollEvent[] = Array.from({ length: MAX_EVENTS }, () => new EpollEvent());
  /** How many of `events` are filled, and which of them is told next. */
  private filled = 0;
  private next = 0;
  /**
   * By socket. Not a Map: each time one has grown it leaves its old table behind, which holds on to the next, and so all handles of
   * short connections would live until the whole heap is collected.
   */
  private readonly handles: (Handle | undefined)[] = [];
  private handleCount = 0;
  /** By socket: how many batches of events had been collected when its handle was added. What those say is not of this handle. */
  private readonly addedAt: number[] = [];
  private batches = 0;
  /** Sockets of handles that wait for a descriptor. */
  private readonly waiting = new Set<number>();
  /** Keeps the turns out of the scope of whoever happened to cause the first one. */
  private readonly scope = new AsyncResource('MTCPDRIVER');
  private referenced = 0;
  private idleTurns = 0;
  private isRunning = false;
  private pending: NodeJS.Immediate | NodeJS.Timeout | undefined = undefined;
  /** `pending` is an immediate. */
  private isPrompt = false;

  constructor(mctx: Mctx) {
    this.mctx = mctx;
    this.epoll = mtcp_epoll_create(mctx, MAX_EVENTS);
  }

  /** Begins to tell a handle of the events of its socket. */
  add(sockid: number, handle: Handle): void {
    this.handles[sockid] = handle;
    this.addedAt[sockid] = this.batches;
    this.handleCount++;
    if (handle.isReferenced) this.reference(1);
    mtcp_epoll_ctl(this.mctx, this.epoll, MTCP_EPOLL_CTL_ADD, sockid, {
      events: WATCHED,
      data: { ptr: handle },
    });
    this.wake();
  }

  /** Has a handle told again of what holds for its socket, in a turn to come: it has left something undone. */
  again(sockid: number): void {
    const handle = this.handles[sockid];
    if (handle === undefined || this.mctx.destroyed) return;
    const event = { events: WATCHED, data: { ptr: handle } };
    mtcp_epoll_ctl(this.mctx, this.epoll, MTCP_EPOLL_CTL_MOD, sockid, event);
    this.wake();
  }

  /** Has a handle told again when a descriptor is free: it needs one, and all are in use. */
  againWhenFree(sockid: number): void {
    this.waiting.add(sockid);
  }

  /** Tells a handle nothing more; to be called before the socket is closed. */
  remove(sockid: number): void {
    const handle = this.handles[sockid];
    if (handle === undefined) return;
    this.handles[sockid] = undefined;
    this.handleCount--;
    if (handle.isReferenced) this.reference(-1);
    if (!this.mctx.destroyed) mtcp_epoll_ctl(this.mctx, this.epoll, MTCP_EPOLL_CTL_DEL, sockid);
    if (this.waiting.size === 0) return;
    for (const other of this.waiting) this.again(other);
    this.waiting.clear();
  }

  /** Says that a handle keeps the process alive from now on, or no longer. */
  setReferenced(sockid: number, handle: Handle, isReferenced: boolean): void {
    if (handle.isReferenced === isReferenced) return;
    handle.isReferenced = isReferenced;
    if (this.handles[sockid] === handle) this.reference(isReferenced ? 1 : -1);
  }

  /** Something has been given to the stack: it is looked after soon. */
  wake(): void {
    this.idleTurns = 0;
    if (!this.isRunning) {
      this.isRunning = true;
      this.now = performance.now();
      this.reschedule();
    } else if (this.pending !== undefined && !this.isPrompt && this.isNeeded()) {
      // It sleeps, and perhaps nobody was to wait for it.
      this.reschedule();
    }
  }

  private readonly step = (): void => {
    this.pending = undefined;
    this.now = performance.now();
    if (this.mctx.destroyed) {
      this.isRunning = false;
      const handles = this.handles.filter((handle) => handle !== undefined);
      this.handles.length = 0;
      this.handleCount = 0;
      for (const handle of handles) handle.scope.runInAsyncScope(handle.onDestroyed, handle);
      return;
    }
    this.mctx.stack.tcp.core.dormancy.resume();
    const isBusy = turn(this.mctx);
    const isHeard = this.collect();
    this.idleTurns = isBusy || isHeard ? 0 : this.idleTurns + 1;
    try {
      this.dispatch();
    } finally {
      // A listener may have thrown. As in Node that is the affair of the process alone, and if it lives on, so do all connections.
      this.goOn();
    }
  };

  private goOn(): void {
    if (this.handleCount === 0 && this.idleTurns > 0 && !this.hasUnfinished()) {
      this.isRunning = false;
      return;
    }
    this.schedule();
  }

  private schedule(): void {
    const isNeeded = this.isNeeded();
    // An immediate that is unreferenced does not run before something else wakes the event loop; a timer wakes it itself.
    this.isPrompt = isNeeded && this.idleTurns < IDLE_TURNS;
    this.pending = this.isPrompt ? setImmediate(this.step) : setTimeout(this.step, SLEEP_MS);
    if (!isNeeded) this.pending.unref();
  }

  private reschedule(): void {
    if (this.isPrompt) clearImmediate(this.pending as NodeJS.Immediate | undefined);
    else clearTimeout(this.pending as NodeJS.Timeout | undefined);
    this.scope.runInAsyncScope(this.schedule, this);
  }

  /** Tells whether the process is to live on: for a handle that wants it, or for what those that are closed have left to send. */
  private isNeeded(): boolean {
    return this.referenced > 0 || this.handleCount === 0 || this.hasUnfinished();
  }

  private reference(change: 1 | -1): void {
    this.referenced += change;
    if (this.pending === undefined) return;
    if (this.isNeeded()) {
      this.pending.ref();
      return;
    }
    this.reschedule();
  }

  /**
   * Asks for events, unless some are left of those that were told last. Returns whether there are any. Not by `mtcp_epoll_wait`, which
   * turns the stack once more: it would acknowledge what handles are about to answer.
   */
  private collect(): boolean {
    if (this.next < this.filled) return true;
    const { interests, sockets } = this.mctx;
    const set = sockets.get(this.epoll)?.epoll;
    this.next = 0;
    this.filled = set === undefined ? 0 : interests.collect(set, this.events, MAX_EVENTS);
    if (this.filled === 0) return false;
    this.batches++;
    return true;
  }

  /** Tells the handles. When one throws, the next call begins with the one after it. */
  private dispatch(): void {
    while (this.next < this.filled && !this.mctx.destroyed) {
      const { events, data } = this.events[this.next++];
      const handle = data.ptr as Handle;
      data.ptr = null;
      // Whoever was told before may have closed it; and when that one threw, it may be connected anew since, by the same socket.
      if (this.handles[data.sockid] !== handle || this.addedAt[data.sockid] === this.batches) continue;
      let isDone = false;
      try {
        handle.scope.runInAsyncScope(handle.onEvents, handle, events);
        isDone = true;
      } finally {
        if (!isDone) this.again(data.sockid);
      }
    }
  }

  /** Tells whether there are connections whose sockets are closed and that still have something to send, or to be told. */
  private hasUnfinished(): boolean {
    return this.mctx.stack.counters.TcpOrphans > 0;
  }
}
