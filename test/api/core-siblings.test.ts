// What cores hand to each other, on devices in memory: contexts whose frames arrive wherever a test puts them.

import t, { type Test } from 'tap';
import { type Context, makeContext } from '../../src/api/context.js';
import { CoreSiblings, type SharedByCores } from '../../src/api/core-siblings.js';
import { steer } from '../../src/api/steering.js';
import * as mtcp from '../../src/index.js';
import { createMailboxes, Mailboxes } from '../../src/nic/mailbox.js';
import { MemoryNic } from '../../src/nic/memory-nic.js';
import { type NicCapabilities, type RssDescription, RXH_TUPLE } from '../../src/nic/nic.js';
import { close, eventfd } from '../../src/nic/os/syscalls.js';
import { createRandom } from '../../src/stack/random.js';
import { finish, sum } from '../../src/stack/wire/checksum.js';
import { ICMP_ECHO_REPLY, ICMP_PORT_UNREACHABLE, ICMP_UNREACHABLE } from '../../src/stack/wire/icmp.js';
import { buildArp, buildEthernet, buildIpv4, buildTcp } from '../../src/testing/index.js';
import { listener, nonblocking } from './support.js';

const HOST_IP = '10.0.0.1';
const HOST_MAC = '02:00:00:00:00:01';
const PEER_IP = '10.0.0.2';
const PEER_MAC = '02:00:00:00:00:02';
const FRAME_BYTES = 1514;

interface Rig {
  readonly cores: Context[];
  readonly nics: MemoryNic[];
  readonly clock: { us: number };
  readonly shared: SharedByCores;
}

/** Cores of one host, each with a device. */
function rig(
  t: Test,
  count: number,
  options: { rss?: RssDescription; frames?: number; lastMtu?: number } = {},
): Rig {
  const shared = { cores: count, mailboxes: createMailboxes(count, FRAME_BYTES), frameBytes: FRAME_BYTES };
  const clock = { us: 0 };
  const nics: MemoryNic[] = [];
  const cores = Array.from({ length: count }, (_, cpu) => {
    const nic = new MemoryNic({
      frames: options.frames ?? 1024,
      mtu: cpu === count - 1 ? (options.lastMtu ?? 1500) : 1500,
    });
    if (options.rss !== undefined)
      Object.assign<NicCapabilities, object>(nic.capabilities, { rss: options.rss });
    nics.push(nic);
    const stack = {
      addresses: [{ address: HOST_IP, prefix: 24 }],
      neighbours: [{ address: PEER_IP, mac: PEER_MAC }],
    };
    const context = makeContext(nic, stack, () => clock.us, createRandom(cpu + 1), cpu);
    const wakeFd = eventfd();
    t.teardown(() => close(wakeFd));
    context.siblings = new CoreSiblings(context, shared, wakeFd);
    context.stack.siblings = context.siblings;
    steer(context);
    return context;
  });
  return { cores, nics, clock, shared };
}

const framed = (packet: Uint8Array): Uint8Array => buildEthernet(HOST_MAC, PEER_MAC, packet);

const arpReply = (senderIp = PEER_IP): Uint8Array =>
  buildArp({ operation: 2, senderMac: PEER_MAC, senderIp, targetMac: HOST_MAC, targetIp: HOST_IP });

function icmp(type: number, code: number, rest: Uint8Array): Uint8Array {
  const payload = new Uint8Array(8 + rest.length);
  payload.set([type, code]);
  payload.set(rest, 8);
  const view = new DataView(payload.buffer);
  view.setUint16(2, finish(sum(view, 0, payload.length, 0)));
  return framed(buildIpv4({ src: PEER_IP, dst: HOST_IP, protocol: 1, payload }));
}

/** An error about a segment. */
function unreachable(srcPort: number, dstPort: number, seq: number, src = HOST_IP): Uint8Array {
  const quoted = buildTcp({ src, dst: PEER_IP, srcPort, dstPort, seq });
  return icmp(ICMP_UNREACHABLE, ICMP_PORT_UNREACHABLE, quoted.subarray(0, 28));
}

const handed = ({ stack: { counters } }: Context): [number, number, number] => [
  counters.CoreOutFrames,
  counters.CoreInFrames,
  counters.CoreOutDrops,
];

