// The calls that scripts make: each is a `mtcp_*` call on a socket that the script names, or a look at what lies behind it.

import { fail as failed } from '../../src/api/errno.js';
import * as api from '../../src/index.js';
import {
  AF_INET,
  FIONREAD,
  MSG_OOB,
  MSG_PEEK,
  mtcp_abort,
  mtcp_accept,
  mtcp_bind,
  mtcp_close,
  mtcp_connect,
  mtcp_getsockname,
  mtcp_getsockopt,
  mtcp_listen,
  mtcp_read,
  mtcp_recv,
  mtcp_send,
  mtcp_setsock_nonblock,
  mtcp_setsockopt,
  mtcp_shutdown,
  mtcp_socket,
  mtcp_socket_ioctl,
  mtcp_write,
  SHUT_RD,
  SHUT_RDWR,
  SHUT_WR,
  SIOCATMARK,
  SO_ERROR,
  SO_MAX_PACING_RATE,
  SO_OOBINLINE,
  SO_RCVBUF,
  SOCK_STREAM,
  SOL_SOCKET,
  SOL_TCP,
  sockaddr_in,
  TCP_CONGESTION,
  TCP_NODELAY,
} from '../../src/index.js';
import type { Tcb } from '../../src/stack/tcp/tcb.js';
import type { Host } from '../../src/testing/index.js';
import { streamByte, streamBytes } from './wire-text.js';

/** The address of the peer where a script names none. */
export const REMOTE_IP = '10.0.0.2';

/** A socket of a script, and how far its streams have come. */
export interface SocketState {
  id: number;
  written: number;
  read: number;
}

export interface CallContext {
  host: Host;
  args: string[];
  name: string;
  socket: (name?: string) => SocketState;
  keep: (name: string, id: number) => void;
  setFlow: (localPort: number, remoteIp: string, remotePort: number) => void;
  tcb: () => Tcb | undefined;
  isnBeyond: (position: number) => boolean;
  fail: (why: string) => never;
}

/** Calls on the listening or connecting socket unless another one is named. */
export const PASSIVE_CALLS = new Set(['socket', 'receivebuffer', 'bind', 'listen', 'accept', 'connect']);
export const CREATING_CALLS = new Set(['socket', 'accept']);
const DIRECTIONS = new Map([
  ['RD', SHUT_RD],
  ['WR', SHUT_WR],
  ['RDWR', SHUT_RDWR],
]);
const EVENTS = new Map([
  [0x001, 'IN'],
  [0x002, 'PRI'],
  [0x004, 'OUT'],
  [0x008, 'ERR'],
  [0x010, 'HUP'],
  [0x2000, 'RDHUP'],
]);

export const defaultResult = (name: string, args: readonly string[]): number =>
  ['read', 'peek', 'write', 'record', 'urgent'].includes(name) ? Number(args[0]) : name === 'oob' ? 1 : 0;

