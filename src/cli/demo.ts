// `mtcp demo`: the whole thing in under a minute. With the privileges for it in a lab, without them in memory, and then it
// says why. It leaves nothing but its capture.

import { accessSync, constants } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Command, Environment } from './command.js';
import { labDemo, SetupError } from './demo/lab-demo.js';
import { memoryDemo } from './demo/memory-demo.js';
import type { DemoReport } from './demo/report.js';
import { printReport, say as sayLine } from './demo/report.js';
import { missingPrivileges } from './doctor.js';
import { CliError, messageOf } from './failure.js';
import type { Args } from './options.js';
import { paintFor } from './output.js';
import { exitCodeOf, SignalWatch } from './runner.js';

/** The longest that the demo may take, in ms. */
const LIMIT_MS = 50_000;
/** How long each of the three measurements in the lab takes, in seconds. */
const MEASURE_S = 2.5;
const MAX_MEASURE_S = 10;

/** The `demo` subcommand. */
export const demo: Command = {
  name: 'demo',
  summary: 'show the whole thing in under a minute, and clean up',
  usage: ['[--memory] [--duration S] [--pcap FILE]'],
  details: [
    'As root: makes a lab, runs an HTTP server on the stack over AF_XDP in it, lets a client on the kernel at the other',
    'end fetch and compare, measures both TCPs for a moment, and takes the lab down. Without privileges: the same with',
    'two stacks in memory.',
  ],
  positionals: [0, 0],
  options: [
    { name: 'memory', help: 'run in memory although a lab would be possible' },
    { name: 'duration', value: 'S', help: `seconds for each measurement in the lab (${MEASURE_S})` },
    { name: 'pcap', value: 'FILE', help: 'where to write the capture (a file in the temporary directory)' },
  ],
  async run(args: Args, environment: Environment): Promise<number> {
    const { out, json } = environment;
    const pcap = args.text('pcap') ?? join(tmpdir(), `mtcp-demo-${process.pid}.pcapng`);
    const durationMs = (args.decimal('duration', 0.1, MAX_MEASURE_S) ?? MEASURE_S) * 1000;
    const missing = missingPrivileges();
    const reason = args.has('memory')
      ? '--memory was given'
      : missing.length > 0
        ? `a lab needs root: ${missing.join(', ')} missing`
        : '';
    if (!json) out.line(paintFor(out).bold('mtcp: TCP in TypeScript over AF_XDP'));
    if (reason !== '') return inMemory(reason, pcap, environment);
    const signals = new SignalWatch();
    const controller = new AbortController();
    signals.onSignal(() => controller.abort(new CliError('interrupted')));
    const timer = setTimeout(
      () => controller.abort(new CliError(`the demo did not end within ${LIMIT_MS / 1000} s`)),
      LIMIT_MS,
    );
    try {
      const report = await labDemo({
        name: `mtcp-demo-${process.pid}`,
        pcap,
        durationMs,
        signal: controller.signal,
        say: (label, text) => sayLine(out, json, label, text),
      });
      printReport(report, out, json);
      if (!json) printTrials(environment);
      return 0;
    } catch (error) {
      if (signals.signal !== undefined) return exitCodeOf(signals.signal);
      if (error instanceof SetupError)
        return inMemory(`no lab is possible here: ${error.message}`, pcap, environment);
      throw error;
    } finally {
      clearTimeout(timer);
      signals.close();
    }
  },
};

function inMemory(reason: string, pcap: string, { out, json }: Environment): number {
  const say = (label: string, text: string): void => sayLine(out, json, label, text);
  say('in memory', `${reason}; AF_XDP and the kernel are not used`);
  let report: DemoReport;
  try {
    report = memoryDemo({ reason, pcap, say });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== undefined)
      throw new CliError(`the capture ${pcap} cannot be written (${code}): name another with --pcap`);
    throw error instanceof CliError ? error : new CliError(messageOf(error));
  }
  printReport(report, out, json);
  return 0;
}

/** How to do it by hand. */
function printTrials({ out }: Environment): void {
  out.line('  By hand: `npx mtcp lab up`, `npx mtcp serve http --lab`, and in another terminal');
  const client = isInstalled('curl') ? 'curl -i' : 'wget -O -';
  out.line(`    ip netns exec mtcp-peer ${client} http://10.77.0.10/`);
}

function isInstalled(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return folder !== '';
    } catch {
      return false;
    }
  });
}
