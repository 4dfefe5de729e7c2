// What a driver tells about an interface through SIOCETHTOOL: its name, its channels, its switches. Virtual
// drivers refuse many of these; a refusal is an answer here (undefined), not an error. Reference:
// linux/ethtool.h. For set-up only.

import { type RssDescription, RXH_TUPLE } from '../nic.js';
import { AF_INET, addressOf, close, ioctl, SOCK_DGRAM, socket } from './syscalls.js';

const SIOCETHTOOL = 0x8946;
const IFREQ_LENGTH = 40;
const IFNAMSIZ = 16;

const ETHTOOL_GDRVINFO = 0x03;
const ETHTOOL_GRXFH = 0x29;
const ETHTOOL_GRXRINGS = 0x2d;
const ETHTOOL_GCHANNELS = 0x3c;
const ETHTOOL_GRSSH = 0x46;
const ETHTOOL_SRSSH = 0x47;

/** Bytes of struct ethtool_rxnfc, and of struct ethtool_rxfh ahead of its table. */
const RXNFC_LENGTH = 192;
const RXFH_LENGTH = 24;
const TCP_V4_FLOW = 0x01;
const TCP_V6_FLOW = 0x05;
/** More than any device has: a driver that says more is not believed. */
const MAX_TABLE = 1 << 16;
const MAX_KEY = 1 << 10;
/** Instead of a table's length: leave the table as it is. */
const TABLE_UNCHANGED = 0xffffffff;

/** Hash functions by their bit, and transforms of the input by their number. */
const HASHES = { 1: 'toeplitz', 2: 'xor', 4: 'crc32' } as const;
const TRANSFORMS = { 0: 'none', 1: 'xor', 2: 'or-xor' } as const;

/** Switches of one value that ethtool reads and sets, by the short names that `ethtool -k` has for them. */
const FEATURES = {
  rx: { get: 0x14, set: 0x15 },
  tx: { get: 0x16, set: 0x17 },
  tso: { get: 0x1e, set: 0x1f },
  gso: { get: 0x23, set: 0x24 },
  gro: { get: 0x2b, set: 0x2c },
} as const;

/** A switch: checksum offload for rx and tx, segmentation offload (tso, gso), receive offload (gro). */
export type Feature = keyof typeof FEATURES;

/** How many queues an interface has and may have. */
export interface Channels {
  readonly rx: number;
  readonly tx: number;
  readonly combined: number;
  readonly maxRx: number;
  readonly maxTx: number;
  readonly maxCombined: number;
}

/**
 * Runs one ethtool command, whose struct starts with its number, on an interface of the calling thread's
 * namespace.
 */
function command(name: string, bytes: Buffer): void {
  const request = Buffer.alloc(IFREQ_LENGTH);
  request.write(name.slice(0, IFNAMSIZ - 1), 0, 'latin1');
  request.writeBigUInt64LE(BigInt(addressOf(bytes)), IFNAMSIZ);
  const fd = socket(AF_INET, SOCK_DGRAM, 0);
  try {
    ioctl(fd, SIOCETHTOOL, request, `ethtool ${name}`);
  } finally {
    close(fd);
  }
}

/** As `command`, but false when the driver refuses. */
function ask(name: string, bytes: Buffer): boolean {
  try {
    command(name, bytes);
    return true;
  } catch {
    return false;
  }
}

/** Reads the name of an interface's driver (`veth`, `virtio_net`, …); undefined when it has none. */
export function driverName(name: string): string | undefined {
  const bytes = Buffer.alloc(196);
  bytes.writeUInt32LE(ETHTOOL_GDRVINFO, 0);
  if (!ask(name, bytes)) return undefined;
  const driver = bytes.toString('latin1', 4, 36).replace(/\0.*$/s, '');
  return driver === '' ? undefined : driver;
}

/** Reads the channel counts; undefined when the driver does not tell. */
export function channels(name: string): Channels | undefined {
  const bytes = Buffer.alloc(36);
  bytes.writeUInt32LE(ETHTOOL_GCHANNELS, 0);
  if (!ask(name, bytes)) return undefined;
  return {
    maxRx: bytes.readUInt32LE(4),
    maxTx: bytes.readUInt32LE(8),
    maxCombined: bytes.readUInt32LE(16),
    rx: bytes.readUInt32LE(20),
    tx: bytes.readUInt32LE(24),
    combined: bytes.readUInt32LE(32),
  };
}

