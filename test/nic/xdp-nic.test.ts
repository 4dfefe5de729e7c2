// The Nic on a real interface: a veth pair between two namespaces, with the kernel's stack at the far end.
// Needs root; skips with the reason where namespaces cannot be made.

import { spawn } from 'node:child_process';
import t, { type Test } from 'tap';
import { RX_STRIDE } from '../../src/nic/nic.js';
import { openXdpNic, type XdpMode, type XdpNicOptions } from '../../src/nic/open-xdp-nic.js';
import type { XdpNic } from '../../src/nic/xdp-nic.js';
import { XdpProgram } from '../../src/nic/xdp-program.js';
import { arp, ethernet, ipv4, ipv6, onesSum, tcpSyn } from '../support/frames.js';
import { ip, type Lab, labReason, makeLab } from '../support/netns.js';
import { PacketSocket } from '../support/packet-socket.js';
import { ping } from '../support/ping.js';

const reason = labReason();
const skip = reason === undefined ? false : reason;
if (reason !== undefined) t.comment(`skipped: ${reason}`);

const V6 = Buffer.from('fd770000000000000000000000abcdef', 'hex');
const V6_TEXT = 'fd77::ab:cdef';

function withLab(
  t: Test,
  prefix: string,
  options: Parameters<typeof makeLab>[1] = {},
): { lab: Lab; open(more?: Partial<XdpNicOptions>): XdpNic } {
  const lab = makeLab(prefix, options);
  t.teardown(() => lab.close());
  const open = (more: Partial<XdpNicOptions> = {}): XdpNic => {
    const nic = openXdpNic({
      iface: lab.near.iface,
      netns: lab.near.netns,
      addresses: [lab.stackAddress, V6_TEXT],
      ...more,
    });
    t.teardown(() => nic.close());
    return nic;
  };
  return { lab, open };
}

/**
 * Receives until `count` frames are there or two seconds have passed; gives copies and releases the frames.
 */
function take(nic: XdpNic, count: number): Buffer[] {
  const frames: Buffer[] = [];
  const batch = new Int32Array(16 * RX_STRIDE);
  const until = performance.now() + 2000;
  while (frames.length < count && performance.now() < until) {
    const got = nic.receive(batch);
    for (let i = 0; i < got; i++) {
      const offset = batch[i * RX_STRIDE]!;
      frames.push(Buffer.from(nic.memory.subarray(offset, offset + batch[i * RX_STRIDE + 1]!)));
      nic.release(offset);
    }
    if (got === 0) nic.wait(100_000);
  }
  return frames;
}

/** Waits until the program has decided about `count` more packets than at `before`. */
function decided(nic: XdpNic, before: { redirected: number; passed: number }, count: number): void {
  const until = performance.now() + 2000;
  for (;;) {
    const { redirected, passed } = nic.program.counts();
    if (redirected + passed - before.redirected - before.passed >= count || performance.now() > until) return;
  }
}

