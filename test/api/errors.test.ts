// Each errno of each call that needs no network: bad contexts, ids, addresses, buffers, options, limits.

import { readFileSync } from 'node:fs';
import t from 'tap';
import * as api from '../../src/index.js';
import {
  AF_INET,
  AF_INET6,
  EPOLL_CLOEXEC,
  type Mctx,
  MSG_PEEK,
  MTCP_EPOLL_CTL_ADD,
  MTCP_EPOLL_CTL_DEL,
  MTCP_EPOLL_CTL_MOD,
  MTCP_EPOLLIN,
  mtcp_abort,
  mtcp_accept,
  mtcp_bind,
  mtcp_close,
  mtcp_connect,
  mtcp_destroy_context,
  mtcp_epoll_create,
  mtcp_epoll_create1,
  mtcp_epoll_ctl,
  mtcp_epoll_wait,
  mtcp_getpeername,
  mtcp_getsockname,
  mtcp_getsockopt,
  mtcp_last_error,
  mtcp_listen,
  mtcp_read,
  mtcp_recv,
  mtcp_setsock_nonblock,
  mtcp_setsockopt,
  mtcp_shutdown,
  mtcp_socket,
  mtcp_sysctl,
  mtcp_write,
  SO_ACCEPTCONN,
  SO_DOMAIN,
  SO_ERROR,
  SO_PROTOCOL,
  SO_TYPE,
  SOCK_STREAM,
  SOL_SOCKET,
  SOL_TCP,
  sockaddr_in,
  sockaddr_in_bytes,
  TCP_NODELAY,
} from '../../src/index.js';
import { below, createRandom } from '../../src/stack/random.js';
import { createHost } from '../../src/testing/index.js';
import { failure, listener, nonblocking, socket } from './support.js';

type Call = (mctx: Mctx) => unknown;
const any = (value: unknown): never => value as never;
const peer = sockaddr_in('10.0.0.2', 80);
const buf = new Uint8Array(8);

/** Every call with arguments that would do on a live context and socket 0. */
const CALLS: Record<string, Call> = {
  mtcp_socket: (m) => mtcp_socket(m, AF_INET, SOCK_STREAM, 0),
  mtcp_bind: (m) => mtcp_bind(m, 0, sockaddr_in('10.0.0.1', 80)),
  mtcp_listen: (m) => mtcp_listen(m, 0, 1),
  mtcp_accept: (m) => mtcp_accept(m, 0),
  mtcp_connect: (m) => mtcp_connect(m, 0, peer),
  mtcp_accept4: (m) => api.mtcp_accept4(m, 0),
  mtcp_pipe: (m) => api.mtcp_pipe(m, []),
  mtcp_poll: (m) => api.mtcp_poll(m, [], 0, 0),
  mtcp_fcntl: (m) => api.mtcp_fcntl(m, 0, api.F_GETFL),
  mtcp_socket_ioctl: (m) => api.mtcp_socket_ioctl(m, 0, api.FIONREAD, { value: 0 }),
  mtcp_send: (m) => api.mtcp_send(m, 0, buf, 8, 0),
  mtcp_sendto: (m) => api.mtcp_sendto(m, 0, buf, 8, 0),
  mtcp_readv: (m) => api.mtcp_readv(m, 0, [buf]),
  mtcp_writev: (m) => api.mtcp_writev(m, 0, [buf]),
  mtcp_recvmsg: (m) => api.mtcp_recvmsg(m, 0, { msg_iov: [buf] }),
  mtcp_sendmsg: (m) => api.mtcp_sendmsg(m, 0, { msg_iov: [buf] }),
  mtcp_recv_view: (m) => api.mtcp_recv_view(m, 0, api.mtcp_view()),
  mtcp_recv_release: (m) => api.mtcp_recv_release(m, 0, 0),
  mtcp_send_reserve: (m) => api.mtcp_send_reserve(m, 0, 1, api.mtcp_view()),
  mtcp_send_commit: (m) => api.mtcp_send_commit(m, 0, 0),
  mtcp_read: (m) => mtcp_read(m, 0, buf),
  mtcp_recv: (m) => mtcp_recv(m, 0, buf, 8, 0),
  mtcp_write: (m) => mtcp_write(m, 0, buf),
  mtcp_close: (m) => mtcp_close(m, 0),
  mtcp_abort: (m) => mtcp_abort(m, 0),
  mtcp_shutdown: (m) => mtcp_shutdown(m, 0, 1),
  mtcp_setsock_nonblock: (m) => mtcp_setsock_nonblock(m, 0),
  mtcp_getsockname: (m) => mtcp_getsockname(m, 0, sockaddr_in()),
  mtcp_getpeername: (m) => mtcp_getpeername(m, 0, sockaddr_in()),
  mtcp_getsockopt: (m) => mtcp_getsockopt(m, 0, SOL_SOCKET, SO_ERROR, { value: 0 }),
  mtcp_setsockopt: (m) => mtcp_setsockopt(m, 0, SOL_SOCKET, SO_ERROR, { value: 0 }),
  mtcp_sysctl: (m) => mtcp_sysctl(m, 'tcp_sack'),
  mtcp_epoll_create: (m) => mtcp_epoll_create(m, 1),
  mtcp_epoll_create1: (m) => mtcp_epoll_create1(m, 0),
  mtcp_epoll_ctl: (m) => mtcp_epoll_ctl(m, 0, MTCP_EPOLL_CTL_ADD, 0, { events: MTCP_EPOLLIN }),
  mtcp_epoll_wait: (m) => mtcp_epoll_wait(m, 0, [], 1, 0),
  mtcp_destroy_context: (m) => mtcp_destroy_context(m),
};

