// The thread that a core's program runs in: mtcp_core_affinitize and mtcp_register_signal.

import { constants, cpus } from 'node:os';
import process from 'node:process';
import { setAffinity } from '../nic/os/syscalls.js';
import { EINVAL } from '../stack/errors.js';
import { failBecause } from './errno.js';

/** What is called when a signal comes. */
export type SignalHandler = (signum: number) => void;

/** `mtcp_register_signal`: what the system does without a handler. */
export const SIG_DFL = 0;
/** `mtcp_register_signal`: nothing. */
export const SIG_IGN = 1;
/** What `mtcp_register_signal` returns when it fails. */
export const SIG_ERR = -1;

const SECOND_MS = 1000;

let mask: bigint | undefined;

/** Sets which physical core a number stands for: the one of the n-th bit of `value`; undefined for itself. */
export function setCoreMask(value: bigint | undefined): void {
  mask = value;
}

/**
 * Pins the calling thread to a core.
 * @param cpu number of the core, from 0; with `core_mask` in mtcp.conf the n-th core of the mask
 * @returns 0, or -1 with errno EINVAL (no such core), or what the kernel said.
 * Source: mTCP's mtcp_api.h, sched_setaffinity(2). Memory follows by itself: the first thread that touches it is the one that uses it.
 */
export function mtcp_core_affinitize(cpu: number): 0 | -1 {
  const count = cpus().length;
  if (!Number.isInteger(cpu) || cpu < 0 || cpu >= count) {
    return failBecause(EINVAL, `there are ${count} CPUs, numbered from 0; ${String(cpu)} is none of them`);
  }
  const physical = mask === undefined ? cpu : nthBit(mask, cpu);
  if (physical < 0) return failBecause(EINVAL, `core_mask has no core for number ${cpu}`);
  try {
    setAffinity([physical]);
    return 0;
  } catch (error) {
    const { errno, message } = error as { errno?: number; message: string };
    return failBecause(errno ?? EINVAL, message);
  }
}

function nthBit(bits: bigint, n: number): number {
  let left = n;
  for (let bit = 0; bits >> BigInt(bit) !== 0n; bit++) {
    if (((bits >> BigInt(bit)) & 1n) === 1n && left-- === 0) return bit;
  }
  return -1;
}

interface Registration {
  readonly handler: SignalHandler | typeof SIG_IGN;
  readonly listener: NodeJS.SignalsListener;
}

const registered = new Map<number, Registration>();
let interruptedAt = Number.NEGATIVE_INFINITY;
/** Ends all contexts; set by src/api/lifecycle.ts. */
let forceExit: () => void = () => {};

/** Says what a second SIGINT does. */
export function onForcedExit(callback: () => void): void {
  forceExit = callback;
}

/**
 * Registers what is to be called when a signal comes. Node.js runs it from the event loop, so a program that turns the stack
 * itself has to let the event loop run now and then (`await`), and a worker has to leave signals to the main thread. As in
 * mTCP, a second SIGINT that comes a second or more after the first ends all contexts of the thread.
 * @param handler a function, SIG_IGN, or SIG_DFL
 * @returns what was registered before (SIG_DFL for nothing), or SIG_ERR with errno EINVAL (no such signal, one that cannot be
 *   caught, or no handler).
 * Source: mTCP's mtcp_api.h, signal(2).
 */
export function mtcp_register_signal(
  signum: number,
  handler: SignalHandler | typeof SIG_DFL | typeof SIG_IGN,
): SignalHandler | typeof SIG_DFL | typeof SIG_IGN | typeof SIG_ERR {
  const name = Object.entries(constants.signals).find(([, number]) => number === signum)?.[0];
  const isHandler = typeof handler === 'function' || handler === SIG_DFL || handler === SIG_IGN;
  if (name === undefined || name === 'SIGKILL' || name === 'SIGSTOP' || !isHandler) {
    return failBecause(EINVAL, `${String(signum)} cannot be given such a handler`);
  }
  const before = registered.get(signum);
  if (before !== undefined) {
    process.off(name, before.listener);
    registered.delete(signum);
  }
  if (handler !== SIG_DFL) {
    const listener = (): void => {
      if (name === 'SIGINT') interrupted();
      if (typeof handler === 'function') handler(signum);
    };
    process.on(name, listener);
    registered.set(signum, { handler, listener });
  }
  return before?.handler ?? SIG_DFL;
}

function interrupted(): void {
  const now = performance.now();
  if (now - interruptedAt >= SECOND_MS && interruptedAt !== Number.NEGATIVE_INFINITY) forceExit();
  if (interruptedAt === Number.NEGATIVE_INFINITY) interruptedAt = now;
}
