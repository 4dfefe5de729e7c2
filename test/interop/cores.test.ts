// Several cores on an interface of several queues, against the kernel: connections come to the core that the device's hash says,
// replies come back to the core that opened, what reaches the wrong core is handed over, and a core that dies leaves the others alone.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { type Cores, startCores } from '../../src/index.js';
import {
  LAB_PEER_ADDRESS,
  LAB_STACK_ADDRESS,
  LAB_STACK_INTERFACE,
  type LabOptions,
  labDown,
  labUp,
  peerNamespace,
  stackNamespace,
} from '../../src/nic/os/lab.js';
import { labReason, makeLab } from '../support/netns.js';
import type { CoreReport, Task } from './core-program.js';

const PEER = fileURLToPath(new URL('./kernel-peer.js', import.meta.url));
const PROGRAM = new URL('./core-program.js', import.meta.url);
const PORT = 7000;
const skip = labReason() ?? false;
/** Connections of each core that opens; CORES_CONNECTIONS for the long form. */
const CONNECTIONS = Number(process.env.CORES_CONNECTIONS ?? 1000);
t.setTimeout(0);

let labs = 0;

interface RssLab {
  readonly stack: { iface: string; netns: string; address: string };
  readonly peer: string;
}

/** A lab of two queues with RSS. */
function rssLab(t: Test, options: Partial<LabOptions> = {}): RssLab {
  const name = `mtcp-t-cores-${process.pid}-${labs++}`;
  labUp({ name, queues: 2, mtu: 1500, ...options });
  t.teardown(() => void labDown(name));
  const stack = {
    iface: LAB_STACK_INTERFACE,
    netns: stackNamespace(name),
    address: `${LAB_STACK_ADDRESS}/24`,
  };
  return { stack, peer: peerNamespace(name) };
}

