// Reads the TAP that tap writes and shows what a person wants to see: one line per test file, every failure in full, the
// reasons for skips, and at the end the counts, which also go to .tap/closing-line. Exit code 1 unless all passed.

import { mkdirSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const lines = createInterface({ input: process.stdin });
const skips = new Map();
const counts = { pass: 0, fail: 0, skip: 0, todo: 0 };
let counted = false;
let failedFiles = 0;
let explained = true;
let file = [];

/** Diagnostics without what only repeats the source or names compiled files. */
function essential(diagnostics) {
  const shown = [];
  let dropping = -1;
  for (const line of diagnostics) {
    const indent = line.length - line.trimStart().length;
    if (dropping >= 0 && (line.trim() === '' || indent > dropping)) continue;
    dropping = /^ *(?:source|generated): ?/.test(line) ? indent : -1;
    if (dropping < 0) shown.push(line);
  }
  return shown;
}

/** Picks the failing points of one test file, each with the path of its subtests and its diagnostics. */
function failures(block) {
  const shown = [];
  const path = [];
  let shownBelow = '';
  for (let i = 0; i < block.length; i++) {
    const line = block[i];
    const indent = line.length - line.trimStart().length;
    const depth = indent / 4;
    const subtest = /^ *# Subtest: (.*)/.exec(line);
    if (subtest) {
      path.length = depth;
      path[depth] = subtest[1];
    }
    if (!/^ *not ok /.test(line) || / # (?:TODO|SKIP)/.test(line)) continue;
    const name = line
      .trim()
      .replace(/^not ok \d+ - /, '')
      .replace(/ # time=.*/, '');
    const above = path.slice(0, depth).join(' > ');
    // A subtest that failed because something inside it did has been shown already.
    if (shownBelow !== '' && shownBelow.startsWith(above === '' ? name : `${above} > ${name}`)) continue;
    const diagnostics = [];
    if (/^ *---$/.test(block[i + 1] ?? '')) {
      for (let j = i + 1; j < block.length && !/^ *\.\.\.$/.test(block[j]); j++) {
        diagnostics.push(block[j].slice(indent));
      }
    }
    shownBelow = above;
    shown.push([above, line.trim(), ...essential(diagnostics)]);
  }
  return shown;
}

let ended = false;
process.on('SIGTERM', () => {
  ended = true;
  lines.close();
});

let diagnosticsOf = 'none';
for await (const line of lines) {
  const point = /^(not )?ok \d+ - (.*?)(?: # (time=\S+|.*))?$/.exec(line);
  const total = /^# \{ (total: .*) \}$/.exec(line);
  const skip = /^ *(?:not )?ok \d+ - (.*?) # SKIP ?(.*)$/.exec(line);
  if (skip) {
    const reason = skip[2] || skip[1] || 'no reason given';
    skips.set(reason, (skips.get(reason) ?? 0) + 1);
  }
  if (diagnosticsOf !== 'none') {
    // The diagnostics of a whole file are worth showing only when nothing inside it explains the failure.
    if (diagnosticsOf === 'shown') console.log(line);
    if (/^ *\.\.\.$/.test(line)) diagnosticsOf = 'none';
  } else if (/^ {2}---$/.test(line)) {
    diagnosticsOf = explained ? 'hidden' : 'shown';
  } else if (total) {
    counted = true;
    for (const [, name, value] of total[1].matchAll(/(\w+): (\d+)/g)) counts[name] = Number(value);
  } else if (point) {
    const name = point[2].replace(/^build\//, '').replace(/\.js$/, '.ts');
    console.log(
      `${point[1] ? 'not ok' : 'ok'} ${name}${point[3] ? ` (${point[3].replace('time=', '')})` : ''}`,
    );
    const found = failures(file);
    explained = !point[1] || found.length > 0;
    if (point[1]) failedFiles++;
    for (const text of found) console.log(`\n${text.join('\n')}\n`);
    file = [];
  } else if (/^ {4}|^# Subtest/.test(line)) {
    file.push(line);
  } else if (
    line !== '' &&
    !/^(?:TAP version|\d+\.\.\d+|# time=|# ERROR: incomplete|json-summary report)/.test(line)
  ) {
    // What a test or tap itself printed outside of TAP.
    console.log(line);
  }
}

if (ended) {
  console.log('\nThe tests took too long and were ended.');
  failedFiles++;
}
if (skips.size > 0) {
  console.log('\nSkipped:');
  for (const [reason, number] of skips) console.log(`  ${number} × ${reason}`);
}
if (!counted || (failedFiles > 0 && counts.fail === 0)) counts.fail = Math.max(counts.fail, 1);
mkdirSync('.tap', { recursive: true });
const skipped = counts.skip + counts.todo;
writeFileSync('.tap/closing-line', `${counts.pass} passed, ${counts.fail} failed, ${skipped} skipped\n`);
process.exitCode = counts.fail === 0 && counts.pass > 0 ? 0 : 1;
