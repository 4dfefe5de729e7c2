// Mailboxes: frames from any core to one, those of each in order, none lost without a refusal, with several threads that write at once
// and threads that are killed wherever they are.

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import t, { type Test } from 'tap';
import { createMailboxes, Mailboxes, REFUSED, TAKEN } from '../../src/nic/mailbox.js';

const FRAME = 300;
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

/** The mailboxes of a number of cores, by core. */
function boxes(cores: number, memory = createMailboxes(cores, FRAME)): Mailboxes[] {
  return Array.from({ length: cores }, (_, core) => new Mailboxes(memory, cores, FRAME, core));
}

/** What waits in a mailbox, taken out. */
function drain(mailboxes: Mailboxes): number[][] {
  const found: number[][] = [];
  for (let length = mailboxes.peek(); length >= 0; length = mailboxes.peek()) {
    const memory = new Uint8Array(FRAME + 5);
    mailboxes.take(memory, 5);
    found.push([...memory.subarray(5, 5 + length)]);
  }
  return found;
}

t.test('frames come in the order in which they were put, to the core they were put for', async (t) => {
  const [zero, one, two] = boxes(3);
  t.equal(zero.put(1, bytes(1), 0, 1), REFUSED, 'nobody reads yet');
  one.open(11);
  two.open(12);
  t.equal(zero.put(1, bytes(9, 1, 2, 9), 1, 2), 11, 'the descriptor to wake it by');
  t.equal(zero.put(2, bytes(4), 0, 1), 12);
  t.equal(zero.put(1, new Uint8Array(FRAME), 0, FRAME), TAKEN);
  t.equal(zero.put(1, new Uint8Array(FRAME + 1), 0, FRAME + 1), REFUSED, 'longer than a frame can be');
  t.same(drain(one), [[1, 2], new Array(FRAME).fill(0)]);
  t.same(drain(two), [[4]]);
  t.same(drain(zero), []);
  one.close();
  t.equal(zero.put(1, bytes(1), 0, 1), REFUSED, 'closed');
});

t.test('a burst wakes its reader once, until it has looked', async (t) => {
  const [zero, one, two] = boxes(3);
  zero.open(7);
  t.notOk(zero.answer(), 'nobody has rung');
  t.same(
    [one.put(0, bytes(1), 0, 1), one.put(0, bytes(2), 0, 1), two.put(0, bytes(3), 0, 1)],
    [7, TAKEN, TAKEN],
  );
  t.ok(zero.answer());
  t.notOk(zero.answer(), 'once');
  t.equal(
    two.put(0, bytes(4), 0, 1),
    7,
    'one that comes after the look rings again, though others still wait',
  );
  t.equal(drain(zero).length, 4);
  t.ok(zero.answer());
  t.equal(one.ring(0), 7, 'a bell can be rung without a frame');
  t.equal(one.ring(2), TAKEN, 'and nobody is to be woken where nobody listens');
});

t.test('cores that write take turns', async (t) => {
  const [zero, one, two] = boxes(3);
  zero.open(7);
  for (let i = 0; i < 4; i++) one.put(0, bytes(1, i), 0, 2);
  two.put(0, bytes(2, 0), 0, 2);
  two.put(0, bytes(2, 1), 0, 2);
  const found = drain(zero);
  t.same(
    found.map(([from]) => from),
    [1, 2, 1, 2, 1, 1],
  );
  t.same(
    found.filter(([from]) => from === 1).map(([, i]) => i),
    [0, 1, 2, 3],
  );
});

t.test(
  'a full ring refuses until something is taken out, over and over, and leaves the others alone',
  async (t) => {
    const [writer, reader, other] = boxes(3);
    const { slots } = writer;
    reader.open(7);
    let next = 0;
    let expected = 0;
    for (let round = 0; round < 20; round++) {
      let put = 0;
      while (writer.put(1, bytes(next & 255), 0, 1) !== REFUSED) {
        next++;
        put++;
      }
      t.equal(put, round === 0 ? slots : slots - 13 * (round % 3), `${put} found room`);
      const keep = 13 * ((round + 1) % 3);
      const out = new Uint8Array(1);
      for (let i = 0; i < slots - keep; i++) {
        if (reader.peek() !== 1) t.fail('nothing is there');
        reader.take(out, 0);
        if (out[0] !== (expected++ & 255)) t.fail('out of order');
      }
    }
    while (writer.put(1, bytes(0), 0, 1) !== REFUSED);
    t.not(other.put(1, bytes(5), 0, 1), REFUSED);
  },
);

t.test('rings get shorter with more cores, and stay rings', async (t) => {
  const sizes = [2, 8, 13, 16, 64, 128].map((cores) => {
    const memory = createMailboxes(cores, 1514);
    return [cores, new Mailboxes(memory, cores, 1514, 0).slots, Math.ceil(memory.byteLength / 1e6)];
  });
  t.same(sizes, [
    [2, 256, 2],
    [8, 256, 26],
    [13, 256, 67],
    [16, 128, 51],
    [64, 8, 51],
    [128, 8, 204],
  ]);
});

