// What is measured. A case is a load: which service, how many connections, what they ask; who is measured under it is in
// peers.ts.

/** One load. */
export interface BenchCase {
  readonly name: string;
  readonly title: string;
  readonly service: 'fixed' | 'http';
  readonly mode: 'conn' | 'rpc' | 'idle';
  /** What the figure counts. */
  readonly unit: 'connections/s' | 'messages/s' | 'requests/s' | 'Gbit/s' | 'µs' | 'bytes';
  readonly connections: number;
  readonly pipeline: number;
  /** Bytes of request and reply; of the body with HTTP, whose request is a text. */
  readonly requestBytes: number;
  readonly replyBytes: number;
  readonly mtu: number;
  /** Also part of a quick run. */
  readonly quick: boolean;
}

const RPC = {
  service: 'fixed',
  mode: 'rpc',
  unit: 'messages/s',
  connections: 64,
  pipeline: 1,
  requestBytes: 64,
  replyBytes: 64,
  mtu: 1500,
  quick: false,
} as const;
const BULK = { ...RPC, unit: 'Gbit/s', replyBytes: 1 << 20 } as const;
const HTTP = { ...RPC, service: 'http', unit: 'requests/s' } as const;

/** All cases, in the order in which they run. */
export const CASES: readonly BenchCase[] = [
  {
    ...RPC,
    name: 'conn',
    title: 'Short connections: open, ask 64 B, get 64 B, close',
    mode: 'conn',
    unit: 'connections/s',
    quick: true,
  },
  {
    ...RPC,
    name: 'ping',
    title: 'Latency: 64 B and back on one connection, median',
    connections: 1,
    unit: 'µs',
    quick: true,
  },
  { ...RPC, name: 'rpc', title: 'Messages of 64 B, 64 connections', quick: true },
  {
    ...RPC,
    name: 'rpc-1000',
    title: 'Messages of 64 B, 1,000 connections',
    connections: 1000,
    quick: true,
  },
  { ...RPC, name: 'rpc-10000', title: 'Messages of 64 B, 10,000 connections', connections: 10_000 },
  { ...RPC, name: 'rpc-pipelined', title: 'Messages of 64 B, 64 connections, 16 under way', pipeline: 16 },
  { ...RPC, name: 'rpc-8k', title: 'Replies of 8 KiB, 64 connections', replyBytes: 8192 },
  { ...HTTP, name: 'http', title: 'HTTP keep-alive, 64 B, 64 connections', quick: true },
  { ...HTTP, name: 'http-close', title: 'HTTP, a connection for each request, 64 B', mode: 'conn' },
  { ...BULK, name: 'bulk-out', title: 'Out of the server, one flow, MTU 1500', connections: 1 },
  { ...BULK, name: 'bulk-out-8', title: 'Out of the server, 8 flows, MTU 1500', connections: 8 },
  {
    ...BULK,
    name: 'bulk-out-9000',
    title: 'Out of the server, one flow, MTU 9000',
    connections: 1,
    mtu: 9000,
  },
  {
    ...RPC,
    name: 'idle',
    title: 'Memory of an idle connection, 10,000 of them, process and kernel',
    mode: 'idle',
    unit: 'bytes',
    connections: 10_000,
  },
];

/** Whether less is better. */
export function lessIsBetter({ unit }: Pick<BenchCase, 'unit'>): boolean {
  return unit === 'µs' || unit === 'bytes';
}

/** The request of a case, as Latin-1. */
export function requestOf({ service, mode, requestBytes, replyBytes }: BenchCase): string {
  if (service === 'fixed') return 'x'.repeat(requestBytes);
  const close = mode === 'conn' ? 'Connection: close\r\n' : '';
  return `GET /bytes/${replyBytes} HTTP/1.1\r\nHost: bench\r\n${close}\r\n`;
}
