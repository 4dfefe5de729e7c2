// Writes the pages that repeat what comments in the sources say: docs/counters.md from src/stack/counters.ts, docs/api/README.md,
// docs/api/table.md and docs/api/options.md from src/api, and docs/api/sysctls.md from src/stack/config.ts. Run
// `node docs/generate.mjs` after changing any; the architecture test fails while a page is out of date.

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { tablePage } from './api-table.mjs';
import { optionsPage, sysctlsPage } from './option-pages.mjs';

const root = new URL('../', import.meta.url);
const read = (path) => readFileSync(new URL(path, root), 'utf8');

/** Makes all pages: path from the root to text. */
export function pages() {
  return {
    'docs/counters.md': countersPage(),
    'docs/api/README.md': apiPage(),
    'docs/api/table.md': tablePage(read, GROUPS),
    'docs/api/options.md': optionsPage(read),
    'docs/api/sysctls.md': sysctlsPage(read),
  };
}

function countersPage() {
  const page = [
    '# Counters',
    '',
    '<!-- Generated from src/stack/counters.ts by `node docs/generate.mjs`: edit there. -->',
    '',
    'What one stack counts since it was made. Names are those of `nstat` on Linux where Linux has the counter. Every dropped',
    'frame raises exactly one counter whose text begins with "Drop:".',
  ];
  const source = read('src/stack/counters.ts');
  const body = source.slice(source.indexOf('export class Counters'));
  const item = /^ {2}\/\/ (.+)$|\/\*\*([\s\S]*?)\*\/\s*(?:readonly )?(\w+)\b[^=;\n]*=\s*0;/gm;
  for (const [, room, comment, name] of body.matchAll(item)) {
    if (room !== undefined) page.push('', `## ${room}`, '', '| counter | raised by |', '|---|---|');
    else page.push(`| \`${name}\` | ${cell(prose(comment))} |`);
  }
  return `${page.join('\n')}\n`;
}

/** The groups of the API page: title and the files that hold the calls. */
const GROUPS = [
  ['Beginning and end', ['src/api/lifecycle.ts', 'src/api/conf-calls.ts', 'src/api/thread-calls.ts']],
  [
    'Sockets',
    [
      'src/api/socket-calls.ts',
      'src/api/accept.ts',
      'src/api/connect.ts',
      'src/api/rss-calls.ts',
      'src/api/close-calls.ts',
    ],
  ],
  [
    'Data',
    [
      'src/api/stream-calls.ts',
      'src/api/fast-open-calls.ts',
      'src/api/vector-calls.ts',
      'src/api/zero-copy-calls.ts',
      'src/api/pipe-calls.ts',
    ],
  ],
  ['Events', ['src/api/epoll-calls.ts', 'src/api/poll-call.ts']],
  ['Names, modes and options', ['src/api/name-calls.ts', 'src/api/mode-calls.ts', 'src/api/option-calls.ts']],
  ['Errors', ['src/api/errno.ts']],
];

/** The constants of a file: name, value and what its comment says. */
function constants(source) {
  const item = /(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n)?export const (\w+) = ([^;]+);/g;
  return [...source.matchAll(item)].map(
    ([, comment = '', name, value]) => `| \`${name}\` | \`${value}\` | ${cell(prose(comment))} |`,
  );
}

function apiPage() {
  const page = [
    '# The mtcp_* calls',
    '',
    '<!-- Generated from the comments in src/api by `node docs/generate.mjs`: edit there. -->',
    '',
    "mTCP's calls under mTCP's names. A call that fails returns -1 (null where it would return a context) and sets `errno`, a",
    'live binding of the package; none throws. `mctx` is what `mtcp_create_context` returned, or the `mctx` of a virtual host',
    'of `mtcp-node/testing`. `docs/guides/` shows the calls at work, and [the table](table.md) says which test proves each error.',
  ];
  for (const [title, files] of GROUPS) {
    page.push('', `## ${title}`);
    for (const file of files) page.push(...calls(read(file)));
  }
  page.push(
    '',
    '## Constants',
    '',
    "All numbers are Linux's, but those of TCP_UTO_*, which Linux has not.",
    '',
    '| constant | value | meaning |',
    '|---|---|---|',
  );
  page.push(...constants(read('src/api/constants.ts')));
  return `${page.join('\n')}\n`;
}

function calls(source) {
  const out = [];
  const item =
    /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*export function (mtcp_\w+|EventToString|GetRSSCPUCore)\(([\s\S]*?)\): ([^{]+) \{/g;
  for (const [, comment, name, parameters, returns] of source.matchAll(item)) {
    const names = parameters
      .replace(/\s+/g, ' ')
      .split(/,\s*(?=[_\w]+\??\s*[:=]|$)/)
      .map((text) => text.trim())
      .filter((text) => text !== '')
      .map((text) =>
        text.replace(/^_?(\w+)(\??).*$/s, (_, word) => (/\?:|=/.test(text) ? `${word}?` : word)),
      );
    const tags = comment.split(/\n\s*\* (?=@param|@returns|Source:)/).map(prose);
    out.push('', `### ${name}(${names.join(', ')})`, '', tags[0]);
    const details = tags
      .slice(1)
      .map((text) => `- ${text.replace(/^@param (\w+)/, '`$1`:').replace(/^@returns/, 'Returns')}`);
    if (!comment.includes('@returns')) details.push(`- Returns ${returns.trim()}`);
    out.push('', ...details);
  }
  return out;
}

function prose(comment) {
  return comment
    .replace(/^\s*\*\s?/gm, ' ')
    .replace(/\s+/g, ' ')
    .trim();
}

function cell(text) {
  return text.replaceAll('|', '\\|');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, text] of Object.entries(pages())) writeFileSync(new URL(path, root), text);
}