for (const mode of ['native', 'skb'] as const satisfies XdpMode[]) {
  t.test(
    `in ${mode} mode only what the stack owns comes up, and the rest stays with the kernel`,
    { skip },
    async (t) => {
      const { lab, open } = withLab(t, `own${mode}`);
      const nic = open({ mode });
      t.equal(nic.capabilities.mode, `xdp-${mode}`);
      t.match(nic.capabilities, {
        linkType: 'ethernet',
        mtu: 1500,
        rxPartialChecksum: true,
        txChecksum: true,
      });
      t.equal(Buffer.from(nic.capabilities.mac).toString('hex'), lab.near.mac.replaceAll(':', ''));
      const peer = new PacketSocket(lab.far);
      t.teardown(() => peer.close());
      const { stackAddress: ours, near, far } = lab;
      const none = '00:00:00:00:00:00';
      const empty = Buffer.alloc(20);
      const frame = (type: number, payload: Uint8Array) => ethernet(near.mac, far.mac, type, payload);
      const v4 = (dst: string, protocol: number, fields = {}) =>
        frame(0x0800, ipv4(far.address, dst, protocol, empty, fields));
      const v6 = (dst: Buffer, next: number) => frame(0x86dd, ipv6(V6, dst, next, empty));
      const solicited = Buffer.from('ff0200000000000000000001ffabcdef', 'hex');
      const tagged = Buffer.concat([Buffer.from([0, 5, 8, 0]), ipv4(far.address, ours, 6, empty)]);

      const up: Record<string, Buffer> = {
        'ARP request': frame(0x0806, arp(1, far.mac, far.address, none, ours)),
        'ARP reply': frame(0x0806, arp(2, far.mac, far.address, near.mac, ours)),
        TCP: v4(ours, 6),
        ICMP: v4(ours, 1),
        'TCP with IP options': v4(ours, 6, { options: [1, 1, 1, 1] }),
        'first fragment': v4(ours, 6, { fragment: 0x2000 }),
        'last fragment': v4(ours, 1, { fragment: 0x0003 }),
        'IPv6 TCP': v6(V6, 6),
        'IPv6 fragment': v6(V6, 44),
        'IPv6 solicitation': v6(solicited, 58),
      };
      const stay: Record<string, Buffer> = {
        'ARP for the kernel': frame(0x0806, arp(1, far.mac, far.address, none, near.address)),
        'ARP of another hardware': frame(0x0806, arp(1, far.mac, far.address, none, ours).fill(7, 1, 2)),
        'cut ARP': frame(0x0806, arp(1, far.mac, far.address, none, ours).subarray(0, 27)),
        'TCP for the kernel': v4(near.address, 6),
        UDP: v4(ours, 17),
        'TCP in a VLAN': frame(0x8100, tagged),
        'cut IPv4': frame(0x0800, ipv4(far.address, ours, 6, empty).subarray(0, 19)),
        'IPv4 that says 5': v4(ours, 6, { version: 5 }),
        'another protocol': frame(0x88cc, empty),
        'IPv6 UDP': v6(V6, 17),
        'IPv6 for another': v6(Buffer.from(V6).fill(1, 15), 6),
        'cut IPv6': frame(0x86dd, ipv6(V6, V6, 6, empty).subarray(0, 39)),
      };
      for (const [name, bytes] of Object.entries(up)) {
        peer.send(bytes);
        t.same(take(nic, 1), [bytes], `${name} comes up`);
      }
      for (const [name, bytes] of Object.entries(stay)) {
        const before = nic.program.counts();
        peer.send(bytes);
        decided(nic, before, 1);
        t.equal(nic.program.counts().redirected, before.redirected, `${name} stays`);
      }
      t.equal(nic.receive(new Int32Array(RX_STRIDE)), 0);
      t.equal(ping(peer, lab, 3), 3, 'the kernel answers as ever');

      nic.program.removeAddress(ours);
      const before = nic.program.counts();
      peer.send(up.TCP!);
      decided(nic, before, 1);
      t.equal(nic.program.counts().redirected, before.redirected, 'an address that was given up');
      nic.program.addAddress(ours);
      nic.program.clearSocket(0);
      peer.send(up.TCP!);
      decided(nic, before, 2);
      t.equal(nic.program.counts().passed, before.passed + 2, 'a queue without a socket');

      t.match(nic.statistics(), {
        rx_packets: 10,
        xdp_redirected: 10,
        xsk_rx_dropped: 0,
        xsk_rx_ring_full: 0,
      });
      const { held, tx } = nic.owners();
      t.same({ held, tx }, { held: 0, tx: 0 });
      nic.close();
      t.notMatch(ip('-n', near.netns, 'link', 'show', near.iface), /xdp/, 'nothing stays attached');
      t.equal(ping(peer, lab, 2), 2, 'and still does');
    },
  );
}

