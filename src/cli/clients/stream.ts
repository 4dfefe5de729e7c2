// One connection of the stack for a client that has other things to look at as well (signals, stdin): non-blocking calls on
// the stack behind promises. Whoever waits turns the loop, with a turn of Node's event loop in between.

import type { Mctx } from '../../api/index.js';
import {
  AF_INET,
  EpollEvent,
  errno,
  errnoName,
  MTCP_EPOLL_CTL_ADD,
  MTCP_EPOLL_CTL_MOD,
  MTCP_EPOLLERR,
  MTCP_EPOLLHUP,
  MTCP_EPOLLIN,
  MTCP_EPOLLOUT,
  mtcp_abort,
  mtcp_accept,
  mtcp_bind,
  mtcp_close,
  mtcp_connect,
  mtcp_epoll_create,
  mtcp_epoll_ctl,
  mtcp_epoll_wait,
  mtcp_getsockopt,
  mtcp_last_error,
  mtcp_listen,
  mtcp_read,
  mtcp_setsock_nonblock,
  mtcp_shutdown,
  mtcp_socket,
  mtcp_write,
  SHUT_WR,
  SO_ERROR,
  SOCK_STREAM,
  SOL_SOCKET,
  sockaddr_in,
  strerror,
} from '../../api/index.js';
import { EAGAIN, EINPROGRESS, EINTR } from '../../stack/errors.js';
import { CLOSE_WAIT, CLOSED, CLOSING, FIN_WAIT_1, LAST_ACK } from '../../stack/tcp/state.js';
import { CliError } from '../failure.js';
import { MAX_WAIT_MS, Yielder } from '../runner.js';

/** A connection that did not come about or broke. */
export class StreamError extends CliError {
  /** The errno, positive. */
  readonly errno: number;

  constructor(what: string, number: number) {
    super(`${what}: ${strerror(number).toLowerCase()} (${errnoName(number)})`);
    this.name = 'StreamError';
    this.errno = number;
  }
}

/** How a Stream waits and gives up. */
export interface Patience {
  /** The longest wait without any progress, in ms. */
  readonly timeoutMs: number;
  /** Asked at each turn: true stops waiting with an AbortedError. */
  readonly cancelled: () => boolean;
}

/** A wait that was cancelled from outside (a signal). */
export class AbortedError extends CliError {
  constructor() {
    super('interrupted');
    this.name = 'AbortedError';
  }
}

/** A TCP connection of the stack. */
export class Stream {
  readonly sockid: number;
  private readonly mctx: Mctx;
  private readonly patience: Patience;
  private readonly epoll: number;
  private readonly events: EpollEvent[] = [new EpollEvent()];
  private readonly yielder: Yielder = new Yielder();
  private watched = 0;
  private closed = false;

  /** Wraps a socket that is connected or connecting. */
  constructor(mctx: Mctx, sockid: number, patience: Patience) {
    this.mctx = mctx;
    this.sockid = sockid;
    this.patience = patience;
    mtcp_setsock_nonblock(mctx, sockid);
    this.epoll = mtcp_epoll_create(mctx, 1);
    this.watch(MTCP_EPOLL_CTL_ADD, 0);
  }

  /** Connects. Throws StreamError. */
  static async connect(mctx: Mctx, address: string, port: number, patience: Patience): Promise<Stream> {
    const sockid = mtcp_socket(mctx, AF_INET, SOCK_STREAM, 0);
    if (sockid < 0) throw new StreamError('no socket', errno);
    const stream = new Stream(mctx, sockid, patience);
    const what = `connecting to ${address}:${port}`;
    try {
      if (mtcp_connect(mctx, sockid, sockaddr_in(address, port)) < 0) {
        if (errno !== EINPROGRESS) throw new StreamError(what, errno);
        await stream.wait(MTCP_EPOLLOUT, what);
        const error = { value: 0 };
        mtcp_getsockopt(mctx, sockid, SOL_SOCKET, SO_ERROR, error);
        if (error.value !== 0) throw new StreamError(what, error.value);
      }
      return stream;
    } catch (error) {
      stream.close();
      throw error;
    }
  }

  /** Waits for one connection to a port. Throws StreamError. */
  static async accept(mctx: Mctx, port: number, patience: Patience): Promise<Stream> {
    const sockid = mtcp_socket(mctx, AF_INET, SOCK_STREAM, 0);
    if (sockid < 0) throw new StreamError('no socket', errno);
    const listener = new Stream(mctx, sockid, patience);
    try {
      if (mtcp_bind(mctx, sockid, sockaddr_in('0.0.0.0', port)) < 0 || mtcp_listen(mctx, sockid, 1) < 0) {
        throw new StreamError(`listening on port ${port}`, errno);
      }
      for (;;) {
        const accepted = mtcp_accept(mctx, sockid);
        if (accepted >= 0) return new Stream(mctx, accepted, patience);
        if (errno !== EAGAIN) throw new StreamError('accepting', errno);
        await listener.wait(MTCP_EPOLLIN, 'waiting for a connection');
      }
    } finally {
      listener.close();
    }
  }

