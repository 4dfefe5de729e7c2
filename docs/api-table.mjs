// The page docs/api/table.md: everything that the package exports, where it comes from, what becomes of it, which errors it has and
// where each of them is provoked. `test/api/error-table.test.ts` walks it against the exports and runs the provocations.

import { readdirSync } from 'node:fs';

const PROVOCATIONS = 'test/api/provocations/';
const CALL = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*export function (mtcp_\w+|GetRSSCPUCore)\(/g;
const ERROR = /\bE[A-Z]{3,}\b/g;
/** Calls whose errors a call has too, and those of them that it has not. */
const REFERENCE = /(?:errno of|, of|as) `(mtcp_\w+)`(?: but ((?:E[A-Z]+(?:, | and )?)+))?/g;

/** What a program can use beside the calls: what the comment before it in these files says. */
const OTHER_FILES = [
  'src/api/cores.ts',
  'src/api/core.ts',
  'src/api/loop.ts',
  'src/api/context.ts',
  'src/api/sockaddr.ts',
  'src/api/epoll.ts',
  'src/api/errno.ts',
  'src/api/constants.ts',
];
const OTHERS = [
  'startCores',
  'Cores',
  'Core',
  'runOnEventLoop',
  'makeContext',
  'SockAddr',
  'sockaddr_in',
  'sockaddr_in_bytes',
  'EpollData',
  'EpollEvent',
  'EventToString',
  'errno',
  'errnoName',
  'setErrno',
  'strerror',
];

const text = (comment) =>
  comment
    .replace(/^\s*\*\s?/gm, ' ')
    .replace(/\s+/g, ' ')
    .trim();
const cell = (words) => words.replaceAll('|', '\\|');
const quoted = (words) => `\`${words}\``;

/** Makes the page. `read` gives a file's text; `groups` are titles with the files that hold the calls. */
export function tablePage(read, groups) {
  const calls = new Map();
  for (const [title, files] of groups) {
    for (const [, comment, name] of files.flatMap((file) => [...read(file).matchAll(CALL)]))
      calls.set(name, { title, comment, source: text(comment) });
  }
  const proofs = provoked(read);
  const page = [
    '# Every function and constant',
    '',
    '<!-- Generated from the comments in src by `node docs/generate.mjs`: edit there. -->',
    '',
    'What the package exports. "mTCP" stands before what mTCP has, under the same name; everything else goes beyond it. The errors',
    'are those that [the calls](README.md) describe, and the file behind them provokes each of them; `test/api/error-table.test.ts`',
    'runs them, and walks this table against the exports.',
  ];
  for (const [title] of groups) {
    page.push('', `## ${title}`, '', '| call | from | status | errors | proof |', '|---|---|---|---|---|');
    for (const [name, call] of calls) if (call.title === title) page.push(callRow(name, call, calls, proofs));
  }
  page.push('', '## Other functions and classes', '', '| name | from | meaning |', '|---|---|---|');
  const sources = OTHER_FILES.map(read).join('\n');
  for (const name of OTHERS)
    page.push(`| ${quoted(name)} | ${originOf(name)} | ${cell(meaning(sources, name))} |`);
  page.push('', '## Constants', '', '| constant | value | from | status |', '|---|---|---|---|');
  page.push(...constantRows(read));
  page.push('', '## Errors', '', '| error | value | meaning |', '|---|---|---|', ...errorRows(read));
  return `${page.join('\n')}\n`;
}

/** By call: the file that provokes its errors. */
function provoked(read) {
  const proofs = new Map();
  for (const file of readdirSync(new URL(`../${PROVOCATIONS}`, import.meta.url)).sort()) {
    for (const [, name] of read(PROVOCATIONS + file).matchAll(/^ {2}(\w+): /gm))
      if (/^mtcp_|^GetRSS/.test(name)) proofs.set(name, PROVOCATIONS + file);
  }
  return proofs;
}

function callRow(name, { source }, calls, proofs) {
  const errors = [...errorsOf(name, calls)];
  const isOwn = /Source: none/.test(source);
  const from = isOwn
    ? 'own'
    : /Source: mTCP|Source: mtcp_/.test(source) || name === 'GetRSSCPUCore'
      ? 'mTCP'
      : /Source: \w+\([2378]p?\)/.test(source)
        ? 'POSIX, Linux'
        : 'own';
  const unlike = [...source.matchAll(/Unlike mTCP's,? ([^.]+)\./g)].map(
    ([, what]) => `unlike mTCP's, ${what}`,
  );
  const status = ['works', ...unlike].join('; ');
  const words = errors.length === 0 ? 'none' : errors.map(quoted).join(', ');
  const proof = errors.length === 0 ? 'none' : proofs.has(name) ? quoted(proofs.get(name)) : 'missing';
  return `| ${quoted(name)} | ${from} | ${cell(status)} | ${words} | ${proof} |`;
}

/** The errors that a call's comment names, and those of the calls to which it refers. */
function errorsOf(name, calls) {
  const { source } = calls.get(name);
  const returns = source.split('@returns')[1]?.split('Source:')[0] ?? '';
  const without = [...returns.matchAll(REFERENCE)].map(([whole]) => whole);
  const own = without.reduce((words, reference) => words.replace(reference, ''), returns).match(ERROR) ?? [];
  const errors = new Set(own);
  for (const [, other, but = ''] of returns.matchAll(REFERENCE)) {
    const excepted = but.match(ERROR) ?? [];
    for (const error of errorsOf(other, calls)) if (!excepted.includes(error)) errors.add(error);
  }
  return errors;
}

/** The first sentence of the comment before an export. */
function meaning(sources, name) {
  const before = new RegExp(
    `/\\*\\*((?:(?!\\*/)[\\s\\S])*)\\*/\\s*export (?:async )?(?:function|class|let) ${name}\\b`,
  );
  return text(sources.match(before)?.[1] ?? '').split(/(?<=\.) |: | @/)[0];
}

function originOf(name) {
  if (name === 'EventToString') return 'mTCP';
  return name === 'errno' || name === 'strerror' || name === 'sockaddr_in' ? 'POSIX, Linux' : 'own';
}

function constantRows(read) {
  const item = /(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n)?export const (\w+) = ([^;]+);/g;
  const threads = [...read('src/api/thread-calls.ts').matchAll(item)].filter(([, , name]) =>
    name.startsWith('SIG_'),
  );
  const known = {};
  return [...read('src/api/constants.ts').matchAll(item), ...threads].map(([, comment = '', name, value]) => {
    known[name] = evaluate(value, known);
    return `| ${quoted(name)} | ${quoted(known[name])} | ${/^TCP_UTO_/.test(name) ? 'own' : /^MTCP_|^INPORT/.test(name) ? 'mTCP' : 'POSIX, Linux'} | ${statusOf(name, text(comment))} |`;
  });
}

/** The value of a constant's expression: a number, a shifted one, a text, or another constant. */
function evaluate(expression, known) {
  const [, number, shift] = expression.match(/^(-?\w+) << (\d+)$/) ?? [];
  if (number !== undefined) return Number(number) << Number(shift);
  if (expression.startsWith("'")) return expression.slice(1, -1);
  return known[expression] ?? Number(expression);
}

function statusOf(name, comment) {
  if (/without effect|no SIGPIPE|same as `O_CLOEXEC`/.test(comment)) return 'taken without effect';
  if (/[Nn]ever raised/.test(comment)) return 'taken, never raised';
  if (name === 'AF_INET6') return 'refused with EAFNOSUPPORT';
  if (name === 'MTCP_SOCK_PROXY') return 'no socket has it (nor has any of mTCP)';
  return 'works';
}

function errorRows(read) {
  const messages = new Map(
    [...read('src/api/errno.ts').matchAll(/\[numbers\.\w+, '(\w+)', '([^']+)'\]/g)].map(
      ([, name, message]) => [name, message],
    ),
  );
  return [...read('src/stack/errors.ts').matchAll(/export const (\w+) = (\d+);/g)].map(
    ([, name, value]) => `| ${quoted(name)} | ${quoted(value)} | ${messages.get(name) ?? ''} |`,
  );
}
