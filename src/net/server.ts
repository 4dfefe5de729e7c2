// A listener of the stack as Node's `net.Server`.

import { AsyncResource } from 'node:async_hooks';
import { addAbortListener, captureRejectionSymbol, EventEmitter } from 'node:events';
import type { Mctx } from '../api/index.js';
import {
  AF_INET,
  errno,
  INADDR_ANY,
  mtcp_accept,
  mtcp_bind,
  mtcp_close,
  mtcp_getsockname,
  mtcp_listen,
  mtcp_setsock_nonblock,
  mtcp_setsockopt,
  mtcp_socket,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOCK_STREAM,
  SOL_SOCKET,
  sockaddr_in,
} from '../api/index.js';
import { ENFILE } from '../stack/errors.js';
import { type ListenOptions, listenArguments } from './arguments.js';
import { type Driver, driverOf, type Handle } from './driver.js';
import { lookUp, unusable } from './lookup.js';
import { endOf, nameOf, type SocketAddress } from './names.js';
import { Socket } from './socket.js';
import type { SocketOptions } from './socket-options.js';
import { codedError, listenError } from './system-error.js';

/** What a server can be told when it is made. */
export interface ServerOptions extends Omit<SocketOptions, 'signal'> {
  /** Let connections wait until `resume` is called on them. */
  pauseOnConnect?: boolean;
  noDelay?: boolean;
  keepAlive?: boolean;
  /** ms. */
  keepAliveInitialDelay?: number;
  /** Of both sides of the sockets. */
  highWaterMark?: number;
  /** As `server.maxConnections`. */
  maxConnections?: number;
}

type ConnectionListener = (socket: Socket) => void;
type Callback = (error?: Error) => void;

const DEFAULT_BACKLOG = 511;
/** Connections accepted before others have a turn. */
const ACCEPTS = 64;

/** Emits `listening`, `connection`, `drop`, `close` and `error`, as Node's does. Made by `createNet`. */
export class Server extends EventEmitter implements Handle {
  isReferenced = true;
  readonly scope = new AsyncResource('MTCPSERVER');
  /** Connections beyond so many are dropped; undefined for no limit. */
  maxConnections: number | undefined;
  private readonly driver: Driver;
  private readonly options: ServerOptions;
  /** What its sockets are made with. */
  private readonly socketOptions: SocketOptions;
  private sockid = -1;
  private connections = 0;
  /** Counts calls of `listen` and `close`: the outcome of a look-up is for the last one only. */
  private attempt = 0;

  constructor(
    mctx: Mctx,
    options: ServerOptions | ConnectionListener | null = {},
    listener?: ConnectionListener,
  ) {
    super();
    if (options !== null && typeof options !== 'object' && typeof options !== 'function') {
      const message = 'The "options" argument must be of type object';
      throw codedError('ERR_INVALID_ARG_TYPE', message, TypeError);
    }
    this.driver = driverOf(mctx);
    this.options = typeof options === 'function' ? {} : (options ?? {});
    const { allowHalfOpen = false, highWaterMark: both } = this.options;
    const { readableHighWaterMark = both, writableHighWaterMark = both } = this.options;
    this.socketOptions = {
      allowHalfOpen,
      ...(readableHighWaterMark === undefined ? {} : { readableHighWaterMark }),
      ...(writableHighWaterMark === undefined ? {} : { writableHighWaterMark }),
    };
    this.maxConnections = this.options.maxConnections;
    const onConnection = typeof options === 'function' ? options : listener;
    if (onConnection !== undefined) this.on('connection', onConnection);
  }

  get listening(): boolean {
    return this.sockid >= 0;
  }

  /** Listens: `listen(port?, host?, backlog?, callback?)` or `listen(options, callback?)`. @throws when it does already */
  listen(...args: unknown[]): this {
    if (this.listening) {
      const message = 'Listen method has been called more than once without closing.';
      throw codedError('ERR_SERVER_ALREADY_LISTEN', message);
    }
    const [options, callback] = listenArguments(args);
    if (callback !== undefined) this.once('listening', callback);
    const attempt = ++this.attempt;
    if (options.signal !== undefined) this.closeOn(options.signal);
    if (options.host === undefined) {
      this.open(INADDR_ANY, options);
      return this;
    }
    lookUp(options.host, {}, (error, address) => {
      if (attempt !== this.attempt) return;
      if (error !== null) this.emit('error', error);
      // Any address of IPv6 stands for any address at all.
      else this.open(address === '::' ? INADDR_ANY : address, options);
    });
    return this;
  }

  /** The address on which it listens; null when it does not. */
  address(): SocketAddress | null {
    if (this.sockid < 0) return null;
    const end = endOf(mtcp_getsockname, this.driver.mctx, this.sockid);
    return end === undefined ? null : nameOf(end);
  }

