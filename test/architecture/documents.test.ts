// Documents as tests: docs/rfc.md names files and tests that exist, and the programs in the guides print what the guides say.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import t from 'tap';
import { checkOptions } from '../../src/api/options.js';
import { StackConfig } from '../../src/stack/config.js';
import { root } from './source.js';

const read = (path: string): string => readFileSync(root + path, 'utf8');

/** Cells of the tables of a page, with their line. */
function rows(page: string): { line: number; cells: string[] }[] {
  return page.split('\n').flatMap((text, i) => {
    if (!text.startsWith('|') || /^\|[-|\s]+\|$/.test(text)) return [];
    return [{ line: i + 1, cells: text.slice(1, -1).split('|') }];
  });
}

/** What a cell claims of tests: a path in backticks, and the titles in quotes behind it. */
function claims(cell: string): { path: string; titles: string[] }[] {
  const found: { path: string; titles: string[] }[] = [];
  for (const [, path, title] of cell.matchAll(/`([^`]+)`|"([^"]+)"/g)) {
    if (path !== undefined) found.push({ path, titles: [] });
    else found.at(-1)?.titles.push(title as string);
  }
  return found;
}

/** Whether a file has a test, or a script, of this title. A title with a placeholder in the source is found by its beginning. */
function hasTitle(path: string, title: string): boolean {
  const text = read(path);
  if (path.endsWith('.script')) return text.split('\n').includes(`== ${title}`);
  return [`'${title}'`, `"${title}"`, `\`${title}`].some((quoted) => text.includes(quoted));
}

/** What is wrong with the tests that a cell names, and how many titles there are. */
function checkTests(at: string, cell: string): { wrong: string[]; titles: number } {
  const wrong: string[] = [];
  let titles = 0;
  for (const { path, titles: named } of claims(cell)) {
    if (!existsSync(`${root}test/${path}`)) {
      wrong.push(`${at}: no test/${path}`);
      continue;
    }
    titles += named.length;
    for (const title of named)
      if (!hasTitle(`test/${path}`, title)) wrong.push(`${at}: test/${path} has no "${title}"`);
  }
  return { wrong, titles };
}

t.test('docs/rfc.md names sources and tests that exist, by titles that they have', async (t) => {
  const wrong: string[] = [];
  let titles = 0;
  for (const { line, cells } of rows(read('docs/rfc.md'))) {
    const [, , where = '', tested = ''] = cells;
    for (const { path } of claims(where))
      if (!existsSync(`${root}src/stack/${path}`)) wrong.push(`docs/rfc.md:${line}: no src/stack/${path}`);
    const checked = checkTests(`docs/rfc.md:${line}`, tested);
    wrong.push(...checked.wrong);
    titles += checked.titles;
  }
  t.same(wrong, []);
  t.ok(titles > 100, `${titles} titles`);
});

t.test('docs/mtcp-defects.md has every defect, and names tests that exist', async (t) => {
  const wrong: string[] = [];
  const numbers: number[] = [];
  for (const { line, cells } of rows(read('docs/mtcp-defects.md'))) {
    const [number = '', , here = '', tested = ''] = cells;
    if (number.trim() === '#') continue;
    numbers.push(Number(number));
    const checked = checkTests(`docs/mtcp-defects.md:${line}`, tested);
    wrong.push(...checked.wrong);
    // Without a test something is not here.
    if (checked.titles === 0 && !(tested.trim() === 'none' && /\bno\b/.test(here)))
      wrong.push(`docs/mtcp-defects.md:${line}: no test`);
  }
  t.same(wrong, []);
  t.same(
    numbers,
    Array.from({ length: 24 }, (_, i) => i + 1),
  );
});

t.test('every row of docs/rfc.md names its files, and its tests or none', async (t) => {
  const wrong = rows(read('docs/rfc.md'))
    .filter(({ cells }) => cells.length === 4 && !['clause', 'number'].includes(cells[0]!.trim()))
    .filter(({ cells: [, , where = '', tested = ''] }) => {
      return claims(where).length === 0 || (claims(tested).length === 0 && tested.trim() !== 'none');
    })
    .map(({ line }) => `docs/rfc.md:${line}`);
  t.same(wrong, []);
});

/** The requirements of RFC 9293 Appendix B by their names: 69 MUST, 31 SHLD, 18 MAY and one REC. */
const REQUIREMENTS = ['MUST', 'SHLD', 'MAY', 'REC'].flatMap((kind, i) =>
  Array.from({ length: [69, 31, 18, 1][i]! }, (_, number) => `${kind}-${number + 1}`),
);

t.test('docs/rfc.md has every number of RFC 9293 Appendix B, once', async (t) => {
  const [, page = ''] = read('docs/rfc.md').split('Appendix B: every number');
  const named = rows(page.split('\n## ')[0]!).flatMap(({ cells: [numbers = ''] }) => {
    const range = /^ (.*?)(\w+)-(\d+) to \w+-(\d+) $/.exec(numbers);
    if (range === null) return numbers.trim().split(', ');
    const [, before = '', kind, first, last] = range;
    const count = Number(last) - Number(first) + 1;
    const others = before.split(', ').filter((name) => name !== '');
    return [...others, ...Array.from({ length: count }, (_, n) => `${kind}-${Number(first) + n}`)];
  });
  const numbers = named.filter((name) => /-\d/.test(name));
  t.same([...numbers].sort(), [...REQUIREMENTS].sort());
});

