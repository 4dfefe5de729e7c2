// What must not be guessed from outside: the keyed hash, initial sequence numbers, timestamp offsets and local ports.

import t from 'tap';
import { createRandom } from '../../src/stack/random.js';
import { EphemeralPorts } from '../../src/stack/tcp/ephemeral.js';
import { IsnGenerator } from '../../src/stack/tcp/isn.js';
import { KeyedHash } from '../../src/stack/tcp/keyed-hash.js';
import { Endpoint, parseAddress } from '../../src/stack/wire/address.js';

function endpoint(address: string, port: number): Endpoint {
  const made = new Endpoint();
  made.copy(parseAddress(address)!);
  made.port = port;
  return made;
}

/** HalfSipHash-2-4 of any message, written after the paper's description, on BigInt. */
function reference(key: readonly [number, number], message: Uint8Array): number {
  const mask = 0xffffffffn;
  const rotate = (x: bigint, by: bigint): bigint => ((x << by) | (x >> (32n - by))) & mask;
  const k = key.map((word) => BigInt(word >>> 0));
  const v = [k[0], k[1], k[0] ^ 0x6c796765n, k[1] ^ 0x74656462n];
  const round = (): void => {
    v[0] = (v[0] + v[1]) & mask;
    v[1] = rotate(v[1], 5n) ^ v[0];
    v[0] = rotate(v[0], 16n);
    v[2] = (v[2] + v[3]) & mask;
    v[3] = rotate(v[3], 8n) ^ v[2];
    v[0] = (v[0] + v[3]) & mask;
    v[3] = rotate(v[3], 7n) ^ v[0];
    v[2] = (v[2] + v[1]) & mask;
    v[1] = rotate(v[1], 13n) ^ v[2];
    v[2] = rotate(v[2], 16n);
  };
  const absorb = (word: bigint): void => {
    v[3] ^= word;
    round();
    round();
    v[0] ^= word;
  };
  const word = (bytes: Uint8Array): bigint =>
    bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  const whole = message.length & ~3;
  for (let at = 0; at < whole; at += 4) absorb(word(message.subarray(at, at + 4)));
  absorb((BigInt(message.length & 255) << 24n) | word(message.subarray(whole)));
  v[2] ^= 0xffn;
  for (let i = 0; i < 4; i++) round();
  return Number(BigInt.asIntN(32, v[1] ^ v[3]));
}

const littleEndian = (...bytes: number[]): number =>
  new DataView(Uint8Array.from(bytes).buffer).getInt32(0, true);
const KEY = [0x03020100, 0x07060504] as const;
const counting = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i);

t.test('the reference in this file gives the published 32-bit vectors of HalfSipHash-2-4', async (t) => {
  t.equal(reference(KEY, counting(0)), littleEndian(0xa9, 0x35, 0x9f, 0x5b));
  t.equal(reference(KEY, counting(1)), littleEndian(0x27, 0x47, 0x5a, 0xb8));
  t.equal(reference(KEY, counting(7)), littleEndian(0x8b, 0xcf, 0x63, 0xc5));
  t.equal(reference(KEY, counting(16)), littleEndian(0xd9, 0xb5, 0xac, 0x84));
});

t.test('the keyed hash is HalfSipHash-2-4 of four words', async (t) => {
  const hash = new KeyedHash(...KEY);
  const published = hash.hash(0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c);
  t.equal(published, littleEndian(0xd9, 0xb5, 0xac, 0x84), 'the vector for 16 bytes');
  const random = createRandom(7);
  for (let i = 0; i < 500; i++) {
    const [k0, k1, ...words] = Array.from({ length: 6 }, random);
    const message = new Uint8Array(Int32Array.from(words).buffer);
    t.equal(new KeyedHash(k0, k1).hash(words[0], words[1], words[2], words[3]), reference([k0, k1], message));
  }
});

