// The timer wheel against a model that cannot be wrong: an array of deadlines, sorted when time moves. Whatever is set,
// cleared and let pass, both expire the same timers in the same order and name the same next deadline.

import fc from 'fast-check';
import t from 'tap';
import { TimerWheel } from '../../src/stack/tcp/timer-wheel.js';

const SEED = 0x7175;
const HOUR_US = 3_600_000_000;
const DAY_US = 24 * HOUR_US;

class Model {
  now: number;
  turn = 0;
  readonly armed = new Map<number, { deadline: number; order: number }>();
  expired: number[] = [];

  constructor(now: number) {
    this.now = now;
  }

  set(id: number, deadline: number) {
    this.expired = this.expired.filter((other) => other !== id);
    this.armed.set(id, { deadline, order: this.turn++ });
  }

  clear(id: number) {
    this.expired = this.expired.filter((other) => other !== id);
    this.armed.delete(id);
  }

  advance(now: number) {
    this.now = now;
    const key = (id: number) => this.armed.get(id)!;
    const all = [...this.armed.keys()].filter((id) => key(id).deadline <= now || this.expired.includes(id));
    this.expired = all.sort((a, b) => key(a).deadline - key(b).deadline || key(a).order - key(b).order);
  }

  nextExpired(): number {
    const id = this.expired.shift();
    if (id === undefined) return -1;
    this.armed.delete(id);
    return id;
  }

  nextDeadline(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...[...this.armed.values()].map((each) => each.deadline));
  }
}

const id = fc.integer({ min: 0, max: 40 });
// Deadlines relative to now: the past, one tick, each level of the wheel and its edges, and far away.
const span = fc.oneof(
  fc.integer({ min: -200, max: 200 }),
  fc.integer({ min: 0, max: 5_000 }),
  fc.integer({ min: 0, max: 300_000 }),
  fc.integer({ min: 0, max: 20_000_000 }),
  fc.integer({ min: 0, max: HOUR_US }),
  fc.integer({ min: 0, max: 100 * DAY_US }),
  fc.constantFrom(
    0,
    63,
    64,
    65,
    4095,
    4096,
    4097,
    2 ** 18,
    2 ** 24,
    2 ** 30,
    2 ** 31,
    2 ** 36,
    2 ** 42,
    2 ** 50,
  ),
);
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('set' as const), id, span }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('clear' as const), id, span: fc.constant(0) }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('advance' as const), id: fc.nat(2), span: span.map(Math.abs) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('next' as const), id: fc.constant(1), span: fc.constant(0) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('drain' as const), id: fc.constant(99), span: fc.constant(0) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('look' as const), id, span: fc.constant(0) }) },
);
const start = fc.constantFrom(
  0,
  1,
  63,
  4_095,
  2 ** 24 - 1,
  2 ** 30 - 1,
  2 ** 31 - 1,
  2 ** 36 - 1,
  3 * DAY_US,
  2 ** 48 - 5,
);

