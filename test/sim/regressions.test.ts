// What simulations and the fuzzer have found, each in a few packets, and the drops that chance alone does not meet.

import t from 'tap';
import {
  AF_INET,
  IPPROTO_TCP,
  mtcp_accept,
  mtcp_bind,
  mtcp_close,
  mtcp_connect,
  mtcp_listen,
  mtcp_read,
  mtcp_setsock_nonblock,
  mtcp_setsockopt,
  mtcp_socket,
  mtcp_write,
  SOCK_STREAM,
  sockaddr_in,
  TCP_NODELAY,
} from '../../src/index.js';
import { MAX_RANGES } from '../../src/stack/tcp/reassembly.js';
import { finish, sum } from '../../src/stack/wire/checksum.js';
import { buildIpv4, createHost, type Host } from '../../src/testing/index.js';
import { HOST_IP, PEER_IP, Peer, type PeerConnection } from '../property/peer.js';
import { makeCrowd } from './scenario.js';
import { simulate } from './simulation.js';

const PORT = 80;

interface Scene {
  host: Host;
  peer: Peer;
  connection: PeerConnection;
  listening: number;
  /** The accepted socket. */
  socket: number;
}

function listen(sysctl: Record<string, number | string>, backlog = 4): Omit<Scene, 'connection' | 'socket'> {
  const host = createHost({
    addresses: [`${HOST_IP}/24`],
    link: 'ip',
    sysctl: { tcp_timestamps: 0, ...sysctl },
  });
  const listening = mtcp_socket(host.mctx, AF_INET, SOCK_STREAM, 0);
  mtcp_setsock_nonblock(host.mctx, listening);
  mtcp_bind(host.mctx, listening, sockaddr_in(HOST_IP, PORT));
  mtcp_listen(host.mctx, listening, backlog);
  return { host, peer: new Peer(host), listening };
}

/** A connection from a hand-made peer that offers `wnd` bytes. */
function establish(sysctl: Record<string, number | string> = {}, wnd = 65_535, wscale?: number): Scene {
  const scene = listen(sysctl);
  const { host, peer, listening } = scene;
  const connection = peer.connection(PORT, 5000);
  peer.send(connection, 'S', {
    ack: 0,
    wnd,
    options: { mss: 1460, ...(wscale === undefined ? {} : { wscale }) },
  });
  peer.send(connection, '.', { wnd });
  const socket = mtcp_accept(host.mctx, listening);
  mtcp_setsock_nonblock(host.mctx, socket);
  return { ...scene, connection, socket };
}

t.test('a window closes although its scale is coarse and segments are tiny', async (t) => {
  // Rounded up with every segment, the offered window never shrank and the buffer grew without limit (RFC 7323 2.4).
  const { host, peer, connection } = establish({ tcp_rmem: '4096 8192 6291456' }, 65_535, 7);
  const room = 4096;
  for (let sent = 0; sent < 2 * room; sent++) peer.send(connection, 'P.', { payload: 'x' });
  const tcb = host.stack.tcp.core.demux.at(0)!;
  t.ok(tcb.recvBuffer.length <= room + 128, `${tcb.recvBuffer.length} bytes were taken`);
  t.equal(connection.wnd, 0, 'and the window is closed');
});

t.test('a receive buffer smaller than a unit of the scale opens its window again', async (t) => {
  const { host, peer, connection, socket } = establish({ tcp_rmem: '4096 8192 1073741824' }, 65_535, 14);
  peer.send(connection, '.', { payload: 'x'.repeat(1460) });
  peer.send(connection, '.', { payload: 'x'.repeat(1460) });
  peer.send(connection, '.', { payload: 'x'.repeat(1460) });
  t.equal(connection.wnd, 0, 'full');
  mtcp_read(host.mctx, socket, new Uint8Array(8192));
  peer.send(connection, '.', { seq: connection.seq - 1 });
  t.equal(connection.wnd, 1, 'read, and open by one unit of 16,384 bytes');
});

t.test('probes outlast the silence that a peer may keep between two answers (RFC 5961 10)', async (t) => {
  const { host, peer, connection, socket } = establish({ tcp_rto_min_us: 1000 });
  peer.send(connection, '.', { wnd: 0 });
  mtcp_write(host.mctx, socket, new Uint8Array(100));
  mtcp_close(host.mctx, socket);
  host.advance(20_000_000);
  t.equal(host.stack.tcp.core.demux.size, 1, 'an orphan before a closed window lives on');
});

