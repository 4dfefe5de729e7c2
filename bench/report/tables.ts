// Tables of a report beside those of the cases: memory of idle connections, what a soak has shown, how long servers
// take to start, and what programs of their own have measured.

import { shorten } from '../statistics.js';
import type { PeerResult, Report, ReportTable } from './report.js';

const MIB = 2 ** 20;
const mib = (bytes: number): string => `${(bytes / MIB).toFixed(1)} MiB`;

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}

/** All peers of all cases, with the case's name. */
function everyPeer({ cases }: Report): { work: string; peer: PeerResult }[] {
  return cases.flatMap(({ name, peers }) => peers.map((peer) => ({ work: name, peer })));
}

/** All of them that have something to show. */
export function tablesOf(report: Report): ReportTable[] {
  const tables = [idleTable(report), soakTable(report), startTable(report), ...(report.tables ?? [])];
  return tables.filter(({ rows }) => rows.length > 0);
}

function idleTable(report: Report): ReportTable {
  const rows = everyPeer(report).flatMap(({ work, peer }) => {
    return peer.runs.flatMap(({ memory, load }) => {
      if (memory === undefined) return [];
      const { open, answered, processBytes, kernelBytes, openingMs, askingMs } = memory;
      return [
        [
          work,
          peer.title,
          `${open}`,
          processBytes.toFixed(0),
          kernelBytes.toFixed(0),
          `${answered}`,
          `${load.errors}`,
          `${(openingMs / 1000).toFixed(1)} s, ${(askingMs / 1000).toFixed(1)} s`,
        ],
      ];
    });
  });
  return {
    name: 'memory of idle connections',
    title: 'Bytes per connection, and how many answered when all were asked afterwards',
    head: ['case', 'server', 'open', 'process', 'kernel', 'answered', 'errors', 'opening, asking'],
    rows,
  };
}

function soakTable(report: Report): ReportTable {
  const rows = everyPeer(report).flatMap(({ work, peer }) => {
    return peer.runs.flatMap(({ soak, load }) => {
      if (soak === undefined) return [];
      return [
        [
          work,
          peer.title,
          `${load.errors}`,
          `${mib(soak.rssBefore)} to ${mib(soak.rssAfter)}`,
          `${mib(soak.heapBefore)} to ${mib(soak.heapAfter)}`,
          soak.grows ? 'yes' : 'no',
          soak.pauses.longestMs.toFixed(2),
          `${soak.pauses.turns}`,
          `${soak.own.turns}`,
          soak.own.longestMs.toFixed(2),
          soak.slowShare === undefined ? '' : `${(soak.slowShare * 100).toFixed(1)} %`,
          soak.paced === undefined ? '' : `${soak.paced.turns}`,
          soak.paced === undefined ? '' : soak.paced.longestMs.toFixed(2),
          soak.machine === undefined
            ? ''
            : `${soak.machine.stops} in ${soak.machine.seconds} s, up to ${soak.machine.longestMs.toFixed(2)} ms`,
        ],
      ];
    });
  });
  const pauses = [
    'longest turn, ms',
    'turns above 1 ms',
    'in CPU time',
    'longest of those, ms',
    'machine slow',
    'turns above 1 ms at its usual pace',
    'longest of those, ms',
    'a program that only computes: stops above 1 ms',
  ];
  return {
    name: 'a minute at full load',
    title:
      'Memory after second 10 and at the end (the heap after collections), ' +
      'and pauses of the server from second 10 on: turns of its loop, collections included, by the clock; ' +
      'without the time in which other processes had the CPU; and of that, what it would be at the usual pace of the machine. ' +
      'It is slow when pieces of arithmetic on the CPU of the load generator take more than twice what they usually do',
    head: ['case', 'server', 'errors', 'resident', 'heap', 'grows', ...pauses],
    rows,
  };
}

function startTable(report: Report): ReportTable {
  const starts = new Map<string, number[]>();
  for (const { peer } of everyPeer(report)) {
    const known = starts.get(peer.title) ?? [];
    const told = peer.runs.flatMap(({ startMs }) => startMs ?? []);
    starts.set(peer.title, [...known, ...told]);
  }
  return {
    name: 'start',
    title:
      'From the start of the process until it listens, attaching to the interface included where there is a stack; ' +
      'the start of nginx is not seen, only waited for',
    head: ['server', 'median, ms', 'least, ms', 'starts'],
    rows: [...starts]
      .filter(([, all]) => all.length > 0)
      .map(([title, all]) => [title, shorten(median(all)), shorten(Math.min(...all)), `${all.length}`]),
  };
}
