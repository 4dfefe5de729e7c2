// Two network namespaces that reach each other only through a relay of our own (`impaired-relay.ts`, a program of its own), which
// loses, delays, reorders and doubles what passes and is as slow as it is told to be: one and the same bad network for two
// kernels, for a kernel and a stack, and for two stacks. Needs root.
//
//     left ─ veth0 ─── relay0 ─ FaultNic ─ Relay ─ FaultNic ─ relay1 ─── veth0 ─ right

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { setFeature } from '../../src/nic/os/ethtool.js';
import { inNetns } from '../../src/nic/os/netns.js';
import type { PathOptions } from '../../src/nic/path.js';
import { ip } from './netns.js';

/** Where a flow may begin and end: a kernel at `address`, or a stack that opens `iface` in `netns` and owns `stackAddress`. */
export interface PathEnd {
  readonly netns: string;
  readonly iface: string;
  readonly address: string;
  readonly stackAddress: string;
}

/** What befalls frames, by direction, and the seed of it all. */
export interface Impairment {
  readonly seed?: number;
  readonly leftToRight: PathOptions;
  readonly rightToLeft: PathOptions;
}

/** What the relay is told. */
export interface RelayJob extends Impairment {
  readonly netns: string;
  readonly left: { readonly iface: string; readonly addresses: readonly string[] };
  readonly right: { readonly iface: string; readonly addresses: readonly string[] };
}

export interface ImpairedPath {
  readonly left: PathEnd;
  readonly right: PathEnd;
  /** Removes everything. Idempotent; also done when the process exits. */
  close(): void;
}

const RELAY = fileURLToPath(new URL('./impaired-relay.js', import.meta.url));

function makeEnd(names: readonly string[], side: 0 | 1, network: number): PathEnd {
  const netns = names[side]!;
  const relay = names[2]!;
  const outer = `relay${side}`;
  ip('-n', netns, 'link', 'add', 'veth0', 'type', 'veth', 'peer', 'name', outer, 'netns', relay);
  for (const [where, iface] of [
    [netns, 'veth0'],
    [relay, outer],
  ] as const) {
    ip('-n', where, 'link', 'set', iface, 'addrgenmode', 'none');
    // A packet is a packet: no segment of many, no checksum that is left to nobody.
    inNetns(where, () => {
      for (const feature of ['gro', 'gso', 'tso', 'tx'] as const) setFeature(iface, feature, false);
    });
    ip('-n', where, 'link', 'set', iface, 'up');
  }
  const address = `10.78.${network}.${side + 1}`;
  ip('-n', netns, 'addr', 'add', `${address}/24`, 'dev', 'veth0');
  ip('-n', netns, 'link', 'set', 'lo', 'up');
  return { netns, iface: 'veth0', address, stackAddress: `10.78.${network}.${side + 11}` };
}

/** Makes the two ends and starts the relay. Names begin with `prefix` and hold the process id and `network`. */
export async function makeImpairedPath(
  prefix: string,
  impairment: Impairment,
  network = 0,
): Promise<ImpairedPath> {
  const names = ['left', 'right', 'relay'].map((name) => `${prefix}-${name}-${network}-${process.pid}`);
  let relay: ChildProcess | undefined;
  let closed = false;
  const close = (): void => {
    if (closed) return;
    closed = true;
    process.off('exit', close);
    relay?.kill('SIGKILL');
    for (const name of names) spawnSync('ip', ['netns', 'del', name]);
  };
  process.on('exit', close);
  try {
    for (const name of names) ip('netns', 'add', name);
    const left = makeEnd(names, 0, network);
    const right = makeEnd(names, 1, network);
    const job: RelayJob = {
      ...impairment,
      netns: names[2]!,
      left: { iface: 'relay0', addresses: [right.address, right.stackAddress] },
      right: { iface: 'relay1', addresses: [left.address, left.stackAddress] },
    };
    relay = spawn(process.execPath, [RELAY, JSON.stringify(job)], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(createInterface({ input: relay.stdout! }), 'line');
    return { left, right, close };
  } catch (error) {
    close();
    throw error;
  }
}
