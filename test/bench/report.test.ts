// What the benchmark makes of its figures: quantiles, spreads, goals, comparisons, and the pages.

import t from 'tap';
import { addressesOf, CASES, requestOf } from '../../bench/cases.js';
import { compare, compareCheckouts } from '../../bench/compare.js';
import { Histogram } from '../../bench/generator/histogram.js';
import type { Pace } from '../../bench/generator/job.js';
import { GOALS, standings } from '../../bench/goals.js';
import type { Run } from '../../bench/measure.js';
import type { PacketResult } from '../../bench/packets.js';
import type { LongTurn } from '../../bench/peers/loop-watch.js';
import { otherCheckout, PEERS, peersOf } from '../../bench/peers.js';
import {
  clockText,
  expectedTotalMs,
  longestTotalMs,
  longestWarmupMs,
  makePlan,
  roundsOf,
} from '../../bench/plan.js';
import { packetTable } from '../../bench/programs.js';
import { toHtml } from '../../bench/report/html.js';
import { loadSentence, toMarkdown } from '../../bench/report/markdown.js';
import type { CaseResult, PeerResult, Report } from '../../bench/report/report.js';
import { tablesOf } from '../../bench/report/tables.js';
import { readSoak, type Soak, summarize } from '../../bench/soak.js';
import { noiseOf, shorten, spreadOf } from '../../bench/statistics.js';
import { readWrk } from '../../bench/wrk.js';

function peer(
  name: string,
  figures: number[],
  failures: string[] = [],
  otherLoad = 0.1,
  idle = 0.5,
): PeerResult {
  const latencyUs = { p50: 1, p99: 2, p999: 3, max: 4 };
  const load = {
    perSecond: 1,
    from: 0,
    to: 1,
    replies: 1,
    bytes: 1,
    errors: 0,
    resent: 0,
    idle,
    open: 1,
    latencyUs,
  };
  const runs = figures.map((figure) => ({ figure, otherLoad, startMs: 1, load }));
  const spread = figures.length === 0 ? undefined : spreadOf(figures);
  return { name, title: `<${name}>`, spread, runs, failures };
}

function report(cases: CaseResult[]): Report {
  const machine = { cpu: 'a & b', cpus: 2, memoryGiB: 4, kernel: '6', node: 'v20', congestion: 'cubic' };
  const missing = { nginx: 'nginx is not installed' };
  return { version: 1, date: '2026-01-01T00:00:00.000Z', rounds: 3, machine, missing, cases };
}

function rpc(mtcp: number[], node: number[], name = 'rpc'): CaseResult {
  const epoll = peer('epoll', [], ['it has ended']);
  return {
    name,
    title: 'Messages',
    unit: 'messages/s',
    peers: [peer('mtcp', mtcp), peer('node', node), epoll],
  };
}

t.test('a histogram tells quantiles within 3 %', async (t) => {
  const histogram = new Histogram();
  t.equal(histogram.quantile(0.5), 0);
  for (let us = 1; us <= 10_000; us++) histogram.add(us);
  for (const q of [0.01, 0.5, 0.9, 0.99, 0.999]) {
    const told = histogram.quantile(q);
    t.ok(told >= q * 10_000 * 0.99 && told <= q * 10_000 * 1.035, `${q}: ${told}`);
  }
  t.equal(histogram.quantile(1), 10_000);
  histogram.add(1e9);
  t.equal(histogram.max, 1e9);
  histogram.clear();
  t.equal(histogram.quantile(0.5), 0);
});

t.test('median and spread', async (t) => {
  t.same(spreadOf([3, 1, 2]), { median: 2, min: 1, max: 3 });
  t.same(spreadOf([4, 1, 2, 3]), { median: 2.5, min: 1, max: 4 });
  t.equal(noiseOf({ median: 2, min: 1, max: 3 }), 1);
  t.same([1.234, 12.34, 123.4, 12_340, 1_234_000].map(shorten), ['1.23', '12.3', '123', '12.3 K', '1.23 M']);
});

