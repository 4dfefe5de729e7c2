// The log of the command line: pino, on stderr: warnings, with -v also what is done, with -vv details. A short line each, or pino's JSON with --json.
// Never called per packet.

import { writeSync } from 'node:fs';
import type { Logger } from 'pino';
import { pino } from 'pino';

const LEVELS: Record<number, string> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
  60: 'fatal',
};

/**
 * Makes the logger of a command.
 * @param verbosity how many times -v was given: 0 warnings only, 1 info, 2 and more debug
 * @param human true for one short line per entry instead of JSON
 * @param write where a finished line goes; stderr by default
 */
export function createLog(
  verbosity: number,
  human: boolean,
  write: (line: string) => void = toStderr,
): Logger {
  const level = ['warn', 'info', 'debug'][Math.min(verbosity, 2)];
  const sink = { write: human ? (line: string) => write(humanLine(line)) : write };
  return pino({ level, base: null }, sink);
}

/** Writes one of pino's JSON lines as `12:01:07.250 info  message key=value`. */
export function humanLine(json: string): string {
  const { level, time, msg, ...rest } = JSON.parse(json) as Record<string, unknown>;
  const clock = new Date(Number(time)).toISOString().slice(11, 23);
  const details = Object.entries(rest).map(([key, value]) =>
    typeof value === 'object' ? ` ${key}=${JSON.stringify(value)}` : ` ${key}=${value}`,
  );
  return `${clock} ${(LEVELS[Number(level)] ?? String(level)).padEnd(5)} ${msg ?? ''}${details.join('')}\n`;
}

function toStderr(line: string): void {
  try {
    writeSync(2, line);
  } catch {
    // A log that cannot be written must not end the program.
  }
}

export type { Logger } from 'pino';
