// How many packets per second the Nic itself moves, without a stack: receive and drop, swap and send back, send only; and the same in
// C, in turns. Over a veth pair between two namespaces that it makes and removes. Needs root.
//
//     node --expose-gc --min-semi-space-size=256 --max-semi-space-size=256 build/bench/packets.js [rxdrop|l2fwd|txonly …]
//         [--seconds N] [--rounds N] [--mode auto|native|skb] [--json]

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { netnsPath } from '../src/nic/os/netns.js';
import { type Lab, type LabEnd, labReason, makeLab } from '../test/support/netns.js';
import { compileC } from './compile.js';
import type { PacketRun } from './packets/driver.js';
import { frameFor } from './packets/frame.js';
import { type PacketCase, TURNS } from './packets/turns.js';
import { GENERATOR_CPU, runProgram, SERVER_CPU, startServer } from './processes.js';
import { type Spread, spreadOf } from './statistics.js';

/** What came of one case. */
export interface PacketResult {
  readonly case: PacketCase;
  readonly mode: string;
  /** Millions of packets per second, here and in C; undefined without a compiler. */
  readonly mpps: Spread;
  readonly mppsInC: Spread | undefined;
  /** Share of the turns that found nothing. */
  readonly empty: number;
  readonly emptyInC: number | undefined;
  readonly bytesPerPacket: number;
  /** Why it has not been measured in C. */
  readonly reason?: string;
}

interface Settings {
  readonly seconds: number;
  readonly rounds: number;
  readonly mode: string;
}

/** A frame to an address that nobody has, for what only sends. */
const NOBODY_MAC = '02:00:00:00:00:01';
const PEER_ADDRESS = '10.77.0.20';
/** Beyond the seconds that are counted. */
const GRACE_MS = 15_000;

const driver = [
  process.execPath,
  ...process.execArgv,
  fileURLToPath(new URL('packets/driver.js', import.meta.url)),
];

/** Runs one case once, as the program that is given. */
async function measure(
  name: PacketCase,
  program: readonly string[],
  generator: readonly string[],
  lab: Lab,
  { seconds, mode }: Settings,
): Promise<PacketRun> {
  const { near, far, stackAddress } = lab;
  const place = (end: LabEnd, address: string): string[] => [end.iface, netnsPath(end.netns), mode, address];
  const frame = (
    name === 'txonly'
      ? frameFor(near.mac, NOBODY_MAC, stackAddress, PEER_ADDRESS)
      : frameFor(far.mac, near.mac, PEER_ADDRESS, stackAddress)
  ).toString('hex');
  const words = [...generator, 'generate', ...place(far, PEER_ADDRESS), frame];
  const sender =
    name === 'txonly' ? undefined : await startServer('the generator', words, undefined, true, GENERATOR_CPU);
  try {
    const command = [...program, name, ...place(near, stackAddress), `${seconds}`, frame];
    const text = await runProgram(name, command, SERVER_CPU, seconds * 1000 + GRACE_MS);
    return JSON.parse(text) as PacketRun;
  } finally {
    await sender?.end();
  }
}

/** Runs one case, both programs in each round. Both have the same generator: in C where there is a compiler, as that is faster. */
async function measureBoth(
  name: PacketCase,
  raw: string | undefined,
  settings: Settings,
): Promise<Omit<PacketResult, 'reason'>> {
  const here: PacketRun[] = [];
  const inC: PacketRun[] = [];
  const generator = raw === undefined ? driver : [raw];
  const lab = makeLab('bench');
  try {
    for (let round = 0; round < settings.rounds; round++) {
      here.push(await measure(name, driver, generator, lab, settings));
      if (raw !== undefined) inC.push(await measure(name, [raw], generator, lab, settings));
    }
  } finally {
    lab.close();
  }
  const middle = (runs: readonly PacketRun[], of: 'empty' | 'bytesPerPacket'): number => {
    return spreadOf(runs.map((run) => run[of])).median;
  };
  return {
    case: name,
    mode: here[0].mode,
    mpps: spreadOf(here.map(({ mpps }) => mpps)),
    mppsInC: raw === undefined ? undefined : spreadOf(inC.map(({ mpps }) => mpps)),
    empty: middle(here, 'empty'),
    emptyInC: raw === undefined ? undefined : middle(inC, 'empty'),
    bytesPerPacket: middle(here, 'bytesPerPacket'),
  };
}

function lineOf({ case: name, mode, mpps, mppsInC, empty, bytesPerPacket, reason }: PacketResult): string {
  const spread = ({ median, min, max }: Spread): string => {
    return `${median.toFixed(3)} Mpps (${min.toFixed(3)} to ${max.toFixed(3)})`;
  };
  const compared =
    mppsInC === undefined
      ? `not in C: ${reason}`
      : `in C ${spread(mppsInC)}: ${(mpps.median / mppsInC.median).toFixed(3)} ×`;
  const found = `${(empty * 100).toFixed(0)} % of the turns empty`;
  const garbage = `${bytesPerPacket.toFixed(2)} bytes allocated per packet`;
  return `${name} (${mode}): ${spread(mpps)}, ${compared}; ${found}, ${garbage}`;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '3' },
    mode: { type: 'string', default: 'auto' },
    json: { type: 'boolean', default: false },
  },
});
const reason = labReason();
if (reason !== undefined) throw new Error(reason);
const names = Object.keys(TURNS) as PacketCase[];
for (const name of positionals)
  if (!(name in TURNS)) throw new Error(`no case ${name}; there are ${names.join(', ')}`);
const folder = mkdtempSync(join(tmpdir(), 'mtcp-packets-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const raw = join(folder, 'raw');
const missing = compileC('raw', raw);
const settings = { seconds: Number(values.seconds), rounds: Number(values.rounds), mode: values.mode };
for (const name of positionals.length > 0 ? (positionals as PacketCase[]) : names) {
  const both = await measureBoth(name, missing === undefined ? raw : undefined, settings);
  const result: PacketResult = { ...both, ...(missing === undefined ? {} : { reason: missing }) };
  console.log(values.json ? JSON.stringify(result) : lineOf(result));
}
