// The options of mtcp_init: which there are, what they may be, and an error that names the key for everything else. Nothing
// needs to be written that the interface can tell; what is given overrides it.

import type { Nic } from '../nic/nic.js';
import { StackConfig } from '../stack/config.js';
import { parseMac, parseV4 } from '../stack/wire/address.js';
import { addressFault } from './own-address.js';

/** How an AF_XDP socket is to sit on the interface; `auto` tries them in the order zero-copy, native, skb. */
export type XdpMode = 'auto' | 'zerocopy' | 'native' | 'skb';

/** What to do with the checksums of received segments: see the Nic's `rxPartialChecksum`. */
export type ChecksumPolicy = 'auto' | 'trust' | 'verify';

/**
 * Options of `mtcp_init`. Either `iface` or `nic` is needed, and an address of the stack's own. `@conf` names the key of mtcp.conf
 * that does the same; docs/api/options.md is made from these comments.
 */
export interface MtcpOptions {
  /** The interface to attach to. @conf port */
  iface?: string;
  /** A Nic of your own instead of an interface; one context only. @default none */
  nic?: Nic;
  /** Name of the network namespace in which the interface is. @default that of the process @conf netns */
  netns?: string;
  /** The stack's own address as CIDR, such as `10.0.0.1/24`. @conf address */
  address?: string;
  /** Several addresses of the stack's own, instead of `address` or beside it. @conf address */
  addresses?: readonly string[];
  /** Address of the default gateway; without one what no route leads to is unreachable. @default none @conf gateway */
  gateway?: string;
  /** MAC address to use. @default the interface's */
  mac?: string;
  /** Largest IP packet to send. @default the interface's @unit bytes */
  mtu?: number;
  /** Contexts that can be created, one per queue. @default 1 @conf num_cores */
  cores?: number;
  /** The same as `cores`, under the name that a NIC gives it. @default 1 @conf num_cores */
  queues?: number;
  /** How to attach: `auto` takes the first of `zerocopy`, `native` and `skb` that works. @default auto */
  mode?: XdpMode;
  /**
   * Checksums of received segments: `verify` drops what is wrong, `trust` looks at none, `auto` verifies, but takes what the device of
   * a sender on the same machine (veth, tap) has left unfinished.
   * @default auto
   */
  peerChecksum?: ChecksumPolicy;
  /**
   * Who computes the checksum of what is sent: the `device` where it can, or the `stack` always, for a capture on the
   * peer's side whose checksums can be verified.
   * @default device
   */
  txChecksum?: 'device' | 'stack';
  /** Write all packets to this pcapng file; with several cores, `.CPU` is put before its extension. @default none */
  pcap?: string;
  /**
   * Stack options by sysctl name: [sysctls.md](sysctls.md).
   * @default none @conf rcvbuf, sndbuf, tcp_timeout, tcp_timewait, cc
   */
  sysctl?: Readonly<Record<string, number | string>>;
  /** Static neighbours: IP address to MAC address. @default none @conf config/arp.conf */
  neighbours?: Readonly<Record<string, string>>;
  /**
   * Further routes: prefix as CIDR to the gateway's address, or to `link` for what is reached directly.
   * @default none @conf config/route.conf
   */
  routes?: Readonly<Record<string, string>>;
  /** Most sockets per context. @default 100,000 @conf max_concurrency */
  maxConcurrency?: number;
  /** How long to spin for frames after the last event before sleeping. @default 50 @unit µs */
  spinUs?: number;
  /**
   * Have V8 inline more functions into each other than it does by itself, in the whole process and until it ends, unless its command line
   * says how much (`--max-inlined-bytecode-size-cumulative`): a message takes up to a quarter less of the stack's time.
   * @default true
   */
  inlining?: boolean;
}

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === 'string' && value !== '';
const isInteger =
  (min: number, max: number): Check =>
  (value) =>
    Number.isInteger(value) && (value as number) >= min && (value as number) <= max;
const isOneOf =
  (...words: string[]): Check =>
  (value) =>
    words.includes(value as string);
const isAddress: Check = (value) => typeof value === 'string' && parseV4(value) !== undefined;
const isMac: Check = (value) => typeof value === 'string' && parseMac(value) !== undefined;
const isCidr: Check = (value) => typeof value === 'string' && parseCidr(value) !== undefined;
const isRecord: Check = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

