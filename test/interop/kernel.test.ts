// The stack on AF_XDP against the kernel's own TCP over a veth pair: both as server and as client, 100 MB each way compared by
// SHA-256, and a thousand connections at once.

import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import {
  AF_INET,
  type Context,
  errno,
  MTCP_EPOLL_CTL_ADD,
  MTCP_EPOLLIN,
  type MtcpOptions,
  mtcp_accept,
  mtcp_bind,
  mtcp_close,
  mtcp_connect,
  mtcp_create_context,
  mtcp_destroy,
  mtcp_destroy_context,
  mtcp_epoll_create,
  mtcp_epoll_ctl,
  mtcp_epoll_events,
  mtcp_epoll_wait,
  mtcp_init,
  mtcp_listen,
  mtcp_read,
  mtcp_setsock_nonblock,
  mtcp_shutdown,
  mtcp_socket,
  mtcp_write,
  SHUT_WR,
  SOCK_STREAM,
  sockaddr_in,
} from '../../src/index.js';
import { FaultNic } from '../../src/nic/fault-nic.js';
import { openXdpNic } from '../../src/nic/open-xdp-nic.js';
import type { PathOptions } from '../../src/nic/path.js';
import { type Lab, labReason, makeLab } from '../support/netns.js';
import { patternAt, patternHash } from './pattern.js';

const reason = labReason();
const MEGABYTE = 1_000_000;
const PEER = fileURLToPath(new URL('./kernel-peer.js', import.meta.url));

/** A peer program and what it reports, line by line. */
class Peer {
  readonly child: ChildProcess;
  readonly #lines: string[] = [];
  readonly #waiting: ((line: string) => void)[] = [];

  constructor(t: Test, lab: Lab, ...args: (string | number)[]) {
    const command = ['netns', 'exec', lab.far.netns, process.execPath, PEER, ...args.map(String)];
    this.child = spawn('ip', command, { stdio: ['ignore', 'pipe', 'inherit'] });
    t.teardown(() => this.child.kill('SIGKILL'));
    createInterface({ input: this.child.stdout! }).on('line', (line) => {
      const waiter = this.#waiting.shift();
      if (waiter === undefined) this.#lines.push(line);
      else waiter(line);
    });
  }

  async report(): Promise<Record<string, unknown>> {
    const line = this.#lines.shift() ?? (await new Promise<string>((resolve) => this.#waiting.push(resolve)));
    return JSON.parse(line) as Record<string, unknown>;
  }
}

/** Options of the stack, the MTU of the veth pair, and faults of the link in both directions. */
interface Setting extends Partial<MtcpOptions> {
  faults?: PathOptions;
  /** net.ipv4.tcp_ecn of the kernel. */
  kernelEcn?: number;
}

/** A lab and a context on its near end, both gone when the test ends. */
function setUp(t: Test, setting: Setting = {}): { lab: Lab; mctx: Context } {
  const { faults, kernelEcn, mtu = 1500, ...options } = setting;
  const lab = makeLab('mtcp-t-io', { mtu });
  t.teardown(() => lab.close());
  if (kernelEcn !== undefined) lab.run(lab.far, 'sysctl', '-qw', `net.ipv4.tcp_ecn=${kernelEcn}`);
  const { netns, iface } = lab.near;
  const address = `${lab.stackAddress}/24`;
  let result: number;
  if (faults === undefined) {
    result = mtcp_init({ iface, netns, address, ...options });
  } else {
    const inner = openXdpNic({ iface, netns, addresses: [lab.stackAddress] });
    const clock = (): number => Math.floor(performance.now() * 1000);
    const nic = new FaultNic(inner, { seed: 1, rx: faults, tx: faults }, clock);
    t.teardown(() => nic.close());
    result = mtcp_init({ nic, address, ...options });
  }
  if (result !== 0) throw new Error(`mtcp_init: errno ${errno}`);
  const mctx = mtcp_create_context(0);
  if (mctx === null) throw new Error(`mtcp_create_context: errno ${errno}`);
  t.teardown(() => {
    mtcp_destroy_context(mctx);
    mtcp_destroy();
  });
  return { lab, mctx };
}

function listening(mctx: Context, lab: Lab, port: number): number {
  const socket = mtcp_socket(mctx, AF_INET, SOCK_STREAM, 0);
  mtcp_bind(mctx, socket, sockaddr_in(lab.stackAddress, port));
  if (mtcp_listen(mctx, socket, 2048) !== 0) throw new Error(`mtcp_listen: errno ${errno}`);
  return socket;
}

