// Where one peer stands while a case runs: in a lab of its own, with one server for all rounds. Between rounds the server is stopped and
// takes no time of the others'. So it warms up once: V8 compiles a server while it runs, which takes seconds on a slow machine, and one
// that was started anew for each round would be measured half compiled.

import { labDown, labUp, stackNamespace } from '../src/nic/os/lab.js';
import type { BenchCase } from './cases.js';
import { otherLoad } from './machine.js';
import { measure, type Run, type Times } from './measure.js';
import type { Peer, Workplace } from './peers.js';
import { allowedFiles, GENERATOR_CPU, type RunningServer, SERVER_CPU, startServer } from './processes.js';

const LOOK_MS = 100;
/** In which a server deals with the end of its connections. */
const SETTLE_MS = 100;
/** Files of a server that are no connections. */
const OTHER_FILES = 200;

/** The lab of a peer, by the name of them all. */
export function labOf(labs: string, { name }: Pick<Peer, 'name'>): string {
  return `${labs}-${name}`;
}

/** How long the load warms up in a round, at least and at most, once the server is warm; caches are cold after each pause. */
export const AGAIN = { warmupMs: 300, longestWarmupMs: 500 } as const;

/** How long rounds take: what a load warms up at least and at most in the first one, and measures in each. */
export interface StandTimes {
  /** For a server that is compiled while it runs. */
  readonly firstWarmupMs: number;
  readonly longestWarmupMs: number;
  readonly durationMs: number;
}

export class Stand {
  readonly peer: Peer;
  readonly #work: BenchCase;
  readonly #place: Workplace;
  readonly #isFresh: boolean;
  /** Rounds that are to come. */
  #left: number;
  #server: RunningServer | undefined;

  /**
   * Makes the lab. `isFresh`: each round has a server of its own after all.
   * @throws LabError
   */
  constructor(work: BenchCase, peer: Peer, rounds: number, isFresh: boolean, place: Workplace) {
    this.peer = peer;
    this.#work = work;
    this.#left = rounds;
    this.#isFresh = isFresh;
    this.#place = { ...place, lab: labOf(place.lab, peer) };
    labUp({ name: this.#place.lab, queues: Math.max(1, work.cores), mtu: work.mtu });
  }

  get isDone(): boolean {
    return this.#left === 0;
  }

  /** Measures a round. Throws an Error that says why that was not possible; the next round begins with a new server then. */
  async measure(times: StandTimes): Promise<Run> {
    const work = this.#work;
    const { peer } = this;
    this.#left--;
    if (peer.onKernel && work.connections + OTHER_FILES > allowedFiles)
      throw new Error(`left out: a process may have ${allowedFiles} files open here (ulimit -n)`);
    const load = await otherLoad(LOOK_MS);
    const isWarm = this.#server !== undefined;
    try {
      this.#server?.resume();
      this.#server ??= await this.#start();
      const { startMs } = this.#server;
      const run = await measure(work, peer, this.#place, this.#server, warmUpOf(peer, times, isWarm));
      if (this.isDone || this.#isFresh) await this.#end();
      else await this.#rest(this.#server);
      return { ...run, otherLoad: load, ...(isWarm ? {} : { startMs }) };
    } catch (error) {
      await this.#end();
      throw error;
    }
  }

  /** Ends the server and removes the lab. */
  async close(): Promise<void> {
    await this.#end();
    labDown(this.#place.lab);
  }

  #start(): Promise<RunningServer> {
    const { peer } = this;
    const netns = peer.onKernel ? stackNamespace(this.#place.lab) : undefined;
    // Without pauses: V8's threads are not to take the CPU from the one that serves, which moves to its own.
    const cpu = this.#work.soakMs === undefined ? SERVER_CPU : GENERATOR_CPU;
    return startServer(peer.name, peer.command(this.#work, this.#place), netns, peer.name !== 'nginx', cpu);
  }

  async #rest(server: RunningServer): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    server.pause();
  }

  async #end(): Promise<void> {
    await this.#server?.end();
    this.#server = undefined;
  }
}

/** How long a load is to warm a server up. */
function warmUpOf({ compiles }: Peer, times: StandTimes, isWarm: boolean): Times {
  const { firstWarmupMs, longestWarmupMs, durationMs } = times;
  if (isWarm || !compiles) return { ...AGAIN, durationMs };
  return { warmupMs: Math.min(firstWarmupMs, longestWarmupMs), longestWarmupMs, durationMs };
}
