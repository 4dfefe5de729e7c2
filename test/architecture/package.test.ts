// The package as its user gets it: every entry of `exports` loads by its name and has types, the command runs, and npm
// packs what is needed and nothing else.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import t from 'tap';
import { root } from './source.js';

interface Manifest {
  name: string;
  version: string;
  type: string;
  bin: Record<string, string>;
  exports: Record<string, string | { types: string; default: string }>;
  dependencies: Record<string, string>;
}
const manifest = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as Manifest;

t.test('every export resolves by the name of the package and has types', async (t) => {
  for (const [entry, target] of Object.entries(manifest.exports)) {
    if (typeof target === 'string') continue;
    const name = manifest.name + entry.slice(1);
    t.equal(Object.keys(target)[0], 'types', `${name}: types come first`);
    t.ok(existsSync(root + target.types), `${name}: ${target.types} exists`);
    const loaded = (await import(name)) as Record<string, unknown>;
    t.ok(Object.keys(loaded).length > 0, `${name} exports something`);
  }
});

t.test('an inner file cannot be imported from outside', async (t) => {
  await t.rejects(import(`${manifest.name}/build/src/index.js`), { code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' });
});

t.test('the command shows its help and its version', async (t) => {
  for (const path of Object.values(manifest.bin)) {
    const help = spawnSync(process.execPath, [root + path, '--help'], { encoding: 'utf8' });
    t.equal(help.status, 0, 'exit code of --help');
    t.match(help.stdout, /mtcp/, 'help is on standard output');
    const version = spawnSync(process.execPath, [root + path, '--version'], { encoding: 'utf8' });
    t.equal(version.status, 0, 'exit code of --version');
    t.match(version.stdout, manifest.version);
    t.match(readFileSync(root + path, 'utf8'), /^#!\/usr\/bin\/env node\n/, 'it can be run as a program');
  }
});

t.test('every dependency is pinned exactly and has its reason in docs/dependencies.md', async (t) => {
  const reasons = readFileSync(`${root}docs/dependencies.md`, 'utf8');
  for (const [name, version] of Object.entries(manifest.dependencies)) {
    t.match(version, /^\d+\.\d+\.\d+$/, `${name} is pinned`);
    t.ok(reasons.includes(`## ${name}`), `${name} has a reason`);
  }
});

t.test('npm packs what is needed and nothing else', async (t) => {
  const output = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [packed] = JSON.parse(output) as [{ files: { path: string }[]; unpackedSize: number }];
  const files = packed.files.map(({ path }) => path);
  const needed = [
    'LICENSE',
    'README.md',
    'CHANGELOG.md',
    'package.json',
    'build/src/index.js',
    'build/src/index.d.ts',
  ];
  for (const path of [...needed, ...Object.values(manifest.bin)]) t.ok(files.includes(path), `packs ${path}`);
  const wrong = files.filter(
    (path) => !/^(?:bin|build\/src|src|docs)\/|^[^/]+\.(?:md|json)$|^LICENSE$/.test(path),
  );
  t.same(wrong, [], 'packs no test, no bench, no build state');
  t.ok(packed.unpackedSize < 5_200_000, `unpacked size is ${packed.unpackedSize} bytes`);
});
