// Who is measured: the stack's own servers, the same programs on mtcp-node/net, and servers on the kernel's TCP. Each is a
// process of its own that says "ready" when it listens. A peer that is not installed says why it is left out.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PATTERN_PERIOD } from '../src/cli/servers/pattern.js';
import {
  LAB_STACK_ADDRESS,
  LAB_STACK_INTERFACE,
  LAB_STACK_KERNEL_ADDRESS,
  stackNamespace,
} from '../src/nic/os/lab.js';
import { netnsPath } from '../src/nic/os/netns.js';
import type { BenchCase } from './cases.js';
import { compileC } from './compile.js';
import { LONGEST_ANSWER } from './peers/answerer.js';
import { replyBytes } from './peers/reply.js';
import { SERVER_CPU } from './processes.js';
import { runtimePeers } from './runtimes.js';

/** The port on which all servers listen. */
export const PORT = 7000;

/** From build/bench to the root of the repository. */
const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Where a peer may put files, and the lab it runs in. */
export interface Workplace {
  readonly folder: string;
  readonly lab: string;
  /** The load generator in C; undefined for that in TypeScript. */
  readonly generator: string | undefined;
}

/** One server program. */
export interface Peer {
  readonly name: string;
  readonly title: string;
  /** Whether it runs on the kernel's TCP, inside the namespace, or brings its own. */
  readonly onKernel: boolean;
  /** Whether it runs on Node.js, and collects its garbage on SIGUSR2. */
  readonly onNode: boolean;
  /** Whether it is compiled while it runs, and is slow at first. */
  readonly compiles: boolean;
  /** The most rounds it has: a full run has no time for five of all. */
  readonly rounds?: number;
  /** False for one that a quick run has no time for. */
  readonly isQuick?: boolean;
  readonly serves: (work: BenchCase) => boolean;
  /** Gets it ready for use, once per run; says why it is left out, or undefined. */
  prepare(place: Workplace): string | undefined;
  command(work: BenchCase, place: Workplace): string[];
}

/** The address on which a peer is reached. */
export function addressOf({ onKernel }: Peer): string {
  return onKernel ? LAB_STACK_KERNEL_ADDRESS : LAB_STACK_ADDRESS;
}

const all = (): boolean => true;
const fixed = ({ service }: BenchCase): boolean => service !== 'http';
const http = ({ service }: BenchCase): boolean => service === 'http';

/** Servers of fixed sizes take a request of no bytes for a stream that has no end. */
function requestBytesOf({ service, requestBytes }: BenchCase): number {
  return service === 'sink' ? 0 : requestBytes;
}

/** Connections beyond those that are asked for: those of before may not be gone yet. */
const SPARE_CONNECTIONS = 20_000;
/** Megabytes of heap for so many connections that Node's own limit is too small. */
const LARGE_HEAP = 12_288;
const MANY = 200_000;
/** So many connections that say nothing give up their memory within seconds only when the stack has a turn each millisecond. */
const IDLE_WAIT_MS = 1;

/** What a program that must not pause gives V8 (docs/guides/pauses.md). */
const WITHOUT_PAUSES = ['--no-memory-reducer', '--max-semi-space-size=1', '--no-parallel-scavenge'] as const;

/** Starts a server of Node.js with the options of options.ts. */
function nodeCommand(program: string, before: readonly string[], work: BenchCase, lab: string): string[] {
  const { service, mode, requestBytes, replyBytes: reply, connections, cores, soakMs } = work;
  const words = [...before, service, PORT, requestBytes, reply, lab].map(String);
  return [
    process.execPath,
    ...(mode === 'idle' ? ['--expose-gc'] : []),
    ...(soakMs !== undefined ? WITHOUT_PAUSES : []),
    ...(connections >= MANY ? [`--max-old-space-size=${LARGE_HEAP}`] : []),
    program,
    ...words,
    ...(connections >= 10_000 ? [`--connections=${Math.max(70_000, connections + SPARE_CONNECTIONS)}`] : []),
    ...(mode === 'idle' ? [`--wait=${IDLE_WAIT_MS}`] : []),
    ...(cores > 0 ? [`--cores=${cores}`] : []),
    ...(soakMs !== undefined ? ['--watch', `--cpu=${SERVER_CPU}`] : []),
  ];
}

function nodeServer(where: 'kernel' | 'stack'): Peer['command'] {
  const program = fileURLToPath(new URL('peers/node-server.js', import.meta.url));
  return (work, { lab }) => nodeCommand(program, [where], work, lab);
}

/** The stack's own servers, as a built checkout of the repository has them. */
function stackOf(name: string, title: string, root: string): Peer {
  const program = join(root, 'build/bench/peers/mtcp-server.js');
  return {
    name,
    title,
    onKernel: false,
    onNode: true,
    compiles: true,
    serves: all,
    prepare: () => (existsSync(program) ? undefined : `there is no ${program}: build that checkout`),
    command: (work, { lab }) => nodeCommand(program, [], work, lab),
  };
}

const stack = stackOf('mtcp', 'mtcp-node, mtcp_* calls', ROOT);

