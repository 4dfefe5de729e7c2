// Rings and frame ownership under random schedules of both sides, against models that are plain arrays.

import fc from 'fast-check';
import t from 'tap';
import { RX_STRIDE } from '../../src/nic/nic.js';
import { ConsumerRing, ProducerRing } from '../../src/nic/ring.js';
import { FakeKernel, fakeLayout } from '../support/fake-kernel.js';

/** Where ring indices begin: anywhere, and near the places where they wrap. */
const start = fc.oneof(fc.integer(), fc.constantFrom(-3, 0, 0x7ffffffc, -0x80000000));

interface Producing {
  readonly reserved: number[];
  submitted: number;
}

t.test('whatever the schedule, a ring is a bounded queue', async () => {
  const step = fc.record({
    verb: fc.constantFrom('reserve', 'submit', 'peek', 'cancel', 'release'),
    count: fc.integer({ min: 0, max: 9 }),
  });
  fc.assert(
    fc.property(
      start,
      fc.constantFrom(1, 2, 4, 8),
      fc.array(step, { maxLength: 200, size: 'max' }),
      (first, size, steps) => {
        const layout = fakeLayout(size, 2, first);
        const producer = new ProducerRing(layout);
        const consumer = new ConsumerRing(layout);
        // The model: entries live from reserve to release, in four consecutive stretches.
        const model: Producing = { reserved: [], submitted: 0 };
        let peeked = 0;
        let next = 1;
        for (const { verb, count } of steps) {
          if (verb === 'reserve') {
            const got = producer.reserve(count);
            const fits = model.reserved.length + count <= size;
            if (got !== (fits ? count : 0)) throw new Error(`reserve(${count}) = ${got}`);
            for (let i = 0; i < got; i++) {
              producer.setAddress((producer.index + i) | 0, next);
              model.reserved.push(next++);
            }
          } else if (verb === 'submit') {
            const open = Math.min(count, model.reserved.length - model.submitted);
            producer.submit(open);
            model.submitted += open;
          } else if (verb === 'peek') {
            const waiting = model.submitted - peeked;
            const got = consumer.peek(count);
            // A consumer that still knows of entries does not look for newer ones: fewer is right, none is
            // not.
            if (got > Math.min(count, waiting) || (got === 0 && count > 0 && waiting > 0)) {
              throw new Error(`peek(${count}) = ${got} of ${waiting}`);
            }
            for (let i = 0; i < got; i++) {
              const value = consumer.address((consumer.index + i) | 0);
              if (value !== model.reserved[peeked + i]) throw new Error(`entry ${value}`);
            }
            peeked += got;
          } else if (verb === 'cancel') {
            const back = Math.min(count, peeked);
            consumer.cancel(back);
            peeked -= back;
          } else {
            const done = Math.min(count, peeked);
            consumer.release(done);
            model.reserved.splice(0, done);
            model.submitted -= done;
            peeked -= done;
          }
          if (producer.outstanding() !== model.submitted) throw new Error('outstanding');
          if (consumer.ready() !== model.submitted > peeked) throw new Error('ready');
        }
      },
    ),
    { numRuns: 500 },
  );
});

t.test('whatever stack and kernel do, each frame has one owner and no byte changes on the way', async () => {
  const step = fc.record({
    verb: fc.constantFrom(
      'deliver',
      'receive',
      'release',
      'forward',
      'send',
      'unreserve',
      'flush',
      'take',
      'complete',
    ),
    count: fc.integer({ min: 1, max: 40 }),
  });
  const large = fc.constantFrom(
    { largeFrames: 0, largeSize: 0 },
    { largeFrames: 6, largeSize: 8192 },
    { largeFrames: 6, largeSize: 8192, gap: 24 },
  );
  fc.assert(
    fc.property(start, large, fc.array(step, { maxLength: 120, size: 'max' }), (first, sizes, steps) => {
      const kernel = new FakeKernel({ frames: 128, start: first, txSize: 32, ...sizes });
      const { nic } = kernel;
      try {
        const total = kernel.total();
        const batch = new Int32Array(7 * RX_STRIDE);
        const held: [offset: number, length: number, mark: number][] = [];
        const expected: number[] = [];
        let mark = 0;
        for (const { verb, count } of steps) {
          if (verb === 'deliver') {
            for (let i = 0; i < count; i++) {
              // With large frames, some packets take two or three small ones.
              const length = sizes.largeFrames > 0 && i % 3 === 0 ? 1000 + (i % 40) * 100 : 10 + i;
              mark = (mark + 1) & 255;
              if (!kernel.deliver(new Array<number>(length).fill(mark))) break;
            }
          } else if (verb === 'receive') {
            const got = nic.receive(batch);
            for (let i = 0; i < got; i++) {
              const [offset, length] = [batch[i * RX_STRIDE]!, batch[i * RX_STRIDE + 1]!];
              held.push([offset, length, nic.memory[offset]!]);
            }
          } else if (verb === 'release') {
            for (const [offset] of held.splice(0, count)) nic.release(offset);
          } else if (verb === 'forward') {
            for (const [offset, length, was] of held.splice(0, count)) {
              const full = nic.statistics().tx_ring_full;
              nic.submit(offset, length, 0, 0);
              if (nic.statistics().tx_ring_full === full) expected.push(was);
            }
          } else if (verb === 'send') {
            const offset = nic.reserve();
            if (offset < 0) continue;
            if (held.some(([other]) => other === offset)) throw new Error('a frame handed out twice');
            mark = (mark + 1) & 255;
            nic.memory.fill(mark, offset, offset + 60);
            held.push([offset, 60, mark]);
          } else if (verb === 'unreserve') {
            const offset = nic.reserve();
            if (offset >= 0) nic.release(offset);
          } else if (verb === 'flush') nic.flush();
          else if (verb === 'take') {
            nic.flush();
            for (const { bytes } of kernel.transmitted()) {
              const was = expected.shift();
              if (bytes.some((byte) => byte !== was)) throw new Error(`sent ${bytes[0]}, not ${was}`);
            }
          } else kernel.complete(count);
          for (const [offset, length, was] of held) {
            if (nic.memory[offset] !== was || nic.memory[offset + length - 1] !== was)
              throw new Error('overwritten');
          }
          if (kernel.total() !== total) throw new Error(`${kernel.total()} of ${total} frames after ${verb}`);
        }
      } finally {
        nic.close();
      }
    }),
    { numRuns: 200 },
  );
});
