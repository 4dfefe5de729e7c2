// A server on the mtcp_* calls: one listener, one epoll set, as many non-blocking connections as the context has sockets.
// What is said on a connection is up to its Service; this accepts, dispatches events and closes.

import type { Mctx } from '../../api/index.js';
import {
  AF_INET,
  EpollEvent,
  errno,
  INADDR_ANY,
  MTCP_EPOLL_CTL_ADD,
  MTCP_EPOLL_CTL_MOD,
  MTCP_EPOLLIN,
  mtcp_abort,
  mtcp_accept,
  mtcp_bind,
  mtcp_close,
  mtcp_epoll_create,
  mtcp_epoll_ctl,
  mtcp_epoll_wait,
  mtcp_last_error,
  mtcp_listen,
  mtcp_setsock_nonblock,
  mtcp_socket,
  SOCK_STREAM,
  setErrno,
  sockaddr_in,
} from '../../api/index.js';
import { EADDRINUSE, EADDRNOTAVAIL, EAGAIN, EINTR } from '../../stack/errors.js';
import type { Service, Session } from './session.js';
import { ABORT, CLOSE, KEEP, Totals } from './session.js';

/** Events taken from the epoll set at once. */
const MAX_EVENTS = 256;
/** Connections accepted before the others have a turn. */
const ACCEPT_BATCH = 64;
/** Records of connections that are kept for use again. */
const SPARE = 1024;

/** Where a server listens. */
export interface ServerOptions {
  readonly port: number;
  /** One of the stack's addresses; any of them when left out. */
  readonly address?: string;
  /** Connections that may wait to be accepted. */
  readonly backlog?: number;
}

class Connection {
  sockid = -1;
  session: Session;
  /** The events that the epoll set has been told. */
  registered = 0;
  /** Its place among the connections. */
  place = 0;

  constructor(session: Session) {
    this.session = session;
  }
}

/** A running server. `poll` does a piece of its work; whoever calls it owns the loop. */
export class Server {
  readonly totals: Totals = new Totals();
  private readonly mctx: Mctx;
  private readonly service: Service;
  private readonly listener: number;
  private readonly epoll: number;
  private readonly events: EpollEvent[] = Array.from({ length: MAX_EVENTS }, () => new EpollEvent());
  private readonly change: EpollEvent = new EpollEvent();
  /** Those that have a session. */
  private readonly connections: Connection[] = [];
  /** By socket: its connection, null while that rests, undefined for none. */
  private readonly bySocket: (Connection | null | undefined)[] = [];
  /** Those that are over, for use again: short connections leave no garbage. */
  private readonly spare: Connection[] = [];
  private closed = false;

  /** Starts to listen. Throws an Error whose message says what is wrong and what to do. */
  constructor(mctx: Mctx, service: Service, { port, address = INADDR_ANY, backlog = 4096 }: ServerOptions) {
    this.mctx = mctx;
    this.service = service;
    this.listener = mtcp_socket(mctx, AF_INET, SOCK_STREAM, 0);
    if (this.listener < 0) throw new Error(`no socket to listen on (${mtcp_last_error()})`);
    mtcp_setsock_nonblock(mctx, this.listener);
    if (
      mtcp_bind(mctx, this.listener, sockaddr_in(address, port)) < 0 ||
      mtcp_listen(mctx, this.listener, backlog) < 0
    ) {
      const reason = errno;
      const sentence = mtcp_last_error();
      mtcp_close(mctx, this.listener);
      if (reason === EADDRINUSE) throw new Error(`port ${port} is in use: choose another --port`);
      if (reason === EADDRNOTAVAIL) throw new Error(`${address} is not an address of the stack`);
      throw new Error(`cannot listen on port ${port} (${sentence})`);
    }
    this.epoll = mtcp_epoll_create(mctx, MAX_EVENTS);
    this.watch(MTCP_EPOLL_CTL_ADD, this.listener, MTCP_EPOLLIN);
  }

