// Where bytes wait: the pool, the ring, the two socket buffers and the list of ranges beyond a hole.

import t from 'tap';
import { BufferPool, Piece, sizeFor } from '../../src/stack/tcp/buffer-pool.js';
import { MAX_RANGES, Reassembly } from '../../src/stack/tcp/reassembly.js';
import { RecvBuffer } from '../../src/stack/tcp/recv-buffer.js';
import { RingBytes } from '../../src/stack/tcp/ring-bytes.js';
import { SendBuffer } from '../../src/stack/tcp/send-buffer.js';
import { Span } from '../../src/stack/wire/span.js';

/** Bytes that count from `first` on. */
const count = (length: number, first = 0): Span =>
  new Span(Uint8Array.from({ length }, (_, i) => (first + i) & 255));
const blank = (length: number): Span => new Span(new Uint8Array(length));

const acquire = (pool: BufferPool, bytes: number): Piece => {
  const piece = new Piece();
  pool.acquire(bytes, piece);
  return piece;
};
/** The same memory. */
const isSame = (piece: Piece, { span, start }: Pick<Piece, 'span' | 'start'>): boolean =>
  piece.span === span && piece.start === start;

t.test('the pool hands out powers of two from 256 bytes on, and uses them again', async (t) => {
  t.equal(sizeFor(1), 256);
  t.equal(sizeFor(256), 256);
  t.equal(sizeFor(4097), 8192);
  const pool = new BufferPool();
  const piece = acquire(pool, 5000);
  const { span } = piece;
  t.same([piece.start, piece.size, span.bytes.length], [0, 8192, 8192]);
  t.equal(pool.inUse, 8192);
  pool.release(piece);
  t.equal(pool.inUse, 0);
  t.equal(piece.size, 0, 'the piece has nothing any more');
  pool.release(piece);
  t.equal(pool.inUse, 0, 'nothing can be given back once more');
  t.equal(acquire(pool, 8000).span, span);
  t.not(acquire(pool, 8000).span, span);
});

t.test('what the pool does not want to keep is left to the garbage collector', async (t) => {
  const pool = new BufferPool();
  const pieces = [acquire(pool, 40 << 20), acquire(pool, 40 << 20)];
  const spans = pieces.map(({ span }) => span);
  for (const piece of pieces) pool.release(piece);
  t.equal(pool.inUse, 0);
  t.equal(acquire(pool, 40 << 20).span, spans[0]);
  t.not(acquire(pool, 40 << 20).span, spans[1]);
});

t.test(
  'the pool cuts what the Nic lends, in halves where only larger pieces are left, before it takes other memory',
  async (t) => {
    const memory = new ArrayBuffer(64 + 32_768);
    const pool = new BufferPool(new Uint8Array(memory, 64));
    const whole = acquire(pool, 32_768);
    t.equal(whole.span.buffer, memory);
    t.not(acquire(pool, 4096).span.buffer, memory, 'nothing is left');
    pool.release(whole);
    const parts = [256, 2000, 4096, 8192, 16_384].map((size) => acquire(pool, size));
    const places = parts.map(({ start, size }) => [start, size]);
    const inOrder = places.sort(([a], [b]) => a - b);
    t.same(
      inOrder.map(([at, size]) => at % size),
      [0, 0, 0, 0, 0],
      'each at a multiple of its size',
    );
    t.ok(
      inOrder.every(([at, size], i) => i === 4 || at + size <= inOrder[i + 1][0]),
      'no byte twice',
    );
    t.equal(pool.inUse, 4096 + 256 + 2048 + 4096 + 8192 + 16_384);
    for (const part of parts) {
      t.equal(part.span.buffer, memory);
      pool.release(part);
    }
    t.equal(acquire(pool, 16_384).span.buffer, memory, 'it is kept for use again');
  },
);