t.test(
  'a core that is started again reads what comes from then on, and writes where the dead one did',
  async (t) => {
    const memory = createMailboxes(2, FRAME);
    const [writer, first] = boxes(2, memory);
    first.open(5);
    for (let i = 0; i < 300; i++) {
      writer.put(1, bytes(i & 255), 0, 1);
      if (i < 250) first.skip();
    }
    first.close();
    const second = new Mailboxes(memory, 2, FRAME, 1);
    second.open(5);
    t.ok(second.answer(), 'it looks once');
    t.same(drain(second), [], 'what waited for the dead one is gone');
    t.equal(writer.put(1, bytes(1), 0, 1), 5);
    t.equal(new Mailboxes(memory, 2, FRAME, 0).put(1, bytes(2), 0, 1), TAKEN);
    t.ok(second.answer());
    t.same(drain(second), [[1], [2]]);
  },
);

t.test('a core that dies in the midst of writing a frame leaves nothing of it', async (t) => {
  const [writer, reader, other] = boxes(3);
  reader.open(7);
  class Deadly extends Uint8Array {
    override subarray(): Uint8Array<ArrayBuffer> {
      throw new Error('killed');
    }
  }
  t.throws(() => writer.put(1, new Deadly(251), 1, 250), /killed/);
  t.same(drain(reader), []);
  other.put(1, bytes(2), 0, 1);
  writer.put(1, bytes(1), 0, 1);
  t.same(drain(reader).sort(), [[1], [2]], 'nobody waits for it');
});

const SCRIPT = `
  const { workerData: { memory, cores, core, to, count, frameBytes, module } } = require('node:worker_threads');
  import(module).then(({ Mailboxes, REFUSED }) => {
    const mailboxes = new Mailboxes(memory, cores, frameBytes, core);
    const frame = new Uint32Array(frameBytes >> 2);
    const view = new Uint8Array(frame.buffer);
    for (let i = 0; i < count; i++) {
      frame.fill(i);
      frame[0] = core;
      while (mailboxes.put(to, view, 0, frameBytes) === REFUSED);
    }
  });`;

/** A thread that writes frames of the words core, i, i, … for i from 0. */
function writerThread(
  t: Test,
  memory: SharedArrayBuffer,
  cores: number,
  core: number,
  count: number,
): Worker {
  const module = new URL('../../src/nic/mailbox.js', import.meta.url).href;
  const workerData = { memory, cores, core, to: 0, count, frameBytes: FRAME, module };
  const worker = new Worker(SCRIPT, { eval: true, workerData });
  t.teardown(() => worker.terminate());
  return worker;
}

const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

t.test('several threads write at once, and every frame comes once', async (t) => {
  const COUNT = 20_000;
  const memory = createMailboxes(4, FRAME);
  const reader = new Mailboxes(memory, 4, FRAME, 0);
  reader.open(3);
  for (const core of [1, 2, 3]) writerThread(t, memory, 4, core, COUNT);
  const seen = [0, 0, 0, 0];
  const frame = new Uint32Array(FRAME >> 2);
  const view = new Uint8Array(frame.buffer);
  let wrong = 0;
  // Only a bell makes the reader look, so that one which is missed makes this hang.
  while (seen[1] + seen[2] + seen[3] < 3 * COUNT) {
    if (!reader.answer()) {
      await pause();
      continue;
    }
    while (reader.peek() >= 0) {
      reader.take(view, 0);
      const i = seen[frame[0]]++;
      if (frame[1] !== i || frame[frame.length - 1] !== i) wrong++;
    }
  }
  t.equal(wrong, 0, 'those of one thread come in its order');
});

t.test(
  'threads that are killed while they write leave whole frames, and their successors go on',
  async (t) => {
    const memory = createMailboxes(3, FRAME);
    const reader = new Mailboxes(memory, 3, FRAME, 0);
    reader.open(3);
    const frame = new Uint32Array(FRAME >> 2);
    const view = new Uint8Array(frame.buffer);
    let wrong = 0;
    const read = (): number => {
      let count = 0;
      for (; reader.peek() >= 0; count++) {
        reader.take(view, 0);
        const i = frame[1];
        for (let at = 2; at < frame.length; at++) if (frame[at] !== i) wrong++;
      }
      return count;
    };
    for (let round = 0; round < 12; round++) {
      const worker = writerThread(t, memory, 3, 1, Number.POSITIVE_INFINITY);
      for (let count = 0; count < 500 + 37 * round; count += read()) await pause();
      void worker.terminate();
      await once(worker, 'exit');
      read();
    }
    t.equal(wrong, 0);
    new Mailboxes(memory, 3, FRAME, 2).put(0, view, 0, 8);
    t.equal(read(), 1, 'the others are not kept');
  },
);
