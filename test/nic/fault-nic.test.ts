// The wrapper that loses, doubles, reorders, damages, delays and slows down: in both directions, by the odds that were asked
// for, replayed by a seed, and without a frame unaccounted for.

import t from 'tap';
import { FaultNic, type FaultOptions } from '../../src/nic/fault-nic.js';
import { MemoryNic, type MemoryNicOptions } from '../../src/nic/memory-nic.js';
import { RX_CHECKSUM_GOOD, RX_STRIDE } from '../../src/nic/nic.js';
import { VirtualClock } from '../../src/nic/virtual-clock.js';
import * as checksum from '../../src/stack/wire/checksum.js';

const NOTHING_OUT = { rxQueued: 0, rxHeld: 0, txReserved: 0, txSubmitted: 0 };

function lab(options: FaultOptions = {}, inside: MemoryNicOptions = {}) {
  const clock = new VirtualClock();
  const inner = new MemoryNic({ strict: true, ...inside });
  return { clock, inner, nic: new FaultNic(inner, options, () => clock.now) };
}
type Lab = ReturnType<typeof lab>;

/** An Ethernet frame that holds an IPv4 packet with a TCP segment whose checksums are right. */
function frame(number: number, payload = 20): Uint8Array {
  const bytes = new Uint8Array(14 + 20 + 20 + payload);
  const view = new DataView(bytes.buffer);
  view.setUint16(12, 0x0800);
  view.setUint8(14, 0x45);
  view.setUint16(16, bytes.length - 14);
  view.setUint8(22, 64);
  view.setUint8(23, 6);
  view.setUint32(26, 0x0a000001);
  view.setUint32(30, 0x0a000002);
  view.setUint16(24, checksum.finish(checksum.sum(view, 14, 20)));
  view.setUint32(38, number);
  view.setUint8(46, 0x50);
  for (let i = 54; i < bytes.length; i++) bytes[i] = number * 31 + i;
  view.setUint16(50, pseudoSum(view));
  view.setUint16(50, checksum.finish(checksum.sum(view, 34, bytes.length - 34)));
  return bytes;
}

/** The sum over addresses, protocol and length that a partial checksum field holds. */
function pseudoSum(view: DataView): number {
  return checksum.add(checksum.sum(view, 26, 8), 6 + view.byteLength - 34);
}

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
const numberOf = (bytes: Uint8Array) => viewOf(bytes).getUint32(38);
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

/** True when both checksums of a frame are right. */
function intact(bytes: Uint8Array): boolean {
  const view = viewOf(bytes);
  const tcp = checksum.sum(view, 34, bytes.length - 34, pseudoSum(view));
  return checksum.sum(view, 14, 20) === 0xffff && tcp === 0xffff;
}

function submit(nic: FaultNic, bytes: Uint8Array, checksumStart = 0, checksumOffset = 0) {
  const offset = nic.reserve();
  nic.memory.set(bytes, offset);
  nic.submit(offset, bytes.length, checksumStart, checksumOffset);
}

function receiveAll(nic: FaultNic, flags: number[] = [], size = 16): Uint8Array[] {
  const batch = new Int32Array(size * RX_STRIDE);
  const frames: Uint8Array[] = [];
  for (let count = nic.receive(batch); count > 0; count = nic.receive(batch)) {
    for (let i = 0; i < count * RX_STRIDE; i += RX_STRIDE) {
      frames.push(nic.memory.slice(batch[i], batch[i] + batch[i + 1]));
      flags.push(batch[i + 2]);
      nic.release(batch[i]);
    }
  }
  return frames;
}

/** Puts frames through one direction, `gapUs` apart, plays until nothing is on its way, and tells what came out when. */
function through(direction: 'rx' | 'tx', { clock, inner, nic }: Lab, count: number, gapUs = 10) {
  const seen: { at: number; bytes: Uint8Array }[] = [];
  const collect = () => {
    const frames = receiveAll(nic);
    for (const bytes of direction === 'rx' ? frames : inner.take()) seen.push({ at: clock.now, bytes });
  };
  for (let i = 0; i < count; i++) {
    if (direction === 'rx') inner.inject(frame(i));
    else {
      submit(nic, frame(i));
      nic.flush();
    }
    for (const end = clock.now + gapUs; clock.now < end; ) {
      collect();
      clock.advance(Math.max(clock.now, Math.min(end, nic.nextEvent())));
    }
  }
  for (;;) {
    collect();
    if (nic.nextEvent() === Number.POSITIVE_INFINITY) return seen;
    clock.advance(nic.nextEvent());
  }
}

