// Other runtimes of JavaScript as peers, each with a program on its own calls. They are 100 MB each, so the package does not
// depend on them: what is on PATH is taken, or in the repository's node_modules/.bin, where `npm ci` removes them again.

import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { replyBytes } from './peers/reply.js';
import type { Peer } from './peers.js';

/** How it is started, and asked for the path of its own program. */
interface Runtime {
  readonly name: 'bun' | 'deno';
  readonly title: string;
  readonly ask: readonly string[];
  readonly run: readonly string[];
}

const RUNTIMES: readonly Runtime[] = [
  {
    name: 'bun',
    title: 'Bun, Bun.listen and Bun.serve',
    ask: ['-e', 'console.log(process.execPath)'],
    run: ['run'],
  },
  {
    name: 'deno',
    title: 'Deno, Deno.listen and Deno.serve',
    ask: ['eval', '--no-config', 'console.log(Deno.execPath())'],
    run: ['run', '--quiet', '--allow-all', '--no-config', '--no-lock'],
  },
];
/** Rounds: a full run has no time for more. */
const ROUNDS = 3;
const START_MS = 10_000;

/**
 * Where the program of a runtime is; undefined when there is none that runs. What is on PATH may be a script that starts it as a
 * child, which a signal to the script would not end.
 */
export function findRuntime(name: string, ask: readonly string[], path: string): string | undefined {
  const env = { ...process.env, PATH: path, DENO_NO_UPDATE_CHECK: '1' };
  const { status, stdout } = spawnSync(name, ask, { env, encoding: 'utf8', timeout: START_MS });
  const found = status === 0 ? stdout.trim() : '';
  return found === '' ? undefined : found;
}

function peerOf({ name, title, ask, run }: Runtime, root: string, port: number): Peer {
  let program: string | undefined;
  return {
    name,
    title,
    onKernel: true,
    onNode: false,
    compiles: true,
    rounds: ROUNDS,
    isQuick: false,
    serves: ({ service, mode }) => service !== 'sink' && mode !== 'idle',
    prepare() {
      const path = [process.env.PATH ?? '', join(root, 'node_modules/.bin')].join(delimiter);
      program = findRuntime(name, ask, path);
      return program === undefined
        ? 'it is not installed (npm install --no-save bun deno; npm may want their install scripts approved)'
        : undefined;
    },
    command({ service, requestBytes, replyBytes: length }, { folder }) {
      const file = join(folder, `reply-${length}`);
      writeFileSync(file, replyBytes(length));
      const words = [join(root, `bench/peers/${name}-server.js`), service, port, requestBytes, file];
      // There is no network beyond the lab in which it could look for a newer one, and what it keeps goes away with the run.
      const env = ['env', 'DENO_NO_UPDATE_CHECK=1', `DENO_DIR=${join(folder, 'deno')}`];
      return [...env, program ?? name, ...run, ...words.map(String)];
    },
  };
}

/** The peers, for the repository at `root`, listening on a port. */
export function runtimePeers(root: string, port: number): Peer[] {
  return RUNTIMES.map((runtime) => peerOf(runtime, root, port));
}
