// The first module of a core's thread: pins it, creates its context, calls the program, and ends the context when the program is done
// or has thrown. `cores.ts` starts it.

import { cpus } from 'node:os';
import process from 'node:process';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { Core, type CoreProgram } from './core.js';
import {
  type CoreHost,
  controlOf,
  joinHost,
  SETUP,
  SETUP_BARRED,
  SETUP_NONE,
  SETUP_RUNS,
} from './core-host.js';
import { errno, errnoName } from './errno.js';
import {
  mtcp_core_affinitize,
  mtcp_create_context,
  mtcp_destroy,
  mtcp_init,
  mtcp_last_error,
} from './mtcp.js';
import type { MtcpOptions } from './options.js';

/** What the starting thread gives. */
export interface CoreStart {
  readonly cpu: number;
  readonly config: MtcpOptions | string;
  readonly overrides: MtcpOptions;
  /** URL of the program's module. */
  readonly module: string;
  readonly data: unknown;
  readonly pin: boolean;
  readonly host: CoreHost;
}

/** What the starting thread sends. */
export type CoreMessage = { type: 'begin' } | { type: 'stop' } | { type: 'post'; value: unknown };

async function run(port: MessagePort, start: CoreStart): Promise<void> {
  const { cpu, host } = start;
  const { default: program } = (await import(start.module)) as { default?: CoreProgram };
  if (typeof program !== 'function')
    throw new TypeError(`${start.module} has no function as its default export`);
  joinHost(host, cpu, (holdings) => port.postMessage({ type: 'holdings', holdings }));
  // Before the Nic sees to itself: what is open is reset first.
  process.once('exit', mtcp_destroy);
  if (start.pin && mtcp_core_affinitize(cpu % cpus().length) < 0) {
    process.emitWarning(`core ${cpu} is not pinned: ${mtcp_last_error()}`);
  }
  if (mtcp_init(start.config, start.overrides) < 0) throw lastError();
  const control = controlOf(host.control, cpu);
  if (Atomics.compareExchange(control, SETUP, SETUP_NONE, SETUP_RUNS) === SETUP_BARRED) process.exit();
  const mctx = mtcp_create_context(cpu);
  Atomics.store(control, SETUP, SETUP_NONE);
  if (mctx === null) throw lastError();
  const stop = new AbortController();
  const core = new Core(mctx, host.shared.cores, start.data, stop.signal, control, port);
  const begun = new Promise<void>((begin) => {
    port.on('message', (message: CoreMessage) => {
      if (message.type === 'post') core.onMessage?.(message.value);
      if (message.type === 'stop') stop.abort();
      // One that is to end before it has begun begins, and sees it.
      if (message.type !== 'post') begin();
    });
  });
  port.postMessage({ type: 'ready', mode: mctx.nic.capabilities.mode });
  await begun;
  await program(core);
  mtcp_destroy();
  // What it has left in the event loop, a timer for example, does not keep the thread.
  process.exit();
}

/** What the last call failed with. */
function lastError(): Error {
  return Object.assign(new Error(mtcp_last_error()), { code: errnoName(errno) });
}

if (parentPort === null) throw new Error('this module is what startCores starts');
await run(parentPort, workerData as CoreStart);