const CHECKS: Readonly<Record<keyof MtcpOptions, readonly [check: Check, what: string]>> = {
  iface: [isText, 'the name of an interface'],
  nic: [(value) => isRecord(value) && 'receive' in (value as object), 'a Nic'],
  netns: [isText, 'the name of a network namespace'],
  address: [isCidr, 'an IPv4 address with its prefix length, such as 10.0.0.1/24'],
  addresses: [
    (value) => Array.isArray(value) && value.length > 0 && value.every(isCidr),
    'a list of IPv4 addresses with prefix lengths, such as 10.0.0.1/24',
  ],
  gateway: [isAddress, 'an IPv4 address'],
  mac: [isMac, 'a MAC address, such as 02:00:00:00:00:01'],
  mtu: [isInteger(68, 65_535), 'an integer from 68 to 65535'],
  cores: [isInteger(1, 1024), 'an integer from 1 to 1024'],
  queues: [isInteger(1, 1024), 'an integer from 1 to 1024'],
  mode: [isOneOf('auto', 'zerocopy', 'native', 'skb'), 'auto, zerocopy, native or skb'],
  peerChecksum: [isOneOf('auto', 'trust', 'verify'), 'auto, trust or verify'],
  txChecksum: [isOneOf('device', 'stack'), 'device or stack'],
  pcap: [isText, 'the path of a file'],
  sysctl: [isRecord, 'an object of sysctl names and values'],
  neighbours: [
    (value) =>
      isRecord(value) && Object.entries(value as object).every(([ip, mac]) => isAddress(ip) && isMac(mac)),
    'an object of IPv4 addresses and MAC addresses',
  ],
  routes: [
    (value) =>
      isRecord(value) &&
      Object.entries(value as object).every(([to, hop]) => isCidr(to) && (hop === 'link' || isAddress(hop))),
    "an object of prefixes such as 10.0.0.0/8 and gateways, or 'link'",
  ],
  maxConcurrency: [isInteger(1, 1 << 24), 'an integer from 1 to 16777216'],
  spinUs: [isInteger(0, 1_000_000), 'an integer from 0 to 1000000'],
  inlining: [(value) => typeof value === 'boolean', 'true or false'],
};

/**
 * Checks options from outside.
 * @returns the options, or a sentence that names the key at fault
 */
export function checkOptions(options: unknown): MtcpOptions | string {
  if (!isRecord(options)) return 'mtcp_init takes an object of options';
  for (const [key, value] of Object.entries(options as object)) {
    if (!Object.hasOwn(CHECKS, key))
      return `unknown option '${key}'; there are: ${Object.keys(CHECKS).join(', ')}`;
    const [check, what] = CHECKS[key as keyof MtcpOptions];
    if (value !== undefined && !check(value)) return `option '${key}' must be ${what}, not ${show(value)}`;
  }
  const given = options as MtcpOptions;
  if ((given.iface === undefined) === (given.nic === undefined))
    return "one of the options 'iface' and 'nic' is needed";
  if (given.address === undefined && given.addresses === undefined) {
    return "option 'address' is needed: the stack has an address of its own, such as 10.0.0.1/24";
  }
  const fault = addressesOf(given)
    .map(addressFault)
    .find((sentence) => sentence !== undefined);
  if (fault !== undefined)
    return `option '${given.addresses === undefined ? 'address' : 'addresses'}': ${fault}`;
  if (given.cores !== undefined && given.queues !== undefined && given.cores !== given.queues) {
    return "options 'cores' and 'queues' mean the same and differ";
  }
  if (given.nic !== undefined && coresOf(given) !== 1)
    return "option 'cores' must be 1 with a Nic of your own";
  try {
    new StackConfig(given.sysctl ?? {});
  } catch (error) {
    return `option 'sysctl': ${error instanceof Error ? error.message : String(error)}`;
  }
  return given;
}

/** How many contexts there can be. */
export function coresOf(options: MtcpOptions): number {
  return options.cores ?? options.queues ?? 1;
}

/** Parses `10.0.0.1/24`; undefined when it is none. */
export function parseCidr(text: string): { address: string; prefix: number } | undefined {
  const match = /^([0-9.]+)\/(\d{1,2})$/.exec(text);
  if (match === null || parseV4(match[1]) === undefined || Number(match[2]) > 32) return undefined;
  return { address: match[1], prefix: Number(match[2]) };
}

/** All own addresses. */
export function addressesOf(
  options: Pick<MtcpOptions, 'address' | 'addresses'>,
): { address: string; prefix: number }[] {
  const texts = [...(options.address === undefined ? [] : [options.address]), ...(options.addresses ?? [])];
  return texts.map((text) => parseCidr(text)!);
}

function show(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : typeof value === 'object' ? 'an object' : String(value);
}