t.test('every goal names a case and peers that there are', async (t) => {
  const cases = CASES.map(({ name }) => name);
  const peers = PEERS.map(({ name }) => name);
  t.equal(new Set(cases).size, cases.length);
  for (const { case: name, peer: of, of: base } of GOALS) {
    t.ok(cases.includes(name) && peers.includes(of) && (peers.includes(base) || cases.includes(base)), name);
  }
  for (const work of CASES)
    t.ok(requestOf(work).length * work.pipeline <= 1460, `${work.name} fits a segment`);
});

t.test('goals: ratios to node:net, or to another case', async (t) => {
  const of = (given: Report, what: string) => standings(given).find((one) => one.what === what);
  const good = report([rpc([400], [100]), rpc([300], [100], 'rpc-1000')]);
  t.match(of(good, 'rpc, mtcp'), { state: 'met', figure: '4.00 ×' });
  t.match(of(good, 'rpc-1000, mtcp'), { state: 'not met', figure: '0.75 ×' });
  t.match(of(good, 'conn, mtcp'), { state: 'not measured', figure: '' });
  const ping: CaseResult = {
    name: 'ping',
    title: '',
    unit: 'µs',
    peers: [peer('mtcp', [5]), peer('node', [10])],
  };
  t.match(of(report([ping]), 'ping, mtcp'), { state: 'met', figure: '0.50 ×' });
  const busy: CaseResult = { ...ping, peers: [peer('mtcp', [5], [], 1.5), peer('node', [10], [], 1.5)] };
  t.match(of(report([busy]), 'ping, mtcp'), { state: 'too noisy', figure: '0.50 ×' });
  const idle: CaseResult = { name: 'idle-100000', title: '', unit: 'bytes', peers: [peer('mtcp', [2000])] };
  t.match(of(report([idle]), 'idle-100000, mtcp'), { state: 'not met', figure: '2000 bytes' });
});

t.test('goals: shares of the limit in C stand beside those by node:net', async (t) => {
  const of = (given: Report) =>
    standings(given).find(({ what, wanted }) => what === 'rpc, mtcp' && wanted.endsWith('raw'));
  const withRaw = (idle: number): Report => {
    const work = rpc([400], [200]);
    return report([{ ...work, peers: [...work.peers, peer('raw', [500], [], 0.1, idle)] }]);
  };
  t.match(of(withRaw(0.5)), { state: 'met', figure: '0.80 ×', wanted: '≥ 0.6 × raw', moonshot: '≥ 0.66 ×' });
  t.notMatch(of(withRaw(0.5))?.why, 'generator');
  t.match(of(withRaw(0.01)), { state: 'not known', why: /the generator held raw back/ });
  const slow = withRaw(0.01).cases[0].peers.map((one) => (one.name === 'mtcp' ? peer('mtcp', [100]) : one));
  t.match(of(report([{ ...withRaw(0.01).cases[0], peers: slow }])), { state: 'not met', figure: '0.20 ×' });
  t.match(of(report([rpc([400], [200])])), { state: 'not measured', figure: '' });
  t.match(toMarkdown(withRaw(0.5)), '| server | messages/s | × node | × raw | worst p99, µs |  |');
  t.match(toMarkdown(withRaw(0.5)), '| <mtcp> | 400 (400 to 400) | 2.00 | 0.80 | 2.00 |  |');
});

function packets(mpps: number, inC: number | undefined, empty = 0): Report {
  const result: PacketResult = {
    case: 'l2fwd',
    mode: 'xdp-native',
    mpps: spreadOf([mpps]),
    mppsInC: inC === undefined ? undefined : spreadOf([inC]),
    empty,
    emptyInC: inC === undefined ? undefined : empty,
    bytesPerPacket: 0.5,
    ...(inC === undefined ? { reason: 'no C compiler is installed' } : {}),
  };
  return { ...report([]), tables: [packetTable([result])] };
}

t.test('goals: the packet driver beside the same in C', async (t) => {
  const of = (given: Report) => standings(given).find(({ what }) => what === 'l2fwd, TypeScript');
  t.match(of(packets(0.95, 1)), {
    state: 'met',
    figure: '0.95 ×',
    wanted: '≥ 0.9 × C',
    moonshot: '≥ 0.97 ×',
  });
  t.match(of(packets(0.85, 1)), { state: 'not met', figure: '0.85 ×' });
  t.match(of(packets(0.95, 1, 0.99))?.why, 'the sender was the limit of both');
  t.match(of(report([])), { state: 'not measured', figure: '' });
  t.match(of(packets(0.95, undefined)), { state: 'not measured', figure: '' });
  t.match(toMarkdown(packets(0.95, undefined)), 'Not measured in C: no C compiler is installed.');
  t.match(
    toMarkdown(packets(0.95, 1)),
    '| l2fwd | 0.95 (0.95 to 0.95) | 1.00 (1.00 to 1.00) | 0.95 | 0 %, in C 0 % |',
  );
});

