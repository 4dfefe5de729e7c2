// TCP Fast Open (RFC 7413): cookies, data on SYNs as server and as client, and what happens when it does not get through.

import t, { type Test } from 'tap';
import * as api from '../../src/index.js';
import { formatKeys, parseKeys } from '../../src/stack/tcp/fast-open.js';
import { SipHash } from '../../src/stack/tcp/siphash.js';
import {
  buildTcp,
  createHost,
  type Host,
  joinHosts,
  parsePacket,
  runPacketdrill,
  type TcpFields,
} from '../../src/testing/index.js';
import { failure, listener, socket } from '../api/support.js';

const KEY = 'a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4';
/** What Linux makes of that key for 192.0.2.1 that connects to 192.168.0.1. */
const COOKIE = '3021b9d889017eeb';

const LISTEN = `\`sysctl tcp_fastopen=3 net.ipv4.tcp_fastopen_key=${KEY}\`
    0 socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3
   +0 bind(3, ..., ...) = 0
   +0 listen(3, 1) = 0
   +0 setsockopt(3, SOL_TCP, TCP_FASTOPEN, [5], 4) = 0
`;

function plays(t: Test, name: string, script: string): void {
  t.equal(runPacketdrill(LISTEN + script).reason, undefined, name);
}

t.test('SipHash-2-4 of eight bytes is that of its authors', async (t) => {
  // Test vector 8 of the reference: the key 00 to 0f, the message 00 to 07.
  const hash = new SipHash(Uint8Array.from({ length: 16 }, (_, i) => i));
  hash.hash(0x03020100, 0x07060504);
  t.equal(
    (hash.high >>> 0).toString(16).padStart(8, '0') + (hash.low >>> 0).toString(16).padStart(8, '0'),
    '93f5f5799a932462',
  );
  t.equal(formatKeys(parseKeys(`${KEY},${KEY}`)!), `${KEY},${KEY}`);
  t.equal(parseKeys('a1a1a1a1'), undefined);
});

t.test('server: a cookie is given, and with it the data of a SYN is taken at once', async (t) => {
  plays(
    t,
    'a request, and a wrong cookie, get one',
    `+0 < S 0:10(10) win 1000 <mss 1000,FO,nop,nop>
   +0 > S. 0:0(0) ack 1 <mss 1460,FO ${COOKIE},nop,nop>`,
  );
  plays(
    t,
    'a wrong one too',
    `+0 < S 0:10(10) win 1000 <mss 1000,FO 0011223344556677,nop,nop>
   +0 > S. 0:0(0) ack 1 <mss 1460,FO ${COOKIE},nop,nop>
   +0 \`nstat | grep TcpExtTCPFastOpenPassiveFail | grep " 1 "\``,
  );
  plays(
    t,
    'the right one opens, and the answer does not wait for the handshake',
    `+0 < S 0:10(10) win 1000 <mss 1000,FO ${COOKIE},nop,nop>
   +0 > S. 0:0(0) ack 11 <mss 1460>
   +0 accept(3, ..., ...) = 4
   +0 %{ assert tcpi_state == TCP_SYN_RECV and (tcpi_options & TCPI_OPT_SYN_DATA) != 0 }%
   +0 read(4, ..., 100) = 10
   +0 write(4, ..., 100) = 100
   +0 > P. 1:101(100) ack 11
  +.1 < . 11:11(0) ack 101 win 1000
   +0 %{ assert tcpi_state == TCP_ESTABLISHED and tcpi_unacked == 0 }%
   +0 close(4) = 0
   +0 > F. 101:101(0) ack 11`,
  );
  plays(
    t,
    'the SYN-ACK is sent again as ever',
    `+0 < S 0:10(10) win 1000 <mss 1000,FO ${COOKIE},nop,nop>
   +0 > S. 0:0(0) ack 11 <mss 1460>
   +1 > S. 0:0(0) ack 11 <mss 1460>
   +2 > S. 0:0(0) ack 11 <mss 1460>
   +0 < . 11:11(0) ack 1 win 1000
   +0 accept(3, ..., ...) = 4
   +0 read(4, ..., 100) = 10`,
  );
  plays(
    t,
    'no more than the queue has room for',
    `+0 setsockopt(3, SOL_TCP, TCP_FASTOPEN, [0], 4) = 0
   +0 < S 0:10(10) win 1000 <mss 1000,FO ${COOKIE},nop,nop>
   +0 > S. 0:0(0) ack 1 <mss 1460>`,
  );
  plays(
    t,
    'a reset ends it',
    `+0 < S 0:10(10) win 1000 <mss 1000,FO ${COOKIE},nop,nop>
   +0 > S. 0:0(0) ack 11 <mss 1460>
   +0 accept(3, ..., ...) = 4
   +0 < R. 11:11(0) ack 1 win 0
   +0 read(4, ..., 100) = 10
   +0 read(4, ..., 100) = -1 ECONNRESET
   +0 write(4, ..., 100) = -1 EPIPE`,
  );
  plays(
    t,
    'a second key is still believed, and the first one is told',
    `+0 setsockopt(3, SOL_TCP, TCP_FASTOPEN_KEY, "0123456789abcdef\\xa1\\xa1\\xa1\\xa1\\xb2\\xb2\\xb2\\xb2\\xc3\\xc3\\xc3\\xc3\\xd4\\xd4\\xd4\\xd4", 32) = 0
   +0 < S 0:10(10) win 1000 <mss 1000,FO ${COOKIE},nop,nop>
   +0 > S. 0:0(0) ack 11 <...>
   +0 accept(3, ..., ...) = 4`,
  );
});

