// Runs one flow over an impaired path: a receiver at its right end, a sender at its left one, each on the kernel or on the stack.

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { FlowJob, Received, Sent } from './flow-end.js';
import type { ImpairedPath, PathEnd } from './impaired-path.js';

const END = fileURLToPath(new URL('./flow-end.js', import.meta.url));

/** Which TCP is at an end. */
export type Side = 'kernel' | 'stack';

export interface FlowOptions {
  readonly sender: Side;
  readonly receiver: Side;
  readonly congestion?: string;
  readonly bytes?: number;
  readonly seconds?: number;
  readonly sysctl?: Record<string, number | string>;
  readonly port?: number;
}

export interface FlowResult {
  readonly received: Received;
  readonly sent: Sent;
  readonly mbps: number;
}

/** Starts one end: its lines as they come. */
function start(end: PathEnd, job: FlowJob): { child: ChildProcess; line: () => Promise<unknown> } {
  const program = [END, JSON.stringify(job)];
  const inside = job.on === 'kernel' ? ['ip', 'netns', 'exec', end.netns] : [];
  const [command = '', ...rest] = [...inside, process.execPath, ...program];
  const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const line = async (): Promise<unknown> => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error(`the ${job.role}r on the ${job.on} ended without a word`);
    const result = JSON.parse(value as string) as { error?: string };
    if (result.error !== undefined) throw new Error(`the ${job.role}r on the ${job.on}: ${result.error}`);
    return result;
  };
  return { child, line };
}

/** Lets a flow run from the left to the right. @throws Error when an end fails */
export async function runFlow(path: ImpairedPath, options: FlowOptions): Promise<FlowResult> {
  const { sender, receiver, port = 9000, congestion, bytes, seconds, sysctl } = options;
  const addressOf = (end: PathEnd, side: Side): string => (side === 'stack' ? end.stackAddress : end.address);
  const both = { host: addressOf(path.right, receiver), port, ...(sysctl === undefined ? {} : { sysctl }) };
  const { netns, iface, stackAddress } = path.right;
  const to = start(path.right, { on: receiver, role: 'receive', netns, iface, stackAddress, ...both });
  let from: ReturnType<typeof start> | undefined;
  try {
    await to.line();
    const { left } = path;
    from = start(left, {
      on: sender,
      role: 'send',
      netns: left.netns,
      iface: left.iface,
      stackAddress: left.stackAddress,
      ...both,
      ...(congestion === undefined ? {} : { congestion }),
      ...(bytes === undefined ? {} : { bytes }),
      ...(seconds === undefined ? {} : { seconds }),
    });
    const [received, sent] = (await Promise.all([to.line(), from.line()])) as [Received, Sent];
    return { received, sent, mbps: (received.bytes * 8) / received.ms / 1000 };
  } finally {
    to.child.kill('SIGKILL');
    from?.child.kill('SIGKILL');
  }
}
