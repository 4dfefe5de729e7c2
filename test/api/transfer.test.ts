// The calls that move bytes in other ways than read and write, and those around them: flags, several buffers, zero-copy,
// pipes, poll, fcntl, ioctl, accept4.

import t from 'tap';
import * as api from '../../src/index.js';
import { type Mctx, mtcp_recv, mtcp_send, sockaddr_in } from '../../src/index.js';
import { createHost, parsePacket } from '../../src/testing/index.js';
import { connection, failure, listener, nonblocking, pair, pattern, socket } from './support.js';

const any = (value: unknown): never => value as never;
const text = (bytes: Uint8Array, length = bytes.length): string =>
  Buffer.from(bytes.subarray(0, length)).toString();
const bytes = (words: string): Uint8Array => new Uint8Array(Buffer.from(words));

t.test('flags of mtcp_recv', async (t) => {
  const [client, server] = pair();
  const [id, accepted] = connection(client, server);
  const { mctx } = server;
  const buf = new Uint8Array(20);
  const recv = (length: number, flags: number): string | number => {
    const n = mtcp_recv(mctx, accepted, buf, length, flags);
    return n === -1 ? failure(n) : text(buf, n);
  };
  t.equal(recv(20, api.MSG_DONTWAIT), 'EAGAIN', 'on a blocking socket');
  api.mtcp_write(client.mctx, id, bytes('hello world'));
  client.advance(client.now + 1000);
  t.equal(recv(5, api.MSG_PEEK), 'hello');
  t.equal(recv(5, api.MSG_PEEK | api.MSG_DONTWAIT | api.MSG_NOSIGNAL), 'hello');
  buf.fill(0x2e);
  t.equal(recv(6, api.MSG_TRUNC | api.MSG_PEEK), '......', 'counted, not copied');
  t.equal(recv(6, api.MSG_TRUNC), '......', 'thrown away');
  t.equal(recv(20, api.MSG_WAITALL | api.MSG_DONTWAIT), 'world');
  // The rest comes while the call waits.
  client.onTurn = () => {
    client.onTurn = undefined;
    api.mtcp_setsock_nonblock(client.mctx, id);
    api.mtcp_write(client.mctx, id, bytes('6789'));
  };
  api.mtcp_write(client.mctx, id, bytes('12345'));
  t.equal(recv(9, api.MSG_WAITALL), '123456789');
  api.mtcp_write(client.mctx, id, bytes('end'));
  api.mtcp_shutdown(client.mctx, id, api.SHUT_WR);
  client.advance(client.now + 1000);
  t.equal(recv(20, api.MSG_WAITALL | api.MSG_PEEK), 'end', 'the stream ends');
  t.equal(recv(20, api.MSG_WAITALL), 'end');
  t.equal(recv(20, api.MSG_WAITALL), '');
  t.equal(recv(20, api.MSG_TRUNC), '');
  t.equal(recv(20, 1), 'EINVAL', 'MSG_OOB without urgent data');
  for (const flags of [8, -1, 1.5, any('x'), any(null), 2 ** 40]) {
    const word = recv(20, flags);
    t.ok(word === 'EINVAL' || word === 'EOPNOTSUPP', `${String(flags)}: ${word}`);
  }
});

t.test('MSG_WAITALL tells an error with the next call', async (t) => {
  const [client, server] = pair();
  const [id, accepted] = connection(client, server);
  client.onTurn = () => {
    client.onTurn = undefined;
    api.mtcp_abort(client.mctx, id);
  };
  api.mtcp_write(client.mctx, id, bytes('12345'));
  const buf = new Uint8Array(20);
  t.equal(mtcp_recv(server.mctx, accepted, buf, 20, api.MSG_WAITALL), 5);
  t.equal(failure(mtcp_recv(server.mctx, accepted, buf, 20, 0)), 'ECONNRESET');
});

