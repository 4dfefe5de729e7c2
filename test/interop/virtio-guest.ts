// What runs inside the guest of virtio-guest.sh: a driver that really has receive-side scaling. It compares what this package reads
// with what the program ethtool reads, opens every queue in native mode, and checks that connections from outside land where they
// were predicted; with the driver's own key and table, and with others. Prints one JSON line per step; the host answers `ready`.

import { execFileSync, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type RssDescription, RX_STRIDE } from '../../src/nic/nic.js';
import { openXdpNic } from '../../src/nic/open-xdp-nic.js';
import { interfaceInfo } from '../../src/nic/os/interface-info.js';
import { Rss } from '../../src/nic/rss.js';
import type { XdpNic } from '../../src/nic/xdp-nic.js';

const IFACE = 'eth0';
const STACK = '10.78.0.10';
const STACK_WORD = 0x0a4e000a;
const PEER_WORD = 0x0a4e0001;
const PORT = 80;
const FLOWS = 200;
const WAIT_MS = 60_000;

const queues = Number(process.argv[2] ?? 2);

function say(step: string, result: object): void {
  console.log(`MTCP ${JSON.stringify({ step, ...result })}`);
}

const ethtool = (...words: string[]): string => execFileSync('ethtool', words, { encoding: 'utf8' });

/** Key, table and fields as the program ethtool prints them. */
function told(): { key: string; table: number[]; tcp4: string; tcp6: string } {
  const text = ethtool('-x', IFACE);
  const table = [...text.matchAll(/^\s*\d+:((?:\s+\d+)+)\s*$/gm)].flatMap(([, row]) =>
    row!.trim().split(/\s+/).map(Number),
  );
  const key = /([0-9a-f]{2}(?::[0-9a-f]{2}){15,})/.exec(text)?.[1]?.replaceAll(':', '') ?? '';
  const fields = (flow: string): string =>
    [...ethtool('-n', IFACE, 'rx-flow-hash', flow).matchAll(/^(?:IP|L4).*$/gm)]
      .map(([line]) => line)
      .join(', ');
  return { key, table, tcp4: fields('tcp4'), tcp6: fields('tcp6') };
}

/** The names that ethtool prints for the bits of a flow hash. */
function named(bits: number): string {
  const names: [number, string][] = [
    [1 << 4, 'IP SA'],
    [1 << 5, 'IP DA'],
    [1 << 6, 'L4 bytes 0 & 1 [TCP/UDP src port]'],
    [1 << 7, 'L4 bytes 2 & 3 [TCP/UDP dst port]'],
  ];
  return names
    .filter(([bit]) => (bits & bit) !== 0)
    .map(([, name]) => name)
    .join(', ');
}

/** One round: set up, open, compare, wait for the host's connections. */
function round(name: string, firstPort: number, setUp: () => void): boolean {
  const nics: XdpNic[] = [];
  const landed = new Map<number, number>();
  try {
    setUp();
    for (let queue = 0; queue < queues; queue++) {
      const program = nics[0]?.program;
      const shared = program === undefined ? {} : { program };
      nics.push(openXdpNic({ iface: IFACE, queue, addresses: [STACK], frames: 1024, ...shared }));
    }
    const predict = compare(name, nics[0]?.capabilities.rss);
    if (predict === undefined) return false;
    const modes = nics.map((nic) => nic.capabilities.mode);
    say('ready', { round: name, modes, port: PORT, firstPort });
    if (modes.includes('xdp-skb')) return false;
    const batch = new Int32Array(64 * RX_STRIDE);
    const until = performance.now() + WAIT_MS;
    while (landed.size < FLOWS && performance.now() < until) {
      for (const nic of nics) {
        const got = nic.receive(batch);
        for (let i = 0; i < got; i++) {
          const offset = batch[i * RX_STRIDE]!;
          const source = nic.view.getUint16(offset + 34);
          const tcp = nic.view.getUint16(offset + 12) === 0x0800 && nic.memory[offset + 23] === 6;
          if (tcp && source >= firstPort && source < firstPort + FLOWS) landed.set(source, nic.queue);
          nic.release(offset);
        }
        if (got === 0) nic.wait(1000);
      }
    }
    let right = 0;
    const perQueue = new Array<number>(queues).fill(0);
    for (const [source, queue] of landed) {
      perQueue[queue]!++;
      if (predict.queueOfV4(STACK_WORD, PORT, PEER_WORD, source) === queue) right++;
    }
    say('landed', { round: name, flows: landed.size, right, perQueue });
    return landed.size === FLOWS && right === FLOWS;
  } finally {
    for (const nic of nics) nic.close();
  }
}

/** Compares what this package reads with what ethtool prints; undefined when it is not the same. */
function compare(name: string, rss: RssDescription | undefined): Rss | undefined {
  const { driver, queues: inUse } = interfaceInfo(IFACE);
  const program = told();
  const same = {
    key: rss !== undefined && Buffer.from(rss.key).toString('hex') === program.key,
    table: rss !== undefined && String(rss.table) === String(program.table),
    tcp4: rss !== undefined && named(rss.tcp4) === program.tcp4,
    tcp6: rss !== undefined && named(rss.tcp6) === program.tcp6,
  };
  const shares = new Array<number>(queues).fill(0);
  for (const queue of program.table) shares[queue]!++;
  const { key, tcp4 } = program;
  say('told', { round: name, driver, queues: inUse, transform: rss?.transform, same, key, shares, tcp4 });
  return Object.values(same).includes(false) ? undefined : Rss.of(rss);
}

/** `mtcp serve` on one queue, until the host has fetched something. */
function serve(): Promise<boolean> {
  ethtool('-L', IFACE, 'combined', '1');
  const bin = fileURLToPath(new URL('../../../bin/mtcp.js', import.meta.url));
  const words = ['serve', 'fixed', '--iface', IFACE, '--address', `${STACK}/24`, '--port', String(PORT)];
  const child = spawn(process.execPath, [bin, ...words, '--xdp-mode', 'native', '--json', '--requests', '1']);
  child.stdout.once('data', (line: Buffer) => say('serving', { line: line.toString().trim() }));
  child.stderr.on('data', (bytes: Buffer) => say('stderr', { text: bytes.toString() }));
  const limit = setTimeout(() => child.kill('SIGTERM'), WAIT_MS);
  return new Promise((resolve) => {
    child.once('exit', (code) => {
      clearTimeout(limit);
      say('served', { code });
      resolve(code === 0);
    });
  });
}

let good = false;
try {
  ethtool('-L', IFACE, 'combined', String(queues));
  const own = round("the driver's own key and table", 20_000, () => {});
  const key = Array.from({ length: 40 }, (_, i) => ((i * 37 + 11) & 255).toString(16).padStart(2, '0')).join(
    ':',
  );
  const weights = ['3', ...new Array<string>(queues - 1).fill('1')];
  const uneven = round('another key, an uneven table', 30_000, () => {
    ethtool('-X', IFACE, 'hkey', key, 'weight', ...weights);
  });
  ethtool('-X', IFACE, 'default');
  good = [own, uneven, await serve()].every((result) => result);
} catch (error) {
  say('error', { message: String(error) });
}
say('end', { good });