const host = createHost({ addresses: ['10.0.0.1/24'], link: 'ip' });
const m = host.mctx;

t.test('what is no context is EINVAL and a destroyed one EPERM, in every call', async (t) => {
  const dead = createHost({ addresses: ['10.0.0.9/24'] });
  dead.close();
  for (const [name, call] of Object.entries(CALLS)) {
    for (const nothing of [null, undefined, 0, {}, 'mctx']) {
      t.equal(failure(call(any(nothing))), 'EINVAL', `${name} of ${String(nothing)}`);
    }
    t.equal(failure(call(dead.mctx)), 'EPERM', `${name} of a destroyed context`);
  }
});

t.test('every exported call is in this table', async (t) => {
  const elsewhere = [
    'mtcp_init',
    'mtcp_create_context',
    'mtcp_destroy',
    'mtcp_last_error',
    'mtcp_epoll_events',
    'mtcp_init_rss',
    'mtcp_view',
    'mtcp_warnings',
    'mtcp_getconf',
    'mtcp_setconf',
    'mtcp_core_affinitize',
    'mtcp_register_signal',
  ];
  const names = Object.keys(api).filter((name) => name.startsWith('mtcp_') && !elsewhere.includes(name));
  t.same(names.sort(), Object.keys(CALLS).sort());
});

t.test('every exported call and constant is in docs/api', async (t) => {
  const page = readFileSync(new URL('../../../docs/api/README.md', import.meta.url), 'utf8');
  const elsewhere = /^(?:E[A-Z]+|SIG_(?:DFL|IGN|ERR)|EventToString)$/;
  for (const [name, value] of Object.entries(api)) {
    const isCall = name.startsWith('mtcp_') || name === 'GetRSSCPUCore';
    if (isCall) t.match(page, new RegExp(`^### ${name}\\(`, 'm'), name);
    else if (/^[A-Z]/.test(name) && typeof value !== 'function' && !elsewhere.test(name)) {
      t.match(page, `| \`${name}\` |`, name);
    }
  }
});

t.test('an id that is none is EBADF in every call that takes one', async (t) => {
  const takesNone = [
    'mtcp_socket',
    'mtcp_pipe',
    'mtcp_poll',
    'mtcp_sysctl',
    'mtcp_epoll_create',
    'mtcp_epoll_create1',
    'mtcp_destroy_context',
  ];
  const closed = socket(m);
  mtcp_close(m, closed);
  for (const [name, call] of Object.entries(CALLS)) {
    if (!takesNone.includes(name)) t.equal(failure(call(m)), 'EBADF', name);
  }
  for (const id of [
    closed,
    -1,
    1.5,
    Number.NaN,
    1e9,
    '0',
    'length',
    null,
    undefined,
    {},
    [0],
    0n,
    Symbol('id'),
  ]) {
    t.equal(failure(mtcp_close(m, any(id))), 'EBADF', `mtcp_close of ${String(id)}`);
  }
});