t.test('server: an option that cannot be is none (RFC 7413 4.1.1)', async (t) => {
  for (const cookie of ['001122', '0011', '00112233445566'])
    plays(
      t,
      `a cookie of ${cookie.length / 2} bytes`,
      `+0 < S 0:10(10) win 1000 <mss 1000,FO ${cookie},nop>
   +0 > S. 0:0(0) ack 1 <mss 1460>`,
    );
  plays(
    t,
    'behind the SYN',
    `+0 < S 0:0(0) win 1000 <mss 1000>
   +0 > S. 0:0(0) ack 1 <mss 1460>
   +0 < . 1:1(0) ack 1 win 1000 <FO,nop,nop>
   +0 accept(3, ..., ...) = 4
   +0 write(4, ..., 100) = 100
   +0 > P. 1:101(100) ack 1`,
  );
});

t.test('server: whoever was reset counts as pending for a minute (RFC 7413 5.1)', async (t) => {
  // Data without a cookie, for all listeners.
  const host = createHost({ addresses: ['10.0.0.1/8'], link: 'ip', sysctl: { tcp_fastopen: 0x602 } });
  t.teardown(() => host.close());
  listener(host.mctx, 80, 2);
  const send = (srcPort: number, fields: Partial<TcpFields>): void => {
    host.inject(buildTcp({ src: '10.0.0.2', dst: '10.0.0.1', srcPort, dstPort: 80, ...fields }));
  };
  const open = (srcPort: number): string | undefined => {
    host.take();
    send(srcPort, { flags: 'S', seq: 100, payload: 'hello', options: { mss: 1460 } });
    const { tcp } = parsePacket(host.take()[0].bytes, 'ip');
    if (tcp?.flags !== 'S.') return tcp?.flags;
    const isOpen = tcp.ack === 106;
    send(srcPort, { flags: 'R', seq: tcp.ack });
    return isOpen ? 'opened' : 'not opened';
  };
  t.same([open(1000), open(1001)], ['opened', 'opened']);
  t.equal(open(1002), 'not opened', 'both places are taken, though nobody is there');
  host.advance(host.now + 59_000_000);
  t.equal(open(1003), 'not opened');
  host.advance(host.now + 1_000_000);
  t.equal(open(1004), 'opened');
  t.equal(host.stack.counters.TcpExtTCPFastOpenListenOverflow, 2);
});

