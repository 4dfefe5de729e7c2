// Where commands write: plain text on stdout for people, one JSON value per line for programs, never a colour when
// stdout is no terminal. Commands get an Output handed in, so that tests read what would have been printed.

import { writeSync } from 'node:fs';

/** Everything a command prints on stdout. */
export interface Output {
  /** True when colours and cursor movements are welcome. */
  readonly isTerminal: boolean;
  /** Writes text as it is. */
  write(text: string): void;
  /** Writes one line. */
  line(text?: string): void;
  /** Writes a value as one line of JSON. */
  json(value: unknown): void;
  /** Writes bytes as they are. */
  bytes(bytes: Uint8Array): void;
}

/** An Output over a file descriptor; writes are synchronous, so nothing is lost when the process ends. */
export class FdOutput implements Output {
  readonly isTerminal: boolean;
  readonly fd: number;

  constructor(fd: number, isTerminal: boolean) {
    this.fd = fd;
    this.isTerminal = isTerminal;
  }

  write(text: string): void {
    this.bytes(Buffer.from(text));
  }

  line(text: string = ''): void {
    this.write(`${text}\n`);
  }

  json(value: unknown): void {
    this.line(JSON.stringify(value));
  }

  bytes(bytes: Uint8Array): void {
    let done = 0;
    while (done < bytes.length) {
      try {
        done += writeSync(this.fd, bytes, done, bytes.length - done);
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code;
        // A reader that went away (`| head`) is not this program's failure; a full pipe is waited for.
        if (code === 'EPIPE') process.exit(0);
        if (code !== 'EAGAIN') throw error;
        Atomics.wait(PAUSE, 0, 0, 1);
      }
    }
  }
}

const PAUSE = new Int32Array(new SharedArrayBuffer(4));

/** An Output that remembers; for tests. */
export class MemoryOutput implements Output {
  readonly isTerminal: boolean = false;
  text = '';

  write(text: string): void {
    this.text += text;
  }

  line(text: string = ''): void {
    this.text += `${text}\n`;
  }

  json(value: unknown): void {
    this.line(JSON.stringify(value));
  }

  bytes(bytes: Uint8Array): void {
    this.text += Buffer.from(bytes).toString('latin1');
  }

  /** The JSON lines written so far. */
  get values(): Record<string, unknown>[] {
    return this.text
      .split('\n')
      .filter((line) => line.startsWith('{') || line.startsWith('['))
      .map((line) => JSON.parse(line));
  }
}

/** Opens stdout as an Output. NO_COLOR (https://no-color.org) and TERM=dumb count as "no terminal" for colours. */
export function openStdout(): Output {
  const plain = process.env.NO_COLOR !== undefined || process.env.TERM === 'dumb';
  return new FdOutput(1, process.stdout.isTTY === true && !plain);
}

/** Colours for a terminal, and the identity for anything else. */
export interface Paint {
  bold(text: string): string;
  dim(text: string): string;
  good(text: string): string;
  bad(text: string): string;
  warn(text: string): string;
}

/** Makes the colours that suit an Output. */
export function paintFor(out: Output): Paint {
  const sgr = (on: number, off: number) => (text: string) =>
    out.isTerminal ? `\x1b[${on}m${text}\x1b[${off}m` : text;
  return { bold: sgr(1, 22), dim: sgr(2, 22), good: sgr(32, 39), bad: sgr(31, 39), warn: sgr(33, 39) };
}

/** Lays rows out in columns that are as wide as their widest cell, two spaces apart. */
export function columns(rows: readonly (readonly string[])[], indent: string = ''): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  }
  return rows.map((row) => (indent + row.map((cell, i) => cell.padEnd(widths[i])).join('  ')).trimEnd());
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** Writes a number of bytes for people: `104.9 MB`. */
export function formatBytes(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}
