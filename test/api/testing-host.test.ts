// The virtual host of `<package>/testing`, as a script uses it: bare IP packets in and out, exact times, and its packet tools.

import t from 'tap';
import {
  MTCP_EPOLL_CTL_ADD,
  MTCP_EPOLLIN,
  mtcp_accept,
  mtcp_close,
  mtcp_connect,
  mtcp_epoll_create,
  mtcp_epoll_ctl,
  mtcp_epoll_wait,
  mtcp_read,
  mtcp_setsock_nonblock,
  mtcp_write,
  runOnEventLoop,
  SockAddr,
  sockaddr_in,
  sockaddr_in_bytes,
} from '../../src/index.js';
import {
  buildArp,
  buildEthernet,
  buildTcp,
  createHost,
  formatPacket,
  type Host,
  joinHosts,
  parsePacket,
  type TcpFields,
  World,
} from '../../src/testing/index.js';
import { failure, listener, nonblocking, pair, pattern, socket } from './support.js';

const SECOND = 1_000_000;

/** A segment from the script's peer, 10.0.0.2:80, to the host's `port`. */
function fromPeer(port: number, fields: Partial<TcpFields>): Uint8Array {
  return buildTcp({ src: '10.0.0.2', dst: '10.0.0.1', srcPort: 80, dstPort: port, ...fields });
}

/** Opens a connection by script; the host's ISN and port. */
function handshake(host: Host): { id: number; port: number; iss: number } {
  const id = nonblocking(host.mctx);
  mtcp_connect(host.mctx, id, sockaddr_in('10.0.0.2', 80));
  const { tcp } = parsePacket(host.take()[0].bytes);
  if (tcp === undefined) throw new Error('no SYN');
  host.inject(fromPeer(tcp.srcPort, { seq: 1000, ack: tcp.seq + 1, flags: 'S.', options: { mss: 1460 } }));
  host.take();
  return { id, port: tcp.srcPort, iss: tcp.seq };
}

t.test('a scripted handshake, retransmissions that double for 27 s, and a close', async (t) => {
  const host = createHost({ addresses: ['10.0.0.1/24'], link: 'ip', sysctl: { tcp_rto_min_us: 200_000 } });
  const id = nonblocking(host.mctx);
  mtcp_connect(host.mctx, id, sockaddr_in('10.0.0.2', 80));
  const [syn] = host.take();
  const { tcp } = parsePacket(syn.bytes);
  t.equal(tcp?.flags, 'S');
  t.same(Object.keys(tcp?.options ?? {}).sort(), ['mss', 'sackPermitted', 'timestamps', 'wscale']);
  t.match(
    formatPacket(syn.bytes, 'ip'),
    /10\.0\.0\.1\.\d+ > 10\.0\.0\.2\.80: Flags \[S\].*mss 1460,sackOK,TS/,
  );
  const port = tcp?.srcPort ?? 0;
  const iss = tcp?.seq ?? 0;
  host.advance(100_000);
  host.inject(fromPeer(port, { seq: 1000, ack: iss + 1, flags: 'S.', options: { mss: 1460 } }));
  const [ack] = host.take();
  t.equal(ack.timeUs, 100_000);
  t.match(parsePacket(ack.bytes).tcp, { flags: '.', ack: 1001, seq: iss + 1 });

  t.equal(mtcp_write(host.mctx, id, pattern(100)), 100);
  t.equal(host.take().length, 1, 'the data, at once');
  for (let i = 0; i < 7; i++) host.advance(host.nextDeadline());
  const again = host.take();
  t.equal(again.length, 7);
  const gaps = again.slice(1).map((packet, i) => packet.timeUs - again[i].timeUs);
  for (let i = 1; i < gaps.length; i++) t.equal(gaps[i], 2 * gaps[i - 1], 'doubled');
  host.inject(fromPeer(port, { seq: 1001, ack: iss + 101 }));
  t.equal(mtcp_close(host.mctx, id), 0);
  t.match(parsePacket(host.take()[0].bytes).tcp, { flags: 'F.', seq: iss + 101 });
  host.inject(fromPeer(port, { seq: 1001, ack: iss + 102, flags: 'F.' }));
  t.match(parsePacket(host.take()[0].bytes).tcp, { flags: '.', ack: 1002 });
  t.equal(host.nextDeadline() - host.now, 60 * SECOND, 'TIME-WAIT');
  host.advance(host.nextDeadline());
  t.equal(host.nextDeadline(), Number.POSITIVE_INFINITY);
});