/** Two hosts, the second of which listens with Fast Open. */
function pair(
  t: Test,
  sysctl: Record<string, number> = {},
  serverMtu = 1500,
): { client: Host; server: Host; listening: number } {
  const client = createHost({ addresses: ['10.0.0.1/24'], link: 'ip', sysctl });
  const server = createHost({
    addresses: ['10.0.0.2/24'],
    link: 'ip',
    mtu: serverMtu,
    sysctl: { tcp_fastopen: 2 },
  });
  joinHosts(client, server, { delayUs: 10_000, record: true });
  t.teardown(() => {
    client.close();
    server.close();
  });
  const listening = listener(server.mctx, 80, 10);
  t.equal(api.mtcp_setsockopt(server.mctx, listening, api.SOL_TCP, api.TCP_FASTOPEN, 10), 0);
  return { client, server, listening };
}

const peer = api.sockaddr_in('10.0.0.2', 80);
const hello = Buffer.from('hello');

/** Flags and payload lengths of what a host has sent. */
function sent(host: Host): string[] {
  return host.take().map(({ bytes }) => {
    const { tcp, payload } = parsePacket(bytes, 'ip');
    return `${tcp?.flags} ${payload.length}`;
  });
}

t.test('client: the first connection brings the cookie, the next one sends data on its SYN', async (t) => {
  const { client, server, listening } = pair(t);
  const first = socket(client.mctx);
  t.equal(
    api.mtcp_sendto(client.mctx, first, hello, 5, api.MSG_FASTOPEN, peer),
    5,
    'waits for the handshake',
  );
  client.advance(client.now + 100_000);
  t.match(sent(client), ['S 0', /^\.|P\. 5/]);
  api.mtcp_accept(server.mctx, listening);

  const second = socket(client.mctx);
  api.mtcp_setsock_nonblock(client.mctx, second);
  t.equal(api.mtcp_sendto(client.mctx, second, hello, 5, api.MSG_FASTOPEN, peer), 5, 'does not wait');
  client.advance(client.now + 11_000);
  t.same(sent(client), ['S 5'], 'data on the SYN');
  const accepted = api.mtcp_accept(server.mctx, listening);
  const buffer = Buffer.alloc(10);
  t.equal(api.mtcp_read(server.mctx, accepted, buffer), 5, 'which is there after half a round trip');
  t.equal(buffer.toString('latin1', 0, 5), 'hello');
  client.advance(client.now + 50_000);
  const info: Partial<api.TcpInfo> = {};
  api.mtcp_getsockopt(client.mctx, second, api.SOL_TCP, api.TCP_INFO, info);
  t.equal((info.tcpi_options ?? 0) & 32, 32, 'TCPI_OPT_SYN_DATA');
  t.equal(info.tcpi_unacked, 0);
  t.equal(client.stack.counters.TcpExtTCPFastOpenActive, 1);
  t.equal(server.stack.counters.TcpExtTCPFastOpenPassive, 1);

  const third = socket(client.mctx);
  t.equal(api.mtcp_setsockopt(client.mctx, third, api.SOL_TCP, api.TCP_FASTOPEN_CONNECT, 1), 0);
  t.equal(api.mtcp_connect(client.mctx, third, peer), 0, 'leaves the SYN to the first write');
  t.equal(failure(api.mtcp_connect(client.mctx, third, peer)), 'EISCONN');
  client.take();
  t.equal(api.mtcp_write(client.mctx, third, hello), 5);
  client.advance(client.now + 1000);
  t.same(sent(client), ['S 5']);
});

t.test('client: a server that takes the SYN only gets the data like any other', async (t) => {
  const { client, server, listening } = pair(t);
  api.mtcp_sendto(client.mctx, socket(client.mctx), hello, 5, api.MSG_FASTOPEN, peer);
  client.advance(client.now + 100_000);
  api.mtcp_accept(server.mctx, listening);
  server.sysctl('tcp_fastopen', 0);
  const id = socket(client.mctx);
  client.take();
  api.mtcp_sendto(client.mctx, id, hello, 5, api.MSG_FASTOPEN, peer);
  client.advance(client.now + 100_000);
  t.same(sent(client).slice(0, 2), ['S 5', 'P. 5'], 'once more after the handshake');
  const accepted = api.mtcp_accept(server.mctx, listening);
  t.equal(api.mtcp_read(server.mctx, accepted, Buffer.alloc(10)), 5, 'and it arrives once');
  t.equal(client.stack.counters.TcpExtTCPFastOpenActiveFail, 1);
});

