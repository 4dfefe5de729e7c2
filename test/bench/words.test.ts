// How the benchmark refuses: one sentence and an exit code, before anything is made.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const MAIN = fileURLToPath(new URL('../../bench/main.js', import.meta.url));

t.test('what cannot be measured is a sentence, and no trace', async (t) => {
  const dir = t.testdir({ 'other.json': '{}' });
  const cases: [words: string[], status: number, sentence: RegExp][] = [
    [['nocase'], 2, /^bench: there is no case "nocase": it is one of .*--help` tells how it is used\n$/],
    [['--peers', 'x'], 2, /^bench: there is no peer "x": /],
    [['--rounds', '0'], 2, /^bench: --rounds is a whole number from 1; /],
    [['--bogus'], 2, /^bench: Unknown option '--bogus'/],
    [['--compare', '/nowhere.json'], 1, /^bench: ENOENT: .*\/nowhere\.json/],
    [['--compare', `${dir}/other.json`], 1, /other\.json is no report of the benchmark/],
  ];
  for (const [words, status, sentence] of cases) {
    const ended = spawnSync(process.execPath, [MAIN, ...words], { encoding: 'utf8', timeout: 30_000 });
    t.equal(ended.status, status, ended.stderr);
    t.match(ended.stderr, sentence);
    t.equal(ended.stderr.trimEnd().split('\n').length, 1, 'one sentence');
  }
});

t.test('without privileges it says so', async (t) => {
  // Root gives its capabilities away; everybody else has none.
  const nobody =
    process.getuid?.() === 0 ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : [];
  // Without the variables by which tap watches a child: it would write where nobody may.
  const program = 'env';
  const words = ['-i', `PATH=${process.env.PATH ?? ''}`, ...nobody, process.execPath];
  const probe = [...words, '-e', 'require("fs").accessSync(process.argv[1])', MAIN];
  if (spawnSync(program, probe).status !== 0)
    return t.comment('skipped: setpriv is missing, or nobody may read this folder');
  const ended = spawnSync(program, [...words, MAIN, 'ping', '--quick', '--peers', 'node'], {
    encoding: 'utf8',
  });
  t.equal(ended.status, 1, ended.stderr);
  t.match(ended.stderr, /^bench: the lab "mtcp-bench-\d+-\w+" cannot be made, .*run it as root\n$/);
});
