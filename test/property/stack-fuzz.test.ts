// A whole host against frames that nobody sane would send: connections in every state, and segments near and far from their
// windows, damaged, cut, stretched, with option soup; ICMP errors that quote garbage; ARP; fragments; frames beyond the MTU.
// No frame may throw, go round in circles, leak a frame or vanish without being counted. FC_SEED replays another seed, FUZZ_RUNS
// makes it long (npm run test:fuzz:long).

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import {
  AF_INET,
  mtcp_abort,
  mtcp_accept,
  mtcp_bind,
  mtcp_close,
  mtcp_connect,
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
import { createRandom, type Random } from '../../src/stack/random.js';
import * as State from '../../src/stack/tcp/state.js';
import { finish, sum } from '../../src/stack/wire/checksum.js';
import { buildArp, buildIpv4, createHost, type Host, parsePacket } from '../../src/testing/index.js';
import { Invariants } from '../sim/invariants.js';
import { HOST_IP, PEER_IP, PEER_MAC, Peer, type PeerConnection } from './peer.js';

const seed = Number(process.env.FC_SEED ?? 20_260_101);
const numRuns = Number(process.env.FUZZ_RUNS ?? 150);
t.comment(`seed ${seed}, ${numRuns} runs`);
// The long form takes as long as it takes.
t.setTimeout(0);

const LISTEN_PORT = 80;

/** Counters whose comment begins with "Drop:", of received frames; there is no other core here. */
const DROPS = [
  ...readFileSync(new URL('../../../src/stack/counters.ts', import.meta.url), 'utf8').matchAll(
    /\* Drop: [^\n]*\n {2}(\w+) = 0/g,
  ),
]
  .map((match) => match[1])
  .filter((name) => !['ArpQueueDrops', 'ArpFailed', 'IpOutNoRoutes', 'CoreOutDrops'].includes(name));

/** Counters that only say that a frame has come so far. */
const PASSED = ['EthInFrames', 'IpInReceives', 'IpInDelivers', 'TcpInSegs', 'IcmpInMsgs', 'IpInOptions'];

/** A host with a connection in every state. */
class Target {
  readonly host: Host;
  readonly peer: Peer;
  readonly invariants: Invariants;
  readonly states: string[] = [];
  private readonly listening: number;

  constructor(link: 'ethernet' | 'ip', sysctl: Record<string, number | string>) {
    this.host = createHost({
      addresses: [`${HOST_IP}/24`],
      link,
      sysctl,
      nic: { frames: 256, bigFrames: 8, strict: true },
    });
    this.peer = new Peer(this.host);
    this.invariants = new Invariants(this.host.stack);
    // Checked after every turn of the host's loop.
    this.host.world.add({
      turn: () => {
        this.invariants.check();
        return false;
      },
      deadline: () => Number.POSITIVE_INFINITY,
    });
    this.peer.introduce();
    this.listening = this.socket();
    mtcp_bind(this.host.mctx, this.listening, sockaddr_in('0.0.0.0', LISTEN_PORT));
    mtcp_listen(this.host.mctx, this.listening, 8);
    this.makeConnections();
  }

  private socket(): number {
    const id = mtcp_socket(this.host.mctx, AF_INET, SOCK_STREAM, 0);
    mtcp_setsock_nonblock(this.host.mctx, id);
    return id;
  }

  /** Brings a connection to ESTABLISHED; returns the peer's side and the socket. */
  private establish(port: number): [PeerConnection, number] {
    const connection = this.peer.connection(LISTEN_PORT, port);
    this.peer.send(connection, 'S', {
      ack: 0,
      options: { mss: 1460, wscale: 2, sackPermitted: true, timestamps: [100, 0] },
    });
    this.peer.send(connection, '.', this.now(connection));
    const socket = mtcp_accept(this.host.mctx, this.listening);
    mtcp_setsock_nonblock(this.host.mctx, socket);
    return [connection, socket];
  }

  private now(connection: PeerConnection): { options?: { timestamps: [number, number] } } {
    return this.host.sysctl('tcp_timestamps') === 0
      ? {}
      : { options: { timestamps: [200, connection.tsVal] } };
  }

  private makeConnections(): void {
    const { peer, host } = this;
    const { mctx } = host;
    const shut = (socket: number): void => {
      mtcp_shutdown(mctx, socket, SHUT_WR);
      peer.listen();
    };
    const fin = (connection: PeerConnection, ack = connection.ack): unknown =>
      peer.send(connection, 'F.', { ...this.now(connection), ack });
    this.establish(1001);
    this.add('established');

    const [, talking] = this.establish(1002);
    mtcp_write(mctx, talking, new Uint8Array(5000));
    peer.listen();
    this.add('with data in flight');

    const [holed] = this.establish(1003);
    for (const ahead of [100, 400, 900]) {
      peer.send(holed, 'P.', { ...this.now(holed), seq: holed.seq + ahead, payload: 'x'.repeat(100) });
    }
    this.add('with holes');

    const [closed, waiting] = this.establish(1004);
    peer.send(closed, '.', { ...this.now(closed), wnd: 0 });
    mtcp_write(mctx, waiting, new Uint8Array(100));
    peer.listen();
    this.add('before a closed window');

    peer.send(peer.connection(LISTEN_PORT, 1005), 'S', { ack: 0 });
    this.add('SYN-RECEIVED');

    peer.connection(3000, 1006);
    const connecting = this.socket();
    mtcp_bind(mctx, connecting, sockaddr_in(HOST_IP, 3000));
    mtcp_connect(mctx, connecting, sockaddr_in(PEER_IP, 1006));
    peer.listen();
    this.add('SYN-SENT');

    const [, finWait1] = this.establish(1007);
    mtcp_write(mctx, finWait1, new Uint8Array(100));
    shut(finWait1);
    this.add('FIN-WAIT-1');

    const [two, finWait2] = this.establish(1008);
    shut(finWait2);
    peer.send(two, '.', this.now(two));
    this.add('FIN-WAIT-2');

    const [orphaned, orphan] = this.establish(1009);
    mtcp_close(mctx, orphan);
    peer.listen();
    peer.send(orphaned, '.', this.now(orphaned));
    this.add('orphan');

    const [closeWait] = this.establish(1010);
    fin(closeWait);
    this.add('CLOSE-WAIT');

    const [closing, closingSocket] = this.establish(1011);
    const before = closing.ack;
    shut(closingSocket);
    fin(closing, before);
    this.add('CLOSING');

    const [lastAck, lastAckSocket] = this.establish(1012);
    fin(lastAck);
    shut(lastAckSocket);
    this.add('LAST-ACK');

    const [timeWait, timeWaitSocket] = this.establish(1013);
    shut(timeWaitSocket);
    peer.send(timeWait, '.', this.now(timeWait));
    fin(timeWait);
    this.add('TIME-WAIT');

    peer.connection(LISTEN_PORT, 1014);
    this.add('none, at the listener');
    peer.connection(9999, 1015);
    this.add('none');
  }

  private add(state: string): void {
    this.states.push(state);
  }

  /** Takes everything down and looks for what is left. */
  end(): void {
    const { mctx } = this.host;
    for (let id = mtcp_accept(mctx, this.listening); id >= 0; id = mtcp_accept(mctx, this.listening))
      mtcp_abort(mctx, id);
    mctx.sockets.forEach((socket) => {
      if (socket.listener === undefined && mtcp_abort(mctx, socket.id) !== 0) mtcp_close(mctx, socket.id);
    });
    mtcp_close(mctx, this.listening);
    // What was abandoned before dies of its own timers.
    for (let i = 0; i < 1000 && this.host.nextDeadline() < Number.POSITIVE_INFINITY; i++) {
      this.host.advance(Math.ceil(this.host.nextDeadline()));
      this.host.take();
    }
    this.invariants.checkEmpty(this.host);
  }
}

/** How to make one frame: numbers that say what, and a seed for the rest. */
interface FrameSpec {
  kind: string;
  connection: number;
  flags: number;
  seqAt: number;
  ackAt: number;
  length: number;
  options: number;
  damage: number;
  waitUs: number;
  seed: number;
}

const frameSpec: fc.Arbitrary<FrameSpec> = fc.record({
  kind: fc.constantFrom(...Array<string>(12).fill('tcp'), 'icmp', 'icmp', 'arp', 'ip', 'noise'),
  connection: fc.nat(14),
  flags: fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(1, 2, 4, 16, 16, 16, 17, 18, 20, 24, 25) },
    { weight: 1, arbitrary: fc.nat(511) },
  ),
  seqAt: fc.nat(11),
  ackAt: fc.nat(9),
  length: fc.oneof(fc.constant(0), fc.nat(1460), fc.nat(9000)),
  options: fc.nat(7),
  damage: fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(15) }),
  waitUs: fc.oneof(fc.constant(0), fc.constant(0), fc.nat(2_000_000)),
  seed: fc.integer(),
});

