// The same scripts to the kernel's TCP, through a TUN device in real time, and to the stack: what both send and what calls return
// must be the same, but for the differences that known.ts explains. Needs root and Python.

import { readFileSync } from 'node:fs';
import t from 'tap';
import { parseScripts } from '../../script/notation.js';
import { labReason } from '../../support/netns.js';
import { KernelTarget, kernelTargetReason } from './kernel-target.js';
import { KNOWN } from './known.js';
import { differences, Player } from './player.js';
import { StackTarget } from './stack-target.js';

const FILE = 'test/interop/differential/cases.script';
const source = readFileSync(new URL(`../../../../${FILE}`, import.meta.url), 'utf8');
const PRELUDES = ['a listener', 'accepted', 'accepted with every option', 'connected'];
/** A machine that is busy elsewhere is late: only what differs each time does differ. */
const ATTEMPTS = 3;

const preludes = new Map(
  parseScripts(FILE, source.slice(0, source.indexOf('\n== 1 '))).map((script) => [script.name, script]),
);
const scripts = parseScripts(FILE, source, preludes).filter(({ name }) => !PRELUDES.includes(name));

t.test('every known difference is that of a case, and in docs/rfc.md', async (t) => {
  const page = readFileSync(new URL('../../../../docs/rfc.md', import.meta.url), 'utf8');
  for (const { of, kernel, stack, why } of KNOWN) {
    t.ok(
      scripts.some(({ name }) => name === of),
      of,
    );
    t.ok(
      page.includes(`| ${of} | the kernel: ${kernel}; the stack: ${stack} | ${why} |`),
      `docs/rfc.md has the row of "${of}"`,
    );
  }
});

// Times are real.
t.setTimeout(0);
const reason = labReason() ?? kernelTargetReason();

t.test('the kernel and the stack do the same', { skip: reason ?? false }, async (t) => {
  const kernel = new KernelTarget(`mtcp-t-df-${process.pid}`);
  t.teardown(() => kernel.close());
  let port = 40_000;
  for (const script of scripts) {
    let found: string[] = [];
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      port += 100;
      kernel.begin();
      const theirs = new Player(kernel, port).play(script);
      found = differences(theirs, new Player(new StackTarget(), port).play(script));
      if (found.length === 0) break;
    }
    const known = KNOWN.find(({ of }) => of === script.name);
    const steps = found.filter((line) => !line.startsWith(' '));
    if (known === undefined) t.same(found, [], script.name);
    else t.ok(steps.includes(known.step), `${script.name}: ${known.kernel}; the stack: ${known.stack}`);
  }
});
