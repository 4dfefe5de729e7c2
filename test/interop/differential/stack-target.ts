// The stack as a target: a virtual host, so that its time is exact and costs nothing.

import {
  AF_INET,
  errno,
  errnoName,
  mtcp_abort,
  mtcp_accept,
  mtcp_bind,
  mtcp_close,
  mtcp_connect,
  mtcp_getsockname,
  mtcp_getsockopt,
  mtcp_listen,
  mtcp_read,
  mtcp_setsock_nonblock,
  mtcp_setsockopt,
  mtcp_shutdown,
  mtcp_socket,
  mtcp_write,
  SHUT_RD,
  SHUT_RDWR,
  SHUT_WR,
  SO_ERROR,
  SOCK_STREAM,
  SOL_SOCKET,
  SOL_TCP,
  sockaddr_in,
  TCP_NODELAY,
} from '../../../src/index.js';
import { createHost, type Host } from '../../../src/testing/index.js';
import { streamBytes } from '../../script/wire-text.js';
import { type CallResult, LOCAL_IP, type Target } from './player.js';

interface Socket {
  id: number;
  written: number;
}

const DIRECTIONS: Record<string, 0 | 1 | 2> = { RD: SHUT_RD, WR: SHUT_WR, RDWR: SHUT_RDWR };

export class StackTarget implements Target {
  readonly name = 'stack';
  readonly #host: Host;
  readonly #sockets = new Map<string, Socket>();

  constructor() {
    this.#host = createHost({ addresses: [`${LOCAL_IP}/24`], link: 'ip' });
    this.#host.sysctl('tcp_congestion_control', 'reno');
  }

  inject(packet: Uint8Array): void {
    this.#host.inject(packet);
  }

  advance(toUs: number): void {
    this.#host.advance(Math.max(toUs, this.#host.now));
  }

  take(): { timeUs: number; bytes: Uint8Array }[] {
    return this.#host.take();
  }

  sysctl(name: string, value: string): void {
    this.#host.sysctl(name, value);
  }

  reset(): void {
    this.#host.close();
  }

  call(name: string, call: string, args: string[]): CallResult {
    const value = this.#call(name, call, args);
    if (typeof value === 'string') return { value: -1, errno: value };
    return value >= 0 ? { value, errno: undefined } : { value, errno: errnoName(errno) };
  }

  #call(name: string, call: string, args: string[]): number | string {
    const { mctx } = this.#host;
    const number = Number(args[0]);
    if (call === 'socket') return this.#keep(name, mtcp_socket(mctx, AF_INET, SOCK_STREAM, 0));
    const socket = this.#sockets.get(name);
    if (socket === undefined) throw new Error(`there is no socket '${name}'`);
    const { id } = socket;
    switch (call) {
      case 'bind':
        return mtcp_bind(mctx, id, sockaddr_in('0.0.0.0', number));
      case 'listen':
        return mtcp_listen(mctx, id, number);
      case 'accept':
        return this.#keep(args[0] ?? 'c', mtcp_accept(mctx, id, null));
      case 'connect': {
        const [address = '', port] = (args[0] ?? '').split(':');
        return mtcp_connect(mctx, id, sockaddr_in(address, Number(port)));
      }
      case 'port': {
        const own = sockaddr_in('0.0.0.0', 0);
        mtcp_getsockname(mctx, id, own);
        return own.port;
      }
      case 'read':
        return mtcp_read(mctx, id, new Uint8Array(number));
      case 'write': {
        const sent = mtcp_write(mctx, id, streamBytes(1 + socket.written, number));
        socket.written += Math.max(0, sent);
        return sent;
      }
      case 'shutdown':
        return mtcp_shutdown(mctx, id, DIRECTIONS[args[0] ?? ''] ?? SHUT_RDWR);
      case 'nodelay':
        return mtcp_setsockopt(mctx, id, SOL_TCP, TCP_NODELAY, number);
      case 'so_error': {
        const out = { value: 0 };
        mtcp_getsockopt(mctx, id, SOL_SOCKET, SO_ERROR, out);
        return out.value === 0 ? 0 : errnoName(out.value);
      }
      case 'close':
        return mtcp_close(mctx, id);
      case 'abort':
        return mtcp_abort(mctx, id);
      default:
        throw new Error(`there is no call '${call}'`);
    }
  }

  #keep(name: string, id: number): number {
    if (id < 0) return id;
    mtcp_setsock_nonblock(this.#host.mctx, id);
    this.#sockets.set(name, { id, written: 0 });
    return id;
  }
}
