// A connection of the stack as Node's `net.Socket`: a Duplex with the same events, methods, properties and errors, so that whatever
// works on sockets works on it, `node:http` included.

import { AsyncResource } from 'node:async_hooks';
import { addAbortSignal, Duplex } from 'node:stream';
import type { Mctx } from '../api/index.js';
import {
  AF_INET,
  errno,
  MTCP_EPOLLERR,
  MTCP_EPOLLHUP,
  MTCP_EPOLLIN,
  MTCP_EPOLLOUT,
  MTCP_EPOLLRDHUP,
  mtcp_abort,
  mtcp_close,
  mtcp_setsock_nonblock,
  mtcp_shutdown,
  mtcp_socket,
  SHUT_WR,
  SOCK_STREAM,
  type SockAddr,
  sockaddr_in,
} from '../api/index.js';
import { EAGAIN, EALREADY, EISCONN, ENOTCONN } from '../stack/errors.js';
import { type ConnectOptions, connectArguments, timerTime } from './arguments.js';
import { isReadable, readChunk } from './chunks.js';
import { ConnectionOptions } from './connection-options.js';
import { type Driver, driverOf, type Handle } from './driver.js';
import { Ends } from './ends.js';
import { HttpHandle } from './http-handle.js';
import { IdleTimer } from './idle-timer.js';
import { nameOf, type SocketAddress } from './names.js';
import { beginConnect, bindLocal, findAddress, takeError } from './opening.js';
import { type Chunk, Outgoing } from './outgoing.js';
import { checkSocketOptions, type SocketOptions } from './socket-options.js';
import { closedEarly, codedError, systemError } from './system-error.js';

/** What a socket tells the server that has accepted it. */
export interface Owner {
  forget(): void;
}

/** What a write is told that its socket did not live to see; the stack has no such number. */
const ECANCELED = 125;

type Done = (error?: Error | null) => void;

/** Reads in a row before others have a turn. */
const READS = 16;

/** A connection, or what may become one. Made by `createNet`, which knows the context. */
export class Socket extends Duplex implements Handle {
  isReferenced = true;
  scope = new AsyncResource('MTCPSOCKET');
  /** True between `connect` and its outcome. */
  connecting = false;
  bytesRead = 0;
  /** The time that `setTimeout` was given, in ms. */
  timeout: number | undefined = undefined;
  /** The server that has accepted it; `node:http` puts its own here. */
  server: unknown = null;
  /** Addresses that `autoSelectFamily` would have tried; there is one family here. */
  readonly autoSelectFamilyAttemptedAddresses: string[] = [];
  private readonly driver: Driver;
  private handle: HttpHandle | undefined = undefined;
  private owner: Owner | null = null;
  private sockid = -1;
  /** Counts calls of `connect`: the outcome of a look-up is for the last one only. */
  private attempt = 0;
  private readonly wanted = new ConnectionOptions();
  private ends = new Ends();
  private idle: IdleTimer | undefined = undefined;
  /** The consumer wants more. */
  private wantsData = false;
  /** There may be something to read. */
  private mayRead = false;
  private hasEnded = false;
  /** What is written, and whom to tell when all of it is. */
  private outgoing = new Outgoing();
  private unsentDone: Done | undefined = undefined;
  /** Whom to tell that the writable side has ended, which it does once there is a connection. */
  private finalDone: Done | undefined = undefined;
  private isReset = false;

