// The rings, the frame pool and the XdpNic above them, against a kernel that is a few lines of this test.

import t from 'tap';
import { FramePool } from '../../src/nic/frame-pool.js';
import { RX_STRIDE } from '../../src/nic/nic.js';
import { ConsumerRing, NEED_WAKEUP, ProducerRing } from '../../src/nic/ring.js';
import { TX_HEADROOM } from '../../src/nic/xdp-nic-parts.js';
import { wakeNic } from '../../src/nic/xdp-waiter.js';
import { FakeKernel, fakeLayout } from '../support/fake-kernel.js';

t.test('a producer hands entries to a consumer in order', async (t) => {
  const layout = fakeLayout(4, 2);
  const fill = new ProducerRing(layout);
  const other = new ConsumerRing(layout);
  t.equal(other.peek(4), 0, 'nothing yet');
  t.equal(fill.reserve(3), 3);
  for (let i = 0; i < 3; i++) fill.setAddress(fill.index + i, 100 + i);
  t.equal(other.ready(), false, 'nothing before submit');
  fill.submit(3);
  t.equal(fill.outstanding(), 3);
  t.equal(other.ready(), true);
  t.equal(other.peek(8), 3);
  t.same(
    [0, 1, 2].map((i) => other.address(other.index + i)),
    [100, 101, 102],
  );
  t.equal(fill.reserve(2), 0, 'what is only peeked at still takes room');
  other.release(3);
  t.equal(fill.outstanding(), 0);
  t.equal(fill.reserve(4), 4);
  t.equal(fill.reserve(1), 0);
});

t.test('a consumer sees again what it cancels', async (t) => {
  const layout = fakeLayout(8, 4);
  const tx = new ProducerRing(layout);
  const other = new ConsumerRing(layout);
  tx.reserve(2);
  tx.setDescriptor(tx.index, 4096, 60, 0);
  tx.setDescriptor(tx.index + 1, 8192, 1500, 3);
  tx.submit(2);
  t.equal(other.peek(2), 2);
  other.cancel(1);
  t.equal(other.peek(2), 1);
  t.equal(other.descriptorAddress(other.index), 8192);
  t.equal(other.descriptorLength(other.index), 1500);
  t.equal(other.descriptorOptions(other.index), 3);
});

t.test('indices wrap from the largest int32 to the smallest', async (t) => {
  const layout = fakeLayout(4, 2, 0x7ffffffe);
  const fill = new ProducerRing(layout);
  const other = new ConsumerRing(layout);
  for (let round = 0; round < 3; round++) {
    t.equal(fill.reserve(3), 3);
    for (let i = 0; i < 3; i++) fill.setAddress((fill.index + i) | 0, round * 10 + i);
    fill.submit(3);
    t.equal(other.peek(3), 3);
    for (let i = 0; i < 3; i++) t.equal(other.address((other.index + i) | 0), round * 10 + i);
    other.release(3);
  }
  t.equal(layout.words[layout.producer], (0x7ffffffe + 9) | 0);
});

t.test('a ring shows when the other side wants to be woken, and refuses odd sizes', async (t) => {
  const layout = fakeLayout(4, 2);
  const fill = new ProducerRing(layout);
  t.equal(fill.needsWakeup(), false);
  layout.words[layout.flags] = NEED_WAKEUP;
  t.equal(fill.needsWakeup(), true);
  for (const size of [0, 3, -4, 1.5]) {
    t.throws(() => new ProducerRing({ ...layout, size }), /power of two/);
    t.throws(() => new ConsumerRing({ ...layout, size }), /power of two/);
  }
});

t.test('a frame pool gives each frame once and takes no more than it gave', async (t) => {
  const pool = new FramePool(4, 10);
  const taken = [pool.take(), pool.take(), pool.take(), pool.take()];
  t.same(taken, [10, 11, 12, 13], 'the lowest first');
  t.equal(pool.take(), -1);
  pool.give(12);
  t.equal(pool.take(), 12, 'the last one given comes first');
  for (const frame of taken) pool.give(frame);
  t.throws(() => pool.give(10), /twice/);
  t.throws(() => new FramePool(-1), /pool/);
});

t.test('a received frame is where the kernel put it, and goes back to be filled again', async (t) => {
  const kernel = new FakeKernel();
  const { nic } = kernel;
  t.teardown(() => nic.close());
  t.same(nic.owners(), { free: 192, fill: 64, held: 0, tx: 0 });
  const batch = new Int32Array(8 * RX_STRIDE);
  t.equal(nic.receive(batch), 0);
  kernel.deliver([1, 2, 3]);
  kernel.deliver([4, 5]);
  t.equal(nic.receive(batch), 2);
  t.same([...nic.memory.subarray(batch[0], batch[0]! + batch[1]!)], [1, 2, 3]);
  t.same([...nic.memory.subarray(batch[3], batch[3]! + batch[4]!)], [4, 5]);
  t.equal(batch[2], 0);
  t.same(nic.owners(), { free: 192, fill: 62, held: 2, tx: 0 });
  nic.release(batch[0]!);
  t.throws(() => nic.release(batch[0]!), /not held/);
  t.throws(() => nic.submit(batch[0]!, 60, 0, 0), /not held/);
  t.throws(() => nic.submit(batch[3]!, 0, 0, 0), /cannot be 0 bytes/);
  t.throws(() => nic.submit(batch[3]!, 1793, 0, 0), /cannot be 1793 bytes/);
  nic.release(batch[3]!);
  nic.wait(0);
  t.same(nic.owners(), { free: 192, fill: 64, held: 0, tx: 0 });
  t.match(nic.statistics(), { rx_packets: 2, rx_bytes: 5 });
});

