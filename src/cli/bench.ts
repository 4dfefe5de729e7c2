// `mtcp bench [CASE…]`: measures the stack beside other servers. The benchmark is a program of the repository, in bench/; the package
// does not have it.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Command } from './command.js';
import { CliError, EXIT_FAILURE } from './failure.js';
import type { Args } from './options.js';

/** Options that are handed on; what they mean is said in bench/main.ts. */
const FLAGS = ['quick', 'docs'] as const;
const VALUES = ['rounds', 'peers', 'out', 'against', 'compare', 'generator'] as const;

/** The `bench` subcommand. */
export const bench: Command = {
  name: 'bench',
  summary: 'measure the stack beside other servers',
  usage: ['[CASE…] [OPTION…]'],
  details: [
    'Each case is run under every server, interleaved, in two namespaces that are made for it and removed. A JSON file and a',
    'page with bars are written; the goals are shown with what was measured. Needs root, and the source repository.',
  ],
  positionals: [0, Number.POSITIVE_INFINITY],
  options: [
    { name: 'quick', help: 'fewer cases, shorter runs: about two minutes' },
    { name: 'rounds', value: 'N', help: 'runs of each server in each case (5; 2 when quick)' },
    {
      name: 'peers',
      value: 'A,B',
      help: 'servers to measure: mtcp, mtcp-net, node, epoll, nginx, bun, deno, frames, raw (all)',
    },
    { name: 'out', value: 'DIR', help: 'where the reports go (bench-results)' },
    {
      name: 'against',
      value: 'DIR',
      help: 'another built checkout: measured in the same rounds, told as ratios',
    },
    { name: 'compare', value: 'FILE', help: 'a report (JSON) of before: tells the ratios to it' },
    {
      name: 'generator',
      value: 'c|ts',
      help: 'load generator in C or in TypeScript (C where there is a compiler)',
    },
    { name: 'docs', help: 'write docs/benchmarks.md as well' },
  ],
  run(args: Args): Promise<number> {
    // From build/src/cli to build/bench.
    const program = fileURLToPath(new URL('../../bench/main.js', import.meta.url));
    if (!existsSync(program)) {
      throw new CliError('the benchmark is not part of the package: run it in the source repository');
    }
    const flags = FLAGS.filter((name) => args.has(name)).map((name) => `--${name}`);
    const values = VALUES.filter((name) => args.has(name)).map((name) => `--${name}=${args.text(name)}`);
    const child = spawn(process.execPath, [program, ...flags, ...values, ...args.words], {
      stdio: 'inherit',
    });
    // Ctrl-C reaches the child as well, which cleans up; this process waits for that.
    const wait = (): void => {};
    process.on('SIGINT', wait);
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => {
        process.off('SIGINT', wait);
        resolve(code ?? EXIT_FAILURE);
      });
    });
  },
};