t.test('data on a SYN-ACK is cut to the window (RFC 9293 3.10.7.3)', async (t) => {
  const sysctl = { tcp_timestamps: 0, tcp_rmem: '4096 4096 6291456' };
  const host = createHost({ addresses: [`${HOST_IP}/24`], link: 'ip', sysctl });
  const peer = new Peer(host);
  const socket = mtcp_socket(host.mctx, AF_INET, SOCK_STREAM, 0);
  mtcp_setsock_nonblock(host.mctx, socket);
  mtcp_bind(host.mctx, socket, sockaddr_in(HOST_IP, 3000));
  mtcp_connect(host.mctx, socket, sockaddr_in(PEER_IP, 5000));
  const connection = peer.connection(3000, 5000);
  const [syn] = peer.listen();
  peer.send(connection, 'S.', { payload: 'x'.repeat(5000) });
  const taken = host.stack.tcp.core.demux.at(0)!.recvBuffer.length;
  t.equal(taken, syn?.tcp?.wnd, 'exactly the window of the SYN was taken');
});

t.test('data on the SYN-ACK of a simultaneous open is cut to the window', async (t) => {
  const { host, peer } = listen({ tcp_rmem: '4096 4096 6291456' });
  const connection = peer.connection(PORT, 5000);
  const [synAck] = peer.send(connection, 'S', { ack: 0, options: { mss: 1460 } });
  peer.send(connection, 'S.', { seq: connection.seq - 1, payload: 'x'.repeat(5000) });
  t.equal(host.stack.tcp.core.demux.at(0)!.recvBuffer.length, synAck?.tcp?.wnd);
});

t.test('a small RTO does not make the stack give up early (RFC 9293 3.8.3, SHLD-11)', async (t) => {
  const { host, peer, socket } = establish({ tcp_rto_min_us: 1000 });
  mtcp_write(host.mctx, socket, new Uint8Array(100));
  peer.listen();
  mtcp_close(host.mctx, socket);
  host.advance(100_000_000);
  t.equal(host.stack.tcp.core.demux.size, 1, 'an orphan still tries after 100 s');
  host.advance(300_000_000);
  t.equal(host.stack.tcp.core.demux.size, 0, 'and has given up after 300 s');
});

t.test(
  'a closed window is probed ever more rarely, even when the probes are answered (SHLD-30)',
  async (t) => {
    const { host, peer, connection, socket } = establish();
    peer.send(connection, '.', { wnd: 0 });
    mtcp_write(host.mctx, socket, new Uint8Array(100));
    const times: number[] = [];
    while (times.length < 6) {
      host.advance(Math.ceil(host.nextDeadline()));
      if (peer.listen().length === 0) continue;
      times.push(host.now);
      peer.send(connection, '.', { wnd: 0 });
    }
    const gaps = times.slice(1).map((time, i) => time - times[i]);
    for (let i = 1; i < gaps.length; i++)
      t.equal(gaps[i], 2 * gaps[i - 1], `interval ${i + 1} is twice the one before`);
  },
);

t.test('a window that stays small is used at last (RFC 9293 3.8.6.2.1, override timeout)', async (t) => {
  const { host, peer, connection, socket } = establish();
  peer.send(connection, '.', { wnd: 500 });
  mtcp_write(host.mctx, socket, new Uint8Array(5000));
  t.equal(peer.listen().length, 0, 'too small to be used at once');
  let arrived = 0;
  for (let i = 0; i < 20 && arrived < 5000; i++) {
    host.advance(Math.ceil(host.nextDeadline()));
    for (const { payload } of peer.listen()) arrived += payload.length;
    peer.send(connection, '.', { wnd: 500 });
  }
  t.equal(arrived, 5000, 'but everything arrives');
});

t.test(
  'after 2 GiB without a small segment or a loss, both are still dealt with (RFC 9293 3.4)',
  async (t) => {
    const { host, peer, connection, socket } = establish();
    const { snd } = host.stack.tcp.core.demux.at(0)!;
    // Nothing is in flight, so moving these is as good as having sent half a gibibyte.
    const jump = 2 ** 29;
    for (let i = 0; i < 5; i++) {
      for (const field of ['una', 'nxt', 'base', 'wl2'] as const) snd[field] = (snd[field] + jump) | 0;
      connection.ack = (connection.ack + jump) >>> 0;
      mtcp_write(host.mctx, socket, new Uint8Array(1460));
      peer.listen();
      peer.send(connection, '.');
    }
    mtcp_write(host.mctx, socket, new Uint8Array(10));
    t.equal(peer.listen().length, 1, 'a small segment leaves');
    const lost = connection.ack;
    peer.send(connection, '.');
    mtcp_write(host.mctx, socket, new Uint8Array(6 * 1460));
    peer.listen();
    for (let i = 0; i < 3; i++) peer.send(connection, '.', { ack: lost });
    t.equal(host.stack.counters.TcpExtTCPFastRetrans, 1, 'a loss is repaired at once');
  },
);

