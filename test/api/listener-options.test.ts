// Options of listeners: who may bind, who of several gets a connection (SO_REUSEPORT), and when it may be accepted.

import t from 'tap';
import * as api from '../../src/index.js';
import { mtcp_setsockopt, SOL_SOCKET, SOL_TCP, sockaddr_in } from '../../src/index.js';
import { buildTcp, createHost, parsePacket, type TcpFields } from '../../src/testing/index.js';
import { failure, listener, nonblocking, pair, pattern, socket } from './support.js';

t.test('SO_REUSEADDR and SO_REUSEPORT decide who may bind', async (t) => {
  const { mctx } = createHost({ addresses: ['10.0.0.1/24'], link: 'ip' });
  const bind = (id: number): string => {
    const result = api.mtcp_bind(mctx, id, sockaddr_in('0.0.0.0', 80));
    return result === 0 ? 'bound' : failure(result);
  };
  const [a, b, c, d] = [socket(mctx), socket(mctx), socket(mctx), socket(mctx)];
  for (const id of [a, b]) mtcp_setsockopt(mctx, id, SOL_SOCKET, api.SO_REUSEADDR, 1);
  t.same([bind(a), bind(b), bind(c)], ['bound', 'bound', 'EADDRINUSE']);
  t.equal(api.mtcp_listen(mctx, a, 1), 0);
  t.equal(failure(api.mtcp_listen(mctx, b, 1)), 'EADDRINUSE');
  mtcp_setsockopt(mctx, d, SOL_SOCKET, api.SO_REUSEADDR, 1);
  t.equal(bind(d), 'EADDRINUSE', 'one of them listens');
  for (const id of [a, b, c, d]) api.mtcp_close(mctx, id);
  const [e, f, g] = [socket(mctx), socket(mctx), socket(mctx)];
  for (const id of [e, f]) mtcp_setsockopt(mctx, id, SOL_SOCKET, api.SO_REUSEPORT, 1);
  t.same([bind(e), bind(f), bind(g)], ['bound', 'bound', 'EADDRINUSE']);
  t.same([api.mtcp_listen(mctx, e, 1), api.mtcp_listen(mctx, f, 1)], [0, 0]);
});

t.test('listeners with SO_REUSEPORT share the connections', async (t) => {
  const [client, server] = pair({ delayUs: 100 });
  const ids = [0, 1, 2].map(() => {
    const id = nonblocking(server.mctx);
    mtcp_setsockopt(server.mctx, id, SOL_SOCKET, api.SO_REUSEPORT, 1);
    api.mtcp_bind(server.mctx, id, sockaddr_in('0.0.0.0', 80));
    api.mtcp_listen(server.mctx, id, 100);
    return id;
  });
  for (let i = 0; i < 60; i++)
    api.mtcp_connect(client.mctx, socket(client.mctx), sockaddr_in('10.0.0.2', 80));
  const accept = (id: number): number => {
    let count = 0;
    while (api.mtcp_accept(server.mctx, id) >= 0) count++;
    return count;
  };
  client.advance(client.now + 1000);
  const counts = ids.map(accept);
  t.equal(counts[0] + counts[1] + counts[2], 60);
  t.ok(
    counts.every((count) => count >= 8),
    `${counts}`,
  );
  api.mtcp_close(server.mctx, ids[1]);
  for (let i = 0; i < 20; i++)
    api.mtcp_connect(client.mctx, socket(client.mctx), sockaddr_in('10.0.0.2', 80));
  client.advance(client.now + 1000);
  t.equal(accept(ids[0]) + accept(ids[2]), 20, 'what is left shares all');
});

t.test('a SYN that reuses TIME-WAIT looks at the listener that it will come to', async (t) => {
  const host = createHost({ addresses: ['10.0.0.1/24'], link: 'ip' });
  t.teardown(() => host.close());
  const ids = [0, 1].map(() => {
    const id = nonblocking(host.mctx);
    mtcp_setsockopt(host.mctx, id, SOL_SOCKET, api.SO_REUSEPORT, 1);
    api.mtcp_bind(host.mctx, id, sockaddr_in('0.0.0.0', 80));
    api.mtcp_listen(host.mctx, id, 1);
    return id;
  });
  const send = (srcPort: number, fields: Partial<TcpFields>): ReturnType<typeof parsePacket>[] => {
    host.take();
    host.inject(buildTcp({ src: '10.0.0.2', dst: '10.0.0.1', srcPort, dstPort: 80, ...fields }));
    return host.take().map(({ bytes }) => parsePacket(bytes, 'ip'));
  };
  /** Connects, and returns the peer's number of what is next from here. */
  const connect = (port: number): number => {
    const [answer] = send(port, { flags: 'S', seq: 1 });
    const next = (answer?.tcp?.seq ?? 0) + 1;
    send(port, { flags: '.', seq: 2, ack: next });
    return next;
  };
  // A connection of the second listener goes to TIME-WAIT.
  let port = 1000;
  let accepted = -1;
  let next = 0;
  while (accepted < 0 && port < 1100) {
    next = connect(++port);
    accepted = api.mtcp_accept(host.mctx, ids[1]);
    if (accepted < 0) api.mtcp_abort(host.mctx, api.mtcp_accept(host.mctx, ids[0]));
  }
  api.mtcp_close(host.mctx, accepted);
  host.turn();
  send(port, { flags: 'F.', seq: 2, ack: next + 1 });
  // The first one is full.
  for (let other = 2000; other < 2020; other++) {
    connect(other);
    const id = api.mtcp_accept(host.mctx, ids[1]);
    if (id >= 0) api.mtcp_abort(host.mctx, id);
  }
  const [answer] = send(port, { flags: 'S', seq: 100_000 });
  t.equal(answer?.tcp?.flags, 'S.', 'the second one takes its connection again');
});

t.test('TCP_DEFER_ACCEPT waits for the first data, or for the time', async (t) => {
  const [client, server] = pair({ delayUs: 100 });
  const listening = listener(server.mctx, 80, 2);
  api.mtcp_setsock_nonblock(server.mctx, listening);
  mtcp_setsockopt(server.mctx, listening, SOL_TCP, api.TCP_DEFER_ACCEPT, 3);
  const connect = (): number => {
    const id = socket(client.mctx);
    t.equal(api.mtcp_connect(client.mctx, id, sockaddr_in('10.0.0.2', 80)), 0);
    return id;
  };
  const accepted = (): boolean => api.mtcp_accept(server.mctx, listening) >= 0;
  const first = connect();
  client.advance(client.now + 1000);
  t.notOk(accepted());
  api.mtcp_write(client.mctx, first, pattern(1));
  client.advance(client.now + 1000);
  t.ok(accepted(), 'with data');
  const second = connect();
  api.mtcp_shutdown(client.mctx, second, api.SHUT_WR);
  client.advance(client.now + 1000);
  t.ok(accepted(), 'with the end of the stream');
  connect();
  client.advance(client.now + 2_990_000);
  t.notOk(accepted());
  client.advance(client.now + 20_000);
  t.ok(accepted(), 'after the time');
  const gone = [connect(), connect(), connect()];
  client.advance(client.now + 1000);
  for (const id of gone) api.mtcp_abort(client.mctx, id);
  client.advance(client.now + 1000);
  t.equal(server.mctx.sockets.get(listening)!.listener!.deferred, 0, 'a reset is forgotten');
  connect();
  api.mtcp_close(server.mctx, listening);
  client.advance(client.now + 1000);
  t.equal(server.stack.counters.TcpCurrEstab, 3, 'closing the listener resets what waits');
});
