// Servers that stand for all rounds of a case: stopped between them, made anew after a failure, gone at the end.

import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { CASES } from '../../bench/cases.js';
import { PEERS, type Peer } from '../../bench/peers.js';
import { startServer } from '../../bench/processes.js';
import { labOf, Stand } from '../../bench/stand.js';
import { labExists } from '../../src/nic/os/lab.js';
import { labReason } from '../support/netns.js';

const TIMES = { firstWarmupMs: 100, longestWarmupMs: 200, durationMs: 100 };
const ping = CASES.find(({ name }) => name === 'ping')!;
const mtcp = PEERS.find(({ name }) => name === 'mtcp')!;
t.setTimeout(120_000);

/** Waits for the state of a process as /proc/PID/stat has it: whether it is stopped. */
async function becomes(pid: number, isStopped: boolean): Promise<boolean> {
  for (let i = 0; i < 100; i++, await sleep(20)) {
    const state = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1][0];
    if ((state === 'T') === isStopped) return true;
  }
  return false;
}

t.test('a server that is paused does nothing, and ends all the same', async (t) => {
  const program = "console.log('ready'); setInterval(() => {}, 1000);";
  const server = await startServer('one', [process.execPath, '-e', program], undefined, true);
  t.ok(server.startMs > 0);
  server.pause();
  t.ok(await becomes(server.pid, true));
  server.resume();
  t.ok(await becomes(server.pid, false));
  server.pause();
  await server.end();
  t.notOk(existsSync(`/proc/${server.pid}`));
});

t.test('rounds with one server', { skip: labReason() ?? false }, async (t) => {
  const place = { folder: t.testdir(), lab: `mtcp-t${process.pid}-st`, generator: undefined };
  // Its first server ends at once.
  let starts = 0;
  const peer: Peer = {
    ...mtcp,
    command: (work, at) => (starts++ === 0 ? ['false'] : mtcp.command(work, at)),
  };
  const stand = new Stand(ping, peer, 3, false, place);
  t.teardown(() => stand.close());
  await t.rejects(stand.measure(TIMES), { message: 'mtcp has ended (1)' });
  t.notOk(stand.isDone);
  const first = await stand.measure(TIMES);
  t.ok(first.figure > 0 && first.startMs !== undefined && first.startMs > 0, 'the next round has a new one');
  const second = await stand.measure(TIMES);
  t.ok(second.figure > 0);
  t.equal(second.startMs, undefined, 'the one after that has the same');
  t.equal(starts, 2);
  t.ok(stand.isDone);
  await stand.close();
  const fresh = new Stand(ping, mtcp, 2, true, place);
  t.teardown(() => fresh.close());
  const runs = [await fresh.measure(TIMES), await fresh.measure(TIMES)];
  t.ok(
    runs.every(({ startMs }) => startMs !== undefined),
    'or each round has a new one',
  );
  await fresh.close();
  t.notOk(labExists(labOf(place.lab, peer)), 'nothing is left of the lab');
});
