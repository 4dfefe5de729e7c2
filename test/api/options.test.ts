// Socket options: for each what it is by default, what it takes, what it refuses, and what is told after setting it; then what
// the options do, between two virtual hosts.

import t from 'tap';
import * as api from '../../src/index.js';
import {
  type Mctx,
  mtcp_getsockopt,
  mtcp_setsockopt,
  SOL_SOCKET,
  SOL_TCP,
  sockaddr_in,
} from '../../src/index.js';
import { createHost, formatPacket, type Host, parsePacket } from '../../src/testing/index.js';
import { INTS } from './int-options.js';
import { connection, failure, listener, pair, pattern, socket } from './support.js';

const any = (value: unknown): never => value as never;

const constants = api as unknown as Record<string, number>;
const host = createHost({ addresses: ['10.0.0.1/24'], link: 'ip' });
const m = host.mctx;

function read(mctx: Mctx, id: number, level: number, name: number): number | string {
  const value = { value: Number.NaN };
  return mtcp_getsockopt(mctx, id, level, name, value) === 0 ? value.value : failure(-1);
}

t.test('options that are ints: default, values, bounds, wrong types', async (t) => {
  for (const [name, level, first, values, refused] of INTS) {
    const id = socket(m);
    const number = constants[name];
    const set = (value: unknown, length?: number): string | number =>
      mtcp_setsockopt(m, id, level, number, any(value), length) === 0
        ? read(m, id, level, number)
        : failure(-1);
    t.equal(read(m, id, level, number), first, `${name} is ${first} at first`);
    for (const [value, told] of values) t.equal(set(value), told, `${name} ${value}`);
    for (const value of [...refused, 1.5, Number.NaN]) t.equal(set(value), 'EINVAL', `${name} ${value}`);
    for (const none of [undefined, null, 'x', {}, new Int32Array(0)]) t.equal(set(none), 'EFAULT', name);
    t.equal(set(1, 3), 'EINVAL', `${name} in 3 bytes`);
    const [value, told] = values[0];
    t.equal(set({ value }), told);
    t.equal(set(Int32Array.of(value), 4), told);
    t.equal(failure(mtcp_getsockopt(m, id, level, number, new Uint8Array(4))), 'EFAULT');
    api.mtcp_close(m, id);
  }
});

t.test('options that cannot be set, and those that are none, are ENOPROTOOPT', async (t) => {
  const id = socket(m);
  const readOnly: [number, string][] = [
    [SOL_SOCKET, 'SO_ERROR'],
    [SOL_SOCKET, 'SO_TYPE'],
    [SOL_SOCKET, 'SO_ACCEPTCONN'],
    [SOL_SOCKET, 'SO_DOMAIN'],
    [SOL_SOCKET, 'SO_PROTOCOL'],
    [SOL_TCP, 'TCP_INFO'],
    [SOL_TCP, 'TCP_UTO_REMOTE'],
  ];
  for (const [level, name] of readOnly) {
    t.equal(failure(mtcp_setsockopt(m, id, level, constants[name], 1)), 'ENOPROTOOPT', name);
  }
  for (const level of [SOL_SOCKET, SOL_TCP, 0, 41, -1]) {
    t.equal(failure(mtcp_setsockopt(m, id, level, 999, 1)), 'ENOPROTOOPT');
    t.equal(failure(mtcp_getsockopt(m, id, level, 999, { value: 0 })), 'ENOPROTOOPT');
  }
});

