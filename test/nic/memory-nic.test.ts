// The device without hardware, the clock that it lives in and the wire between two of them: order, exact account of frames,
// exact arithmetic of rate and delay, scripted and random losses that a seed replays.

import t from 'tap';
import { MemoryNic, type MemoryNicOptions } from '../../src/nic/memory-nic.js';
import { RX_CHECKSUM_GOOD, RX_STRIDE } from '../../src/nic/nic.js';
import { connectNics, type WireOptions } from '../../src/nic/simulated-wire.js';
import { VirtualClock } from '../../src/nic/virtual-clock.js';
import { below, createRandom } from '../../src/stack/random.js';

const batch = new Int32Array(64 * RX_STRIDE);

const FIRST_OF_SEED_1 = [393288148, -2120864283, -480208205, 2092745082];

/** An Ethernet frame with an IPv4 EtherType, a number in it and bytes that follow from the number. */
function frame(number: number, length = 60): Uint8Array {
  const bytes = new Uint8Array(length).map((_, i) => number * 7 + i);
  bytes[12] = 8;
  bytes[13] = 0;
  new DataView(bytes.buffer).setUint32(16, number);
  return bytes;
}

function send(nic: MemoryNic, bytes: Uint8Array) {
  const offset = nic.reserve();
  nic.memory.set(bytes, offset);
  nic.submit(offset, bytes.length, 0, 0);
  nic.flush();
}

/** Receives everything that waits and gives it back. */
function receiveAll(nic: MemoryNic): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let count = nic.receive(batch); count > 0; count = nic.receive(batch)) {
    for (let i = 0; i < count * RX_STRIDE; i += RX_STRIDE) {
      frames.push(nic.memory.slice(batch[i], batch[i] + batch[i + 1]));
      nic.release(batch[i]);
    }
  }
  return frames;
}

const numberOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(16);

t.test('random numbers', async (t) => {
  t.test('a seed gives one sequence, on every machine', async (t) => {
    const random = createRandom(1);
    t.same([random(), random(), random(), random()], FIRST_OF_SEED_1);
    const [a, b] = [createRandom(7), createRandom(7)];
    for (let i = 0; i < 1000; i++) if (a() !== b()) t.fail(`differs at ${i}`);
    t.not(createRandom(8)(), createRandom(7)());
  });

  t.test('every value below n comes, and nothing else', async (t) => {
    const random = createRandom(0);
    const counts = new Array(10).fill(0);
    for (let i = 0; i < 10_000; i++) counts[below(random, 10)]++;
    t.equal(counts.length, 10);
    t.ok(
      counts.every((count) => count > 850 && count < 1150),
      counts.join(),
    );
    let bits = 0;
    for (let i = 0; i < 1000; i++) bits |= random();
    t.equal(bits, -1);
  });
});

t.test('virtual clock', async (t) => {
  t.test('plays events in order of time and, at one time, of their scheduling', async (t) => {
    const clock = new VirtualClock(10);
    const log: string[] = [];
    const note = (name: string) => () => void log.push(`${name}@${clock.now}`);
    clock.schedule(30, note('c'));
    clock.schedule(20, note('a'));
    clock.schedule(20, () => {
      note('b')();
      clock.schedule(20, note('b2'));
      clock.schedule(25, note('b3'));
      clock.schedule(5, note('past'));
    });
    clock.schedule(20, note('last'));
    const never = clock.schedule(22, note('never'));
    t.equal(clock.nextEvent(), 20);
    t.equal(clock.advance(19), 0);
    t.equal(clock.now, 19);
    t.ok(clock.cancel(never));
    t.notOk(clock.cancel(never));
    t.equal(clock.advance(29), 6);
    t.same(log, ['a@20', 'b@20', 'last@20', 'b2@20', 'past@20', 'b3@25']);
    t.equal(clock.now, 29);
    t.ok(clock.runNext());
    t.equal(clock.now, 30);
    t.notOk(clock.runNext());
    t.equal(clock.nextEvent(), Number.POSITIVE_INFINITY);
    t.equal(clock.advance(5), 0);
    t.equal(clock.now, 30, 'time does not go back');
    t.throws(() => clock.schedule(Number.POSITIVE_INFINITY, () => {}), RangeError);
  });

  t.test('a callback may advance time by itself', async (t) => {
    const clock = new VirtualClock();
    const log: number[] = [];
    clock.schedule(10, () => {
      clock.advance(50);
      log.push(clock.now);
    });
    clock.schedule(20, () => void log.push(clock.now));
    clock.schedule(60, () => void log.push(clock.now));
    clock.schedule(40, () => void clock.schedule(55, () => void log.push(clock.now)));
    clock.advance(45);
    t.same(log, [20, 50]);
    t.equal(clock.now, 50);
    t.equal(clock.runDue(), 0);
    clock.advance(100);
    t.same(log, [20, 50, 55, 60]);
  });
});

