// Receive-side scaling: the hash against the published test vectors, the prediction of queues, and the lab, in which the flows of
// a real kernel have to land where they were predicted. The lab needs root; it skips with the reason where that is missing.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import {
  type RssDescription,
  RX_STRIDE,
  RXH_ADDRESSES,
  RXH_IP_SRC,
  RXH_L4_DST,
  RXH_TUPLE,
} from '../../src/nic/nic.js';
import { openXdpNic } from '../../src/nic/open-xdp-nic.js';
import { rssDescription, rxHashFields, rxRings } from '../../src/nic/os/ethtool.js';
import { interfaceInfo } from '../../src/nic/os/interface-info.js';
import { ipBytes } from '../../src/nic/os/ip-bytes.js';
import { LabError, labDown, labRss, labUp, peerNamespace, stackNamespace } from '../../src/nic/os/lab.js';
import { LAB_RSS_KEY, labRssDescription, rssFromAlias, rssToAlias } from '../../src/nic/os/lab-rss.js';
import { inNetns } from '../../src/nic/os/netns.js';
import { isSymmetricKey, toeplitz } from '../../src/nic/os/toeplitz.js';
import { Rss, type TupleEnd } from '../../src/nic/rss.js';
import { mtcpRssHash, mtcpRssQueue } from '../../src/nic/rss-mtcp.js';
import { ip, labReason } from '../support/netns.js';
import { QueueCounter } from '../support/queue-counter.js';

const FLOWS = fileURLToPath(new URL('../support/flows.js', import.meta.url));
const TCP = 6;
const UDP = 17;

/** The verification suite of the RSS specification: source, destination, hash of the addresses, hash with the ports. */
const VECTORS: [string, number, string, number, number, number][] = [
  ['66.9.149.187', 2794, '161.142.100.80', 1766, 0x323e8fc2, 0x51ccc178],
  ['199.92.111.2', 14230, '65.69.140.83', 4739, 0xd718262a, 0xc626b0ea],
  ['24.19.198.95', 12898, '12.22.207.184', 38024, 0xd2d0a5de, 0x5c2b394a],
  ['38.27.205.30', 48228, '209.142.163.6', 2217, 0x82989176, 0xafc7327f],
  ['153.39.163.191', 44251, '202.188.127.2', 1303, 0x5d1809c5, 0x10e828a2],
  ['3ffe:2501:200:1fff::7', 2794, '3ffe:2501:200:3::1', 1766, 0x2cc18cd5, 0x40207d3d],
  ['3ffe:501:8::260:97ff:fe40:efab', 14230, 'ff02::1', 4739, 0x0f0c461c, 0xdde51bbf],
  ['3ffe:1900:4545:3:200:f8ff:fe21:67cf', 44251, 'fe80::200:f8ff:fe21:67cf', 38024, 0x4b61e985, 0x02d1feef],
];
const KEY = Uint8Array.from(Buffer.from(LAB_RSS_KEY, 'hex'));

function describe(changes: Partial<RssDescription> = {}): RssDescription {
  return {
    hash: 'toeplitz',
    key: KEY,
    table: [0, 1, 2, 3],
    tcp4: RXH_TUPLE,
    tcp6: RXH_TUPLE,
    fieldsTold: true,
    transform: 'none',
    ...changes,
  };
}

function make(changes: Partial<RssDescription> = {}): Rss {
  const rss = Rss.of(describe(changes));
  if (rss === undefined) throw new Error('not predictable');
  return rss;
}

function end(address: string, port: number): TupleEnd {
  return endOf(ipBytes(address)!, port);
}

function endOf(bytes: Uint8Array, port: number): TupleEnd {
  const view = Buffer.from(bytes);
  const [w0, w1, w2, w3] = [0, 4, 8, 12].map((at) => view.readInt32BE(at));
  return { w0: w0!, w1: w1!, w2: w2!, w3: w3!, port };
}

