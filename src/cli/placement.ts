// The common options that place a stack on an interface, and the opening and closing of such a stack. Every command that
// runs a stack in this process goes through here.

import type { ConfigFile } from '../api/config-file.js';
import { readConfigFile } from '../api/config-file.js';
import type { ChecksumPolicy, Mctx, MtcpOptions, XdpMode } from '../api/index.js';
import {
  mtcp_create_context,
  mtcp_destroy,
  mtcp_init,
  mtcp_last_error,
  mtcp_warnings,
} from '../api/index.js';
import { addressFault } from '../api/own-address.js';
import {
  isLabName,
  LAB_PEER_ADDRESS,
  LAB_PREFIX,
  LAB_STACK_ADDRESS,
  LAB_STACK_INTERFACE,
  labExists,
  labStatus,
  stackNamespace,
} from '../nic/os/lab.js';
import { parseV4 } from '../stack/wire/address.js';
import { CliError, usageError } from './failure.js';
import { DEFAULT_LAB, translate } from './lab.js';
import type { Logger } from './log.js';
import type { Args, OptionSpec } from './options.js';

const MODES: readonly XdpMode[] = ['auto', 'zerocopy', 'native', 'skb'];
const POLICIES: readonly ChecksumPolicy[] = ['auto', 'trust', 'verify'];

/** The options of every command that runs a stack. */
export const STACK_OPTIONS: readonly OptionSpec[] = [
  { name: 'iface', value: 'NAME', help: 'the interface to attach to' },
  { name: 'netns', value: 'NAME', help: 'the network namespace in which it is' },
  { name: 'address', value: 'CIDR', help: "the stack's own address, such as 10.0.0.5/24" },
  { name: 'gateway', value: 'IP', help: 'where to send what is not for that network' },
  {
    name: 'lab',
    value: 'PREFIX',
    optional: (word) => isLabName(word) && labExists(word),
    help: `short for interface, namespace and address of a running lab (${DEFAULT_LAB})`,
  },
  { name: 'xdp-mode', value: 'MODE', help: 'auto (default), zerocopy, native or skb' },
  { name: 'mtu', value: 'N', help: "largest IP packet in bytes (the interface's)" },
  {
    name: 'peer-checksum',
    value: 'POLICY',
    help: 'checksums of what arrives: auto (default), trust or verify',
  },
  {
    name: 'tx-checksum',
    value: 'WHO',
    help: 'who sums what is sent: device (default, where it can) or stack',
  },
  { name: 'pcap', value: 'FILE', help: 'capture everything to a pcapng file' },
  { name: 'cores', value: 'N', help: 'cores to use, one per queue of the interface (1)' },
  { name: 'shared', help: "use the kernel's address (comes later)", hidden: true },
  { name: 'config', value: 'FILE', help: 'read an mtcp.conf; the other options come over it' },
];

/** The options of a command that runs on one core: it refuses --cores, which is why its help does not have it. */
export const ONE_CORE_OPTIONS: readonly OptionSpec[] = STACK_OPTIONS.map((spec) =>
  spec.name === 'cores' ? { ...spec, hidden: true } : spec,
);

/** Where a stack is to be. */
export interface Placement {
  readonly iface: string;
  readonly netns: string | undefined;
  /** CIDR. */
  readonly address: string;
  readonly cores: number;
  readonly options: MtcpOptions;
  /** What a configuration file says without effect. */
  readonly warnings: readonly string[];
}

/** Reads the common options. Throws CliError that names the option at fault. */
export function readPlacement(args: Args, runsOn: 'one core' | 'several cores' = 'one core'): Placement {
  if (args.has('shared'))
    throw usageError('--shared comes later: give the stack an address of its own with --address');
  const cores = args.integer('cores', 1, 1024) ?? 1;
  if (cores !== 1 && runsOn === 'one core')
    throw usageError(`--cores ${cores} is for mtcp serve: this runs on one`);
  const mode = args.choice('xdp-mode', MODES);
  const peerChecksum = args.choice('peer-checksum', POLICIES);
  const txChecksum = args.choice('tx-checksum', ['device', 'stack'] as const);
  const mtu = args.integer('mtu', 68, 65_535);
  const gateway = args.text('gateway');
  if (gateway !== undefined && parseV4(gateway) === undefined) {
    throw usageError(`--gateway is an IPv4 address, not "${gateway}"`);
  }
  const file = readConfig(args);
  const place = args.has('lab') ? labPlace(args, file?.options) : freePlace(args, file?.options);
  const pcap = args.text('pcap');
  return {
    iface: place.iface,
    netns: place.netns,
    address: place.address,
    cores,
    warnings: file?.warnings ?? [],
    options: {
      ...fileOptions(file),
      iface: place.iface,
      address: place.address,
      ...(place.netns === undefined ? {} : { netns: place.netns }),
      ...optional('gateway', gateway ?? place.gateway),
      ...optional('mode', mode),
      ...optional('peerChecksum', peerChecksum),
      ...optional('txChecksum', txChecksum),
      ...optional('mtu', mtu),
      ...optional('pcap', pcap),
      ...(cores === 1 ? {} : { cores }),
    },
  };
}