/** Reads how many RX rings the hash spreads over; undefined when the driver does not tell. */
export function rxRings(name: string): number | undefined {
  const bytes = Buffer.alloc(RXNFC_LENGTH);
  bytes.writeUInt32LE(ETHTOOL_GRXRINGS, 0);
  return ask(name, bytes) ? Number(bytes.readBigUInt64LE(8)) : undefined;
}

/** Reads which fields of TCP over IPv4 or IPv6 are hashed, a sum of RXH_*; undefined when the driver does not tell. */
export function rxHashFields(name: string, family: 4 | 6): number | undefined {
  const bytes = Buffer.alloc(RXNFC_LENGTH);
  bytes.writeUInt32LE(ETHTOOL_GRXFH, 0);
  bytes.writeUInt32LE(family === 4 ? TCP_V4_FLOW : TCP_V6_FLOW, 4);
  // All flags that exist are in the low half, but RXH_DISCARD at its top.
  return ask(name, bytes) ? bytes.readUInt32LE(8) : undefined;
}

/**
 * Reads how the device spreads what it receives: key, indirection table, hash function and fields. Undefined when the driver
 * does not tell its key and table, or tells a table that names queues that are not in use.
 */
export function rssDescription(name: string): RssDescription | undefined {
  const sizes = Buffer.alloc(RXFH_LENGTH);
  sizes.writeUInt32LE(ETHTOOL_GRSSH, 0);
  if (!ask(name, sizes)) return undefined;
  const tableSize = sizes.readUInt32LE(8);
  const keySize = sizes.readUInt32LE(12);
  if (tableSize === 0 || keySize === 0 || tableSize > MAX_TABLE || keySize > MAX_KEY) return undefined;
  const bytes = Buffer.alloc(RXFH_LENGTH + tableSize * 4 + keySize);
  bytes.writeUInt32LE(ETHTOOL_GRSSH, 0);
  bytes.writeUInt32LE(tableSize, 8);
  bytes.writeUInt32LE(keySize, 12);
  if (!ask(name, bytes)) return undefined;
  const keyAt = RXFH_LENGTH + tableSize * 4;
  const table: number[] = [];
  for (let at = RXFH_LENGTH; at < keyAt; at += 4) table.push(bytes.readUInt32LE(at));
  // A table from when there were more queues, which the driver keeps but the device does not follow.
  const counts = channels(name);
  if (counts !== undefined && Math.max(...table) >= counts.rx + counts.combined) return undefined;
  const tcp4 = rxHashFields(name, 4);
  const tcp6 = rxHashFields(name, 6);
  return {
    hash: hashName(bytes[16]!),
    key: Uint8Array.from(bytes.subarray(keyAt)),
    table,
    tcp4: tcp4 ?? RXH_TUPLE,
    tcp6: tcp6 ?? RXH_TUPLE,
    fieldsTold: tcp4 !== undefined && tcp6 !== undefined,
    transform: TRANSFORMS[bytes[17] as keyof typeof TRANSFORMS] ?? 'other',
  };
}

/**
 * Hands the device the key that it has once more, and changes nothing else. For virtio_net, which after attaching an XDP program
 * sets the number of queues by a command that ends RSS in the device, while the driver goes on telling key and table (seen with
 * QEMU 7.2 under Linux 6.1, and under 6.12 where the table was set by hand). Does nothing for other drivers.
 */
export function repeatRssKey(name: string): void {
  if (driverName(name) !== 'virtio_net') return;
  const key = rssDescription(name)?.key;
  if (key === undefined) return;
  const bytes = Buffer.alloc(RXFH_LENGTH + key.length);
  bytes.writeUInt32LE(ETHTOOL_SRSSH, 0);
  bytes.writeUInt32LE(TABLE_UNCHANGED, 8);
  bytes.writeUInt32LE(key.length, 12);
  bytes.set(key, RXFH_LENGTH);
  ask(name, bytes);
}

/** Drivers that know but one function leave the byte 0, and that one is Toeplitz's. */
function hashName(bits: number): RssDescription['hash'] {
  return bits === 0 ? 'toeplitz' : (HASHES[bits as keyof typeof HASHES] ?? 'other');
}

/** Reads a switch; undefined when the driver does not tell. */
export function getFeature(name: string, feature: Feature): boolean | undefined {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(FEATURES[feature].get, 0);
  return ask(name, bytes) ? bytes.readUInt32LE(4) !== 0 : undefined;
}

/**
 * Sets a switch.
 *
 * @throws SystemError when the driver refuses
 */
export function setFeature(name: string, feature: Feature, on: boolean): void {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(FEATURES[feature].set, 0);
  bytes.writeUInt32LE(on ? 1 : 0, 4);
  command(name, bytes);
}
