// Connections whose next hop is not known yet: what waits for ARP, and what becomes of it (RFC 826, RFC 1122 2.3.2.2).

import t from 'tap';
import {
  AF_INET,
  errno,
  errnoName,
  mtcp_bind,
  mtcp_connect,
  mtcp_getsockopt,
  mtcp_listen,
  mtcp_setsock_nonblock,
  mtcp_socket,
  SO_ERROR,
  SOCK_STREAM,
  SOL_SOCKET,
  sockaddr_in,
} from '../../src/index.js';
import {
  buildArp,
  buildEthernet,
  buildTcp,
  createHost,
  formatPacket,
  type Host,
} from '../../src/testing/index.js';

const PEER_MAC = '02:00:00:00:00:99';

/** What the host has sent since: the time in ms, and the line that tcpdump would print, without its tail. */
function sent(host: Host): string[] {
  return host.take().map(({ timeUs, bytes }) => {
    const line = formatPacket(bytes, 'ethernet');
    return `${timeUs / 1000} ${line.replace(/, seq.*|, length.*/, '')}`;
  });
}

function connect(host: Host, port: number): number {
  const id = mtcp_socket(host.mctx, AF_INET, SOCK_STREAM, 0);
  mtcp_setsock_nonblock(host.mctx, id);
  mtcp_bind(host.mctx, id, sockaddr_in('0.0.0.0', port));
  const result = mtcp_connect(host.mctx, id, sockaddr_in('10.0.0.2', 80));
  if (result !== -1 || errnoName(errno) !== 'EINPROGRESS') throw new Error(errnoName(errno));
  return id;
}

function pendingError(host: Host, id: number): string {
  const value = { value: 0 };
  mtcp_getsockopt(host.mctx, id, SOL_SOCKET, SO_ERROR, value);
  return value.value === 0 ? 'none' : errnoName(value.value);
}

const reply = (mac = PEER_MAC): Uint8Array =>
  buildArp({
    operation: 2,
    senderMac: mac,
    senderIp: '10.0.0.2',
    targetMac: '02:00:00:00:00:01',
    targetIp: '10.0.0.1',
  });

t.test('SYNs wait for the neighbour and leave in their order when it answers', async (t) => {
  const host = createHost({ addresses: ['10.0.0.1/24'] });
  connect(host, 5001);
  connect(host, 5002);
  connect(host, 5003);
  t.same(sent(host), ['0 ARP, Request who-has 10.0.0.2 tell 10.0.0.1']);
  host.advance(500_000);
  host.inject(reply());
  t.same(sent(host), [
    '500 IP 10.0.0.1.5001 > 10.0.0.2.80: Flags [S]',
    '500 IP 10.0.0.1.5002 > 10.0.0.2.80: Flags [S]',
    '500 IP 10.0.0.1.5003 > 10.0.0.2.80: Flags [S]',
  ]);
});

t.test(
  'a neighbour that does not answer is asked once a second, three times, and then connects fail',
  async (t) => {
    const host = createHost({ addresses: ['10.0.0.1/24'] });
    const id = connect(host, 5001);
    host.advance(2_999_999);
    t.same(sent(host), [
      '0 ARP, Request who-has 10.0.0.2 tell 10.0.0.1',
      '1000 ARP, Request who-has 10.0.0.2 tell 10.0.0.1',
      '2000 ARP, Request who-has 10.0.0.2 tell 10.0.0.1',
    ]);
    t.equal(pendingError(host, id), 'none');
    host.advance(3_000_000);
    t.equal(pendingError(host, id), 'EHOSTUNREACH');
    host.advance(60_000_000);
    t.same(sent(host), []);
    t.equal(host.stack.tcp.core.demux.size, 0);
    host.close();
  },
);

t.test('the queue behind an unresolved neighbour is bounded, and what it drops is counted', async (t) => {
  const host = createHost({ addresses: ['10.0.0.1/24'], sysctl: { 'net.ipv4.neigh.default.unres_qlen': 2 } });
  for (let port = 5001; port <= 5005; port++) connect(host, port);
  host.take();
  t.equal(host.stack.counters.ArpQueueDrops, 3);
  host.advance(100_000);
  host.inject(reply());
  t.equal(sent(host).length, 2);
  host.advance(1_100_000);
  t.equal(
    sent(host).filter((line) => line.includes('Flags [S]')).length,
    5,
    'the others come as retransmissions',
  );
  host.nic.check();
});

t.test('a SYN-ACK needs no ARP round trip when the peer has just asked for us', async (t) => {
  const host = createHost({ addresses: ['10.0.0.1/24'] });
  const id = mtcp_socket(host.mctx, AF_INET, SOCK_STREAM, 0);
  mtcp_bind(host.mctx, id, sockaddr_in('0.0.0.0', 80));
  mtcp_listen(host.mctx, id, 5);
  host.inject(buildArp({ operation: 1, senderMac: PEER_MAC, senderIp: '10.0.0.2', targetIp: '10.0.0.1' }));
  const syn = buildTcp({ src: '10.0.0.2', dst: '10.0.0.1', srcPort: 4000, dstPort: 80, flags: 'S' });
  host.inject(buildEthernet('02:00:00:00:00:01', PEER_MAC, syn));
  t.same(sent(host), [
    '0 ARP, Reply 10.0.0.1 is-at 02:00:00:00:00:01',
    '0 IP 10.0.0.1.80 > 10.0.0.2.4000: Flags [S.]',
  ]);
});

t.test('what is not worth an answer gets none on Ethernet either', async (t) => {
  const host = createHost({ addresses: ['10.0.0.1/24'], neighbours: { '10.0.0.2': PEER_MAC } });
  const syn = buildTcp({ src: '10.0.0.2', dst: '10.0.0.1', srcPort: 4000, dstPort: 81, flags: 'S' });
  host.inject(buildEthernet('02:00:00:00:00:07', PEER_MAC, syn));
  t.equal(host.stack.counters.EthInOtherHost, 1);
  host.inject(syn.subarray(0, 13));
  t.equal(host.stack.counters.EthInTruncated, 1);
  host.inject(buildEthernet('02:00:00:00:00:01', PEER_MAC, syn, 0x86dd));
  t.equal(host.stack.counters.EthInUnknownProtos, 1);
  t.same(sent(host), []);
  host.inject(buildEthernet('ff:ff:ff:ff:ff:ff', PEER_MAC, syn));
  host.inject(buildEthernet('01:00:5e:00:00:01', PEER_MAC, syn));
  t.equal(host.stack.counters.EthInOtherHost, 3, 'RFC 1122 3.3.6: a unicast packet in a group frame');
  t.same(sent(host), []);
  const padded = new Uint8Array(60);
  padded.set(buildEthernet('02:00:00:00:00:01', PEER_MAC, syn));
  host.inject(padded);
  t.same(
    sent(host),
    ['0 IP 10.0.0.1.81 > 10.0.0.2.4000: Flags [R.]'],
    'padding of the smallest frame is no payload',
  );
});