t.test('an ISN grows by one every 4 µs for a tuple, and starts elsewhere for another', async (t) => {
  const isn = new IsnGenerator(createRandom(1));
  const local = endpoint('10.0.0.1', 80);
  const remote = endpoint('10.0.0.2', 40_000);
  const first = isn.isn(local, remote, 0);
  t.equal((isn.isn(local, remote, 4000) - first) | 0, 1000);
  t.equal((isn.isn(local, remote, 3) - first) | 0, 0);
  t.equal((isn.isn(local, remote, 4 * 2 ** 32) - first) | 0, 0, 'it goes round after 4.77 hours');
  const others = [
    isn.isn(local, endpoint('10.0.0.2', 40_001), 0),
    isn.isn(local, endpoint('10.0.0.3', 40_000), 0),
    isn.isn(endpoint('10.0.0.1', 81), remote, 0),
    isn.isn(endpoint('10.0.0.4', 80), remote, 0),
    isn.isn(remote, local, 0),
    new IsnGenerator(createRandom(2)).isn(local, remote, 0),
  ];
  for (const other of others) t.ok(Math.abs((other - first) | 0) > 1_000_000, 'far away');
});

t.test('an ISN of IPv6 depends on every word of the tuple', async (t) => {
  const isn = new IsnGenerator(createRandom(1));
  const local = endpoint('2001:db8::1', 80);
  const peers = ['2001:db8::2', '2001:db8:0:1::2', '2001:db9::2', '2001:db8::1:0:2'];
  const values = new Set(peers.map((peer) => isn.isn(local, endpoint(peer, 1), 0)));
  t.equal(values.size, peers.length);
});

t.test('the timestamp offset is the same for a tuple used again, and not the ISN', async (t) => {
  const isn = new IsnGenerator(createRandom(1));
  const local = endpoint('10.0.0.1', 80);
  const remote = endpoint('10.0.0.2', 40_000);
  const offset = isn.timestampOffset(local, remote);
  t.equal(isn.timestampOffset(local, remote), offset);
  t.not(isn.timestampOffset(local, endpoint('10.0.0.2', 40_001)), offset);
  t.not(isn.isn(local, remote, 0), offset);
});

t.test('local ports lie in the range, do not repeat soon, and do not just count up', async (t) => {
  const ports = new EphemeralPorts(createRandom(1));
  const local = endpoint('10.0.0.1', 0);
  const remote = endpoint('10.0.0.2', 80);
  const chosen = Array.from({ length: 1000 }, () => ports.choose(local, remote, 32_768, 60_999, () => true));
  t.ok(chosen.every((port) => port >= 32_768 && port <= 60_999));
  t.equal(new Set(chosen).size, 1000);
  const steps = new Set(chosen.slice(1).map((port, i) => port - chosen[i]));
  t.ok(steps.size > 3, 'RFC 6056 3.3.5: random steps');
  const elsewhere = ports.choose(local, endpoint('10.0.0.3', 80), 32_768, 60_999, () => true);
  t.ok(Math.abs(elsewhere - chosen[999]) > 10, 'another destination has its own sequence');
});

t.test('a search for a port looks at every one, once, and says when all are taken', async (t) => {
  const ports = new EphemeralPorts(createRandom(1));
  const local = endpoint('10.0.0.1', 0);
  const remote = endpoint('10.0.0.2', 80);
  const asked: number[] = [];
  const none = ports.choose(local, remote, 40_000, 40_099, () => {
    asked.push(local.port);
    return false;
  });
  t.equal(none, 0);
  t.equal(local.port, 0);
  t.same(
    asked.sort((a, b) => a - b),
    Array.from({ length: 100 }, (_, i) => 40_000 + i),
  );
  t.equal(
    ports.choose(local, remote, 40_000, 40_099, () => local.port === 40_042),
    40_042,
  );
  t.equal(
    ports.choose(local, remote, 5000, 5000, () => true),
    5000,
    'a range of one port',
  );
});