function noise(random: Random, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = random();
  return bytes;
}

/** Options: none, right ones, wrong ones, none that make sense. */
function optionSoup(kind: number, random: Random, connection: PeerConnection): Uint8Array {
  const ts = [1, 1, 8, 10, ...word(300 + (random() & 0xff)), ...word(connection.tsVal)];
  switch (kind) {
    case 0:
    case 1:
      return Uint8Array.from(ts);
    case 2:
      // A user timeout, now and then.
      return (random() & 1) === 0
        ? new Uint8Array(0)
        : Uint8Array.from([28, 4, random() & 0xff, random() & 0xff]);
    case 3:
      return Uint8Array.from([1, 1, 8, 10, ...word(random()), ...word(random())]);
    case 4:
      return Uint8Array.from([
        ...ts,
        5,
        18,
        ...word(random()),
        ...word(random()),
        ...word(random()),
        ...word(random()),
      ]);
    case 5:
      return Uint8Array.from([2, 4, random() & 0xff, random() & 0xff, 3, 3, random() & 0xff, 4, 2]);
    case 6:
      // A signature, of TCP-AO or TCP-MD5, now and then.
      if ((random() & 3) === 0) return Uint8Array.from([29, 4, 1, 1]);
      if ((random() & 3) === 0) return Uint8Array.from([19, 18, ...new Array(18).fill(1)]);
      return Uint8Array.from([random() & 0xff, random() & 3, random() & 0xff, random() & 0xff]);
    default:
      return noise(random, (random() >>> 0) % 41);
  }
}