t.test('more frames than one batch holds come with the next', async (t) => {
  const kernel = new FakeKernel();
  const { nic } = kernel;
  t.teardown(() => nic.close());
  for (let i = 0; i < 5; i++) kernel.deliver([i]);
  const batch = new Int32Array(3 * RX_STRIDE + 1);
  t.equal(nic.receive(batch), 3);
  t.equal(nic.receive(batch), 2);
  t.equal(nic.memory[batch[0]!], 3);
});

t.test('a sent frame is completed, and its metadata asks for the checksum', async (t) => {
  const kernel = new FakeKernel();
  const { nic } = kernel;
  t.teardown(() => nic.close());
  const offset = nic.reserve();
  t.equal(offset % 2048, TX_HEADROOM);
  nic.memory.set([9, 8, 7], offset);
  nic.submit(offset, 3, 34, 16);
  t.same(kernel.transmitted(), [], 'not before flush');
  nic.flush();
  const [sent] = kernel.transmitted();
  t.same(sent, { bytes: [9, 8, 7], options: 2, starts: [70] });
  t.equal(nic.view.getBigUint64(offset - 24, true), 2n, 'XDP_TXMD_FLAGS_CHECKSUM');
  t.equal(nic.view.getUint16(offset - 16, true), 34);
  t.equal(nic.view.getUint16(offset - 14, true), 16);
  t.equal(nic.owners().tx, 1);
  kernel.complete();
  nic.flush();
  t.same(nic.owners(), { free: 192, fill: 64, held: 0, tx: 0 });
  t.match(nic.statistics(), { tx_packets: 1, tx_bytes: 3 });
});

t.test('a reserved frame can be given back unsent, and a received one can be sent', async (t) => {
  const kernel = new FakeKernel();
  const { nic } = kernel;
  t.teardown(() => nic.close());
  nic.release(nic.reserve());
  kernel.deliver([5, 5]);
  const batch = new Int32Array(RX_STRIDE);
  nic.receive(batch);
  nic.submit(batch[0]!, batch[1]!, 0, 0);
  nic.flush();
  t.same(kernel.transmitted(), [{ bytes: [5, 5], options: 0, starts: [256] }]);
  kernel.complete();
  nic.flush();
  t.same(nic.owners(), { free: 193, fill: 63, held: 0, tx: 0 });
});

t.test('a sender cannot take the frames that the receiver needs', async (t) => {
  const kernel = new FakeKernel();
  const { nic } = kernel;
  t.teardown(() => nic.close());
  const batch = new Int32Array(64 * RX_STRIDE);
  for (let i = 0; i < 64; i++) kernel.deliver([i]);
  t.equal(nic.receive(batch), 64);
  let reserved = 0;
  while (nic.reserve() >= 0) reserved++;
  t.equal(reserved, 128, '192 free, 64 of them for the empty fill ring');
  nic.receive(batch);
  t.equal(nic.owners().fill, 64);
  t.equal(nic.owners().free, 0);
});

t.test('frames are handed over in groups, and a full tx ring drops like a device', async (t) => {
  const kernel = new FakeKernel({ txSize: 64 });
  const { nic } = kernel;
  t.teardown(() => nic.close());
  for (let i = 0; i < 63; i++) nic.submit(nic.reserve(), 60, 0, 0);
  t.equal(kernel.handedOver(), 0);
  for (let i = 63; i < 70; i++) nic.submit(nic.reserve(), 60, 0, 0);
  t.equal(kernel.handedOver(), 64);
  t.equal(nic.statistics().tx_ring_full, 6);
  t.match(nic.owners(), { tx: 64, free: 128 });
});

t.test('a group is no larger than what the kernel sends at once', async (t) => {
  const kernel = new FakeKernel({ txBudget: 32 });
  const { nic } = kernel;
  t.teardown(() => nic.close());
  for (let i = 0; i < 33; i++) nic.submit(nic.reserve(), 60, 0, 0);
  t.equal(kernel.handedOver(), 32);
});

t.test('sent frames are taken back when there is no other frame left', async (t) => {
  const kernel = new FakeKernel();
  const { nic } = kernel;
  t.teardown(() => nic.close());
  for (let i = 0; i < 192; i++) nic.submit(nic.reserve(), 60, 0, 0);
  nic.flush();
  t.equal(nic.reserve(), -1);
  kernel.transmitted();
  kernel.complete();
  t.not(nic.reserve(), -1);
});