t.test(
  'a program that is off its CPU in the midst of a turn does not see round trips that are too short',
  async (t) => {
    const { host, connection, socket } = establish();
    const tcb = host.stack.tcp.core.demux.at(0)!;
    const { nic } = host.mctx;
    const flush = nic.flush.bind(nic);
    // Data leaves; then the thread gets no time until long after its ACK has come.
    const PATH_US = 50_000;
    nic.flush = () => {
      flush();
      if (tcb.snd.nxt === tcb.snd.una) return;
      nic.flush = flush;
      host.world.clock.advance(host.now + PATH_US);
      host.nic.inject(connection.packet({ flags: '.', ack: connection.ack + 1000 }));
    };
    mtcp_write(host.mctx, socket, new Uint8Array(1000));
    host.mctx.turn();
    t.equal(tcb.snd.una, tcb.snd.nxt, 'acknowledged in the same turn');
    t.equal(tcb.rtt.lastUs, PATH_US);
  },
);

t.test('without SACK the segment that an ACK was held back by counts as delivered', async (t) => {
  // One byte in a round trip was the result, and BBR paced by it for an hour (SIM_SEED=1157).
  const { host, peer, connection, socket } = establish({ tcp_sack: 0, tcp_initial_cwnd: 10 });
  const tcb = host.stack.tcp.core.demux.at(0)!;
  const lost = connection.ack;
  // Small segments: each duplicate is taken for a whole one, and all that is acknowledged then seems to be known.
  mtcp_setsockopt(host.mctx, socket, IPPROTO_TCP, TCP_NODELAY, 1, 4);
  for (let i = 0; i < 6; i++) {
    mtcp_write(host.mctx, socket, new Uint8Array(300));
    peer.listen();
    host.mctx.turn();
  }
  peer.listen();
  for (let i = 0; i < 3; i++) peer.send(connection, '.', { ack: lost });
  peer.send(connection, '.', { ack: lost + 300 });
  t.equal(host.stack.tcp.core.report.delivered, 300);
  t.equal(tcb.cc.renoSacked > 0, true, 'duplicates have told of more');
});

t.test('BBR goes on although small segments without SACK have told it of hardly any rate', async (t) => {
  t.doesNotThrow(() => simulate(1157));
});

t.test(
  'a probe of the path that is larger than all else, and lost, does not stop what is behind it',
  async (t) => {
    // The timeout let one usual segment leave; the probe was cut only when it was lost alone, and waited without a timer.
    t.doesNotThrow(() => simulate(1577, false, makeCrowd));
  },
);

t.test('drops that chance alone does not meet are counted', async (t) => {
  t.test('a range too many', async (t) => {
    const { host, peer, connection } = establish();
    for (let i = 1; i <= MAX_RANGES + 2; i++)
      peer.send(connection, '.', { seq: connection.seq + 10 * i, payload: 'x' });
    t.equal(host.stack.counters.TcpExtTCPOFODrop, 2);
  });

  t.test('a SYN that finds the listener full, and a final ACK that does', async (t) => {
    const { host, peer } = listen({}, 1);
    const half = [6000, 6001, 6002, 6003].map((port) => peer.connection(PORT, port));
    for (const connection of half) peer.send(connection, 'S', { ack: 0 });
    for (const connection of half) peer.send(connection, '.');
    t.ok(host.stack.counters.TcpExtListenOverflows > 0, 'final ACKs');
    const before = host.stack.counters.TcpExtListenDrops;
    peer.send(peer.connection(PORT, 6010), 'S', { ack: 0 });
    t.equal(host.stack.counters.TcpExtListenDrops, before + 1, 'a SYN');
  });

  t.test('a source route', async (t) => {
    const { host, peer } = listen({});
    const packet = buildIpv4({ src: PEER_IP, dst: HOST_IP, protocol: 1, payload: new Uint8Array(12) });
    packet[0] = 0x47;
    packet.set([131, 7, 4, 10, 0, 0, 3, 0], 20);
    const view = new DataView(packet.buffer);
    view.setUint16(10, 0);
    view.setUint16(10, finish(sum(view, 0, 28)));
    peer.deliver(packet);
    t.equal(host.stack.counters.IpInSourceRoutes, 1);
  });
});
