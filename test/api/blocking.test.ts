// Calls that block, in virtual time: they return when they are done, with the error that the network gave, or tell that they
// never will be.

import { createHash } from 'node:crypto';
import t from 'tap';
import {
  MSG_PEEK,
  MTCP_EPOLL_CTL_ADD,
  MTCP_EPOLLIN,
  mtcp_abort,
  mtcp_accept,
  mtcp_bind,
  mtcp_close,
  mtcp_connect,
  mtcp_epoll_create,
  mtcp_epoll_ctl,
  mtcp_epoll_wait,
  mtcp_getpeername,
  mtcp_getsockname,
  mtcp_getsockopt,
  mtcp_listen,
  mtcp_poll,
  mtcp_read,
  mtcp_recv,
  mtcp_setsock_nonblock,
  mtcp_setsockopt,
  mtcp_shutdown,
  mtcp_write,
  POLLIN,
  SHUT_RDWR,
  SHUT_WR,
  SO_ERROR,
  SOL_SOCKET,
  SOL_TCP,
  sockaddr_in,
  TCP_NODELAY,
} from '../../src/index.js';
import {
  createHost,
  type Host,
  joinHosts,
  parsePacket,
  World,
  WouldBlockForeverError,
} from '../../src/testing/index.js';
import { connection, failure, listener, nonblocking, pair, pattern, socket } from './support.js';

const SECOND = 1_000_000;
const buf = new Uint8Array(1 << 17);

t.test('connect, accept, write, read and close, both ways', async (t) => {
  const [client, server] = pair({ delayUs: 1000 });
  const listening = listener(server.mctx, 80);
  const c = socket(client.mctx);
  t.equal(mtcp_connect(client.mctx, c, sockaddr_in('10.0.0.2', 80)), 0);
  t.equal(client.now, 4000, 'a round trip for ARP and one for the handshake');
  const peer = sockaddr_in();
  const s = mtcp_accept(server.mctx, listening, peer);
  t.ok(s >= 0);
  t.equal(server.now, 5000, 'half a round trip later');
  const [own, remote, accepted] = [sockaddr_in(), sockaddr_in(), sockaddr_in()];
  mtcp_getsockname(client.mctx, c, own);
  mtcp_getpeername(client.mctx, c, remote);
  t.same([String(own), String(remote)], [String(peer), '10.0.0.2:80']);
  mtcp_getsockname(server.mctx, s, accepted);
  t.equal(String(accepted), '10.0.0.2:80', 'the name of an accepted socket is its own');
  t.equal(mtcp_write(client.mctx, c, Buffer.from('ping')), 4);
  t.equal(mtcp_recv(server.mctx, s, buf, 4, MSG_PEEK), 4);
  t.equal(mtcp_read(server.mctx, s, buf), 4);
  t.equal(Buffer.from(buf.subarray(0, 4)).toString(), 'ping');
  t.equal(mtcp_write(server.mctx, s, Buffer.from('pong!'), 4), 4);
  t.equal(mtcp_read(client.mctx, c, buf, 2), 2);
  t.equal(mtcp_read(client.mctx, c, buf), 2);
  t.equal(mtcp_read(client.mctx, c, buf, 0), 0);
  t.equal(mtcp_close(client.mctx, c), 0);
  t.equal(mtcp_read(server.mctx, s, buf), 0, 'end of stream');
  t.equal(mtcp_read(server.mctx, s, buf), 0, 'and again');
  t.equal(mtcp_close(server.mctx, s), 0);
  client.advance(client.now + 120 * SECOND);
  t.equal(client.stack.tcp.core.demux.size, 0);
  t.equal(server.stack.tcp.core.demux.size, 0);
});

