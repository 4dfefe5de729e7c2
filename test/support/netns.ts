// Two network namespaces joined by a veth pair, made with `ip` and removed whatever happens: what every test
// that needs a real interface starts from. Only the namespaces that a test made are touched.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** One end of the pair. */
export interface LabEnd {
  readonly netns: string;
  readonly iface: string;
  readonly mac: string;
  /** The address that the kernel of this end has on the interface. */
  readonly address: string;
}

/** What to make differently. */
export interface LabOptions {
  readonly mtu?: number;
  /** RX and TX queues of each end, 1 unless given. */
  readonly queues?: number;
  /** Third byte of the network 10.77.N.0/24, 0 unless given. */
  readonly network?: number;
}

/** Two ends: `near` is where the stack opens its interface, `far` is the peer with the kernel's own stack. */
export interface Lab {
  readonly near: LabEnd;
  readonly far: LabEnd;
  /** An address of the same network that nobody has, for the stack to own. */
  readonly stackAddress: string;
  readonly prefix: number;
  /** Runs a program inside an end: its standard output. Throws when it fails. */
  run(end: LabEnd, program: string, ...args: string[]): string;
  /** Removes everything. Idempotent; also done when the process exits. */
  close(): void;
}

/** CAP_NET_ADMIN, CAP_NET_RAW and CAP_SYS_ADMIN in a capability mask. */
const CAPABILITIES = (1n << 12n) | (1n << 13n) | (1n << 21n);

/**
 * Says why this process cannot make namespaces and AF_XDP sockets; undefined when it can. For the `skip` of a
 * test.
 */
export function labReason(): string | undefined {
  if (process.platform !== 'linux') return 'needs Linux';
  const mask = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '0';
  if ((BigInt(`0x${mask}`) & CAPABILITIES) !== CAPABILITIES)
    return 'needs root (network namespaces and AF_XDP)';
  if (spawnSync('ip', ['-V']).status !== 0) return 'needs the `ip` program of iproute2';
  const probe = `mtcp-probe-${process.pid}`;
  if (spawnSync('ip', ['netns', 'add', probe]).status !== 0) return 'network namespaces cannot be made here';
  ip('netns', 'del', probe);
  return undefined;
}

/** Runs `ip` and gives its standard output; throws with what it said when it fails. */
export function ip(...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync('ip', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${error?.message ?? stderr.trim()}`);
  return stdout;
}

/** Makes a lab whose names begin with `prefix` (a few letters) and hold the process id. */
export function makeLab(prefix: string, options: LabOptions = {}): Lab {
  const { mtu = 1500, queues = 1, network = 0 } = options;
  const names = [`${prefix}-near-${process.pid}`, `${prefix}-far-${process.pid}`] as const;
  let closed = false;
  const close = (): void => {
    if (closed) return;
    closed = true;
    process.off('exit', close);
    // A veth dies with its namespace, but later; removing it at once frees its names and queues now.
    spawnSync('ip', ['-n', names[0], 'link', 'del', 'veth0']);
    for (const name of names) spawnSync('ip', ['netns', 'del', name]);
  };
  process.on('exit', close);
  try {
    for (const name of names) ip('netns', 'add', name);
    const count = String(queues);
    const sizes = ['mtu', String(mtu), 'numtxqueues', count, 'numrxqueues', count];
    const peer = ['peer', 'name', 'veth0', 'netns', names[1], ...sizes];
    ip('-n', names[0], 'link', 'add', 'veth0', ...sizes, 'type', 'veth', ...peer);
    const [near, far] = names.map((netns, i): LabEnd => {
      const address = `10.77.${network}.${i + 1}`;
      // No IPv6 addresses of its own: their announcements would be noise in a test.
      ip('-n', netns, 'link', 'set', 'veth0', 'addrgenmode', 'none');
      ip('-n', netns, 'addr', 'add', `${address}/24`, 'dev', 'veth0');
      ip('-n', netns, 'link', 'set', 'lo', 'up');
      ip('-n', netns, 'link', 'set', 'veth0', 'up');
      const mac = /link\/ether ([0-9a-f:]{17})/.exec(ip('-n', netns, 'link', 'show', 'veth0'))?.[1] ?? '';
      return { netns, iface: 'veth0', mac, address };
    });
    const run = (end: LabEnd, program: string, ...args: string[]): string =>
      ip('netns', 'exec', end.netns, program, ...args);
    return { near: near!, far: far!, stackAddress: `10.77.${network}.10`, prefix: 24, run, close };
  } catch (error) {
    close();
    throw error;
  }
}
