// Removes from build/ what was compiled from a source that no longer exists, so that a renamed or deleted test does not
// go on running. Called by test/run.sh after the build.

import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const output = /\.(?:js|js\.map|d\.ts|d\.ts\.map)$/;

for (const room of ['src', 'test', 'bench', 'examples', 'compile']) {
  const folder = join('build', room);
  if (!existsSync(folder)) continue;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !output.test(entry.name)) continue;
    const path = join(entry.parentPath, entry.name);
    const source = path.slice('build/'.length).replace(output, '.ts');
    if (!existsSync(source)) rmSync(path);
  }
}