t.test('what is sent arrives, and the device completes the checksum', { skip }, async (t) => {
  const { lab, open } = withLab(t, 'send');
  const nic = open();
  const peer = new PacketSocket(lab.far);
  t.teardown(() => peer.close());
  const { stackAddress: ours, near, far } = lab;
  ip('-n', far.netns, 'neigh', 'add', ours, 'lladdr', near.mac, 'dev', far.iface);
  const send = (port: number, checksum: boolean): void => {
    const bytes = ethernet(
      far.mac,
      near.mac,
      0x0800,
      ipv4(ours, far.address, 6, tcpSyn(ours, far.address, port, 9)),
    );
    const offset = nic.reserve();
    nic.memory.set(bytes, offset);
    nic.submit(offset, bytes.length, checksum ? 34 : 0, checksum ? 16 : 0);
    nic.flush();
    t.ok(
      peer.receive((frame) => frame.length === bytes.length && frame.readUInt16BE(34) === port),
      'the peer sees it',
    );
  };
  // A closed port of the kernel answers a SYN with RST, when its checksum is right.
  send(1001, true);
  const [reset] = take(nic, 1);
  t.equal(reset?.readUInt16BE(36), 1001);
  t.equal(reset?.[47], 0x14, 'RST, ACK');
  send(1002, false);
  send(1003, true);
  const [next] = take(nic, 1);
  t.equal(next?.readUInt16BE(36), 1003, 'the one without a checksum was dropped');
  nic.flush();
  t.same(nic.owners().tx, 0);
  t.match(nic.statistics(), { tx_packets: 3, tx_kicks_refused: 0, xsk_tx_invalid_descs: 0 });
});

t.test('thousands of frames go around without one being lost or owned twice', { skip }, async (t) => {
  const { lab, open } = withLab(t, 'many');
  const nic = open({ frames: 512, ringSizes: { rx: 256 } });
  const other = openXdpNic({ iface: 'veth0', netns: lab.far.netns, addresses: ['10.77.0.20'], frames: 512 });
  t.teardown(() => other.close());
  const { near, far, stackAddress: ours } = lab;
  const there = ethernet(near.mac, far.mac, 0x0800, ipv4('10.77.0.20', ours, 6, Buffer.alloc(40)));
  const back = ethernet(far.mac, near.mac, 0x0800, ipv4(ours, '10.77.0.20', 6, Buffer.alloc(40)));
  const batch = new Int32Array(64 * RX_STRIDE);
  let sent = 0;
  let returned = 0;
  const until = performance.now() + 20_000;
  while (returned < 20_000 && performance.now() < until) {
    while (sent < 20_000 && sent - returned < 150) {
      const offset = other.reserve();
      if (offset < 0) break;
      other.memory.set(there, offset);
      other.view.setUint32(offset + 50, sent++);
      other.submit(offset, there.length, 0, 0);
    }
    other.flush();
    // The near end sends the received frame itself back, with other addresses.
    const got = nic.receive(batch);
    for (let i = 0; i < got; i++) {
      const offset = batch[i * RX_STRIDE]!;
      nic.memory.set(back.subarray(0, 34), offset);
      nic.submit(offset, back.length, 0, 0);
    }
    nic.flush();
    const home = other.receive(batch);
    for (let i = 0; i < home; i++) {
      const offset = batch[i * RX_STRIDE]!;
      if (other.view.getUint32(offset + 50) !== returned++) t.fail('out of order');
      other.release(offset);
    }
    for (const { free, fill, held, tx } of [nic.owners(), other.owners()]) {
      if (free + fill + held + tx !== 512) t.fail('a frame is missing');
    }
  }
  t.equal(returned, 20_000);
  t.same(nic.owners().held, 0);
  t.match(nic.statistics(), { xsk_rx_dropped: 0, xsk_rx_invalid_descs: 0, xsk_tx_invalid_descs: 0 });
});

