// One connection on a clean path fills it, with buffers that grow by themselves: measured in virtual time, and once the first
// loss of slow start has been repaired. What is wanted are payload bytes; headers take 3.5 % of the link.

import t from 'tap';
import {
  AF_INET,
  mtcp_accept,
  mtcp_bind,
  mtcp_connect,
  mtcp_listen,
  mtcp_read,
  mtcp_setsock_nonblock,
  mtcp_socket,
  mtcp_write,
  SOCK_STREAM,
  sockaddr_in,
} from '../../src/index.js';
import type { PathOptions } from '../../src/nic/path.js';
import { createHost, joinHosts, World } from '../../src/testing/index.js';

t.setTimeout(0);

interface Outcome {
  /** Payload bits per second of virtual time between the two marks. */
  bps: number;
  timeouts: number;
  retransmitted: number;
  dropped: number;
}

/** Sends without end, and measures what arrives between `fromUs` and `toUs`. */
function measure(
  path: PathOptions,
  sysctl: Record<string, number | string>,
  fromUs: number,
  toUs: number,
  mtu = 1500,
): Outcome {
  const world = new World();
  const nic = { frames: mtu > 9000 ? 1024 : 32_768, bigFrames: 16 };
  const shared = { link: 'ip', sysctl, mtu, world, nic } as const;
  const sender = createHost({ ...shared, addresses: ['10.0.0.1/24'], seed: 1 });
  const receiver = createHost({ ...shared, addresses: ['10.0.0.2/24'], seed: 2 });
  const wire = joinHosts(sender, receiver, { seed: 3, ...path });
  const listening = mtcp_socket(receiver.mctx, AF_INET, SOCK_STREAM, 0);
  mtcp_bind(receiver.mctx, listening, sockaddr_in('10.0.0.2', 80));
  mtcp_listen(receiver.mctx, listening, 1);
  mtcp_setsock_nonblock(receiver.mctx, listening);
  const data = new Uint8Array(1 << 20);
  let accepted = -1;
  let read = 0;
  receiver.onTurn = () => {
    if (accepted < 0) {
      accepted = mtcp_accept(receiver.mctx, listening);
      if (accepted < 0) return;
      mtcp_setsock_nonblock(receiver.mctx, accepted);
    }
    let count = 0;
    while ((count = mtcp_read(receiver.mctx, accepted, data)) > 0) read += count;
  };
  const socket = mtcp_socket(sender.mctx, AF_INET, SOCK_STREAM, 0);
  mtcp_connect(sender.mctx, socket, sockaddr_in('10.0.0.2', 80));
  mtcp_setsock_nonblock(sender.mctx, socket);
  const out = new Uint8Array(1 << 18);
  sender.onTurn = () => {
    while (mtcp_write(sender.mctx, socket, out, out.length) > 0);
  };
  sender.onTurn();
  while (world.now < fromUs) world.step(fromUs);
  const [before, began] = [read, world.now];
  while (world.now < toUs) world.step(toUs);
  const { TcpExtTCPTimeouts, TcpRetransSegs } = sender.stack.counters;
  return {
    bps: ((read - before) * 8 * 1e6) / (world.now - began),
    timeouts: TcpExtTCPTimeouts,
    retransmitted: TcpRetransSegs,
    dropped: wire.aToB.counts.overflowed,
  };
}

t.test(
  '100 Mbit/s and 50 ms with a queue of one round trip: within 5 % of the link, as it comes',
  async (t) => {
    const path = { bandwidthBps: 100_000_000, delayUs: 25_000, queueFrames: 417 };
    const { bps, timeouts, retransmitted, dropped } = measure(path, {}, 3_000_000, 13_000_000);
    t.ok(bps >= 95_000_000, `${(bps / 1e6).toFixed(2)} Mbit/s`);
    t.equal(timeouts, 0);
    t.equal(retransmitted, dropped, 'only what was dropped is sent again');
  },
);

t.test('1 Gbit/s and 100 ms: one flow fills the pipe when buffers may grow that far', async (t) => {
  const path = { bandwidthBps: 1_000_000_000, delayUs: 50_000, queueFrames: 8_333 };
  const sysctl = { tcp_rmem: '4096 131072 67108864', tcp_wmem: '4096 65536 33554432' };
  const { bps, timeouts } = measure(path, sysctl, 3_000_000, 5_000_000);
  t.ok(bps >= 950_000_000, `${(bps / 1e6).toFixed(1)} Mbit/s`);
  t.equal(timeouts, 0);
});

t.test('the window grows also where it holds only a few segments at first', async (t) => {
  const path = { bandwidthBps: 10_000_000_000, delayUs: 500, queueFrames: 200 };
  for (const mtu of [9000, 65_535]) {
    const { bps } = measure(path, {}, 300_000, 400_000, mtu);
    t.ok(bps >= 9_000_000_000, `${(bps / 1e9).toFixed(2)} Gbit/s at MTU ${mtu}`);
  }
});
