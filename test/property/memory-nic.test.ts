// Random use of the in-memory device, of the wire and of the line behind both, against models: no frame is lost from the
// account, none changes on its way, and time sorts what it should.

import fc from 'fast-check';
import t from 'tap';
import { DelayLine } from '../../src/nic/delay-line.js';
import { FaultNic } from '../../src/nic/fault-nic.js';
import { MemoryNic } from '../../src/nic/memory-nic.js';
import { RX_STRIDE } from '../../src/nic/nic.js';
import { connectNics } from '../../src/nic/simulated-wire.js';
import { VirtualClock } from '../../src/nic/virtual-clock.js';

const SEED = 0x4d454d;
const FRAMES = 6;
const BIG_FRAMES = 2;

const step = fc.record({
  do: fc.constantFrom('inject', 'big', 'receive', 'release', 'reserve', 'submit', 'flush', 'give'),
  pick: fc.nat(100),
});

t.test('memory Nic', async (t) => {
  t.test('any use of frames leaves an exact account and loses no byte', async (t) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200, size: 'max' }), (steps) => {
        const nic = new MemoryNic({ mtu: 100, frames: FRAMES, bigFrames: BIG_FRAMES, strict: true });
        let mark = 0;
        const queued: { mark: number; length: number }[] = [];
        const held: { offset: number; mark: number; length: number }[] = [];
        const reserved: number[] = [];
        const submitted: { mark: number; length: number }[] = [];
        const big = (length: number) => length > 114;
        const used = (isBig: boolean) =>
          queued.filter((f) => big(f.length) === isBig).length +
          held.filter((f) => big(f.length) === isBig).length;
        const same = (got: unknown, expected: unknown, what: string) => {
          if (got !== expected) throw new Error(`${what}: ${got}, expected ${expected}`);
        };
        for (const { do: what, pick } of steps) {
          mark = (mark + 1) & 0xff;
          if (what === 'inject' || what === 'big') {
            const length = what === 'big' ? 115 + pick : 1 + pick;
            const room = what === 'big' ? used(true) < BIG_FRAMES : used(false) < FRAMES;
            same(nic.inject(new Uint8Array(length).fill(mark)), room, 'inject');
            if (room) queued.push({ mark, length });
          } else if (what === 'receive') {
            const batch = new Int32Array((1 + (pick % 5)) * RX_STRIDE);
            const count = nic.receive(batch);
            same(count, Math.min(queued.length, batch.length / RX_STRIDE), 'receive');
            for (let i = 0; i < count; i++) {
              const expected = queued.shift()!;
              same(batch[i * RX_STRIDE + 1], expected.length, 'length');
              held.push({ ...expected, offset: batch[i * RX_STRIDE] });
            }
          } else if (what === 'release' && held.length > 0) {
            const [frame] = held.splice(pick % held.length, 1);
            const bytes = nic.memory.subarray(frame.offset, frame.offset + frame.length);
            same(
              bytes.every((byte) => byte === frame.mark),
              true,
              'content of a held frame',
            );
            nic.release(frame.offset);
          } else if (what === 'reserve') {
            const offset = nic.reserve();
            same(offset >= 0, reserved.length + submitted.length < FRAMES, 'reserve');
            if (offset >= 0) reserved.push(offset);
          } else if (what === 'submit' && reserved.length > 0) {
            const [offset] = reserved.splice(pick % reserved.length, 1);
            const length = 1 + pick;
            nic.memory.fill(mark, offset, offset + length);
            nic.submit(offset, length, 0, 0);
            submitted.push({ mark, length });
          } else if (what === 'give' && reserved.length > 0) {
            nic.release(reserved.splice(pick % reserved.length, 1)[0]);
          } else if (what === 'flush') {
            nic.flush();
            const sent = nic.take();
            same(sent.length, submitted.length, 'sent');
            for (const [i, { mark, length }] of submitted.entries()) {
              same(sent[i].length, length, 'sent length');
              same(
                sent[i].every((byte) => byte === mark),
                true,
                'sent content',
              );
            }
            submitted.length = 0;
          }
          const account = nic.check();
          same(account.rxQueued, queued.length, 'rxQueued');
          same(account.rxHeld, held.length, 'rxHeld');
          same(account.txReserved, reserved.length, 'txReserved');
          same(account.txSubmitted, submitted.length, 'txSubmitted');
        }
      }),
      { seed: SEED, numRuns: 300 },
    );
    t.pass();
  });

  const probability = fc.constantFrom(0, 0.1, 0.5, 1);
  const path = fc.record({
    loss: fc.constantFrom(0, 0.1, 0.5),
    duplicate: probability,
    reorder: probability,
    corrupt: probability,
    delayUs: fc.nat(100),
    jitterUs: fc.nat(20),
    reorderDelayUs: fc.nat(200),
    bandwidthBps: fc.constantFrom(Number.POSITIVE_INFINITY, 1_000_000, 100_000_000),
    queueFrames: fc.nat(10),
  });
  const gaps = fc.array(fc.nat(300), { maxLength: 60, size: 'max' });

  t.test('whatever the faults, every frame is delivered, lost or dropped, and given back', async (t) => {
    fc.assert(
      fc.property(path, path, path, gaps, fc.integer(), (wireOptions, rx, tx, gaps, seed) => {
        const clock = new VirtualClock();
        const a = new MemoryNic({ linkType: 'ip', strict: true, frames: 256 });
        const b = new MemoryNic({ linkType: 'ip', strict: true, frames: 256 });
        const wire = connectNics(a, b, clock, { ...wireOptions, seed });
        const sender = new FaultNic(a, { tx, seed }, () => clock.now);
        const receiver = new FaultNic(b, { rx, seed }, () => clock.now);
        const batch = new Int32Array(8 * RX_STRIDE);
        let received = 0;
        const turn = () => {
          sender.flush();
          for (let count = receiver.receive(batch); count > 0; count = receiver.receive(batch)) {
            for (let i = 0; i < count; i++) receiver.release(batch[i * RX_STRIDE]);
            received += count;
          }
        };
        const next = () => Math.min(clock.nextEvent(), sender.nextEvent(), receiver.nextEvent());
        for (const gap of gaps) {
          const offset = sender.reserve();
          sender.memory.fill(0x45, offset, offset + 60);
          sender.submit(offset, 60 + (gap & 63), 0, 0);
          turn();
          for (const end = clock.now + gap; clock.now < end; turn()) {
            clock.advance(Math.max(clock.now, Math.min(end, next())));
          }
        }
        for (turn(); next() < Number.POSITIVE_INFINITY; turn()) clock.advance(Math.max(clock.now, next()));
        const passed = (counts: typeof wire.aToB.counts) =>
          counts.frames - counts.lost - counts.overflowed + counts.duplicated;
        const expected = passed(receiver.rxCounts) - receiver.statistics().fault_no_frames;
        if (received !== expected) throw new Error(`received ${received}, expected ${expected}`);
        if (passed(wire.aToB.counts) !== wire.aToB.delivered) throw new Error('frames lost on the wire');
        const sent = passed(sender.txCounts) - sender.statistics().fault_no_frames;
        if (sent !== a.statistics().tx_packets) throw new Error('frames lost before the wire');
        if (wire.aToB.counts.frames !== a.statistics().tx_packets) throw new Error('frames on the wire');
        if (receiver.rxCounts.frames !== wire.aToB.delivered) throw new Error('frames off the wire');
        if (wire.aToB.refused + wire.aToB.inFlight !== 0)
          throw new Error('frames refused or left on the wire');
        for (const nic of [a, b]) {
          const account = nic.check();
          for (const [name, count] of Object.entries(account)) {
            if (count !== 0) throw new Error(`${count} frames ${name}`);
          }
        }
      }),
      { seed: SEED, numRuns: 300 },
    );
    t.pass();
  });

  t.test('the delay line sorts by time and keeps the order of what is due together', async (t) => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -20, max: 30 }), { maxLength: 300, size: 'max' }), (steps) => {
        const line = new DelayLine(2);
        let model: { due: number; slot: number }[] = [];
        for (const due of steps) {
          if (due >= 0) {
            const slot = line.add(due);
            if (slot >= line.capacity) throw new Error('slot beyond the capacity');
            if (model.some((each) => each.slot === slot)) throw new Error('slot taken twice');
            model.push({ due, slot });
          } else {
            model = model.sort((x, y) => x.due - y.due);
            if (line.nextDue() !== (model[0]?.due ?? Number.POSITIVE_INFINITY)) throw new Error('nextDue');
            if (line.shift() !== (model.shift()?.slot ?? -1)) throw new Error('shift');
          }
          if (line.length !== model.length) throw new Error('length');
        }
      }),
      { seed: SEED, numRuns: 300 },
    );
    t.pass();
  });

  t.test('the virtual clock plays any plan in order', async (t) => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(50), fc.nat(9)), { maxLength: 100, size: 'max' }), (plan) => {
        const clock = new VirtualClock();
        const played: number[] = [];
        const tokens = plan.map(([atUs], i) => clock.schedule(atUs, () => void played.push(i)));
        const cancelled = plan.map(([, dice], i) => dice === 0 && clock.cancel(tokens[i]));
        clock.advance(25);
        clock.advance(100);
        const expected = plan.map(([atUs], i) => ({ atUs, i })).filter(({ i }) => !cancelled[i]);
        expected.sort((x, y) => x.atUs - y.atUs || x.i - y.i);
        if (played.join() !== expected.map(({ i }) => i).join()) throw new Error(played.join());
      }),
      { seed: SEED, numRuns: 300 },
    );
    t.pass();
  });
});