t.test('flags of mtcp_send', async (t) => {
  const [client, server] = pair();
  const [id] = connection(client, server);
  const { mctx } = client;
  const big = new Uint8Array(1_000_000);
  const taken = mtcp_send(mctx, id, big, big.length, api.MSG_DONTWAIT | api.MSG_NOSIGNAL);
  t.ok(taken > 0 && taken < big.length, 'a part, on a blocking socket');
  mtcp_send(mctx, id, big, big.length, api.MSG_DONTWAIT);
  client.advance(client.now + 100_000);
  for (let n = 1; n > 0; ) n = mtcp_send(mctx, id, big, big.length, api.MSG_DONTWAIT);
  t.equal(failure(-1), 'EAGAIN');
  t.equal(failure(mtcp_send(mctx, id, big, 1, api.MSG_OOB | api.MSG_DONTWAIT)), 'EAGAIN', 'MSG_OOB');
  for (const flags of [api.MSG_PEEK, api.MSG_WAITALL, -1 & ~1, any('x')]) {
    t.equal(failure(mtcp_send(mctx, id, big, 1, flags)), 'EINVAL');
  }
  t.equal(failure(mtcp_send(mctx, socket(mctx), big, 1, 0)), 'ENOTCONN');
  api.mtcp_shutdown(mctx, id, api.SHUT_WR);
  t.equal(failure(mtcp_send(mctx, id, big, 1, 0)), 'EPIPE');
});

t.test('an error behind bytes that were taken is not lost', async (t) => {
  const [client, server] = pair();
  const [id, accepted] = connection(client, server);
  const big = new Uint8Array(1_000_000);
  server.onTurn = () => {
    if (server.stack.tcp.available(server.mctx.sockets.get(accepted)?.tcb ?? any({ recvBuffer: {} })) > 0) {
      api.mtcp_setsock_nonblock(server.mctx, accepted);
      api.mtcp_abort(server.mctx, accepted);
      server.onTurn = undefined;
    }
  };
  const taken = api.mtcp_write(client.mctx, id, big);
  t.ok(taken > 0 && taken < big.length);
  t.equal(failure(api.mtcp_write(client.mctx, id, big)), 'ECONNRESET');
  t.equal(failure(api.mtcp_write(client.mctx, id, big)), 'EPIPE');
});

t.test('readv and writev go over their buffers in order', async (t) => {
  const [client, server] = pair();
  const [id, accepted] = connection(client, server);
  t.equal(
    api.mtcp_writev(client.mctx, id, [bytes('ab'), { iov_base: bytes('cdXX'), iov_len: 2 }, bytes('efg')], 3),
    7,
  );
  client.advance(client.now + 1000);
  const [a, b, c] = [new Uint8Array(3), new Uint8Array(0), new Uint8Array(9)];
  t.equal(api.mtcp_readv(server.mctx, accepted, [a, b, { iov_base: c }]), 7);
  t.equal(text(a) + text(c, 4), 'abcdefg');
  t.equal(api.mtcp_writev(client.mctx, id, [], 0), 0);
  t.equal(api.mtcp_readv(server.mctx, accepted, [b]), 0);
  api.mtcp_setsock_nonblock(server.mctx, accepted);
  t.equal(failure(api.mtcp_readv(server.mctx, accepted, [a])), 'EAGAIN');
  api.mtcp_setsock_nonblock(client.mctx, id);
  const big = new Uint8Array(40_000);
  t.equal(api.mtcp_writev(client.mctx, id, [big, big, big]), 65_536, 'a part');
  t.equal(failure(api.mtcp_writev(client.mctx, id, [big])), 'EAGAIN');
  api.mtcp_close(server.mctx, accepted);
  client.advance(client.now + 10_000);
  t.equal(failure(api.mtcp_writev(client.mctx, id, [big])), 'EPIPE');
});

