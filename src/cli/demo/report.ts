// What a demo found, and how it is shown: as a few lines for people, or as one JSON value.

import type { Output } from '../output.js';
import { columns, formatBytes, paintFor } from '../output.js';

/** What a demo found. */
export interface DemoReport {
  /** `lab`: AF_XDP on a veth pair; `memory`: two stacks in memory. */
  readonly kind: 'lab' | 'memory';
  /** Why it ran in memory; empty for a lab. */
  readonly reason: string;
  /** What the socket got (`xdp-native`, …), or `memory`. */
  readonly mode: string;
  readonly requests: number;
  readonly connections: number;
  /** Bytes of answers that were compared. */
  readonly verifiedBytes: number;
  /** Requests per second of the stack and of what it is compared with, by name. */
  readonly rates: Readonly<Record<string, number>>;
  readonly counters: Readonly<Record<string, number>>;
  readonly capture: { readonly file: string; readonly bytes: number };
  /** How long the demo took. */
  readonly seconds: number;
}

/** The counters that are shown, if they are not 0. */
const SHOWN = [
  'EthInFrames',
  'EthOutFrames',
  'TcpInSegs',
  'TcpOutSegs',
  'TcpPassiveOpens',
  'TcpActiveOpens',
  'TcpRetransSegs',
  'TcpInCsumErrors',
  'TcpInCsumPartial',
  'TcpOutRsts',
  'rx_dropped',
  'rx_ring_full',
  'rx_fill_ring_empty_descs',
  'tx_invalid_descs',
];

/** Prints a line of the running demo. */
export function say(out: Output, json: boolean, label: string, text: string): void {
  if (!json) out.line(`  ${paintFor(out).dim(label.padEnd(9))} ${text}`);
}

/** Prints the results. */
export function printReport(report: DemoReport, out: Output, json: boolean): void {
  if (json) {
    const rates = Object.fromEntries(
      Object.entries(report.rates).map(([name, rate]) => [name, Math.round(rate)]),
    );
    out.json({ ...report, rates, ratios: ratios(report.rates), seconds: Number(report.seconds.toFixed(2)) });
    return;
  }
  const paint = paintFor(out);
  const counters = SHOWN.filter((name) => (report.counters[name] ?? 0) > 0);
  const shown = counters.map((name) => `${name} ${report.counters[name]}`);
  for (let i = 0; i < shown.length; i += 4)
    say(out, json, i === 0 ? 'counters' : '', shown.slice(i, i + 4).join('  '));
  out.line();
  out.line(paint.bold('  Requests per second') + paint.dim('  (indicative: one short run on this machine)'));
  for (const line of columns(rateRows(report.rates), '    ')) out.line(line);
  out.line();
  out.line(`  The capture is ${report.capture.file} (${formatBytes(report.capture.bytes)}); look at it with`);
  out.line(`    tshark -r ${report.capture.file}    or    wireshark ${report.capture.file}`);
  out.line();
  const verified = `${report.requests} requests on ${report.connections} connections, ${formatBytes(report.verifiedBytes)}`;
  out.line(paint.good(`  Done in ${report.seconds.toFixed(1)} s: ${verified} compared byte by byte.`));
}

function rateRows(rates: Readonly<Record<string, number>>): string[][] {
  const own = Object.values(rates)[0];
  return Object.entries(rates).map(([name, rate], i) => {
    const number = Math.round(rate).toLocaleString('en-US').padStart(9);
    return i === 0
      ? [name, number, '']
      : [name, number, `the stack does ${(own / rate).toFixed(2)} times as many`];
  });
}

/** The stack's rate divided by each of the others. */
function ratios(rates: Readonly<Record<string, number>>): Record<string, number> {
  const [[, own], ...others] = Object.entries(rates);
  return Object.fromEntries(others.map(([name, rate]) => [name, Number((own / rate).toFixed(3))]));
}