t.test('a core with more mail than it takes in one turn is not done', async (t) => {
  const { cores, nics, clock } = rig(t, 2);
  for (let i = 0; i < 150; i++) {
    clock.us += 100;
    nics[0].inject(arpReply());
    cores[0].turn();
  }
  const siblings = cores[1].siblings!;
  t.same([siblings.drain(), siblings.drain(), siblings.drain()], [true, true, true]);
  t.equal(siblings.drain(), false, 'only now it may sleep');
  t.equal(cores[1].stack.counters.CoreInFrames, 150);
});

t.test('a core without a frame to take its mail into is not done, and loses none', async (t) => {
  const { cores, nics } = rig(t, 2, { frames: 8 });
  const held = Array.from({ length: 8 }, () => nics[1].reserve());
  for (let i = 0; i < 5; i++) nics[0].inject(arpReply());
  cores[0].turn();
  const siblings = cores[1].siblings!;
  t.ok(siblings.drain(), 'mail is left');
  t.ok(siblings.drain(), 'and still is');
  t.equal(cores[1].stack.counters.CoreInFrames, 0);
  nics[1].release(held.pop()!);
  t.ok(siblings.drain());
  t.equal(siblings.drain(), false);
  t.equal(cores[1].stack.counters.CoreInFrames, 5);
  for (const frame of held) nics[1].release(frame);
  nics[1].check();
});

t.test('a core that somebody rings looks around before it sleeps', async (t) => {
  const { cores, shared } = rig(t, 2);
  const siblings = cores[1].siblings!;
  t.equal(siblings.drain(), false);
  new Mailboxes(shared.mailboxes, shared.cores, shared.frameBytes, 0).ring(1);
  t.equal(siblings.drain(), true);
  t.equal(siblings.drain(), false);
});

t.test('a flood of frames for everybody stays on the core where it arrives', async (t) => {
  const { cores, nics, clock } = rig(t, 3);
  const flood = (): void => {
    for (let i = 0; i < 100; i++) nics[0].inject(arpReply(`10.0.0.${3 + i}`));
    while (cores[0].turn());
  };
  clock.us = 5_000;
  flood();
  t.same(handed(cores[0]), [2 * 32, 0, 2 * 68], '32 for each of the two others, and the rest is counted');
  clock.us = 5_999;
  flood();
  t.same(handed(cores[0]), [2 * 32, 0, 2 * 168], 'in the same millisecond none');
  clock.us = 6_000;
  flood();
  t.same(handed(cores[0]), [4 * 32, 0, 2 * 236], 'in the next one some more');
  while (cores[1].turn());
  t.same(handed(cores[1]), [0, 64, 0], 'what was handed over is not handed on');
});

t.test('a flood from afar does not keep ARP from the other cores', async (t) => {
  const { cores, nics } = rig(t, 2);
  for (let i = 0; i < 50; i++) nics[0].inject(icmp(ICMP_ECHO_REPLY, 0, new Uint8Array(8)));
  for (let i = 0; i < 10; i++) nics[0].inject(arpReply());
  cores[0].turn();
  t.same(handed(cores[0]), [32 + 10, 0, 18]);
});

/** Opens a connection on a core, whose SYN is on its way: the socket, its port, and the number of its SYN. */
function opening(core: Context, port = 80): [id: number, port: number, seq: number] {
  const id = nonblocking(core);
  mtcp.mtcp_connect(core, id, mtcp.sockaddr_in(PEER_IP, port));
  core.turn();
  const here = new mtcp.SockAddr();
  mtcp.mtcp_getsockname(core, id, here);
  return [id, here.port, core.sockets.get(id)!.tcb!.snd.una];
}

function errorOf(core: Context, id: number): number {
  const value = new Int32Array(1);
  mtcp.mtcp_getsockopt(core, id, mtcp.SOL_SOCKET, mtcp.SO_ERROR, value);
  return value[0];
}

t.test('an ICMP error goes to the core of the connection that it quotes, and to no other', async (t) => {
  const { cores, nics } = rig(t, 3);
  const [id, port, seq] = opening(cores[1]);
  nics[0].inject(unreachable(port, 80, seq));
  for (const core of [...cores, ...cores]) core.turn();
  t.equal(errorOf(cores[1], id), mtcp.ECONNREFUSED);
  t.same(cores.map(handed), [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 0],
  ]);
  t.same(
    cores.map(({ stack }) => stack.counters.TcpExtOutOfWindowIcmps),
    [0, 0, 0],
  );
});