  constructor(mctx: Mctx, options: SocketOptions = {}) {
    const { allowHalfOpen, readableHighWaterMark, writableHighWaterMark, signal } = options;
    checkSocketOptions(options);
    super({
      allowHalfOpen: Boolean(allowHalfOpen),
      emitClose: false,
      autoDestroy: true,
      decodeStrings: false,
      // Undefined stands for Node's own.
      readableHighWaterMark: readableHighWaterMark as number,
      writableHighWaterMark: writableHighWaterMark as number,
    });
    // One that has been aborted already destroys what `connect` begins, not what was before.
    if (signal?.aborted) process.nextTick(addAbortSignal, signal, this);
    else if (signal !== undefined) addAbortSignal(signal, this);
    this.driver = driverOf(mctx);
    this.wanted.noDelay = Boolean(options.noDelay);
    this.wanted.keepAlive = Boolean(options.keepAlive);
    this.wanted.keepAliveInitialDelay = options.keepAliveInitialDelay ?? 0;
  }

  /** Takes over a connection that a server has accepted. */
  static accepted(mctx: Mctx, sockid: number, options: SocketOptions, server: Owner | null): Socket {
    const socket = new Socket(mctx, options);
    socket.server = server;
    socket.owner = server;
    mtcp_setsock_nonblock(mctx, sockid);
    socket.adopt(sockid);
    socket.mayRead = true;
    return socket;
  }

  /** True before a connection is there. */
  get pending(): boolean {
    return this.sockid < 0 || this.connecting;
  }

  get readyState(): 'opening' | 'open' | 'readOnly' | 'writeOnly' | 'closed' {
    if (this.connecting) return 'opening';
    if (this.readable && this.writable) return 'open';
    if (this.readable) return 'readOnly';
    return this.writable ? 'writeOnly' : 'closed';
  }

  /** Bytes written, those that are still in a queue included. */
  get bytesWritten(): number {
    let bytes = this.outgoing.total;
    // Node has this property for its own sockets; it is not told of.
    const { writableBuffer } = this as unknown as { writableBuffer: Chunk[] };
    for (const { chunk, encoding } of writableBuffer) {
      bytes += typeof chunk === 'string' ? Buffer.byteLength(chunk, encoding) : chunk.length;
    }
    return bytes;
  }

  get bufferSize(): number | undefined {
    return this.sockid < 0 && !this.connecting ? undefined : this.writableLength;
  }

  /** What `node:http` looks for in a socket of Node's. */
  get _handle(): HttpHandle | null {
    if (this.pending) return null;
    this.handle ??= new HttpHandle(this);
    return this.handle;
  }

  get remoteAddress(): string | undefined {
    return this.peer()?.address;
  }

  get remoteFamily(): string | undefined {
    return this.peer() && 'IPv4';
  }

  get remotePort(): number | undefined {
    return this.peer()?.port;
  }

  get localAddress(): string | undefined {
    return this.own()?.address;
  }

  get localFamily(): string | undefined {
    return this.own() && 'IPv4';
  }

  get localPort(): number | undefined {
    return this.own()?.port;
  }

  /** The local address; an empty object when there is none. */
  address(): SocketAddress | Record<string, never> {
    const end = this.own();
    return end === undefined ? {} : nameOf(end);
  }

  /** Connects: `connect(port, host?, callback?)` or `connect(options, callback?)`; emits `connect`, or `error`. */
  connect(...args: unknown[]): this {
    const [options, callback] = connectArguments(args);
    if (callback !== undefined) this.once('connect', callback);
    if (this.destroyed) this.renew();
    const inUse = this.sockid < 0 ? 0 : this.connecting ? EALREADY : EISCONN;
    const attempt = ++this.attempt;
    this.connecting = true;
    const { host = 'localhost', port, timeout, noDelay, keepAlive, keepAliveInitialDelay } = options;
    if (noDelay === true) this.wanted.noDelay = true;
    if (keepAlive === true) this.setKeepAlive(true, keepAliveInitialDelay);
    if (timeout !== undefined) this.setTimeout(timeout);
    // Not at once: whoever has called wants to listen for events first.
    const proceed = (address: string, reason: Error | undefined): void =>
      process.nextTick(() => {
        if (attempt === this.attempt) this.open(address, options, reason);
      });
    if (inUse !== 0) {
      proceed(host, systemError(inUse, 'connect', host, port));
      return this;
    }
    const isOver = (): boolean => attempt !== this.attempt;
    findAddress(host, options, isOver, (...found) => this.emit('lookup', ...found), proceed);
    return this;
  }