t.test('what is wrong with several buffers', async (t) => {
  const { mctx } = createHost({ addresses: ['10.0.0.1/24'], link: 'ip' });
  const id = socket(mctx);
  const ends = [0, 0];
  api.mtcp_pipe(mctx, ends);
  const one = new Uint8Array(4);
  const cases: [string, unknown, unknown][] = [
    ['EFAULT', null, 1],
    ['EFAULT', undefined, undefined],
    ['EFAULT', 'ab', 1],
    ['EFAULT', [null], 1],
    ['EFAULT', [{}], 1],
    ['EFAULT', [{ iov_base: 'abc', iov_len: 1 }], 1],
    ['EFAULT', [{ iov_base: one, iov_len: 5 }], 1],
    ['EINVAL', [{ iov_base: one, iov_len: -1 }], 1],
    ['EINVAL', [{ iov_base: one, iov_len: 0.5 }], 1],
    ['EINVAL', [one], 2],
    ['EINVAL', [one], -1],
    ['EINVAL', [one], Number.NaN],
    ['EINVAL', new Array(1025).fill(one), 1025],
    ['ENOTCONN', [one], 1],
  ];
  for (const [word, iov, count] of cases) {
    t.equal(failure(api.mtcp_readv(mctx, id, any(iov), any(count))), word);
    t.equal(failure(api.mtcp_writev(mctx, id, any(iov), any(count))), word);
    const msg = { msg_iov: iov, ...(count === undefined ? {} : { msg_iovlen: count }) };
    const length = word === 'EINVAL' ? 'EMSGSIZE' : word;
    t.equal(failure(api.mtcp_recvmsg(mctx, id, any(msg))), length);
    t.equal(failure(api.mtcp_sendmsg(mctx, id, any(msg))), length);
  }
  for (const call of [api.mtcp_readv, api.mtcp_writev])
    t.equal(failure(call(mctx, ends[0], [one])), 'ENOTSOCK');
  for (const msg of [null, undefined, 1, 'x']) {
    t.equal(failure(api.mtcp_recvmsg(mctx, id, any(msg))), 'EFAULT');
    t.equal(failure(api.mtcp_sendmsg(mctx, id, any(msg))), 'EFAULT');
  }
  t.equal(failure(api.mtcp_recvmsg(mctx, id, { msg_iov: [one] }, 8)), 'EINVAL');
  t.equal(failure(api.mtcp_sendmsg(mctx, id, { msg_iov: [one] }, api.MSG_PEEK)), 'EINVAL');
  t.equal(failure(api.mtcp_sendmsg(mctx, id, { msg_iov: [one], msg_controllen: 8 })), 'EINVAL');
});

t.test('sendmsg and recvmsg', async (t) => {
  const [client, server] = pair();
  const [id, accepted] = connection(client, server);
  t.equal(api.mtcp_sendmsg(client.mctx, id, { msg_iov: [bytes('ab'), bytes('cd')], msg_name: 'ignored' }), 4);
  client.advance(client.now + 1000);
  const message = {
    msg_iov: [new Uint8Array(3), new Uint8Array(9)],
    msg_namelen: 16,
    msg_controllen: 5,
    msg_flags: 9,
  };
  t.equal(api.mtcp_recvmsg(server.mctx, accepted, message, api.MSG_PEEK), 3, 'only the first buffer');
  t.equal(api.mtcp_recvmsg(server.mctx, accepted, message), 4);
  t.equal(text(message.msg_iov[0]) + text(message.msg_iov[1], 1), 'abcd');
  t.match(message, { msg_namelen: 0, msg_controllen: 0, msg_flags: 0 });
  t.equal(failure(api.mtcp_recvmsg(server.mctx, accepted, message, api.MSG_DONTWAIT)), 'EAGAIN');
});

t.test('MSG_EOR ends a record with the last buffer, once all is taken', async (t) => {
  const [client, server] = pair({ delayUs: 100, record: true }, { link: 'ip' });
  const [id] = connection(client, server);
  const { mctx } = client;
  api.mtcp_setsock_nonblock(mctx, id);
  const sent = (): number[] => client.take().map((packet) => parsePacket(packet.bytes, 'ip').payload.length);
  sent();
  api.mtcp_setsockopt(mctx, id, api.SOL_TCP, api.TCP_NODELAY, 1);
  const iov = [bytes('ab'), bytes('cd'), new Uint8Array(0)];
  t.equal(api.mtcp_sendmsg(mctx, id, { msg_iov: iov }, api.MSG_EOR), 4);
  t.equal(api.mtcp_write(mctx, id, bytes('e')), 1);
  t.same(sent(), [4, 1]);
  t.equal(api.mtcp_sendto(mctx, id, bytes('fg'), 2, api.MSG_EOR | api.MSG_NOSIGNAL), 2);
  t.equal(api.mtcp_send(mctx, id, bytes(''), 0, api.MSG_EOR), 0);
  t.equal(api.mtcp_write(mctx, id, bytes('h')), 1);
  t.same(sent(), [2, 1]);
  const { sendBuffer } = mctx.sockets.get(id)!.tcb!;
  const most = sendBuffer.free;
  t.equal(api.mtcp_send(mctx, id, new Uint8Array(most + 1), most + 1, api.MSG_EOR), most, 'not all');
  const { base } = mctx.sockets.get(id)!.tcb!.snd;
  t.equal(mctx.sockets.get(id)!.tcb!.records!.isEnd((base + sendBuffer.length) | 0), false);
  const ends = [0, 0];
  api.mtcp_pipe(mctx, ends);
  t.equal(api.mtcp_send(mctx, ends[1], bytes('x'), 1, api.MSG_EOR), 1, 'a pipe knows no records');
});