const word = (value: number): number[] => [
  value >>> 24,
  (value >>> 16) & 255,
  (value >>> 8) & 255,
  value & 255,
];

function tcpPacket({ peer, host }: Target, spec: FrameSpec, random: Random): Uint8Array {
  const connection = peer.connections[spec.connection];
  const { seq, ack } = connection;
  const near = (random() % 8) | 0;
  const seqs = [
    seq,
    seq,
    seq,
    seq,
    seq + 1000,
    seq + near,
    seq - 1,
    seq + 1000,
    seq + 65_535,
    seq + 1_000_000,
    random(),
    seq - 1001,
  ];
  const acks = [ack, ack, ack, ack, ack, ack - 1, ack - near, ack - 2000, ack + 1, random()];
  const most = spec.options === 7 ? 40 : 65_000;
  const payload = noise(random, Math.min(spec.length, most));
  const options = optionSoup(spec.options, random, connection).subarray(0, 40);
  const wnd = [65_535, 0, 1, 500, connection.wnd][(random() >>> 0) % 5];
  void host;
  return connection.packet({
    seq: seqs[spec.seqAt] >>> 0,
    ack: acks[spec.ackAt] >>> 0,
    flags: spec.flags,
    options,
    payload,
    wnd,
    urgent: random() & 0xffff,
  });
}

function icmpPacket(target: Target, spec: FrameSpec, random: Random): Uint8Array {
  const connection = target.peer.connections[spec.connection];
  const types = [3, 3, 3, 11, 8, 0, 4, 5, 12, random() & 0xff];
  const type = types[spec.seqAt % types.length];
  // What is quoted: a segment of ours, as it might have been sent; garbage; or too little.
  const quoted = buildIpv4({
    src: HOST_IP,
    dst: PEER_IP,
    protocol: [6, 6, 6, 17, 1][spec.ackAt % 5],
    payload: Uint8Array.from([
      ...[connection.hostPort >> 8, connection.hostPort & 255, connection.port >> 8, connection.port & 255],
      ...word([connection.ack - 1, connection.ack, random()][spec.options % 3]),
      ...noise(random, spec.length % 40),
    ]),
  });
  const body =
    spec.damage === 1
      ? noise(random, spec.length)
      : quoted.subarray(0, spec.damage === 2 ? spec.length % 30 : quoted.length);
  const message = new Uint8Array(8 + body.length);
  message.set([type, spec.flags % 16, 0, 0, ...word(random() & 0xffff)]);
  message.set(body, 8);
  const view = new DataView(message.buffer);
  view.setUint16(2, finish(sum(view, 0, message.length)));
  return buildIpv4({ src: PEER_IP, dst: HOST_IP, protocol: 1, payload: message });
}