/** A report of one run of mtcp that has more than a figure. */
function special(name: string, figure: number, more: Pick<Run, 'memory' | 'soak'>): Report {
  const { runs, ...rest } = peer('mtcp', [figure]);
  return report([{ name, title: '', unit: 'bytes', peers: [{ ...rest, runs: [{ ...runs[0], ...more }] }] }]);
}

t.test('a million connections count when each still answers', async (t) => {
  const memory = { processBytes: 900, kernelBytes: 100, open: 1e6, answered: 1e6, openingMs: 1, askingMs: 1 };
  const stateOf = (given: Report) =>
    standings(given).find(({ what }) => what === 'idle-1000000, mtcp')?.state;
  t.equal(stateOf(special('idle-1000000', 1000, { memory })), 'met');
  t.equal(stateOf(special('idle-1000000', 1000, { memory: { ...memory, answered: 1e6 - 1 } })), 'not met');
  t.equal(stateOf(special('idle-1000000', 5000, { memory })), 'not met');
  const [table] = tablesOf(special('idle-1000000', 1000, { memory }));
  t.same(table.rows[0].slice(2, 6), ['1000000', '900', '100', '1000000']);
});

/** Seconds of a soak: resident MiB of each, and the longest turn in each. */
function soakOf(mib: readonly number[], longest: Partial<LongTurn> = {}, pace?: Pace): Soak {
  const samples = mib.map((size, i) => {
    const turn = { from: i * 1000 + 500, to: i * 1000 + 503, tookMs: 0.5, ownMs: 0.5, ...longest };
    const longTurns = turn.tookMs > 1 ? [turn] : [];
    return { at: i * 1000, rssBytes: size << 20, heapBytes: 1 << 20, turnMs: turn.tookMs, longTurns };
  });
  return summarize(samples, pace);
}

t.test('a soak shows growth and pauses', async (t) => {
  const statesOf = (soak: Soak) =>
    standings(special('soak-rpc', 1, { soak }))
      .filter(({ what }) => what === 'soak-rpc, mtcp')
      .map(({ state }) => state);
  const still = Array.from({ length: 60 }, (_, i) => (i < 10 ? 50 + i : 100));
  t.same(statesOf(soakOf(still)), ['met', 'met'], 'what grows in the first seconds only does not grow');
  t.same(statesOf(soakOf(still.map((size, i) => size + i))), ['not met', 'met']);
  const long = soakOf(still, { tookMs: 3, ownMs: 2 });
  t.same(statesOf(long), ['met', 'not met']);
  t.match(long, { pauses: { turns: 50, longestMs: 3 }, own: { turns: 50, longestMs: 2 }, paced: undefined });
  t.same(statesOf(soakOf(still, { tookMs: 3, ownMs: 0.9 })), ['met', 'met'], 'others had the CPU');
  const machine = { seconds: 10, stops: 6, longestMs: 1.5 };
  const stopped = (changes: object) => statesOf({ ...long, machine: { ...machine, ...changes } })[1];
  t.equal(stopped({}), 'not known', 'the machine stops any program as often and as long');
  t.equal(stopped({ stops: 4 }), 'not met', 'not as often');
  t.equal(stopped({ longestMs: 0.9 }), 'not met', 'nor as long');
  t.throws(() => soakOf([1, 2, 3]), { message: 'a soak takes more than 3 s' });
  const text = `ready\n${JSON.stringify(soakOf(still).samples)}\n`;
  const time = { from: 0, to: 60_000 };
  t.equal(readSoak(text, time).samples.length, 59, 'seconds that have not been under load do not count');
  t.throws(() => readSoak('ready\n', time), { message: 'the server has not told what it has watched' });
});