t.test('memory Nic', async (t) => {
  t.test('hands frames over in order and keeps account of each', async (t) => {
    const nic = new MemoryNic({ frames: 4, bigFrames: 1, strict: true });
    t.same(nic.capabilities, {
      linkType: 'ethernet',
      mtu: 1500,
      mac: Uint8Array.of(2, 0, 0, 0, 0, 1),
      txChecksum: false,
      rxPartialChecksum: false,
      mode: 'memory',
    });
    for (let i = 0; i < 4; i++) t.ok(nic.inject(frame(i), i === 3 ? RX_CHECKSUM_GOOD : 0));
    t.notOk(nic.inject(frame(4)), 'no frame is free');
    t.ok(nic.inject(frame(5, 65_549)), 'but a big one is');
    t.notOk(nic.inject(frame(6, 65_549)));
    t.notOk(nic.inject(frame(6, 65_550)), 'no IP packet is so long');
    t.same(nic.check(), { rxQueued: 5, rxHeld: 0, txReserved: 0, txSubmitted: 0 });

    const three = new Int32Array(3 * RX_STRIDE + 1);
    t.equal(nic.receive(three), 3);
    t.equal(nic.memory[three[3] + 20], frame(1)[20]);
    t.same([three[1], three[2]], [60, 0]);
    t.equal(nic.receive(batch), 2);
    t.same([batch[1], batch[2]], [60, RX_CHECKSUM_GOOD]);
    t.equal(batch[4], 65_549);
    t.same(nic.memory.slice(batch[3], batch[3] + 65_549), frame(5, 65_549));
    t.equal(nic.receive(batch), 0);
    t.same(nic.check(), { rxQueued: 0, rxHeld: 5, txReserved: 0, txSubmitted: 0 });
    for (const offset of [three[0], three[3], three[6], batch[0], batch[3]]) nic.release(offset);
    t.same(nic.check(), { rxQueued: 0, rxHeld: 0, txReserved: 0, txSubmitted: 0 });
    t.match(nic.statistics(), { rx_packets: 5, rx_dropped: 3, rx_bytes: 4 * 60 + 65_549 });
  });

  t.test('sends at flush, in the order of submission', async (t) => {
    const nic = new MemoryNic({ frames: 3, strict: true });
    const offsets = [nic.reserve(), nic.reserve(), nic.reserve()];
    t.equal(nic.reserve(), -1);
    for (const [i, offset] of offsets.entries()) nic.memory.set(frame(i), offset);
    nic.submit(offsets[2], 60, 0, 0);
    nic.submit(offsets[0], 60, 0, 0);
    nic.release(offsets[1]);
    t.same(nic.take(), []);
    t.same(nic.check(), { rxQueued: 0, rxHeld: 0, txReserved: 0, txSubmitted: 2 });
    nic.flush();
    t.same(nic.take(), [frame(2), frame(0)]);
    t.same(nic.take(), []);
    t.match(nic.statistics(), { tx_packets: 2, tx_bytes: 120, tx_no_frames: 1, tx_errors: 0 });
    nic.check();
  });

  t.test('a transmit hook may submit and flush', async (t) => {
    const nic = new MemoryNic({ frames: 3, strict: true });
    const seen: number[] = [];
    nic.onTransmit = (memory, offset, length) => {
      const number = numberOf(memory.slice(offset, offset + length));
      seen.push(number);
      if (number < 9) send(nic, frame(number + 4));
    };
    send(nic, frame(1));
    send(nic, frame(2));
    t.same(seen, [1, 5, 9, 2, 6, 10]);
    t.same(nic.check(), { rxQueued: 0, rxHeld: 0, txReserved: 0, txSubmitted: 0 });
  });

  t.test('misuse of a frame is counted, or thrown when it is strict', async (t) => {
    for (const strict of [false, true]) {
      const nic = new MemoryNic({ frames: 2, strict });
      const misuse = (call: () => void) => (strict ? t.throws(call) : call());
      const offset = nic.reserve();
      misuse(() => nic.release(offset + 1));
      misuse(() => nic.release(-5));
      misuse(() => nic.release(1 << 30));
      nic.release(offset);
      misuse(() => nic.release(offset));
      misuse(() => nic.submit(offset, 60, 0, 0));
      nic.inject(frame(1));
      nic.receive(batch);
      misuse(() => nic.submit(batch[0], 60, 0, 0));
      nic.release(batch[0]);
      t.equal(nic.statistics().frame_misuse, 6);
      t.throws(() => nic.check(), /6 frames/);
    }
  });

  t.test('a frame that no device would take is dropped', async (t) => {
    for (const strict of [false, true]) {
      const nic = new MemoryNic({ mtu: 100, strict });
      for (const length of [0, 115]) {
        const offset = nic.reserve();
        if (strict) t.throws(() => nic.submit(offset, length, 0, 0), /cannot be sent/);
        else nic.submit(offset, length, 0, 0);
      }
      const offset = nic.reserve();
      if (strict) t.throws(() => nic.submit(offset, 60, 34, 16), /checksum/);
      else nic.submit(offset, 60, 34, 16);
      nic.flush();
      t.same(nic.take(), []);
      t.equal(nic.statistics().tx_errors, 3);
      t.same(nic.check(), { rxQueued: 0, rxHeld: 0, txReserved: 0, txSubmitted: 0 });
    }
  });

  t.test('a byte written outside a frame is found', async (t) => {
    const nic = new MemoryNic({ mtu: 200, frames: 2, bigFrames: 0 });
    const offset = nic.reserve();
    nic.memory[offset - 1] = 0;
    t.throws(() => nic.check(), /between two frames/);
  });

  t.test('completes checksums when it offers to', async (t) => {
    const nic = new MemoryNic({ linkType: 'ip', txChecksum: true });
    const offset = nic.reserve();
    // RFC 1071 section 3 sums these bytes to ddf2; the field holds 0, an odd byte is padded.
    nic.memory.set([9, 9, 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7, 0, 0], offset);
    nic.submit(offset, 12, 2, 8);
    const odd = nic.reserve();
    nic.memory.set([9, 0, 0, 0x12], odd);
    nic.submit(odd, 4, 1, 0);
    nic.flush();
    const [first, second] = nic.take();
    t.same(first.subarray(10), [0x22, 0x0d]);
    t.same(second, [9, 0xed, 0xff, 0x12]);
  });

  t.test('wait calls the idle hook, unless something has arrived', async (t) => {
    const nic = new MemoryNic();
    nic.wait(5);
    const waits: number[] = [];
    nic.idle = (timeoutUs) => void waits.push(timeoutUs);
    nic.wait(7);
    nic.inject(frame(1));
    nic.wait(8);
    t.same(waits, [7]);
  });

  t.test('a closed one is silent', async (t) => {
    const nic = new MemoryNic();
    nic.inject(frame(1));
    nic.close();
    nic.close();
    t.notOk(nic.inject(frame(2)));
    t.equal(nic.receive(batch), 0);
    t.equal(nic.reserve(), -1);
    nic.check();
  });

  t.test('refuses impossible options by name', async (t) => {
    const cases: [MemoryNicOptions, RegExp][] = [
      [{ mtu: 67 }, /mtu/],
      [{ mtu: 65_536 }, /mtu/],
      [{ frames: 0 }, /frames/],
      [{ bigFrames: 0.5 }, /bigFrames/],
      [{ mac: new Uint8Array(5) }, /mac/],
      [{ linkType: 'token-ring' as 'ip' }, /linkType/],
    ];
    for (const [options, message] of cases) {
      t.throws(() => new MemoryNic(options), { name: 'RangeError', message });
    }
    t.same(new MemoryNic({ linkType: 'ip' }).capabilities.mac, new Uint8Array(6));
  });
});

