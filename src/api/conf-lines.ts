// The lines of mTCP's configuration files, with an error that names file, line and key: what src/api/config-file.ts and
// src/api/conf-tables.ts read them with.

import { readFileSync } from 'node:fs';

/** Longest line that mTCP takes. */
const MAX_LINE = 1023;

/** A file that says something wrong. Its message is whole: `mtcp.conf:7: rcvbuf: ...`. */
export class ConfigError extends Error {
  readonly code = 'EINVAL';

  constructor(message: string) {
    super(message);
    this.name = 'ConfigError';
  }
}

/** One line with something on it. */
export class ConfLine {
  readonly file: string;
  /** From 1. */
  readonly number: number;
  readonly words: readonly string[];

  constructor(file: string, number: number, words: readonly string[]) {
    this.file = file;
    this.number = number;
    this.words = words;
  }

  /** The first word. */
  get key(): string {
    return this.words[0];
  }

  /** What follows the key. */
  get values(): readonly string[] {
    return this.words.slice(1);
  }

  /** @throws ConfigError with the place and the key in front of `what` */
  fail(what: string): never {
    throw new ConfigError(`${this.file}:${this.number}: ${this.key}: ${what}`);
  }

  /** Makes a warning of this line. */
  warning(what: string): string {
    return `${this.file}:${this.number}: ${this.key}: ${what}`;
  }

  /** The one value of the key. */
  one(): string {
    if (this.words.length !== 2) {
      this.fail(this.words.length < 2 ? 'needs a value' : `takes one value, not "${this.values.join(' ')}"`);
    }
    return this.words[1];
  }

  /** The value as a whole number. */
  integer(min: number, max: number): number {
    const word = this.one();
    const value = /^-?\d+$/.test(word) ? Number(word) : Number.NaN;
    if (!(value >= min && value <= max)) this.fail(`"${word}" is no whole number from ${min} to ${max}`);
    return value;
  }
}

/** Reads a file's lines: `key = value` or `key value`, `#` begins a comment. @throws Node's error when it cannot be read */
export function readLines(path: string): ConfLine[] {
  const lines: ConfLine[] = [];
  readFileSync(path, 'utf8')
    .split('\n')
    .forEach((text, index) => {
      if (text.length > MAX_LINE) {
        throw new ConfigError(`${path}:${index + 1}: the line is longer than ${MAX_LINE} characters`);
      }
      const words = text
        .replace(/#.*/, '')
        .split(/[\s=]+/)
        .filter((word) => word !== '');
      if (words.length > 0) lines.push(new ConfLine(path, index + 1, words));
    });
  return lines;
}