/** Another checkout, such as that of the commit before, to be measured in the same rounds. */
export function otherCheckout(root: string): Peer {
  return stackOf('other', `mtcp-node in ${root}`, root);
}

const compatible: Peer = {
  name: 'mtcp-net',
  title: 'mtcp-node/net, node:net programs',
  onKernel: false,
  onNode: true,
  compiles: true,
  serves: all,
  prepare: () => undefined,
  command: nodeServer('stack'),
};

/** Rounds of what no server can beat. */
const LIMIT_ROUNDS = 3;

const answerer: Peer = {
  name: 'frames',
  rounds: LIMIT_ROUNDS,
  isQuick: false,
  title: 'no stack, the limit of the driver',
  onKernel: false,
  onNode: false,
  compiles: true,
  serves: ({ service, mode }) => service === 'sink' || (service === 'fixed' && mode !== 'idle'),
  prepare: () => undefined,
  command(work, { lab }) {
    const program = fileURLToPath(new URL('peers/answerer-server.js', import.meta.url));
    const reply = work.service === 'sink' ? 0 : work.replyBytes;
    return [process.execPath, ...[program, PORT, requestBytesOf(work), reply, lab].map(String)];
  },
};

const node: Peer = {
  name: 'node',
  title: 'node:net, node:http',
  onKernel: true,
  onNode: true,
  compiles: true,
  serves: all,
  prepare: () => undefined,
  command: nodeServer('kernel'),
};

const epoll: Peer = {
  name: 'epoll',
  title: 'C, epoll',
  onKernel: true,
  onNode: false,
  compiles: false,
  serves: fixed,
  prepare: ({ folder }) => compileC('peers/epoll-server.c', join(folder, 'epoll-server')),
  command(work, { folder }) {
    const file = replyFile(folder, work.service === 'sink' ? PATTERN_PERIOD : work.replyBytes);
    return [join(folder, 'epoll-server'), `${PORT}`, `${requestBytesOf(work)}`, file];
  },
};

/** A file with a reply of so many bytes. */
function replyFile(folder: string, length: number): string {
  const file = join(folder, `reply-${length}`);
  writeFileSync(file, replyBytes(length));
  return file;
}

/** Its frames hold no larger packets. */
const LARGEST_RAW_MTU = 1500;

const raw: Peer = {
  name: 'raw',
  rounds: LIMIT_ROUNDS,
  title: 'C, no stack, AF_XDP: the limit',
  onKernel: false,
  onNode: false,
  compiles: false,
  serves: ({ service, mode, replyBytes: reply, mtu, cores }) => {
    return (
      service === 'fixed' &&
      mode !== 'idle' &&
      reply <= LONGEST_ANSWER &&
      mtu <= LARGEST_RAW_MTU &&
      cores === 0
    );
  },
  prepare: ({ folder }) => compileC('raw', join(folder, 'raw')),
  command(work, { folder, lab }) {
    const place = [LAB_STACK_INTERFACE, netnsPath(stackNamespace(lab)), 'auto', LAB_STACK_ADDRESS];
    const file = replyFile(folder, work.replyBytes);
    return [join(folder, 'raw'), 'answer', ...place, `${PORT}`, `${work.requestBytes}`, file];
  },
};

const nginx: Peer = {
  name: 'nginx',
  title: 'nginx, one worker',
  onKernel: true,
  onNode: false,
  compiles: false,
  serves: http,
  prepare({ folder }) {
    if (spawnSync('nginx', ['-v']).error !== undefined) return 'nginx is not installed';
    const lines = [
      'daemon off; master_process off; worker_processes 1; error_log stderr crit;',
      `pid ${folder}/nginx.pid; events { worker_connections 20000; }`,
      `http { access_log off; keepalive_requests 1000000000; default_type application/octet-stream;`,
      ...['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((of) => `${of}_temp_path ${folder}/${of};`),
      `server { listen ${PORT} backlog=4096; root ${folder}/www; } }`,
    ];
    writeFileSync(join(folder, 'nginx.conf'), `${lines.join('\n')}\n`);
    return undefined;
  },
  command({ replyBytes: reply }, { folder }) {
    mkdirSync(join(folder, 'www/bytes'), { recursive: true });
    writeFileSync(join(folder, `www/bytes/${reply}`), replyBytes(reply));
    return ['nginx', '-c', join(folder, 'nginx.conf'), '-p', folder];
  },
};

/** The peers of a case: `other` is beside `mtcp` everywhere. */
export function peersOf(work: BenchCase, peers: readonly Peer[]): Peer[] {
  return peers.filter((peer) => {
    const name = peer.name === 'other' ? 'mtcp' : peer.name;
    return peer.serves(work) && (work.peers === undefined || work.peers.includes(name));
  });
}

/** All peers. The first is what the goals are about, and `node` is what they are measured by. */
export const PEERS: readonly Peer[] = [
  stack,
  compatible,
  node,
  epoll,
  nginx,
  ...runtimePeers(ROOT, PORT),
  answerer,
  raw,
];