interface Place {
  iface: string;
  netns: string | undefined;
  address: string;
  gateway: string | undefined;
}

/** Reads the file of --config. Throws CliError that names file, line and key. */
function readConfig(args: Args): ConfigFile | undefined {
  const path = args.text('config');
  if (path === undefined) return undefined;
  try {
    const iface = args.has('lab') ? LAB_STACK_INTERFACE : args.text('iface');
    return readConfigFile(path, iface === undefined ? {} : { iface });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EINVAL') throw usageError(message);
    throw new CliError(`--config ${path} cannot be read (${code ?? message})`);
  }
}

/** Options of the file that no option of the command line stands for; how many cores is for the command line to say. */
function fileOptions(file: ConfigFile | undefined): MtcpOptions {
  if (file === undefined) return {};
  const { addresses, cores, netns, ...options } = file.options;
  return options;
}

function freePlace(args: Args, file: MtcpOptions | undefined): Place {
  const iface = args.text('iface') ?? file?.iface;
  const address = readAddress(args) ?? file?.addresses?.[0];
  if (iface === undefined) {
    throw usageError('--iface is missing: name an interface, or use --lab after mtcp lab up');
  }
  if (address === undefined) {
    throw usageError('--address is missing: the stack needs an address of its own, such as 10.0.0.5/24');
  }
  return { iface, netns: args.text('netns') ?? file?.netns, address, gateway: undefined };
}

function labPlace(args: Args, file: MtcpOptions | undefined): Place {
  const name = args.text('lab') || DEFAULT_LAB;
  for (const option of ['iface', 'netns']) {
    if (args.has(option)) throw usageError(`--${option} and --lab say the same: give one of them`);
  }
  const { state } = translate(() => labStatus(name));
  if (state !== 'up') {
    const option = name === DEFAULT_LAB ? '' : ` --name ${name}`;
    const first = state === 'incomplete' ? `npx mtcp lab down${option} && ` : '';
    throw new CliError(`the lab "${name}" is ${state}: make it with ${first}npx mtcp lab up${option}`);
  }
  return {
    iface: LAB_STACK_INTERFACE,
    netns: stackNamespace(name),
    address: readAddress(args) ?? file?.addresses?.[0] ?? `${LAB_STACK_ADDRESS}/${LAB_PREFIX}`,
    gateway: file?.gateway ?? LAB_PEER_ADDRESS,
  };
}

function readAddress(args: Args): string | undefined {
  const text = args.text('address');
  if (text === undefined) return undefined;
  const match = /^(.*)\/(\d{1,2})$/.exec(text);
  if (match === null || parseV4(match[1]) === undefined || Number(match[2]) > 32) {
    throw usageError(
      `--address is an IPv4 address with its prefix length, such as 10.0.0.5/24, not "${text}"`,
    );
  }
  const fault = addressFault({ address: match[1], prefix: Number(match[2]) });
  if (fault !== undefined) throw usageError(`--address ${fault}`);
  return text;
}

function optional<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return (value === undefined ? {} : { [key]: value }) as { [P in K]?: V };
}

/** A stack that runs in this process. */
export interface OpenStack {
  readonly mctx: Mctx;
  /** What the socket got: `xdp-zerocopy`, `xdp-native` or `xdp-skb`. */
  readonly mode: string;
  /** Detaches. Idempotent. */
  close(): void;
}

/** Attaches a stack. Throws CliError with the reason and the remedy; nothing is attached then. */
export function openStack(placement: Placement, log: Logger): OpenStack {
  if (mtcp_init(placement.options) < 0) throw new CliError(mtcp_last_error());
  const mctx = mtcp_create_context(0);
  if (mctx === null) {
    const sentence = mtcp_last_error();
    mtcp_destroy();
    throw new CliError(sentence);
  }
  const { mode } = mctx.nic.capabilities;
  const { iface, netns, address } = placement;
  for (const warning of [...placement.warnings, ...mtcp_warnings()]) log.warn(warning);
  log.info({ iface, netns, address, mode }, 'attached');
  return {
    mctx,
    mode,
    close() {
      mtcp_destroy();
      log.info({ iface }, 'detached');
    },
  };
}