t.test('mtcp_socket takes TCP over IPv4 and says what it does not take', async (t) => {
  t.equal(failure(mtcp_socket(m, AF_INET6, SOCK_STREAM, 0)), 'EAFNOSUPPORT');
  t.equal(failure(mtcp_socket(m, any('2'), SOCK_STREAM, 0)), 'EAFNOSUPPORT');
  t.equal(failure(mtcp_socket(m, AF_INET, 2, 0)), 'EINVAL');
  t.equal(failure(mtcp_socket(m, AF_INET, SOCK_STREAM | 0o4000, 0)), 'EINVAL');
  t.equal(failure(mtcp_socket(m, AF_INET, SOCK_STREAM, 17)), 'EPROTONOSUPPORT');
  const id = mtcp_socket(m, AF_INET, SOCK_STREAM, 6);
  t.equal(mtcp_close(m, id), 0);
});

t.test('socket ids are the lowest free ones and are bounded', async (t) => {
  const small = createHost({ addresses: ['10.0.0.1/24'], maxConcurrency: 70 }).mctx;
  const ids = Array.from({ length: 70 }, () => socket(small));
  t.same(ids, [...ids.keys()]);
  t.equal(failure(socket(small)), 'ENFILE');
  t.equal(failure(mtcp_epoll_create(small, 1)), 'ENFILE');
  t.equal(failure(mtcp_epoll_create1(small, 0)), 'ENFILE');
  for (const id of [40, 3, 69]) mtcp_close(small, id);
  t.same([socket(small), socket(small), socket(small)], [3, 40, 69]);
  t.equal(failure(socket(small)), 'ENFILE');
});

t.test('mtcp_bind says what is wrong with an address', async (t) => {
  const id = socket(m);
  const wrong: unknown[] = [
    null,
    undefined,
    7,
    '10.0.0.1:80',
    {},
    { family: AF_INET6, address: '10.0.0.1', port: 80 },
    { family: AF_INET, address: '10.0.0.256', port: 80 },
    { family: AF_INET, address: '::1', port: 80 },
    { family: AF_INET, address: '10.0.0.1', port: 65_536 },
    { family: AF_INET, address: '10.0.0.1', port: Number.NaN },
    new Uint8Array(15),
    new Uint8Array(16),
  ];
  for (const addr of wrong)
    t.equal(failure(mtcp_bind(m, id, any(addr))), 'EINVAL', JSON.stringify(addr) ?? 'undefined');
  t.equal(failure(mtcp_bind(m, id, sockaddr_in('10.0.0.1', 80), 15)), 'EINVAL');
  t.equal(failure(mtcp_bind(m, id, sockaddr_in('10.0.0.7', 80))), 'EADDRNOTAVAIL');
  t.equal(mtcp_bind(m, id, sockaddr_in_bytes('10.0.0.1', 80), 16), 0);
  t.equal(failure(mtcp_bind(m, id, sockaddr_in('10.0.0.1', 81))), 'EINVAL', 'bound already');
  const other = socket(m);
  t.equal(failure(mtcp_bind(m, other, sockaddr_in('10.0.0.1', 80))), 'EADDRINUSE');
  t.equal(failure(mtcp_bind(m, other, sockaddr_in('0.0.0.0', 80))), 'EADDRINUSE');
  t.equal(mtcp_close(m, id), 0);
  t.equal(mtcp_bind(m, other, sockaddr_in('0.0.0.0', 80)), 0, 'free again');
  t.equal(mtcp_listen(m, other, 1), 0);
  t.equal(failure(mtcp_bind(m, other, sockaddr_in('0.0.0.0', 90))), 'EINVAL', 'a listener');
  mtcp_close(m, other);
});

t.test('mtcp_listen says what is wrong, and a closed port can be listened on again', async (t) => {
  const id = socket(m);
  for (const backlog of [0, -1, 1.5, Number.NaN, 1e9, any('5')]) {
    t.equal(failure(mtcp_listen(m, id, backlog)), 'EINVAL', `backlog ${backlog}`);
  }
  t.equal(mtcp_bind(m, id, sockaddr_in('10.0.0.1', 8080)), 0);
  t.equal(mtcp_listen(m, id, 5), 0);
  t.equal(mtcp_listen(m, id, 6), 0, 'a second time changes the backlog');
  const other = socket(m);
  t.equal(failure(mtcp_bind(m, other, sockaddr_in('0.0.0.0', 8080))), 'EADDRINUSE');
  t.equal(mtcp_close(m, id), 0);
  t.equal(mtcp_bind(m, other, sockaddr_in('0.0.0.0', 8080)), 0);
  t.equal(mtcp_listen(m, other, 5), 0);
  mtcp_close(m, other);
  const unbound = socket(m);
  t.equal(mtcp_listen(m, unbound, 5), 0, 'without an address');
  const name = sockaddr_in();
  t.equal(mtcp_getsockname(m, unbound, name), 0);
  t.ok(name.port > 0, 'it got a port');
  mtcp_close(m, unbound);
});