t.test('an ICMP error of the core itself, of nobody or of another host is not handed over', async (t) => {
  const { cores, nics } = rig(t, 2);
  const [id, port, seq] = opening(cores[0]);
  nics[0].inject(unreachable(port, 80, seq));
  cores[0].turn();
  t.equal(errorOf(cores[0], id), mtcp.ECONNREFUSED);
  nics[0].inject(unreachable(4000, 80, 1));
  nics[0].inject(unreachable(4001, 80, 1, '10.0.0.9'));
  cores[0].turn();
  t.same(handed(cores[0]), [0, 0, 0]);
  t.equal(cores[0].stack.counters.TcpExtOutOfWindowIcmps, 2);
});

t.test('an ICMP error that was handed over is not handed on', async (t) => {
  const { cores, nics } = rig(t, 2);
  // The port is core 1's, and no connection is there.
  nics[0].inject(unreachable(4001, 80, 1));
  for (const core of [...cores, ...cores, ...cores]) core.turn();
  t.same(cores.map(handed), [
    [1, 0, 0],
    [0, 1, 0],
  ]);
  t.equal(cores[1].stack.counters.TcpExtOutOfWindowIcmps, 1);
});

t.test('where nobody knows whose an accepted connection is, all see an ICMP error about it', async (t) => {
  const { cores, nics } = rig(t, 3);
  for (const core of cores) listener(core, 7000);
  nics[2].inject(framed(buildTcp({ src: PEER_IP, dst: HOST_IP, srcPort: 5000, dstPort: 7000, flags: 'S' })));
  cores[2].turn();
  cores[2].turn();
  nics[0].inject(unreachable(7000, 5000, 1));
  for (const core of [...cores, ...cores]) core.turn();
  t.same(cores.map(handed), [
    [2, 0, 0],
    [0, 1, 0],
    [0, 1, 0],
  ]);
});

t.test('an answer to an echo request is for everybody', async (t) => {
  const { cores, nics } = rig(t, 3);
  nics[0].inject(icmp(ICMP_ECHO_REPLY, 0, new Uint8Array(8)));
  for (const core of [...cores, ...cores]) core.turn();
  t.same(handed(cores[0]), [2, 0, 0]);
});

t.test('an ICMP error without a quote, or about UDP, is for nobody', async (t) => {
  const { cores, nics } = rig(t, 2);
  nics[0].inject(icmp(ICMP_UNREACHABLE, 1, new Uint8Array(8)));
  const quoted = buildIpv4({ src: HOST_IP, dst: PEER_IP, protocol: 17, payload: new Uint8Array(8) });
  nics[0].inject(icmp(ICMP_UNREACHABLE, 1, quoted));
  cores[0].turn();
  t.same(handed(cores[0]), [0, 0, 0]);
});

t.test('where the device tells its hash of IPv6 alone, what is accepted over IPv4 stays', async (t) => {
  const rss: RssDescription = {
    hash: 'toeplitz',
    key: new Uint8Array(40).fill(5),
    table: [0, 1],
    tcp4: 0,
    tcp6: RXH_TUPLE,
    fieldsTold: true,
    transform: 'none',
  };
  const { cores, nics } = rig(t, 2, { rss });
  for (const core of cores) listener(core, 7000);
  nics[1].inject(framed(buildTcp({ src: PEER_IP, dst: HOST_IP, srcPort: 5000, dstPort: 7000, flags: 'S' })));
  cores[1].turn();
  t.same(handed(cores[1]), [0, 0, 0]);
});

t.test('a frame for which the other core has no room is dropped there', async (t) => {
  const { cores, nics } = rig(t, 2, { lastMtu: 1000 });
  for (const payload of [new Uint8Array(1001 - 40), new Uint8Array(1000 - 40)]) {
    const segment = buildTcp({ src: PEER_IP, dst: HOST_IP, srcPort: 80, dstPort: 4001, payload });
    nics[0].inject(framed(segment));
  }
  for (const core of cores) core.turn();
  t.same(cores.map(handed), [
    [2, 0, 0],
    [0, 1, 1],
  ]);
  nics[1].check();
});
