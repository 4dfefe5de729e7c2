// `mtcp packetdrill FILE…`: plays packetdrill scripts against the stack, in virtual time.

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type PacketdrillResult, runPacketdrill } from '../testing/packetdrill/index.js';
import type { Command, Environment } from './command.js';
import { CliError, EXIT_FAILURE, messageOf, usageError } from './failure.js';
import type { Args } from './options.js';

/** The `packetdrill` subcommand. */
export const packetdrill: Command = {
  name: 'packetdrill',
  summary: 'play packetdrill scripts against the stack, in virtual time',
  usage: ['[OPTION…] FILE…'],
  details: [
    'Each script gets a stack of its own. Nothing is sent and no privileges are needed.',
    'The exit code is 1 when a script fails. One that needs what is not there is named, and does not count.',
  ],
  positionals: [1, Number.POSITIVE_INFINITY],
  wanted: ['FILE, a script'],
  options: [
    {
      name: 'define',
      short: 'D',
      value: 'WORD=TEXT',
      help: 'what a word in TCP options stands for; several by commas',
    },
    { name: 'trace', help: 'show every packet, in the numbers of the script' },
  ],
  run(args: Args, environment: Environment): number {
    const defined = definitions(args.text('define') ?? '');
    const counts = { passed: 0, failed: 0, unsupported: 0 };
    for (const file of args.words) {
      const result = playFile(file, defined, args.has('trace'), environment);
      counts[result.outcome]++;
      tell(file, result, environment);
    }
    const { out, json } = environment;
    if (!json)
      out.line(`${counts.passed} passed, ${counts.failed} failed, ${counts.unsupported} unsupported`);
    return counts.failed > 0 ? EXIT_FAILURE : 0;
  },
};

function playFile(
  file: string,
  defined: Record<string, string>,
  isTraced: boolean,
  { out }: Environment,
): PacketdrillResult {
  const text = read(file);
  const trace = (timeUs: number, direction: 'in' | 'out', packet: string): void =>
    out.line(`${(timeUs / 1e6).toFixed(6)} ${direction === 'in' ? '<' : '>'} ${packet}`);
  return runPacketdrill(text, {
    defined,
    include: (path) => readIfThere(join(dirname(file), path)),
    ...(isTraced ? { trace } : {}),
  });
}

function tell(file: string, { outcome, reason }: PacketdrillResult, { out, json }: Environment): void {
  if (json) out.json({ file, outcome, reason });
  else out.line(`${outcome} ${file}${reason === undefined ? '' : `: ${reason}`}`);
}

function definitions(text: string): Record<string, string> {
  const pairs = text.split(',').filter((pair) => pair !== '');
  const wrong = pairs.find((pair) => !/^\w+=\w*$/.test(pair));
  if (wrong !== undefined) throw usageError(`--define takes WORD=TEXT, not "${wrong}"`);
  return Object.fromEntries(pairs.map((pair) => pair.split('=')));
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new CliError(`the script cannot be read: ${messageOf(error)}`);
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
