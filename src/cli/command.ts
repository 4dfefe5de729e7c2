// What a subcommand is: a name, help, options and something to run. main.ts loads one of these and calls it; the tests do
// the same with an Output of their own.

import type { Logger } from './log.js';
import type { Args, OptionSpec } from './options.js';
import { describeOptions, GENERAL_OPTIONS, parseOptions } from './options.js';
import type { Output } from './output.js';

/** What a command may use of the world around it. */
export interface Environment {
  readonly out: Output;
  readonly log: Logger;
  /** True when --json was given. */
  readonly json: boolean;
}

/** A subcommand. */
export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What follows `mtcp NAME` on the command line, one string per form. */
  readonly usage: readonly string[];
  /** Further help, lines. */
  readonly details?: readonly string[];
  /** The least and the most words that are no options. */
  readonly positionals: readonly [number, number];
  /** What the words are that must be there, for the sentence that one is missing. */
  readonly wanted?: readonly string[];
  readonly options: readonly OptionSpec[];
  /** Does the work and returns the exit code. Throws CliError for what the user can mend. */
  run(args: Args, environment: Environment): Promise<number> | number;
}

/** Parses the words after the command's name. */
export function parseCommand(command: Command, words: readonly string[]): Args {
  return parseOptions(words, [...command.options, ...GENERAL_OPTIONS], command.positionals, command.wanted);
}

/** Writes a command's help text. */
export function describeCommand(command: Command): string {
  const forms = command.usage.map((form, i) =>
    `${i === 0 ? 'Usage:' : '      '} mtcp ${command.name} ${form}`.trimEnd(),
  );
  const lines = [...forms, '', `${command.summary[0].toUpperCase()}${command.summary.slice(1)}.`];
  if (command.details !== undefined) lines.push('', ...command.details);
  lines.push('', 'Options:', ...describeOptions([...command.options, ...GENERAL_OPTIONS]));
  return lines.join('\n');
}
