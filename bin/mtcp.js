#!/usr/bin/env node
// Starts the compiled command line; says what to do when there is none yet.
import { existsSync } from 'node:fs';

const main = new URL('../build/src/cli/main.js', import.meta.url);
if (existsSync(main)) {
  const { run } = await import(main.href);
  process.exitCode = await run(process.argv.slice(2));
} else {
  process.stderr.write('mtcp: the package is not built yet; run `npm install` or `npm run build` first\n');
  process.exitCode = 1;
}
