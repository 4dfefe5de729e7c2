// The load generator against the stack's own servers, in memory and virtual time: it gets its replies, notices wrong ones,
// survives loss, and leaves nothing behind.

import t from 'tap';
import { Client, type Exchange } from '../../bench/generator/client.js';
import { Answerer } from '../../bench/peers/answerer.js';
import { replyBytes } from '../../bench/peers/reply.js';
import { FixedService } from '../../src/cli/servers/fixed.js';
import { HttpService } from '../../src/cli/servers/http.js';
import { BuiltInSite } from '../../src/cli/servers/http-content.js';
import { Server } from '../../src/cli/servers/server.js';
import type { Service } from '../../src/cli/servers/session.js';
import { makeContext } from '../../src/index.js';
import { MemoryNic } from '../../src/nic/memory-nic.js';
import { createRandom } from '../../src/stack/random.js';

const PORT = 7000;
const CLIENT = 0x0a00_0002;
const SERVER = 0x0a00_0001;
const SERVER_MAC = Uint8Array.of(2, 0, 0, 0, 0, 1);
const CLIENT_MAC = Uint8Array.of(2, 0, 0, 0, 0, 2);

const SHORT: Exchange = {
  request: new Uint8Array(64).fill(0x78),
  reply: Int16Array.from(replyBytes(64)),
  pipeline: 1,
  closes: false,
  silent: false,
};

/** A server and a generator with a wire between them that loses every n-th frame. */
class Bench {
  readonly client: Client;
  readonly server: Server;
  private readonly mctx;
  private nowUs = 0;
  private passed = 0;

  constructor(service: Service, exchange: Exchange, connections: number, loseEvery = 0) {
    const near = new MemoryNic({ mac: SERVER_MAC, strict: true });
    const far = new MemoryNic({ mac: CLIENT_MAC, strict: true });
    const join = (from: MemoryNic, to: MemoryNic): void => {
      from.onTransmit = (memory, offset, length) => {
        this.passed++;
        if (loseEvery > 0 && this.passed % loseEvery === 0) return;
        to.inject(memory.slice(offset, offset + length));
      };
    };
    join(near, far);
    join(far, near);
    const addresses = [{ address: '10.0.0.1', prefix: 24 }];
    // Every checksum of the generator is looked at.
    const options = { addresses, peerChecksum: 'verify' as const };
    this.mctx = makeContext(near, options, () => this.nowUs, createRandom(1), 0);
    this.server = new Server(this.mctx, service, { port: PORT });
    const ends = { ownMac: CLIENT_MAC, peerMac: SERVER_MAC, own: CLIENT, peer: SERVER, mss: 1460 };
    this.client = new Client(far, ends, PORT, connections, exchange);
  }

  run(ms: number): void {
    for (const end = this.nowUs + ms * 1000; this.nowUs < end; this.nowUs += 100) {
      this.client.turn(this.nowUs / 1000);
      this.server.poll(0);
    }
  }

  /** Resets what is open; how many connections the stack has then. */
  end(): number {
    this.client.abort();
    this.run(5);
    this.server.poll(0);
    const { size } = this.mctx.stack.tcp.core.demux;
    this.server.close();
    this.mctx.destroy();
    return size;
  }
}

t.test('messages on open connections', async (t) => {
  const bench = new Bench(new FixedService(64, 64), SHORT, 10);
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
  const piped = new Bench(new FixedService(64, 64), { ...SHORT, pipeline: 16 }, 4);
  piped.run(20);
  t.ok(piped.client.replies > 1000, `${piped.client.replies} replies`);
  t.equal(piped.client.errors, 0);
  piped.end();
  const reply = Int16Array.from(replyBytes(200_000));
  const long = new Bench(new FixedService(200_000, 64), { ...SHORT, reply }, 1);
  long.run(100);
  t.ok(long.client.replies > 5, `${long.client.replies} replies of 200,000 bytes`);
  t.equal(long.client.errors, 0);
  long.end();
});

t.test('a connection for each request', async (t) => {
  const bench = new Bench(new FixedService(64, 64), { ...SHORT, closes: true }, 8);
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
  const kept = new Bench(new HttpService(new BuiltInSite()), { ...exchange }, 4);
  kept.run(20);
  t.ok(kept.client.replies > 200, `${kept.client.replies} replies`);
  t.equal(kept.client.errors, 0);
  kept.end();
  const closing = { ...exchange, request: ask('Connection: close\r\n'), closes: true };
  const closed = new Bench(new HttpService(new BuiltInSite()), closing, 4);
  closed.run(50);
  t.ok(closed.client.replies > 100, `${closed.client.replies} connections`);
  t.equal(closed.client.errors, 0);
  closed.end();
});

t.test('a wrong byte is an error', async (t) => {
  const reply = Int16Array.from(replyBytes(64));
  reply[63] ^= 1;
  const bench = new Bench(new FixedService(64, 64), { ...SHORT, reply }, 1);
  bench.run(10);
  t.equal(bench.client.replies, 0);
  t.ok(bench.client.errors > 0);
  bench.end();
});

t.test('what is lost is sent again', async (t) => {
  for (const closes of [false, true]) {
    const bench = new Bench(new FixedService(64, 64), { ...SHORT, closes }, 4, 17);
    bench.run(10_000);
    t.ok(bench.client.replies > 50, `${bench.client.replies} replies`);
    t.ok(bench.client.resent > 0);
    t.equal(bench.client.errors, 0);
    bench.end();
  }
});

t.test('idle connections are opened and asked nothing', async (t) => {
  const bench = new Bench(new FixedService(64, 64), { ...SHORT, silent: true }, 300);
  bench.run(500);
  t.same([bench.client.open, bench.server.totals.open], [300, 300]);
  t.same([bench.client.replies, bench.client.resent], [0, 0]);
  t.equal(bench.end(), 0);
});

t.test('the answerer, which has no stack, gives right answers too', async (t) => {
  const near = new MemoryNic({ mac: SERVER_MAC, strict: true });
  const far = new MemoryNic({ mac: CLIENT_MAC, strict: true });
  near.onTransmit = (memory, offset, length) => far.inject(memory.slice(offset, offset + length));
  far.onTransmit = (memory, offset, length) => near.inject(memory.slice(offset, offset + length));
  const answerer = new Answerer(near, SERVER, PORT, 64, replyBytes(8192));
  const ends = { ownMac: CLIENT_MAC, peerMac: SERVER_MAC, own: CLIENT, peer: SERVER, mss: 1460 };
  const reply = Int16Array.from(replyBytes(8192));
  for (const closes of [false, true]) {
    const client = new Client(far, ends, PORT, 4, { ...SHORT, reply, closes });
    for (let ms = 0; ms < 100; ms++) {
      client.turn(ms);
      answerer.turn();
    }
    t.ok(client.replies > 100, `${client.replies} replies`);
    t.same([client.errors, client.resent], [0, 0]);
    client.abort();
    answerer.turn();
  }
});