for (const direction of ['rx', 'tx'] as const) {
  t.test(`fault Nic, ${direction}`, async (t) => {
    t.test('without faults it changes nothing and keeps the order', async (t) => {
      const all = lab();
      const seen = through(direction, all, 300);
      t.same(
        seen.map(({ bytes }) => bytes),
        numbers(300).map((i) => frame(i)),
      );
      t.same(
        seen.map(({ at }) => at),
        numbers(300).map((i) => i * 10),
      );
      t.same(all.inner.check(), NOTHING_OUT);
    });

    t.test('loses, doubles, damages and reorders as often as it was told', async (t) => {
      const odds = { loss: 0.1, duplicate: 0.05, corrupt: 0.02, reorder: 0.2, reorderDelayUs: 35 };
      const all = lab({ seed: 11, [direction]: odds });
      const seen = through(direction, all, 5_000);
      const counts = direction === 'rx' ? all.nic.rxCounts : all.nic.txCounts;
      t.equal(counts.frames, 5_000);
      t.ok(Math.abs(counts.lost - 500) < 75, `lost ${counts.lost}`);
      t.ok(Math.abs(counts.duplicated - 225) < 50, `duplicated ${counts.duplicated}`);
      t.ok(Math.abs(counts.corrupted - 90) < 35, `corrupted ${counts.corrupted}`);
      t.ok(Math.abs(counts.reordered - 900) < 100, `reordered ${counts.reordered}`);
      t.equal(seen.length, 5_000 - counts.lost + counts.duplicated);
      t.equal(
        seen.filter(({ bytes }) => !intact(bytes)).length,
        counts.corrupted,
        'checksums find the damage',
      );
      const late = seen.filter(({ bytes }, i) => i > 0 && numberOf(bytes) < numberOf(seen[i - 1].bytes));
      t.ok(late.length > 600, `${late.length} out of order`);
      for (const { at, bytes } of seen) {
        const delay = at - numberOf(bytes) * 10;
        if (intact(bytes) && delay !== 0 && delay !== 35) t.fail(`delay of ${delay}`);
      }
      t.same(all.inner.check(), NOTHING_OUT);
      const name = `fault_${direction}`;
      t.match(all.nic.statistics(), { [`${name}_lost`]: counts.lost, fault_no_frames: 0, frame_misuse: 0 });
    });

    t.test('one seed gives one history, whatever the other direction does', async (t) => {
      const odds = { loss: 0.2, duplicate: 0.2, corrupt: 0.2, reorder: 0.2, jitterUs: 30 };
      const other = direction === 'rx' ? 'tx' : 'rx';
      const history = (options: FaultOptions) =>
        through(direction, lab(options), 300)
          .map(({ at, bytes }) => `${at} ${Buffer.from(bytes).toString('hex')}`)
          .join('\n');
      const once = history({ seed: 3, [direction]: odds });
      t.equal(history({ seed: 3, [direction]: odds, [other]: { loss: 1 } }), once);
      t.not(history({ seed: 4, [direction]: odds }), once);
    });

    t.test('delay, rate and queue are exact', async (t) => {
      // 74 bytes at 5.92 Mbit/s are 100 us.
      const path = { bandwidthBps: 5_920_000, delayUs: 1_000, queueFrames: 2 };
      const all = lab({ [direction]: path });
      const seen = through(direction, all, 6, 10);
      t.same(
        seen.map(({ at, bytes }) => [numberOf(bytes), at]),
        [
          [0, 1_100],
          [1, 1_200],
          [2, 1_300],
        ],
      );
      t.equal((direction === 'rx' ? all.nic.rxCounts : all.nic.txCounts).overflowed, 3);
      t.same(all.inner.check(), NOTHING_OUT);
    });

    t.test('a duplicate needs a free frame and is left out without one', async (t) => {
      const all = lab({ [direction]: { duplicate: 1, delayUs: 5 } }, { frames: 3 });
      const held = [all.nic.reserve(), all.nic.reserve()];
      const seen = through(direction, all, 1);
      t.equal(seen.length, direction === 'rx' ? 2 : 1);
      t.equal(all.nic.statistics().fault_no_frames, direction === 'rx' ? 0 : 1);
      for (const offset of held) all.nic.release(offset);
      t.same(all.inner.check(), NOTHING_OUT);
    });

    t.test('what is not IP is lost rather than damaged', async (t) => {
      const { clock, inner, nic } = lab({ [direction]: { corrupt: 1, duplicate: 1 } });
      const arp = new Uint8Array(60).fill(1);
      if (direction === 'rx') inner.inject(arp);
      else submit(nic, arp);
      nic.flush();
      t.same(direction === 'rx' ? receiveAll(nic) : inner.take(), [arp], 'its duplicate passes');
      t.equal(clock.now, 0);
      t.match(direction === 'rx' ? nic.rxCounts : nic.txCounts, { lost: 1, corrupted: 0, duplicated: 1 });
    });
  });
}

