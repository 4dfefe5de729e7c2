// The `mtcp` program: finds the subcommand, parses its options, runs it and turns what happened into an exit code:
// 0 done, 1 failed (one sentence on stderr says why and what to do), 2 the command line makes no sense.

import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Command } from './command.js';
import { describeCommand, parseCommand } from './command.js';
import { CliError, EXIT_FAILURE, EXIT_USAGE, usageError } from './failure.js';
import { createLog } from './log.js';
import type { Output } from './output.js';
import { columns, openStdout } from './output.js';

/** The subcommands, in the order of the help text. Each is loaded only when it is used. */
const COMMANDS: Readonly<Record<string, { summary: string; load: () => Promise<Command> }>> = {
  demo: {
    summary: 'show the whole thing in under a minute, and clean up',
    load: async () => (await import('./demo.js')).demo,
  },
  serve: {
    summary: 'run a server on the stack: echo, discard, chargen, fixed or http',
    load: async () => (await import('./serve.js')).serve,
  },
  get: { summary: 'fetch a URL over the stack', load: async () => (await import('./get.js')).get },
  nc: {
    summary: 'connect stdin and stdout to a TCP connection of the stack',
    load: async () => (await import('./nc.js')).nc,
  },
  ping: {
    summary: 'send ICMP echo requests from the stack',
    load: async () => (await import('./ping.js')).ping,
  },
  lab: {
    summary: 'make, remove or show two namespaces joined by a veth pair',
    load: async () => (await import('./lab.js')).lab,
  },
  packetdrill: {
    summary: 'play packetdrill scripts against the stack, in virtual time',
    load: async () => (await import('./packetdrill.js')).packetdrill,
  },
  bench: {
    summary: 'measure the stack beside other servers',
    load: async () => (await import('./bench.js')).bench,
  },
  doctor: {
    summary: 'say what kernel, user and interface allow, and how to mend the rest',
    load: async () => (await import('./doctor.js')).doctor,
  },
};

/** Subcommands of the design that are not there yet. */
const LATER = ['ss', 'stats', 'capture', 'arp'];

/**
 * Runs a command line.
 * @param words the words after `mtcp`
 * @param out where stdout's text goes
 * @param complain gets the sentence of a failure
 * @returns the exit code
 */
export async function run(
  words: readonly string[],
  out: Output = openStdout(),
  complain: (sentence: string) => void = (sentence) => process.stderr.write(`${sentence}\n`),
): Promise<number> {
  const name = words[0] ?? '--help';
  try {
    if (name === '--version' || name === 'version') {
      out.line(version());
      return 0;
    }
    if (name === 'help' && words[1] !== undefined) return await runCommand(words[1], ['--help'], out);
    if (name === '--help' || name === '-h' || name === 'help') {
      out.line(describeProgram());
      return words.length === 0 ? EXIT_USAGE : 0;
    }
    return await runCommand(name, words.slice(1), out);
  } catch (error) {
    if (error instanceof CliError) {
      const hint =
        error.exitCode === EXIT_USAGE ? ` (see mtcp ${name in COMMANDS ? `${name} ` : ''}--help)` : '';
      complain(`mtcp${name in COMMANDS ? ` ${name}` : ''}: ${error.message}${hint}`);
      return error.exitCode;
    }
    complain(`mtcp: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    return EXIT_FAILURE;
  }
}

async function runCommand(name: string, words: readonly string[], out: Output): Promise<number> {
  if (LATER.includes(name)) throw usageError(`"${name}" is not there yet`);
  if (name.startsWith('-')) throw usageError(`unknown option ${name}`);
  if (!Object.hasOwn(COMMANDS, name)) throw usageError(`there is no command "${name}"`);
  const command = await COMMANDS[name].load();
  const args = parseCommand(command, words);
  if (args.has('help')) {
    out.line(describeCommand(command));
    return 0;
  }
  const json = args.has('json');
  const log = createLog(args.count('verbose'), !json);
  return command.run(args, { out, log, json });
}

function describeProgram(): string {
  const rows = Object.entries(COMMANDS).map(([name, { summary }]) => [name, summary]);
  return [
    'Usage: mtcp COMMAND [OPTION…]',
    '',
    'A userspace TCP stack over AF_XDP.',
    '',
    'Commands:',
    ...columns(rows, '  '),
    '',
    'mtcp COMMAND --help describes one of them; mtcp --version tells the version.',
  ].join('\n');
}

function version(): string {
  // From build/src/cli to the package's root.
  const manifest = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'));
  return (manifest as { version: string }).version;
}

// bin/mtcp.js calls run() itself; this is for `node build/src/cli/main.js`.
if (process.argv[1] !== undefined && existsSync(process.argv[1])) {
  if (realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
    process.exitCode = await run(process.argv.slice(2));
  }
}
