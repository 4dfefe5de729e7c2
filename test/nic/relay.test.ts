// The cable between two Nics: what arrives at one leaves by the other, whole, and no frame is unaccounted for.

import t from 'tap';
import { FaultNic } from '../../src/nic/fault-nic.js';
import { MemoryNic, type MemoryNicOptions } from '../../src/nic/memory-nic.js';
import { Relay } from '../../src/nic/relay.js';
import { VirtualClock } from '../../src/nic/virtual-clock.js';
import { ethernet, ipv4, onesSum } from '../support/frames.js';

const NOTHING_OUT = { rxQueued: 0, rxHeld: 0, txReserved: 0, txSubmitted: 0 };

function lab(options: MemoryNicOptions = {}) {
  const a = new MemoryNic({ strict: true, ...options });
  const b = new MemoryNic({ strict: true, ...options });
  return { a, b, relay: new Relay(a, b) };
}

function frame(number: number, length = 100): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => number * 31 + i);
}

t.test('frames cross both ways, in order and unchanged', async (t) => {
  const { a, b, relay } = lab();
  for (let i = 0; i < 100; i++) {
    a.inject(frame(i, 60 + i * 10));
    b.inject(frame(i + 1000));
  }
  while (relay.turn() > 0);
  t.same(
    b.take(),
    Array.from({ length: 100 }, (_, i) => frame(i, 60 + i * 10)),
  );
  t.same(
    a.take(),
    Array.from({ length: 100 }, (_, i) => frame(i + 1000)),
  );
  t.equal(relay.carried, 200);
  t.equal(relay.refused, 0);
  for (const nic of [a, b]) t.match(nic.check(), NOTHING_OUT);
});

t.test('what the other side has no room for is counted and dropped', async (t) => {
  const { a, b, relay } = lab({ frames: 4, bigFrames: 4 });
  const held = [b.reserve(), b.reserve(), b.reserve()];
  for (let i = 0; i < 3; i++) a.inject(frame(i));
  a.inject(frame(9, 3000));
  while (relay.turn() > 0);
  t.equal(b.take().length, 1, 'one frame was free');
  t.equal(relay.refused, 3, 'two found none, and one was too long');
  for (const offset of held) b.release(offset);
  for (const nic of [a, b]) t.match(nic.check(), NOTHING_OUT);
});

t.test('a checksum that was left to nobody is completed', async (t) => {
  const { a, b, relay } = lab({ rxPartialChecksum: true });
  const segment = Buffer.alloc(40, 7);
  const packet = ipv4('10.0.0.1', '10.0.0.2', 6, segment);
  const pseudo = onesSum(packet.subarray(12, 20), 6 + segment.length);
  packet.writeUInt16BE(pseudo, 20 + 16);
  a.inject(ethernet('02:00:00:00:00:02', '02:00:00:00:00:01', 0x0800, packet));
  while (relay.turn() > 0);
  const [sent] = b.take();
  t.equal(onesSum(sent!.subarray(34), pseudo), 0xffff);
});

t.test('with faults around it, it is a bad cable', async (t) => {
  const clock = new VirtualClock();
  const [a, b] = [new MemoryNic({ frames: 2048 }), new MemoryNic({ frames: 2048 })];
  const faulty = new FaultNic(a, { seed: 3, rx: { loss: 0.2, delayUs: 500 } }, () => clock.now);
  const relay = new Relay(faulty, b);
  for (let i = 0; i < 1000; i++) a.inject(frame(i));
  while (relay.turn() > 0);
  t.equal(relay.carried, 0, 'all are still on their way');
  clock.advance(500);
  while (relay.turn() > 0);
  t.equal(b.take().length, 1000 - faulty.rxCounts.lost);
  t.ok(faulty.rxCounts.lost > 100 && faulty.rxCounts.lost < 300);
});

t.test('two links of different kinds are not joined', async (t) => {
  const [a, b] = [new MemoryNic({ linkType: 'ip' }), new MemoryNic()];
  t.throws(() => new Relay(a, b), RangeError);
});
