// Streams into a server, in memory and virtual time: every byte of them arrives, whatever the wire loses, and a wrong one is noticed.

import t from 'tap';
import { Sender } from '../../bench/generator/sender.js';
import { Answerer } from '../../bench/peers/answerer.js';
import { replyBytes } from '../../bench/peers/reply.js';
import { SinkService } from '../../bench/peers/sink.js';
import { PATTERN_PERIOD } from '../../src/cli/servers/pattern.js';
import { MemoryNic } from '../../src/nic/memory-nic.js';
import type { Nic } from '../../src/nic/nic.js';
import { Bench, CLIENT_MAC, ENDS, PORT, SERVER, SERVER_MAC } from './wired.js';

function makeSender(flows: number, pattern = replyBytes(PATTERN_PERIOD + ENDS.mss)): (nic: Nic) => Sender {
  return (nic) => new Sender(nic, ENDS, PORT, flows, pattern, PATTERN_PERIOD);
}

t.test('what is acknowledged has arrived, and was right', async (t) => {
  for (const flows of [1, 8]) {
    const bench = new Bench(new SinkService(), makeSender(flows));
    bench.run(100);
    const { client, server } = bench;
    t.same([client.open, client.errors, client.resent], [flows, 0, 0]);
    t.ok(client.bytes > 2 * PATTERN_PERIOD * flows, `${client.bytes} bytes, more than the pattern has`);
    t.ok(client.bytes <= server.totals.bytesIn, `${server.totals.bytesIn} bytes came in`);
    t.equal(server.totals.failed, 0);
    t.equal(bench.end(), 0, 'no connection is left on the server');
  }
});

t.test('what is lost is sent again', async (t) => {
  const bench = new Bench(new SinkService(), makeSender(2), { loseEvery: 97 });
  bench.run(500);
  const { client, server } = bench;
  t.same([client.open, client.errors, server.totals.failed], [2, 0, 0]);
  t.ok(client.resent > 0);
  t.ok(client.bytes > 2 * PATTERN_PERIOD, `${client.bytes} bytes`);
  t.ok(client.bytes <= server.totals.bytesIn);
  bench.end();
});

t.test('a wrong byte is an error, and ends the stream', async (t) => {
  const pattern = replyBytes(PATTERN_PERIOD + ENDS.mss);
  pattern[30_000] ^= 1;
  const bench = new Bench(new SinkService(), makeSender(2, pattern));
  bench.run(100);
  t.same([bench.client.errors, bench.client.open, bench.server.totals.failed], [2, 0, 2]);
  t.equal(bench.end(), 0);
});

t.test('a server that has gone is an error', async (t) => {
  const bench = new Bench(new SinkService(), makeSender(1));
  bench.run(10);
  t.equal(bench.stop(), 0);
  t.same([bench.client.errors, bench.client.open], [1, 0]);
});

t.test('the answerer acknowledges once per batch and flow', async (t) => {
  const near = new MemoryNic({ mac: SERVER_MAC, strict: true });
  const far = new MemoryNic({ mac: CLIENT_MAC, strict: true });
  let answers = 0;
  near.onTransmit = (memory, offset, length) => {
    answers++;
    far.inject(memory.slice(offset, offset + length));
  };
  let frames = 0;
  far.onTransmit = (memory, offset, length) => {
    frames++;
    near.inject(memory.slice(offset, offset + length));
  };
  const answerer = new Answerer(near, SERVER, PORT, 0, replyBytes(0));
  const sender = makeSender(4)(far);
  for (let ms = 0; ms < 100; ms++) {
    sender.turn(ms);
    answerer.turn(ms);
  }
  t.same([sender.open, sender.errors, sender.resent], [4, 0, 0]);
  t.ok(sender.bytes > 4 * PATTERN_PERIOD, `${sender.bytes} bytes`);
  t.ok(answers < frames / 8, `${answers} answers to ${frames} frames`);
});