t.test('a blocking write takes everything, however small the buffers', async (t) => {
  const [client, server] = pair({ delayUs: 500, bandwidthBps: 100_000_000 });
  const [c, s] = connection(client, server);
  const all = pattern(3_000_000);
  const sum = createHash('sha256');
  let received = 0;
  mtcp_setsock_nonblock(server.mctx, s);
  server.onTurn = () => {
    for (let n = mtcp_read(server.mctx, s, buf); n > 0; n = mtcp_read(server.mctx, s, buf)) {
      sum.update(buf.subarray(0, n));
      received += n;
    }
  };
  t.equal(mtcp_write(client.mctx, c, all), all.length);
  client.advance(client.now + SECOND);
  t.equal(received, all.length);
  t.equal(sum.digest('hex'), createHash('sha256').update(all).digest('hex'));
});

t.test('half-close: after SHUT_WR the other direction goes on', async (t) => {
  const [client, server] = pair();
  const [c, s] = connection(client, server);
  t.equal(mtcp_shutdown(client.mctx, c, SHUT_WR), 0);
  t.equal(failure(mtcp_write(client.mctx, c, buf, 1)), 'EPIPE');
  t.equal(mtcp_read(server.mctx, s, buf), 0);
  const peer = sockaddr_in();
  t.equal(mtcp_getpeername(server.mctx, s, peer), 0, 'in CLOSE-WAIT there is still a peer');
  t.equal(mtcp_write(server.mctx, s, pattern(5000)), 5000);
  let got = 0;
  while (got < 5000) got += mtcp_read(client.mctx, c, buf);
  t.equal(got, 5000);
  t.equal(mtcp_shutdown(server.mctx, s, SHUT_RDWR), 0);
  t.equal(mtcp_read(client.mctx, c, buf), 0);
});

t.test('a reset is ECONNRESET once, then the end; writing gives EPIPE', async (t) => {
  const [client, server] = pair();
  const [c, s] = connection(client, server);
  t.equal(mtcp_abort(client.mctx, c), 0);
  t.equal(failure(mtcp_read(server.mctx, s, buf)), 'ECONNRESET');
  t.equal(mtcp_read(server.mctx, s, buf), 0);
  t.equal(failure(mtcp_write(server.mctx, s, buf, 1)), 'EPIPE');
  t.equal(failure(mtcp_connect(server.mctx, s, sockaddr_in('10.0.0.1', 1))), 'EISCONN');
  t.equal(failure(mtcp_getpeername(server.mctx, s, sockaddr_in())), 'ENOTCONN');
  t.equal(mtcp_close(server.mctx, s), 0);
});

t.test('what arrived before a reset can still be read', async (t) => {
  const [client, server] = pair();
  const [c, s] = connection(client, server);
  mtcp_write(client.mctx, c, pattern(10));
  client.advance(client.now + SECOND);
  mtcp_abort(client.mctx, c);
  client.advance(client.now + SECOND);
  const value = { value: 0 };
  const first = mtcp_read(server.mctx, s, buf);
  t.equal(first, 10);
  mtcp_getsockopt(server.mctx, s, SOL_SOCKET, SO_ERROR, value);
  t.equal(value.value, 104, 'ECONNRESET');
});

t.test('closing with unread data resets the connection', async (t) => {
  const [client, server] = pair();
  const [c, s] = connection(client, server);
  mtcp_write(client.mctx, c, pattern(10));
  client.advance(client.now + SECOND);
  mtcp_close(server.mctx, s);
  t.equal(failure(mtcp_read(client.mctx, c, buf)), 'ECONNRESET');
});

t.test('connect to a closed port is ECONNREFUSED at once, and the socket can be used again', async (t) => {
  const [client, server] = pair({ delayUs: 1000 });
  const c = socket(client.mctx);
  t.equal(failure(mtcp_connect(client.mctx, c, sockaddr_in('10.0.0.2', 81))), 'ECONNREFUSED');
  t.equal(client.now, 4000);
  t.equal(failure(mtcp_connect(client.mctx, c, sockaddr_in('10.0.0.2', 81))), 'ECONNREFUSED');
  listener(server.mctx, 81);
  t.equal(mtcp_connect(client.mctx, c, sockaddr_in('10.0.0.2', 81)), 0);
  t.equal(failure(mtcp_connect(client.mctx, c, sockaddr_in('10.0.0.2', 81))), 'EISCONN');
});

