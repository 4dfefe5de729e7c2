// The demo's server process: the http server on the stack, opened twice, first with a capture to look at, then without one
// to be measured. If the demo is killed, this process takes the lab down.

import { labDown } from '../../nic/os/lab.js';
import { CliError, messageOf } from '../failure.js';
import { createLog } from '../log.js';
import { parseOptions } from '../options.js';
import type { OpenStack } from '../placement.js';
import { openStack, readPlacement, STACK_OPTIONS } from '../placement.js';
import { MAX_WAIT_MS, Yielder } from '../runner.js';
import { HttpService } from '../servers/http.js';
import { BuiltInSite } from '../servers/http-content.js';
import { Server } from '../servers/server.js';
import type { Totals } from '../servers/session.js';
import { offer } from './child.js';

/** What `open` is told. */
export interface OpenRequest {
  readonly port: number;
  /** File of the capture, if there is to be one. */
  readonly pcap?: string;
}

/** What `close` tells. */
export interface CloseReport {
  readonly totals: Totals;
  /** The stack's counters that are not 0. */
  readonly counters: Record<string, number>;
  /** The device's. */
  readonly device: Record<string, number>;
}

const lab = process.argv[2];
let stack: OpenStack | undefined;
let server: Server | undefined;
let finished: Promise<void> = Promise.resolve();
let serving = false;

async function loop(current: Server): Promise<void> {
  const yielder = new Yielder();
  while (serving) {
    const idle = current.poll(MAX_WAIT_MS) === 0;
    if (idle || yielder.due) await yielder.yield(true);
  }
}

function open({ port, pcap }: OpenRequest): { mode: string } {
  const words = [`--lab=${lab}`, ...(pcap === undefined ? [] : ['--pcap', pcap])];
  const args = parseOptions(words, STACK_OPTIONS, [0, 0]);
  stack = openStack(readPlacement(args), createLog(0, false));
  try {
    server = new Server(stack.mctx, new HttpService(new BuiltInSite()), { port });
  } catch (error) {
    stack.close();
    throw new CliError(messageOf(error));
  }
  serving = true;
  finished = loop(server);
  return { mode: stack.mode };
}

async function close(): Promise<CloseReport> {
  if (stack === undefined || server === undefined) throw new CliError('the server is not open');
  serving = false;
  await finished;
  server.close();
  const counters = Object.entries({ ...stack.mctx.stack.counters }).filter(([, value]) => value !== 0);
  const device = stack.mctx.nic.statistics();
  stack.close();
  return { totals: server.totals, counters: Object.fromEntries(counters), device };
}

offer({ open, close }, () => {
  stack?.close();
  // After an orderly end the parent does this, and finds nothing to do; after its death nobody else would.
  labDown(lab);
});
