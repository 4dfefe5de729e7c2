// A core as the program that runs on it sees it; `startCores` calls the program with one.

import type { MessagePort } from 'node:worker_threads';
import { STOP } from './core-host.js';
import type { Mctx } from './guard.js';

/** The default export of a module for `startCores`. The core ends when what it returns has settled. */
export type CoreProgram = (core: Core) => unknown;

/** One core of several. */
export class Core {
  /** The core's context. */
  readonly mctx: Mctx;
  /** Its number, from 0, which is also that of its queue. */
  readonly cpu: number;
  /** How many cores there are. */
  readonly cores: number;
  /** What `startCores` was given for all of them. */
  readonly data: unknown;
  /** Aborted when the core is to end, for programs that wait for promises. */
  readonly signal: AbortSignal;
  /** Is called with what the starting thread posts, while Node's event loop runs. */
  onMessage: ((value: unknown) => void) | undefined = undefined;
  readonly #control: Int32Array;
  readonly #port: MessagePort;

  constructor(
    mctx: Mctx,
    cores: number,
    data: unknown,
    signal: AbortSignal,
    control: Int32Array,
    port: MessagePort,
  ) {
    this.mctx = mctx;
    this.cpu = mctx.cpu;
    this.cores = cores;
    this.data = data;
    this.signal = signal;
    this.#control = control;
    this.#port = port;
  }

  /** True when the core is to end, for programs that never wait for promises; calls that block then end with EINTR. */
  get stopping(): boolean {
    return Atomics.load(this.#control, STOP) !== 0;
  }

  /** Sends a value to the starting thread, whether Node's event loop runs or not. */
  post(value: unknown): void {
    this.#port.postMessage({ type: 'post', value });
  }
}
