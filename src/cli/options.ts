// The options of every subcommand: one table per command, from which the parser and the --help text are both made, and
// the common options that place a stack on an interface. Values are checked here; commands get them typed.

import type { ParseArgsConfig } from 'node:util';
import { parseArgs } from 'node:util';
import { usageError } from './failure.js';
import { columns } from './output.js';

/** One option. Without `value` it is a flag; with `optional`, its value may be left out. */
export interface OptionSpec {
  readonly name: string;
  readonly short?: string;
  /** How the value is called in the help text. */
  readonly value?: string;
  /** For an option whose value may be left out: whether the word after it is that value. */
  readonly optional?: (word: string) => boolean;
  readonly help: string;
  /** Understood, so that it can be refused with the reason, but not in the help text. */
  readonly hidden?: true;
}

/** The words of a command line after parsing. */
export class Args {
  readonly words: readonly string[];
  private readonly values: Readonly<Record<string, unknown>>;

  constructor(words: readonly string[], values: Readonly<Record<string, unknown>>) {
    this.words = words;
    this.values = values;
  }

  has(name: string): boolean {
    return this.values[name] !== undefined;
  }

  /** How often a flag was given. */
  count(name: string): number {
    const value = this.values[name];
    return Array.isArray(value) ? value.length : value === undefined ? 0 : 1;
  }

  text(name: string): string | undefined {
    const value = this.values[name];
    const last = Array.isArray(value) ? value[value.length - 1] : value;
    return typeof last === 'string' ? last : undefined;
  }

  /** Reads a whole number between `min` and `max`; the option is named in the error. */
  integer(name: string, min: number, max: number): number | undefined {
    return this.number(name, min, max, true);
  }

  /** Reads a number between `min` and `max`. */
  decimal(name: string, min: number, max: number): number | undefined {
    return this.number(name, min, max, false);
  }

  /** Reads one of a fixed set of words. */
  choice<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const found = choices.find((choice) => choice === text);
    if (found === undefined) throw usageError(`--${name} is one of ${choices.join(', ')}, not "${text}"`);
    return found;
  }

  private number(name: string, min: number, max: number, whole: boolean): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max) || (whole && !Number.isInteger(value))) {
      const limit =
        max === Number.MAX_SAFE_INTEGER || max === Number.MAX_VALUE ? `at least ${min}` : `${min} to ${max}`;
      throw usageError(`--${name} is a ${whole ? 'whole ' : ''}number (${limit}), not "${text}"`);
    }
    return value;
  }
}

/** Options that every command has. */
export const GENERAL_OPTIONS: readonly OptionSpec[] = [
  { name: 'json', help: 'print JSON, one value per line' },
  { name: 'verbose', short: 'v', help: 'log to stderr; twice for more' },
  { name: 'help', short: 'h', help: 'show this help' },
];

/**
 * Parses the words after a subcommand.
 * @param words the words
 * @param specs the options that the command knows
 * @param positionals the least and the most words that are no options
 * @param wanted what those words are, for the sentence that one is missing
 * @throws CliError (exit code 2) that names the option or word at fault
 */
export function parseOptions(
  words: readonly string[],
  specs: readonly OptionSpec[],
  positionals: readonly [number, number],
  wanted: readonly string[] = [],
): Args {
  const options: NonNullable<ParseArgsConfig['options']> = {};
  for (const spec of specs) {
    const type = spec.value === undefined ? 'boolean' : 'string';
    options[spec.name] = { type, multiple: true, ...(spec.short === undefined ? {} : { short: spec.short }) };
  }
  let parsed: { values: Record<string, unknown>; positionals: string[] };
  try {
    parsed = parseArgs({
      args: giveOptionalValues(words, specs),
      options,
      allowPositionals: true,
      strict: true,
    });
  } catch (error) {
    throw usageError(parseMessage(error as Error, specs));
  }
  const given = parsed.positionals;
  // --help must answer whatever else is missing.
  if (parsed.values.help === undefined) {
    if (given.length > positionals[1]) throw usageError(`unexpected argument "${given[positionals[1]]}"`);
    if (given.length < positionals[0]) {
      const missing = wanted.slice(given.length).join(' and ');
      throw usageError(`an argument is missing${missing === '' ? '' : `: ${missing}`}`);
    }
  }
  return new Args(given, parsed.values);
}

/** parseArgs knows no optional values: `--lab` becomes `--lab=`, `--lab NAME` becomes `--lab=NAME`. */
function giveOptionalValues(words: readonly string[], specs: readonly OptionSpec[]): string[] {
  const result: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const spec = specs.find(({ name, optional }) => optional !== undefined && words[i] === `--${name}`);
    if (words[i] === '--') return [...result, ...words.slice(i)];
    if (spec?.optional === undefined) result.push(words[i]);
    else if (i + 1 < words.length && spec.optional(words[i + 1])) result.push(`--${spec.name}=${words[++i]}`);
    else result.push(`--${spec.name}=`);
  }
  return result;
}

/** Node's own message, in one sentence and without its advice on quoting. */
function parseMessage(error: Error, specs: readonly OptionSpec[]): string {
  const first = error.message.split('. ')[0].split('\n')[0].replace(/\.$/, '').replaceAll("'", '"');
  const option = /"?(-[^" ]*)(?: <value>)?"?/.exec(first)?.[1] ?? '';
  if (first.startsWith('Unknown option')) {
    const meant = nearest(option, specs);
    return `unknown option ${option}${meant === undefined ? '' : `, did you mean --${meant}?`}`;
  }
  if (first.includes('argument missing') || first.includes('argument is ambiguous')) {
    return `option ${longName(first)} needs a value`;
  }
  if (first.includes('does not take an argument')) return `option ${longName(first)} takes no value`;
  return first;
}

/** The option that somebody has probably mistyped. */
function nearest(option: string, specs: readonly OptionSpec[]): string | undefined {
  const typed = /^--(.+)$/.exec(option)?.[1];
  if (typed === undefined) return undefined;
  const near = specs
    .filter(({ hidden }) => hidden !== true)
    .map(({ name }) => ({ name, edits: name.startsWith(typed) ? 0 : editsBetween(typed, name) }))
    // A word of which more than a third is wrong was another one.
    .filter(({ name, edits }) => edits <= Math.max(1, Math.min(typed.length, name.length) / 3))
    .sort((a, b) => a.edits - b.edits);
  return near[0]?.name;
}

/** Letters to be inserted, removed, replaced or swapped with the next to make one word of another (Damerau). */
function editsBetween(from: string, to: string): number {
  let before: number[] = [];
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = row[j - 1] + (from[i - 1] === to[j - 1] ? 0 : 1);
      const isSwapped = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      const swapped = isSwapped ? before[j - 2] + 1 : replaced;
      next.push(Math.min(replaced, swapped, row[j] + 1, next[j - 1] + 1));
    }
    before = row;
    row = next;
  }
  return row[to.length];
}

function longName(message: string): string {
  return /--[a-z0-9-]+/.exec(message)?.[0] ?? message;
}

/** Writes the option part of a help text. */
export function describeOptions(specs: readonly OptionSpec[]): string[] {
  const rows = specs
    .filter(({ hidden }) => hidden !== true)
    .map((spec) => {
      const value =
        spec.value === undefined ? '' : spec.optional === undefined ? ` ${spec.value}` : `[=${spec.value}]`;
      return [`${spec.short === undefined ? '   ' : `-${spec.short},`} --${spec.name}${value}`, spec.help];
    });
  return columns(rows, '  ');
}