t.test(
  'pieces that are free again are joined: after a crowd of small buffers there are large ones',
  async (t) => {
    const lent = 1 << 20;
    const memory = new ArrayBuffer(64 + lent + 256);
    const pool = new BufferPool(new Uint8Array(memory, 64));
    const small = Array.from({ length: 4097 }, () => acquire(pool, 256));
    t.ok(small.every(({ span }) => span.buffer === memory));
    t.not(acquire(pool, 256).span.buffer, memory, 'all of it is cut');
    const { span, start } = small[4096];
    for (const piece of small) pool.release(piece);
    t.ok(isSame(acquire(pool, 256), { span, start }), 'a buffer is used again as it is, while it is wanted');
    t.equal(acquire(pool, lent).span.buffer, memory);
    t.not(acquire(pool, 8192).span.buffer, memory, 'nothing is left');
  },
);

t.test('a program that works on a piece sees no other, and no new view each time', async (t) => {
  const pool = new BufferPool(new Uint8Array(new ArrayBuffer(64 + 4096), 64));
  const piece = acquire(pool, 4096);
  const view = pool.viewOf(piece);
  t.same([view.length, view.byteOffset], [4096, 64]);
  pool.release(piece);
  const again = acquire(pool, 4096);
  t.equal(pool.viewOf(again), view);
  pool.release(again);
  const halves = [acquire(pool, 2048), acquire(pool, 2048)];
  const shown = halves.map((half) => pool.viewOf(half)).map(({ byteOffset, length }) => [byteOffset, length]);
  t.same(
    shown,
    [
      [64, 2048],
      [64 + 2048, 2048],
    ],
    'one of them where the whole was',
  );
  const other = acquire(pool, 8192);
  t.equal(pool.viewOf(other), other.span.bytes, 'memory of its own is shown as it is');
});

t.test('a ring that held much grows to as much at once the next time, up to 512 KiB', async (t) => {
  const pool = new BufferPool();
  const ring = new RingBytes();
  ring.makeRoom(100_000, 0, pool);
  ring.giveBack(pool);
  ring.makeRoom(10, 0, pool);
  t.equal(ring.size, 256, 'a little holds little');
  ring.makeRoom(300, 10, pool);
  t.equal(ring.size, 512, 'and a little more not much more');
  ring.makeRoom(5000, 10, pool);
  t.equal(ring.size, 131_072);
  ring.giveBack(pool);
  ring.makeRoom(10, 0, pool);
  ring.makeRoom(1 << 20, 10, pool);
  ring.giveBack(pool);
  ring.makeRoom(10, 0, pool);
  ring.makeRoom(5000, 10, pool);
  t.equal(ring.size, 1 << 19);
  ring.end(pool);
  ring.makeRoom(10, 0, pool);
  ring.makeRoom(5000, 10, pool);
  t.equal(ring.size, 8192, 'another connection begins anew');
});

t.test('a ring goes round its end and grows without losing what it holds', async (t) => {
  const pool = new BufferPool();
  const ring = new RingBytes();
  ring.makeRoom(4096, 0, pool);
  ring.copyIn(0, count(4096), 0, 4096);
  ring.skip(4000);
  ring.copyIn(96, count(1000, 7), 0, 1000);
  const out = blank(1096);
  ring.copyOut(0, out, 0, 1096);
  t.same(out.bytes.subarray(0, 96), count(96, 4000).bytes);
  t.same(out.bytes.subarray(96), count(1000, 7).bytes);
  ring.makeRoom(5000, 1096, pool);
  t.equal(ring.size, 8192);
  const again = blank(1096);
  ring.copyOut(0, again, 0, 1096);
  t.same(again.bytes, out.bytes);
  ring.giveBack(pool);
  t.equal(pool.inUse, 0);
  t.equal(ring.size, 0);
});

t.test('the send buffer takes what fits, gives any part, and drops what is acknowledged', async (t) => {
  const pool = new BufferPool();
  const buffer = new SendBuffer();
  buffer.limit = 5000;
  t.equal(buffer.append(count(3000), 0, 3000, pool), 3000);
  t.equal(buffer.append(count(3000, 3000), 0, 3000, pool), 2000);
  t.equal(buffer.append(count(1), 0, 1, pool), 0);
  t.equal(buffer.free, 0);
  const out = blank(1000);
  buffer.copyOut(2500, out, 0, 1000);
  t.same(out.bytes, count(1000, 2500).bytes);
  buffer.acknowledge(2500, pool);
  t.equal(buffer.free, 2500);
  buffer.copyOut(0, out, 0, 1000);
  t.same(out.bytes, count(1000, 2500).bytes);
  buffer.acknowledge(2500, pool);
  t.equal(pool.inUse, 0, 'an empty buffer holds no memory');
  buffer.limit = 100;
  buffer.append(count(100), 0, 100, pool);
  buffer.limit = 50;
  t.equal(buffer.free, 0, 'never negative when the limit is lowered');
  buffer.clear(pool);
  t.equal(pool.inUse, 0);
});

