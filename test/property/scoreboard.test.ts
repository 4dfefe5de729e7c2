// The scoreboard against a plain list of segments: whatever is sent, SACKed, lost, sent again and acknowledged in whatever order,
// both know the same segments with the same marks, and the order of sending is that of the times.

import fc from 'fast-check';
import t from 'tap';
import { LOST, REPAIRED, RESENT, SACKED, Scoreboard } from '../../src/stack/tcp/scoreboard.js';
import { NO_SLOT } from '../../src/stack/tcp/send-order.js';
import { add, diff } from '../../src/stack/tcp/seq.js';

const SEED = 0x5ac4;
const MARKS = SACKED | LOST | REPAIRED | RESENT;

interface Part {
  start: number;
  end: number;
  sentAt: number;
  sacked: boolean;
  lost: boolean;
  repaired: boolean;
  resent: boolean;
}

type Act =
  | { kind: 'send'; length: number }
  | { kind: 'sack' | 'lose' | 'resend'; at: number }
  | { kind: 'ack'; bytes: number }
  | { kind: 'renege' | 'undo' }
  | { kind: 'cut'; mss: number };

const place = fc.integer({ min: 0, max: 99 });
const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('send' as const), length: fc.integer({ min: 1, max: 50 }) }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constantFrom('sack' as const, 'lose', 'resend'), at: place }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('ack' as const), bytes: fc.integer({ min: 1, max: 200 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('renege' as const, 'undo') }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('cut' as const), mss: fc.integer({ min: 5, max: 60 }) }),
  },
);
const base = fc.oneof(fc.constantFrom(0, -1, 0x7fffffff - 500, -0x80000000, -500), fc.integer());

/** The model: a list in sequence order, relative to the first byte ever sent. */
class Model {
  parts: Part[] = [];
  una = 0;
  nxt = 0;

  sum(of: (part: Part) => boolean): number {
    return this.parts.filter(of).reduce((sum, part) => sum + part.end - part.start, 0);
  }

  ack(bytes: number): void {
    this.una = Math.min(this.una + bytes, this.nxt);
    this.parts = this.parts.filter((part) => part.end > this.una);
    if (this.parts.length > 0) this.parts[0].start = Math.max(this.parts[0].start, this.una);
  }

  cut(mss: number): void {
    this.parts = this.parts.flatMap((part) => {
      if (part.sacked || part.end - part.start <= mss) return [part];
      const pieces: Part[] = [];
      for (let start = part.start; start < part.end; start += mss) {
        const end = Math.min(start + mss, part.end);
        pieces.push({ ...part, start, end, lost: true, repaired: false, resent: true });
      }
      return pieces;
    });
  }
}

/** Does the same to both. */
function play(board: Scoreboard, model: Model, first: number, step: Act, now: number): void {
  const { parts } = model;
  const index = 'at' in step && parts.length > 0 ? step.at % parts.length : -1;
  const part = parts[index];
  switch (step.kind) {
    case 'send': {
      const end = model.nxt + step.length;
      board.append(add(first, model.nxt), add(first, end), false, now);
      const marks = { sacked: false, lost: false, repaired: false, resent: false };
      parts.push({ start: model.nxt, end, sentAt: now, ...marks });
      model.nxt = end;
      break;
    }
    case 'sack':
      if (part === undefined || part.sacked) break;
      board.sack(board.first + index);
      Object.assign(part, { sacked: true, lost: false, repaired: false });
      break;
    case 'lose':
      if (part === undefined) break;
      board.lose(board.first + index);
      if (!part.sacked) Object.assign(part, { lost: true, repaired: false });
      break;
    case 'resend':
      if (part === undefined || part.sacked) break;
      board.resend(board.first + index, now);
      Object.assign(part, { repaired: part.lost, resent: true, sentAt: now });
      break;
    case 'ack':
      model.ack(step.bytes);
      while (board.count > 0 && diff(board.endAt(board.first & board.mask), add(first, model.una)) <= 0)
        board.shift();
      if (board.count > 0) board.trim(add(first, model.una));
      break;
    case 'renege':
      board.loseAll();
      for (const one of parts) Object.assign(one, { sacked: false, lost: true, repaired: false });
      break;
    case 'undo':
      board.loseNone();
      for (const one of parts) Object.assign(one, { lost: false, repaired: false });
      break;
    case 'cut':
      board.cut(step.mss);
      model.cut(step.mss);
      break;
  }
}

function marks({ sacked, lost, repaired, resent }: Part): number {
  return (sacked ? SACKED : 0) | (lost ? LOST : 0) | (repaired ? REPAIRED : 0) | (resent ? RESENT : 0);
}

/** What differs between both, or nothing. */
function difference(board: Scoreboard, model: Model, first: number): string {
  const { parts } = model;
  if (!board.isSound(add(first, model.una), add(first, model.nxt))) return 'not sound';
  if (board.count !== parts.length) return `${board.count} segments, expected ${parts.length}`;
  for (const [i, part] of parts.entries()) {
    const at = (board.first + i) & board.mask;
    if (board.startAt(at) !== add(first, part.start) || board.endAt(at) !== add(first, part.end))
      return `range of ${i}`;
    if ((board.flagsAt(at) & MARKS) !== marks(part)) return `marks of ${i}`;
    if (board.sentAt(at) !== part.sentAt) return `time of ${i}`;
    if (board.find(add(first, part.start)) !== board.first + i) return `find ${i}`;
  }
  if (board.sacked !== model.sum((part) => part.sacked)) return 'sacked';
  if (board.lost !== model.sum((part) => part.lost)) return 'lost';
  if (board.repaired !== model.sum((part) => part.repaired)) return 'repaired';
  if (board.sackedCount !== parts.filter((part) => part.sacked).length) return 'sackedCount';
  const waiting = parts.findIndex((part) => part.lost && !part.repaired);
  if (board.firstUnrepaired() !== (waiting < 0 ? -1 : board.first + waiting)) return 'firstUnrepaired';
  return order(board, parts);
}

function order(board: Scoreboard, parts: readonly Part[]): string {
  const times: number[] = [];
  for (let slot = board.oldest; slot !== NO_SLOT; slot = board.newerThan(slot))
    times.push(board.sentAt(slot));
  const expected = parts
    .filter((part) => !part.sacked && (!part.lost || part.repaired))
    .map((part) => part.sentAt);
  expected.sort((a, b) => a - b);
  return times.join() === expected.join() ? '' : `order ${times.join()}, expected ${expected.join()}`;
}

t.test('the scoreboard knows what a plain list knows', async () => {
  fc.assert(
    fc.property(base, fc.array(act, { minLength: 1, maxLength: 150 }), (first, steps) => {
      const board = new Scoreboard();
      const model = new Model();
      for (const [i, step] of steps.entries()) {
        play(board, model, first, step, i >> 1);
        const wrong = difference(board, model, first);
        if (wrong !== '') throw new Error(`after step ${i}, ${JSON.stringify(step)}: ${wrong}`);
      }
    }),
    { seed: SEED, numRuns: 400 },
  );
});

t.test('segments keep their places when they are numbered anew', async (t) => {
  const board = new Scoreboard();
  board.first = (1 << 29) - 3;
  board.next = board.first;
  board.hint = board.first;
  for (let i = 0; i < 40; i++) board.append(i, i + 1, false, i);
  t.ok(board.next < 100, 'numbers are small again');
  t.ok(board.isSound(0, 40));
  board.sack(board.first + 5);
  board.lose(board.first + 7);
  t.equal(board.firstUnrepaired(), board.first + 7);
  t.ok(board.isSound(0, 40));
});
