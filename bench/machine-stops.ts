// What the machine does to a program that only computes, with both CPUs of a benchmark busy: the floor under every
// pause.

import { fileURLToPath } from 'node:url';
import type { Stops } from './peers/spinner.js';
import { GENERATOR_CPU, runProgram, SERVER_CPU } from './processes.js';

const SECONDS = 10;
/** The other CPU is busy for longer. */
const MORE_SECONDS = 2;

/** Computes on the server's CPU while something does on the generator's. */
export async function measureStops(seconds = SECONDS): Promise<Stops> {
  const program = fileURLToPath(new URL('peers/spinner.js', import.meta.url));
  const run = (cpu: number, length: number): Promise<string> => {
    return runProgram('spinner', [process.execPath, program, `${length}`], cpu, (length + 10) * 1000);
  };
  const other = run(GENERATOR_CPU, seconds + MORE_SECONDS);
  const [text] = await Promise.all([run(SERVER_CPU, seconds), other]);
  return JSON.parse(text) as Stops;
}