  /** Sends small segments at once (default true), or lets Nagle's algorithm hold them. */
  setNoDelay(noDelay = true): this {
    this.wanted.noDelay = Boolean(noDelay);
    if (!this.pending) this.wanted.applyNoDelay(this.driver.mctx, this.sockid);
    return this;
  }

  /** Probes a silent peer, after `initialDelay` ms of silence if that is not 0. */
  setKeepAlive(enable = false, initialDelay = 0): this {
    this.wanted.keepAlive = Boolean(enable);
    this.wanted.keepAliveInitialDelay = initialDelay;
    if (!this.pending) this.wanted.applyKeepAlive(this.driver.mctx, this.sockid);
    return this;
  }

  /** Emits `timeout` after `timeout` ms without anything sent or received; 0 ends that. @throws as Node does */
  setTimeout(timeout: number, callback?: () => void): this {
    if (this.destroyed) return this;
    const time = timerTime(timeout);
    this.timeout = timeout;
    if (time > 0) this.idle ??= new IdleTimer(() => this.emit('timeout'));
    this.idle?.set(time);
    if (callback !== undefined) {
      if (timeout > 0) this.once('timeout', callback);
      else this.off('timeout', callback);
    }
    return this;
  }

  ref(): this {
    this.driver.setReferenced(this.sockid, this, true);
    return this;
  }

  unref(): this {
    this.driver.setReferenced(this.sockid, this, false);
    return this;
  }

  /** Ends the writable side and destroys the socket once all is written. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  /** Resets the connection, if need be as soon as there is one, and destroys the socket. */
  resetAndDestroy(): this {
    if (this.connecting) {
      this.once('connect', () => this.resetAndDestroy());
      return this;
    }
    if (this.sockid < 0) return this.destroy(codedError('ERR_SOCKET_CLOSED', 'Socket is closed'));
    this.isReset = true;
    return this.destroy();
  }

  override write(chunk: unknown, encoding?: unknown, callback?: unknown): boolean {
    // The peer has ended, and with it this side: the program may not have noticed yet, and its error is another than after its own end.
    if (this.readableEnded && this.writableEnded && !this.allowHalfOpen) {
      const error = codedError('EPIPE', 'This socket has been ended by the other party');
      const done = typeof encoding === 'function' ? encoding : callback;
      if (typeof done === 'function') process.nextTick(done as Done, error);
      this.destroy(error);
      return false;
    }
    return super.write(chunk, encoding as BufferEncoding, callback as Done);
  }

  /** Takes events from the driver. */
  onEvents(events: number): void {
    if (this.connecting) {
      if ((events & (MTCP_EPOLLOUT | MTCP_EPOLLERR | MTCP_EPOLLHUP)) !== 0) this.onConnected();
      if (this.connecting || this.destroyed) return;
    }
    // Reading comes first, as in Node: after a reset it is the reader who is told.
    if ((events & (MTCP_EPOLLIN | MTCP_EPOLLRDHUP | MTCP_EPOLLERR | MTCP_EPOLLHUP)) !== 0) {
      this.mayRead = true;
      if (this.wantsData) this.readMore(false);
      if (this.destroyed) return;
    }
    if ((events & MTCP_EPOLLOUT) !== 0) this.goOnSending();
    if ((events & MTCP_EPOLLERR) !== 0 && (events & MTCP_EPOLLIN) === 0 && !this.destroyed) {
      this.fail(takeError(this.driver.mctx, this.sockid) || ENOTCONN, 'read');
    }
  }

  onDestroyed(): void {
    this.destroy();
  }

  override _read(): void {
    this.wantsData = true;
    if (this.mayRead && !this.connecting && this.sockid >= 0) this.readMore(true);
  }