/** The RFCs that the stack is meant to have. */
const RFCS = [
  1122, 1191, 1337, 1948, 2018, 2883, 3042, 3168, 3390, 3465, 3522, 4015, 4138, 4821, 4987, 5461, 5482, 5681,
  5682, 5927, 5961, 6056, 6069, 6093, 6191, 6298, 6528, 6582, 6633, 6675, 6928, 7323, 7413, 7661, 8257, 8312,
  8899, 8985, 9293, 9406, 9438, 9768, 9937,
];

t.test('docs/rfc.md has rows of every RFC, or tells which one has taken its place', async (t) => {
  const page = read('docs/rfc.md');
  const [, replaced = ''] = page.split('| RFC | now |');
  const clauses = rows(page).map(({ cells: [clause = ''] }) => clause);
  const olds = rows(replaced.split('\n\n')[0]!).map(({ cells: [numbers = ''] }) => numbers);
  const missing = RFCS.filter((rfc) => {
    const isNamed = (cell: string): boolean => new RegExp(`\\b${rfc}\\b(?!\\.)`).test(cell);
    return (
      !page.includes(`## RFC ${rfc}`) &&
      !clauses.some((cell) => / RFC /.test(cell) && isNamed(cell)) &&
      !olds.some(isNamed)
    );
  });
  t.same(missing, []);
});

t.test('a row of docs/rfc.md without a test says that it is not, or partly, done', async (t) => {
  const wrong = rows(read('docs/rfc.md'))
    .filter(
      ({ cells: [, what = '', , tested = ''] }) => tested.trim() === 'none' && !/^ (not|partly)\b/.test(what),
    )
    .map(({ line }) => `docs/rfc.md:${line}`);
  t.same(wrong, []);
});

t.test('no row of docs/rfc.md stands outside of a table', async (t) => {
  const lines = read('docs/rfc.md').split('\n');
  const wrong = lines.flatMap((text, i) => {
    const isFirst = text.startsWith('|') && !lines[i - 1]?.startsWith('|');
    return isFirst && !/^\|[-|]+\|$/.test(lines[i + 1] ?? '') ? [`docs/rfc.md:${i + 1}`] : [];
  });
  t.same(wrong, []);
});

t.test('every option of mtcp_init has a row with a meaning, and names keys that mtcp.conf has', async (t) => {
  const keys = String(checkOptions({ '?': 0 }))
    .split('there are: ')[1]
    ?.split(', ');
  const table = rows(read('docs/api/options.md').replaceAll('\\|', '/')).slice(1);
  t.same(
    table.map(({ cells: [key = ''] }) => key.replaceAll('`', '').trim()),
    keys,
  );
  const reader = read('src/api/config-file.ts');
  for (const { cells } of table) {
    const [key = '', type = '', must = '', , , meaning = '', conf = ''] = cells.map((text) => text.trim());
    t.ok(type !== '' && must !== '' && meaning !== '', `${key} has type, bounds and meaning`);
    for (const { path } of claims(conf)) {
      const name = path.replace(/^config\/|\.conf$/g, '');
      const isKey = new RegExp(`^  ${name}(?:\\(|: toConf)`, 'm').test(reader);
      t.ok(isKey || reader.includes(`'${name}.conf'`), `${key}: mtcp.conf has ${path}`);
    }
  }
});

t.test('every option of a stack has a row with its default, a meaning, and what Linux has', async (t) => {
  const table = rows(read('docs/api/sysctls.md')).slice(1);
  t.same(
    table.map(({ cells: [name = ''] }) => name.replaceAll('`', '').trim()),
    StackConfig.names(),
  );
  const config = new StackConfig();
  for (const { cells } of table) {
    const [name = '', value = '', , bounds = '', meaning = '', linux = ''] = cells.map((text) =>
      text.replaceAll('`', '').trim(),
    );
    t.equal(value, String(config.get(name)), `${name}: the default`);
    t.ok(bounds !== '' && meaning !== '' && linux !== '', `${name} has bounds, meaning and Linux's`);
  }
});

t.test('the programs in the guides print what the guides say', async (t) => {
  const page = read('docs/guides/deterministic-tests.md');
  const programs = [...page.matchAll(/```js\n([\s\S]*?)```\n\n```text\n([\s\S]*?)```/g)];
  t.ok(programs.length > 0, 'there are programs');
  for (const [, program, output] of programs) {
    // From the root, so that the package finds itself by its name.
    const options = { cwd: root, encoding: 'utf8' } as const;
    const printed = execFileSync(process.execPath, ['--input-type=module', '-e', program as string], options);
    t.equal(printed, output);
  }
});