t.test('calls refuse sockets of the wrong kind', async (t) => {
  const stream = socket(m);
  const listening = listener(m, 81);
  const ep = mtcp_epoll_create(m, 1);
  for (const id of [listening, ep]) {
    t.equal(failure(mtcp_connect(m, id, peer)), 'ENOTSOCK');
    t.equal(failure(mtcp_read(m, id, buf)), 'ENOTSOCK');
    t.equal(failure(mtcp_recv(m, id, buf, 8, 0)), 'ENOTSOCK');
    t.equal(failure(mtcp_write(m, id, buf)), 'ENOTSOCK');
    t.equal(failure(mtcp_abort(m, id)), 'ENOTSOCK');
    t.equal(failure(mtcp_shutdown(m, id, 1)), 'ENOTSOCK');
    t.equal(failure(mtcp_getpeername(m, id, sockaddr_in())), 'ENOTSOCK');
  }
  t.equal(failure(mtcp_bind(m, ep, sockaddr_in('10.0.0.1', 82))), 'ENOTSOCK');
  t.equal(failure(mtcp_listen(m, ep, 1)), 'ENOTSOCK');
  t.equal(failure(mtcp_getsockname(m, ep, sockaddr_in())), 'ENOTSOCK');
  t.equal(failure(mtcp_getsockopt(m, ep, SOL_SOCKET, SO_ERROR, { value: 0 })), 'ENOTSOCK');
  t.equal(failure(mtcp_setsockopt(m, ep, SOL_SOCKET, SO_ERROR, 1)), 'ENOTSOCK');
  t.equal(failure(mtcp_accept(m, stream)), 'EINVAL');
  t.equal(failure(mtcp_accept(m, ep)), 'EINVAL');
  for (const id of [stream, listening, ep]) t.equal(mtcp_close(m, id), 0);
});

t.test('mtcp_accept checks where it is to write before it takes anything', async (t) => {
  const id = listener(m, 83);
  mtcp_setsock_nonblock(m, id);
  t.equal(failure(mtcp_accept(m, id, any(5))), 'EFAULT');
  t.equal(failure(mtcp_accept(m, id, sockaddr_in(), 0)), 'EINVAL');
  t.equal(failure(mtcp_accept(m, id, new Uint8Array(16), 17)), 'EINVAL');
  t.equal(failure(mtcp_accept(m, id, sockaddr_in(), any({ value: 'x' }))), 'EINVAL');
  t.equal(failure(mtcp_accept(m, id, null)), 'EAGAIN');
  mtcp_close(m, id);
});

t.test('mtcp_connect checks in the order of the man page', async (t) => {
  const id = nonblocking(m);
  for (const addr of [null, undefined, 7, 'x']) t.equal(failure(mtcp_connect(m, id, any(addr))), 'EFAULT');
  t.equal(failure(mtcp_connect(m, id, peer, 15)), 'EAFNOSUPPORT');
  t.equal(failure(mtcp_connect(m, id, peer, any('16'))), 'EAFNOSUPPORT');
  t.equal(failure(mtcp_connect(m, id, new Uint8Array(15))), 'EAFNOSUPPORT');
  t.equal(failure(mtcp_connect(m, id, sockaddr_in_bytes('10.0.0.2', 80), 17)), 'EAFNOSUPPORT');
  t.equal(failure(mtcp_connect(m, id, new Uint8Array(16))), 'EAFNOSUPPORT');
  t.equal(failure(mtcp_connect(m, id, { family: 10, address: '10.0.0.2', port: 80 })), 'EAFNOSUPPORT');
  t.equal(failure(mtcp_connect(m, id, { family: AF_INET, address: 'x', port: 80 })), 'EINVAL');
  t.equal(failure(mtcp_connect(m, id, { family: AF_INET, address: '10.0.0.2', port: -1 })), 'EINVAL');
  for (const group of ['0.0.0.0', '224.0.0.1', '255.255.255.255', '10.0.0.255']) {
    t.equal(failure(mtcp_connect(m, id, sockaddr_in(group, 80))), 'EINVAL', group);
  }
  t.equal(failure(mtcp_connect(m, id, sockaddr_in('10.0.0.2', 0))), 'EINVAL', 'port 0');
  t.equal(failure(mtcp_connect(m, id, sockaddr_in_bytes('10.0.0.2', 80), 16)), 'EINPROGRESS');
  t.equal(failure(mtcp_connect(m, id, { family: AF_INET, address: 'x', port: 80 })), 'EALREADY');
  t.equal(failure(mtcp_connect(m, id, null)), 'EFAULT', 'even then');
  t.equal(failure(mtcp_listen(m, id, 1)), 'EINVAL');
  t.equal(failure(mtcp_bind(m, id, sockaddr_in('10.0.0.1', 84))), 'EINVAL');
  t.equal(failure(mtcp_read(m, id, buf)), 'EAGAIN', 'not connected yet');
  t.equal(failure(mtcp_write(m, id, buf)), 'EAGAIN');
  t.equal(failure(mtcp_getpeername(m, id, sockaddr_in())), 'ENOTCONN');
  mtcp_abort(m, id);
});