  /** Stops to listen; `close` follows when the last connection has ended. */
  close(callback?: Callback): this {
    const { sockid } = this;
    if (callback !== undefined) {
      if (sockid >= 0) this.once('close', callback);
      else this.once('close', () => callback(codedError('ERR_SERVER_NOT_RUNNING', 'Server is not running.')));
    }
    this.attempt++;
    if (sockid >= 0) {
      this.sockid = -1;
      this.driver.remove(sockid);
      mtcp_close(this.driver.mctx, sockid);
    }
    this.closeIfEmpty();
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.listening) await new Promise((resolve) => this.close(resolve));
  }

  /** Tells how many connections are open. */
  getConnections(callback: (error: Error | null, count: number) => void): this {
    process.nextTick(callback, null, this.connections);
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

  /** Where programs ask for it (`events.captureRejections`): a listener's promise that is rejected ends its connection. */
  override [captureRejectionSymbol](error: Error, event: string | symbol, ...[socket]: unknown[]): void {
    if (event === 'connection') (socket as Socket).destroy(error);
    else this.emit('error', error);
  }

  /** Takes events from the driver: somebody waits to be accepted. */
  onEvents(): void {
    for (let count = 0; count < ACCEPTS && this.sockid >= 0; count++) {
      const sockid = mtcp_accept(this.driver.mctx, this.sockid);
      if (sockid < 0) {
        // Those that wait are not told of once more.
        if (errno === ENFILE) this.driver.againWhenFree(this.sockid);
        return;
      }
      this.accept(sockid);
    }
    this.driver.again(this.sockid);
  }

  onDestroyed(): void {
    this.close();
  }

  /** Listens on an address. What comes of it is told later: whoever has called wants to listen for events first. */
  private open(address: string, options: ListenOptions): void {
    const error = this.tryToOpen(address, options);
    process.nextTick(() => {
      if (error !== undefined) this.emit('error', error);
      else if (this.listening) this.emit('listening');
    });
  }

  private tryToOpen(address: string, { port = 0, backlog, reusePort }: ListenOptions): Error | undefined {
    const { mctx } = this.driver;
    const reason = unusable(address, 'listen', port);
    if (reason !== undefined) return reason;
    const sockid = mtcp_socket(mctx, AF_INET, SOCK_STREAM);
    if (sockid < 0) return listenError(errno, address, port);
    mtcp_setsock_nonblock(mctx, sockid);
    mtcp_setsockopt(mctx, sockid, SOL_SOCKET, SO_REUSEADDR, 1);
    if (reusePort === true) mtcp_setsockopt(mctx, sockid, SOL_SOCKET, SO_REUSEPORT, 1);
    if (
      mtcp_bind(mctx, sockid, sockaddr_in(address, port)) < 0 ||
      mtcp_listen(mctx, sockid, this.backlogOf(backlog)) < 0
    ) {
      const error = listenError(errno, address, port);
      mtcp_close(mctx, sockid);
      return error;
    }
    this.sockid = sockid;
    this.driver.add(sockid, this);
    return undefined;
  }

  /** As in Node a backlog may be any number: one that is too large, or negative, stands for the largest. */
  private backlogOf(asked: number | undefined): number {
    const { limit } = this.driver.mctx.sockets;
    const backlog = Math.trunc(Number(asked)) || DEFAULT_BACKLOG;
    return backlog < 0 ? limit : Math.min(backlog, limit);
  }

  private closeOn(signal: AbortSignal): void {
    const close = (): unknown => this.close();
    if (signal.aborted) {
      process.nextTick(close);
      return;
    }
    const listener = addAbortListener(signal, close);
    this.once('close', () => listener[Symbol.dispose]());
  }

  private accept(sockid: number): void {
    const { options } = this;
    const { maxConnections, connections } = this;
    const isOne = maxConnections == null || connections < maxConnections;
    const socket = Socket.accepted(this.driver.mctx, sockid, this.socketOptions, isOne ? this : null);
    if (!isOne) {
      const { localAddress, localPort, localFamily, remoteAddress, remotePort, remoteFamily } = socket;
      socket.destroy();
      this.emit('drop', { localAddress, localPort, localFamily, remoteAddress, remotePort, remoteFamily });
      return;
    }
    this.connections++;
    if (options.noDelay === true) socket.setNoDelay(true);
    if (options.keepAlive === true) socket.setKeepAlive(true, options.keepAliveInitialDelay);
    if (options.pauseOnConnect === true) socket.pause();
    else socket.read(0);
    this.emit('connection', socket);
  }

  /** A connection has ended. Called by its socket. */
  forget(): void {
    this.connections--;
    this.closeIfEmpty();
  }

  private closeIfEmpty(): void {
    if (this.listening || this.connections > 0) return;
    process.nextTick(() => this.emit('close'));
  }
}