t.test('pauses count by the usual pace of the machine', async (t) => {
  const sixty = Array.from({ length: 60 }, () => 100);
  const pause = (soak: Soak) =>
    standings(special('soak-rpc', 1, { soak })).findLast(({ wanted }) => wanted === 'no pause > 1 ms');
  // In every second, three times as slow as usual while the long turn runs.
  const ns = Array.from({ length: 60_000 }, (_, ms) => (ms % 1000 >= 490 && ms % 1000 < 510 ? 300 : 100));
  const slow = soakOf(sixty, { tookMs: 3, ownMs: 2.4 }, { from: 0, ns });
  t.match(slow, { own: { turns: 50 }, slowShare: 0.02, paced: { turns: 0 } });
  const { state, figure, why } = pause(slow) ?? {};
  t.same([state, figure], ['met', '0.80 ms, 3.00 by the clock']);
  const told =
    '50 turns in 50 s were longer by the clock, 50 in CPU time; ' +
    '0 at the usual pace of the machine, which was slow for 2.0 % of the time';
  t.equal(why, told);
  const long = soakOf(sixty, { tookMs: 3.5, ownMs: 3.3 }, { from: 0, ns });
  t.equal(pause(long)?.state, 'not met');
  const machine = { seconds: 10, stops: 1, longestMs: 1.5 };
  t.match(pause({ ...long, machine })?.why, /stopped for more than 1 ms 1 times in 10 s, for up to 1.50 ms$/);
});

t.test('a run is planned before it begins', async (t) => {
  const full = makePlan([]);
  t.ok(expectedTotalMs(full) < 15 * 60_000, `${clockText(expectedTotalMs(full))} for a full run`);
  const quick = makePlan(['--quick']);
  t.ok(expectedTotalMs(quick) < 120_000, `${clockText(expectedTotalMs(quick))} for a quick run`);
  t.notOk(full.cases.some(({ name }) => name === 'idle-1000000' || name.startsWith('soak-')));
  t.ok(longestTotalMs(quick) < 120_000 && longestTotalMs(full) < 15 * 60_000, 'with slow servers, too');
  // Whole milliseconds, which is what the client on the kernel takes.
  const late = full.budgetMs - expectedTotalMs(full);
  t.same(
    [0, late - 30_000, late + 1].map((ms) => Number.isInteger(longestWarmupMs(full, 0, ms))),
    [true, true, true],
  );
  t.equal(
    longestWarmupMs(full, 0, late + 1),
    full.times.firstWarmupMs,
    'one that is late gives no more than the least',
  );
  const named = makePlan(['idle-1000000', 'alloc', '--peers', 'mtcp', '--rounds', '2']);
  t.same([named.cases.length, named.programs.length, named.peers.length], [1, 1, 1]);
  t.same([roundsOf(named.cases[0], named), roundsOf(CASES[0], named)], [1, 2]);
  t.throws(() => makePlan(['nonsense']), { message: /^there is no case "nonsense"/ });
  t.throws(() => makePlan(['--rounds', '0']), { message: '--rounds is a whole number from 1' });
  t.equal(clockText(754_400), '12:34');
});

t.test('a case has the peers that make sense, another checkout wherever the stack is', async (t) => {
  const other = otherCheckout('/nowhere');
  for (const work of CASES) {
    const names = peersOf(work, [...PEERS, other]).map(({ name }) => name);
    t.equal(names.includes('other'), names.includes('mtcp'), work.name);
    t.ok(names.includes('mtcp') && new Set(names).size === names.length, work.name);
    for (const name of work.peers ?? [])
      t.ok(
        PEERS.some((one) => one.name === name),
        `${work.name}: ${name}`,
      );
  }
  t.equal(addressesOf({ connections: 1_000_000, cores: 0 }), 20);
  t.equal(addressesOf({ connections: 64, cores: 2 }), 2);
});

t.test('a comparison calls nothing a difference that is within the spread', async (t) => {
  const before = report([rpc([100, 110, 120], [100, 100, 100])]);
  const after = report([rpc([105, 112, 118], [50, 50, 50])]);
  t.same(compare(before, after), [
    'rpc, mtcp: 1.018 × (no difference beyond the spread)',
    'rpc, node: 0.500 × (worse)',
  ]);
});

