// The load generator against the stack's own servers, in memory and virtual time: it gets its replies, notices wrong ones,
// survives loss, and leaves nothing behind.

import t from 'tap';
import { Client, type Exchange, type Origin } from '../../bench/generator/client.js';
import { Answerer } from '../../bench/peers/answerer.js';
import { replyBytes } from '../../bench/peers/reply.js';
import { FixedService } from '../../src/cli/servers/fixed.js';
import { HttpService } from '../../src/cli/servers/http.js';
import { BuiltInSite } from '../../src/cli/servers/http-content.js';
import type { Service } from '../../src/cli/servers/session.js';
import { MemoryNic } from '../../src/nic/memory-nic.js';
import { Bench, CLIENT, CLIENT_MAC, ENDS, PORT, SERVER, SERVER_MAC } from './wired.js';

const SHORT: Exchange = {
  request: new Uint8Array(64).fill(0x78),
  reply: Int16Array.from(replyBytes(64)),
  pipeline: 1,
  closes: false,
  silent: false,
};

/** A bench with a Client. */
function makeBench(
  service: Service,
  exchange: Exchange,
  connections: number,
  loseEvery = 0,
  { windowBytes, ...origin }: Origin & { windowBytes?: number } = {},
): Bench<Client> {
  const ends = { ...ENDS, ...(windowBytes === undefined ? {} : { windowBytes }) };
  return new Bench(service, (nic) => new Client(nic, ends, PORT, connections, exchange, origin), {
    loseEvery,
  });
}

t.test('messages on open connections', async (t) => {
  const bench = makeBench(new FixedService(64, 64), SHORT, 10);
  bench.run(50);
  const { client, server } = bench;
  t.equal(client.open, 10);
  t.ok(client.replies > 1000, `${client.replies} replies`);
  t.ok(server.totals.requests - client.replies <= 10, 'each request has been answered once');
  t.same([client.errors, client.resent], [0, 0]);
  t.ok(client.latency.quantile(0.5) > 0);
  t.ok(client.latency.quantile(0.999) <= client.latency.max);
  t.equal(bench.end(), 0, 'no connection is left on the server');
});

t.test('several requests under way, and replies of many segments', async (t) => {
  const piped = makeBench(new FixedService(64, 64), { ...SHORT, pipeline: 16 }, 4);
  piped.run(20);
  t.ok(piped.client.replies > 1000, `${piped.client.replies} replies`);
  t.equal(piped.client.errors, 0);
  piped.end();
  const reply = Int16Array.from(replyBytes(200_000));
  const long = makeBench(new FixedService(200_000, 64), { ...SHORT, reply }, 1);
  long.run(100);
  t.ok(long.client.replies > 5, `${long.client.replies} replies of 200,000 bytes`);
  t.equal(long.client.errors, 0);
  long.end();
});

t.test('a connection for each request', async (t) => {
  const bench = makeBench(new FixedService(64, 64), { ...SHORT, closes: true }, 8);
  bench.run(100);
  const { client, server } = bench;
  t.ok(client.replies > 500, `${client.replies} connections`);
  t.same([client.errors, client.resent, server.totals.failed], [0, 0, 0]);
  t.ok(server.totals.connections >= client.replies);
  t.equal(bench.end(), 0, 'the client closes first, so that nothing waits on the server');
});

t.test('HTTP: the first reply tells what all are like', async (t) => {
  const ask = (close: string): Uint8Array => Buffer.from(`GET /bytes/64 HTTP/1.1\r\nHost: b\r\n${close}\r\n`);
  const exchange = { ...SHORT, request: ask(''), reply: undefined };
  const kept = makeBench(new HttpService(new BuiltInSite()), { ...exchange }, 4);
  kept.run(20);
  t.ok(kept.client.replies > 200, `${kept.client.replies} replies`);
  t.equal(kept.client.errors, 0);
  kept.end();
  const closing = { ...exchange, request: ask('Connection: close\r\n'), closes: true };
  const closed = makeBench(new HttpService(new BuiltInSite()), closing, 4);
  closed.run(50);
  t.ok(closed.client.replies > 100, `${closed.client.replies} connections`);
  t.equal(closed.client.errors, 0);
  closed.end();
});

t.test('a wrong byte is an error', async (t) => {
  const reply = Int16Array.from(replyBytes(64));
  reply[63] ^= 1;
  const bench = makeBench(new FixedService(64, 64), { ...SHORT, reply }, 1);
  bench.run(10);
  t.equal(bench.client.replies, 0);
  t.ok(bench.client.errors > 0);
  bench.end();
});

t.test('what is lost is sent again', async (t) => {
  for (const closes of [false, true]) {
    const bench = makeBench(new FixedService(64, 64), { ...SHORT, closes }, 4, 17);
    bench.run(10_000);
    t.ok(bench.client.replies > 50, `${bench.client.replies} replies`);
    t.ok(bench.client.resent > 0);
    t.equal(bench.client.errors, 0);
    bench.end();
  }
});

t.test('what comes behind a hole is asked for at once, so that no timeout has to end it', async (t) => {
  const reply = Int16Array.from(replyBytes(1 << 20));
  const origin = { windowBytes: 1 << 20 };
  const bench = makeBench(new FixedService(1 << 20, 64), { ...SHORT, reply }, 1, 997, origin);
  bench.run(1000);
  t.ok(bench.client.replies > 60, `${bench.client.replies} replies of 1 MiB`);
  t.equal(bench.client.errors, 0);
  bench.end();
});