/** Writes the pattern; returns the bytes written. */
function pour(mctx: Context, socket: number, size: number): number {
  let at = 0;
  while (at < size) {
    const sent = mtcp_write(mctx, socket, patternAt(at, Math.min(32_768, size - at)));
    if (sent <= 0) break;
    at += sent;
  }
  return at;
}

/** Reads to the end of the stream: what is in front of the first newline when `headed`, and length and hash of the rest. */
function drain(
  mctx: Context,
  socket: number,
  headed: boolean,
): { head: string; length: number; hash: string } {
  const buffer = Buffer.alloc(131_072);
  const hash = createHash('sha256');
  let head = '';
  let length = 0;
  for (;;) {
    const got = mtcp_read(mctx, socket, buffer);
    if (got <= 0) break;
    let from = 0;
    while (headed && !head.endsWith('\n') && from < got) head += String.fromCharCode(buffer[from++]!);
    hash.update(buffer.subarray(from, got));
    length += got - from;
  }
  return { head: head.trim(), length, hash: hash.digest('hex') };
}

async function stackServes(t: Test, size: number, setting: Setting): Promise<Context> {
  const { lab, mctx } = setUp(t, setting);
  const listener = listening(mctx, lab, 9000);
  const peer = new Peer(t, lab, 'client', lab.stackAddress, 9000, size);
  const socket = mtcp_accept(mctx, listener, null);
  t.ok(socket >= 0, 'a connection of the kernel is accepted');
  const received = drain(mctx, socket, false);
  t.equal(received.length, size, 'every byte of the kernel arrives');
  t.equal(received.hash, patternHash(size), 'and is right');
  const greeting = Buffer.from(`${received.hash}\n`);
  t.equal(mtcp_write(mctx, socket, greeting), greeting.length);
  t.equal(pour(mctx, socket, size), size);
  t.equal(mtcp_close(mctx, socket), 0);
  // The rest of the buffer leaves while the loop turns.
  const { counters } = mctx.stack;
  const done = peer.report();
  const timer = setInterval(() => mctx.turn(), 0);
  const result = await done;
  clearInterval(timer);
  t.match(result, { received: size, hash: patternHash(size), echoed: patternHash(size) });
  t.equal(counters.TcpInCsumErrors, 0, 'no checksum was wrong');
  // A peer that does not get its CPU in time is probed.
  const { TcpRetransSegs, TcpExtTCPLossProbes } = counters;
  if (setting.faults === undefined)
    t.ok(TcpRetransSegs <= TcpExtTCPLossProbes, 'nothing but probes was sent again');
  if (setting.faults?.loss) t.ok(counters.TcpRetransSegs > 0, 'what was lost was sent again');
  return mctx;
}

async function stackConnects(t: Test, size: number, setting: Setting): Promise<Context> {
  const { lab, mctx } = setUp(t, setting);
  const peer = new Peer(t, lab, 'serve', lab.far.address, 9001, size);
  t.match(await peer.report(), { listening: true });
  const socket = mtcp_socket(mctx, AF_INET, SOCK_STREAM, 0);
  t.equal(mtcp_connect(mctx, socket, sockaddr_in(lab.far.address, 9001)), 0, 'the kernel accepts');
  t.equal(pour(mctx, socket, size), size);
  t.equal(mtcp_shutdown(mctx, socket, SHUT_WR), 0);
  const received = drain(mctx, socket, true);
  t.equal(received.head, patternHash(size), 'the kernel got the right bytes');
  t.equal(received.length, size, 'every byte of the kernel arrives');
  t.equal(received.hash, patternHash(size), 'and is right');
  mtcp_close(mctx, socket);
  t.match(await peer.report(), { received: size });
  t.equal(mctx.stack.counters.TcpInCsumErrors, 0, 'no checksum was wrong');
  return mctx;
}

t.test(
  'a kernel client sends 100 MB to the stack and gets 100 MB back',
  { skip: reason ?? false },
  async (t) => {
    await stackServes(t, 100 * MEGABYTE, {});
  },
);

t.test(
  'the stack sends 100 MB to a kernel server and gets 100 MB back',
  { skip: reason ?? false },
  async (t) => {
    await stackConnects(t, 100 * MEGABYTE, {});
  },
);

t.test('the same in generic XDP mode', { skip: reason ?? false }, async (t) => {
  await stackServes(t, 10 * MEGABYTE, { mode: 'skb' });
});