t.test('fault Nic', async (t) => {
  t.test('receives into small batches until nothing is left', async (t) => {
    const { inner, nic } = lab({ rx: { loss: 0.5 } });
    for (let i = 0; i < 500; i++) inner.inject(frame(i));
    const seen = receiveAll(nic, [], 7);
    t.equal(seen.length, 500 - nic.rxCounts.lost);
    t.same(inner.check(), NOTHING_OUT);
    t.equal(nic.receive(new Int32Array(0)), 0);
  });

  t.test('the first empty batch means that the Nic inside is empty', async (t) => {
    const { inner, nic } = lab({ rx: { loss: 1 } });
    for (let i = 0; i < 500; i++) inner.inject(frame(i));
    t.equal(nic.receive(new Int32Array(3 * RX_STRIDE)), 0);
    nic.configure({ rx: { loss: 0 } });
    inner.inject(frame(500));
    t.same(receiveAll(nic), [frame(500)]);
    t.equal(nic.rxCounts.lost, 500);
  });

  t.test('wait ends when a frame is due', async (t) => {
    const { clock, inner, nic } = lab({ rx: { delayUs: 40 }, tx: { delayUs: 15 } });
    const waits: number[] = [];
    inner.idle = (timeoutUs) => {
      waits.push(timeoutUs);
      clock.advance(clock.now + Math.min(timeoutUs, 1_000));
    };
    nic.wait(7);
    inner.inject(frame(1));
    submit(nic, frame(2));
    nic.flush();
    t.same(inner.take(), []);
    t.same(receiveAll(nic), []);
    nic.wait(Number.POSITIVE_INFINITY);
    t.equal(clock.now, 22);
    nic.wait(100);
    t.equal(clock.now, 22, 'a frame is due already');
    t.same(receiveAll(nic), []);
    t.same(inner.take(), [frame(2)], 'receive sends what is due');
    nic.wait(100);
    t.equal(clock.now, 47);
    t.same(receiveAll(nic), [frame(1)]);
    nic.wait(100);
    t.same(waits, [7, 15, 25, 100]);
  });

  t.test('damage is not covered up by a checksum that is computed later', async (t) => {
    const { inner, nic } = lab({ tx: { corrupt: 1, duplicate: 1 } }, { txChecksum: true });
    for (let i = 0; i < 50; i++) {
      const bytes = frame(i);
      viewOf(bytes).setUint16(50, pseudoSum(viewOf(bytes)));
      submit(nic, bytes, 34, 16);
    }
    nic.flush();
    const sent = inner.take();
    t.equal(sent.length, 100);
    sent.forEach((bytes, i) => {
      if (intact(bytes) !== (i % 2 === 1)) t.fail(`frame ${i}`);
    });
  });

  t.test('nor by one that the peer never computed', async (t) => {
    const { inner, nic } = lab({ rx: { corrupt: 1, duplicate: 1 } }, { rxPartialChecksum: true });
    const flags: number[] = [];
    for (let i = 0; i < 50; i++) {
      const bytes = frame(i, i);
      viewOf(bytes).setUint16(50, pseudoSum(viewOf(bytes)));
      inner.inject(bytes, RX_CHECKSUM_GOOD);
    }
    receiveAll(nic, flags).forEach((bytes, i) => {
      const partial = viewOf(bytes).getUint16(50) === pseudoSum(viewOf(bytes));
      if (partial !== (i % 2 === 1) || intact(bytes)) t.fail(`frame ${i}`);
      if (flags[i] !== (partial ? RX_CHECKSUM_GOOD : 0)) t.fail(`flags of frame ${i}`);
    });
    t.equal(flags.length, 100);
  });

  t.test('completes the partial checksum of either family before the damage, and nothing else', async (t) => {
    // One bit of each of these frames is flipped; undoing every flip in turn must give the frame that was expected.
    const partial6 = new Uint8Array(14 + 40 + 20 + 5).map((_, i) => i);
    const view = viewOf(partial6);
    view.setUint16(12, 0x86dd);
    view.setUint8(14, 0x60);
    view.setUint16(18, 25);
    view.setUint8(20, 6);
    const pseudo = checksum.add(checksum.sum(view, 22, 32), 6 + 25);
    view.setUint16(70, pseudo);
    const whole6 = partial6.slice();
    viewOf(whole6).setUint16(70, checksum.finish(checksum.sum(view, 54, 25)));
    const udp = frame(1);
    viewOf(udp).setUint8(23, 17);
    const icmp = frame(1);
    viewOf(icmp).setUint8(23, 1);
    const fragment = frame(1);
    viewOf(fragment).setUint16(20, 0x2000);
    const short6 = partial6.slice(0, 14 + 30);
    const cut = frame(1);
    viewOf(cut).setUint16(16, 200);
    const cases: [Uint8Array, Uint8Array][] = [
      [partial6, whole6],
      ...[frame(2), udp, icmp, fragment, short6, cut].map((bytes): [Uint8Array, Uint8Array] => [
        bytes,
        bytes,
      ]),
    ];
    const { inner, nic } = lab({ rx: { corrupt: 1 } }, { rxPartialChecksum: true });
    for (const [before, after] of cases) {
      inner.inject(before);
      const [got] = receiveAll(nic);
      let flipped = 0;
      for (let i = 0; i < got.length; i++) {
        for (let bits = got[i] ^ after[i]; bits !== 0; bits &= bits - 1) flipped++;
      }
      t.equal(flipped, 1);
    }
  });

  t.test('a big frame is not doubled, everything else about it holds', async (t) => {
    const { inner, nic } = lab({ rx: { duplicate: 1, delayUs: 3 } });
    inner.inject(new Uint8Array(9_000));
    t.same(receiveAll(nic), []);
    t.equal(nic.nextEvent(), 3);
    t.equal(nic.statistics().fault_no_frames, 1);
    nic.close();
  });

  t.test('frames on their way may be more than one table holds', async (t) => {
    const all = lab({ rx: { delayUs: 50_000, jitterUs: 9 }, tx: { delayUs: 50_000 } });
    t.equal(through('rx', all, 500, 0).length, 500);
    for (let i = 0; i < 500; i++) submit(all.nic, frame(i));
    all.nic.flush();
    all.clock.advance(all.nic.nextEvent());
    all.nic.flush();
    t.same(all.inner.take().map(numberOf), numbers(500));
    t.same(all.inner.check(), NOTHING_OUT);
  });

  t.test('it is the Nic inside with another mode', async (t) => {
    const { inner, nic } = lab({}, { linkType: 'ip', mtu: 900 });
    t.same(nic.capabilities, { ...inner.capabilities, mode: 'memory+fault' });
    t.equal(nic.memory, inner.memory);
    t.equal(nic.view, inner.view);
  });

  t.test('options out of range are refused by name', async (t) => {
    const cases: [FaultOptions, RegExp][] = [
      [{ rx: { loss: -0.1 } }, /^rx\.loss must be from 0 to 1, not -0\.1$/],
      [{ tx: { duplicate: 1.1 } }, /^tx\.duplicate/],
      [{ tx: { reorder: Number.NaN } }, /^tx\.reorder/],
      [{ rx: { corrupt: 'often' as unknown as number } }, /^rx\.corrupt/],
      [{ rx: { delayUs: 1.5 } }, /^rx\.delayUs must be an integer/],
      [{ rx: { delayUs: Number.POSITIVE_INFINITY } }, /^rx\.delayUs/],
      [{ rx: { reorderDelayUs: -1 } }, /^rx\.reorderDelayUs/],
      [{ rx: { bandwidthBps: 0 } }, /^rx\.bandwidthBps/],
      [{ rx: { queueFrames: -1 } }, /^rx\.queueFrames/],
      [{ rx: { lose: 1 } as object }, /^rx\.lose/],
      [{ both: {} } as object, /^both/],
    ];
    for (const [options, message] of cases) t.throws(() => lab(options), { name: 'RangeError', message });
    const { nic } = lab({ rx: { loss: undefined } } as object);
    t.throws(() => nic.configure({ tx: { jitterUs: -1 } }), RangeError);
  });
});
