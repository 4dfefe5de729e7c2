// Options that are about time, in virtual time between two hosts: keepalive, TCP_USER_TIMEOUT, TCP_SYNCNT, SO_LINGER, TCP_LINGER2,
// SO_RCVTIMEO and SO_SNDTIMEO, and mTCP's idle timeout.

import t from 'tap';
import * as api from '../../src/index.js';
import { mtcp_setsockopt, SOL_SOCKET, SOL_TCP, sockaddr_in } from '../../src/index.js';
import { createHost, type Host, parsePacket } from '../../src/testing/index.js';
import { connection, failure, listener, nonblocking, pair, pattern, socket } from './support.js';

const SECOND = 1_000_000;
const buf = new Uint8Array(100_000);

function error(host: Host, id: number): string {
  const value = { value: 0 };
  api.mtcp_getsockopt(host.mctx, id, SOL_SOCKET, api.SO_ERROR, value);
  return value.value === 0 ? 'none' : api.errnoName(value.value);
}

/** Times at which a host sends, in seconds since `start`, rounded to 10 ms, up to `untilUs`. */
function sentTimes(host: Host, start: number, untilUs: number): number[] {
  host.take();
  host.advance(untilUs);
  return host.take().map(({ timeUs }) => Math.round((timeUs - start) / 10_000) / 100);
}

t.test('keepalive is off until asked for, and an answer keeps the connection', async (t) => {
  const [client, server] = pair({ delayUs: 100, record: true }, { link: 'ip' });
  const [id] = connection(client, server);
  t.same(sentTimes(client, 0, client.now + 10 * 3600 * SECOND), [], 'ten hours of silence');
  mtcp_setsockopt(client.mctx, id, SOL_SOCKET, api.SO_KEEPALIVE, 1);
  const start = client.now;
  t.same(sentTimes(client, start, start + 15_000 * SECOND).map(Math.round), [7200, 14_400], 'the defaults');
  t.equal(error(client, id), 'none');
  t.equal(client.stack.counters.TcpExtTCPKeepAlive, 2);
  mtcp_setsockopt(client.mctx, id, SOL_SOCKET, api.SO_KEEPALIVE, 0);
  t.same(sentTimes(client, 0, client.now + 10 * 3600 * SECOND), [], 'and off again');
});

t.test('a keepalive probe is the last byte once more, without data', async (t) => {
  const [client, server] = pair({ delayUs: 100, record: true }, { link: 'ip' });
  const [id] = connection(client, server);
  mtcp_setsockopt(client.mctx, id, SOL_SOCKET, api.SO_KEEPALIVE, 1);
  mtcp_setsockopt(client.mctx, id, SOL_TCP, api.TCP_KEEPIDLE, 10);
  const { snd } = client.mctx.sockets.get(id)!.tcb!;
  client.take();
  client.advance(client.now + 11 * SECOND);
  const [probe, ...rest] = client.take().map(({ bytes }) => parsePacket(bytes, 'ip'));
  t.same([probe.tcp!.seq, probe.payload.length, rest.length], [(snd.nxt - 1) | 0, 0, 0]);
});

t.test('a peer that is gone is given up after so many probes', async (t) => {
  let cut = false;
  const [client, server] = pair({ delayUs: 100, record: true, drop: () => cut }, { link: 'ip' });
  const listening = listener(server.mctx, 80);
  const id = socket(client.mctx);
  const set = (name: number, value: number): number => mtcp_setsockopt(client.mctx, id, SOL_TCP, name, value);
  mtcp_setsockopt(client.mctx, id, SOL_SOCKET, api.SO_KEEPALIVE, 1);
  set(api.TCP_KEEPIDLE, 60);
  set(api.TCP_KEEPINTVL, 5);
  set(api.TCP_KEEPCNT, 3);
  api.mtcp_connect(client.mctx, id, sockaddr_in('10.0.0.2', 80));
  t.ok(api.mtcp_accept(server.mctx, listening) >= 0);
  cut = true;
  const start = client.now;
  t.same(sentTimes(client, start, start + 200 * SECOND), [60, 65, 70, 75], 'three probes and a reset');
  t.equal(error(client, id), 'ETIMEDOUT');
  t.equal(client.nextDeadline(), Number.POSITIVE_INFINITY);
});

t.test('the interval may be longer than the idle time, and data puts probes off', async (t) => {
  const [client, server] = pair({ delayUs: 100, record: true }, { link: 'ip' });
  const [id, accepted] = connection(client, server);
  mtcp_setsockopt(client.mctx, id, SOL_SOCKET, api.SO_KEEPALIVE, 1);
  mtcp_setsockopt(client.mctx, id, SOL_TCP, api.TCP_KEEPIDLE, 1);
  client.advance(client.now + 3600 * SECOND);
  t.equal(error(client, id), 'none', 'answered probes do not add up');
  mtcp_setsockopt(client.mctx, id, SOL_TCP, api.TCP_KEEPIDLE, 10);
  const before = client.stack.counters.TcpExtTCPKeepAlive;
  for (let i = 0; i < 20; i++) {
    api.mtcp_write(server.mctx, accepted, pattern(1));
    client.advance(client.now + 5 * SECOND);
  }
  t.equal(client.stack.counters.TcpExtTCPKeepAlive, before);
});