t.test('options that are structures', async (t) => {
  const id = socket(m);
  const linger = { l_onoff: 9, l_linger: 9 };
  t.equal(mtcp_getsockopt(m, id, SOL_SOCKET, api.SO_LINGER, linger), 0);
  t.same(linger, { l_onoff: 0, l_linger: 0 });
  t.equal(mtcp_setsockopt(m, id, SOL_SOCKET, api.SO_LINGER, { l_onoff: 1, l_linger: 5 }), 0);
  const words = new Int32Array(2);
  t.equal(mtcp_getsockopt(m, id, SOL_SOCKET, api.SO_LINGER, words), 0);
  t.same([...words], [1, 5]);
  t.equal(mtcp_setsockopt(m, id, SOL_SOCKET, api.SO_LINGER, Int32Array.of(0, 5), 8), 0);
  t.equal(mtcp_getsockopt(m, id, SOL_SOCKET, api.SO_LINGER, linger), 0);
  t.same(linger, { l_onoff: 0, l_linger: 0 });
  t.equal(failure(mtcp_setsockopt(m, id, SOL_SOCKET, api.SO_LINGER, { l_onoff: 1, l_linger: -1 })), 'EINVAL');
  t.equal(failure(mtcp_setsockopt(m, id, SOL_SOCKET, api.SO_LINGER, 1)), 'EFAULT');
  t.equal(failure(mtcp_setsockopt(m, id, SOL_SOCKET, api.SO_LINGER, Int32Array.of(1))), 'EFAULT');
  t.equal(failure(mtcp_setsockopt(m, id, SOL_SOCKET, api.SO_LINGER, linger, 4)), 'EINVAL');
  t.equal(failure(mtcp_getsockopt(m, id, SOL_SOCKET, api.SO_LINGER, new Int32Array(1))), 'EFAULT');
  for (const name of [api.SO_RCVTIMEO, api.SO_SNDTIMEO]) {
    const time = { tv_sec: 9, tv_usec: 9 };
    t.equal(mtcp_getsockopt(m, id, SOL_SOCKET, name, time), 0);
    t.same(time, { tv_sec: 0, tv_usec: 0 });
    t.equal(mtcp_setsockopt(m, id, SOL_SOCKET, name, { tv_sec: 1, tv_usec: 500_000 }, 16), 0);
    const length = { value: 100 };
    t.equal(mtcp_getsockopt(m, id, SOL_SOCKET, name, time, length), 0);
    t.same([time, length], [{ tv_sec: 1, tv_usec: 500_000 }, { value: 16 }]);
    for (const [sec, usec] of [
      [-1, 0],
      [0, -1],
      [0, 1_000_000],
    ] as const) {
      const wrong = { tv_sec: sec, tv_usec: usec };
      t.equal(failure(mtcp_setsockopt(m, id, SOL_SOCKET, name, wrong)), 'EDOM');
    }
    t.equal(failure(mtcp_setsockopt(m, id, SOL_SOCKET, name, { tv_sec: 0.5, tv_usec: 0 })), 'EFAULT');
  }
});

t.test('TCP_CONGESTION is a name, TCP_INFO an object', async (t) => {
  const id = socket(m);
  const name = { value: '' };
  t.equal(mtcp_getsockopt(m, id, SOL_TCP, api.TCP_CONGESTION, name), 0);
  t.equal(name.value, m.stack.config.congestionControl);
  t.equal(mtcp_setsockopt(m, id, SOL_TCP, api.TCP_CONGESTION, 'reno'), 0);
  t.equal(mtcp_setsockopt(m, id, SOL_TCP, api.TCP_CONGESTION, Buffer.from('reno\0\0')), 0);
  const bytes = new Uint8Array(6).fill(1);
  t.equal(mtcp_getsockopt(m, id, SOL_TCP, api.TCP_CONGESTION, bytes), 0);
  t.equal(Buffer.from(bytes).toString('latin1'), 'reno\0\0');
  t.equal(failure(mtcp_getsockopt(m, id, SOL_TCP, api.TCP_CONGESTION, new Int32Array(4))), 'EFAULT');
  t.equal(failure(mtcp_setsockopt(m, id, SOL_TCP, api.TCP_CONGESTION, 'warp')), 'ENOENT');
  t.equal(failure(mtcp_setsockopt(m, id, SOL_TCP, api.TCP_CONGESTION, 1)), 'EFAULT');
  const info: Partial<api.TcpInfo> = {};
  t.equal(mtcp_getsockopt(m, id, SOL_TCP, api.TCP_INFO, info), 0);
  t.same(info, { tcpi_state: 7 }, 'not connected');
  t.equal(mtcp_getsockopt(m, listener(m, 88, 5), SOL_TCP, api.TCP_INFO, info), 0);
  t.same(info, { tcpi_state: 10, tcpi_unacked: 0, tcpi_sacked: 5 }, 'listening');
  t.equal(failure(mtcp_getsockopt(m, id, SOL_TCP, api.TCP_INFO, new Int32Array(60))), 'EFAULT');
});

t.test('epoll sets and pipes have no options', async (t) => {
  const ends = [0, 0];
  api.mtcp_pipe(m, ends);
  for (const id of [api.mtcp_epoll_create(m, 1), ends[0]]) {
    t.equal(failure(mtcp_getsockopt(m, id, SOL_SOCKET, api.SO_TYPE, { value: 0 })), 'ENOTSOCK');
    t.equal(failure(mtcp_setsockopt(m, id, SOL_TCP, api.TCP_NODELAY, 1)), 'ENOTSOCK');
  }
});

