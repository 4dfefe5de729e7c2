// `mtcp lab up|down|status`: two namespaces and a veth pair to try the stack in. The work is done by src/nic/os/lab.ts.

import type { RssDescription } from '../nic/nic.js';
import type { LabOptions, LabSide, LabStatus } from '../nic/os/lab.js';
import { LAB_STACK_INTERFACE, LabError, labDown, labExists, labStatus, labUp } from '../nic/os/lab.js';
import type { Command, Environment } from './command.js';
import { CliError, usageError } from './failure.js';
import type { Args } from './options.js';
import { columns, paintFor } from './output.js';

/** The name of a lab that was given none. */
export const DEFAULT_LAB = 'mtcp';
/** Ethernet's own MTU. */
const DEFAULT_MTU = 1500;
/** veth's limit. */
const MAX_MTU = 65_535;
const MAX_QUEUES = 64;

/** The `lab` subcommand. */
export const lab: Command = {
  name: 'lab',
  summary: 'make, remove or show two namespaces joined by a veth pair',
  usage: [
    'up [--name PREFIX] [--queues N [--rss-key HEX] [--rss-table LIST]] [--mtu N] [--no-offload]',
    'down [--name PREFIX]',
    'status [--name PREFIX]',
  ],
  details: [
    'PREFIX-stack holds the interface for the stack (mtcp0: the kernel has 10.77.0.2 on it, the stack takes',
    '10.77.0.10), PREFIX-peer a kernel to talk to (peer0: 10.77.0.1). `ip netns exec` works with both. `down`',
    'removes whatever is there, also of a lab that was made in part. `status` exits with 1 unless the lab is up.',
    '',
    'With several queues the lab has RSS: what the peer sends is spread over them by the Toeplitz hash of its',
    'addresses and ports, as a network card does it, with the key and the indirection table (128 entries) given.',
  ],
  positionals: [1, 1],
  wanted: ['up, down or status'],
  options: [
    { name: 'name', value: 'PREFIX', help: `first part of the namespaces' names (${DEFAULT_LAB})` },
    { name: 'queues', value: 'N', help: 'queues of the veth pair (1)' },
    {
      name: 'rss-key',
      value: 'HEX',
      help: 'key of the hash; a short one repeats itself (6d5a is symmetric)',
    },
    { name: 'rss-table', value: 'LIST', help: 'queues in turn, such as 0,0,0,1 (each one once)' },
    { name: 'no-offload', help: "no checksum or segmentation offload on the peer's side" },
    { name: 'mtu', value: 'N', help: `MTU of the veth pair in bytes (${DEFAULT_MTU})` },
  ],
  run(args: Args, environment: Environment): number {
    const action = args.words[0];
    const name = args.text('name') ?? DEFAULT_LAB;
    const queues = args.integer('queues', 1, MAX_QUEUES) ?? 1;
    const mtu = args.integer('mtu', 68, MAX_MTU) ?? DEFAULT_MTU;
    return translate(() => {
      switch (action) {
        case 'up':
          environment.log.info({ name, queues, mtu }, 'making a lab');
          labUp({ name, queues, mtu, noOffload: args.has('no-offload'), ...readRss(args) });
          return report(labStatus(name), environment);
        case 'down':
          return reportDown(name, environment);
        case 'status':
          return report(labStatus(name), environment);
        default:
          throw usageError(`lab does up, down or status, not "${action}"`);
      }
    });
  },
};

/** Reads the options of receive-side scaling; whether they fit the queues, the lab says. */
function readRss(args: Args): Pick<LabOptions, 'rssKey' | 'rssTable'> {
  const rssKey = args.text('rss-key');
  const list = args.text('rss-table');
  if (list !== undefined && !/^\d{1,3}(,\d{1,3})*$/.test(list)) {
    throw usageError(`--rss-table is queues with commas between them, such as 0,0,0,1, not "${list}"`);
  }
  return {
    ...(rssKey === undefined ? {} : { rssKey }),
    ...(list === undefined ? {} : { rssTable: list.split(',').map(Number) }),
  };
}