t.test('TCP_USER_TIMEOUT ends keepalive, retransmission, a closed window and a SYN on time', async (t) => {
  const userTimeout = (host: Host, id: number, ms: number): number =>
    mtcp_setsockopt(host.mctx, id, SOL_TCP, api.TCP_USER_TIMEOUT, ms);
  const deadAfter = (host: Host, id: number, start: number): number => {
    while (error(host, id) === 'none') host.advance(host.nextDeadline());
    return (host.now - start) / SECOND;
  };
  let cut = false;
  const cuttable = () => pair({ delayUs: 100, drop: () => cut }, { link: 'ip' });

  {
    const [client, server] = cuttable();
    const [id] = connection(client, server);
    userTimeout(client, id, 12_000);
    cut = true;
    const start = client.now;
    api.mtcp_write(client.mctx, id, pattern(10));
    const after = deadAfter(client, id, start);
    t.ok(after >= 11.9 && after <= 12.6, `unacknowledged data: ${after} s`);
    cut = false;
  }
  {
    const [client, server] = cuttable();
    const [id] = connection(client, server);
    userTimeout(client, id, 100_000);
    mtcp_setsockopt(client.mctx, id, SOL_SOCKET, api.SO_KEEPALIVE, 1);
    mtcp_setsockopt(client.mctx, id, SOL_TCP, api.TCP_KEEPIDLE, 30);
    mtcp_setsockopt(client.mctx, id, SOL_TCP, api.TCP_KEEPCNT, 1);
    mtcp_setsockopt(client.mctx, id, SOL_TCP, api.TCP_KEEPINTVL, 10);
    cut = true;
    const after = deadAfter(client, id, client.now);
    t.ok(after >= 100 && after <= 111, `keepalive: ${after} s, whatever the number of probes`);
    cut = false;
  }
  {
    const [client, server] = cuttable();
    const [id] = connection(client, server);
    api.mtcp_setsock_nonblock(client.mctx, id);
    userTimeout(client, id, 20_000);
    for (let i = 0; i < 100; i++) {
      api.mtcp_write(client.mctx, id, buf);
      client.advance(client.now + 10_000);
    }
    const { tcb } = client.mctx.sockets.get(id)!;
    t.equal(tcb!.snd.wnd, 0);
    const after = deadAfter(client, id, client.now);
    t.ok(after >= 19 && after <= 21.5, `a window that stays closed: ${after} s`);
  }
  {
    const client = createHost({ addresses: ['10.0.0.1/24'], link: 'ip' });
    const id = nonblocking(client.mctx);
    userTimeout(client, id, 5000);
    const start = client.now;
    api.mtcp_connect(client.mctx, id, sockaddr_in('10.0.0.9', 80));
    client.advance(start);
    t.equal(deadAfter(client, id, start), 5, 'a SYN');
  }
});

t.test('TCP_SYNCNT is how often the SYN is sent again', async (t) => {
  const client = createHost({ addresses: ['10.0.0.1/24'], link: 'ip' });
  const id = socket(client.mctx);
  mtcp_setsockopt(client.mctx, id, SOL_TCP, api.TCP_SYNCNT, 2);
  t.equal(failure(api.mtcp_connect(client.mctx, id, sockaddr_in('10.0.0.9', 80))), 'ETIMEDOUT');
  t.same(
    client.take().map(({ timeUs }) => timeUs / SECOND),
    [0, 1, 3],
  );
  t.equal(client.now, 7 * SECOND);
});

t.test('SO_LINGER: close waits, gives up after the time, or resets', async (t) => {
  let cut = false;
  const [client, server] = pair({ delayUs: 50_000, record: true, drop: () => cut });
  const linger = (id: number, seconds: number): number =>
    mtcp_setsockopt(client.mctx, id, SOL_SOCKET, api.SO_LINGER, { l_onoff: 1, l_linger: seconds });
  {
    const [id, accepted] = connection(client, server, 80);
    linger(id, 10);
    api.mtcp_write(client.mctx, id, pattern(1000));
    const start = client.now;
    t.equal(api.mtcp_close(client.mctx, id), 0);
    t.equal(client.now - start, 100_000, 'until all is acknowledged');
    t.equal(server.stack.tcp.available(server.mctx.sockets.get(accepted)!.tcb!), 1000);
  }
  {
    const [id] = connection(client, server, 81);
    linger(id, 3);
    cut = true;
    api.mtcp_write(client.mctx, id, pattern(1000));
    const start = client.now;
    t.equal(api.mtcp_close(client.mctx, id), 0);
    t.equal(client.now - start, 3 * SECOND);
    cut = false;
    client.advance(client.now + 10 * SECOND);
  }
  {
    const [id, accepted] = connection(client, server, 82);
    linger(id, 0);
    api.mtcp_write(client.mctx, id, pattern(1000));
    t.equal(api.mtcp_close(client.mctx, id), 0);
    t.equal(api.mtcp_recv(server.mctx, accepted, buf, 2000, api.MSG_WAITALL), 1000);
    t.equal(failure(api.mtcp_read(server.mctx, accepted, buf)), 'ECONNRESET');
  }
});