  override _write(chunk: Buffer | string, encoding: BufferEncoding, done: Done): void {
    const { outgoing } = this;
    if (!this.mayWrite(done)) return;
    if (this.connecting) outgoing.keep([{ chunk, encoding }]);
    else this.sent(outgoing.write(this.driver.mctx, this.sockid, chunk, encoding));
  }

  override _writev(chunks: Chunk[], done: Done): void {
    const { outgoing } = this;
    if (!this.mayWrite(done)) return;
    if (this.connecting) outgoing.keep(chunks);
    else this.sent(outgoing.writeAll(this.driver.mctx, this.sockid, chunks));
  }

  override _final(done: Done): void {
    if (this.connecting) {
      this.finalDone = done;
      return;
    }
    if (this.sockid < 0) {
      done();
      return;
    }
    mtcp_shutdown(this.driver.mctx, this.sockid, SHUT_WR);
    this.driver.wake();
    // Not at once: until the end has left for the peer the socket is still there, as in Node.
    setImmediate(done);
  }

  override _destroy(error: Error | null, done: Done): void {
    this.idle?.clear();
    const wasConnecting = this.connecting;
    this.attempt++;
    this.connecting = false;
    // Names are asked for even after the end.
    this.peer();
    this.own();
    const { sockid } = this;
    const { mctx } = this.driver;
    this.sockid = -1;
    if (sockid >= 0 && !mctx.destroyed) {
      this.driver.remove(sockid);
      if (!this.isReset || mtcp_abort(mctx, sockid) < 0) mtcp_close(mctx, sockid);
      this.driver.wake();
    }
    const unsent = this.takeDone();
    done(error);
    if (sockid < 0 && !wasConnecting) {
      process.nextTick(() => this.emit('close'));
    } else {
      if (unsent !== undefined && !wasConnecting) setImmediate(unsent, systemError(ECANCELED, 'write'));
      setImmediate(() => {
        if (unsent !== undefined && wasConnecting) process.nextTick(unsent, closedEarly());
        this.emit('close', error !== null);
      });
    }
    const { owner } = this;
    this.owner = null;
    owner?.forget();
  }

  // Opening

  /** Makes a socket that has been destroyed ready to connect once more. */
  private renew(): void {
    (this as unknown as { _undestroy(): void })._undestroy();
    this.ends = new Ends();
    this.bytesRead = 0;
    this.outgoing = new Outgoing();
    this.wantsData = false;
    this.mayRead = false;
    this.hasEnded = false;
    this.isReset = false;
    this.finalDone = undefined;
  }

  private open(address: string, options: ConnectOptions, reason: Error | undefined): void {
    if (!this.connecting) return;
    if (reason !== undefined) {
      this.destroy(reason);
      return;
    }
    if (this.sockid >= 0) {
      // The look-up has come to a second end.
      this.destroy(systemError(EALREADY, 'connect', address, options.port));
      return;
    }
    const { mctx } = this.driver;
    const { port } = options;
    const sockid = mtcp_socket(mctx, AF_INET, SOCK_STREAM);
    if (sockid < 0) {
      this.destroy(systemError(errno, 'connect', address, port));
      return;
    }
    mtcp_setsock_nonblock(mctx, sockid);
    this.adopt(sockid);
    let failure = bindLocal(mctx, sockid, options);
    if (failure === undefined) {
      const remote = sockaddr_in(address, port);
      this.ends.remote = remote;
      failure = beginConnect(mctx, sockid, remote);
    }
    if (failure !== undefined) {
      this.destroy(failure);
      return;
    }
    this.driver.wake();
  }

  private adopt(sockid: number): void {
    this.sockid = sockid;
    this.driver.add(sockid, this);
  }