t.test("client: no more goes on a SYN than the server's MSS (RFC 7413 4.1.3)", async (t) => {
  const { client, server, listening } = pair(t, {}, 600);
  api.mtcp_sendto(client.mctx, socket(client.mctx), hello, 5, api.MSG_FASTOPEN, peer);
  client.advance(client.now + 100_000);
  api.mtcp_accept(server.mctx, listening);
  client.take();
  const long = Buffer.alloc(1400);
  t.equal(api.mtcp_sendto(client.mctx, socket(client.mctx), long, 1400, api.MSG_FASTOPEN, peer), 1400);
  client.advance(client.now + 11_000);
  const [syn] = client.take();
  const { tcp, payload } = parsePacket(syn.bytes, 'ip');
  t.equal(tcp?.flags, 'S');
  t.ok(payload.length > 500 && syn.bytes.length <= 600, `${payload.length} bytes`);
});

t.test('client: a path that swallows data on SYNs is spared for an hour', async (t) => {
  const { client, server, listening } = pair(t);
  api.mtcp_sendto(client.mctx, socket(client.mctx), hello, 5, api.MSG_FASTOPEN, peer);
  client.advance(client.now + 100_000);
  api.mtcp_accept(server.mctx, listening);
  server.sysctl('tcp_fastopen', 0);
  client.take();
  const swallow = (bytes: Uint8Array): boolean => {
    const { tcp, payload } = parsePacket(bytes, 'ip');
    return tcp?.flags === 'S' && payload.length > 0;
  };
  const { onTransmit } = client.nic;
  client.nic.onTransmit = (memory, offset, length) => {
    if (!swallow(memory.subarray(offset, offset + length))) onTransmit?.(memory, offset, length);
  };
  const id = socket(client.mctx);
  t.equal(api.mtcp_sendto(client.mctx, id, hello, 5, api.MSG_FASTOPEN, peer), 5);
  client.advance(client.now + 2_000_000);
  t.match(sent(client), ['S 0', 'P. 5'], 'the second SYN goes without, and the data after it');
  const next = socket(client.mctx);
  api.mtcp_setsock_nonblock(client.mctx, next);
  t.equal(failure(api.mtcp_sendto(client.mctx, next, hello, 5, api.MSG_FASTOPEN, peer)), 'EINPROGRESS');
  client.advance(client.now + 1000);
  t.match(sent(client), ['S 0']);
});

t.test('mtcp_sendto: what it refuses', async (t) => {
  const { client } = pair(t);
  const { mctx } = client;
  const id = socket(mctx);
  const to = (flags: number, addr: api.SockAddrArgument | null, len = 5): string =>
    failure(api.mtcp_sendto(mctx, id, hello, len, flags, addr));
  t.equal(to(0, null), 'ENOTCONN', 'without the flag it is mtcp_send');
  t.equal(to(api.MSG_FASTOPEN, null), 'EFAULT');
  t.equal(to(api.MSG_FASTOPEN, { family: 99, address: '10.0.0.2', port: 80 }), 'EAFNOSUPPORT');
  t.equal(to(api.MSG_FASTOPEN, peer, 6), 'EFAULT');
  t.equal(failure(api.mtcp_sendto(mctx, 99, hello, 5, api.MSG_FASTOPEN, peer)), 'EBADF');
  client.sysctl('tcp_fastopen', 0);
  t.equal(to(api.MSG_FASTOPEN, peer), 'EOPNOTSUPP');
  client.sysctl('tcp_fastopen', 1);
  t.equal(api.mtcp_sendto(mctx, id, hello, 5, api.MSG_FASTOPEN, peer), 5);
  t.equal(to(api.MSG_FASTOPEN, peer), 'EISCONN');
  t.equal(
    failure(api.mtcp_setsockopt(mctx, id, api.SOL_TCP, api.TCP_FASTOPEN_KEY, new Uint8Array(15))),
    'EINVAL',
  );
});
