// The socket buffers against plain arrays, over any sequence of writes, reads, peeks, acknowledgments and early arrivals; and
// the pool, which gets everything back in the end.

import fc from 'fast-check';
import t from 'tap';
import { BufferPool, Piece, sizeFor } from '../../src/stack/tcp/buffer-pool.js';
import { RecvBuffer } from '../../src/stack/tcp/recv-buffer.js';
import { SendBuffer } from '../../src/stack/tcp/send-buffer.js';
import { Span } from '../../src/stack/wire/span.js';

const SEED = 0xb0f;

/** Every byte of a stream is another one, as far as a byte can tell. */
const streamByte = (position: number): number => (position * 31 + (position >> 8)) & 255;
const stream = (position: number, length: number): Span =>
  new Span(Uint8Array.from({ length }, (_, i) => streamByte(position + i)));
const holds = (span: Span, offset: number, position: number, length: number): boolean => {
  for (let i = 0; i < length; i++) if (span.bytes[offset + i] !== streamByte(position + i)) return false;
  return true;
};

const size = fc.oneof(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 9000 }));

type SendStep = ['append', number] | ['acknowledge', number] | ['copy', number, number] | ['limit', number];
const sendSteps: fc.Arbitrary<SendStep[]> = fc.array(
  fc.oneof(
    fc.tuple(fc.constant('append' as const), size),
    fc.tuple(fc.constant('acknowledge' as const), size),
    fc.tuple(fc.constant('copy' as const), size, size),
    fc.tuple(fc.constant('limit' as const), fc.integer({ min: 1000, max: 40_000 })),
  ),
  { maxLength: 60 },
);

/** Within the buffer of a Nic, and apart from it. */
const spares = fc.constantFrom(0, 256, 4096, 65_536);
const poolOf = (spare: number): BufferPool => new BufferPool(new Uint8Array(64 + spare).subarray(64));

t.test('the send buffer is a window onto the stream that was written', async () => {
  fc.assert(
    fc.property(sendSteps, spares, (steps, spare) => {
      const pool = poolOf(spare);
      const buffer = new SendBuffer();
      buffer.limit = 16_384;
      let first = 0;
      let end = 0;
      for (const step of steps) {
        if (step[0] === 'append') {
          const room = Math.max(0, buffer.limit - (end - first));
          const taken = buffer.append(stream(end - 3, step[1] + 3), 3, step[1], pool);
          if (taken !== Math.min(room, step[1])) return false;
          end += taken;
        } else if (step[0] === 'acknowledge') {
          const acked = Math.min(step[1], end - first);
          if (acked > 0) buffer.acknowledge(acked, pool);
          first += acked;
        } else if (step[0] === 'copy') {
          const at = Math.min(step[1], end - first);
          const length = Math.min(step[2], end - first - at);
          const out = new Span(new Uint8Array(length + 5));
          buffer.copyOut(at, out, 5, length);
          if (!holds(out, 5, first + at, length)) return false;
        } else {
          buffer.limit = step[1];
        }
        if (buffer.length !== end - first) return false;
        if ((buffer.length === 0) !== (pool.inUse === 0)) return false;
      }
      buffer.clear(pool);
      return pool.inUse === 0;
    }),
    { seed: SEED, numRuns: 300 },
  );
});

type ReceiveStep = ['arrive', number, number] | ['read', number] | ['peek', number];
const receiveSteps: fc.Arbitrary<ReceiveStep[]> = fc.array(
  fc.oneof(
    fc.tuple(
      fc.constant('arrive' as const),
      fc.integer({ min: 0, max: 4000 }),
      fc.integer({ min: 1, max: 3000 }),
    ),
    fc.tuple(fc.constant('arrive' as const), fc.constant(0), fc.integer({ min: 1, max: 3000 })),
    fc.tuple(fc.constant('read' as const), size),
    fc.tuple(fc.constant('peek' as const), size),
  ),
  { maxLength: 60 },
);

t.test('the receive buffer gives the stream in order, however it arrived', async () => {
  fc.assert(
    fc.property(receiveSteps, spares, (steps, spare) => {
      const pool = poolOf(spare);
      const buffer = new RecvBuffer();
      buffer.limit = 1 << 20;
      const early = new Set<number>();
      let first = 0;
      let nxt = 0;
      for (const step of steps) {
        if (step[0] === 'arrive') {
          const [, ahead, length] = step;
          buffer.place(ahead, stream(nxt + ahead - 1, length + 1), 1, length, pool);
          for (let i = 0; i < length; i++) early.add(nxt + ahead + i);
          const before = nxt;
          while (early.delete(nxt)) nxt++;
          buffer.advance(nxt - before);
        } else {
          const out = new Span(new Uint8Array(step[1] + 2));
          const count =
            step[0] === 'peek' ? buffer.peek(0, out, 2, step[1]) : buffer.read(out, 2, step[1], pool);
          if (count !== Math.min(step[1], nxt - first) || !holds(out, 2, first, count)) return false;
          if (step[0] === 'read') first += count;
        }
        if (buffer.length !== nxt - first) return false;
        if (nxt > first && pool.inUse === 0) return false;
      }
      buffer.clear(pool);
      return pool.inUse === 0 && buffer.length === 0;
    }),
    { seed: SEED, numRuns: 300 },
  );
});

/** The smallest piece. */
const UNIT = 256;

type PoolStep = ['acquire', number] | ['release', number];
const poolSteps: fc.Arbitrary<PoolStep[]> = fc.array(
  fc.oneof(
    fc.tuple(fc.constant('acquire' as const), fc.integer({ min: 1, max: 65_536 })),
    fc.tuple(fc.constant('acquire' as const), fc.integer({ min: 1, max: 1024 })),
    fc.tuple(fc.constant('release' as const), fc.nat({ max: 100 })),
  ),
  { maxLength: 200 },
);

t.test('buffers never overlap, and the largest piece that the free ones make up is found', async () => {
  const units = fc.integer({ min: 0, max: 600 });
  fc.assert(
    fc.property(poolSteps, units, (steps, lentUnits) => {
      const memory = new ArrayBuffer(64 + lentUnits * UNIT + 100);
      const pool = new BufferPool(new Uint8Array(memory, 64));
      const isUsed = new Array<boolean>(lentUnits).fill(false);
      const held: Piece[] = [];
      let bytes = 0;
      /** Whether a piece of that size is free, at a multiple of it. */
      const hasRoom = (count: number): boolean => {
        for (let at = 0; at + count <= lentUnits; at += count) {
          if (!isUsed.slice(at, at + count).includes(true)) return true;
        }
        return false;
      };
      const mark = ({ span, start, size }: Piece, use: boolean): boolean => {
        bytes += use ? size : -size;
        if (span.buffer !== memory) return span.bytes.length === size;
        const at = start / UNIT;
        const count = size / UNIT;
        if (at % count !== 0 || isUsed.slice(at, at + count).includes(use)) return false;
        isUsed.fill(use, at, at + count);
        return true;
      };
      for (const [what, number] of steps) {
        if (what === 'acquire') {
          const size = sizeFor(number);
          const isRoom = hasRoom(size / UNIT);
          const piece = new Piece();
          pool.acquire(number, piece);
          if (piece.size !== size || (piece.span.buffer === memory) !== isRoom || !mark(piece, true))
            return false;
          held.push(piece);
        } else if (held.length > 0) {
          const [piece] = held.splice(number % held.length, 1);
          if (!mark(piece, false)) return false;
          pool.release(piece);
        }
        if (pool.inUse !== bytes) return false;
      }
      return true;
    }),
    { seed: SEED, numRuns: 500 },
  );
});
