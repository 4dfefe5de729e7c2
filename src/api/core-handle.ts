// One core's thread as the thread that started it sees it: what it has told, and what it can be told.

import { Worker } from 'node:worker_threads';
import type { Holdings } from '../nic/holdings.js';
import { controlOf, SETUP, SETUP_BARRED, SETUP_NONE, SETUP_RUNS } from './core-host.js';
import type { CoreMessage, CoreStart } from './core-thread.js';

/** What a core's thread sends. */
type Message =
  | { type: 'holdings'; holdings: Holdings }
  | { type: 'ready'; mode: string }
  | { type: 'post'; value: unknown };

/** Who is to hear of a thread. */
export interface CoreListener {
  /** Its program has sent a value. */
  onPost(value: unknown): void;
  /** It is no more. What it left behind is to be given back before this returns. */
  onExit(core: CoreHandle): void;
}

export class CoreHandle {
  /** Settles when the core has its context, or has ended before. */
  readonly ready: Promise<void>;
  /** Settles when the thread is no more and what it left behind is given back. */
  readonly ended: Promise<void>;
  /** What the socket holds that it has opened last. */
  holdings: Holdings | undefined = undefined;
  /** Lengths of all that its sockets have ever mapped, by address. */
  readonly mappings = new Map<number, number>();
  /** How it sits on its queue; empty until it is ready. */
  mode = '';
  isReady = false;
  isKilled = false;
  /** What its program has thrown. */
  error: Error | undefined = undefined;
  readonly #worker: Worker;
  readonly #control: Int32Array;
  /** Values for a program that has not begun, and would not be called with them; undefined when it has. */
  #early: unknown[] | undefined = [];

  /** Starts the thread. @throws DOMException when the program's data cannot be cloned */
  constructor(start: CoreStart, listener: CoreListener) {
    this.#control = controlOf(start.host.control, start.cpu);
    Atomics.store(this.#control, SETUP, SETUP_NONE);
    const worker = new Worker(new URL('./core-thread.js', import.meta.url), {
      workerData: start,
      name: `mtcp-core-${start.cpu}`,
    });
    this.#worker = worker;
    worker.on('error', (thrown) => {
      this.error = thrown;
    });
    const exited = new Promise<void>((resolve) => {
      worker.once('exit', () => {
        try {
          listener.onExit(this);
        } finally {
          resolve();
        }
      });
    });
    this.ended = exited;
    this.ready = new Promise((resolve, reject) => {
      void exited.then(() => reject(this.error ?? new Error(`core ${start.cpu} ended before it had begun`)));
      worker.on('message', (message: Message) => {
        if (message.type === 'post') listener.onPost(message.value);
        else if (message.type === 'holdings') this.#hold(message.holdings);
        else {
          this.mode = message.mode;
          this.isReady = true;
          resolve();
        }
      });
    });
  }

  /** Lets its program begin. */
  begin(): void {
    this.#tell({ type: 'begin' });
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const value of early) this.post(value);
  }

  /** Sends a value to its program. */
  post(value: unknown): void {
    if (this.#early === undefined) this.#tell({ type: 'post', value });
    else this.#early.push(structuredClone(value));
  }

  /** Asks its program to end; one that has not begun begins, and sees it. */
  stop(): void {
    this.#tell({ type: 'stop' });
  }

  /** Ends the thread wherever it is, but in setting its queue up, which does not take long. */
  terminate(): void {
    const end = (): void => void this.#worker.terminate();
    const setup = Atomics.compareExchange(this.#control, SETUP, SETUP_NONE, SETUP_BARRED);
    if (setup === SETUP_RUNS) this.ready.then(end, end);
    else end();
  }

  #hold(holdings: Holdings): void {
    this.holdings = holdings;
    for (const { address, length } of holdings.mappings) this.mappings.set(address, length);
  }

  #tell(message: CoreMessage): void {
    this.#worker.postMessage(message);
  }
}