t.test('TCP_INFO tells the truth of a connection', async (t) => {
  const [client, server] = pair({ delayUs: 10_000 });
  const [id, accepted] = connection(client, server);
  api.mtcp_write(client.mctx, id, pattern(3000));
  api.mtcp_recv(server.mctx, accepted, new Uint8Array(3000), 3000, api.MSG_WAITALL);
  client.advance(client.now + 100_000);
  const info: Partial<api.TcpInfo> = {};
  mtcp_getsockopt(client.mctx, id, SOL_TCP, api.TCP_INFO, info);
  t.match(info, {
    tcpi_state: 1,
    tcpi_ca_state: 0,
    tcpi_retransmits: 0,
    tcpi_options: 7,
    tcpi_snd_mss: 1448,
    tcpi_advmss: 1460,
    tcpi_unacked: 0,
    tcpi_notsent_bytes: 0,
    tcpi_min_rtt: 20_000,
  });
  t.ok(info.tcpi_rtt! >= 20_000 && info.tcpi_rtt! < 60_000, `${info.tcpi_rtt} µs`);
  t.ok(info.tcpi_snd_cwnd! >= 10);
  t.equal(
    info.tcpi_last_data_sent,
    Math.floor((client.now - client.stack.tcp.core.demux.at(0)!.cc.lastSentAt) / 1000),
  );
});

/** Packets with payload that a host has sent, as payload lengths with times. */
function payloads(host: Host): [number, number][] {
  return host
    .take()
    .map(
      ({ timeUs, bytes }) => [timeUs, parsePacket(bytes, host.linkType).payload.length] as [number, number],
    )
    .filter(([, length]) => length > 0);
}

t.test('TCP_CORK holds a part of a segment for 200 ms, and TCP_NODELAY or uncorking lets go', async (t) => {
  const [client, server] = pair({ delayUs: 100, record: true });
  const [id] = connection(client, server);
  const { mctx } = client;
  const cork = (value: number): number => mtcp_setsockopt(mctx, id, SOL_TCP, api.TCP_CORK, value);
  cork(1);
  payloads(client);
  const start = client.now;
  api.mtcp_write(mctx, id, pattern(2000));
  client.advance(start + 1_000_000);
  t.same(payloads(client), [
    [start, 1448],
    // On Linux it is the time of a window probe: the round trip counts as well.
    [start + 200_400, 552],
  ]);
  api.mtcp_write(mctx, id, pattern(10));
  api.mtcp_write(mctx, id, pattern(10));
  t.same(payloads(client), []);
  const uncorked = client.now;
  cork(0);
  t.same(payloads(client), [[uncorked, 20]]);
  client.advance(client.now + 100_000);
  cork(1);
  api.mtcp_write(mctx, id, pattern(30));
  mtcp_setsockopt(mctx, id, SOL_TCP, api.TCP_NODELAY, 1);
  t.same(
    payloads(client).map(([, length]) => length),
    [30],
    'flushed though corked',
  );
  api.mtcp_write(mctx, id, pattern(5));
  t.same(payloads(client), []);
  api.mtcp_close(mctx, id);
  t.same(
    payloads(client).map(([, length]) => length),
    [5],
    'the end of the stream is not held back',
  );
});

t.test('MSG_MORE is a cork for one call', async (t) => {
  const [client, server] = pair({ delayUs: 100, record: true });
  const [id] = connection(client, server);
  const { mctx } = client;
  payloads(client);
  api.mtcp_send(mctx, id, pattern(100), 100, api.MSG_MORE);
  t.same(payloads(client), []);
  api.mtcp_send(mctx, id, pattern(50), 50, 0);
  t.same(
    payloads(client).map(([, length]) => length),
    [150],
  );
  api.mtcp_send(mctx, id, pattern(7), 7, api.MSG_MORE);
  const at = client.now;
  client.advance(at + 300_000);
  t.same(payloads(client), [[at + 200, 7]], 'an ACK lets it go, as on Linux');
  api.mtcp_send(mctx, id, pattern(8), 8, api.MSG_MORE);
  const then = client.now;
  client.advance(then + 300_000);
  const [[leftAt, length]] = payloads(client) as [[number, number]];
  t.equal(length, 8);
  t.ok(leftAt - then >= 200_000 && leftAt - then < 201_000, 'or the time of a probe');
  t.equal(api.mtcp_writev(mctx, id, [pattern(1), { iov_base: pattern(9), iov_len: 4 }, pattern(5)]), 10);
  t.same(
    payloads(client).map(([, length]) => length),
    [10],
    'one segment',
  );
});