function makeFrame(target: Target, spec: FrameSpec, random: Random): Uint8Array {
  const { peer, host } = target;
  switch (spec.kind) {
    case 'tcp':
      return peer.frame(tcpPacket(target, spec, random));
    case 'icmp':
      return peer.frame(icmpPacket(target, spec, random));
    case 'arp': {
      const ips = [HOST_IP, PEER_IP, '0.0.0.0', '255.255.255.255', '10.0.0.77', '224.0.0.1'];
      const senderMac = [PEER_MAC, 'ff:ff:ff:ff:ff:ff', '02:00:00:00:00:77'][spec.flags % 3];
      const senderIp = ips[spec.seqAt % ips.length];
      const targetIp = ips[spec.ackAt % ips.length];
      const frame = buildArp({
        operation: spec.options,
        senderMac,
        senderIp,
        targetIp,
        targetMac: '02:00:00:00:00:01',
      });
      return host.linkType === 'ip' ? frame.subarray(14) : frame;
    }
    case 'ip': {
      const sources = [
        PEER_IP,
        HOST_IP,
        '127.0.0.1',
        '0.0.0.0',
        '255.255.255.255',
        '224.1.1.1',
        '10.0.0.255',
        '8.8.8.8',
      ];
      const src = sources[spec.seqAt % sources.length];
      const dst = spec.ackAt === 0 ? '10.0.0.2' : HOST_IP;
      const protocol = [6, 1, 17, 50, 0][spec.options % 5];
      const packet = buildIpv4({ src, dst, protocol, payload: noise(random, spec.length) });
      if (spec.flags % 4 === 0) setFragment(packet, random() & 0x3fff);
      return peer.frame(packet);
    }
    default:
      return noise(random, 1 + spec.length);
  }
}

function setFragment(packet: Uint8Array, field: number): void {
  const view = new DataView(packet.buffer, packet.byteOffset);
  view.setUint16(6, field);
  view.setUint16(10, 0);
  view.setUint16(10, finish(sum(view, 0, 20)));
}

/** Damages a frame; the higher half of the kinds makes both checksums right again, so that the damage gets further. */
function damage(frame: Uint8Array, kind: number, random: Random, linkHeader: number): Uint8Array {
  if (kind === 0) return frame;
  const at = (random() >>> 0) % frame.length;
  switch (kind % 8) {
    case 1:
      frame[at] ^= 1 << (random() & 7);
      break;
    case 2:
      return frame.subarray(0, Math.max(1, at));
    case 3: {
      const longer = new Uint8Array(frame.length + ((random() >>> 0) % 64));
      longer.set(frame);
      return longer;
    }
    case 4:
      frame[Math.min(at, linkHeader + ((random() >>> 0) % 40))] = random();
      break;
    case 5:
      for (let i = 0; i < 8; i++) frame[(random() >>> 0) % frame.length] = random();
      break;
    case 6:
      if (frame.length > linkHeader + 33) frame[linkHeader + 32] = random();
      break;
    case 7:
      if (frame.length > linkHeader + 4) frame[linkHeader + 3] = random();
      break;
    default:
      break;
  }
  if (kind >= 8) repair(frame, linkHeader);
  return frame;
}

/** Computes the checksums of a frame anew, as far as its lengths allow. */
function repair(frame: Uint8Array, linkHeader: number): void {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (frame.length < linkHeader + 40) return;
  const headerLength = (frame[linkHeader] & 15) * 4;
  const total = view.getUint16(linkHeader + 2);
  if (headerLength < 20 || linkHeader + total > frame.length || total < headerLength + 20) return;
  view.setUint16(linkHeader + 10, 0);
  view.setUint16(linkHeader + 10, finish(sum(view, linkHeader, headerLength)));
  if (frame[linkHeader + 9] !== 6) return;
  const at = linkHeader + headerLength;
  const length = total - headerLength;
  view.setUint16(at + 16, 0);
  const pseudo = sum(view, linkHeader + 12, 8, 6 + length);
  view.setUint16(at + 16, finish(sum(view, at, length, pseudo)));
}

const totals = { frames: 0, dropped: 0, handled: 0, silent: 0 };
/** Drops by their counter. */
const reached = new Map<string, number>();