t.test('a fully bound tuple that belongs to another core is EINVAL', async (t) => {
  const { tcp } = m.stack;
  tcp.ownsTuple = (local, remote) => (local.port + remote.port) % 2 === 0;
  const connectFrom = (address: string, port: number): string => {
    const id = nonblocking(m);
    mtcp_bind(m, id, sockaddr_in(address, port));
    const word = failure(mtcp_connect(m, id, peer));
    mtcp_close(m, id);
    return word;
  };
  t.equal(connectFrom('10.0.0.1', 5001), 'EINVAL');
  t.equal(connectFrom('10.0.0.1', 5002), 'EINPROGRESS');
  const name = sockaddr_in();
  for (let i = 0; i < 8; i++) {
    const id = nonblocking(m);
    t.equal(failure(mtcp_connect(m, id, peer)), 'EINPROGRESS');
    mtcp_getsockname(m, id, name);
    t.equal(name.port % 2, 0, 'a port that is chosen is of this core');
    mtcp_abort(m, id);
  }
  tcp.ownsTuple = () => true;
});

t.test('a tuple that is in use is EADDRINUSE, a range without a free port EADDRNOTAVAIL', async (t) => {
  const full = createHost({
    addresses: ['10.0.0.1/24'],
    link: 'ip',
    sysctl: { ip_local_port_range: '40000 40002' },
  }).mctx;
  for (let i = 0; i < 3; i++) t.equal(failure(mtcp_connect(full, nonblocking(full), peer)), 'EINPROGRESS');
  t.equal(failure(mtcp_connect(full, nonblocking(full), peer)), 'EADDRNOTAVAIL');
  t.equal(
    failure(mtcp_connect(full, nonblocking(full), sockaddr_in('10.0.0.3', 80))),
    'EINPROGRESS',
    'elsewhere',
  );
  const name = sockaddr_in();
  mtcp_getsockname(full, 0, name);
  const same = nonblocking(full);
  t.equal(mtcp_bind(full, same, name), 0);
  t.equal(failure(mtcp_connect(full, same, peer)), 'EADDRINUSE');
});

t.test('mtcp_connect is ENOMEM when there may be no more connections', async (t) => {
  const full = createHost({
    addresses: ['10.0.0.1/24'],
    link: 'ip',
    sysctl: { tcp_max_connections: 1 },
  }).mctx;
  t.equal(failure(mtcp_connect(full, nonblocking(full), peer)), 'EINPROGRESS');
  t.equal(failure(mtcp_connect(full, nonblocking(full), peer)), 'ENOMEM');
});