t.test('TCP_LINGER2 is the stay in FIN-WAIT-2', async (t) => {
  const stay = (seconds: number): number => {
    const [client, server] = pair({ delayUs: 100 });
    const [id] = connection(client, server);
    mtcp_setsockopt(client.mctx, id, SOL_TCP, api.TCP_LINGER2, seconds);
    const { demux } = client.stack.tcp.core;
    api.mtcp_close(client.mctx, id);
    client.advance(client.now + 1000);
    const start = client.now;
    while (demux.size > 0) client.advance(client.nextDeadline());
    return Math.round((client.now - start) / SECOND);
  };
  t.same([stay(0), stay(5), stay(-1)], [60, 5, 0]);
});

t.test('SO_RCVTIMEO and SO_SNDTIMEO end a wait with EAGAIN, connect with EINPROGRESS', async (t) => {
  const [client, server] = pair({ delayUs: 100 });
  const [id, accepted] = connection(client, server);
  const limit = { tv_sec: 2, tv_usec: 500_000 };
  mtcp_setsockopt(client.mctx, id, SOL_SOCKET, api.SO_RCVTIMEO, limit);
  mtcp_setsockopt(client.mctx, id, SOL_SOCKET, api.SO_SNDTIMEO, limit);
  const timed = (call: () => number): [string | number, number] => {
    const start = client.now;
    const result = call();
    return [result === -1 ? failure(result) : result, client.now - start];
  };
  const { mctx } = client;
  t.same(
    timed(() => api.mtcp_read(mctx, id, buf)),
    ['EAGAIN', 2_500_000],
  );
  api.mtcp_write(server.mctx, accepted, pattern(10));
  t.same(
    timed(() => api.mtcp_recv(mctx, id, buf, 20, api.MSG_WAITALL)),
    [10, 2_500_000],
    'what there is',
  );
  t.same(
    timed(() => api.mtcp_recv_view(mctx, id, api.mtcp_view())),
    ['EAGAIN', 2_500_000],
  );
  const big = new Uint8Array(10_000_000);
  const [written, elapsed] = timed(() => api.mtcp_write(mctx, id, big));
  t.ok((written as number) > 100_000 && (written as number) < 10_000_000, `${written} bytes taken`);
  t.ok(elapsed >= 2_500_000 && elapsed < 2_600_000);
  t.same(
    timed(() => api.mtcp_write(mctx, id, buf)),
    ['EAGAIN', 2_500_000],
  );
  t.same(
    timed(() => api.mtcp_send_reserve(mctx, id, 1, api.mtcp_view())),
    ['EAGAIN', 2_500_000],
  );
  const listening = listener(mctx, 90);
  mtcp_setsockopt(mctx, listening, SOL_SOCKET, api.SO_RCVTIMEO, limit);
  t.same(
    timed(() => api.mtcp_accept(mctx, listening)),
    ['EAGAIN', 2_500_000],
  );
  const slow = socket(mctx);
  mtcp_setsockopt(mctx, slow, SOL_SOCKET, api.SO_SNDTIMEO, { tv_sec: 0, tv_usec: 100 });
  t.same(
    timed(() => api.mtcp_connect(mctx, slow, sockaddr_in('10.0.0.2', 80))),
    ['EINPROGRESS', 100],
  );
  t.equal(failure(api.mtcp_connect(mctx, slow, sockaddr_in('10.0.0.2', 80))), 'EALREADY');
});

t.test('the idle timeout of mTCP ends a connection on which nothing happens, in silence', async (t) => {
  const [client, server] = pair({ delayUs: 100, record: true }, { link: 'ip' });
  client.sysctl('tcp_idle_timeout_ms', 30_000);
  const [id, accepted] = connection(client, server);
  for (let i = 0; i < 4; i++) {
    client.advance(client.now + 20 * SECOND);
    api.mtcp_write(i % 2 === 0 ? client.mctx : server.mctx, i % 2 === 0 ? id : accepted, pattern(1));
  }
  client.advance(client.now + 1 * SECOND);
  api.mtcp_read(client.mctx, id, buf);
  client.take();
  t.equal(error(client, id), 'none');
  client.advance(client.now + 28 * SECOND);
  t.equal(error(client, id), 'none');
  client.advance(client.now + 2 * SECOND);
  t.equal(error(client, id), 'ETIMEDOUT');
  t.same(client.take(), []);
});