/** Injects one frame and checks what became of it. */
function inject(target: Target, frame: Uint8Array): void {
  const { host, peer } = target;
  const counters = host.stack.counters as unknown as Record<string, number>;
  const before = { ...counters };
  const dropsBefore = host.nic.statistics().rx_dropped;
  const sent = peer.deliver(frame);
  totals.frames++;
  if (sent.length > 400) throw new Error(`one frame made the host send ${sent.length}`);
  if (host.nic.statistics().rx_dropped > dropsBefore) return;
  const moved = Object.keys(counters).filter((name) => counters[name] !== before[name]);
  const drops = moved.filter((name) => DROPS.includes(name));
  const count = drops.reduce((all, name) => all + counters[name] - before[name], 0);
  if (count > 1) throw new Error(`one frame was dropped ${count} times: ${drops.join(', ')}`);
  for (const name of drops) reached.set(name, (reached.get(name) ?? 0) + 1);
  const grown = (name: string): number => counters[name] - before[name];
  const laws: [string, number, number][] = [
    ['a frame is counted once', grown('EthInFrames'), 1],
    ['what IP delivers is TCP or ICMP', grown('IpInDelivers'), grown('TcpInSegs') + grown('IcmpInMsgs')],
  ];
  for (const [law, left, right] of laws) if (left !== right) throw new Error(`${law}: ${left}, not ${right}`);
  if (count === 1) {
    totals.dropped++;
    return;
  }
  if (sent.length > 0 || moved.some((name) => !PASSED.includes(name))) {
    totals.handled++;
    return;
  }
  // Nothing is counted and nothing sent: only a TCP segment that the first check lets through may end like that.
  const { tcp } = parsePacket(frame, host.linkType);
  const connection =
    tcp && peer.connections.find(({ port, hostPort }) => port === tcp.srcPort && hostPort === tcp.dstPort);
  if (tcp === undefined || connection === undefined) throw new Error('a frame vanished uncounted');
  totals.silent++;
}

const STATES = [
  State.SYN_SENT,
  State.SYN_RCVD,
  State.ESTABLISHED,
  State.FIN_WAIT_1,
  State.FIN_WAIT_2,
  State.CLOSE_WAIT,
  State.CLOSING,
  State.LAST_ACK,
  State.TIME_WAIT,
];

for (const link of ['ethernet', 'ip'] as const) {
  t.test(`no frame breaks a host on a link of kind ${link}`, async (t) => {
    const fresh = new Target(link, {});
    const states = new Set<number>();
    fresh.host.stack.tcp.core.demux.forEach((tcb) => states.add(tcb.state));
    t.same(
      [...states].sort((a, b) => a - b),
      STATES,
      'the target has connections in every state',
    );
    fresh.end();
    fc.assert(
      fc.property(
        fc.array(frameSpec, { minLength: 1, maxLength: 60, size: 'max' }),
        fc.constantFrom(0, 1),
        fc.constantFrom(0, 1),
        fc.constantFrom('4096 131072 6291456', '4096 4096 6291456'),
        (specs, tcp_timestamps, tcp_sack, tcp_rmem) => {
          const target = new Target(link, { tcp_timestamps, tcp_sack, tcp_rmem, tcp_uto: tcp_sack });
          const linkHeader = link === 'ethernet' ? 14 : 0;
          for (const spec of specs) {
            const random = createRandom(spec.seed);
            inject(
              target,
              damage(
                makeFrame(target, spec, random),
                spec.kind === 'icmp' ? 0 : spec.damage,
                random,
                linkHeader,
              ),
            );
            if (spec.waitUs > 0) {
              target.host.advance(target.host.now + spec.waitUs);
              target.peer.listen();
            }
            drain(target, random);
          }
          target.end();
        },
      ),
      { seed, numRuns },
    );
    t.pass('every frame was handled or counted as dropped, once');
  });
}

/** The program of the host reads now and then. */
function drain({ host }: Target, random: Random): void {
  if ((random() & 7) !== 0) return;
  const buffer = new Uint8Array(3000);
  host.mctx.sockets.forEach((socket) => {
    if (socket.tcb !== undefined) mtcp_read(host.mctx, socket.id, buffer);
  });
}

t.test('the fuzzer got far enough', async (t) => {
  t.comment(JSON.stringify(totals));
  t.comment(
    `drops: ${[...reached]
      .sort(([, a], [, b]) => b - a)
      .map((entry) => entry.join(' '))
      .join(', ')}`,
  );
  t.comment(`not reached: ${DROPS.filter((name) => !reached.has(name)).join(' ')}`);
  t.ok(totals.handled > totals.frames / 10, 'many frames are handled');
  t.ok(reached.size >= DROPS.length - 6, 'nearly every reason to drop a frame was met');
});
