// Fails when the tests cover less than test/coverage-thresholds.json asks for. Reads the summary that tap wrote from V8's
// counts (mapped back to the .ts files, child processes included). A source file that no test loaded counts as not
// covered at all, which the summary alone would hide. Usage: node test/coverage-threshold.mjs [yes|no: privileged].

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const privileged = process.argv[2] !== 'no';
const { thresholds, needPrivileges, notMeasured } = JSON.parse(
  readFileSync('test/coverage-thresholds.json', 'utf8'),
);
const kinds = ['lines', 'branches', 'functions'];
const summaryFile = '.tap/report/coverage-summary.json';
if (!existsSync(summaryFile)) {
  console.error('Coverage: no report was written');
  process.exit(1);
}
const summary = JSON.parse(readFileSync(summaryFile, 'utf8'));

/** True for a file that compiles to nothing, such as one of interfaces only. */
function isTypesOnly(source) {
  const compiled = join('build', source.replace(/\.ts$/, '.js'));
  const text = existsSync(compiled) ? readFileSync(compiled, 'utf8') : '';
  return (
    text
      .replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
      .replace(/export \{\};/, '')
      .trim() === ''
  );
}

const listed = (path, list) => list.some((prefix) => path.startsWith(prefix));
const files = readdirSync('src', { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => join(entry.parentPath, entry.name))
  .filter((path) => !listed(path, notMeasured))
  .filter((path) => privileged || !listed(path, needPrivileges))
  .filter((path) => !isTypesOnly(path));

const neverLoaded = [];
const measured = files.map((path) => {
  const found = summary[resolve(path)];
  if (found) return { path, ...found };
  neverLoaded.push(path);
  const total = readFileSync(path, 'utf8').split('\n').length;
  return {
    path,
    lines: { total, covered: 0 },
    branches: { total: 1, covered: 0 },
    functions: { total: 1, covered: 0 },
  };
});

let failed = false;
const rows = [['', ...kinds]];
for (const [prefix, minimum] of Object.entries(thresholds)) {
  const part = measured.filter(({ path }) => path.startsWith(prefix));
  if (part.length === 0) continue;
  const row = [prefix];
  for (const kind of kinds) {
    const total = part.reduce((sum, file) => sum + file[kind].total, 0);
    const covered = part.reduce((sum, file) => sum + file[kind].covered, 0);
    const percent = total === 0 ? 100 : (100 * covered) / total;
    const below = percent < minimum[kind];
    failed ||= below;
    row.push(`${percent.toFixed(1)} %${below ? ` < ${minimum[kind]} %` : ''}`);
  }
  rows.push(row);
}

console.log('\nCoverage:');
for (const [name, ...cells] of rows) {
  console.log(`  ${name.padEnd(14)}${cells.map((cell) => cell.padStart(18)).join('')}`);
}
for (const path of neverLoaded) console.log(`  no test loads ${path}`);
if (failed) {
  const worst = measured
    .map((file) => ({ path: file.path, missing: file.lines.total - file.lines.covered }))
    .filter(({ missing }) => missing > 0)
    .sort((a, b) => b.missing - a.missing)
    .slice(0, 15);
  console.log('\nMost lines without a test:');
  for (const { path, missing } of worst) console.log(`  ${String(missing).padStart(5)}  ${path}`);
  console.error('\nCoverage is below the thresholds of test/coverage-thresholds.json.');
  process.exitCode = 1;
}