export const CALLS: Record<string, (context: CallContext) => number> = {
  socket({ host, name, keep }) {
    const id = mtcp_socket(host.mctx, AF_INET, SOCK_STREAM, 0);
    mtcp_setsock_nonblock(host.mctx, id);
    keep(name, id);
    return id;
  },
  bind({ host, args, socket }) {
    return mtcp_bind(host.mctx, socket().id, sockaddr_in('0.0.0.0', Number(args[0])));
  },
  listen({ host, args, socket }) {
    return mtcp_listen(host.mctx, socket().id, Number(args[0]));
  },
  accept({ host, args, socket, keep }) {
    const id = mtcp_accept(host.mctx, socket().id, null);
    if (id >= 0) {
      mtcp_setsock_nonblock(host.mctx, id);
      keep(args[0] ?? 'c', id);
    }
    return id;
  },
  connect({ host, args, socket, setFlow }) {
    const [ip, port] = (args[0] ?? `${REMOTE_IP}:8080`).split(':');
    const result = mtcp_connect(host.mctx, socket().id, sockaddr_in(ip, Number(port)));
    const own = sockaddr_in('0.0.0.0', 0);
    mtcp_getsockname(host.mctx, socket().id, own);
    setFlow(own.port, ip, Number(port));
    return result;
  },
  read: (context) => receive(context, 0),
  peek: (context) => receive(context, MSG_PEEK),
  write({ host, args, socket }) {
    const state = socket();
    const result = mtcp_write(host.mctx, state.id, streamBytes(1 + state.written, Number(args[0])));
    if (result > 0) state.written += result;
    return result;
  },
  /** Writes a record (MSG_EOR). */
  record({ host, args, socket }) {
    const state = socket();
    const bytes = streamBytes(1 + state.written, Number(args[0]));
    const result = mtcp_send(host.mctx, state.id, bytes, bytes.length, api.MSG_EOR);
    if (result > 0) state.written += result;
    return result;
  },
  /** Writes bytes of which the last is urgent. */
  urgent({ host, args, socket }) {
    const state = socket();
    const bytes = streamBytes(1 + state.written, Number(args[0]));
    const result = mtcp_send(host.mctx, state.id, bytes, bytes.length, MSG_OOB);
    if (result > 0) state.written += result;
    return result;
  },
  /** `oob AT`: reads the urgent byte, which must be that at position AT of the stream. */
  oob({ host, args, socket, fail }) {
    const buffer = new Uint8Array(1);
    const result = mtcp_recv(host.mctx, socket().id, buffer, 1, MSG_OOB);
    if (result > 0 && buffer[0] !== streamByte(Number(args[0]))) fail('the urgent byte is wrong');
    return result;
  },
  /** The urgent byte will be missing from what is read next. */
  hole({ socket }) {
    socket().read++;
    return 0;
  },
  atmark: ({ host, socket }) => ioctl(host, socket().id, SIOCATMARK),
  available: ({ host, socket }) => ioctl(host, socket().id, FIONREAD),
  oobinline({ host, args, socket }) {
    return mtcp_setsockopt(host.mctx, socket().id, SOL_SOCKET, SO_OOBINLINE, Number(args[0]));
  },
  close: ({ host, socket }) => mtcp_close(host.mctx, socket().id),
  abort: ({ host, socket }) => mtcp_abort(host.mctx, socket().id),
  shutdown: ({ host, args, socket }) => mtcp_shutdown(host.mctx, socket().id, DIRECTIONS.get(args[0]) ?? -1),
  so_error({ host, socket }) {
    const out = { value: 0 };
    mtcp_getsockopt(host.mctx, socket().id, SOL_SOCKET, SO_ERROR, out);
    return out.value === 0 ? 0 : failed(out.value);
  },
  nodelay({ host, args, socket }) {
    return mtcp_setsockopt(host.mctx, socket().id, SOL_TCP, TCP_NODELAY, Number(args[0]));
  },
  /** SO_MAX_PACING_RATE, in bytes per second. */
  pacing({ host, args, socket }) {
    return mtcp_setsockopt(host.mctx, socket().id, SOL_SOCKET, SO_MAX_PACING_RATE, Number(args[0]));
  },
  /** `set TCP_LINGER2 5`: an option by its name. */
  set({ host, args: [name, value], socket, fail }) {
    return mtcp_setsockopt(host.mctx, socket().id, ...optionOf(name, fail), Number(value));
  },
  get({ host, args: [name], socket, fail }) {
    const out = { value: 0 };
    return mtcp_getsockopt(host.mctx, socket().id, ...optionOf(name, fail), out) < 0 ? -1 : out.value;
  },
  receivebuffer({ host, args, socket }) {
    return mtcp_setsockopt(host.mctx, socket().id, SOL_SOCKET, SO_RCVBUF, Number(args[0]));
  },
  /** TCP_CONGESTION */
  control({ host, args, socket }) {
    return mtcp_setsockopt(host.mctx, socket().id, SOL_TCP, TCP_CONGESTION, args[0]);
  },
  /** Ends the stretch at the beginning of a connection in which every segment is acknowledged at once. */
  quickack({ args, tcb, fail }) {
    (tcb() ?? fail('no connection')).quickAcks = Number(args[0]);
    return 0;
  },
  /** What poll would report. */
  ready({ host, args, socket, fail }) {
    const { mctx } = host;
    const target = mctx.sockets.get(socket().id) ?? fail('the socket is closed');
    const bits = mctx.interests.readiness(target);
    const names = [...EVENTS].filter(([bit]) => (bits & bit) !== 0).map(([, event]) => event);
    const wanted = args[0] === 'none' ? [] : args;
    if (names.join(' ') !== wanted.join(' '))
      fail(`ready: expected ${wanted.join(' ')}, got ${names.join(' ')}`);
    return 0;
  },
  /** `isn beyond N`: the new ISN of a tuple used again lies beyond position N of the old connection. */
  isn({ args, isnBeyond, fail }) {
    if (!isnBeyond(Number(args[1]))) fail(`the ISN is not beyond ${args[1]} of the connection before`);
    return 0;
  },
};

function receive({ host, args, socket, fail }: CallContext, flags: number): number {
  const state = socket();
  const buffer = new Uint8Array(Number(args[0]));
  const result =
    flags === 0
      ? mtcp_read(host.mctx, state.id, buffer)
      : mtcp_recv(host.mctx, state.id, buffer, buffer.length, flags);
  for (let i = 0; i < result; i++) {
    if (buffer[i] !== streamByte(1 + state.read + i)) fail(`byte ${state.read + i} of the stream is wrong`);
  }
  if (result > 0 && flags === 0) state.read += result;
  return result;
}

/** Level and number of an option. */
function optionOf(name: string, fail: CallContext['fail']): [level: number, number: number] {
  const number = (api as unknown as Record<string, number>)[name];
  if (typeof number !== 'number') fail(`there is no option ${name}`);
  return [name.startsWith('SO_') ? SOL_SOCKET : SOL_TCP, number];
}

function ioctl(host: Host, id: number, request: number): number {
  const out = { value: 0 };
  return mtcp_socket_ioctl(host.mctx, id, request, out) < 0 ? -1 : out.value;
}
