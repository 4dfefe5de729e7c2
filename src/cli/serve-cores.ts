// `mtcp serve --cores N`: the same server on several cores of one interface, and their totals added up.

import { once } from 'node:events';
import { type Cores, startCores } from '../api/index.js';
import { CliError, messageOf } from './failure.js';
import type { Logger } from './log.js';
import type { Placement } from './placement.js';
import type { SignalWatch } from './runner.js';
import type { ServiceChoice } from './servers/choice.js';
import { Totals } from './servers/session.js';

/** Cores that serve. */
export class ServingCores {
  /** How the first core sits on its queue; the others are alike. */
  readonly mode: string;
  readonly #cores: Cores;
  readonly #totals: Totals[] = [];

  private constructor(cores: Cores) {
    this.#cores = cores;
    this.mode = cores.modeOf(0);
    cores.on('message', (cpu, totals) => {
      this.#totals[cpu] = totals as Totals;
    });
  }

  /** Starts them. Throws CliError with the reason and the remedy; nothing is attached then. */
  static async start(placement: Placement, choice: ServiceChoice, log: Logger): Promise<ServingCores> {
    const program = new URL('./servers/core-program.js', import.meta.url);
    try {
      const cores = await startCores(program, placement.options, { data: choice });
      for (const warning of new Set([...placement.warnings, ...cores.warnings])) log.warn(warning);
      const { iface, netns, address } = placement;
      log.info({ iface, netns, address, cores: cores.count, mode: cores.modeOf(0) }, 'attached');
      return new ServingCores(cores);
    } catch (error) {
      throw new CliError(messageOf(error));
    }
  }

  get count(): number {
    return this.#cores.count;
  }

  /** The sum over all cores; the most at once is the sum of what each had. */
  get totals(): Totals {
    const sum = new Totals();
    for (const totals of this.#totals) {
      if (totals === undefined) continue;
      for (const key of Object.keys(sum) as (keyof Totals)[]) sum[key] += totals[key];
    }
    return sum;
  }

  /** Connections that each core has accepted. */
  get shares(): number[] {
    return Array.from({ length: this.count }, (_, cpu) => this.#totals[cpu]?.connections ?? 0);
  }

  /** Waits until a limit is reached, a signal comes, or a core fails. Throws CliError with what a core threw. */
  async run(signals: SignalWatch, limits: { requests: number; durationMs: number }): Promise<void> {
    const signalled = new Promise<void>((resolve) => signals.onSignal(resolve));
    const enough = new Promise<void>((resolve) => {
      this.#cores.on('message', () => {
        if (this.totals.requests >= limits.requests) resolve();
      });
    });
    const reasons: Promise<unknown>[] = [signalled, enough, once(this.#cores, 'exit')];
    let timer: NodeJS.Timeout | undefined;
    if (Number.isFinite(limits.durationMs)) {
      reasons.push(
        new Promise((resolve) => {
          timer = setTimeout(resolve, limits.durationMs);
        }),
      );
    }
    const first = await Promise.race(reasons);
    clearTimeout(timer);
    await this.#cores.stop();
    if (Array.isArray(first) && first[1] !== undefined) throw new CliError(messageOf(first[1]));
  }
}