t.test('advance fires each timer at its own time, and never goes back', async (t) => {
  const host = createHost({ addresses: ['10.0.0.1/24'], link: 'ip' });
  mtcp_connect(host.mctx, nonblocking(host.mctx), sockaddr_in('10.0.0.2', 80));
  host.advance(8 * SECOND);
  t.same(
    host.take().map(({ timeUs }) => timeUs),
    [0, SECOND, 3 * SECOND, 7 * SECOND],
  );
  t.equal(host.now, 8 * SECOND);
  t.throws(() => host.advance(7 * SECOND), RangeError);
  t.throws(() => host.advance(Number.POSITIVE_INFINITY), RangeError);
  t.same(host.take(), []);
});

t.test('packets larger than the MTU can be injected', async (t) => {
  const host = createHost({ addresses: ['10.0.0.1/24'], link: 'ip', mtu: 1500 });
  const { id, port, iss } = handshake(host);
  t.ok(host.inject(fromPeer(port, { seq: 1001, ack: iss + 1, payload: pattern(20_000) })));
  const buf = new Uint8Array(30_000);
  t.equal(mtcp_read(host.mctx, id, buf), 20_000);
  t.same(buf.subarray(0, 20_000), pattern(20_000));
});

t.test('equal seeds give equal packets', async (t) => {
  const play = (seed: number): string => {
    const host = createHost({ addresses: ['10.0.0.1/24'], link: 'ip', seed });
    mtcp_connect(host.mctx, nonblocking(host.mctx), sockaddr_in('10.0.0.2', 80));
    host.advance(10 * SECOND);
    return host
      .take()
      .map(({ bytes }) => Buffer.from(bytes).toString('hex'))
      .join();
  };
  t.equal(play(7), play(7));
  t.not(play(7), play(8));
});

t.test('options change at run time, per host, by their sysctl names', async (t) => {
  const host = createHost({ addresses: ['10.0.0.1/24'], link: 'ip', sysctl: { tcp_timestamps: 0 } });
  const optionsOfSyn = (): string[] => {
    mtcp_connect(host.mctx, nonblocking(host.mctx), sockaddr_in('10.0.0.2', 80));
    return Object.keys(parsePacket(host.take()[0].bytes).tcp?.options ?? {}).sort();
  };
  t.same(optionsOfSyn(), ['mss', 'sackPermitted', 'wscale']);
  host.sysctl('net.ipv4.tcp_timestamps', 1);
  host.sysctl('tcp_sack', 0);
  t.equal(host.sysctl('tcp_timestamps'), 1);
  t.same(optionsOfSyn(), ['mss', 'timestamps', 'wscale']);
  t.throws(() => host.sysctl('tcp_magic'), /tcp_magic/);
});

t.test('an Ethernet host answers ARP, and its neighbours can be given', async (t) => {
  const mac = '02:00:00:00:00:aa';
  const host = createHost({ addresses: ['10.0.0.1/24'], neighbours: { '10.0.0.9': mac } });
  host.take();
  host.inject(buildArp({ operation: 1, senderMac: mac, senderIp: '10.0.0.2', targetIp: '10.0.0.1' }));
  const [reply] = host.take();
  t.match(parsePacket(reply.bytes, 'ethernet'), {
    ethernet: { dst: mac, src: '02:00:00:00:00:01' },
    arp: { operation: 2, senderIp: '10.0.0.1', targetIp: '10.0.0.2' },
  });
  mtcp_connect(host.mctx, nonblocking(host.mctx), sockaddr_in('10.0.0.9', 80));
  t.match(parsePacket(host.take()[0].bytes, 'ethernet'), { ethernet: { dst: mac }, tcp: { flags: 'S' } });
});