/** Runs something of the lab and turns its errors into those of the command line. */
export function translate<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof LabError) throw new CliError(error.message);
    throw error;
  }
}

function reportDown(name: string, { out, json }: Environment): number {
  const existed = labExists(name);
  const removed = labDown(name);
  if (json) out.json({ lab: name, state: 'down', removed: existed && removed });
  else out.line(removed ? `lab "${name}" is down` : `there was no lab "${name}"`);
  return 0;
}

function report(status: LabStatus, environment: Environment): number {
  if (environment.json) environment.out.json(toJson(status));
  else for (const line of describe(status, environment)) environment.out.line(line);
  return status.state === 'up' ? 0 : 1;
}

function toJson(status: LabStatus): Record<string, unknown> {
  const side = (of: LabSide): Record<string, unknown> => ({
    netns: of.namespace,
    present: of.present,
    iface: of.interface,
    addresses: of.addresses,
    up: of.link?.up ?? false,
    mac: of.link?.mac ?? null,
    mtu: of.link?.mtu ?? null,
    queues: of.link?.rxQueues ?? null,
    xdp: of.link?.xdp ?? null,
  });
  const { name, state, stackAddress, stack, peer, rss } = status;
  const spread = rss === undefined ? null : { key: Buffer.from(rss.key).toString('hex'), table: rss.table };
  return { lab: name, state, address: stackAddress, stack: side(stack), peer: side(peer), rss: spread };
}

function describe(status: LabStatus, { out }: Environment): string[] {
  const paint = paintFor(out);
  const { name, state, stack, peer } = status;
  const shown = { up: paint.good('up'), down: 'down', incomplete: paint.bad('incomplete') }[state];
  const lines = [`lab "${name}" is ${shown}`];
  if (state === 'down') return [...lines, `make it with: npx mtcp lab up${labOption(name)}`];
  const rows = [['namespace', 'interface', 'state', 'address', 'MAC', 'MTU', 'queues', 'XDP']];
  for (const { namespace, present, interface: device, link, addresses } of [stack, peer]) {
    if (!present) rows.push([namespace, '', 'missing']);
    else if (link === undefined) rows.push([namespace, device, 'missing']);
    else {
      const { up, mac, mtu, rxQueues, xdp } = link;
      const address = addresses.join(' ') || 'none';
      rows.push([namespace, device, up ? 'up' : 'down', address, mac, String(mtu), String(rxQueues), xdp]);
    }
  }
  lines.push(...columns(rows, '  '));
  if (state === 'incomplete') return [...lines, `remove the rest with: npx mtcp lab down${labOption(name)}`];
  if (status.rss !== undefined) lines.push(describeRss(status.rss));
  const address = status.stackAddress.split('/')[0];
  const value = name === DEFAULT_LAB ? '' : `=${name}`;
  lines.push(
    `the stack takes ${status.stackAddress} on ${LAB_STACK_INTERFACE}; try:`,
    `  npx mtcp serve http --lab${value} --port 80`,
    `  ip netns exec ${peer.namespace} curl http://${address}/`,
  );
  return lines;
}

/** One line: the key's beginning, and what share of the table each queue has. */
function describeRss({ key, table }: RssDescription): string {
  const shares = new Map<number, number>();
  for (const queue of table) shares.set(queue, (shares.get(queue) ?? 0) + 1);
  const parts = [...shares].sort(([a], [b]) => a - b).map(([queue, count]) => `${queue}: ${count}`);
  const start = Buffer.from(key.subarray(0, 4)).toString('hex');
  return `RSS: Toeplitz, key ${start}…, entries of ${table.length} for queue ${parts.join(', ')}`;
}

function labOption(name: string): string {
  return name === DEFAULT_LAB ? '' : ` --name ${name}`;
}
