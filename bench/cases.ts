// What is measured. A case is a load: which service, how many connections, what they ask; who is measured under it is in
// peers.ts.

/** One load. */
export interface BenchCase {
  readonly name: string;
  readonly title: string;
  readonly service: 'fixed' | 'http' | 'sink';
  readonly mode: 'conn' | 'rpc' | 'idle' | 'sink';
  /** Who asks: the generator of frames, or a client on the kernel's TCP. */
  readonly client: 'frames' | 'wrk' | 'kernel';
  /** What the figure counts. */
  readonly unit: 'connections/s' | 'messages/s' | 'requests/s' | 'Gbit/s' | 'µs' | 'bytes';
  readonly connections: number;
  readonly pipeline: number;
  /**
   * Connections that may wait for a reply at once, so that no queue on the way overflows: what is lost there would be measured instead.
   * Undefined for all of them.
   */
  readonly underWay: number | undefined;
  /** Bytes of request and reply; of the body with HTTP, whose request is a text. */
  readonly requestBytes: number;
  readonly replyBytes: number;
  readonly mtu: number;
  /** Bytes of replies that may be under way on one connection; undefined for what an unscaled window says. */
  readonly windowBytes: number | undefined;
  /** Cores of the server, with a queue each; 0 for a server that knows nothing of cores. */
  readonly cores: number;
  /** When it runs without being named: also in a quick run, in a full one, or never. */
  readonly when: 'quick' | 'full' | 'named';
  /** Names of the peers for which it makes sense; undefined for all that serve it. */
  readonly peers: readonly string[] | undefined;
  /** Rounds, where it takes too long for those of all cases. */
  readonly rounds: number | undefined;
  /** How long to measure, where it is not for the plan to say; memory and pauses are then watched as well. */
  readonly soakMs: number | undefined;
}

const RPC = {
  service: 'fixed',
  mode: 'rpc',
  client: 'frames',
  unit: 'messages/s',
  connections: 64,
  pipeline: 1,
  underWay: undefined,
  requestBytes: 64,
  replyBytes: 64,
  mtu: 1500,
  windowBytes: undefined,
  cores: 0,
  when: 'full',
  peers: undefined,
  rounds: undefined,
  soakMs: undefined,
} as const;
/** What compares with the stack where it is about bytes. */
const CARRIERS = ['mtcp', 'node', 'epoll', 'frames'];
/** With the limit in C, for messages that it can answer. */
const LIMITED = [...CARRIERS, 'raw'];
/** The same for what only varies another case: a full run has no time for all of them. */
const BOUNDS = ['mtcp', 'epoll', 'frames'];
const VARIANT = { peers: BOUNDS, rounds: 3 } as const;
/** Asked by a client on the kernel, which costs more than most servers: ratios are smaller. */
const KERNEL = { client: 'kernel', peers: ['mtcp', 'node', 'epoll', 'bun'], rounds: 3 } as const;
/** All flows together have a window of fewer segments than the generator has places to receive into. */
const OUT = {
  ...RPC,
  unit: 'Gbit/s',
  replyBytes: 1 << 20,
  pipeline: 2,
  windowBytes: 1 << 20,
  peers: CARRIERS,
} as const;
const IN = { ...OUT, service: 'sink', mode: 'sink', pipeline: 1 } as const;
const HTTP = { ...RPC, service: 'http', unit: 'requests/s' } as const;
const CONN = { ...RPC, mode: 'conn', unit: 'connections/s' } as const;
const IDLE = { ...RPC, mode: 'idle', unit: 'bytes', rounds: 1 } as const;
const SOAK = { when: 'named', peers: ['mtcp'], rounds: 1, soakMs: 60_000 } as const;
const CORES = { ...RPC, peers: ['mtcp'], rounds: 3 } as const;
/** The largest that veth has. */
const LARGEST_MTU = 65_535;

