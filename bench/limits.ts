// Goals that are no ratios: memory of idle connections, a minute without growth or pauses, and no garbage.

import type { AllocResult } from './alloc.js';
import type { Standing } from './goals.js';
import type { Run } from './measure.js';
import { meanLoad, NOISE_LIMIT, type Report } from './report/report.js';
import { PAUSE_GOAL_MS, type Soak } from './soak.js';

/** Bytes of an idle connection. */
export const IDLE_GOAL_BYTES = 1024;
const MILLION_GOAL_GIB = 4;
const MILLION_MOONSHOT_GIB = 1;
/** A message or a connection that leaves the smallest object leaves 16 bytes; the measurement itself makes a fraction of that. */
export const NO_BYTES = 8;

/** How these goals stand. */
export function limitStandings(report: Report): Standing[] {
  const pauses = ['soak-conn', 'soak-rpc'].flatMap((name) => [growth(report, name), pause(report, name)]);
  return [idle(report), million(report), ...pauses, garbage(report)];
}

function runOf({ cases }: Report, name: string): Run | undefined {
  return cases
    .find((one) => one.name === name)
    ?.peers.find((peer) => peer.name === 'mtcp')
    ?.runs.at(-1);
}

function standing(
  what: string,
  wanted: string,
  figure: string | undefined,
  isMet: boolean,
  why: string,
  moonshot = '',
): Standing {
  const state = figure === undefined ? 'not measured' : isMet ? 'met' : 'not met';
  return { what, wanted, moonshot, figure: figure ?? '', state, why };
}

function idle(report: Report): Standing {
  const bytes = runOf(report, 'idle-100000')?.figure;
  const figure = bytes === undefined ? undefined : `${Math.round(bytes)} bytes`;
  const isMet = bytes !== undefined && bytes <= IDLE_GOAL_BYTES;
  return standing('idle-100000, mtcp', `≤ ${IDLE_GOAL_BYTES} bytes`, figure, isMet, 'of process and kernel');
}

function million(report: Report): Standing {
  const name = 'idle-1000000';
  const run = runOf(report, name);
  const gib = run?.memory === undefined ? 0 : (run.figure * run.memory.open) / 2 ** 30;
  const answered = run?.memory?.answered ?? 0;
  const figure = run === undefined ? undefined : `${gib.toFixed(2)} GiB, ${answered} answer`;
  const isMet = gib <= MILLION_GOAL_GIB && answered === 1_000_000 && run?.load.errors === 0;
  const moonshot = `≤ ${MILLION_MOONSHOT_GIB} GiB`;
  const why = 'a million connections, each of which still answers';
  return standing(`${name}, mtcp`, `≤ ${MILLION_GOAL_GIB} GiB`, figure, isMet, why, moonshot);
}

function growth(report: Report, name: string): Standing {
  const run = runOf(report, name);
  const errors = run?.load.errors ?? 0;
  const soak = run?.soak;
  const grown = soak === undefined ? 0 : (soak.rssAfter - soak.rssBefore) / 2 ** 20;
  const figure = soak === undefined ? undefined : `${grown.toFixed(1)} MiB, ${errors} errors`;
  const isMet = soak?.grows === false && errors === 0;
  return standing(`${name}, mtcp`, 'no growth, no error', figure, isMet, 'from second 10 to second 60');
}

/**
 * How much more often, and longer, than a program that only computes a server may be stopped that is stopped by the
 * machine alone.
 */
const LIKE_THE_MACHINE = 2;

function pause(report: Report, name: string): Standing {
  const soak = runOf(report, name)?.soak;
  const what = `${name}, mtcp`;
  const wanted = `no pause > ${PAUSE_GOAL_MS} ms`;
  if (soak === undefined)
    return standing(what, wanted, undefined, false, 'turns of the loop, and collections');
  const { pauses, own, paced, seconds, machine } = soak;
  const left = paced ?? own;
  const figure = `${left.longestMs.toFixed(2)} ms, ${pauses.longestMs.toFixed(2)} by the clock`;
  const why = pauseWords(soak);
  if (left.turns === 0) return standing(what, wanted, figure, true, why);
  const isStopped =
    machine !== undefined &&
    left.turns / seconds <= (LIKE_THE_MACHINE * machine.stops) / machine.seconds &&
    left.longestMs <= LIKE_THE_MACHINE * machine.longestMs;
  const state = isStopped ? 'not known' : meanLoad(report) > NOISE_LIMIT ? 'too noisy' : 'not met';
  return { what, wanted, moonshot: '', figure, state, why };
}

/** What became of the turns that were long by the clock. */
function pauseWords({ pauses, own, paced, slowShare, seconds, machine }: Soak): string {
  if (pauses.turns === 0) return 'turns of the loop, and collections';
  const told = [`${pauses.turns} turns in ${seconds} s were longer by the clock, ${own.turns} in CPU time`];
  if (paced !== undefined && slowShare !== undefined) {
    const slow = `which was slow for ${(slowShare * 100).toFixed(1)} % of the time`;
    told.push(`${paced.turns} at the usual pace of the machine, ${slow}`);
  }
  if (machine !== undefined) {
    const stops = `stopped for more than 1 ms ${machine.stops} times in ${machine.seconds} s`;
    told.push(`a program that only computes was ${stops}, for up to ${machine.longestMs.toFixed(2)} ms`);
  }
  return told.join('; ');
}

function garbage({ tables }: Report): Standing {
  const results = tables?.find(({ name }) => name === 'alloc')?.data as readonly AllocResult[] | undefined;
  const bytes = results === undefined ? 0 : Math.max(...results.map(({ bytesPerPacket }) => bytesPerPacket));
  const figure = results === undefined ? undefined : `${bytes.toFixed(2)} bytes`;
  return standing(
    'alloc',
    '0 bytes per packet',
    figure,
    results?.every(({ bytesPerUnit }) => bytesPerUnit < NO_BYTES) === true,
    'what is not made is not collected',
  );
}
