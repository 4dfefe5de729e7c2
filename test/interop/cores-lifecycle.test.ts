// Cores that start, end and are started again at the wrong moment: whatever the order, `stop` and `ended` leave no thread, no program on
// the interface and no descriptor behind.

import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import t, { type Test } from 'tap';
import { type Cores, startCores } from '../../src/index.js';
import {
  LAB_STACK_ADDRESS,
  LAB_STACK_INTERFACE,
  labDown,
  labUp,
  stackNamespace,
} from '../../src/nic/os/lab.js';
import { ip, labReason } from '../support/netns.js';
import * as act from './core-lifecycle-acts.js';

const PROGRAM = new URL('./core-lifecycle-program.js', import.meta.url);
const skip = labReason() ?? false;
const NAME = `mtcp-t-life-${process.pid}`;
const IFACE = { iface: LAB_STACK_INTERFACE, netns: stackNamespace(NAME), address: `${LAB_STACK_ADDRESS}/24` };
t.setTimeout(0);
if (skip === false) {
  labUp({ name: NAME, queues: 2, mtu: 1500 });
  t.teardown(() => void labDown(NAME));
}

interface Started {
  readonly cores: Cores;
  /** What each core does when it starts the next time. */
  readonly words: Int32Array;
  readonly exits: [cpu: number, message: string | undefined][];
}

/** Starts two cores and listens for their ends. */
async function start(t: Test, task: number = act.RUN): Promise<Started> {
  const words = new Int32Array(new SharedArrayBuffer(8)).fill(task);
  const cores = await startCores(PROGRAM, IFACE, { data: { words: words.buffer } });
  t.teardown(() => cores.stop(0));
  const exits: Started['exits'] = [];
  cores.on('exit', (cpu, error) => exits.push([cpu, error?.message]));
  return { cores, words, exits };
}

/** Nothing is left of cores that have ended. */
async function isGone(t: Test, cores: Cores): Promise<void> {
  await cores.ended;
  t.same(cores.running, []);
  t.ok(cores.stopping);
  t.notMatch(ip('-n', IFACE.netns, 'link', 'show', IFACE.iface), /xdp/, 'no program on the interface');
  await t.rejects(cores.restart(0), { code: 'EINVAL' });
}

/** What a descriptor stands for. */
function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return 'gone';
  }
}

const ms = (time: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, time));

t.test('a core that is restarted while all are being stopped stays down', { skip }, async (t) => {
  const { cores, exits } = await start(t);
  const codes: string[] = [];
  cores.on('exit', (cpu) => cores.restart(cpu).catch(({ code }) => codes.push(code)));
  const stopped = cores.stop();
  await t.rejects(cores.restart(0), { code: 'EINVAL', message: /being stopped/ });
  await stopped;
  t.same(codes, ['EINVAL', 'EINVAL']);
  t.equal(exits.length, 2);
  await isGone(t, cores);
});

t.test('a core that is being started is stopped too, whether it gets ready or not', { skip }, async (t) => {
  for (const task of [act.LOAD_FOR_EVER, act.RUN]) {
    const { cores, words } = await start(t);
    await cores.kill(1);
    words[1] = task;
    const restarted = t.rejects(cores.restart(1), { code: 'EINVAL' });
    await cores.stop(task === act.RUN ? 60_000 : 300);
    t.same(cores.running, []);
    await restarted;
    await isGone(t, cores);
  }
});

t.test('a restart that fails when no other core runs is the end', { skip }, async (t) => {
  const { cores, words, exits } = await start(t);
  await cores.kill(0);
  await cores.kill(1);
  words[1] = act.FAIL_TO_LOAD;
  await t.rejects(cores.restart(1), { message: 'cannot be loaded' });
  await isGone(t, cores);
  t.equal(exits.length, 2, 'a core that was never there does not end');
});

t.test('a restart that fails while another core runs is not', { skip }, async (t) => {
  const { cores, words } = await start(t);
  await cores.kill(0);
  words[0] = act.FAIL_TO_LOAD;
  await t.rejects(cores.restart(0), { message: 'cannot be loaded' });
  words[0] = act.RUN;
  await cores.restart(0);
  t.same(cores.running, [0, 1]);
  await cores.stop();
  await isGone(t, cores);
});