t.test('timer wheel', async (t) => {
  t.test('any history expires the same timers in the same order as a sorted list', async (t) => {
    fc.assert(
      fc.property(
        start,
        fc.array(step, { maxLength: 120, size: 'max' }),
        fc.boolean(),
        (startUs, steps, lookAlways) => {
          const wheel = new TimerWheel(startUs, 4);
          const model = new Model(startUs);
          const compareNext = () => {
            const [got, expected] = [wheel.nextExpired(), model.nextExpired()];
            if (got !== expected) throw new Error(`expired ${got}, expected ${expected}`);
            return got;
          };
          const compareState = () => {
            const [got, expected] = [wheel.nextDeadline(), model.nextDeadline()];
            if (got !== expected) throw new Error(`next deadline ${got}, expected ${expected}`);
          };
          for (const { do: what, id, span } of steps) {
            if (what === 'set') {
              wheel.set(id, model.now + span);
              model.set(id, model.now + span);
            } else if (what === 'clear') {
              wheel.clear(id);
              model.clear(id);
            } else if (what === 'advance') {
              // Mostly taken in the middle of a drain too: `id` timers are taken, the rest stays for the next steps.
              if (model.now + span > Number.MAX_SAFE_INTEGER) continue;
              wheel.advance(model.now + span);
              model.advance(model.now + span);
              for (let n = 0; n < id; n++) compareNext();
            } else if (what === 'look') {
              compareState();
              if (wheel.isSet(id) !== model.armed.has(id)) throw new Error(`isSet(${id})`);
              const deadline = model.armed.get(id)?.deadline ?? Number.POSITIVE_INFINITY;
              if (wheel.deadlineOf(id) !== deadline) throw new Error(`deadlineOf(${id})`);
            } else {
              for (let n = 0; n < id && compareNext() >= 0; n++);
            }
            if (wheel.size !== model.armed.size) throw new Error(`size ${wheel.size}`);
            if (lookAlways) compareState();
          }
          // Whatever is left comes out when each deadline is visited in turn, one at a time and never early.
          wheel.advance(model.now);
          model.advance(model.now);
          while (compareNext() >= 0);
          for (let next = wheel.nextDeadline(); next < Number.MAX_SAFE_INTEGER; next = wheel.nextDeadline()) {
            wheel.advance(next - 1);
            if (wheel.nextExpired() !== -1) throw new Error('expired early');
            wheel.advance(next);
            model.advance(next);
            if (compareNext() < 0) throw new Error('not expired in time');
            while (compareNext() >= 0);
          }
          if (wheel.size !== 0 || model.armed.size !== 0) throw new Error('timers left');
        },
      ),
      { seed: SEED, numRuns: 3000 },
    );
    t.pass();
  });

  t.test('a handler may clear or re-arm what has expired with it', async (t) => {
    const wheel = new TimerWheel(0, 2);
    for (let id = 0; id < 4; id++) wheel.set(id, 100 + id);
    wheel.advance(1_000);
    t.equal(wheel.nextExpired(), 0);
    wheel.clear(1);
    wheel.set(2, 5_000);
    wheel.set(0, 900);
    t.ok(wheel.isSet(3), 'collected, not taken');
    t.equal(wheel.nextDeadline(), 103, 'which nextDeadline counts');
    t.equal(wheel.nextExpired(), 3);
    t.equal(wheel.nextExpired(), -1, 'a deadline in the past waits for the next advance');
    t.equal(wheel.nextDeadline(), 900);
    wheel.advance(1_000);
    t.equal(wheel.nextExpired(), 0);
    wheel.advance(4_999);
    t.equal(wheel.nextExpired(), -1);
    wheel.advance(5_000);
    t.equal(wheel.nextExpired(), 2);
    t.equal(wheel.nextDeadline(), Number.POSITIVE_INFINITY);
    t.equal(wheel.size, 0);
  });

  t.test('equal deadlines expire in the order in which they were set', async (t) => {
    const wheel = new TimerWheel(2 ** 33);
    for (const id of [5, 3, 9, 1]) wheel.set(id, 2 ** 33 + 70_000);
    wheel.set(3, 2 ** 33 + 70_000);
    wheel.advance(2 ** 33 + 70_000);
    t.same(
      [wheel.nextExpired(), wheel.nextExpired(), wheel.nextExpired(), wheel.nextExpired()],
      [5, 9, 1, 3],
    );
  });

  t.test(
    'Infinity disarms, a deadline that is not a number is refused, ids beyond the capacity are free',
    async (t) => {
      const wheel = new TimerWheel();
      wheel.set(7, 10);
      wheel.set(7, Number.POSITIVE_INFINITY);
      t.notOk(wheel.isSet(7));
      t.throws(() => wheel.set(7, Number.NaN), RangeError);
      t.notOk(wheel.isSet(100_000));
      t.equal(wheel.deadlineOf(100_000), Number.POSITIVE_INFINITY);
      wheel.clear(100_000);
      wheel.set(100_000, 1);
      t.equal(wheel.deadlineOf(100_000), 1);
      t.equal(wheel.size, 1);
    },
  );
});