  /** Waits up to `timeoutMs` ms for events and deals with them; returns how many there were. */
  poll(timeoutMs: number): number {
    const count = mtcp_epoll_wait(this.mctx, this.epoll, this.events, MAX_EVENTS, timeoutMs);
    if (count < 0) {
      if (errno === EINTR) return 0;
      throw new Error(`the stack has stopped (${mtcp_last_error()})`);
    }
    for (let i = 0; i < count; i++) {
      const { data, events } = this.events[i];
      const { sockid } = data;
      if (sockid === this.listener) {
        this.accept();
        continue;
      }
      const known = this.bySocket[sockid];
      // Not a connection, or no longer.
      if (known === undefined) continue;
      const connection = known ?? this.begin(sockid);
      this.settle(connection, connection.session.onEvents(events));
    }
    return count;
  }

  /** Gives sessions that only wait for their peer a chance to end, or to rest; to be called about once a second. */
  sweep(): void {
    // From the end, since one that is over leaves its place to the last one.
    for (let i = this.connections.length - 1; i >= 0; i--) {
      const connection = this.connections[i];
      if (connection.session.rests === true) this.rest(connection);
      else if (connection.session.sweep !== undefined) this.settle(connection, connection.session.sweep());
    }
  }

  /** Stops listening and resets what is open. Idempotent. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    mtcp_close(this.mctx, this.listener);
    for (let sockid = 0; sockid < this.bySocket.length; sockid++) {
      const connection = this.bySocket[sockid];
      if (connection === undefined) continue;
      if (connection !== null) this.rest(connection);
      this.end(sockid, ABORT);
    }
    mtcp_close(this.mctx, this.epoll);
  }

  private accept(): void {
    for (let i = 0; i < ACCEPT_BATCH; i++) {
      const sockid = mtcp_accept(this.mctx, this.listener);
      if (sockid < 0) {
        // EAGAIN: all accepted. Else this one is lost (no socket free, or gone already), the next may not be.
        if (errno !== EAGAIN) this.totals.failed++;
        return;
      }
      mtcp_setsock_nonblock(this.mctx, sockid);
      while (this.bySocket.length <= sockid) this.bySocket.push(undefined);
      // It rests until there is something to do.
      this.bySocket[sockid] = null;
      this.totals.connections++;
      this.totals.open++;
      if (this.totals.open > this.totals.peak) this.totals.peak = this.totals.open;
      this.watch(MTCP_EPOLL_CTL_ADD, sockid, this.service.want);
    }
  }

  /** Starts a session on a connection that is new, or has rested. */
  private begin(sockid: number): Connection {
    const session = this.service.open(this.mctx, sockid, this.totals);
    const connection = this.spare.pop() ?? new Connection(session);
    connection.sockid = sockid;
    connection.session = session;
    connection.registered = this.service.want;
    connection.place = this.connections.length;
    this.connections.push(connection);
    this.bySocket[sockid] = connection;
    return connection;
  }

  /** Lets a session go, and remembers only that there is a connection. */
  private rest(connection: Connection): void {
    this.bySocket[connection.sockid] = null;
    connection.session.release?.();
    const last = this.connections.pop()!;
    if (last !== connection) {
      this.connections[connection.place] = last;
      last.place = connection.place;
    }
    if (this.spare.length < SPARE) this.spare.push(connection);
  }

  private settle(connection: Connection, verdict: number): void {
    const { session, sockid } = connection;
    if (verdict === KEEP) {
      if (session.want === connection.registered) return;
      connection.registered = session.want;
      this.watch(MTCP_EPOLL_CTL_MOD, sockid, session.want);
      return;
    }
    this.rest(connection);
    this.end(sockid, verdict);
  }

  /** Closes or resets a connection without a session. */
  private end(sockid: number, verdict: number): void {
    this.bySocket[sockid] = undefined;
    this.totals.open--;
    if (verdict === CLOSE) {
      mtcp_close(this.mctx, sockid);
    } else {
      this.totals.failed++;
      // A connection that the peer has reset is gone already; the descriptor is not.
      if (mtcp_abort(this.mctx, sockid) < 0) mtcp_close(this.mctx, sockid);
    }
  }

  private watch(operation: number, sockid: number, events: number): void {
    this.change.events = events;
    this.change.data.sockid = sockid;
    if (mtcp_epoll_ctl(this.mctx, this.epoll, operation, sockid, this.change) < 0) {
      const sentence = mtcp_last_error();
      setErrno(0);
      throw new Error(`the epoll set refused socket ${sockid} (${sentence})`);
    }
  }
}