for (const gap of [0, 24]) {
  t.test(`a packet in several buffers arrives and leaves as one frame, ${gap} bytes apart`, async (t) => {
    const kernel = new FakeKernel({ largeFrames: 4, largeSize: 6144, gap });
    const { nic } = kernel;
    t.teardown(() => nic.close());
    const total = kernel.total();
    const long = Array.from({ length: 5000 }, (_, i) => (i * 7) & 255);
    kernel.deliver(long);
    kernel.deliver([1]);
    const batch = new Int32Array(8 * RX_STRIDE);
    t.equal(nic.receive(batch), 2);
    t.equal(batch[1], 5000);
    t.same([...nic.memory.subarray(batch[0], batch[0]! + 5000)], long);
    t.equal(batch[4], 1);
    t.equal(kernel.total(), total);
    nic.submit(batch[0]!, 5000, 34, 16);
    nic.flush();
    const sent = kernel.transmitted();
    t.equal(sent.length, 1);
    t.same(sent[0]!.starts, [70, gap, gap], 'where in its chunk each buffer begins');
    t.same(sent[0]!.bytes, long);
    t.equal(sent[0]!.options, 2 | 1, 'metadata and more to come on the first descriptor');
    kernel.complete();
    nic.flush();
    t.equal(nic.owners().tx, 0);
    t.equal(kernel.total(), total);
  });
}

t.test('a packet that fits no large frame with the gaps in it is refused', async (t) => {
  const kernel = new FakeKernel({ largeFrames: 4, largeSize: 6144, gap: 24 });
  const { nic } = kernel;
  t.teardown(() => nic.close());
  const longest = 6144 - 70 - 2 * 24;
  t.throws(() => nic.submit(nic.reserve(), longest + 1, 0, 0), RangeError);
  nic.submit(nic.reserve(), longest, 0, 0);
  nic.flush();
  t.equal(kernel.transmitted()[0]!.bytes.length, longest);
});

t.test('a packet cut by the end of a batch is put together all the same', async (t) => {
  const kernel = new FakeKernel({ largeFrames: 4, largeSize: 6144 });
  const { nic } = kernel;
  t.teardown(() => nic.close());
  const total = kernel.total();
  const long = Array.from({ length: 4000 }, (_, i) => (i * 7) & 255);
  kernel.deliver(long);
  const batch = new Int32Array(RX_STRIDE);
  t.equal(nic.receive(batch), 0);
  t.equal(kernel.total(), total, 'the half packet is held');
  t.equal(nic.receive(batch), 0);
  t.equal(nic.receive(batch), 1);
  t.same([...nic.memory.subarray(batch[0], batch[0]! + 4000)], long);
});

t.test('a packet that fits no large frame is dropped and counted', async (t) => {
  const kernel = new FakeKernel({ largeFrames: 1, largeSize: 6144 });
  const { nic } = kernel;
  t.teardown(() => nic.close());
  const total = kernel.total();
  const batch = new Int32Array(32 * RX_STRIDE);
  kernel.deliver(new Array(6200).fill(1));
  t.equal(nic.receive(batch), 0, 'too long');
  kernel.deliver(new Array(3000).fill(1));
  kernel.deliver(new Array(3000).fill(2));
  kernel.deliver([3]);
  t.equal(nic.receive(batch), 2, 'no large frame left for the second');
  t.equal(nic.memory[batch[3]!], 3);
  t.equal(nic.statistics().rx_too_long, 2);
  t.equal(kernel.total(), total);
});

t.test('wait returns for a frame, a wake and the time', async (t) => {
  const kernel = new FakeKernel();
  const { nic } = kernel;
  t.teardown(() => nic.close());
  nic.wait(10);
  t.equal(nic.statistics().sleeps, 0, 'a short time is waited out awake');
  nic.wait(2000);
  t.equal(nic.statistics().sleeps, 1);
  wakeNic(nic.wakeFd);
  nic.wait(Number.POSITIVE_INFINITY);
  t.equal(nic.statistics().sleeps, 2, 'woken');
  kernel.deliver([1]);
  nic.wait(Number.POSITIVE_INFINITY);
  nic.wait(Number.NaN);
  t.equal(nic.statistics().sleeps, 2, 'there was a frame');
});

t.test('a Nic that watches its ring watches its bell', async (t) => {
  const bell = new Int32Array(new SharedArrayBuffer(4));
  const { nic } = new FakeKernel({ spinUs: 10_000_000, bell });
  t.teardown(() => nic.close());
  bell[0] = 1;
  const before = performance.now();
  nic.wait(10_000_000);
  t.ok(performance.now() - before < 5000);
  t.equal(nic.statistics().sleeps, 0);
});

t.test('a closed Nic does nothing, twice', async (t) => {
  const kernel = new FakeKernel();
  const { nic } = kernel;
  const offset = nic.reserve();
  nic.close();
  nic.close();
  t.equal(kernel.closed, 2, 'the socket and the program, once each');
  t.equal(nic.receive(new Int32Array(RX_STRIDE)), 0);
  t.equal(nic.reserve(), -1);
  nic.submit(offset, 60, 0, 0);
  nic.release(offset);
  nic.flush();
  nic.wait(1000);
  t.type(nic.statistics().rx_packets, 'number');
});
