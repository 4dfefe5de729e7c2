// How the examples end: what their user can mend is one sentence and the exit code 1; a defect keeps its trace.

import process from 'node:process';

/** Runs a program, whose result is the exit code. */
export async function runProgram(main: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await main();
  } catch (error) {
    // What was expected to happen has a code: the stack's refusals, Node's of files and of the command line.
    if (!(error instanceof Error) || typeof (error as NodeJS.ErrnoException).code !== 'string') throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}

/** Does something with a file or folder of the user's; says how it was named when it cannot be read. */
export function reading<T>(path: string, option: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (code === undefined || syscall === undefined) throw error;
    throw Object.assign(new Error(`${path} cannot be read (${code}): name another with ${option}`), { code });
  }
}