t.test('TCP_INQ: recvmsg tells how much is left', async (t) => {
  const [client, server] = pair({ delayUs: 100 });
  const [id, accepted] = connection(client, server);
  const { mctx } = server;
  api.mtcp_write(client.mctx, id, bytes('abcdefgh'));
  client.advance(client.now + 1000);
  const control = new Uint8Array(64);
  const receive = (length: number, room?: number, into: unknown = control): unknown[] => {
    const msg: api.MsgHdr = { msg_iov: [new Uint8Array(length)], msg_control: into };
    if (room !== undefined) msg.msg_controllen = room;
    control.fill(0);
    const result = api.mtcp_recvmsg(mctx, accepted, msg);
    return [result, new DataView(control.buffer).getInt32(16, true), msg.msg_controllen, msg.msg_flags];
  };
  t.same(receive(1, 64), [1, 0, 0, 0], 'not before it is asked for');
  t.equal(api.mtcp_setsockopt(mctx, accepted, api.SOL_TCP, api.TCP_INQ, 1), 0);
  t.same(receive(2, 64), [2, 5, 24, 0]);
  t.same([...control.subarray(0, 16)], [20, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 36, 0, 0, 0], 'struct cmsghdr');
  t.same(receive(1, 20), [1, 4, 20, 0], 'CMSG_LEN suffices');
  t.same(receive(1, 19), [1, 0, 0, api.MSG_CTRUNC]);
  t.same(receive(1, undefined, null), [1, 0, undefined, api.MSG_CTRUNC]);
  t.same(receive(1), [1, 1, undefined, 0]);
  api.mtcp_close(client.mctx, id);
  client.advance(client.now + 1000);
  t.same(receive(1, 64), [1, 1, 24, 0], 'one more: the end of the stream');
  t.same(receive(1, 64), [0, 1, 24, 0]);
});

t.test('received bytes are looked at where they lie, and released', async (t) => {
  const [client, server] = pair();
  const [id, accepted] = connection(client, server);
  const { mctx } = server;
  const view = api.mtcp_view();
  t.equal(failure(api.mtcp_recv_view(mctx, accepted, any({}))), 'EFAULT');
  t.equal(failure(api.mtcp_recv_view(mctx, socket(mctx), view)), 'ENOTCONN');
  t.equal(failure(api.mtcp_recv_release(mctx, socket(mctx), 0)), 'ENOTCONN');
  let sent = 0;
  let seen = 0;
  let wraps = 0;
  let wrong = 0;
  for (let round = 0; round < 100; round++) {
    sent += api.mtcp_write(client.mctx, id, pattern(2900, sent));
    // A little is left each time, so that the memory stays and its end is crossed.
    client.advance(client.now + 1000);
    while (sent - seen > 700) {
      const n = api.mtcp_recv_view(mctx, accepted, view);
      const count = Math.min(n, sent - seen - 700);
      const expected = pattern(count, seen);
      for (let i = 0; i < count; i++) if (view.bytes[view.offset + i] !== expected[i]) wrong++;
      if (view.offset + n === view.bytes.length) wraps++;
      t.equal(api.mtcp_recv_release(mctx, accepted, count), count);
      seen += count;
    }
  }
  t.equal(wrong, 0);
  t.ok(wraps > 0, `the end of the memory was crossed ${wraps} times`);
  for (const count of [-1, 0.5, Number.NaN, 701, any('1')]) {
    t.equal(failure(api.mtcp_recv_release(mctx, accepted, count)), 'EINVAL', String(count));
  }
  t.equal(api.mtcp_recv_release(mctx, accepted, 0), 0);
  api.mtcp_recv(mctx, accepted, new Uint8Array(700), 700, api.MSG_WAITALL);
  api.mtcp_setsock_nonblock(mctx, accepted);
  t.equal(failure(api.mtcp_recv_view(mctx, accepted, view)), 'EAGAIN');
  t.equal(view.length, 0);
  api.mtcp_close(client.mctx, id);
  client.advance(client.now + 1000);
  t.equal(api.mtcp_recv_view(mctx, accepted, view), 0, 'the end of the stream');
});