  private onConnected(): void {
    const { mctx } = this.driver;
    const error = takeError(mctx, this.sockid);
    if (error !== 0) {
      const { remote } = this.ends;
      this.destroy(systemError(error, 'connect', remote?.address, remote?.port));
      return;
    }
    this.connecting = false;
    this.touch();
    this.wanted.applyNoDelay(mctx, this.sockid);
    this.wanted.applyKeepAlive(mctx, this.sockid);
    this.emit('connect');
    this.emit('ready');
    // From here on an end or a reset is noticed, though nobody may read yet.
    if (!this.isPaused()) this.read(0);
  }

  /** Sends what was written, or ended, while there was no connection or no room. Called again where a listener has thrown. */
  private goOnSending(): void {
    if (this.unsentDone !== undefined) {
      this.sent(this.outgoing.flush(this.driver.mctx, this.sockid));
    }
    const final = this.finalDone;
    this.finalDone = undefined;
    if (final !== undefined) this._final(final);
  }

  // Reading and writing

  /**
   * A chunk would go from `push` straight to the listeners of `data`, and leave no trace in the stream but that it asks again. Then it is
   * left asking: that saves a tick and a call for each chunk.
   */
  private get flowsFreely(): boolean {
    return (
      this.readableFlowing === true &&
      this.readableLength === 0 &&
      this.readableDidRead &&
      this.readableEncoding === null &&
      this.listenerCount('data') > 0
    );
  }

  /** `isWithin`: the stream has called, and must not be told before it has its answer. */
  private readMore(isWithin: boolean): void {
    const { mctx } = this.driver;
    for (let reads = 0; this.wantsData && !this.destroyed && !this.hasEnded; reads++) {
      if (reads === READS) {
        // The rest has its turn after the others.
        this.driver.again(this.sockid);
        return;
      }
      const chunk = readChunk(mctx, this.sockid);
      if (typeof chunk !== 'number') {
        // What comes later is an event: it is not asked for in vain.
        this.mayRead = isReadable(mctx, this.sockid);
        this.touch();
        this.bytesRead += chunk.length;
        if (!isWithin && this.flowsFreely) this.emit('data', chunk);
        else this.wantsData = this.push(chunk);
        if (!this.mayRead) return;
        continue;
      }
      if (chunk < 0) {
        this.mayRead = false;
        if (chunk !== -EAGAIN) this.fail(-chunk, 'read');
        return;
      }
      this.touch();
      this.hasEnded = true;
      this.push(null);
      // Without a reader the end would never be noticed.
      this.read(0);
      return;
    }
  }

  /** Tells whether there is something to write to, or will be, and whom to tell of what is about to be written. */
  private mayWrite(done: Done): boolean {
    if (this.sockid < 0 && !this.connecting) {
      done(codedError('ERR_SOCKET_CLOSED', 'Socket is closed'));
      return false;
    }
    this.unsentDone = done;
    return true;
  }

  /** Gives away whom to tell of what is unsent, and forgets about it. */
  private takeDone(): Done | undefined {
    const done = this.unsentDone;
    this.outgoing.clear();
    this.unsentDone = undefined;
    return done;
  }

  /** The stack has been given what there is to write, or has said by errno why it does not take it. */
  private sent(isTaken: boolean): void {
    if (!isTaken) {
      this.fail(errno, 'write');
      return;
    }
    this.touch();
    this.driver.wake();
    if (this.outgoing.isEmpty) this.takeDone()?.();
  }

  private fail(number: number, syscall: string): void {
    const error = systemError(number, syscall);
    const done = syscall === 'write' ? this.takeDone() : undefined;
    if (done !== undefined) done(error);
    else this.destroy(error);
  }

  private touch(): void {
    this.idle?.touch(this.driver.now);
  }

  private peer(): SockAddr | undefined {
    const end = this.ends.peer(this.driver.mctx, this.sockid);
    return this.connecting ? undefined : end;
  }

  private own(): SockAddr | undefined {
    return this.ends.own(this.driver.mctx, this.sockid);
  }
}
