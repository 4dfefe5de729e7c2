// Connections that the stack opens to the kernel: how they fail, for calls that block and for epoll with SO_ERROR, and that very many
// of them one after another leave nothing behind.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import * as api from '../../src/index.js';
import type { XdpNic } from '../../src/nic/xdp-nic.js';
import { type Lab, labReason, makeLab } from '../support/netns.js';

const skip = labReason() ?? false;
const PEER = fileURLToPath(new URL('./kernel-peer.js', import.meta.url));
const PORT = 7000;
/** Connections one after another; ACTIVE_OPENS for the long form. */
const OPENS = Number(process.env.ACTIVE_OPENS ?? 5000);
t.setTimeout(0);

/** Addresses of nobody: the first has a neighbour entry, so that its SYNs leave and are dropped; the second answers no ARP. */
const dropped = (network: number): string => `10.77.${network}.200`;
const absent = (network: number): string => `10.77.${network}.201`;

function setUp(t: Test, network: number): { lab: Lab; mctx: api.Context } {
  const lab = makeLab('mtcp-t-opens', { network });
  t.teardown(() => lab.close());
  const { netns, iface } = lab.near;
  const options = {
    iface,
    netns,
    address: `${lab.stackAddress}/24`,
    neighbours: { [dropped(network)]: lab.far.mac },
    // ARP gives up, after a second, before the SYNs do, after three.
    sysctl: { tcp_syn_retries: 1, 'net.ipv4.neigh.default.mcast_solicit': 1 },
  };
  if (api.mtcp_init(options) !== 0) throw new Error(api.mtcp_last_error());
  t.teardown(() => void api.mtcp_destroy());
  const mctx = api.mtcp_create_context(0);
  if (mctx === null) throw new Error(api.mtcp_last_error());
  return { lab, mctx };
}

/** Tells what `mtcp_connect` answers. */
function connect(mctx: api.Context, id: number, address: string): string {
  const result = api.mtcp_connect(mctx, id, api.sockaddr_in(address, PORT));
  return result === 0 ? 'connected' : api.errnoName(api.errno);
}

/** Connects without blocking, waits for the event, and tells it and what SO_ERROR has, twice. */
function connectByEpoll(mctx: api.Context, epoll: number, address: string): string[] {
  const id = api.mtcp_socket(mctx, api.AF_INET, api.SOCK_STREAM);
  api.mtcp_setsock_nonblock(mctx, id);
  const told = [connect(mctx, id, address)];
  api.mtcp_epoll_ctl(mctx, epoll, api.MTCP_EPOLL_CTL_ADD, id, { events: api.MTCP_EPOLLOUT });
  const events = api.mtcp_epoll_events(4);
  if (api.mtcp_epoll_wait(mctx, epoll, events, 4, 30_000) !== 1) told.push('no event');
  told.push(api.EventToString(events[0].events));
  for (let i = 0; i < 2; i++) {
    const value = new Int32Array(1);
    api.mtcp_getsockopt(mctx, id, api.SOL_SOCKET, api.SO_ERROR, value);
    told.push(value[0] === 0 ? 'none' : api.errnoName(value[0]));
  }
  api.mtcp_close(mctx, id);
  return told;
}

t.test('a connect that fails says why, blocking and through epoll and SO_ERROR', { skip }, async (t) => {
  const network = 81;
  const { lab, mctx } = setUp(t, network);
  const epoll = api.mtcp_epoll_create(mctx, 16);
  const { counters } = mctx.stack;
  const before = mctx.sockets.used;
  for (const [what, address, error, syns] of [
    ['a closed port', lab.far.address, 'ECONNREFUSED', 1],
    ['an address whose packets are dropped', dropped(network), 'ETIMEDOUT', 2],
    ['an address that answers no ARP', absent(network), 'EHOSTUNREACH', 0],
  ] as const) {
    const sent = counters.TcpOutSegs + counters.TcpRetransSegs;
    const id = api.mtcp_socket(mctx, api.AF_INET, api.SOCK_STREAM);
    t.equal(connect(mctx, id, address), error, `${what}: blocking`);
    if (syns > 0) t.equal(counters.TcpOutSegs + counters.TcpRetransSegs - sent, syns, `${what}: SYNs`);
    api.mtcp_close(mctx, id);
    const told = connectByEpoll(mctx, epoll, address);
    t.same(
      told,
      ['EINPROGRESS', 'MTCP_EPOLLOUT|MTCP_EPOLLERR|MTCP_EPOLLHUP', error, 'none'],
      `${what}: through epoll`,
    );
  }
  t.equal(mctx.sockets.used, before);
  t.equal(mctx.stack.tcp.core.demux.allocated, 0);
});

/** What a context holds, by kind. */
function holdings(mctx: api.Context): Record<string, number> {
  const { demux, buffers, wheel } = mctx.stack.tcp.core;
  return {
    sockets: mctx.sockets.used,
    blocks: demux.allocated,
    tuples: demux.size,
    buffers: buffers.inUse,
    timers: wheel.size,
    held: (mctx.nic as XdpNic).owners().held,
  };
}

t.test('connections one after another leave nothing behind', { skip }, async (t) => {
  const { lab, mctx } = setUp(t, 82);
  const peer = spawn(
    'ip',
    ['netns', 'exec', lab.far.netns, process.execPath, PEER, 'greet', lab.far.address, String(PORT)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  t.teardown(() => peer.kill('SIGKILL'));
  await once(peer.stdout!, 'data');
  const buffer = new Uint8Array(64);
  const failures = new Map<string, number>();
  const open = (): void => {
    const id = api.mtcp_socket(mctx, api.AF_INET, api.SOCK_STREAM);
    let result = connect(mctx, id, lab.far.address);
    if (result === 'connected') {
      if (api.mtcp_recv(mctx, id, buffer, 6, api.MSG_WAITALL) !== 6) result = 'short';
      else if (api.mtcp_read(mctx, id, buffer) !== 0) result = 'no end';
    }
    api.mtcp_close(mctx, id);
    if (result !== 'connected') failures.set(result, (failures.get(result) ?? 0) + 1);
  };
  /** Lets the last acknowledgements come. */
  const settle = (): void => {
    const epoll = api.mtcp_epoll_create(mctx, 1);
    for (let i = 0; i < 100 && mctx.stack.tcp.core.demux.allocated > 0; i++) {
      api.mtcp_epoll_wait(mctx, epoll, [], 1, 50);
    }
    api.mtcp_close(mctx, epoll);
  };
  open();
  settle();
  const before = holdings(mctx);
  for (let i = 0; i < OPENS; i++) open();
  settle();
  t.same([...failures], [], `${OPENS} connections without an error`);
  t.same(holdings(mctx), before, 'as after the first one');
  t.equal(mctx.stack.counters.TcpActiveOpens, OPENS + 1);
});
