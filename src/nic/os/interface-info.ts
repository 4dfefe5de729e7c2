// All that the kernel knows of one interface and that the stack would otherwise have to be told: index, MAC,
// MTU, addresses, gateway, driver, queues. Call it inside the interface's network namespace (netns.ts). For
// set-up only.

import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import type { RssDescription } from '../nic.js';
import { type Channels, channels, driverName, rssDescription } from './ethtool.js';
import { rssFromAlias } from './lab-rss.js';
import { Netlink } from './netlink.js';
import { SystemError } from './syscalls.js';

/** An address of an interface. */
export interface InterfaceAddress {
  readonly address: string;
  readonly prefix: number;
  readonly family: 4 | 6;
}

/** One interface. */
export interface InterfaceInfo {
  readonly name: string;
  readonly index: number;
  /** 6 bytes; all zero where the link has no such address. */
  readonly mac: Uint8Array;
  readonly mtu: number;
  readonly up: boolean;
  /** `veth`, `tun`, …; empty for a physical device. */
  readonly kind: string;
  /** As ethtool names it; the kind where ethtool does not tell. */
  readonly driver: string;
  /** RX queues in use. */
  readonly queues: number;
  /** RX queues that it may have. */
  readonly maxQueues: number;
  /** The counts of ethtool(8)'s channels; undefined where the driver does not tell. */
  readonly channels: Channels | undefined;
  readonly addresses: readonly InterfaceAddress[];
  /** Addresses of all interfaces of the namespace. */
  readonly namespaceAddresses: readonly (InterfaceAddress & { readonly interface: string })[];
  /** The IPv4 default gateway through this interface. */
  readonly gateway: string | undefined;
  /** How an XDP program sits on it now: `none`, `native`, `skb`, `offload`, `multi`. */
  readonly xdp: string;
  /** Id of that program, 0 for none. */
  readonly xdpProgram: number;
  /** How what arrives is spread over the queues: as the driver tells, or as the lab does it; undefined when nobody tells. */
  readonly rss: RssDescription | undefined;
}

/**
 * Reads what there is to know about an interface.
 *
 * @throws SystemError ENODEV when the calling thread's network namespace has no interface of that name
 */
export function interfaceInfo(name: string): InterfaceInfo {
  const netlink = new Netlink();
  try {
    const links = netlink.links();
    const link = links.find((candidate) => candidate.name === name);
    if (link === undefined) throw new SystemError('netlink', constants.errno.ENODEV, name);
    const counts = channels(name);
    const namespaceAddresses = netlink
      .addresses()
      .map(({ index, address, prefix }): InterfaceAddress & { interface: string } => {
        const holder = links.find((candidate) => candidate.index === index)?.name ?? `interface ${index}`;
        return { address, prefix, family: 4, interface: holder };
      })
      .concat(ipv6Addresses());
    const addresses = namespaceAddresses
      .filter((one) => one.interface === name)
      .map(({ address, prefix, family }) => ({ address, prefix, family }));
    return {
      name,
      index: link.index,
      mac: macBytes(link.mac),
      mtu: link.mtu,
      up: link.up,
      kind: link.kind,
      driver: driverName(name) ?? link.kind,
      queues: counts === undefined ? link.rxQueues : Math.max(1, counts.rx + counts.combined),
      maxQueues: counts === undefined ? link.rxQueues : Math.max(1, counts.maxRx, counts.maxCombined),
      channels: counts,
      addresses,
      namespaceAddresses,
      gateway: ipv4Gateway(name),
      xdp: link.xdp,
      xdpProgram: link.xdpProgram,
      rss: link.kind === 'veth' ? rssFromAlias(link.alias) : rssDescription(name),
    };
  } finally {
    netlink.close();
  }
}

function macBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(6);
  const parts = text.split(':');
  if (parts.length === 6) bytes.set(parts.map((part) => Number.parseInt(part, 16)));
  return bytes;
}

/** Reads a file of the calling thread's network namespace; empty when the kernel lacks it. */
function procNet(file: string): string[][] {
  try {
    const text = readFileSync(`/proc/thread-self/net/${file}`, 'latin1');
    return text.split('\n').map((line) => line.trim().split(/\s+/));
  } catch {
    return [];
  }
}

function ipv6Addresses(): (InterfaceAddress & { interface: string })[] {
  const found: (InterfaceAddress & { interface: string })[] = [];
  for (const [hex, , prefix, , , device] of procNet('if_inet6')) {
    if (device === undefined || hex === undefined || prefix === undefined) continue;
    const address = (hex.match(/.{4}/g) ?? []).map((group) => group.replace(/^0{1,3}/, '')).join(':');
    found.push({ address, prefix: Number.parseInt(prefix, 16), family: 6, interface: device });
  }
  return found;
}

function ipv4Gateway(name: string): string | undefined {
  for (const [device, destination, gateway] of procNet('route')) {
    if (device !== name || destination !== '00000000' || gateway === undefined || gateway === '00000000')
      continue;
    const word = Number.parseInt(gateway, 16);
    return `${word & 255}.${(word >>> 8) & 255}.${(word >>> 16) & 255}.${word >>> 24}`;
  }
  return undefined;
}
