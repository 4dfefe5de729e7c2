// Commands that mend an interface, made so that they do what they say when they are pasted: in the interface's namespace, in the words
// that its driver knows, and none at all where no command helps.

import type { InterfaceInfo } from './os/interface-info.js';
import { LAB_STACK_INTERFACE, labOfNamespace } from './os/lab.js';
import { NETNS_DIRECTORY } from './os/netns.js';
import type { XdpHolder } from './os/xdp-holder.js';

/** The name of a lab that was given none, as src/cli/lab.ts has it. */
const DEFAULT_LAB = 'mtcp';

/** A command as it is to be typed by somebody outside of the interface's namespace. */
export function commandIn(netns: string | undefined, command: string): string {
  if (netns === undefined) return command;
  const name = netns.startsWith(`${NETNS_DIRECTORY}/`) ? netns.slice(NETNS_DIRECTORY.length + 1) : netns;
  return name.startsWith('/') ? `nsenter --net=${name} ${command}` : `ip netns exec ${name} ${command}`;
}

/** The command that gives an interface so many queues; undefined when there is none. */
export function queuesCommand(
  { name, kind, channels }: Pick<InterfaceInfo, 'name' | 'kind' | 'channels'>,
  netns: string | undefined,
  queues: number,
): string | undefined {
  const lab = name === LAB_STACK_INTERFACE && kind === 'veth' ? labOfNamespace(netns) : undefined;
  // Its peer spreads over as many queues as the lab was made with.
  if (lab !== undefined) {
    const named = lab === DEFAULT_LAB ? '' : ` --name ${lab}`;
    return `npx mtcp lab down${named} && npx mtcp lab up${named} --queues ${queues}`;
  }
  if (channels === undefined) return undefined;
  const { combined, rx, tx, maxCombined, maxRx, maxTx } = channels;
  // A driver may know both kinds and use one of them.
  const isCombined = maxCombined > 0 && (combined > 0 || maxRx === 0);
  if (isCombined) {
    if (queues > maxCombined) return undefined;
    return commandIn(netns, `ethtool -L ${name} ${rx > 0 ? 'rx 0 ' : ''}combined ${queues}`);
  }
  if (queues > maxRx) return undefined;
  const sending = Math.min(queues, maxTx);
  return commandIn(
    netns,
    `ethtool -L ${name} rx ${queues}${sending > 0 && sending !== tx ? ` tx ${sending}` : ''}`,
  );
}

/** `ip link set` takes off only what sits where it is told to look. */
const WHERE: Readonly<Record<string, string>> = { skb: 'xdpgeneric', offload: 'xdpoffload' };

/** What to do about a program that is on an interface already. */
export function detachRemedy(
  iface: string,
  netns: string | undefined,
  holder: XdpHolder | undefined,
): string {
  if (holder?.kind === 'netlink') {
    const command = commandIn(netns, `ip link set ${iface} ${WHERE[holder.mode] ?? 'xdp'} off`);
    return `stop its owner, or remove it with \`${command}\``;
  }
  if (holder?.kind !== 'link') return 'stop its owner';
  const { pid, process: name } = holder;
  if (pid === process.pid) return 'this process has attached it: close that first';
  if (pid !== undefined) return `end process ${pid} (${name}), which has attached it: \`kill ${pid}\``;
  return 'end the process that holds its BPF link, or remove the file to which it is pinned (`bpftool link` tells)';
}
