// Opening and closing an interface: every refusal is one sentence with its remedy and leaves nothing behind,
// and however a process ends, nothing stays attached and the kernel's own traffic goes on. Needs root; skips
// with the reason where that is missing.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { NicError } from '../../src/nic/nic-error.js';
import { openXdpNic, type XdpNicOptions } from '../../src/nic/open-xdp-nic.js';
import { interfaceInfo } from '../../src/nic/os/interface-info.js';
import { inNetns } from '../../src/nic/os/netns.js';
import { ip, type Lab, labReason, makeLab } from '../support/netns.js';
import { PacketSocket } from '../support/packet-socket.js';
import { receivePing, sendPing } from '../support/ping.js';

const reason = labReason();
const skip = reason === undefined ? false : reason;
if (reason !== undefined) t.comment(`skipped: ${reason}`);

const CHILD = fileURLToPath(new URL('../support/xdp-child.js', import.meta.url));

function lab(t: Test, prefix: string, options: Parameters<typeof makeLab>[1] = {}): Lab {
  const made = makeLab(prefix, options);
  t.teardown(() => made.close());
  return made;
}

function shown(made: Lab): string {
  return ip('-n', made.near.netns, 'link', 'show', made.near.iface);
}

/** Asks again for a second at most whether the interface is free of XDP programs. */
async function detached(made: Lab): Promise<boolean> {
  for (let i = 0; i < 20; i++) {
    if (!/xdp/.test(shown(made))) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}

t.test('every refusal is one sentence that says what to do', { skip }, async (t) => {
  const made = lab(t, 'deny');
  const { near, stackAddress } = made;
  const base: XdpNicOptions = { iface: near.iface, netns: near.netns, addresses: [stackAddress] };
  const refused = (name: string, change: Partial<XdpNicOptions>, code: string, message: RegExp): void => {
    try {
      openXdpNic({ ...base, ...change }).close();
      t.fail(`${name}: opened`);
    } catch (error) {
      t.type(error, NicError, name);
      const { code: got, message: said, remedy } = error as NicError;
      t.equal(got, code, name);
      t.match(said, message, name);
      t.ok(said.endsWith(`; ${remedy}`) && remedy.length > 10 && !said.includes('\n'), said);
    }
    if (change.iface === undefined && change.program === undefined)
      t.notMatch(shown(made), /xdp/, `${name}: nothing attached`);
  };
  refused(
    'no interface',
    { iface: 'nope0' },
    'ENODEV',
    /no interface nope0 in the network namespace deny-near/,
  );
  refused('an interface of the name of a path', { iface: '../x' }, 'ENODEV', /no interface/);
  refused(
    'no namespace',
    { netns: 'deny-nowhere' },
    'ENOENT',
    /no network namespace deny-nowhere; .*ip netns/,
  );
  refused('a namespace with a slash', { netns: 'a/b' }, 'EINVAL', /cannot be entered/);
  refused('no zero-copy', { mode: 'zerocopy' }, 'EOPNOTSUPP', /no AF_XDP zero-copy/);
  refused('no such queue', { queue: 1 }, 'EINVAL', /veth0 has no queue 1; choose queue 0$/);
  refused('an impossible queue', { queue: -1 }, 'EINVAL', /no queue -1/);
  refused('not an address', { addresses: ['10.0.0.1/24'] }, 'EINVAL', /not an IP address; write it without/);
  const taken =
    /has the address [\d.:a-f]+, on (veth0|lo), .*; choose an address of the network that nobody has/;
  ip('-n', near.netns, 'addr', 'add', '10.99.0.9/32', 'dev', 'lo');
  ip('-n', near.netns, 'addr', 'add', 'fd77::1/64', 'dev', 'veth0', 'nodad');
  refused("the kernel's address", { addresses: [stackAddress, near.address] }, 'EADDRINUSE', taken);
  refused('an address of another interface', { addresses: ['10.99.0.9'] }, 'EADDRINUSE', taken);
  refused("the kernel's address of IPv6", { addresses: ['fd77::1'] }, 'EADDRINUSE', taken);
  refused('too few frames', { frames: 1 }, 'EINVAL', /1 frames/);
  refused('a frame size', { frameSize: 1000 as 2048 }, 'EINVAL', /frame size of 1000/);
  refused('a ring size', { ringSizes: { rx: 1000 } }, 'EINVAL', /power of two/);
  refused('too many addresses', { addresses: manyAddresses() }, 'E2BIG', /XDP program/);

  const nic = openXdpNic(base);
  refused('a second program', { iface: near.iface }, 'EBUSY', /has an XDP program already/);
  refused('a queue that is taken', { program: nic.program }, 'EBUSY', /queue 0 of veth0 is taken by another/);
  t.match(shown(made), /xdp/, 'the first is still attached');
  t.equal(nic.program.counts().redirected, 0);
  nic.close();
  openXdpNic(base).close();
  t.pass('the queue is free again at once');

  ip('-n', near.netns, 'link', 'set', near.iface, 'down');
  refused('a link that is down', {}, 'ENETDOWN', /is down; bring it up with/);
});

function manyAddresses(): string[] {
  return Array.from({ length: 1100 }, (_, i) => `10.78.${i >> 8}.${i & 255}`);
}

t.test('an MTU that frames cannot hold is refused with the remedy', { skip }, async (t) => {
  const made = lab(t, 'huge', { mtu: 65000 });
  const { near, stackAddress } = made;
  const open = (frameSize: 2048 | 4096) =>
    openXdpNic({ iface: near.iface, netns: near.netns, addresses: [stackAddress], frameSize, mode: 'skb' });
  t.throws(() => open(2048), { code: 'ERANGE', message: /use frames of 4096 bytes or lower the MTU/ });
  t.notMatch(shown(made), /xdp/);
  open(4096).close();
});

t.test('without privileges the error says which are needed', { skip }, async (t) => {
  const made = lab(t, 'poor');
  const { near, stackAddress } = made;
  const run = (netns: string): string =>
    made.run(near, process.execPath, CHILD, netns, near.iface, stackAddress, 'unprivileged');
  t.match(
    run('-'),
    /^EPERM: .*veth0 is not permitted; run as root, or give .*CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF/,
  );
  t.match(run(near.netns), /^EPERM: entering the network namespace .* is not permitted; run as root/);
  t.notMatch(shown(made), /xdp/);
});

t.test('inNetns comes back whatever happens inside', { skip }, async (t) => {
  const made = lab(t, 'home');
  const where = () => readlinkSync('/proc/thread-self/ns/net');
  const home = where();
  t.not(inNetns(made.near.netns, where), home);
  t.equal(where(), home);
  t.throws(() =>
    inNetns(made.near.netns, () => {
      throw new Error('inside');
    }),
  );
  t.equal(where(), home);
  t.equal(inNetns(undefined, where), home);
  t.equal(inNetns(`/var/run/netns/${made.near.netns}`, () => inNetns(made.far.netns, where)) === home, false);
  t.equal(where(), home);
});

t.test('an interface is described as `ip` describes it', { skip }, async (t) => {
  const made = lab(t, 'info', { mtu: 1400, queues: 2 });
  ip('-n', made.near.netns, 'route', 'add', 'default', 'via', made.far.address);
  ip('-n', made.near.netns, 'addr', 'add', 'fd77::1/64', 'dev', 'veth0', 'nodad');
  const info = inNetns(made.near.netns, () => interfaceInfo('veth0'));
  t.match(info, {
    name: 'veth0',
    mtu: 1400,
    up: true,
    kind: 'veth',
    driver: 'veth',
    queues: 2,
    maxQueues: 2,
    gateway: made.far.address,
    xdp: 'none',
  });
  t.equal([...info.mac].map((byte) => byte.toString(16).padStart(2, '0')).join(':'), made.near.mac);
  t.same(info.addresses, [
    { address: made.near.address, prefix: 24, family: 4 },
    { address: 'fd77:0:0:0:0:0:0:1', prefix: 64, family: 6 },
  ]);
  t.throws(() => inNetns(made.near.netns, () => interfaceInfo('nope')), { code: 'ENODEV' });
});

/** Starts the child and waits for its first word. */
async function start(made: Lab, ending: string): Promise<ChildProcess> {
  const { near, stackAddress } = made;
  const args = [CHILD, near.netns, near.iface, stackAddress, ending];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  await new Promise(
    (resolve, reject) => child.stdout?.once('data', resolve) ?? reject(new Error('no output')),
  );
  return child;
}

const ended = (child: ChildProcess): Promise<unknown> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => child.once('exit', resolve));