t.test('the receive buffer stores what comes early where it belongs', async (t) => {
  const pool = new BufferPool();
  const buffer = new RecvBuffer();
  buffer.limit = 10_000;
  buffer.place(1000, count(1000, 1000), 0, 1000, pool);
  t.equal(buffer.length, 0);
  t.equal(buffer.free, 10_000, 'the window is counted in readable bytes');
  buffer.place(0, count(1000), 0, 1000, pool);
  buffer.advance(2000);
  const out = blank(1500);
  t.equal(buffer.peek(0, out, 0, 1500), 1500);
  t.equal(buffer.peek(1900, out, 0, 1500), 100, 'what lies further on can be seen');
  t.equal(buffer.length, 2000, 'a peek takes nothing');
  t.equal(buffer.read(out, 0, 1500, pool), 1500);
  t.same(out.bytes, count(1500).bytes);
  buffer.place(100, count(50), 0, 50, pool);
  t.equal(buffer.read(out, 0, 1500, pool), 500);
  t.not(pool.inUse, 0, 'something beyond a hole is still there');
  buffer.advance(0);
  t.equal(buffer.read(out, 0, 1500, pool), 0);
  buffer.clear(pool);
  t.equal(pool.inUse, 0);
});

const blocks = (list: Reassembly, limit = 4): number[][] => {
  const left = new Int32Array(4);
  const right = new Int32Array(4);
  const written = list.sackBlocks(left, right, limit);
  return Array.from({ length: written }, (_, i) => [left[i], right[i]]);
};

t.test('ranges that touch or overlap become one', async (t) => {
  const list = new Reassembly();
  list.insert(100, 200);
  list.insert(300, 400);
  list.insert(500, 600);
  t.equal(list.count, 3);
  list.insert(200, 300);
  t.same(blocks(list), [
    [100, 400],
    [500, 600],
  ]);
  list.insert(350, 550);
  t.same(blocks(list), [[100, 600]]);
  list.insert(50, 700);
  t.same(blocks(list), [[50, 700]]);
  t.equal(list.bytes, 650);
  t.equal(list.end, 700);
  t.ok(list.isSound(0));
});

t.test('ranges cross the end of the sequence space', async (t) => {
  const list = new Reassembly();
  list.insert(0x7ffffff0, -0x7ffffff0);
  list.insert(-0x7fffff00, -0x7ffffe00);
  t.ok(list.covers(0x7ffffff5, -0x7ffffff5));
  t.notOk(list.covers(0x7fffffe0, 0x7ffffff5));
  t.ok(list.isSound(0x7fffffe0));
  t.equal(list.advance(0x7ffffff0), -0x7ffffff0);
  t.equal(list.count, 1);
});

t.test('blocks are told from the newest to the oldest, and a repeated one is new again', async (t) => {
  const list = new Reassembly();
  for (const left of [100, 300, 500, 700, 900]) list.insert(left, left + 100);
  t.same(
    blocks(list).map(([left]) => left),
    [900, 700, 500, 300],
  );
  list.insert(100, 200);
  t.same(
    blocks(list, 3).map(([left]) => left),
    [100, 900, 700],
  );
});

t.test('a full list takes what needs no further place', async (t) => {
  const list = new Reassembly();
  for (let i = 0; i < MAX_RANGES; i++) t.ok(list.insert(i * 10 + 5, i * 10 + 7));
  t.notOk(list.insert(9, 10));
  t.notOk(list.insert(100_000, 100_001));
  t.ok(list.insert(7, 9), 'it adjoins one');
  t.ok(list.insert(9, 15), 'it joins two');
  t.equal(list.count, MAX_RANGES - 1);
  t.equal(list.advance(0), 0, 'the hole at the front remains');
  t.equal(list.advance(5), 17);
  list.clear();
  t.same(blocks(list), []);
});