t.test('idle connections are opened and asked nothing', async (t) => {
  const bench = makeBench(new FixedService(64, 64), { ...SHORT, silent: true }, 300);
  bench.run(500);
  t.same([bench.client.open, bench.server.totals.open], [300, 300]);
  t.same([bench.client.replies, bench.client.resent], [0, 0]);
  t.equal(bench.end(), 0);
});

t.test('connections from several addresses', async (t) => {
  const bench = makeBench(new FixedService(64, 64), SHORT, 50, 0, { addresses: 3 });
  bench.run(50);
  const { client, server } = bench;
  t.same([client.open, client.errors, client.resent], [50, 0, 0]);
  t.ok(client.replies > 1000, `${client.replies} replies`);
  t.ok(server.totals.requests - client.replies <= 50, 'each request has been answered once');
  t.equal(bench.end(), 0, 'no connection is left on the server');
});

t.test('a port is used by each of several addresses, and only if it is accepted', async (t) => {
  const used = new Set<string>();
  const accepts = (address: number, port: number): boolean => {
    if (port % 7 !== 0) return false;
    used.add(`${address - CLIENT} ${port}`);
    return true;
  };
  const bench = makeBench(new FixedService(64, 64), SHORT, 20, 0, { addresses: 2, accepts });
  bench.run(20);
  t.same([bench.client.open, bench.client.errors], [20, 0]);
  const ports = (address: number) =>
    [...used].filter((one) => one.startsWith(`${address} `)).map((one) => one.split(' ')[1]);
  t.equal(ports(0).length, 10);
  t.same(ports(0), ports(1), 'they are told apart by the address');
  bench.end();
});

t.test('idle connections are asked once, and each answers', async (t) => {
  for (const loseEvery of [0, 17]) {
    const silent = { ...SHORT, silent: true };
    const bench = makeBench(new FixedService(64, 64), silent, 600, loseEvery, { addresses: 2 });
    const { client, server } = bench;
    bench.run(loseEvery === 0 ? 500 : 5000);
    t.same([client.open, server.totals.requests], [600, 0]);
    // Long enough for the stack to take them for idle.
    bench.run(3000);
    client.askAll();
    bench.run(loseEvery === 0 ? 500 : 10_000);
    t.same([client.replies, server.totals.requests, client.errors], [600, 600, 0]);
    t.equal(client.resent > 0, loseEvery > 0);
    bench.run(500);
    t.equal(client.replies, 600, 'and only once');
    if (loseEvery === 0) t.equal(bench.end(), 0);
    else bench.end();
  }
});

t.test('many connections, few of them under way: all have their turn', async (t) => {
  for (const loseEvery of [0, 97]) {
    const bench = makeBench(new FixedService(64, 64), { ...SHORT, underWay: 5 }, 200, loseEvery);
    let most = 0;
    for (let ms = 0; ms < (loseEvery === 0 ? 300 : 3000); ms++) {
      bench.run(1);
      most = Math.max(most, bench.server.totals.requests - bench.client.replies);
    }
    const { client, server } = bench;
    t.same([client.open, client.errors], [200, 0]);
    t.ok(client.replies > 1000, `${client.replies} replies`);
    t.ok(most <= 5, `at most ${most} under way`);
    if (loseEvery === 0) t.equal(client.resent, 0);
    t.equal(server.totals.connections, 200);
    bench.end();
  }
});

t.test('a window beyond 64 KiB, and replies that are compared by one call', async (t) => {
  const reply = Int16Array.from(replyBytes(100_000));
  const bench = makeBench(new FixedService(100_000, 64), { ...SHORT, reply, pipeline: 2 }, 2, 0, {
    windowBytes: 1 << 20,
  });
  bench.run(100);
  t.ok(bench.client.replies > 5, `${bench.client.replies} replies`);
  t.same([bench.client.errors, bench.client.resent], [0, 0]);
  bench.end();
  reply[99_999] ^= 1;
  const wrong = makeBench(new FixedService(100_000, 64), { ...SHORT, reply }, 1);
  wrong.run(50);
  t.equal(wrong.client.replies, 0);
  t.ok(wrong.client.errors > 0);
  wrong.end();
});

t.test('the answerer, which has no stack, gives right answers too', async (t) => {
  const near = new MemoryNic({ mac: SERVER_MAC, strict: true });
  const far = new MemoryNic({ mac: CLIENT_MAC, strict: true });
  near.onTransmit = (memory, offset, length) => far.inject(memory.slice(offset, offset + length));
  far.onTransmit = (memory, offset, length) => near.inject(memory.slice(offset, offset + length));
  const answerer = new Answerer(near, SERVER, PORT, 64, replyBytes(8192));
  const reply = Int16Array.from(replyBytes(8192));
  for (const closes of [false, true]) {
    const client = new Client(far, ENDS, PORT, 4, { ...SHORT, reply, closes });
    for (let ms = 0; ms < 100; ms++) {
      client.turn(ms);
      answerer.turn(0);
    }
    t.ok(client.replies > 100, `${client.replies} replies`);
    t.same([client.errors, client.resent], [0, 0]);
    client.abort();
    answerer.turn(0);
  }
});