t.test('kill -9 detaches, and the traffic of the kernel loses no packet', { skip }, async (t) => {
  const made = lab(t, 'kill');
  const peer = new PacketSocket(made.far);
  t.teardown(() => peer.close());
  // Pings from before the program is attached until after the process is dead.
  let sent = 0;
  const pings = setInterval(() => sendPing(peer, made, ++sent), 10);
  t.teardown(() => clearInterval(pings));
  const child = await start(made, 'hang');
  t.teardown(() => child.kill('SIGKILL'));
  t.match(shown(made), /xdp/);
  child.kill('SIGKILL');
  await ended(child);
  t.ok(await detached(made));
  const sentThen = sent;
  while (sent < sentThen + 50) await new Promise((resolve) => setTimeout(resolve, 10));
  clearInterval(pings);
  const missing = new Set(Array.from({ length: sent }, (_, i) => i + 1));
  for (let got = receivePing(peer); got >= 0; got = missing.size > 0 ? receivePing(peer) : -1)
    missing.delete(got);
  t.same([...missing], [], 'each of them was answered');
});

for (const [ending, how] of [
  ['return', 'by itself'],
  ['throw', 'with an exception'],
]) {
  t.test(`a process that ends ${how} leaves nothing attached`, { skip }, async (t) => {
    const made = lab(t, 'end');
    const { near, stackAddress } = made;
    await new Promise((resolve) => {
      execFile(process.execPath, [CHILD, near.netns, near.iface, stackAddress, ending!], resolve);
    });
    t.ok(await detached(made));
  });
}

for (const [ending, how] of [
  ['worker-return', 'by itself'],
  ['worker-throw', 'with an exception'],
]) {
  t.test(
    `a worker that ends ${how} leaves nothing attached in a process that goes on`,
    { skip },
    async (t) => {
      const made = lab(t, 'worker');
      const child = await start(made, ending!);
      t.teardown(() => child.kill('SIGKILL'));
      t.ok(await detached(made));
      child.kill('SIGKILL');
      await ended(child);
    },
  );
}
