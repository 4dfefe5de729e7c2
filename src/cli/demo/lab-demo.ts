// The demo with everything real: a lab, the http server on the stack over AF_XDP in it, a client on the peer's kernel, and
// the kernel's TCP at the server's place for a comparison.

import { rmSync, statSync } from 'node:fs';
import {
  LAB_STACK_ADDRESS,
  LAB_STACK_INTERFACE,
  LAB_STACK_KERNEL_ADDRESS,
  labDown,
  labUp,
  peerNamespace,
  stackNamespace,
} from '../../nic/os/lab.js';
import { formatBytes } from '../output.js';
import { Child } from './child.js';
import type { CheckResult } from './kernel-client.js';
import type { DemoReport } from './report.js';
import type { CloseReport } from './stack-helper.js';

const PORT = 80;
/** Sizes of the answers that are compared byte by byte: around a segment, around a buffer, and many segments. */
const SIZES = [0, 1, 1000, 1447, 1448, 1449, 65_535, 65_536, 1_000_000, 1_000_000];
const SEPARATE_CONNECTIONS = 200;
const RATE_CONNECTIONS = 32;

/** What a lab demo is told. */
export interface LabDemoOptions {
  /** Name of the lab. */
  readonly name: string;
  /** File for the capture. */
  readonly pcap: string;
  /** How long each measurement takes, in ms. */
  readonly durationMs: number;
  /** Aborts the demo; everything is taken down then too. */
  readonly signal: AbortSignal;
  /** Says what is going on. */
  readonly say: (label: string, text: string) => void;
}

/** The set-up was not possible: the kernel or the user does not allow it. The in-memory demo may be. */
export class SetupError extends Error {}

/** Runs the demo and takes everything down again. Throws SetupError, or the error of what went wrong later. */
export async function labDemo({ name, pcap, durationMs, signal, say }: LabDemoOptions): Promise<DemoReport> {
  const startMs = performance.now();
  const children: Child[] = [];
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
  // Nobody may be waiting when the signal comes.
  aborted.catch(() => {});
  const start = (module: string, argument: string): Child => {
    const child = new Child(new URL(`./${module}.js`, import.meta.url), [argument]);
    children.push(child);
    return child;
  };
  const wait = <T>(work: Promise<T>): Promise<T> => Promise.race([work, aborted]);
  // The last resort, also for errors that nobody expected.
  const atExit = (): void => void labDown(name);
  process.on('exit', atExit);
  try {
    setUp(() => labUp({ name, queues: 1, mtu: 1500 }));
    say(
      'lab',
      `${stackNamespace(name)} (${LAB_STACK_INTERFACE}) and ${peerNamespace(name)}, joined by a veth pair`,
    );
    const client = start('kernel-helper', peerNamespace(name));
    const server = start('stack-helper', name);
    const target = { address: LAB_STACK_ADDRESS, port: PORT };

    const { mode } = await wait(
      server.call<{ mode: string }>('open', { port: PORT, pcap }).catch((error: Error) => {
        throw new SetupError(error.message);
      }),
    );
    say('server', `HTTP on the stack at ${target.address}:${PORT}, ${mode}, with a capture`);
    say('client', `the kernel's TCP in ${peerNamespace(name)}`);
    const check = await wait(client.call<CheckResult>('checkBytes', { ...target, sizes: SIZES }));
    say(
      'kept',
      `${check.requests} requests on one connection, ${formatBytes(check.bytes)}, every byte right`,
    );
    const separate = await wait(
      client.call<CheckResult>('openAndClose', { ...target, count: SEPARATE_CONNECTIONS }),
    );
    say('separate', `${separate.requests} requests on as many connections`);
    const first = await wait(server.call<CloseReport>('close'));

    await wait(server.call('open', { port: PORT }));
    const load = { connections: RATE_CONNECTIONS, durationMs };
    const rates: Record<string, number> = {};
    rates.mtcp = await wait(client.call<number>('measureRate', { ...target, ...load }));
    const second = await wait(server.call<CloseReport>('close'));
    for (const kind of ['node:net', 'node:http'] as const) {
      const peer = start('kernel-helper', stackNamespace(name));
      const address = LAB_STACK_KERNEL_ADDRESS;
      await wait(peer.call('listen', { kind, address, port: PORT }));
      const key = kind === 'node:net' ? 'node:net, same HTTP code' : kind;
      rates[key] = await wait(client.call<number>('measureRate', { address, port: PORT, ...load }));
      await peer.end();
    }
    say(
      'load',
      `${RATE_CONNECTIONS} kept connections for ${durationMs / 1000} s, on the stack and on the kernel's TCP`,
    );
    return {
      kind: 'lab',
      reason: '',
      mode,
      requests: first.totals.requests + second.totals.requests,
      connections: first.totals.connections + second.totals.connections,
      verifiedBytes: check.bytes,
      rates,
      counters: add({ ...first.counters, ...first.device }, { ...second.counters, ...second.device }),
      capture: { file: pcap, bytes: statSync(pcap).size },
      seconds: (performance.now() - startMs) / 1000,
    };
  } catch (error) {
    rmSync(pcap, { force: true });
    throw error;
  } finally {
    await Promise.all(children.map((child) => child.end()));
    labDown(name);
    process.off('exit', atExit);
    say('lab', 'down again');
  }
}

function setUp(work: () => void): void {
  try {
    work();
  } catch (error) {
    throw new SetupError((error as Error).message);
  }
}

function add(a: Record<string, number>, b: Record<string, number>): Record<string, number> {
  const sum = { ...a };
  for (const [name, value] of Object.entries(b)) sum[name] = (sum[name] ?? 0) + value;
  return sum;
}
