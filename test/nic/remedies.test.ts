// The commands that refusals name do what they say when they are pasted: made of what the driver knows, in the interface's namespace.
// The second half needs root; it skips with the reason where that is missing.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { judgeInterface } from '../../src/cli/doctor-interface.js';
import { NicError } from '../../src/nic/nic-error.js';
import { openXdpNic } from '../../src/nic/open-xdp-nic.js';
import { ATTACH_XDP, loadProgram, PROG_TYPE_XDP } from '../../src/nic/os/bpf.js';
import type { Channels } from '../../src/nic/os/ethtool.js';
import { interfaceInfo } from '../../src/nic/os/interface-info.js';
import { labDown, labUp, stackNamespace } from '../../src/nic/os/lab.js';
import { Netlink } from '../../src/nic/os/netlink.js';
import { NetlinkMessage, NLM_F_ACK } from '../../src/nic/os/netlink-message.js';
import { inNetns } from '../../src/nic/os/netns.js';
import { xdpHolder } from '../../src/nic/os/xdp-holder.js';
import { commandIn, detachRemedy, queuesCommand } from '../../src/nic/remedies.js';
import { labReason, makeLab } from '../support/netns.js';

const reason = labReason();
const skip = reason === undefined ? false : reason;
if (reason !== undefined) t.comment(`skipped: ${reason}`);

const CHILD = fileURLToPath(new URL('../support/xdp-child.js', import.meta.url));

t.test('a command is for whoever is outside of the namespace', async (t) => {
  t.equal(commandIn(undefined, 'ip link'), 'ip link');
  t.equal(commandIn('red', 'ip link'), 'ip netns exec red ip link');
  t.equal(commandIn('/var/run/netns/red', 'ip link'), 'ip netns exec red ip link');
  t.equal(commandIn('/proc/7/ns/net', 'ip link'), 'nsenter --net=/proc/7/ns/net ip link');
});

t.test('queues are set in the words of the driver, or not at all', async (t) => {
  const none: Channels = { rx: 0, tx: 0, combined: 0, maxRx: 0, maxTx: 0, maxCombined: 0 };
  const command = (channels: Partial<Channels> | undefined, queues: number): string | undefined => {
    const counts = channels === undefined ? undefined : { ...none, ...channels };
    return queuesCommand({ name: 'eth0', kind: '', channels: counts }, undefined, queues);
  };
  t.equal(command({ combined: 4, maxCombined: 8 }, 1), 'ethtool -L eth0 combined 1');
  t.equal(command({ combined: 4, maxCombined: 8 }, 9), undefined, 'more than there can be');
  t.equal(command({ rx: 2, tx: 2, maxRx: 2, maxTx: 2 }, 1), 'ethtool -L eth0 rx 1 tx 1');
  t.equal(command({ rx: 2, tx: 1, maxRx: 4, maxTx: 1 }, 4), 'ethtool -L eth0 rx 4');
  t.equal(command({ rx: 2, tx: 2, maxRx: 2, maxTx: 2 }, 3), undefined);
  t.equal(command({ rx: 2, tx: 2, maxRx: 4, maxTx: 4, maxCombined: 4 }, 1), 'ethtool -L eth0 rx 1 tx 1');
  t.equal(command(undefined, 1), undefined, 'the driver does not tell');
});