t.test('full rings drop, are counted, and work on afterwards', { skip }, async (t) => {
  const { lab, open } = withLab(t, 'full');
  const nic = open({ frames: 256, ringSizes: { rx: 64, fill: 64 } });
  const peer = new PacketSocket(lab.far);
  t.teardown(() => peer.close());
  const { near, far, stackAddress: ours } = lab;
  const frame = ethernet(near.mac, far.mac, 0x0800, ipv4(far.address, ours, 6, Buffer.alloc(20)));
  const before = nic.program.counts();
  for (let i = 0; i < 100; i++) peer.send(frame);
  decided(nic, before, 100);
  const statistics = nic.statistics();
  t.equal(statistics.xsk_rx_ring_full! + statistics.xsk_rx_fill_ring_empty_descs!, 36);
  t.equal(take(nic, 64).length, 64);
  peer.send(frame);
  t.equal(take(nic, 1).length, 1);
  t.same(nic.owners(), { free: 256 - nic.owners().fill, fill: nic.owners().fill, held: 0, tx: 0 });
});

for (const mode of ['native', 'skb'] as const satisfies XdpMode[]) {
  t.test(`in ${mode} mode packets of a large MTU take several buffers`, { skip }, async (t) => {
    const { lab, open } = withLab(t, `mtu${mode}`, { mtu: 9000 });
    const nic = open({ mode, frames: 1024 });
    t.equal(nic.capabilities.mtu, 9000);
    const peer = new PacketSocket(lab.far);
    t.teardown(() => peer.close());
    const { near, far, stackAddress: ours } = lab;
    const body = Buffer.from(Array.from({ length: 8980 }, (_, i) => i & 255));
    for (const length of [20, 3000, 3806, 3807, 8980]) {
      const frame = ethernet(near.mac, far.mac, 0x0800, ipv4(far.address, ours, 6, body.subarray(0, length)));
      peer.send(frame);
      const [got] = take(nic, 1);
      t.ok(got?.equals(frame), `${frame.length} bytes arrive`);
      const back = ethernet(far.mac, near.mac, 0x0800, ipv4(ours, far.address, 6, body.subarray(0, length)));
      const offset = nic.reserve();
      nic.memory.set(back, offset);
      nic.submit(offset, back.length, 0, 0);
      nic.flush();
      t.ok(
        peer.receive((seen) => seen.equals(back)),
        `${back.length} bytes are sent`,
      );
    }
    nic.flush();
    const { held, tx } = nic.owners();
    t.same({ held, tx }, { held: 0, tx: 0 });
    t.equal(ping(peer, lab, 2, 8000), 2, 'large packets of the kernel pass');
  });
}

for (const [mode, mtu] of [
  ['skb', 1500],
  ['native', 1500],
] as const) {
  t.test(
    `in ${mode} mode with an MTU of ${mtu} a kernel peer's segments arrive whole, however long`,
    { skip },
    async (t) => {
      const { lab, open } = withLab(t, `gso${mode}`, { mtu });
      const nic = open({ mode, frames: 2048 });
      const { stackAddress: ours, near, far } = lab;
      ip('-n', far.netns, 'neigh', 'add', ours, 'lladdr', near.mac, 'dev', far.iface);
      const script = `const s = require('net').connect(80, '${ours}', () => s.write(Buffer.alloc(60000, 120)))`;
      const client = spawn('ip', ['netns', 'exec', far.netns, process.execPath, '-e', script], {
        stdio: 'ignore',
      });
      t.teardown(() => client.kill('SIGKILL'));
      // A handshake by hand, and then an acknowledgement for all that comes: the congestion window grows, and
      // the segments too.
      let longest = 0;
      let received = 0;
      const until = performance.now() + 5000;
      while (received < 60_000 && performance.now() < until) {
        for (const frame of take(nic, 1)) {
          const syn = (frame[47]! & 2) !== 0;
          const length = frame.readUInt16BE(16) - 20 - (frame[46]! >> 4) * 4;
          longest = Math.max(longest, frame.length);
          received += length;
          const reply = tcpSyn(ours, far.address, 80, frame.readUInt16BE(34));
          reply.writeUInt32BE(syn ? 1 : 2, 4);
          reply.writeUInt32BE((frame.readUInt32BE(38) + length + (syn ? 1 : 0)) >>> 0, 8);
          reply[13] = syn ? 0x12 : 0x10;
          reply.writeUInt16BE(65535, 14);
          const bytes = ethernet(far.mac, near.mac, 0x0800, ipv4(ours, far.address, 6, reply));
          // The field holds the pseudo-header's sum, so the sum over the segment is the sum of both.
          bytes.writeUInt16BE(~onesSum(bytes.subarray(34)) & 0xffff, 50);
          if (!syn && length === 0) continue;
          const offset = nic.reserve();
          nic.memory.set(bytes, offset);
          nic.submit(offset, bytes.length, 0, 0);
          nic.flush();
        }
      }
      t.equal(received, 60_000);
      // Ahead of the skb hook nothing has cut them yet; for native XDP the kernel cuts them to the MTU.
      t.equal(longest > mtu + 14, mode === 'skb', `the longest frame had ${longest} bytes`);
      const { rx_too_long, rx_linearized, xsk_rx_dropped } = nic.statistics();
      t.match({ rx_too_long, xsk_rx_dropped }, { rx_too_long: 0, xsk_rx_dropped: 0 });
      t.equal(rx_linearized! > 0, mode === 'skb');
    },
  );
}