t.test(
  'a non-blocking failure is told by the next connect, or was by SO_ERROR; then it can be tried again',
  async (t) => {
    const [client, server] = pair();
    const to = sockaddr_in('10.0.0.2', 81);
    const c = nonblocking(client.mctx);
    t.equal(failure(mtcp_connect(client.mctx, c, to)), 'EINPROGRESS');
    t.equal(failure(mtcp_connect(client.mctx, c, to)), 'EALREADY');
    client.advance(client.now + SECOND);
    t.equal(failure(mtcp_connect(client.mctx, c, to)), 'ECONNREFUSED');
    t.equal(failure(mtcp_connect(client.mctx, c, to)), 'EINPROGRESS');
    client.advance(client.now + SECOND);
    const value = { value: 0 };
    mtcp_getsockopt(client.mctx, c, SOL_SOCKET, SO_ERROR, value);
    t.equal(value.value, 111);
    t.equal(failure(mtcp_connect(client.mctx, c, to)), 'ECONNABORTED');
    listener(server.mctx, 81);
    t.equal(failure(mtcp_connect(client.mctx, c, to)), 'EINPROGRESS');
    client.advance(client.now + SECOND);
    t.equal(failure(mtcp_connect(client.mctx, c, to)), 'EISCONN');
  },
);

t.test('connect to a silent peer is ETIMEDOUT after all SYNs, at exact times', async (t) => {
  const host = createHost({ addresses: ['10.0.0.1/24'], link: 'ip', sysctl: { tcp_syn_retries: 6 } });
  const c = socket(host.mctx);
  t.equal(failure(mtcp_connect(host.mctx, c, sockaddr_in('10.0.0.2', 80))), 'ETIMEDOUT');
  const seconds = host.take().map(({ timeUs }) => timeUs / SECOND);
  t.same(seconds, [0, 1, 3, 7, 15, 31, 63]);
  t.equal(host.now, 127 * SECOND);
});

t.test('connect to a host that does not answer ARP is EHOSTUNREACH', async (t) => {
  const host = createHost({ addresses: ['10.0.0.1/24'] });
  const c = socket(host.mctx);
  t.equal(failure(mtcp_connect(host.mctx, c, sockaddr_in('10.0.0.2', 80))), 'EHOSTUNREACH');
  t.equal(host.now, 3 * SECOND);
  const requests = host
    .take()
    .filter(({ bytes }) => parsePacket(bytes, 'ethernet').arp?.targetIp === '10.0.0.2');
  t.equal(requests.length, 3);
  t.equal(failure(mtcp_connect(host.mctx, socket(host.mctx), sockaddr_in('192.0.2.1', 80))), 'ENETUNREACH');
});

t.test('a peer that vanishes is ETIMEDOUT for whoever writes', async (t) => {
  const [client, server] = pair({ delayUs: 100 }, { sysctl: { tcp_retries2: 3 } });
  const [c] = connection(client, server);
  client.nic.onTransmit = () => undefined;
  t.equal(mtcp_write(client.mctx, c, pattern(10)), 10);
  t.equal(failure(mtcp_read(client.mctx, c, buf)), 'ETIMEDOUT');
  t.equal(mtcp_read(client.mctx, c, buf), 0);
});

t.test('a port is in use, and free again after close', async (t) => {
  const [client, server] = pair();
  const [c, s] = connection(client, server, 8080);
  mtcp_close(client.mctx, c);
  mtcp_close(server.mctx, s);
  const other = socket(server.mctx);
  t.equal(failure(mtcp_bind(server.mctx, other, sockaddr_in('0.0.0.0', 8080))), 'EADDRINUSE');
  t.equal(mtcp_close(server.mctx, 0), 0, 'the listener');
  t.equal(mtcp_bind(server.mctx, other, sockaddr_in('0.0.0.0', 8080)), 0);
  t.equal(mtcp_listen(server.mctx, other, 5), 0);
  const again = socket(client.mctx);
  t.equal(mtcp_connect(client.mctx, again, sockaddr_in('10.0.0.2', 8080)), 0);
});

