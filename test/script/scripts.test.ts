// Plays every script of this folder, one subtest each; the scripts are in `*.script`, one file for each topic, and README.md
// tells how to read and write them. Afterwards it is checked that the scripts together went over every edge of the state
// diagram.

import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { isLegal, stateName } from '../../src/stack/tcp/state.js';
import { type Preludes, parseScripts } from './notation.js';
import { runScript } from './runner.js';

const folder = new URL('../../../test/script/', import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, folder), 'utf8');

const preludes: Preludes = new Map(
  parseScripts('prelude.script', read('prelude.script')).map((script) => [script.name, script]),
);
const files = readdirSync(folder).filter((name) => name.endsWith('.script') && name !== 'prelude.script');
/** SCRIPT=words runs only the scripts whose names hold these words. */
const only = process.env.SCRIPT ?? '';
const edges = new Set<string>();

for (const file of files.sort()) {
  const scripts = parseScripts(file, read(file), preludes).filter(({ name }) => name.includes(only));
  t.test(file.replace('.script', ''), async (t) => {
    for (const script of scripts) {
      t.test(script.name, async (t) => {
        try {
          runScript(script, (from, to) => edges.add(`${stateName(from)} to ${stateName(to)}`));
          t.pass('as written');
        } catch (error) {
          const [why, ...details] = (error as Error).message.split('\n');
          for (const line of details) t.comment(line);
          t.fail(why);
        }
      });
    }
  });
}

/** Edges of RFC 9293 figure 5 that this stack takes in two steps, check by check: through ESTABLISHED or FIN-WAIT-2. */
const IN_TWO_STEPS = ['SYN-RECEIVED to FIN-WAIT-1', 'SYN-RECEIVED to CLOSE-WAIT', 'FIN-WAIT-1 to TIME-WAIT'];

t.test(
  'the scripts go over every edge of the state diagram',
  { skip: only === '' ? false : 'only some of the scripts were asked for' },
  async (t) => {
    for (let from = 0; from <= 10; from++) {
      for (let to = 0; to <= 10; to++) {
        const edge = `${stateName(from)} to ${stateName(to)}`;
        if (isLegal(from, to) && !IN_TWO_STEPS.includes(edge)) t.ok(edges.has(edge), edge);
      }
    }
  },
);
