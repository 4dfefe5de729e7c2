// Mailboxes: frames from any core to one, in order, none lost without a refusal, also with several threads that write at once.

import { Worker } from 'node:worker_threads';
import t from 'tap';
import { createMailboxes, Mailboxes } from '../../src/nic/mailbox.js';

const FRAME = 100;
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

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
  const memory = createMailboxes(3, FRAME);
  const [zero, one, two] = [0, 1, 2].map((core) => new Mailboxes(memory, FRAME, core));
  t.equal(zero.put(1, bytes(1), 0, 1), -1, 'nobody reads yet');
  one.open(11);
  two.open(12);
  t.equal(zero.put(1, bytes(9, 1, 2, 9), 1, 2), 11, 'the descriptor to wake it by');
  t.equal(two.put(1, bytes(3), 0, 1), 11);
  t.equal(zero.put(2, bytes(4), 0, 1), 12);
  t.equal(zero.put(1, new Uint8Array(FRAME), 0, FRAME), 11);
  t.equal(zero.put(1, new Uint8Array(FRAME + 1), 0, FRAME + 1), -1, 'longer than a frame can be');
  t.same(drain(one), [[1, 2], [3], new Array(FRAME).fill(0)]);
  t.same(drain(two), [[4]]);
  t.same(drain(zero), []);
  one.open(-1);
  t.equal(zero.put(1, bytes(1), 0, 1), -1, 'closed');
});

t.test('a full mailbox refuses until something is taken out, over and over', async (t) => {
  const memory = createMailboxes(2, FRAME);
  const [writer, reader] = [new Mailboxes(memory, FRAME, 0), new Mailboxes(memory, FRAME, 1)];
  reader.open(7);
  let next = 0;
  let expected = 0;
  for (let round = 0; round < 20; round++) {
    let put = 0;
    while (writer.put(1, bytes(next & 255), 0, 1) === 7) {
      next++;
      put++;
    }
    t.equal(put, round === 0 ? 256 : 256 - 13 * (round % 3), `${put} found room`);
    const keep = 13 * ((round + 1) % 3);
    const out = new Uint8Array(1);
    for (let i = 0; i < 256 - keep; i++) {
      reader.take(out, 0);
      if (out[0] !== (expected++ & 255)) t.fail('out of order');
    }
  }
});

t.test('a core that is started again goes on with what waits', async (t) => {
  const memory = createMailboxes(2, FRAME);
  const writer = new Mailboxes(memory, FRAME, 0);
  const first = new Mailboxes(memory, FRAME, 1);
  first.open(5);
  for (let i = 0; i < 300; i++) {
    writer.put(1, bytes(i & 255), 0, 1);
    if (i < 250) first.skip();
  }
  const second = new Mailboxes(memory, FRAME, 1);
  t.same(
    drain(second),
    Array.from({ length: 50 }, (_, i) => [(250 + i) & 255]),
  );
});

t.test('several threads write at once, and every frame comes once', async (t) => {
  const COUNT = 20_000;
  const memory = createMailboxes(4, FRAME);
  const reader = new Mailboxes(memory, FRAME, 0);
  reader.open(3);
  const module = new URL('../../src/nic/mailbox.js', import.meta.url).href;
  const script = `
    const { workerData: { memory, core, count, module } } = require('node:worker_threads');
    import(module).then(({ Mailboxes }) => {
      const mailboxes = new Mailboxes(memory, ${FRAME}, core);
      const frame = new Uint32Array(2);
      for (let i = 0; i < count; i++) {
        frame[0] = core;
        frame[1] = i;
        while (mailboxes.put(0, new Uint8Array(frame.buffer), 0, 8) < 0);
      }
    });`;
  const workers = [1, 2, 3].map(
    (core) => new Worker(script, { eval: true, workerData: { memory, core, count: COUNT, module } }),
  );
  const seen = [0, 0, 0, 0];
  const frame = new Uint32Array(2);
  const view = new Uint8Array(frame.buffer);
  let wrong = 0;
  while (seen[1] + seen[2] + seen[3] < 3 * COUNT) {
    if (reader.peek() < 0) {
      await new Promise((resolve) => setImmediate(resolve));
      continue;
    }
    reader.take(view, 0);
    if (frame[1] !== seen[frame[0]]++) wrong++;
  }
  t.equal(wrong, 0, 'those of one thread come in its order');
  await Promise.all(workers.map((worker) => worker.terminate()));
});