t.test('a comparison on a busy machine says nothing', async (t) => {
  const busy = (figure: number): Report => {
    const one = { ...rpc([], []), peers: [peer('mtcp', [figure, figure], [], 1.5)] };
    return report([one]);
  };
  t.same(compare(busy(100), busy(200)), ['rpc, mtcp: 2.000 × (too noisy to tell)']);
});

t.test('what wrk prints', async (t) => {
  const text = [
    'Running 1s test @ http://10.77.0.10:7000/bytes/64',
    '  1 threads and 64 connections',
    '  Thread Stats   Avg      Stdev     Max   +/- Stdev',
    '    Latency     1.06ms  404.21us  11.58ms   93.51%',
    '    Req/Sec    61.06k     4.96k   66.47k    70.00%',
    '  Latency Distribution',
    '     50%    0.98ms',
    '     75%    1.16ms',
    '     90%    1.33ms',
    '     99%  902.00us',
    '  60831 requests in 1.00s, 9.40MB read',
    '  Socket errors: connect 0, read 1, write 0, timeout 2',
    'Requests/sec:  60712.68',
  ].join('\n');
  t.match(readWrk(text, 0, 1), {
    perSecond: 60_712.68,
    replies: 60_831,
    open: 64,
    errors: 3,
    latencyUs: { p50: 980, p99: 902, max: 11_580 },
  });
  t.throws(() => readWrk('', 0, 1), { message: /^no reply came/ });
});

t.test('a report says when the machine was busy, and when it was not steady', async (t) => {
  const of = (mtcp: number[], node: number[], load = 0.1): string => {
    return loadSentence(
      report([{ ...rpc([], []), peers: [peer('mtcp', mtcp, [], load), peer('node', node, [], load)] }]),
    );
  };
  t.equal(
    of([100, 105, 110], [50, 51, 52]),
    'Other work kept 0.10 CPUs busy on average, and rounds of one peer were 7 % apart in the median.',
  );
  t.equal(of([100, 50], [1, 2]), 'Other work kept 0.10 CPUs busy on average.', 'two rounds say nothing');
  t.match(
    of([100, 150, 200], [50, 50, 90]),
    /73 % apart in the median: the machine was not steady, and these figures are rough\.$/,
  );
  t.match(
    of([100, 150, 200], [50, 50, 90], 0.5),
    /: the machine was not quiet, and these figures are rough\.$/,
  );
});

t.test('two checkouts of one report are compared', async (t) => {
  const work = rpc([200, 200, 200], [100]);
  const both = report([{ ...work, peers: [...work.peers, peer('other', [100, 100, 100])] }]);
  t.same(compareCheckouts(both), ['rpc, mtcp: 2.000 × (better)']);
  t.same(compareCheckouts(report([work])), []);
});

t.test('the page needs nothing from elsewhere and shows what failed', async (t) => {
  const html = toHtml(report([rpc([400, 500], [100])]));
  t.notMatch(html, /https?:|<script|<link|<img/);
  t.match(html, '&#60;mtcp&#62;');
  t.match(html, 'a &#38; b');
  t.match(html, 'failed');
  t.match(html, 'nginx was left out: nginx is not installed.');
  t.match(html, /class="met">met</);
});

t.test('the page in Markdown', async (t) => {
  const text = toMarkdown(report([rpc([400, 500], [100])]));
  t.match(text, '| rpc, mtcp | ≥ 3.5 × node | ≥ 3.8 × | 4.50 × | met | F-Stack; lwIP |');
  t.match(text, '| <mtcp> | 450 (400 to 500) | 4.50 | 2.00 |  |');
  t.match(text, '| <epoll> | failed |  |  | it has ended |');
  t.match(text, '| <mtcp> | 1.00 | 1.00 | 2 |', 'how long servers take to start');
});

t.test('tables of programs are part of both pages', async (t) => {
  const table = { name: 'packets', title: 'The Nic alone', head: ['case', 'rate'], rows: [['a<b', '1']] };
  const given = { ...report([rpc([1], [1])]), tables: [table] };
  t.match(toMarkdown(given), '## packets\n\nThe Nic alone.\n\n| case | rate |\n| --- | --- |\n| a<b | 1 |');
  t.match(toHtml(given), '<h2>packets</h2><p>The Nic alone.</p>');
  t.match(toHtml(given), '<td>a&#60;b</td>');
});
