// The design's rules as tests (docs/architecture.md says why each exists). Every finding is `file:line: what`. The second
// half shows that each rule catches what it is there for, so that a rule cannot rot into always passing.

import { readFileSync } from 'node:fs';
import t from 'tap';
import * as rules from './rules.js';
import { listFiles, parseSource, readSources, root } from './source.js';

const src = readSources('src');
const inRoom = (room: string) => src.filter(({ path }) => path.startsWith(room));
const none: string[] = [];

t.test('imports point down: cli, api, stack, nic, nic/os', async (t) => {
  t.ok(src.length > 0, 'there are sources');
  t.same(rules.importsPointDown(src), none);
});

t.test('no circle of imports exists at run time', async (t) => {
  t.same(rules.importCycles(src), none);
});

t.test('src/stack is pure: no module, clock, randomness or output that was not handed in', async (t) => {
  t.same(inRoom('src/stack/').flatMap(rules.impurities), none);
});

t.test('only src/nic/os/ffi.ts knows ffi-rs', async (t) => {
  const users = readSources('src', 'test', 'bench', 'examples', 'compile')
    .filter(({ imports }) => imports.some(({ target }) => target.startsWith('ffi-rs')))
    .map(({ path }) => path)
    .filter((path) => path !== 'src/nic/os/ffi.ts');
  t.same(users, none);
});

t.test('sequence numbers are compared in seq.ts only', async (t) => {
  const found = inRoom('src/stack/')
    .filter(({ path }) => path !== 'src/stack/tcp/seq.ts')
    .flatMap(rules.rawSequenceComparisons);
  t.same(found, none);
});

t.test('a connection changes its state through one function only', async (t) => {
  const owners = ['src/stack/tcp/state.ts', 'src/stack/tcp/tcb.ts'];
  const found = [...inRoom('src/stack/tcp/'), ...inRoom('src/api/'), ...inRoom('src/testing/')]
    .filter(({ path }) => !owners.includes(path))
    .flatMap(rules.stateAssignments);
  t.same(found, none);
});

t.test('the data path allocates nothing', async (t) => {
  const paths = src.map(({ path }) => path);
  t.same(
    rules.HOT_FILES.filter((path) => !paths.includes(path)),
    none,
    'the files of the list exist',
  );
  const found = src.filter(({ path }) => rules.HOT_FILES.includes(path)).flatMap(rules.allocations);
  t.same(found, none);
});

t.test('no source file is longer than 600 lines', async (t) => {
  const long = readSources('src', 'test', 'bench', 'examples', 'compile')
    .map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
    .filter(({ lines }) => lines > 600)
    .map(({ path, lines }) => `${path}:600: has ${lines} lines`);
  t.same(long, none);
});

t.test('files have kebab-case names', async (t) => {
  const kebab = /^(?:\d{4}-)?[a-z0-9]+(?:-[a-z0-9]+)*(?:\.test)?\.[a-z0-9]+$/;
  const known = /^(?:README|CHANGELOG|LICENSE)(?:\.md)?$/;
  const wrong = ['src', 'test', 'bench', 'examples', 'compile', 'docs', 'bin']
    .flatMap(listFiles)
    .filter((path) => !path.includes('/node_modules/'))
    .filter((path) => {
      const name = path.slice(path.lastIndexOf('/') + 1);
      return !kebab.test(name) && !known.test(name);
    });
  t.same(wrong, none);
});

t.test('every source file opens with a comment that says what lives there', async (t) => {
  const bare = src.filter(({ text }) => !/^(?:#!.*\n)?\/[/*]/.test(text)).map(({ path }) => `${path}:1`);
  t.same(bare, none);
});

t.test('no file carries a path of one machine or the address of a package registry', async (t) => {
  const wrong = /(?<![\w})*.-])\/(?:home|root|work)\/[\w.]|registry\.[\w-]+\.[a-z]{2,}/;
  const found = ['src', 'test', 'bench', 'examples', 'compile', 'docs', 'bin', '.ci']
    .flatMap(listFiles)
    .concat('README.md', 'CHANGELOG.md', 'package.json', 'package-lock.json')
    .filter((path) => !path.includes('/node_modules/') && !path.startsWith('test/architecture/'))
    .filter((path) => wrong.test(readFileSync(root + path, 'latin1')));
  t.same(found, none);
});

t.test('generated documents say what the sources say (otherwise: node docs/generate.mjs)', async (t) => {
  const generator = (await import(`${root}docs/generate.mjs`)) as { pages(): Record<string, string> };
  for (const [path, text] of Object.entries(generator.pages()))
    t.equal(readFileSync(root + path, 'utf8'), text, path);
});

