// What is measured by programs of their own, without servers and rounds: the Nic alone, and what the stack allocates. They run as
// children, and what they print becomes a table of the report.

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { AllocResult } from './alloc.js';
import { kernelBulk } from './kernel-bulk.js';
import type { PacketResult } from './packets.js';
import type { ReportTable } from './report/report.js';
import type { Spread } from './statistics.js';

/** One program. */
export interface Program {
  readonly name: string;
  readonly when: 'quick' | 'full' | 'named';
  readonly expectedMs: number;
  run(): Promise<ReportTable>;
}

/** Garbage is counted, so none may be collected meanwhile. */
const COUNTING = ['--expose-gc', '--min-semi-space-size=256', '--max-semi-space-size=256'];
const LIMIT_MS = 120_000;

function outputOf(name: string, words: readonly string[]): Promise<string> {
  const program = fileURLToPath(new URL(`${name}.js`, import.meta.url));
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...COUNTING, program, ...words], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
    let text = '';
    let complaint = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    child.stderr.setEncoding('utf8').on('data', (part: string) => {
      complaint = (complaint + part).slice(-500);
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      if (code === 0) resolve(text);
      else reject(new Error(`${name} has ended (${code ?? signal}): ${complaint.trim()}`));
    });
  });
}

/** The table of the packet driver, beside the same in C. */
export function packetTable(results: readonly PacketResult[]): ReportTable {
  const spread = ({ median, min, max }: Spread): string => {
    return `${median.toFixed(2)} (${min.toFixed(2)} to ${max.toFixed(2)})`;
  };
  const percent = (share: number): string => `${(share * 100).toFixed(0)} %`;
  const left = results.find(({ reason }) => reason !== undefined)?.reason;
  return {
    name: 'packets',
    title:
      'The Nic alone, frames of 64 B: receive and drop, send back, send only; in TypeScript and in C, in turns. Millions of packets ' +
      'per second. Where most turns found nothing, the sender was the limit' +
      (left === undefined ? '' : `. Not measured in C: ${left}`),
    head: ['case', 'TypeScript', 'C', '× C', 'empty turns', 'bytes allocated per packet', 'mode'],
    rows: results.map(({ case: what, mpps, mppsInC, empty, emptyInC, bytesPerPacket, mode }) => [
      what,
      spread(mpps),
      mppsInC === undefined ? '' : spread(mppsInC),
      mppsInC === undefined ? '' : (mpps.median / mppsInC.median).toFixed(2),
      emptyInC === undefined ? percent(empty) : `${percent(empty)}, in C ${percent(emptyInC)}`,
      bytesPerPacket.toFixed(2),
      mode,
    ]),
    data: results,
  };
}

const packets: Program = {
  name: 'packets',
  when: 'full',
  expectedMs: 48_000,
  async run() {
    const text = await outputOf('packets', ['--json', '--seconds', '1', '--rounds', '3']);
    const results = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as PacketResult);
    return packetTable(results);
  },
};

const alloc: Program = {
  name: 'alloc',
  when: 'full',
  expectedMs: 16_000,
  async run() {
    const results = JSON.parse(await outputOf('alloc', ['--json'])) as AllocResult[];
    return {
      name: 'alloc',
      title: 'The stack in memory, in steady state: what it allocates and how long it takes',
      head: [
        'case',
        'connections',
        'bytes of a message',
        'bytes allocated per packet',
        'ns per message or connection',
      ],
      rows: results.map(({ name, connections, payload, bytesPerPacket, nsPerUnit }) => {
        return [name, `${connections}`, `${payload}`, bytesPerPacket.toFixed(2), nsPerUnit.toFixed(0)];
      }),
      data: results,
    };
  },
};

/** All programs, in the order in which they run. */
export const PROGRAMS: readonly Program[] = [packets, alloc, kernelBulk];
