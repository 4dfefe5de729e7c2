// A listener of the stack as Node's `net.Server`.

import { EventEmitter } from 'node:events';
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
import { type ListenOptions, listenArguments } from './arguments.js';
import { type Driver, driverOf, type Handle } from './driver.js';
import { Socket, type SocketAddress, type SocketOptions } from './socket.js';
import { codedError, systemError } from './system-error.js';

/** What a server can be told when it is made. */
export interface ServerOptions extends SocketOptions {
  /** Let connections wait until `resume` is called on them. */
  pauseOnConnect?: boolean;
  noDelay?: boolean;
  keepAlive?: boolean;
  /** ms. */
  keepAliveInitialDelay?: number;
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
  /** Connections beyond so many are dropped; undefined for no limit. */
  maxConnections: number | undefined;
  private readonly driver: Driver;
  private readonly options: ServerOptions;
  private sockid = -1;
  private connections = 0;
  private isClosing = false;

  constructor(mctx: Mctx, options: ServerOptions | ConnectionListener = {}, listener?: ConnectionListener) {
    super();
    this.driver = driverOf(mctx);
    this.options = typeof options === 'function' ? {} : options;
    this.maxConnections = this.options.maxConnections;
    const onConnection = typeof options === 'function' ? options : listener;
    if (onConnection !== undefined) this.on('connection', onConnection);
  }

  get listening(): boolean {
    return this.sockid >= 0;
  }

  /** Listens: `listen(port?, host?, backlog?, callback?)` or `listen(options, callback?)`. @throws when it does already */
  listen(...args: unknown[]): this {
    const [options, callback] = listenArguments(args);
    if (this.listening) {
      const message = 'Listen method has been called more than once without closing.';
      throw codedError('ERR_SERVER_ALREADY_LISTEN', message);
    }
    if (callback !== undefined) this.once('listening', callback);
    const error = this.open(options);
    // Not at once: whoever has called wants to listen for events first.
    process.nextTick(() => {
      if (error !== undefined) this.emit('error', error);
      else if (this.listening) this.emit('listening');
    });
    options.signal?.addEventListener('abort', () => this.close(), { once: true });
    return this;
  }

  /** The address on which it listens; null when it does not. */
  address(): SocketAddress | null {
    if (this.sockid < 0) return null;
    const name = { family: AF_INET, address: '', port: 0 };
    if (mtcp_getsockname(this.driver.mctx, this.sockid, name) < 0) return null;
    return { address: name.address, family: 'IPv4', port: name.port };
  }

  /** Stops to listen; `close` follows when the last connection has ended. */
  close(callback?: Callback): this {
    const { sockid } = this;
    if (callback !== undefined) {
      if (sockid >= 0) this.once('close', callback);
      else this.once('close', () => callback(codedError('ERR_SERVER_NOT_RUNNING', 'Server is not running.')));
    }
    this.isClosing = true;
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

  /** Takes events from the driver: somebody waits to be accepted. */
  onEvents(): void {
    const { mctx } = this.driver;
    for (let count = 0; this.sockid >= 0; count++) {
      if (count === ACCEPTS) {
        setImmediate(() => this.onEvents());
        return;
      }
      const sockid = mtcp_accept(mctx, this.sockid);
      if (sockid < 0) return;
      this.accept(sockid);
    }
  }

  private open({
    host = INADDR_ANY,
    port = 0,
    backlog = DEFAULT_BACKLOG,
    reusePort,
  }: ListenOptions): Error | undefined {
    const { mctx } = this.driver;
    const address = host === 'localhost' || host === '::' ? INADDR_ANY : host;
    const sockid = mtcp_socket(mctx, AF_INET, SOCK_STREAM);
    if (sockid < 0) return systemError(errno, 'listen', address, port);
    mtcp_setsock_nonblock(mctx, sockid);
    mtcp_setsockopt(mctx, sockid, SOL_SOCKET, SO_REUSEADDR, 1);
    if (reusePort === true) mtcp_setsockopt(mctx, sockid, SOL_SOCKET, SO_REUSEPORT, 1);
    if (mtcp_bind(mctx, sockid, sockaddr_in(address, port)) < 0 || mtcp_listen(mctx, sockid, backlog) < 0) {
      const error = systemError(errno, 'listen', address, port);
      mtcp_close(mctx, sockid);
      return error;
    }
    this.isClosing = false;
    this.sockid = sockid;
    this.driver.add(sockid, this);
    return undefined;
  }

  private accept(sockid: number): void {
    const { options } = this;
    const socket = Socket.accepted(this.driver.mctx, sockid, options);
    if (this.maxConnections !== undefined && this.connections >= this.maxConnections) {
      const { localAddress, localPort, remoteAddress, remotePort } = socket;
      socket.destroy();
      this.emit('drop', { localAddress, localPort, remoteAddress, remotePort });
      return;
    }
    this.connections++;
    socket.once('close', () => {
      this.connections--;
      this.closeIfEmpty();
    });
    if (options.noDelay === true) socket.setNoDelay(true);
    if (options.keepAlive === true) socket.setKeepAlive(true, options.keepAliveInitialDelay);
    if (options.pauseOnConnect === true) socket.pause();
    else socket.read(0);
    this.emit('connection', socket);
  }

  private closeIfEmpty(): void {
    if (!this.isClosing || this.connections > 0) return;
    this.isClosing = false;
    process.nextTick(() => this.emit('close'));
  }
}