t.test('room is reserved and committed', async (t) => {
  const [client, server] = pair();
  const [id, accepted] = connection(client, server);
  const { mctx } = client;
  const view = api.mtcp_view();
  t.equal(failure(api.mtcp_send_reserve(mctx, id, 10, any(null))), 'EFAULT');
  for (const length of [0, -1, 1.5, any('x')]) {
    t.equal(failure(api.mtcp_send_reserve(mctx, id, length, view)), 'EINVAL');
  }
  t.equal(failure(api.mtcp_send_reserve(mctx, socket(mctx), 1, view)), 'ENOTCONN');
  t.equal(failure(api.mtcp_send_commit(mctx, id, 0)), 'EINVAL', 'nothing reserved');
  const received = new Uint8Array(200_000);
  let sent = 0;
  let got = 0;
  while (sent < 100_000) {
    const n = api.mtcp_send_reserve(mctx, id, 3000, view);
    t.ok(n >= 1 && n <= 3000 && n === view.length);
    const expected = pattern(n, sent);
    for (let i = 0; i < n; i++) view.bytes[view.offset + i] = expected[i];
    t.equal(api.mtcp_send_commit(mctx, id, n), n);
    sent += n;
    got += api.mtcp_recv(server.mctx, accepted, received.subarray(got), 100_000, 0);
  }
  while (got < sent) got += api.mtcp_recv(server.mctx, accepted, received.subarray(got), 50_000, 0);
  t.same(received.subarray(0, sent), pattern(sent));
  api.mtcp_send_reserve(mctx, id, 10, view);
  for (const count of [11, -1, 0.5, any('x')])
    t.equal(failure(api.mtcp_send_commit(mctx, id, count)), 'EINVAL');
  mctx.turn();
  t.equal(failure(api.mtcp_send_commit(mctx, id, 5)), 'EINVAL', 'the loop has turned');
  api.mtcp_setsock_nonblock(mctx, id);
  for (let n = 1; n > 0; ) n = api.mtcp_write(mctx, id, received);
  t.equal(failure(api.mtcp_send_reserve(mctx, id, 10, view)), 'EAGAIN');
  api.mtcp_shutdown(mctx, id, api.SHUT_WR);
  t.equal(failure(api.mtcp_send_reserve(mctx, id, 10, view)), 'EPIPE');
  api.mtcp_close(server.mctx, accepted);
  client.advance(client.now + 10_000_000);
});

t.test('a pipe makes an epoll set ready', async (t) => {
  const { mctx } = createHost({ addresses: ['10.0.0.1/24'], link: 'ip' });
  const ends = new Int32Array(2);
  t.equal(failure(api.mtcp_pipe(mctx, any(null))), 'EFAULT');
  t.equal(failure(api.mtcp_pipe(mctx, new Int32Array(1))), 'EFAULT');
  t.equal(api.mtcp_pipe(mctx, ends), 0);
  const [out, into] = ends;
  for (const id of ends) api.mtcp_setsock_nonblock(mctx, id);
  const ep = api.mtcp_epoll_create(mctx, 1);
  api.mtcp_epoll_ctl(mctx, ep, api.MTCP_EPOLL_CTL_ADD, out, { events: api.MTCP_EPOLLIN });
  const events = api.mtcp_epoll_events(2);
  const wait = (): string => {
    const n = api.mtcp_epoll_wait(mctx, ep, events, 2, 0);
    return n === 0 ? 'nothing' : api.EventToString(events[0].events);
  };
  const buf = new Uint8Array(20_000);
  t.equal(wait(), 'nothing');
  t.equal(failure(api.mtcp_read(mctx, out, buf)), 'EAGAIN');
  t.equal(api.mtcp_write(mctx, into, bytes('wake up')), 7);
  t.equal(wait(), 'MTCP_EPOLLIN');
  t.equal(wait(), 'MTCP_EPOLLIN', 'still');
  const count = { value: 0 };
  t.equal(api.mtcp_socket_ioctl(mctx, out, api.FIONREAD, count), 0);
  t.equal(count.value, 7);
  t.equal(mtcp_recv(mctx, out, buf, 4, api.MSG_PEEK), 4);
  t.equal(text(buf, api.mtcp_read(mctx, out, buf)), 'wake up');
  t.equal(wait(), 'nothing');
  t.equal(api.mtcp_write(mctx, into, pattern(20_000)), 10_240, 'as many as it holds');
  t.equal(failure(api.mtcp_write(mctx, into, buf)), 'EAGAIN');
  t.equal(api.mtcp_recvmsg(mctx, out, { msg_iov: [buf.subarray(0, 5000)] }), 5000);
  t.equal(api.mtcp_sendmsg(mctx, into, { msg_iov: [pattern(5000, 10_240)] }), 5000);
  t.equal(api.mtcp_read(mctx, out, buf.subarray(5000)), 10_240);
  t.same(buf.subarray(0, 15_240), pattern(15_240));
  t.equal(api.mtcp_write(mctx, out, bytes('back')), 4, 'either end can be written, as in mTCP');
  t.equal(api.mtcp_read(mctx, into, buf), 4);
  for (const call of [
    () => api.mtcp_connect(mctx, out, sockaddr_in('10.0.0.2', 80)),
    () => api.mtcp_bind(mctx, out, sockaddr_in('10.0.0.1', 80)),
    () => api.mtcp_listen(mctx, out, 1),
    () => api.mtcp_getsockname(mctx, out, sockaddr_in()),
    () => api.mtcp_getpeername(mctx, out, sockaddr_in()),
    () => api.mtcp_shutdown(mctx, out, 1),
    () => api.mtcp_abort(mctx, out),
    () => api.mtcp_recv_view(mctx, out, api.mtcp_view()),
  ]) {
    t.equal(failure(call()), 'ENOTSOCK', String(call));
  }
  t.equal(api.mtcp_close(mctx, into), 0);
  t.equal(wait(), 'MTCP_EPOLLIN|MTCP_EPOLLHUP');
  t.equal(api.mtcp_read(mctx, out, buf), 0, 'the end');
  t.equal(failure(api.mtcp_write(mctx, out, buf)), 'EPIPE');
  t.equal(api.mtcp_close(mctx, out), 0);
  const small = createHost({ addresses: ['10.0.0.1/24'], maxConcurrency: 3 }).mctx;
  t.equal(api.mtcp_pipe(small, []), 0);
  t.equal(failure(api.mtcp_pipe(small, [])), 'ENFILE');
});

