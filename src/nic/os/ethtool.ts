// What a driver tells about an interface through SIOCETHTOOL: its name, its channels, its switches. Virtual
// drivers refuse many of these; a refusal is an answer here (undefined), not an error. Reference:
// linux/ethtool.h. For set-up only.

import { AF_INET, addressOf, close, ioctl, SOCK_DGRAM, socket } from './syscalls.js';

const SIOCETHTOOL = 0x8946;
const IFREQ_LENGTH = 40;
const IFNAMSIZ = 16;

const ETHTOOL_GDRVINFO = 0x03;
const ETHTOOL_GCHANNELS = 0x3c;

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