t.test('the same without timestamps, window scaling and SACK', { skip: reason ?? false }, async (t) => {
  const sysctl = { tcp_timestamps: 0, tcp_window_scaling: 0, tcp_sack: 0 };
  await stackServes(t, 10 * MEGABYTE, { sysctl });
});

for (const mtu of [9000, 65_535]) {
  t.test(
    `the same with packets of ${mtu} bytes, in several buffers each`,
    { skip: reason ?? false },
    async (t) => {
      await t.test('summed by the device', async (t) => {
        const { nic } = await stackServes(t, 50 * MEGABYTE, { mtu });
        t.equal(nic.capabilities.txChecksum, true);
      });
      await t.test('summed by the stack', async (t) => {
        await stackServes(t, 10 * MEGABYTE, { mtu, txChecksum: 'stack' });
      });
      await t.test('the stack connects', async (t) => {
        await stackConnects(t, 50 * MEGABYTE, { mtu });
      });
    },
  );
}

t.test('the same over a link that loses, duplicates and reorders', { skip: reason ?? false }, async (t) => {
  const faults = { loss: 0.01, duplicate: 0.01, reorder: 0.01, reorderDelayUs: 500 };
  await t.test('the kernel connects', (t) => stackServes(t, 10 * MEGABYTE, { faults }));
  await t.test('the stack connects', (t) => stackConnects(t, 10 * MEGABYTE, { faults }));
});

t.test(
  'ECN with the kernel: marks are echoed and answered, both ways',
  { skip: reason ?? false },
  async (t) => {
    const setting: Setting = { faults: { mark: 0.01 }, sysctl: { tcp_ecn: 1 }, kernelEcn: 1 };
    const check = (t: Test, { stack }: Context): void => {
      const { IpExtInCEPkts, TcpExtTCPDeliveredCE, TcpRetransSegs, TcpExtTCPLossProbes } = stack.counters;
      t.ok(IpExtInCEPkts > 0, `${IpExtInCEPkts} packets of the kernel arrived marked`);
      t.ok(TcpExtTCPDeliveredCE > 0, `the kernel told of ${TcpExtTCPDeliveredCE} marked packets of ours`);
      t.ok(TcpRetransSegs <= TcpExtTCPLossProbes, 'nothing but probes was sent again');
    };
    await t.test('the kernel connects', async (t) => check(t, await stackServes(t, 10 * MEGABYTE, setting)));
    await t.test('the stack connects', async (t) => check(t, await stackConnects(t, 10 * MEGABYTE, setting)));
  },
);

t.test('a thousand connections of the kernel are open at once', { skip: reason ?? false }, async (t) => {
  const count = 1000;
  const { lab, mctx } = setUp(t);
  const listener = listening(mctx, lab, 9002);
  mtcp_setsock_nonblock(mctx, listener);
  const peer = new Peer(t, lab, 'many', lab.stackAddress, 9002, count);
  const epoll = mtcp_epoll_create(mctx, 1024);
  const events = mtcp_epoll_events(1024);
  mtcp_epoll_ctl(mctx, epoll, MTCP_EPOLL_CTL_ADD, listener, {
    events: MTCP_EPOLLIN,
    data: { sockid: listener },
  });
  const buffer = Buffer.alloc(4096);
  let accepted = 0;
  let closed = 0;
  let open = 0;
  let most = 0;
  const deadline = Date.now() + 60_000;
  while (closed < count && Date.now() < deadline) {
    const ready = mtcp_epoll_wait(mctx, epoll, events, 1024, 100);
    for (let i = 0; i < ready; i++) {
      const { sockid } = events[i]!.data;
      if (sockid === listener) {
        for (;;) {
          const socket = mtcp_accept(mctx, listener, null);
          if (socket < 0) break;
          accepted++;
          most = Math.max(most, ++open);
          mtcp_setsock_nonblock(mctx, socket);
          mtcp_epoll_ctl(mctx, epoll, MTCP_EPOLL_CTL_ADD, socket, {
            events: MTCP_EPOLLIN,
            data: { sockid: socket },
          });
        }
        continue;
      }
      const got = mtcp_read(mctx, sockid!, buffer);
      if (got > 0) mtcp_write(mctx, sockid!, buffer, got);
      else {
        mtcp_close(mctx, sockid!);
        closed++;
        open--;
      }
    }
  }
  const timer = setInterval(() => mctx.turn(), 0);
  const result = await peer.report();
  clearInterval(timer);
  t.equal(accepted, count);
  t.equal(most, count, 'all were open together');
  t.match(result, { open: count, right: count, errors: [] });
});