t.test('closing a listener resets the connections that nobody has accepted', async (t) => {
  const [client, server] = pair();
  const listening = listener(server.mctx, 80);
  const c = socket(client.mctx);
  mtcp_connect(client.mctx, c, sockaddr_in('10.0.0.2', 80));
  client.advance(client.now + SECOND);
  mtcp_close(server.mctx, listening);
  t.equal(failure(mtcp_read(client.mctx, c, buf)), 'ECONNRESET');
  t.equal(
    failure(mtcp_connect(client.mctx, socket(client.mctx), sockaddr_in('10.0.0.2', 80))),
    'ECONNREFUSED',
  );
});

t.test('accept without a free id is ENFILE and keeps the connection', async (t) => {
  const world = new World();
  const client = createHost({ addresses: ['10.0.0.1/24'], world });
  const server = createHost({ addresses: ['10.0.0.2/24'], world, maxConcurrency: 2 });
  joinHosts(client, server);
  const listening = listener(server.mctx, 80, 2);
  const spare = socket(server.mctx);
  mtcp_connect(client.mctx, socket(client.mctx), sockaddr_in('10.0.0.2', 80));
  t.equal(failure(mtcp_accept(server.mctx, listening)), 'ENFILE');
  mtcp_close(server.mctx, spare);
  t.equal(mtcp_accept(server.mctx, listening), spare);
});

t.test('a call that nothing can ever wake throws', async (t) => {
  const [client, server] = pair();
  const listening = listener(server.mctx, 80);
  const [c, s] = connection(client, server, 81);
  t.throws(() => mtcp_accept(server.mctx, listening), WouldBlockForeverError);
  t.throws(() => mtcp_read(client.mctx, c, buf), WouldBlockForeverError);
  t.throws(
    () => mtcp_epoll_wait(client.mctx, mtcp_epoll_create(client.mctx, 1), [], 1, -1),
    WouldBlockForeverError,
  );
  mtcp_write(server.mctx, s, buf, 5);
  t.equal(mtcp_read(client.mctx, c, buf), 5, 'and works afterwards');
  client.world.blockingLimitUs = client.now + 3600 * SECOND;
  t.throws(() => mtcp_write(client.mctx, c, new Uint8Array(10_000_000)), {
    name: 'WouldBlockForeverError',
    message: /only timers/,
  });
});

t.test('a program that only polls makes progress without epoll_wait', async (t) => {
  const [client, server] = pair({ delayUs: 0 });
  const [c, s] = connection(client, server);
  mtcp_setsock_nonblock(client.mctx, c);
  mtcp_write(server.mctx, s, buf, 5);
  let calls = 1;
  client.world.clock.runDue();
  while (mtcp_read(client.mctx, c, buf) < 0 && calls < 10_000) calls++;
  t.ok(calls < 1000, `${calls} calls`);
});

t.test('2,000 connections one after another leave nothing behind', async (t) => {
  const [client, server] = pair({ delayUs: 10 }, { sysctl: { tcp_timewait_ms: 1000 } });
  const listening = listener(server.mctx, 80);
  const ep = mtcp_epoll_create(server.mctx, 1);
  for (let i = 0; i < 2000; i++) {
    const c = socket(client.mctx);
    if (mtcp_connect(client.mctx, c, sockaddr_in('10.0.0.2', 80)) !== 0) throw new Error(failure(-1));
    const s = mtcp_accept(server.mctx, listening);
    mtcp_epoll_ctl(server.mctx, ep, MTCP_EPOLL_CTL_ADD, s, { events: MTCP_EPOLLIN });
    mtcp_write(client.mctx, c, buf, 64);
    mtcp_read(server.mctx, s, buf);
    mtcp_write(server.mctx, s, buf, 64);
    mtcp_read(client.mctx, c, buf);
    if (c !== 0 || s !== 2) throw new Error(`ids ${c} and ${s}`);
    mtcp_close(client.mctx, c);
    if (mtcp_read(server.mctx, s, buf) !== 0) throw new Error('no end of stream');
    mtcp_close(server.mctx, s);
  }
  client.advance(client.now + 100 * SECOND);
  for (const host of [client, server]) {
    const { demux } = host.stack.tcp.core;
    t.same([demux.size, demux.allocated], [0, 0]);
    t.same(host.nic.check(), { rxQueued: 0, rxHeld: 0, txReserved: 0, txSubmitted: 0 });
    t.equal(host.stack.counters.TcpRetransSegs, 0);
  }
  t.same([client.mctx.sockets.used, server.mctx.sockets.used], [0, 2]);
});

