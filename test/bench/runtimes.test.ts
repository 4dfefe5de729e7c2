// Runtimes that are not part of the package: looked for, and left out with a sentence that says how to get them.

import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { CASES } from '../../bench/cases.js';
import { PEERS, peersOf } from '../../bench/peers.js';
import { makePlan, roundsOf } from '../../bench/plan.js';
import { findRuntime, runtimePeers } from '../../bench/runtimes.js';

t.test('a runtime is what runs and tells where it is', async (t) => {
  const dir = t.testdir({ good: '#!/bin/sh\necho /usr/bin/good\n', bad: '#!/bin/sh\necho no >&2\nexit 1\n' });
  for (const name of ['good', 'bad']) chmodSync(join(dir, name), 0o755);
  t.equal(findRuntime('good', [], dir), '/usr/bin/good');
  t.equal(findRuntime('bad', [], dir), undefined);
  t.equal(findRuntime('none', [], dir), undefined);
});

t.test('what is missing says how it is had', async (t) => {
  const { PATH } = process.env;
  process.env.PATH = '/nowhere';
  t.teardown(() => {
    process.env.PATH = PATH;
  });
  for (const peer of runtimePeers(t.testdir(), 1)) {
    const reason = peer.prepare({ folder: '/nowhere', generator: undefined, lab: '' });
    t.equal(
      reason,
      'it is not installed (npm install --no-save bun deno; npm may want their install scripts approved)',
      peer.name,
    );
  }
});

t.test('runtimes have few rounds, and none in a quick run unless they are named', async (t) => {
  const [work] = CASES;
  const full = makePlan([]);
  const bun = PEERS.find(({ name }) => name === 'bun')!;
  t.equal(roundsOf(work, full), 5);
  t.equal(roundsOf(work, full, bun), 3);
  t.ok(full.peers.includes(bun));
  t.notOk(makePlan(['--quick']).peers.includes(bun));
  t.same(makePlan(['--quick', '--peers', 'bun']).peers, [bun]);
  const names = CASES.filter((one) => peersOf(one, PEERS).some(({ name }) => name === 'deno'));
  t.same(
    names.map(({ name }) => name),
    ['conn', 'ping', 'rpc', 'rpc-1000', 'http'],
  );
});