t.test('TCP_QUICKACK turns delayed ACKs off and on', async (t) => {
  const [client, server] = pair({ delayUs: 100, record: true });
  const [id, accepted] = connection(client, server);
  const acks = (quick: number): number => {
    mtcp_setsockopt(server.mctx, accepted, SOL_TCP, api.TCP_QUICKACK, quick);
    t.equal(read(server.mctx, accepted, SOL_TCP, api.TCP_QUICKACK), quick);
    client.advance(client.now + 1_000_000);
    server.take();
    api.mtcp_write(client.mctx, id, pattern(10));
    const start = client.now;
    client.advance(start + 1_000_000);
    return server.take()[0].timeUs - start;
  };
  t.equal(acks(0), 40_100);
  t.equal(acks(1), 100);
  t.equal(acks(0), 40_100);
});

t.test('TCP_MAXSEG is announced and kept to', async (t) => {
  const [client, server] = pair({ delayUs: 100, record: true });
  const listening = listener(server.mctx, 80);
  mtcp_setsockopt(server.mctx, listening, SOL_TCP, api.TCP_MAXSEG, 700);
  const id = socket(client.mctx);
  mtcp_setsockopt(client.mctx, id, SOL_TCP, api.TCP_MAXSEG, 600);
  api.mtcp_connect(client.mctx, id, sockaddr_in('10.0.0.2', 80));
  const mss = (host: Host): number | undefined =>
    host
      .take()
      .map(({ bytes }) => /mss (\d+)/.exec(formatPacket(bytes, 'ethernet')))
      .filter((match) => match !== null)
      .map((match) => Number(match![1]))[0];
  t.same([mss(client), mss(server)], [600, 700]);
  api.mtcp_write(client.mctx, id, pattern(1200));
  t.ok(payloads(client).every(([, length]) => length <= 600 - 12));
  t.equal(read(client.mctx, id, SOL_TCP, api.TCP_MAXSEG), 600);
});

t.test('SO_RCVBUF is the window, SO_SNDBUF what can be written', async (t) => {
  const [client, server] = pair({ delayUs: 100 });
  const listening = listener(server.mctx, 80);
  mtcp_setsockopt(server.mctx, listening, SOL_SOCKET, api.SO_RCVBUF, 5000);
  const id = socket(client.mctx);
  mtcp_setsockopt(client.mctx, id, SOL_SOCKET, api.SO_SNDBUF, 4000);
  api.mtcp_connect(client.mctx, id, sockaddr_in('10.0.0.2', 80));
  const accepted = api.mtcp_accept(server.mctx, listening);
  t.equal(read(server.mctx, accepted, SOL_SOCKET, api.SO_RCVBUF), 10_000, 'inherited');
  api.mtcp_setsock_nonblock(client.mctx, id);
  t.equal(api.mtcp_write(client.mctx, id, pattern(100_000)), 4000);
  let written = 4000;
  for (let i = 0; i < 50; i++) {
    client.advance(client.now + 10_000);
    const more = api.mtcp_write(client.mctx, id, pattern(100_000));
    if (more > 0) written += more;
  }
  t.ok(server.stack.tcp.available(server.mctx.sockets.get(accepted)!.tcb!) <= 5000);
  t.ok(written >= 5000 && written <= 9000, `${written} bytes in both buffers`);
});

t.test('TCP_NOTSENT_LOWAT keeps little unsent', async (t) => {
  const [client, server] = pair({ delayUs: 10_000 });
  const [id, accepted] = connection(client, server);
  api.mtcp_setsock_nonblock(client.mctx, id);
  mtcp_setsockopt(client.mctx, id, SOL_TCP, api.TCP_NOTSENT_LOWAT, 1000);
  const ep = api.mtcp_epoll_create(client.mctx, 1);
  api.mtcp_epoll_ctl(client.mctx, ep, api.MTCP_EPOLL_CTL_ADD, id, {
    events: api.MTCP_EPOLLOUT | api.MTCP_EPOLLET,
  });
  t.equal(api.mtcp_epoll_wait(client.mctx, ep, [], 1, 0), 1);
  let written = 0;
  for (let n: number; (n = api.mtcp_write(client.mctx, id, pattern(20_000))) > 0; ) written += n;
  t.equal(written, 20_000);
  t.equal(failure(-1), 'EAGAIN', 'what does not fit the congestion window is unsent');
  t.equal(api.mtcp_epoll_wait(client.mctx, ep, [], 1, 5000), 1, 'told when it is sent');
  t.equal(api.mtcp_write(client.mctx, id, pattern(10)), 10);
  t.equal(api.mtcp_recv(server.mctx, accepted, new Uint8Array(20_010), 20_010, api.MSG_WAITALL), 20_010);
});
