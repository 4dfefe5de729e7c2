// Who is measured: the stack's own servers, the same programs on mtcp-node/net, and servers on the kernel's TCP. Each is a
// process of its own that says "ready" when it listens. A peer that is not installed says why it is left out.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PATTERN_PERIOD } from '../src/cli/servers/pattern.js';
import { LAB_STACK_ADDRESS, LAB_STACK_KERNEL_ADDRESS } from '../src/nic/os/lab.js';
import type { BenchCase } from './cases.js';
import { replyBytes } from './peers/reply.js';
import { runtimePeers } from './runtimes.js';

/** The port on which all servers listen. */
export const PORT = 7000;

/** From build/bench to the root of the repository. */
const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Where a peer may put files, and the lab it runs in. */
export interface Workplace {
  readonly folder: string;
  readonly lab: string;
}

/** One server program. */
export interface Peer {
  readonly name: string;
  readonly title: string;
  /** Whether it runs on the kernel's TCP, inside the namespace, or brings its own. */
  readonly onKernel: boolean;
  /** Whether it runs on Node.js, and collects its garbage on SIGUSR2. */
  readonly onNode: boolean;
  /** The most rounds it has, and none in a quick run, where it is not what the others are compared with. */
  readonly rounds?: number;
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

/** Starts a server of Node.js with the options of options.ts. */
function nodeCommand(program: string, before: readonly string[], work: BenchCase, lab: string): string[] {
  const { service, mode, requestBytes, replyBytes: reply, connections, cores, soakMs } = work;
  const words = [...before, service, PORT, requestBytes, reply, lab].map(String);
  return [
    process.execPath,
    ...(mode === 'idle' ? ['--expose-gc'] : []),
    ...(soakMs !== undefined ? ['--no-memory-reducer'] : []),
    ...(connections >= MANY ? [`--max-old-space-size=${LARGE_HEAP}`] : []),
    program,
    ...words,
    ...(connections >= 10_000 ? [`--connections=${Math.max(70_000, connections + SPARE_CONNECTIONS)}`] : []),
    ...(mode === 'idle' ? [`--wait=${IDLE_WAIT_MS}`] : []),
    ...(cores > 0 ? [`--cores=${cores}`] : []),
    ...(soakMs !== undefined ? ['--watch'] : []),
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
  serves: all,
  prepare: () => undefined,
  command: nodeServer('stack'),
};

/** Replies that are so long need a window, which it does not have. */
const LONGEST_ANSWER = 8192;

const answerer: Peer = {
  name: 'frames',
  title: 'no stack, the limit of the driver',
  onKernel: false,
  onNode: false,
  serves: ({ service, mode, replyBytes: reply }) => {
    return service === 'sink' || (service === 'fixed' && mode !== 'idle' && reply <= LONGEST_ANSWER);
  },
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
  serves: all,
  prepare: () => undefined,
  command: nodeServer('kernel'),
};

const epoll: Peer = {
  name: 'epoll',
  title: 'C, epoll',
  onKernel: true,
  onNode: false,
  serves: fixed,
  prepare({ folder }) {
    const source = join(ROOT, 'bench/peers/epoll-server.c');
    const { status, error } = spawnSync('cc', ['-O2', '-o', join(folder, 'epoll-server'), source]);
    if (error !== undefined) return 'no C compiler is installed';
    return status === 0 ? undefined : 'it does not compile here';
  },
  command(work, { folder }) {
    const length = work.service === 'sink' ? PATTERN_PERIOD : work.replyBytes;
    const file = join(folder, `reply-${length}`);
    writeFileSync(file, replyBytes(length));
    return [join(folder, 'epoll-server'), `${PORT}`, `${requestBytesOf(work)}`, file];
  },
};

const nginx: Peer = {
  name: 'nginx',
  title: 'nginx, one worker',
  onKernel: true,
  onNode: false,
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
];