  /** Reads what is there, waiting for the first byte; 0 at the end of the stream. Throws StreamError. */
  async read(buffer: Uint8Array): Promise<number> {
    for (;;) {
      const received = this.tryRead(buffer);
      if (received >= 0) return received;
      await this.wait(MTCP_EPOLLIN, 'reading');
    }
  }

  /** Reads what is there; -1 when that is nothing yet. Throws StreamError. */
  tryRead(buffer: Uint8Array): number {
    const received = mtcp_read(this.mctx, this.sockid, buffer, buffer.length);
    if (received < 0 && errno !== EAGAIN) throw new StreamError('reading', errno);
    return received;
  }

  /** Writes everything, waiting for room. Throws StreamError. */
  async write(bytes: Uint8Array): Promise<void> {
    let done = 0;
    while (done < bytes.length) {
      const sent = this.tryWrite(bytes.subarray(done));
      done += sent;
      if (sent === 0) await this.wait(MTCP_EPOLLOUT, 'writing');
    }
  }

  /** Writes what there is room for and says how much that was. Throws StreamError. */
  tryWrite(bytes: Uint8Array): number {
    const sent = mtcp_write(this.mctx, this.sockid, bytes, bytes.length);
    if (sent >= 0) return sent;
    if (errno !== EAGAIN) throw new StreamError('writing', errno);
    return 0;
  }

  /** Ends this side's data; the other side can go on. */
  shutdownWrite(): void {
    mtcp_shutdown(this.mctx, this.sockid, SHUT_WR);
  }

  /**
   * Turns the loop for at most `timeoutMs` ms or until one of `interest` (MTCP_EPOLL*) is there, then lets Node's event loop
   * have a turn. Returns the events.
   */
  async turn(interest: number, timeoutMs: number): Promise<number> {
    if (interest !== this.watched) this.watch(MTCP_EPOLL_CTL_MOD, interest);
    const count = mtcp_epoll_wait(this.mctx, this.epoll, this.events, 1, timeoutMs);
    if (count < 0 && errno !== EINTR) throw new CliError(`the stack has stopped (${mtcp_last_error()})`);
    await this.yielder.yield(count <= 0);
    return count > 0 ? this.events[0].events : 0;
  }

  private async wait(interest: number, what: string): Promise<void> {
    const { timeoutMs, cancelled } = this.patience;
    const untilMs = performance.now() + timeoutMs;
    for (;;) {
      if (cancelled()) throw new AbortedError();
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0) throw new CliError(`${what}: nothing happened for ${timeoutMs / 1000} s`);
      const wait = Math.ceil(Math.min(MAX_WAIT_MS, leftMs));
      if (((await this.turn(interest, wait)) & (interest | MTCP_EPOLLERR | MTCP_EPOLLHUP)) !== 0) return;
    }
  }

  /**
   * Ends this side's data and waits until the peer's TCP has acknowledged all of it, or `timeoutMs` ms have passed: for a
   * program that is about to end, with which the retransmissions would end too.
   */
  async flush(timeoutMs: number): Promise<void> {
    this.shutdownWrite();
    const untilMs = performance.now() + timeoutMs;
    while (!this.patience.cancelled() && performance.now() < untilMs) {
      const state = this.mctx.sockets.get(this.sockid)?.tcb?.state ?? CLOSED;
      if (state !== FIN_WAIT_1 && state !== CLOSING && state !== LAST_ACK && state !== CLOSE_WAIT) return;
      await this.turn(0, 5);
    }
  }

  /** Closes in order; what was written still goes out as long as somebody turns the loop. Idempotent. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    mtcp_close(this.mctx, this.sockid);
    mtcp_close(this.mctx, this.epoll);
  }

  /** Resets the connection. Idempotent. */
  abort(): void {
    if (!this.closed) mtcp_abort(this.mctx, this.sockid);
    this.close();
  }

  private watch(operation: number, interest: number): void {
    this.watched = interest;
    const event = new EpollEvent(interest, this.sockid);
    if (mtcp_epoll_ctl(this.mctx, this.epoll, operation, this.sockid, event) < 0) {
      throw new CliError(`the epoll set refused socket ${this.sockid} (${mtcp_last_error()})`);
    }
  }
}