t.test('a trace sees both directions', async (t) => {
  const [client, server] = pair();
  listener(server.mctx, 80);
  const lines: string[] = [];
  client.trace((direction, timeUs, bytes) => {
    const { tcp, arp } = parsePacket(bytes, 'ethernet');
    lines.push(`${timeUs} ${direction} ${tcp?.flags ?? `arp ${arp?.operation}`}`);
  });
  mtcp_connect(client.mctx, socket(client.mctx), sockaddr_in('10.0.0.2', 80));
  t.same(
    lines.filter((line) => !line.startsWith('100 in arp 1')),
    ['0 out arp 1', '200 in arp 2', '200 out S', '400 in S.', '400 out .'],
  );
  t.same(client.take(), [], 'joined hosts keep nothing unless asked to');
  client.trace(undefined);
});

t.test('a wire loses what the script says', async (t) => {
  const world = new World();
  const client = createHost({ addresses: ['10.0.0.1/24'], link: 'ip', world });
  const server = createHost({ addresses: ['10.0.0.2/24'], link: 'ip', world });
  const wire = joinHosts(client, server, {
    delayUs: 10,
    record: true,
    drop: (direction, number) => direction === 'aToB' && number <= 2,
  });
  listener(server.mctx, 80);
  t.equal(mtcp_connect(client.mctx, socket(client.mctx), sockaddr_in('10.0.0.2', 80)), 0);
  t.equal(client.now, 3 * SECOND + 20);
  t.equal(wire.aToB.counts.lost, 2);
  t.equal(client.take().length, 4);
});

t.test('hosts made apart can be joined while their clocks agree', async (t) => {
  const a = createHost({ addresses: ['10.0.0.1/24'] });
  const b = createHost({ addresses: ['10.0.0.2/24'] });
  b.advance(5);
  t.throws(() => joinHosts(a, b), RangeError);
  a.advance(5);
  joinHosts(a, b);
  t.equal(a.world, b.world);
});

t.test('a program on another host acts while a call blocks', async (t) => {
  const [client, server] = pair();
  const listening = listener(server.mctx, 7);
  mtcp_setsock_nonblock(server.mctx, listening);
  const ep = mtcp_epoll_create(server.mctx, 1);
  mtcp_epoll_ctl(server.mctx, ep, MTCP_EPOLL_CTL_ADD, listening, { events: MTCP_EPOLLIN });
  const events: never[] = [];
  const buf = new Uint8Array(4096);
  server.onTurn = () => {
    const count = mtcp_epoll_wait(server.mctx, ep, events, 8, 0);
    for (let i = 0; i < count; i++) {
      const { sockid } = (events[i] as { data: { sockid: number } }).data;
      if (sockid === listening) {
        const id = mtcp_accept(server.mctx, listening);
        mtcp_setsock_nonblock(server.mctx, id);
        mtcp_epoll_ctl(server.mctx, ep, MTCP_EPOLL_CTL_ADD, id, { events: MTCP_EPOLLIN });
        continue;
      }
      const length = mtcp_read(server.mctx, sockid, buf);
      if (length > 0) mtcp_write(server.mctx, sockid, buf, length);
      else mtcp_close(server.mctx, sockid);
    }
    return count > 0;
  };
  const c = socket(client.mctx);
  mtcp_connect(client.mctx, c, sockaddr_in('10.0.0.2', 7));
  for (const word of ['one', 'two', 'three']) {
    mtcp_write(client.mctx, c, Buffer.from(word));
    const length = mtcp_read(client.mctx, c, buf);
    t.equal(Buffer.from(buf.subarray(0, length)).toString(), word);
  }
});

t.test('a context can be driven by the event loop', async (t) => {
  const host = createHost({ addresses: ['10.0.0.1/24'], link: 'ip' });
  listener(host.mctx, 80);
  host.nic.inject(buildTcp({ src: '10.0.0.2', dst: '10.0.0.1', srcPort: 5, dstPort: 80, flags: 'S' }));
  let turns = 0;
  await new Promise<void>((resolve) => {
    const stop = runOnEventLoop(host.mctx, () => {
      if (++turns === 2) {
        stop();
        resolve();
      }
      return true;
    });
  });
  t.equal(turns, 2);
  host.close();
  runOnEventLoop(host.mctx, () => t.fail('a destroyed context is not driven'));
  await new Promise((resolve) => setTimeout(resolve, 5));
});