t.test('buffers and lengths that cannot be are EFAULT and EINVAL', async (t) => {
  const id = nonblocking(m);
  for (const bytes of [undefined, null, 'text', [1, 2], new ArrayBuffer(8), new Uint16Array(8)]) {
    t.equal(failure(mtcp_read(m, id, any(bytes))), 'EFAULT');
    t.equal(failure(mtcp_recv(m, id, any(bytes), 1, 0)), 'EFAULT');
    t.equal(failure(mtcp_write(m, id, any(bytes))), 'EFAULT');
  }
  for (const length of [-1, 1.5, Number.NaN, any('4'), any(null)]) {
    t.equal(failure(mtcp_read(m, id, buf, length)), 'EINVAL', `read ${length}`);
    t.equal(failure(mtcp_write(m, id, buf, length)), 'EINVAL', `write ${length}`);
  }
  t.equal(failure(mtcp_write(m, id, any('text'))), 'EFAULT');
  t.equal(
    api.mtcp_last_error(),
    'the buffer must be a Uint8Array, not a string: Buffer.from(text) makes one',
  );
  t.equal(failure(mtcp_read(m, id, any(null))), 'EFAULT');
  t.equal(api.mtcp_last_error(), 'the buffer must be a Uint8Array, not null');
  t.equal(failure(mtcp_recv(m, id, any([]), 1, 0)), 'EFAULT');
  t.equal(api.mtcp_last_error(), 'the buffer must be a Uint8Array, not another object');
  t.equal(failure(mtcp_read(m, id, buf, 9)), 'EFAULT');
  t.equal(api.mtcp_last_error(), 'EFAULT: Bad address', 'shorter than len');
  t.equal(failure(mtcp_write(m, id, buf, 9)), 'EFAULT');
  t.equal(failure(mtcp_recv(m, id, buf, 8, 8)), 'EINVAL');
  t.equal(failure(mtcp_recv(m, id, buf, 8, 1)), 'ENOTCONN', 'urgent data');
  t.equal(failure(mtcp_recv(m, id, buf, 8, MSG_PEEK)), 'ENOTCONN');
  t.equal(failure(mtcp_read(m, id, buf)), 'ENOTCONN');
  t.equal(failure(mtcp_write(m, id, buf)), 'ENOTCONN');
  t.equal(failure(mtcp_abort(m, id)), 'ENOTCONN');
  t.equal(failure(mtcp_shutdown(m, id, 1)), 'ENOTCONN');
  t.equal(failure(mtcp_shutdown(m, id, 3)), 'EINVAL');
  t.equal(mtcp_close(m, id), 0, 'closing what was never connected is no error');
});

t.test('names of both ends', async (t) => {
  const id = socket(m);
  t.equal(failure(mtcp_getsockname(m, id, any(null))), 'EFAULT');
  t.equal(failure(mtcp_getsockname(m, id, any(1))), 'EFAULT');
  t.equal(failure(mtcp_getsockname(m, id, sockaddr_in(), 0)), 'EINVAL');
  t.equal(failure(mtcp_getsockname(m, id, sockaddr_in(), -4)), 'EINVAL');
  t.equal(failure(mtcp_getpeername(m, id, any(undefined))), 'EFAULT');
  t.equal(failure(mtcp_getpeername(m, id, sockaddr_in(), Number.NaN)), 'EINVAL');
  t.equal(failure(mtcp_getpeername(m, id, sockaddr_in())), 'ENOTCONN');
  const name = sockaddr_in('1.2.3.4', 5);
  t.equal(mtcp_getsockname(m, id, name), 0);
  t.equal(String(name), '0.0.0.0:0');
  mtcp_bind(m, id, sockaddr_in('10.0.0.1', 85));
  const plain = { family: 0, address: '', port: 0 };
  const length = { value: 16 };
  t.equal(mtcp_getsockname(m, id, plain, length), 0);
  t.same([plain, length], [{ family: AF_INET, address: '10.0.0.1', port: 85 }, { value: 16 }]);
  const bytes = new Uint8Array(16).fill(255);
  t.equal(mtcp_getsockname(m, id, bytes, { value: 6 }), 0);
  t.same([...bytes], [2, 0, 0, 85, 10, 0, ...new Array(10).fill(255)], 'cut to the length given');
  t.equal(mtcp_getsockname(m, id, bytes), 0);
  t.same(bytes, sockaddr_in_bytes('10.0.0.1', 85));
  mtcp_close(m, id);
});

