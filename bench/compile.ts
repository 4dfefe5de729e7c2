// The programs in C that are compared with, compiled when a benchmark begins: nobody needs a compiler for anything else.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** From build/bench to the sources. */
const SOURCES = fileURLToPath(new URL('../../bench/', import.meta.url));

/** Compiles a file of bench, or all of a folder there, to a program, unless that is there. Says why that failed, or undefined. */
export function compileC(source: string, program: string): string | undefined {
  if (existsSync(program)) return undefined;
  const path = join(SOURCES, source);
  const files = source.endsWith('.c')
    ? [path]
    : readdirSync(path)
        .filter((name) => name.endsWith('.c'))
        .map((name) => join(path, name));
  const { status, error } = spawnSync('cc', ['-O2', '-o', program, ...files]);
  if (error !== undefined) return 'no C compiler is installed';
  return status === 0 ? undefined : 'it does not compile here';
}