t.test('packet tools build what they parse', async (t) => {
  const fields: TcpFields = {
    src: '10.0.0.2',
    dst: '10.0.0.1',
    srcPort: 80,
    dstPort: 1234,
    seq: 0xffffffff,
    ack: 5,
    flags: 'FP.',
    wnd: 77,
    urgent: 3,
    options: {
      timestamps: [1, 0xfffffffe],
      sack: [
        [10, 20],
        [30, 40],
      ],
    },
    payload: 'hello',
    ttl: 3,
  };
  const packet = parsePacket(
    buildEthernet('02:00:00:00:00:01', '02:00:00:00:00:02', buildTcp(fields)),
    'ethernet',
  );
  t.match(packet.ip, { src: '10.0.0.2', dst: '10.0.0.1', protocol: 6, ttl: 3 });
  t.match(packet.tcp, {
    ...(fields.options === undefined ? {} : { options: fields.options }),
    seq: 0xffffffff,
    flags: 'FP.',
    wnd: 77,
    urgent: 3,
    checksumOk: true,
  });
  t.equal(Buffer.from(packet.payload).toString(), 'hello');
  const raw = parsePacket(buildTcp({ ...fields, options: Uint8Array.of(8, 0, 1) }));
  t.same([...(raw.tcp?.optionBytes ?? [])], [8, 0, 1, 0]);
  const broken = buildTcp(fields);
  broken[broken.length - 1] ^= 1;
  t.equal(parsePacket(broken).tcp?.checksumOk, false);
  t.same(parsePacket(Uint8Array.of(1, 2, 3)), { payload: Uint8Array.of(1, 2, 3) });
  t.throws(() => buildTcp({ ...fields, src: 'x' }), RangeError);
  t.throws(() => buildTcp({ ...fields, flags: 'X' }), RangeError);
  t.throws(() => buildEthernet('x', '02:00:00:00:00:02', broken), RangeError);
});

t.test('createHost names the option at fault', async (t) => {
  const wrong: [unknown, RegExp][] = [
    [{}, /addresses/],
    [{ addresses: [] }, /addresses/],
    [{ addresses: ['10.0.0.1'] }, /10\.0\.0\.1/],
    [{ addresses: ['10.0.0.1/24'], speed: 1 }, /speed/],
    [{ addresses: ['10.0.0.1/24'], mac: 'x' }, /mac/],
    [{ addresses: ['10.0.0.1/24'], mtu: 10 }, /mtu/],
    [{ addresses: ['10.0.0.1/24'], link: 'token-ring' }, /link/],
    [{ addresses: ['10.0.0.1/24'], gateway: '10.1.0.1' }, /gateway/],
    [{ addresses: ['10.0.0.1/24'], sysctl: { tcp_magic: 1 } }, /tcp_magic/],
    [{ addresses: ['10.0.0.1/24'], neighbours: { '10.0.0.2': 'x' } }, /neighbours/],
  ];
  for (const [options, message] of wrong)
    t.throws(() => createHost(options as never), { name: 'RangeError', message });
});

t.test('socket addresses', async (t) => {
  const addr = sockaddr_in('10.0.0.1', 80);
  t.equal(String(addr), '10.0.0.1:80');
  t.equal(addr.address, '10.0.0.1');
  addr.address = '::1';
  t.equal(String(addr), '[::1]:80');
  t.throws(() => sockaddr_in('x'), RangeError);
  t.ok(addr instanceof SockAddr);
  t.same(
    [...sockaddr_in_bytes('192.168.1.2', 0x1234)],
    [2, 0, 0x12, 0x34, 192, 168, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0],
  );
  const host = createHost({ addresses: ['10.0.0.1/24'] });
  t.equal(failure(mtcp_connect(host.mctx, nonblocking(host.mctx), { ...addr, address: '::1' })), 'EINVAL');
});
