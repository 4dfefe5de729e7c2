// What a core's thread has been given by the thread that started it, for `mtcp_create_context` to use. Nothing in a thread that was
// not started by `startCores`.

import type { Holdings } from '../nic/holdings.js';
import { Mailboxes } from '../nic/mailbox.js';
import { NicError } from '../nic/nic-error.js';
import { type ProgramHandles, XdpProgram } from '../nic/xdp-program.js';
import type { QueueOptions } from './attach.js';
import type { Context } from './context.js';
import { CoreSiblings, type SharedByCores } from './core-siblings.js';

// Words of a core in the control memory.
/** Not 0 when the core is to end. */
export const STOP = 0;
/** What the core's thread does to the system, one of the three below. */
export const SETUP = 1;
export const CONTROL_WORDS = 2;

// Set-up goes over sockets and namespaces of which nobody else knows: a thread that is ended in the midst of it would leave them behind.
/** Nothing: it may be ended. */
export const SETUP_NONE = 0;
/** It sets its queue up: it is to be ended afterwards. */
export const SETUP_RUNS = 1;
/** It is to begin no set-up any more. */
export const SETUP_BARRED = 2;

/** The given things: plain data. */
export interface CoreHost {
  readonly program: ProgramHandles;
  readonly shared: SharedByCores;
  readonly control: SharedArrayBuffer;
  readonly wakeFd: number;
}

let host: CoreHost | undefined;
let own = -1;
let tell: (holdings: Holdings) => void = () => {};

/** Makes this thread a core of the host. `onHoldings` is told what the socket holds. */
export function joinHost(given: CoreHost, cpu: number, onHoldings: (holdings: Holdings) => void): void {
  host = given;
  own = cpu;
  tell = onHoldings;
}

/** A core's words of the control memory. */
export function controlOf(control: SharedArrayBuffer, cpu: number): Int32Array {
  return new Int32Array(control, cpu * CONTROL_WORDS * 4, CONTROL_WORDS);
}

/**
 * What this core's queue shares with the host's others; undefined outside of a host.
 * @throws NicError EINVAL for another core than this thread's: its mailbox and its queue are another thread's, or will be
 */
export function hostQueue(cpu: number): QueueOptions | undefined {
  if (host === undefined) return undefined;
  if (cpu !== own) {
    throw new NicError(
      'EINVAL',
      `this thread is that of core ${own}, not ${cpu}`,
      'create its context there',
    );
  }
  const { program, wakeFd, shared } = host;
  const { bell } = new Mailboxes(shared.mailboxes, shared.cores, shared.frameBytes, cpu);
  return { program: XdpProgram.adopt(program), wakeFd, bell, onHold: tell };
}

/** Connects a context with the host's other cores. */
export function joinSiblings(context: Context): void {
  if (host === undefined) return;
  context.stopWord = controlOf(host.control, context.cpu).subarray(STOP, STOP + 1);
  context.siblings = new CoreSiblings(context, host.shared, host.wakeFd);
  context.stack.siblings = context.siblings;
}