/** Runs a role of the kernel's peer: a function that gives its next line. */
function kernel(
  t: Test,
  netns: string,
  ...args: (string | number)[]
): () => Promise<Record<string, unknown>> {
  const child = spawn('ip', ['netns', 'exec', netns, process.execPath, PEER, ...args.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  let text = '';
  child.stdout.on('data', (bytes) => {
    text += String(bytes);
  });
  return async () => {
    while (!text.includes('\n')) await once(child.stdout, 'data');
    const line = text.slice(0, text.indexOf('\n'));
    text = text.slice(line.length + 1);
    return JSON.parse(line);
  };
}

/** Starts the cores with a task. The reports come in `reports`, by core. */
async function start(
  t: Test,
  stack: RssLab['stack'],
  data: Task,
): Promise<{ cores: Cores; reports: CoreReport[] }> {
  const sysctl = { tcp_timewait_ms: 50 };
  const cores = await startCores(PROGRAM, { ...stack, sysctl }, { data });
  t.teardown(() => cores.stop());
  const reports: CoreReport[] = [];
  let done = 0;
  cores.on('message', (cpu, report) => {
    if (report !== 'done') reports[cpu] = report as CoreReport;
    else if (++done === cores.count) void cores.stop();
  });
  return { cores, reports };
}

const sum = (reports: readonly CoreReport[], of: (report: CoreReport) => number): number =>
  reports.reduce((total, report) => total + of(report), 0);

for (const [title, rss, shares] of [
  ['evenly', {}, [0.5, 0.5]],
  ['by an uneven indirection table', { rssTable: [0, 1, 1, 1] }, [0.25, 0.75]],
] as const) {
  t.test(`connections from outside come to both cores, ${title}, and stay there`, { skip }, async (t) => {
    const { stack, peer } = rssLab(t, rss.rssTable === undefined ? {} : { rssTable: [...rss.rssTable] });
    const { cores, reports } = await start(t, stack, { role: 'echo', port: PORT });
    const next = kernel(t, peer, 'many', LAB_STACK_ADDRESS, PORT, 500);
    t.same(await next(), { open: 500, right: 500, errors: [] });
    await cores.stop();
    t.equal(
      sum(reports, ({ connections }) => connections),
      500,
    );
    t.equal(
      sum(reports, ({ elsewhere }) => elsewhere),
      0,
      'each is where the description of the device says',
    );
    t.equal(
      sum(reports, ({ errors }) => errors),
      0,
    );
    reports.forEach(({ connections }, cpu) => {
      // Four standard deviations of a binomial distribution.
      const expected = 500 * shares[cpu];
      const spread = 4 * Math.sqrt(expected * (1 - shares[cpu]));
      t.ok(Math.abs(connections - expected) <= spread, `core ${cpu}: ${connections} of ${expected}`);
    });
    // What concerns everybody is all that is handed over: ARP.
    t.ok(sum(reports, ({ handedOut }) => handedOut) <= 4, 'no frame was delivered to the wrong core');
  });
}

for (const [title, options, predict] of [
  ['as the device tells it', {}, false],
  ["with mTCP's key, as GetRSSCPUCore predicts", { rssKey: '05' }, true],
  ['with a symmetric key', { rssKey: '6d5a' }, false],
  ['with an uneven indirection table', { rssTable: [1, 0, 0, 0, 0, 1] }, false],
] as const) {
  t.test(`replies come back to the core that opened, ${title}`, { skip }, async (t) => {
    const { rssTable, rssKey } = options as { rssTable?: readonly number[]; rssKey?: string };
    const { stack, peer } = rssLab(t, {
      ...(rssKey === undefined ? {} : { rssKey }),
      ...(rssTable === undefined ? {} : { rssTable: [...rssTable] }),
    });
    const next = kernel(t, peer, 'greet', LAB_PEER_ADDRESS, PORT);
    await next();
    const task = {
      role: 'dial',
      address: LAB_PEER_ADDRESS,
      port: PORT,
      connections: CONNECTIONS,
      predict,
    } as const;
    const { cores, reports } = await start(t, stack, task);
    await cores.ended;
    for (const { connections, elsewhere, errors, left, held } of reports) {
      t.same({ connections, elsewhere, errors }, { connections: CONNECTIONS, elsewhere: 0, errors: 0 });
      t.same({ left, held }, { left: 0, held: 0 }, 'nothing is left of them');
    }
    t.ok(sum(reports, ({ handedOut }) => handedOut) <= 4, 'no reply was delivered to the wrong core');
  });
}

t.test('where the device does not tell, replies are handed to the core that opened', { skip }, async (t) => {
  const lab = makeLab('mtcp-t-cores', { queues: 2, network: 78 });
  t.teardown(() => lab.close());
  const next = kernel(t, lab.far.netns, 'greet', lab.far.address, PORT);
  await next();
  const stack = { iface: lab.near.iface, netns: lab.near.netns, address: `${lab.stackAddress}/24` };
  const task = {
    role: 'dial',
    address: lab.far.address,
    port: PORT,
    connections: 200,
    predict: false,
  } as const;
  const { cores, reports } = await start(t, stack, task);
  await cores.ended;
  for (const { connections, errors } of reports)
    t.same({ connections, errors }, { connections: 200, errors: 0 });
  // A reset is right for what the kernel has sent again when its connection was over already, and for nothing else.
  const [names, values] = lab
    .run(lab.far, 'grep', '^Tcp:', '/proc/net/snmp')
    .split('\n')
    .map((line) => line.split(' '));
  const counted = (name: string): number => Number(values[names.indexOf(name)]);
  t.equal(counted('EstabResets'), 0, 'no open connection of the kernel was reset');
  const resets = sum(reports, (report) => report.resets);
  t.ok(resets <= counted('RetransSegs'), `${resets} resets, ${counted('RetransSegs')} segments sent again`);
  const [out, into] = [sum(reports, ({ handedOut }) => handedOut), sum(reports, ({ handedIn }) => handedIn)];
  t.comment(`${out} frames were handed over`);
  t.ok(into <= out, 'each is counted on both sides');
});

t.test('a core that is killed leaves the others alone, and its port is served again', { skip }, async (t) => {
  const { stack, peer } = rssLab(t);
  const { cores, reports } = await start(t, stack, { role: 'echo', port: PORT });
  const next = kernel(t, peer, 'hold', LAB_STACK_ADDRESS, PORT, 40);
  t.match(await next(), { open: 40 });
  const exits: [number, Error | undefined][] = [];
  cores.on('exit', (cpu, error) => exits.push([cpu, error]));
  await cores.kill(1);
  t.same([cores.running, exits.map(([cpu]) => cpu)], [[0], [1]]);
  await t.rejects(cores.restart(0), { code: 'EBUSY' });
  await t.rejects(cores.restart(2), { code: 'EINVAL' });
  await cores.restart(1);
  t.same(cores.running, [0, 1]);
  // Those of core 0 go on, those of core 1 are reset, and every one opened anew is served.
  const { echoed, reset, again } = await next();
  t.equal(Number(echoed) + Number(reset), 40);
  t.ok(Number(echoed) > 0 && Number(reset) > 0, `${echoed} went on, ${reset} were reset`);
  t.equal(again, 40);
  await cores.stop();
  t.equal(reports[0].errors, 0, 'no error on the core that lived');
});

t.test('a program that throws ends its core, and who started it hears why', { skip }, async (t) => {
  const { stack } = rssLab(t);
  const cores = await startCores(PROGRAM, stack, { data: { role: 'throw' } satisfies Task });
  const errors: string[] = [];
  cores.on('exit', (cpu, error) => errors.push(`${cpu}: ${error?.message}`));
  await cores.ended;
  t.same(errors.sort(), ['0: core 0 has had enough', '1: core 1 has had enough']);
  const again = await startCores(PROGRAM, stack, { data: { role: 'throw' } satisfies Task });
  await t.rejects(again.ended, /has had enough/, 'when nobody listens');
});

t.test('a program that throws resets what is open, and the other core goes on', { skip }, async (t) => {
  const { stack, peer } = rssLab(t);
  const { cores } = await start(t, stack, { role: 'echo', port: PORT });
  const exits: string[] = [];
  cores.on('exit', (_, error) => exits.push(error?.message ?? ''));
  t.same(await kernel(t, peer, 'doom', LAB_STACK_ADDRESS, PORT)(), { error: 'ECONNRESET' });
  while (exits.length === 0) await once(cores, 'exit');
  t.same(exits, ['told to die']);
  t.equal(cores.running.length, 1);
});

t.test(
  'cores that cannot be are refused with the reason, and nothing stays attached',
  { skip },
  async (t) => {
    const { stack } = rssLab(t);
    const data: Task = { role: 'echo', port: PORT };
    await t.rejects(startCores(PROGRAM, stack, { data, cores: 1 }), {
      code: 'EINVAL',
      message:
        /has 2 queues and 1 core is asked for; use as many, or `npx mtcp lab down .* lab up .* --queues 1`/,
    });
    await t.rejects(startCores(PROGRAM, { ...stack, iface: 'none0' }, { data }), { code: 'ENODEV' });
    await t.rejects(startCores(PROGRAM, { ...stack, mode: 'fast' as never }, { data }), {
      code: 'EINVAL',
      message: /mode/,
    });
    await t.rejects(startCores(new URL('./none.js', import.meta.url), stack, { data }), {
      code: 'ERR_MODULE_NOT_FOUND',
    });
    await t.rejects(
      startCores(new URL('./pattern.js', import.meta.url), stack, { data }),
      /no function as its default export/,
    );
    const cores = await startCores(PROGRAM, stack, { data });
    // Before its programs have begun, and again.
    await cores.stop(600_000);
    await cores.stop();
    await t.rejects(cores.restart(0), { code: 'EINVAL' });
  },
);
