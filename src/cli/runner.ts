// How a command runs a stack on the main thread and still notices signals: Node calls signal handlers from its event loop
// only, so the loop gets a turn after each wait and at the latest every YIELD_MS while there is work.

import { setImmediate as nextTurn } from 'node:timers/promises';

/** The longest that a wait on the stack may last, in ms: how late a signal is noticed on an idle stack. */
export const MAX_WAIT_MS = 50;
/** The longest that a busy stack keeps Node's event loop waiting, in ms. */
const YIELD_MS = 10;

/** Signals that come within this time of the first are the first, in ms. */
const IMPATIENCE_MS = 500;

/** Gives Node's event loop a turn when it is due. */
export class Yielder {
  private lastMs: number = performance.now();

  /** To be awaited between two pieces of work; `idle` says that the last one waited in vain. */
  async yield(idle: boolean): Promise<void> {
    if (!idle && performance.now() - this.lastMs < YIELD_MS) return;
    await nextTurn();
    this.lastMs = performance.now();
  }

  /** True when `yield` would do something; spares busy loops an await. */
  get due(): boolean {
    return performance.now() - this.lastMs >= YIELD_MS;
  }
}

/** Remembers the first SIGINT, SIGTERM or SIGHUP; a later one, by somebody who has lost patience, ends the process at once. */
export class SignalWatch {
  /** The signal that came, or undefined. */
  signal: NodeJS.Signals | undefined = undefined;
  private sinceMs = 0;
  private readonly listeners: (() => void)[] = [];
  private readonly handler = (signal: NodeJS.Signals): void => {
    if (this.signal !== undefined) {
      // timeout(1) and terminals send to the process and to its group: the same signal comes twice.
      if (performance.now() - this.sinceMs < IMPATIENCE_MS) return;
      process.exit(exitCodeOf(signal));
    }
    this.signal = signal;
    this.sinceMs = performance.now();
    for (const listener of this.listeners) listener();
  };

  constructor() {
    for (const signal of SIGNALS) process.on(signal, this.handler);
  }

  /** Calls `listener` when a signal comes. */
  onSignal(listener: () => void): void {
    this.listeners.push(listener);
  }

  /** Gives the signals back. */
  close(): void {
    for (const signal of SIGNALS) process.off(signal, this.handler);
  }
}

const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const NUMBERS: Partial<Record<NodeJS.Signals, number>> = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 };

/** The exit code that a shell gives a process ended by a signal. */
export function exitCodeOf(signal: NodeJS.Signals): number {
  return 128 + (NUMBERS[signal] ?? 0);
}