t.test('socket options are answered or refused, never ignored', async (t) => {
  const id = socket(m);
  const value = new Int32Array(1);
  const read = (name: number, length?: { value: number }): unknown => {
    const result = mtcp_getsockopt(m, id, SOL_SOCKET, name, value, length);
    return result === 0 ? value[0] : failure(result);
  };
  t.same(
    [SO_ERROR, SO_TYPE, SO_ACCEPTCONN, SO_DOMAIN, SO_PROTOCOL].map((name) => read(name)),
    [0, 1, 0, 2, 6],
  );
  const length = { value: 8 };
  read(SO_ERROR, length);
  t.equal(length.value, 4);
  t.equal(read(SO_ERROR, { value: 3 }), 'EINVAL');
  t.equal(read(9999), 'ENOPROTOOPT');
  t.equal(failure(mtcp_getsockopt(m, id, 5, SO_ERROR, value)), 'ENOPROTOOPT');
  t.equal(failure(mtcp_getsockopt(m, id, SOL_SOCKET, SO_ERROR, any(undefined))), 'EFAULT');
  t.equal(failure(mtcp_getsockopt(m, id, SOL_SOCKET, SO_ERROR, new Int32Array(0))), 'EFAULT');
  t.equal(failure(mtcp_setsockopt(m, id, SOL_SOCKET, SO_ERROR, { value: 1 })), 'ENOPROTOOPT');
  t.equal(failure(mtcp_setsockopt(m, id, any('x'), any({}), any(null))), 'ENOPROTOOPT');
  const nodelay = { value: 7 };
  t.equal(mtcp_getsockopt(m, id, SOL_TCP, TCP_NODELAY, nodelay), 0);
  t.equal(nodelay.value, 0);
  t.equal(mtcp_setsockopt(m, id, SOL_TCP, TCP_NODELAY, 1, 4), 0);
  mtcp_getsockopt(m, id, SOL_TCP, TCP_NODELAY, nodelay);
  t.equal(nodelay.value, 1);
  t.equal(mtcp_setsockopt(m, id, SOL_TCP, TCP_NODELAY, Int32Array.of(0)), 0);
  t.equal(failure(mtcp_setsockopt(m, id, SOL_TCP, TCP_NODELAY, 1, 3)), 'EINVAL');
  for (const none of [undefined, null, 'x', {}, new Int32Array(0)]) {
    t.equal(failure(mtcp_setsockopt(m, id, SOL_TCP, TCP_NODELAY, any(none))), 'EFAULT');
  }
  t.equal(mtcp_listen(m, id, 1), 0);
  t.equal(read(SO_ACCEPTCONN), 1);
  mtcp_close(m, id);
});

t.test('stack options are read and set by sysctl name, at run time', async (t) => {
  t.equal(mtcp_sysctl(m, 'net.ipv4.tcp_syn_retries'), 7);
  t.equal(mtcp_sysctl(m, 'tcp_syn_retries', 2), 0);
  t.equal(mtcp_sysctl(m, 'tcp_syn_retries'), 2);
  t.equal(failure(mtcp_sysctl(m, 'tcp_magic')), 'ENOENT');
  t.match(mtcp_last_error(), /tcp_magic/);
  t.equal(failure(mtcp_sysctl(m, 'tcp_syn_retries', 'many')), 'EINVAL');
  t.match(mtcp_last_error(), /tcp_syn_retries.*many/);
  t.equal(failure(mtcp_sysctl(m, any(undefined))), 'ENOENT');
  t.equal(mtcp_sysctl(m, 'tcp_syn_retries', 7), 0);
});