t.test('two queues of an interface share one program, which goes with the last', { skip }, async (t) => {
  const { lab, open } = withLab(t, 'two', { queues: 2 });
  const first = open({ queue: 0 });
  const second = open({ queue: 1, program: first.program });
  const peer = new PacketSocket(lab.far);
  t.teardown(() => peer.close());
  const shown = () => ip('-n', lab.near.netns, 'link', 'show', lab.near.iface);
  first.close();
  t.match(shown(), /xdp/, 'still attached');
  t.match(second.statistics(), { rx_packets: 0 });
  const elsewhere = XdpProgram.adopt(second.program.handles);
  elsewhere.addAddress('10.77.0.99');
  t.same(elsewhere.counts(), second.program.counts());
  elsewhere.close();
  t.match(shown(), /xdp/, 'another thread lets go of it');
  second.close();
  t.notMatch(shown(), /xdp/);
  t.match(second.statistics(), { rx_packets: 0 });
});

t.test('a link that goes down and comes back carries what waited and what comes', { skip }, async (t) => {
  const { lab, open } = withLab(t, 'down');
  const nic = open({ busyPoll: true });
  const peer = new PacketSocket(lab.far);
  t.teardown(() => peer.close());
  const { near, far, stackAddress: ours } = lab;
  const there = ethernet(near.mac, far.mac, 0x0800, ipv4(far.address, ours, 6, Buffer.alloc(20)));
  const back = ethernet(far.mac, near.mac, 0x0800, ipv4(ours, far.address, 6, Buffer.alloc(20)));
  ip('-n', near.netns, 'link', 'set', near.iface, 'down');
  const offset = nic.reserve();
  nic.memory.set(back, offset);
  nic.submit(offset, back.length, 0, 0);
  nic.flush();
  nic.wait(1000);
  t.equal(nic.statistics().tx_kicks_refused, 1);
  t.equal(nic.owners().tx, 1);
  ip('-n', near.netns, 'link', 'set', near.iface, 'up');
  nic.flush();
  t.ok(
    peer.receive((frame) => frame.equals(back)),
    'the waiting frame',
  );
  t.equal(nic.owners().tx, 0);
  peer.send(there);
  t.same(take(nic, 1), [there]);
});

t.test(
  'an interface that is removed leaves a Nic that does nothing, does not throw and can be closed',
  { skip },
  async (t) => {
    const { lab, open } = withLab(t, 'gone');
    const nic = open();
    ip('-n', lab.near.netns, 'link', 'del', lab.near.iface);
    const batch = new Int32Array(RX_STRIDE);
    for (let i = 0; i < 3; i++) {
      t.equal(nic.receive(batch), 0);
      const offset = nic.reserve();
      nic.submit(offset, 60, 0, 0);
      nic.flush();
      nic.wait(2000);
    }
    t.equal(nic.statistics().sleeps, 3, 'no busy loop');
    const { free, fill, held, tx } = nic.owners();
    t.equal(free + fill + held + tx, 8192);
    nic.close();
  },
);
