// Constants are written out in what is compiled: which, where, and that lines and columns stay.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fullAncestor } from 'acorn-walk';
import t from 'tap';
import { Constants, type Module } from '../../compile/constants.js';
import { inline, readModule } from '../../compile/inline.js';

/** Compiles modules, given by their path, and returns what the last one becomes. */
function compiled(texts: Record<string, string>): string {
  const modules = Object.entries(texts).map(([path, text]) => readModule(path, text));
  const constants = new Constants(modules);
  const last = modules.at(-1) as Module;
  return inline(last, constants.of(last.path));
}

const wire = `export const FIN = 1; export const LONG_NAME = 2 * (3 + 4);
export const NONE = -1; export const NEVER = Number.POSITIVE_INFINITY; export const HALVES = 0.5;
export const TEXT = 'x'; export const A = 70000; export let CHANGES = 5; export const MASK = ~LONG_NAME & 0xff;`;

function use(text: string): string {
  return compiled({
    '/wire.js': wire,
    '/use.js': `import { FIN, LONG_NAME, NONE, NEVER, HALVES, TEXT, A, CHANGES, MASK } from './wire.js';\n${text}`,
  }).split('\n')[1] as string;
}

t.test('a number takes the place of its name, with spaces behind it', async (t) => {
  t.equal(use('f(FIN, LONG_NAME, HALVES, MASK);'), 'f(1  , 14       , 0.5   , 241 );');
  t.equal(use('if (x === LONG_NAME) y;'), 'if (x === 14       ) y;');
  t.equal(use('x = -NONE + NEVER;'), 'x = -(-1) + (1/0);');
  // biome-ignore-start lint/suspicious/noTemplateCurlyInString: they are the text of a program
  t.equal(use('x = `at ${FIN}`;'), 'x = `at ${1  }`;');
  // biome-ignore-end lint/suspicious/noTemplateCurlyInString: they are the text of a program
  t.equal(use('switch (x) { case FIN: y; }'), 'switch (x) { case 1  : y; }');
});

t.test('what is no number, changes, or has too short a name stays', async (t) => {
  for (const text of ['f(TEXT);', 'f(CHANGES);', 'f(A);']) t.equal(use(text), text);
});

t.test('names that mean something else stay', async (t) => {
  for (const text of [
    'function f(FIN) { return FIN; }',
    '{ const FIN = 7; g(FIN); }',
    'class X { FIN = 3; }',
    'try { x; } catch (FIN) { g(FIN); }',
    'f({ FIN });',
    'f({ FIN: 3 }, o.FIN);',
    'x = FIN.toString();',
    'export { FIN };',
    "f('FIN'); // FIN",
  ]) {
    t.equal(use(text), text);
  }
  t.equal(use('f({ [FIN]: 1 });'), 'f({ [1  ]: 1 });', 'a computed key is a use');
});

t.test('a module writes its own constants out, and those that it renames', async (t) => {
  t.equal(
    compiled({
      '/wire.js': wire,
      '/own.js':
        "import { LONG_NAME as OTHER } from './wire.js'; export const OWN = OTHER << 2; f(OWN, OTHER);",
    }),
    "import { LONG_NAME as OTHER } from './wire.js'; export const OWN = 14    << 2; f(56 , 14   );",
  );
});

t.test('a name means what is exported under it', async (t) => {
  const module = 'const XNAME = 5; const YNAME = 7; const ZNAME = 9; export { YNAME as XNAME, ZNAME }; ';
  t.equal(
    compiled({
      '/m.js': module,
      '/u.js': "import { XNAME, YNAME, ZNAME } from './m.js'; f(XNAME, YNAME, ZNAME);",
    }),
    "import { XNAME, YNAME, ZNAME } from './m.js'; f(7    , YNAME, 9    );",
  );
});

t.test('constants of a circle of modules, and of packages, stay', async (t) => {
  const a = "import { B } from './b.js'; export const A = B + 1;";
  t.equal(
    compiled({
      '/a.js': a,
      '/b.js': "import { A } from './a.js'; import { C } from 'c'; export const B = A; f(B, C);",
    }),
    "import { A } from './a.js'; import { C } from 'c'; export const B = A; f(B, C);",
  );
});

t.test('the stack that was built has them written out, and every column as it was', async (t) => {
  const folder = fileURLToPath(new URL('../../src', import.meta.url));
  const modules = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.js'))
    .map((name) => readModule(join(folder, name), readFileSync(join(folder, name), 'utf8')));
  const constants = new Constants(modules);
  let left = 0;
  let written = 0;
  for (const module of modules) {
    const values = constants.of(module.path);
    t.equal(inline(module, values), module.text, `${module.path} has nothing left to be written out`);
    fullAncestor(module.program, (node, _state, _ancestors, type) => {
      if (node.type === 'Identifier' && type === 'Identifier' && values.has(node.name)) left++;
      if (node.type === 'Literal' && /^[\d(/).e-]+$/.test(node.raw ?? '') && module.text[node.end] === ' ')
        written++;
    });
  }
  t.ok(written > 500, `${written} numbers with spaces behind them`);
  t.ok(left < 20, `${left} uses are left`);
  const input = readFileSync(join(folder, 'stack/tcp/input-synchronized.js'), 'utf8');
  t.match(input, /tcb\.state === 3 {8}&&/);
});