t.test('epoll calls say what is wrong', async (t) => {
  for (const size of [0, -1, Number.NaN, any('x')]) t.equal(failure(mtcp_epoll_create(m, size)), 'EINVAL');
  t.equal(failure(mtcp_epoll_create1(m, 1)), 'EINVAL');
  const ep = mtcp_epoll_create1(m, EPOLL_CLOEXEC);
  const id = socket(m);
  const event = { events: MTCP_EPOLLIN };
  t.equal(failure(mtcp_epoll_ctl(m, 99, MTCP_EPOLL_CTL_ADD, id, event)), 'EBADF');
  t.equal(failure(mtcp_epoll_ctl(m, ep, MTCP_EPOLL_CTL_ADD, 99, event)), 'EBADF');
  t.equal(failure(mtcp_epoll_ctl(m, id, MTCP_EPOLL_CTL_ADD, id, event)), 'EINVAL', 'no epoll set');
  t.equal(failure(mtcp_epoll_ctl(m, ep, MTCP_EPOLL_CTL_ADD, ep, event)), 'EINVAL', 'itself');
  t.equal(failure(mtcp_epoll_ctl(m, ep, 4, id, event)), 'EINVAL', 'unknown operation');
  t.equal(failure(mtcp_epoll_ctl(m, ep, any('1'), id, event)), 'EINVAL');
  for (const op of [MTCP_EPOLL_CTL_ADD, MTCP_EPOLL_CTL_MOD]) {
    for (const wrong of [null, undefined, 1, {}]) {
      t.equal(failure(mtcp_epoll_ctl(m, ep, op, id, any(wrong))), 'EINVAL', `${op} without event`);
    }
  }
  t.equal(failure(mtcp_epoll_ctl(m, ep, MTCP_EPOLL_CTL_MOD, id, event)), 'ENOENT');
  t.equal(failure(mtcp_epoll_ctl(m, ep, MTCP_EPOLL_CTL_DEL, id)), 'ENOENT');
  t.equal(mtcp_epoll_ctl(m, ep, MTCP_EPOLL_CTL_ADD, id, event), 0);
  t.equal(failure(mtcp_epoll_ctl(m, ep, MTCP_EPOLL_CTL_ADD, id, event)), 'EEXIST');
  t.equal(mtcp_epoll_ctl(m, ep, MTCP_EPOLL_CTL_DEL, id), 0);
  t.equal(mtcp_epoll_ctl(m, ep, MTCP_EPOLL_CTL_ADD, id, event), 0, 'again after DEL');
  t.equal(failure(mtcp_epoll_wait(m, 99, [], 1, 0)), 'EBADF');
  t.equal(failure(mtcp_epoll_wait(m, id, [], 1, 0)), 'EINVAL');
  t.equal(failure(mtcp_epoll_wait(m, ep, any(null), 1, 0)), 'EINVAL');
  for (const max of [0, -1, Number.NaN]) t.equal(failure(mtcp_epoll_wait(m, ep, [], max, 0)), 'EINVAL');
  t.equal(failure(mtcp_epoll_wait(m, ep, [], 1, Number.NaN)), 'EINVAL');
  mtcp_close(m, id);
  mtcp_close(m, ep);
});

t.test('no call throws, whatever it is given (seeded)', async (t) => {
  const random = createRandom(20_240_601);
  const mctx = createHost({ addresses: ['10.0.0.1/24'], link: 'ip', maxConcurrency: 12 }).mctx;
  const calls = api as unknown as Record<string, (...args: unknown[]) => unknown>;
  const names = Object.keys(CALLS).filter(
    (name) => name !== 'mtcp_destroy_context' && name !== 'mtcp_sysctl',
  );
  const values: (() => unknown)[] = [
    () => below(random, 14),
    () => below(random, 14),
    () => below(random, 4),
    () => sockaddr_in('10.0.0.1', below(random, 4)),
    () => sockaddr_in('10.0.0.2', below(random, 4)),
    () => ({ events: random(), data: { ptr: t } }),
    () => new Uint8Array(below(random, 40)),
    () => sockaddr_in_bytes('10.0.0.2', 80),
    () => ({ value: below(random, 40) - 8 }),
    () => [],
    () =>
      any(
        [undefined, null, Number.NaN, -1, 1e20, 0.5, 'x', '', true, {}, Symbol('s'), 5n][below(random, 12)],
      ),
  ];
  const results = new Map<string, number>();
  for (let i = 0; i < 40_000; i++) {
    const name = names[below(random, names.length)];
    const args = Array.from({ length: below(random, 6) }, () => values[below(random, values.length)]());
    if (name === 'mtcp_epoll_wait') args[3] = 0;
    if (name === 'mtcp_poll') args[2] = 0;
    if (name === 'mtcp_epoll_ctl' && i % 2 === 0)
      args.splice(0, 4, below(random, 14), 1 + below(random, 3), below(random, 14), { events: random() });
    try {
      const result = name === 'mtcp_socket' ? nonblocking(mctx) : calls[name](mctx, ...args);
      if (typeof result !== 'number') t.fail(`${name} gave ${String(result)}`);
      results.set(name, (results.get(name) ?? 0) + (result === -1 ? 0 : 1));
      // An accepted socket blocks: there is none here, for nobody connects.
    } catch (error) {
      t.fail(`${name}(${args.map(String).join(', ')}): ${String(error)}`);
      break;
    }
    if (i % 64 === 0) mctx.turn();
  }
  t.same([...results.keys()].sort(), names.sort());
  t.ok(
    (results.get('mtcp_epoll_ctl') ?? 0) > 10 && (results.get('mtcp_close') ?? 0) > 100,
    'some of it makes sense',
  );
});