/** All cases, in the order in which they run. */
export const CASES: readonly BenchCase[] = [
  { ...CONN, name: 'conn', title: 'Short connections: open, ask 64 B, get 64 B, close', when: 'quick' },
  {
    ...CONN,
    ...KERNEL,
    name: 'conn-kernel',
    title: 'Short connections of a client in C on the kernel, 64 at a time',
  },
  {
    ...RPC,
    name: 'ping',
    title: 'Latency: 64 B and back on one connection, median',
    connections: 1,
    unit: 'µs',
    when: 'quick',
  },
  { ...RPC, name: 'rpc', title: 'Messages of 64 B, 64 connections', when: 'quick' },
  {
    ...RPC,
    ...KERNEL,
    name: 'rpc-kernel',
    title: 'Messages of 64 B, 64 connections of a client in C on the kernel',
  },
  {
    ...RPC,
    name: 'rpc-1000',
    title: 'Messages of 64 B, 1,000 connections',
    connections: 1000,
    when: 'quick',
  },
  {
    ...RPC,
    name: 'rpc-10000',
    title: 'Messages of 64 B, 10,000 connections, 1,000 of them at a time',
    connections: 10_000,
    underWay: 1000,
    peers: LIMITED,
  },
  {
    ...RPC,
    name: 'rpc-pipelined',
    rounds: 3,
    title: 'Messages of 64 B, 64 connections, 16 under way',
    pipeline: 16,
    peers: CARRIERS,
  },
  { ...RPC, name: 'rpc-8k', title: 'Replies of 8 KiB, 64 connections', replyBytes: 8192, peers: LIMITED },
  {
    ...RPC,
    name: 'rpc-8k-9000',
    title: 'Replies of 8 KiB, 64 connections, MTU 9000',
    replyBytes: 8192,
    mtu: 9000,
    ...VARIANT,
  },
  { ...HTTP, name: 'http', title: 'HTTP keep-alive, 64 B, 64 connections', when: 'quick' },
  {
    ...HTTP,
    name: 'http-close',
    title: 'HTTP, a connection for each request, 64 B',
    mode: 'conn',
    peers: ['mtcp', 'node', 'nginx'],
  },
  {
    ...HTTP,
    name: 'http-wrk',
    rounds: 3,
    title: 'HTTP keep-alive, 64 B, 64 connections of wrk, a client on the kernel',
    client: 'wrk',
    peers: ['mtcp', 'node', 'nginx'],
  },
  { ...OUT, name: 'bulk-out', title: 'Out of the server, one flow, MTU 1500', connections: 1 },
  {
    ...OUT,
    name: 'bulk-out-8',
    title: 'Out of the server, 8 flows, MTU 1500',
    connections: 8,
    windowBytes: 1 << 17,
    ...VARIANT,
  },
  {
    ...OUT,
    name: 'bulk-out-9000',
    title: 'Out of the server, one flow, MTU 9000',
    connections: 1,
    mtu: 9000,
  },
  {
    ...OUT,
    name: 'bulk-out-65535',
    rounds: 3,
    title: 'Out of the server, one flow, MTU 65535, the largest of veth',
    connections: 1,
    mtu: LARGEST_MTU,
  },
  { ...IN, name: 'bulk-in', title: 'Into the server, one flow, MTU 1500', connections: 1 },
  { ...IN, name: 'bulk-in-8', title: 'Into the server, 8 flows, MTU 1500', connections: 8, ...VARIANT },
  { ...IN, name: 'bulk-in-9000', title: 'Into the server, one flow, MTU 9000', connections: 1, mtu: 9000 },
  {
    ...IN,
    name: 'bulk-in-9000-8',
    title: 'Into the server, 8 flows, MTU 9000',
    connections: 8,
    mtu: 9000,
    ...VARIANT,
  },
  {
    ...IN,
    name: 'bulk-in-65535',
    rounds: 3,
    title: 'Into the server, one flow, MTU 65535, the largest of veth',
    connections: 1,
    mtu: LARGEST_MTU,
  },
  {
    ...CORES,
    name: 'cores-1',
    title: 'Messages of 64 B, 64 connections, startCores with one core',
    cores: 1,
  },
  {
    ...CORES,
    name: 'cores-2',
    title: 'Messages of 64 B, 64 connections, startCores with two cores and queues',
    cores: 2,
  },
  {
    ...IDLE,
    name: 'idle-10000',
    title: 'Memory of an idle connection, 10,000 of them, process and kernel',
    connections: 10_000,
    peers: ['mtcp', 'mtcp-net', 'node', 'epoll'],
  },
  {
    ...IDLE,
    name: 'idle-100000',
    title: 'Memory of an idle connection, 100,000 of them, process and kernel',
    connections: 100_000,
    peers: ['mtcp', 'epoll'],
  },
  {
    ...IDLE,
    name: 'idle-1000000',
    title: 'Memory of an idle connection, 1,000,000 of them, process and kernel',
    connections: 1_000_000,
    when: 'named',
    peers: ['mtcp'],
  },
  { ...CONN, ...SOAK, name: 'soak-conn', title: 'Short connections for 60 s' },
  { ...RPC, ...SOAK, name: 'soak-rpc', title: 'Messages of 64 B, 64 connections, for 60 s' },
];

/** Whether less is better. */
export function lessIsBetter({ unit }: Pick<BenchCase, 'unit'>): boolean {
  return unit === 'µs' || unit === 'bytes';
}

/** The request of a case, as Latin-1. */
export function requestOf({ service, mode, requestBytes, replyBytes }: BenchCase): string {
  if (service !== 'http') return 'x'.repeat(requestBytes);
  const close = mode === 'conn' ? 'Connection: close\r\n' : '';
  return `GET /bytes/${replyBytes} HTTP/1.1\r\nHost: bench\r\n${close}\r\n`;
}

/** Ports that connections of one address may use: fewer than there are, so that those of before are out of the way. */
const PER_ADDRESS = 50_000;

/** How many client addresses a case needs: each queue has its own. */
export function addressesOf({ connections, cores }: Pick<BenchCase, 'connections' | 'cores'>): number {
  const queues = Math.max(1, cores);
  return Math.ceil(connections / queues / PER_ADDRESS) * queues;
}