t.test('poll', async (t) => {
  const [client, server] = pair();
  const [id, accepted] = connection(client, server);
  const { mctx } = server;
  t.equal(failure(api.mtcp_poll(mctx, any(null))), 'EFAULT');
  t.equal(failure(api.mtcp_poll(mctx, [any(null)])), 'EFAULT');
  for (const count of [-1, 0.5, 2, any('1')]) {
    t.equal(failure(api.mtcp_poll(mctx, [{ fd: 0, events: 1 }], count)), 'EINVAL');
  }
  t.equal(failure(api.mtcp_poll(mctx, [], 0, Number.NaN)), 'EINVAL');
  const fds: api.PollFd[] = [
    { fd: accepted, events: api.POLLIN },
    { fd: -1, events: api.POLLIN },
  ];
  const start = server.now;
  t.equal(api.mtcp_poll(mctx, fds, 2, 50), 0);
  t.equal(server.now - start, 50_000);
  t.equal(api.mtcp_poll(mctx, [{ fd: 77, events: 0 }], 1, -1), 1);
  fds[0].events = api.POLLIN | api.POLLOUT;
  t.equal(api.mtcp_poll(mctx, fds, 2, -1), 1);
  t.same(
    fds.map(({ revents }) => revents),
    [api.POLLOUT, 0],
  );
  fds[0].events = api.POLLIN | api.POLLRDHUP;
  api.mtcp_close(client.mctx, id);
  t.equal(api.mtcp_poll(mctx, fds, 2, -1), 1, 'waits');
  t.equal(fds[0].revents, api.POLLIN | api.POLLRDHUP);
  const none: api.PollFd[] = [
    { fd: 77, events: api.POLLIN },
    { fd: nonblocking(mctx), events: 0 },
  ];
  t.equal(api.mtcp_poll(mctx, none), 2);
  t.same(
    none.map(({ revents }) => revents),
    [api.POLLNVAL, api.POLLHUP],
  );
  const ep = api.mtcp_epoll_create(mctx, 1);
  const set: api.PollFd[] = [{ fd: ep, events: api.POLLIN }];
  t.equal(api.mtcp_poll(mctx, set, 1, 0), 0);
  api.mtcp_epoll_ctl(mctx, ep, api.MTCP_EPOLL_CTL_ADD, accepted, { events: api.MTCP_EPOLLIN });
  t.equal(api.mtcp_poll(mctx, set, 1, 0), 1, 'an epoll set that has something');
  server.onTurn = () => server.mctx.destroy();
  t.equal(failure(api.mtcp_poll(mctx, [], 0, 1000)), 'no failure: 0');
});