/** The bytes that the specification hashes. */
function tupleBytes(src: TupleEnd, dst: TupleEnd, ports: boolean): Uint8Array {
  const v4 = src.w0 === 0 && src.w1 === 0 && src.w2 === 0xffff;
  const words = (of: TupleEnd): number[] => (v4 ? [of.w3] : [of.w0, of.w1, of.w2, of.w3]);
  const bytes = [...words(src), ...words(dst)].flatMap((word) =>
    [24, 16, 8, 0].map((by) => (word >>> by) & 255),
  );
  if (ports) for (const { port } of [src, dst]) bytes.push(port >> 8, port & 255);
  return Uint8Array.from(bytes);
}

t.test('the published vectors of the RSS verification suite', async (t) => {
  const withPorts = make();
  const without = make({ tcp4: RXH_ADDRESSES, tcp6: RXH_ADDRESSES });
  for (const [src, srcPort, dst, dstPort, addresses, tuple] of VECTORS) {
    const from = end(src, srcPort);
    const to = end(dst, dstPort);
    t.equal(withPorts.hash(from, to) >>> 0, tuple, `${src} with ports`);
    t.equal(without.hash(from, to) >>> 0, addresses, `${src} without`);
    t.equal(toeplitz(KEY, tupleBytes(from, to, true)) >>> 0, tuple, 'bit by bit, with ports');
    t.equal(toeplitz(KEY, tupleBytes(from, to, false)) >>> 0, addresses, 'bit by bit, without');
    // A reply's hash chooses the queue: the remote end is its source.
    t.equal(withPorts.queueOf(to, from), tuple % 4);
  }
});

const anyEnd = (family: 4 | 6) =>
  fc
    .tuple(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.nat(65_535))
    .map(([bytes, port]) => endOf(family === 4 ? ipBytes(bytes.subarray(0, 4).join('.'))! : bytes, port));
const anyPair = fc
  .constantFrom(4 as const, 6 as const)
  .chain((family) => fc.tuple(anyEnd(family), anyEnd(family)));
const anyKey = fc.uint8Array({ minLength: 40, maxLength: 52 });

t.test('properties', async (t) => {
  const seed = Number(process.env.SEED ?? 1);
  const check = (name: string, property: Parameters<typeof fc.assert>[0]): void => {
    t.doesNotThrow(() => fc.assert(property, { seed, numRuns: 300 }), name);
  };
  check(
    'the tables give what the definition gives',
    fc.property(anyKey, anyPair, fc.boolean(), (key, [src, dst], ports) => {
      const fields = ports ? RXH_TUPLE : RXH_ADDRESSES;
      const rss = make({ key, tcp4: fields, tcp6: fields });
      return rss.hash(src, dst) === toeplitz(key, tupleBytes(src, dst, ports));
    }),
  );
  check(
    'a queue is always one of the table, and the direction of the reply counts',
    fc.property(
      anyKey,
      anyPair,
      fc.array(fc.nat(63), { minLength: 1, maxLength: 300 }),
      (key, [a, b], table) => {
        const queue = make({ key, table }).queueOf(a, b);
        return queue === table[(toeplitz(key, tupleBytes(b, a, true)) >>> 0) % table.length];
      },
    ),
  );
  check(
    'a key that repeats after 16 bits is symmetric',
    fc.property(fc.uint8Array({ minLength: 2, maxLength: 2 }), anyPair, ([first, second], [a, b]) => {
      const rss = make({ key: Uint8Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? first! : second!)) });
      return rss.symmetric && rss.hash(a, b) === rss.hash(b, a);
    }),
  );
  check(
    'both symmetric transforms are symmetric, and are what ethtool says they are',
    fc.property(
      anyKey,
      anyPair,
      fc.constantFrom('xor' as const, 'or-xor' as const),
      (key, [a, b], transform) => {
        const rss = make({ key, transform });
        const mix = (op: (x: number, y: number) => number): TupleEnd => ({
          w0: a.w0 === 0 && a.w2 === 0xffff ? 0 : op(a.w0, b.w0),
          w1: a.w1 === 0 && a.w2 === 0xffff ? 0 : op(a.w1, b.w1),
          w2: a.w0 === 0 && a.w2 === 0xffff ? 0xffff : op(a.w2, b.w2),
          w3: op(a.w3, b.w3),
          port: op(a.port, b.port),
        });
        const both = mix((x, y) => x ^ y);
        const first = transform === 'xor' ? both : mix((x, y) => x | y);
        const expected = toeplitz(key, tupleBytes(first, both, true));
        return rss.symmetric && rss.hash(a, b) === expected && rss.hash(b, a) === expected;
      },
    ),
  );
  check(
    "mTCP's hash is the closed form over the exclusive or of the bytes",
    fc.property(anyEnd(4), anyEnd(4), (a, b) => {
      const x = tupleBytes(a, b, true).reduce((sum, byte) => sum ^ byte, 0);
      let reversed = 0;
      for (let bit = 0; bit < 8; bit++) reversed |= ((x >> bit) & 1) << (7 - bit);
      const byte = reversed ^ (((reversed << 2) | (reversed >> 6)) & 255);
      return mtcpRssHash(a.w3, b.w3, a.port, b.port) === Math.imul(byte, 0x01010101);
    }),
  );
});