t.test('TCP_NODELAY lets small writes out at once, and accepted sockets inherit it', async (t) => {
  for (const nodelay of [0, 1]) {
    const [client, server] = pair({ delayUs: 1000, record: true });
    const listening = listener(server.mctx, 80);
    mtcp_setsockopt(server.mctx, listening, SOL_TCP, TCP_NODELAY, nodelay);
    const c = socket(client.mctx);
    mtcp_connect(client.mctx, c, sockaddr_in('10.0.0.2', 80));
    const s = mtcp_accept(server.mctx, listening);
    const value = { value: -1 };
    mtcp_getsockopt(server.mctx, s, SOL_TCP, TCP_NODELAY, value);
    t.equal(value.value, nodelay);
    server.take();
    for (let i = 0; i < 3; i++) mtcp_write(server.mctx, s, buf, 10);
    const sizes = server.take().map(({ bytes }) => parsePacket(bytes, 'ethernet').payload.length);
    t.same(sizes, nodelay === 1 ? [10, 10, 10] : [10]);
    server.advance(server.now + SECOND);
    t.equal(mtcp_read(client.mctx, c, buf), 30);
  }
});

t.test('a call whose context is destroyed, or is to end, while it blocks is EINTR', async (t) => {
  const calls: Record<string, (host: Host, id: number, listening: number) => number> = {
    mtcp_read: (host, id) => mtcp_read(host.mctx, id, buf),
    mtcp_write: (host, id) => mtcp_write(host.mctx, id, new Uint8Array(10_000_000)),
    mtcp_accept: (host, _, listening) => mtcp_accept(host.mctx, listening),
    mtcp_connect: (host) => mtcp_connect(host.mctx, socket(host.mctx), sockaddr_in('10.0.0.99', 1)),
    mtcp_epoll_wait: (host) => mtcp_epoll_wait(host.mctx, mtcp_epoll_create(host.mctx, 1), [], 1, -1),
    mtcp_poll: (host, id) => mtcp_poll(host.mctx, [{ fd: id, events: POLLIN }]),
  };
  for (const [name, call] of Object.entries(calls)) {
    const [client, server] = pair();
    const [c] = connection(client, server);
    const listening = listener(client.mctx, 90);
    client.advance(client.now + SECOND);
    client.world.clock.schedule(client.now + SECOND, () => client.close());
    t.equal(failure(call(client, c, listening)), 'EINTR', name);
  }
  // A core that is to end is told by a word of memory.
  for (const [name, call] of Object.entries(calls)) {
    const [client, server] = pair();
    const [c] = connection(client, server);
    const listening = listener(client.mctx, 90);
    client.advance(client.now + SECOND);
    const word = new Int32Array(new SharedArrayBuffer(4));
    client.mctx.stopWord = word;
    client.world.clock.schedule(client.now + SECOND, () => Atomics.store(word, 0, 1));
    t.equal(failure(call(client, c, listening)), 'EINTR', `${name} of a core that is to end`);
  }
});

t.test('destroying a context resets what is open and closes the Nic', async (t) => {
  const [client, server] = pair();
  const [c, s] = connection(client, server);
  mtcp_setsock_nonblock(client.mctx, c);
  mtcp_write(client.mctx, c, pattern(10));
  client.close();
  t.equal(mtcp_read(server.mctx, s, buf), 10, 'what was written is sent first');
  t.equal(failure(mtcp_read(server.mctx, s, buf)), 'ECONNRESET');
  t.equal(failure(mtcp_read(client.mctx, c, buf)), 'EPERM');
});