t.test('simulated wire', async (t) => {
  function lab(options: WireOptions = {}) {
    const clock = new VirtualClock(1_000);
    const a = new MemoryNic({ strict: true });
    const b = new MemoryNic({ strict: true });
    return { clock, a, b, wire: connectNics(a, b, clock, options) };
  }
  /** Plays everything and tells when each frame arrived at b. */
  function arrivals(clock: VirtualClock, b: MemoryNic): [number, number][] {
    const seen: [number, number][] = [];
    do for (const bytes of receiveAll(b)) seen.push([numberOf(bytes), clock.now]);
    while (clock.runNext());
    return seen;
  }

  t.test('carries frames unchanged, in order, and never within the flush that sent them', async (t) => {
    const { clock, a, b, wire } = lab();
    const sent = [1, 2, 3, 4, 5].map((n) => frame(n, 60 + 300 * (n - 1)));
    for (const bytes of sent) send(a, bytes);
    t.equal(b.receive(batch), 0);
    t.equal(wire.aToB.inFlight, 5);
    t.equal(clock.nextEvent(), 1_000);
    clock.runDue();
    t.same(receiveAll(b), sent);
    send(b, frame(9));
    clock.advance(1_001);
    t.same(receiveAll(a), [frame(9)]);
    t.match(wire.aToB, { delivered: 5, refused: 0, inFlight: 0, counts: { frames: 5, lost: 0 } });
    t.equal(wire.bToA.delivered, 1);
  });

  t.test('rate and delay are exact to the microsecond', async (t) => {
    // 1,250 bytes at 3 Mbit/s take 3,333 1/3 us: the first is there after 3,334, the third after 10,000.
    const { clock, a, b } = lab({ bandwidthBps: 3_000_000, delayUs: 20_000 });
    for (let i = 0; i < 6; i++) send(a, frame(i, 1_250));
    t.same(arrivals(clock, b), [
      [0, 24_334],
      [1, 27_667],
      [2, 31_000],
      [3, 34_334],
      [4, 37_667],
      [5, 41_000],
    ]);
    // After a pause the link is free at once.
    clock.advance(100_000);
    send(a, frame(6, 1_250));
    t.same(arrivals(clock, b), [[6, 123_334]]);
  });

  t.test('no error adds up over a long time of full load', async (t) => {
    // 60 bytes at 7 bit/s: 480/7 seconds each.
    const { clock, a, b } = lab({ bandwidthBps: 7, queueFrames: 100_000 });
    for (let i = 0; i < 700; i++) send(a, frame(i));
    const seen = arrivals(clock, b);
    for (const [i, at] of seen) {
      const exact = 1_000n + ((BigInt(i) + 1n) * 480_000_000n + 6n) / 7n;
      if (BigInt(at) !== exact) t.fail(`frame ${i} at ${at}, not ${exact}`);
    }
    t.equal(seen.length, 700);
  });

  t.test('what does not fit into the queue is dropped at its tail', async (t) => {
    for (const limit of [{ queueFrames: 3 }, { queueBytes: 3_100 }]) {
      const { clock, a, b, wire } = lab({ bandwidthBps: 8_000_000, ...limit });
      for (let i = 0; i < 6; i++) send(a, frame(i, 1_000));
      clock.advance(2_999);
      // At 2,000 the first has left, the second is being sent, two wait: room for one.
      for (let i = 6; i < 9; i++) send(a, frame(i, 1_000));
      t.same(
        arrivals(clock, b).map(([n]) => n),
        [0, 1, 2, 3, 6],
      );
      t.equal(wire.aToB.counts.overflowed, 4);
    }
  });

  t.test('without a queue a frame passes only when the link is free', async (t) => {
    const { clock, a, b } = lab({ bandwidthBps: 8_000_000, queueFrames: 0 });
    send(a, frame(1, 1_000));
    send(a, frame(2, 1_000));
    clock.advance(2_000);
    send(a, frame(3, 1_000));
    t.same(
      arrivals(clock, b).map(([n]) => n),
      [1, 3],
    );
  });

  t.test('a script drops the frames that it names', async (t) => {
    const { clock, a, b, wire } = lab({ delayUs: 5 });
    wire.aToB.drop = (number, bytes) => number === 5 || numberOf(bytes) === 7;
    for (let i = 1; i < 10; i++) send(a, frame(i));
    t.same(
      arrivals(clock, b).map(([n]) => n),
      [1, 2, 3, 4, 6, 8, 9],
    );
    t.match(wire.aToB.counts, { frames: 9, lost: 2 });
  });

  t.test('each direction has its own properties, which may change at run time', async (t) => {
    const { clock, a, b, wire } = lab({ delayUs: 10, aToB: { delayUs: 30 }, bToA: { loss: 1 } });
    send(a, frame(1));
    send(b, frame(2));
    t.equal(clock.nextEvent(), 1_030);
    t.equal(wire.bToA.counts.lost, 1);
    // A shorter delay from now on does not let frames overtake those on their way.
    wire.aToB.configure({ delayUs: 0 });
    wire.bToA.configure({ loss: 0 });
    send(a, frame(3));
    send(b, frame(4));
    t.equal(clock.nextEvent(), 1_010);
    t.same(arrivals(clock, b), [
      [1, 1_030],
      [3, 1_030],
    ]);
    t.same(receiveAll(a), [frame(4)]);
  });

  t.test('a rate may change while the link is busy', async (t) => {
    const { clock, a, b, wire } = lab({ bandwidthBps: 3_000_000 });
    send(a, frame(1, 1_250));
    wire.aToB.configure({ bandwidthBps: 8_000_000 });
    send(a, frame(2, 1_000));
    wire.aToB.configure({ bandwidthBps: Number.POSITIVE_INFINITY });
    send(a, frame(3, 1_000));
    t.same(arrivals(clock, b), [
      [1, 4_334],
      [2, 5_334],
      [3, 5_334],
    ]);
  });

  t.test('jitter spreads arrivals and keeps their order', async (t) => {
    const { clock, a, b } = lab({ delayUs: 100, jitterUs: 50, seed: 4 });
    for (let i = 0; i < 200; i++) {
      send(a, frame(i));
      clock.advance(clock.now + 10);
    }
    const seen = receiveAll(b).map(numberOf);
    clock.advance(clock.now + 200);
    seen.push(...receiveAll(b).map(numberOf));
    t.same(seen, [...seen.keys()]);
    t.equal(seen.length, 200);
  });

  t.test('one seed gives one history', async (t) => {
    const options = { loss: 0.1, duplicate: 0.1, reorder: 0.1, corrupt: 0.1, delayUs: 50, jitterUs: 20 };
    const history = (seed: number) => {
      const { clock, a, b, wire } = lab({ ...options, seed });
      for (let i = 0; i < 500; i++) send(a, frame(i));
      const seen: string[] = [];
      do for (const bytes of receiveAll(b)) seen.push(`${clock.now} ${Buffer.from(bytes).toString('hex')}`);
      while (clock.runNext());
      const { frames, lost, duplicated } = wire.aToB.counts;
      t.equal(seen.length, frames - lost + duplicated);
      b.check();
      return seen.join('\n');
    };
    t.equal(history(1), history(1));
    t.not(history(1), history(2));
  });

  t.test('what is not IP is lost rather than damaged', async (t) => {
    const { clock, a, b, wire } = lab({ corrupt: 1, duplicate: 1 });
    const arp = frame(1).fill(8, 12, 14);
    send(a, arp);
    clock.runDue();
    t.same(receiveAll(b), [arp], 'its duplicate passes');
    t.match(wire.aToB, { delivered: 1, counts: { frames: 1, lost: 1, duplicated: 1, corrupted: 0 } });
  });

  t.test('sides that do not fit and options out of range are refused by name', async (t) => {
    const clock = new VirtualClock();
    const ip = new MemoryNic({ linkType: 'ip' });
    t.throws(() => connectNics(ip, new MemoryNic(), clock), /linkType/);
    const { wire } = lab();
    t.throws(() => lab({ aToB: { loss: 2 } }), { name: 'RangeError', message: /aToB\.loss/ });
    t.throws(() => wire.bToA.configure({ delayUs: -1 }), { name: 'RangeError', message: /bToA\.delayUs/ });
    t.throws(() => lab({ bandwidthBps: 0 }), { name: 'RangeError', message: /bandwidthBps/ });
    t.throws(() => lab({ speed: 1 } as WireOptions), { name: 'RangeError', message: /speed/ });
  });

  t.test('what the receiver has no room for is counted on both', async (t) => {
    const clock = new VirtualClock();
    const [a, b] = [new MemoryNic(), new MemoryNic({ frames: 2 })];
    const wire = connectNics(a, b, clock);
    for (let i = 0; i < 5; i++) send(a, frame(i));
    clock.runDue();
    t.equal(wire.aToB.refused, 3);
    t.equal(b.statistics().rx_dropped, 3);
  });
});