t.test('what cannot be predicted is said to be so', async (t) => {
  t.equal(Rss.of(undefined), undefined);
  for (const changes of [
    { hash: 'xor' },
    { hash: 'other' },
    { transform: 'other' },
    { key: KEY.subarray(0, 39) },
    { table: [] },
    { tcp4: 0, tcp6: 0 },
  ] satisfies Partial<RssDescription>[]) {
    t.equal(Rss.of(describe(changes)), undefined, JSON.stringify(changes));
  }
  const v6 = end('fd77::1', 1);
  const v4 = end('10.0.0.1', 1);
  const half = make({ tcp6: RXH_IP_SRC | RXH_L4_DST });
  t.equal(half.queueOf(v6, v6), -1);
  t.not(half.queueOf(v4, v4), -1);
  t.equal(make({ tcp4: 0 }).queueOf(v4, v4), -1);
});

t.test('the table gives each queue its share', async (t) => {
  const rss = make({ table: [0, 0, 0, 1] });
  t.same(
    [0, 1, 2].map((queue) => rss.entriesOf(queue)),
    [3, 1, 0],
  );
  const counts = [0, 0];
  for (let port = 1024; port < 65_536; port++) counts[rss.queueOfV4(0x0a4d000a, port, 0x0a4d0001, 80)]!++;
  t.equal(counts[0]! + counts[1]!, 64_512);
  t.ok(Math.abs(counts[0]! / 64_512 - 0.75) < 0.02, `${counts[0]} of 64512 ports`);
  t.notOk(rss.symmetric);
  t.notOk(isSymmetricKey(KEY));
});

t.test("mTCP's own rule for the queue", async (t) => {
  // x = 1: reversed 0x80, rotated 0x02, hash byte 0x82.
  t.equal(mtcpRssHash(0, 0, 0, 1) >>> 0, 0x82828282);
  t.equal(mtcpRssQueue(0, 0, 0, 1, 16, 0), 0x02);
  // 0x82 begins a group of nine bits, 0x082: entry 0x081.
  t.equal(mtcpRssQueue(0, 0, 0, 1, 16, 1), 0x01);
  t.equal(mtcpRssQueue(0, 0, 0, 1, 16, 'util'), 0x01);
  t.equal(mtcpRssQueue(0, 0, 0, 1, 3, 0), 2);
  const seen = new Set<number>();
  for (let x = 0; x < 65_536; x++) seen.add(mtcpRssHash(0x0a000001, 0x0a000002, x, 80));
  t.equal(seen.size, 64, 'mTCP has 64 hashes in all');
});