t.test('poll tells an urgent byte as POLLPRI', async (t) => {
  const [client, server] = pair();
  const [id, accepted] = connection(client, server);
  mtcp_send(client.mctx, id, bytes('!'), 1, api.MSG_OOB);
  client.advance(client.now + 1000);
  const fds = [{ fd: accepted, events: api.POLLIN | api.POLLPRI, revents: 0 }];
  t.equal(api.mtcp_poll(server.mctx, fds, 1, 0), 1);
  t.equal(fds[0]?.revents, api.POLLPRI, 'which leaves nothing to read in line');
});

t.test('fcntl and ioctl turn blocking off and on', async (t) => {
  const [client, server] = pair();
  const [id, accepted] = connection(client, server);
  const { mctx } = server;
  const blocks = (): boolean => api.mtcp_fcntl(mctx, accepted, api.F_GETFL) === api.O_RDWR;
  t.ok(blocks());
  t.equal(api.mtcp_fcntl(mctx, accepted, api.F_SETFL, api.O_NONBLOCK | 0o2000), 0);
  t.notOk(blocks());
  t.equal(failure(api.mtcp_read(mctx, accepted, new Uint8Array(1))), 'EAGAIN');
  t.equal(api.mtcp_fcntl(mctx, accepted, api.F_SETFL, 0), 0);
  t.ok(blocks());
  for (const cmd of [0, 5, any('3')]) t.equal(failure(api.mtcp_fcntl(mctx, accepted, cmd)), 'EINVAL');
  t.equal(failure(api.mtcp_fcntl(mctx, accepted, api.F_SETFL, any('x'))), 'EINVAL');
  const { FIONBIO, FIONREAD, mtcp_socket_ioctl } = api;
  t.equal(mtcp_socket_ioctl(mctx, accepted, FIONBIO, { value: 1 }), 0);
  t.notOk(blocks());
  t.equal(mtcp_socket_ioctl(mctx, accepted, FIONBIO, Int32Array.of(0)), 0);
  t.ok(blocks(), 'unlike in mTCP');
  api.mtcp_write(client.mctx, id, pattern(123));
  client.advance(client.now + 1000);
  const count = Int32Array.of(9);
  t.equal(mtcp_socket_ioctl(mctx, accepted, FIONREAD, count), 0);
  t.equal(count[0], 123);
  t.equal(mtcp_socket_ioctl(mctx, socket(mctx), FIONREAD, count), 0);
  t.equal(count[0], 0, 'not connected');
  t.equal(failure(mtcp_socket_ioctl(mctx, listener(mctx, 99), FIONREAD, count)), 'EINVAL');
  t.equal(failure(mtcp_socket_ioctl(mctx, api.mtcp_epoll_create(mctx, 1), FIONREAD, count)), 'EBADF');
  for (const none of [null, undefined, 1, new Int32Array(0)]) {
    t.equal(failure(mtcp_socket_ioctl(mctx, accepted, FIONREAD, any(none))), 'EFAULT');
  }
  t.equal(failure(mtcp_socket_ioctl(mctx, accepted, FIONBIO, any({}))), 'EFAULT');
  t.equal(failure(mtcp_socket_ioctl(mctx, accepted, 1, count)), 'EINVAL');
});

t.test('accept4 makes sockets that do not block', async (t) => {
  const [client, server] = pair();
  const listening = listener(server.mctx, 80);
  api.mtcp_connect(client.mctx, socket(client.mctx), sockaddr_in('10.0.0.2', 80));
  const accept = (mctx: Mctx, flags: number): number =>
    api.mtcp_accept4(mctx, listening, null, undefined, flags);
  for (const flags of [1, api.O_NONBLOCK | 1, any('x')])
    t.equal(failure(accept(server.mctx, flags)), 'EINVAL');
  const id = accept(server.mctx, api.SOCK_NONBLOCK | api.SOCK_CLOEXEC);
  t.equal(failure(api.mtcp_read(server.mctx, id, new Uint8Array(1))), 'EAGAIN');
  api.mtcp_connect(client.mctx, socket(client.mctx), sockaddr_in('10.0.0.2', 80));
  t.equal(api.mtcp_fcntl(server.mctx, accept(server.mctx, 0), api.F_GETFL), api.O_RDWR);
});