t.test('stop with no limit waits for a program that takes its time', { skip }, async (t) => {
  const { cores, exits } = await start(t, act.LINGER);
  const farewells: number[] = [];
  cores.on('message', (cpu) => farewells.push(cpu));
  await ms(100);
  await cores.stop(Number.POSITIVE_INFINITY);
  t.same(farewells.sort(), [0, 1], 'none was ended');
  t.equal(exits.length, 2);
  await isGone(t, cores);
});

t.test('cores that were killed are not the end', { skip }, async (t) => {
  const { cores } = await start(t);
  await Promise.all([cores.kill(0), cores.kill(1)]);
  await ms(50);
  t.notOk(cores.stopping);
  await Promise.all([cores.restart(0), cores.restart(1)]);
  t.same(cores.running, [0, 1]);
});

t.test('the last core is restarted by whoever hears of its end', { skip }, async (t) => {
  const { cores, words, exits } = await start(t, act.RETURN);
  let [restarts, failures] = [0, 0];
  cores.on('exit', (cpu) => {
    if (cores.running.length > 0) return;
    if (++restarts === 4) words[cpu] = act.RUN;
    else words[cpu] = restarts === 2 ? act.THROW : act.RETURN;
    cores.restart(cpu).catch(() => failures++);
  });
  while (restarts < 4) await once(cores, 'exit');
  await ms(500);
  t.equal(failures, 0);
  t.equal(cores.running.length, 1);
  t.same(
    exits.map(([, message]) => message).filter((message) => message !== undefined),
    ['has had enough'],
  );
  await cores.stop();
  await isGone(t, cores);
});

t.test('the last core is restarted by whoever awaits its end', { skip }, async (t) => {
  const { cores, words } = await start(t, act.RETURN);
  while (cores.running.length > 0) await once(cores, 'exit');
  words.fill(act.RUN);
  await cores.restart(0);
  t.same(cores.running, [0]);
});

t.test('cores that end by themselves are the end', { skip }, async (t) => {
  const { cores, exits } = await start(t, act.RETURN);
  await isGone(t, cores);
  t.equal(exits.length, 2);
});

t.test('a core that is killed at any moment of its start leaves its queue free', { skip }, async (t) => {
  const { cores } = await start(t);
  await cores.kill(1);
  const before = performance.now();
  await cores.restart(1);
  const startMs = performance.now() - before;
  await cores.kill(1);
  // Node leaves open what a thread was reading, its modules, when it was ended; what else there is, is of this package.
  const descriptors = (): string[] =>
    readdirSync('/proc/self/fd')
      .map((fd) => linkOf(fd).replace(/\d+/, ''))
      .filter((link) => link.includes(':') && !link.startsWith('pipe'))
      .sort();
  const held = descriptors();
  for (let i = 1; i <= 16; i++) {
    const restarted = cores.restart(1).catch(({ message }) => t.match(message, /ended before it had begun/));
    await ms(startMs * (0.4 + 0.04 * i));
    await cores.kill(1);
    await restarted;
  }
  await cores.restart(1);
  t.same(cores.running, [0, 1]);
  await cores.kill(1);
  t.same(descriptors(), held, 'and no descriptor');
});

t.test('what is sent before a program begins reaches it', { skip }, async (t) => {
  const { cores } = await start(t, act.REPEAT);
  const found: unknown[] = [];
  cores.on('message', (cpu, value) => found.push([cpu, value]));
  cores.post(1, 'early');
  cores.post(1, 'in order');
  while (found.length < 2) await once(cores, 'message');
  t.same(found, [
    [1, 'early'],
    [1, 'in order'],
  ]);
  await cores.stop();
});

t.test("a core's thread has no context of another core", { skip }, async (t) => {
  const { cores } = await start(t, act.TRESPASS);
  const [cpu, answer] = await once(cores, 'message');
  t.match(answer, [null, 'EINVAL', new RegExp(`this thread is that of core ${cpu}`)]);
});
