// What runs on each core in cores.test.ts: an echo server that tells where its connections came from, or a client that opens
// connections and tells on which tuples.

import * as mtcp from '../../src/index.js';
import { Rss } from '../../src/nic/rss.js';
import type { XdpNic } from '../../src/nic/xdp-nic.js';
import { Endpoint, parseV4 } from '../../src/stack/wire/address.js';

/** What a core is to do. */
export type Task =
  | { role: 'echo'; port: number }
  | { role: 'dial'; address: string; port: number; connections: number; predict: boolean }
  | { role: 'throw' };

/** What a core tells when it ends. */
export interface CoreReport {
  connections: number;
  /** Connections whose tuple the device's description gives to another core, or mTCP's prediction does. */
  elsewhere: number;
  errors: number;
  handedIn: number;
  handedOut: number;
  resets: number;
  /** Connections, and frames in the stack's hands, that are left at the end. */
  left: number;
  held: number;
}

export default function program(core: mtcp.Core): void {
  const task = core.data as Task;
  if (task.role === 'throw') throw new Error(`core ${core.cpu} has had enough`);
  const report = task.role === 'echo' ? echo(core, task.port) : dial(core, task);
  core.post(report);
}

function summary(core: mtcp.Core): CoreReport {
  const { CoreInFrames, CoreOutFrames, TcpOutRsts } = core.mctx.stack.counters;
  return {
    connections: 0,
    elsewhere: 0,
    errors: 0,
    handedIn: CoreInFrames,
    handedOut: CoreOutFrames,
    resets: TcpOutRsts,
    left: core.mctx.stack.tcp.core.demux.size,
    held: (core.mctx.nic as XdpNic).owners().held,
  };
}

const local = new Endpoint();
const remote = new Endpoint();

/** Tells whether the description of the device has another queue than this core's for a connection. */
function isElsewhere(
  core: mtcp.Core,
  rss: Rss | undefined,
  here: mtcp.SockAddr,
  there: mtcp.SockAddr,
): boolean {
  if (rss === undefined) return false;
  local.setV4(parseV4(here.address)!);
  local.port = here.port;
  remote.setV4(parseV4(there.address)!);
  remote.port = there.port;
  return rss.queueOf(local, remote) !== core.cpu;
}

function echo(core: mtcp.Core, port: number): CoreReport {
  const { mctx } = core;
  const rss = Rss.of(mctx.nic.capabilities.rss);
  const epoll = mtcp.mtcp_epoll_create(mctx, 1024);
  const listener = mtcp.mtcp_socket(mctx, mtcp.AF_INET, mtcp.SOCK_STREAM);
  mtcp.mtcp_setsock_nonblock(mctx, listener);
  mtcp.mtcp_bind(mctx, listener, mtcp.sockaddr_in('0.0.0.0', port));
  mtcp.mtcp_listen(mctx, listener, 1024);
  mtcp.mtcp_epoll_ctl(mctx, epoll, mtcp.MTCP_EPOLL_CTL_ADD, listener, { events: mtcp.MTCP_EPOLLIN });
  const events = mtcp.mtcp_epoll_events(64);
  const buffer = new Uint8Array(65_536);
  const here = new mtcp.SockAddr();
  const there = new mtcp.SockAddr();
  let [connections, elsewhere, errors] = [0, 0, 0];
  const accept = (): void => {
    for (let id = 0; (id = mtcp.mtcp_accept(mctx, listener, there)) >= 0; ) {
      mtcp.mtcp_setsock_nonblock(mctx, id);
      connections++;
      mtcp.mtcp_getsockname(mctx, id, here);
      if (isElsewhere(core, rss, here, there)) elsewhere++;
      mtcp.mtcp_epoll_ctl(mctx, epoll, mtcp.MTCP_EPOLL_CTL_ADD, id, { events: mtcp.MTCP_EPOLLIN });
    }
  };
  const answer = (id: number): void => {
    const n = mtcp.mtcp_read(mctx, id, buffer);
    if (n === 3 && Buffer.from(buffer.subarray(0, 3)).toString() === 'die') throw new Error('told to die');
    if (n > 0) mtcp.mtcp_write(mctx, id, buffer, n);
    else if (n === 0 || mtcp.errno !== mtcp.EAGAIN) {
      if (n < 0) errors++;
      mtcp.mtcp_close(mctx, id);
    }
  };
  while (!core.stopping) {
    const count = mtcp.mtcp_epoll_wait(mctx, epoll, events, events.length, -1);
    for (let i = 0; i < count; i++) {
      const { sockid } = events[i].data;
      if (sockid === listener) accept();
      else answer(sockid);
    }
  }
  return { ...summary(core), connections, elsewhere, errors };
}

function dial(core: mtcp.Core, task: Extract<Task, { role: 'dial' }>): CoreReport {
  const { mctx } = core;
  const rss = Rss.of(mctx.nic.capabilities.rss);
  const to = mtcp.sockaddr_in(task.address, task.port);
  const here = new mtcp.SockAddr();
  const buffer = new Uint8Array(64);
  let [connections, elsewhere, errors] = [0, 0, 0];
  mtcp.mtcp_init_rss(mctx, mtcp.INADDR_ANY, 1, task.address, task.port);
  for (let i = 0; i < task.connections; i++) {
    const id = mtcp.mtcp_socket(mctx, mtcp.AF_INET, mtcp.SOCK_STREAM);
    if (mtcp.mtcp_connect(mctx, id, to) < 0) errors++;
    else {
      connections++;
      mtcp.mtcp_getsockname(mctx, id, here);
      const predicted = task.predict
        ? mtcp.GetRSSCPUCore(task.address, here.address, task.port, here.port, core.cores)
        : core.cpu;
      if (predicted !== core.cpu || isElsewhere(core, rss, here, to)) elsewhere++;
      if (mtcp.mtcp_recv(mctx, id, buffer, 6, mtcp.MSG_WAITALL) !== 6) errors++;
    }
    mtcp.mtcp_close(mctx, id);
  }
  const epoll = mtcp.mtcp_epoll_create(mctx, 1);
  // Those of which we have sent the first FIN are in TIME-WAIT for a moment.
  for (let i = 0; i < 500 && mctx.stack.tcp.core.demux.size > 0; i++)
    mtcp.mtcp_epoll_wait(mctx, epoll, [], 1, 10);
  // Frames for other cores may still come to this one's queue.
  core.post('done');
  while (!core.stopping) mtcp.mtcp_epoll_wait(mctx, epoll, [], 1, -1);
  return { ...summary(core), connections, elsewhere, errors };
}