t.test("a lab's key and table are checked, and survive the way through an alias", async (t) => {
  t.same(labRssDescription(2), describe({ table: Array.from({ length: 128 }, (_, i) => i % 2) }));
  const odd = labRssDescription(64, '6d:5a', [63, 0, 10, 37]);
  t.ok(isSymmetricKey(odd.key));
  t.equal(odd.key.length, 40);
  t.same(odd.table.slice(0, 5), [63, 0, 10, 37, 63]);
  t.ok(rssToAlias(odd).length < 256);
  t.same(rssFromAlias(rssToAlias(odd)), odd);
  for (const alias of ['', 'uplink', 'mtcp rss toeplitz 00 0']) t.equal(rssFromAlias(alias), undefined);
  t.throws(() => labRssDescription(2, '6d5'), /hex digits/);
  t.throws(() => labRssDescription(2, ''), /hex digits/);
  t.throws(() => labRssDescription(2, '05', [0, 2]), /names queue 2, and there are 0 to 1/);
  t.throws(() => labRssDescription(2, '05', []), /1 to 128 entries/);
  t.throws(() => labUp({ name: 'mtcp-t-rss-no', queues: 1, mtu: 1500, rssKey: '05' }), LabError);
  t.throws(() => labUp({ name: 'mtcp-t-rss-no', queues: 2, mtu: 1500, rssTable: [9] }), LabError);
});

// From here on with a kernel.

const reason = labReason();
const skip = reason === undefined ? false : reason;
if (reason !== undefined) t.comment(`skipped: ${reason}`);

let labs = 0;

function lab(t: Test, queues: number, rssKey?: string, rssTable?: number[]): string {
  const name = `mtcp-t-rss${labs++}-${process.pid}`;
  const down = (): void => void labDown(name);
  process.once('exit', down);
  t.teardown(() => {
    process.off('exit', down);
    down();
  });
  labUp({
    name,
    queues,
    mtu: 1500,
    ...(rssKey === undefined ? {} : { rssKey }),
    ...(rssTable === undefined ? {} : { rssTable }),
  });
  return name;
}