t.test('links between the documents lead to files that exist', async (t) => {
  const pages = listFiles('docs')
    .filter((path) => path.endsWith('.md'))
    .concat('README.md', 'CHANGELOG.md');
  const broken: string[] = [];
  for (const page of pages) {
    const text = readFileSync(root + page, 'utf8');
    for (const match of text.matchAll(/\]\(([^)\s#]+)(?:#[^)]*)?\)/g)) {
      const link = match[1] as string;
      if (/^[a-z]+:/.test(link)) continue;
      const target = new URL(link, new URL(page, 'file:///')).pathname;
      try {
        readFileSync(root.slice(0, -1) + target);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EISDIR') broken.push(`${page}: ${link}`);
      }
    }
  }
  t.same(broken, none);
});

t.test('source files that the documents name exist', async (t) => {
  const sources = new Set(
    src.map(({ path }) => path).concat(...['test', 'bench', 'examples', 'compile'].map(listFiles)),
  );
  const wrong = listFiles('docs')
    .filter((path) => path.endsWith('.md'))
    .flatMap((page) => {
      const names = readFileSync(root + page, 'utf8').matchAll(/`([\w/.-]+\.ts)`/g);
      return [...names].map(([, name]) => ({ page, name: name as string }));
    })
    .filter(
      ({ name }) =>
        !['', 'src/', 'src/stack/', 'src/nic/', 'src/stack/tcp/', 'src/api/', 'test/'].some((at) =>
          sources.has(at + name),
        ),
    )
    .map(({ page, name }) => `${page}: ${name}`);
  t.same(wrong, none);
});

t.test('the server in the README is examples/ten-line-server.ts', async (t) => {
  const example = readFileSync(`${root}examples/ten-line-server.ts`, 'utf8');
  const code = example.slice(example.indexOf('// [readme]\n') + 12, example.indexOf('// [/readme]'));
  const [before, after] = code.split('{ iface, netns, address }') as [string, string];
  const readme = readFileSync(`${root}README.md`, 'utf8');
  t.ok(readme.includes(before), 'before the options');
  t.ok(readme.includes(after), 'after the options');
});

t.test('the server in the guide to programs of mTCP is examples/epoll-echo.ts', async (t) => {
  const example = readFileSync(`${root}examples/epoll-echo.ts`, 'utf8');
  const code = example.slice(example.indexOf('// [guide]\n') + 11, example.indexOf('// [/guide]'));
  t.ok(readFileSync(`${root}docs/guides/programs-of-mtcp.md`, 'utf8').includes(code));
});

t.test('each rule catches what it is there for', async (t) => {
  const found = (list: string[]) => list.map((text) => text.replace(/^[^:]+:(\d+).*/s, '$1'));

  t.test('an import that points up, sideways or out', async (t) => {
    const sources = [
      parseSource(
        'src/stack/a.ts',
        "import { x } from '../api/x.js';\nimport type { N } from '../nic/nic.js';",
      ),
      parseSource('src/stack/b.ts', "import {\n  x,\n} from '../nic/xdp-nic.js';\nexport * from 'node:fs';"),
      parseSource('src/nic/c.ts', "const x = await import('../cli/main.js');\n// import '../api/y.js'"),
      parseSource('src/nic/os/d.ts', "import { load } from 'ffi-rs';\nimport '../ring.js';"),
    ];
    t.same(
      sources.map((source) => found(rules.importsPointDown([source]))),
      [['1'], ['1', '4'], ['1'], ['2']],
    );
  });

  t.test('a circle, but not one of types', async (t) => {
    const circle = (word: string) => [
      parseSource('src/stack/a.ts', "import { b } from './b.js';"),
      parseSource('src/stack/b.ts', `import ${word}{ a } from './a.js';`),
    ];
    t.equal(rules.importCycles(circle('')).length, 1);
    t.equal(rules.importCycles(circle('type ')).length, 0);
  });

  t.test('a clock, a console, a random number in the stack', async (t) => {
    const text = [
      'const now = Date.now();',
      'console.log(1); // console.log',
      'const r = Math.random();',
      "const s = 'process.exit()';",
      'this.process(segment);',
      'setTimeout(() => {}, 1);',
      'processSegment(x);',
      'const p = process.env;',
    ].join('\n');
    t.same(found(rules.impurities(parseSource('src/stack/a.ts', text))), ['1', '2', '3', '6', '8']);
  });

  t.test('a raw comparison of sequence numbers', async (t) => {
    const text = [
      'if (seg.seq < tcb.rcv.nxt) return;',
      'if (((seg.seq - tcb.rcv.nxt) | 0) < 0) return;',
      'const f = (seq: number) => seq + 1;',
      'if (0 >= tcb.snd.una) return;',
      'if (seg.ack >>> 0) return;',
      'if (lessThan(seg.seq, tcb.rcv.nxt)) return;',
      'const edge = tailSeq <= headSeq;',
      'if (x - una > 0) return;',
    ].join('\n');
    const lines = found(rules.rawSequenceComparisons(parseSource('src/stack/tcp/a.ts', text)));
    t.same(lines, ['1', '4', '7', '8']);
  });

  t.test('a state that is set by hand', async (t) => {
    const text = 'tcb.state = 4;\nif (tcb.state === 4) return;\nthis.tcb.state = 1;\nthis.state = 0;';
    t.same(found(rules.stateAssignments(parseSource('src/stack/tcp/a.ts', text))), ['1', '3']);
  });

  t.test('an allocation on the data path, but not in set-up', async (t) => {
    const text = [
      'const table = new Int32Array(4);',
      'export class A {',
      '  readonly map = new Map<string, number>();',
      '  constructor(size: number) {',
      '    for (let i = 0; i < size; i++) this.list.push(new Tcb(i));',
      '  }',
      '  input(offset: number): void {',
      '    if (offset > 0) {',
      '      this.take(this.memory.subarray(offset));',
      '    }',
      '    if (offset < 0) throw new RangeError();',
      '    const x = new Segment();',
      '    // alloc: once per listener',
      '    const y = new Listener();',
      '  }',
      '}',
      '// Only when the table is full. alloc: doubles it.',
      'function grow(): Int32Array {',
      '  return new Int32Array(2);',
      '}',
      'export function f(): number[] {',
      '  return list.slice(1);',
      '}',
    ].join('\n');
    t.same(found(rules.allocations(parseSource('src/stack/stack.ts', text))), ['9', '12', '22']);
  });
});