t.test('who has attached a program decides how it goes', async (t) => {
  const say = (holder: Parameters<typeof detachRemedy>[2]): string => detachRemedy('eth0', 'red', holder);
  t.match(
    say({ kind: 'link', mode: 'native', pid: 7, process: 'node' }),
    /end process 7 \(node\), .*`kill 7`/,
  );
  t.match(say({ kind: 'link', mode: 'native', pid: process.pid, process: 'node' }), /this process/);
  t.match(say({ kind: 'link', mode: 'native' }), /BPF link/);
  t.match(say({ kind: 'netlink', mode: 'native' }), /`ip netns exec red ip link set eth0 xdp off`/);
  t.match(say({ kind: 'netlink', mode: 'skb' }), /eth0 xdpgeneric off`/);
  for (const holder of [undefined, { kind: 'unknown', mode: 'native' } as const]) {
    t.notMatch(say(holder), /xdp off/, 'no command that may fail');
  }
});

/** What a shell makes of the command in backquotes, or of the whole text. */
function paste(text: string): ReturnType<typeof spawnSync> {
  return spawnSync('sh', ['-c', /`([^`]*)`/.exec(text)?.[1] ?? text], { encoding: 'utf8' });
}

/** Attaches a program as `ip link set xdp` does. */
function attachByNetlink(index: number, flags: number): void {
  const pass = Buffer.from([0xb7, 0, 0, 0, 2, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]);
  const program = loadProgram(pass, { name: 'pass', type: PROG_TYPE_XDP, attachType: ATTACH_XDP });
  const netlink = new Netlink();
  try {
    const message = new NetlinkMessage(19, NLM_F_ACK).interfaceHeader(index, 0, 0);
    message.nest(43, () => void message.u32(1, program).u32(3, flags));
    (netlink as unknown as { request(message: NetlinkMessage, what: string): void }).request(message, 'xdp');
  } finally {
    netlink.close();
    closeSync(program);
  }
}

t.test('a program of another is told with its owner, and goes as the sentence says', { skip }, async (t) => {
  const made = makeLab('remedy');
  t.teardown(() => made.close());
  const { near, stackAddress } = made;
  const options = { iface: near.iface, netns: near.netns, addresses: [stackAddress] };
  const index = inNetns(near.netns, () => interfaceInfo(near.iface).index);
  const refusal = (): NicError => {
    try {
      openXdpNic(options).close();
    } catch (error) {
      if (error instanceof NicError) return error;
    }
    throw new Error('no refusal');
  };
  const free = (): void => {
    t.equal(
      inNetns(near.netns, () => xdpHolder(index)),
      undefined,
    );
    openXdpNic(options).close();
  };
  free();

  const own = openXdpNic(options);
  t.match(refusal().message, /^veth0 has an XDP program already; this process has attached it/);
  own.close();

  const child = await hanging(t, [near.netns, near.iface, stackAddress, 'hang']);
  const taken = refusal();
  t.match(
    taken.message,
    new RegExp(`; end process ${child.pid} \\(.+\\), which has attached it: \`kill ${child.pid}\`$`),
  );
  const info = inNetns(near.netns, () => interfaceInfo(near.iface));
  const doctor = judgeInterface(
    info,
    near.netns,
    inNetns(near.netns, () => xdpHolder(index)),
  );
  t.match(doctor.find(({ name }) => name === 'veth0 xdp')?.remedy, `kill ${child.pid}`);
  const over = new Promise((resolve) => child.once('exit', resolve));
  t.equal(paste(taken.remedy).status, 0);
  await over;
  free();

  for (const [flags, mode] of [
    [2, 'skb'],
    [4, 'native'],
  ] as const) {
    inNetns(near.netns, () => attachByNetlink(index, flags));
    t.match(
      inNetns(near.netns, () => xdpHolder(index)),
      { kind: 'netlink', mode },
    );
    const { remedy } = refusal();
    t.match(remedy, `ip netns exec ${near.netns} ip link set veth0 xdp`);
    t.equal(paste(remedy).status, 0, remedy);
    free();
  }
});

/** Starts the child and waits for its first word. */
async function hanging(t: Test, args: string[]): Promise<ChildProcess> {
  const child = spawn(process.execPath, [CHILD, ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
  t.teardown(() => child.kill('SIGKILL'));
  await new Promise((resolve, reject) => {
    child.stdout?.once('data', resolve);
    child.once('exit', () => reject(new Error('it ended')));
  });
  return child;
}

t.test('a veth pair and a lab get the queues that they can have', { skip }, async (t) => {
  const made = makeLab('queues', { queues: 2 });
  t.teardown(() => made.close());
  const { near } = made;
  const ask = (netns: string, iface: string, queues: number): string | undefined =>
    queuesCommand(
      inNetns(netns, () => interfaceInfo(iface)),
      netns,
      queues,
    );
  const one = ask(near.netns, near.iface, 1);
  t.equal(one, `ip netns exec ${near.netns} ethtool -L veth0 rx 1 tx 1`);
  t.equal(ask(near.netns, near.iface, 3), undefined);
  if (spawnSync('ethtool', ['--version']).status === 0) {
    t.equal(paste(one ?? '').status, 0);
    t.equal(
      inNetns(near.netns, () => interfaceInfo(near.iface).queues),
      1,
    );
  }
  const lab = `mtcp-t-rem-${process.pid}`;
  labUp({ name: lab, queues: 1, mtu: 1500 });
  t.teardown(() => labDown(lab));
  t.equal(
    ask(stackNamespace(lab), 'mtcp0', 2),
    `npx mtcp lab down --name ${lab} && npx mtcp lab up --name ${lab} --queues 2`,
  );
});