function start(t: Test, netns: string, ...words: (string | number)[]): ChildProcess {
  const child = spawn('ip', ['netns', 'exec', netns, process.execPath, FLOWS, ...words.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  return child;
}

const LABS: [string, number, string | undefined, number[] | undefined][] = [
  ['2 queues', 2, undefined, undefined],
  ['4 queues', 4, undefined, undefined],
  ['4 queues, another key, an uneven table', 4, '6d5b56db255b0ec24167253d43a38fb0', [0, 0, 0, 1, 2, 3]],
  ['3 queues, a symmetric key, one queue left out', 3, '6d5a', [2, 0]],
];

for (const [what, queues, key, table] of LABS) {
  t.test(`every flow of a kernel lands where it was predicted: ${what}`, { skip }, async (t) => {
    const name = lab(t, queues, key, table);
    const stack = stackNamespace(name);
    const peer = peerNamespace(name);
    ip('-n', stack, 'addr', 'add', 'fd77::2/64', 'dev', 'mtcp0', 'nodad');
    ip('-n', peer, 'addr', 'add', 'fd77::1/64', 'dev', 'peer0', 'nodad');
    const info = inNetns(stack, () => interfaceInfo('mtcp0'));
    t.same(info.rss, labRssDescription(queues, key, table));
    t.same(labRss(name), info.rss);
    const rss = Rss.of(info.rss)!;
    const counter = new QueueCounter(stack, 'mtcp0', queues);
    t.teardown(() => counter.close());
    let first = 20_000;
    for (const [local, remote] of [
      ['10.77.0.2', '10.77.0.1'],
      ['fd77::2', 'fd77::1'],
    ] as const) {
      const server = start(t, stack, 'serve', local, 80);
      await once(server.stdout!, 'data');
      for (const role of ['tcp', 'udp'] as const) {
        const count = 100;
        const client = start(t, peer, role, local, 80, first, count);
        const [code] = await once(client, 'exit');
        t.equal(code, 0);
        let right = 0;
        const used = new Set<number>();
        for (let port = first; port < first + count; port++) {
          const queue = rss.queueOf(end(local, 80), end(remote, port));
          const counts = counter.counts(role === 'tcp' ? TCP : UDP, port);
          const elsewhere = counts.filter((packets, i) => i !== queue && packets > 0).length;
          if (counts[queue]! >= 3 && elsewhere === 0) right++;
          else t.comment(`${role} ${remote}:${port} predicted ${queue}, counted ${counts}`);
          used.add(queue);
        }
        t.equal(right, count, `${role} from ${remote}: ${right} of ${count} flows`);
        t.same([...used].sort(), [...new Set(rss.description.table)].sort(), 'on every queue of the table');
        first += count;
      }
    }
  });
}

t.test('each queue of a lab has its Nic, which knows where replies land', { skip }, async (t) => {
  const name = lab(
    t,
    2,
    '0123456789abcdeffedcba98765432100f1e2d3c4b5a69788796a5b4c3d2e1f0deadbeefcafef00d',
    [0, 0, 0, 1],
  );
  const stack = stackNamespace(name);
  const peer = peerNamespace(name);
  const address = '10.77.0.10';
  const base = { iface: 'mtcp0', netns: stack, addresses: [address], frames: 512 };
  const zero = openXdpNic({ ...base, queue: 0 });
  t.teardown(() => zero.close());
  const one = openXdpNic({ ...base, queue: 1, program: zero.program });
  t.teardown(() => one.close());
  const nics = [zero, one];
  t.same(
    nics.map(({ capabilities }) => capabilities.queue),
    [0, 1],
  );
  t.equal(zero.capabilities.queues, 2);
  t.same(zero.capabilities.rss, labRss(name));
  const given = openXdpNicRss(name);
  t.same(given, describe(), 'what the caller knows goes first');
  const rss = Rss.of(zero.capabilities.rss)!;
  const mac = Buffer.from(zero.capabilities.mac)
    .toString('hex')
    .replace(/(..)(?=.)/g, '$1:');
  ip('-n', peer, 'neigh', 'add', address, 'lladdr', mac, 'dev', 'peer0');
  const count = 200;
  start(t, peer, 'syn', address, 80, 30_000, count);
  const batch = new Int32Array(64 * RX_STRIDE);
  const landed = new Map<number, number>();
  const until = performance.now() + 10_000;
  while (landed.size < count && performance.now() < until) {
    for (const nic of nics) {
      const got = nic.receive(batch);
      for (let i = 0; i < got; i++) {
        const offset = batch[i * RX_STRIDE]!;
        landed.set(nic.view.getUint16(offset + 34), nic.queue);
        nic.release(offset);
      }
      if (got === 0) nic.wait(1000);
    }
  }
  t.equal(landed.size, count);
  let right = 0;
  let onOne = 0;
  for (const [port, queue] of landed) {
    if (rss.queueOf(end(address, 80), end('10.77.0.1', port)) === queue) right++;
    onOne += queue;
  }
  t.equal(right, count);
  t.ok(onOne > 20 && onOne < 80, `${onOne} of ${count} on the queue with a quarter of the table`);
});

/** What a Nic says whose caller told it how the device spreads. */
function openXdpNicRss(name: string): RssDescription | undefined {
  // The program of the lab's stack side is taken: the peer's side is free, and has no RSS of its own.
  const options = { iface: 'peer0', netns: peerNamespace(name), addresses: [], frames: 512 };
  const untold = openXdpNic(options);
  const none = untold.capabilities.rss;
  untold.close();
  if (none !== undefined) return undefined;
  const nic = openXdpNic({ ...options, rss: describe() });
  const told = nic.capabilities.rss;
  nic.close();
  return told;
}

t.test('a driver that does not tell is no error', { skip }, async (t) => {
  const name = lab(t, 2);
  inNetns(stackNamespace(name), () => {
    t.equal(rssDescription('mtcp0'), undefined);
    t.equal(rxHashFields('mtcp0', 4), undefined);
    t.equal(rxHashFields('mtcp0', 6), undefined);
    t.equal(rxRings('mtcp0'), undefined);
    t.equal(rssDescription('no-such'), undefined);
  });
});

t.test('nothing of a lab with RSS is left when it is down', { skip }, async (t) => {
  const programs = (): number =>
    (spawnSync('bpftool', ['prog', 'list'], { encoding: 'utf8' }).stdout ?? '').split('mtcp_rss').length - 1;
  const before = programs();
  const name = `mtcp-t-rssx-${process.pid}`;
  t.teardown(() => void labDown(name));
  labUp({ name, queues: 2, mtu: 1500 });
  labDown(name);
  const until = performance.now() + 5000;
  while (programs() > before && performance.now() < until)
    await new Promise((resolve) => setTimeout(resolve, 50));
  t.ok(programs() <= before);
});
