// The kernel's structures and numbers of AF_XDP as bytes: writers and readers, no calls. Field order and
// sizes are those of linux/if_xdp.h; every machine that Node runs AF_XDP on is little-endian. Used by
// nic/xdp-socket.ts.

import { AF_XDP } from './syscalls.js';

export const SOL_XDP = 283;

// Socket options.
export const XDP_MMAP_OFFSETS = 1;
export const XDP_RX_RING = 2;
export const XDP_TX_RING = 3;
export const XDP_UMEM_REG = 4;
export const XDP_UMEM_FILL_RING = 5;
export const XDP_UMEM_COMPLETION_RING = 6;
export const XDP_STATISTICS = 7;
/** Frames that one kick may send in copy mode (kernel 6.17); 32 where it cannot be set. */
export const XDP_MAX_TX_SKB_BUDGET = 9;

// Options of SOL_SOCKET.
export const SO_SNDBUF = 7;
export const SO_SNDBUFFORCE = 32;
export const SO_BUSY_POLL = 46;
export const SO_PREFER_BUSY_POLL = 69;
export const SO_BUSY_POLL_BUDGET = 70;

// Flags of bind(2).
export const XDP_COPY = 1 << 1;
export const XDP_ZEROCOPY = 1 << 2;
export const XDP_USE_NEED_WAKEUP = 1 << 3;
export const XDP_USE_SG = 1 << 4;

/** Ring flag: the kernel sleeps and wants a system call. */
export const XDP_RING_NEED_WAKEUP = 1;

// Options of a descriptor.
/** The packet goes on in the next descriptor. */
export const XDP_PKT_CONTD = 1;
/** The bytes ahead of the frame hold a struct xsk_tx_metadata. */
export const XDP_TX_METADATA = 2;

// UMEM registration flags.
const XDP_UMEM_TX_METADATA_LEN = 1 << 2;

/** Bytes of struct xsk_tx_metadata: u64 flags, u16 csum_start, u16 csum_offset, padding, u64 launch time. */
export const TX_METADATA_LENGTH = 24;

/** Flag of xsk_tx_metadata: fill in the checksum. */
export const XDP_TXMD_FLAGS_CHECKSUM = 1 << 1;

/** What the kernel leaves free ahead of each received packet. */
export const XDP_PACKET_HEADROOM = 256;
/**
 * Room that the kernel leaves ahead of a packet beyond that. Headers of Ethernet, IPv4, and TCP with timestamps are 66 bytes: six more,
 * and payload begins at a multiple of eight, where copying it takes a third of the time (stack/wire/span.ts).
 */
export const UMEM_HEADROOM = 6;

/** Offsets at which mmap(2) finds the rings. */
export const XDP_PGOFF_RX_RING = 0;
export const XDP_PGOFF_TX_RING = 0x80000000;
export const XDP_UMEM_PGOFF_FILL_RING = 0x100000000;
export const XDP_UMEM_PGOFF_COMPLETION_RING = 0x180000000;

/** Most fragments of one packet, the first included (MAX_SKB_FRAGS + 1 with the kernel's default of 17). */
export const XDP_MAX_DESCRIPTORS = 18;

/** Where the parts of one ring are, in bytes from the start of its mapping. */
export interface RingOffsets {
  readonly producer: number;
  readonly consumer: number;
  readonly descriptors: number;
  readonly flags: number;
}

/** struct xdp_mmap_offsets. */
export interface MmapOffsets {
  readonly rx: RingOffsets;
  readonly tx: RingOffsets;
  readonly fill: RingOffsets;
  readonly comp: RingOffsets;
}

/** Bytes of struct xdp_mmap_offsets. */
export const MMAP_OFFSETS_LENGTH = 128;

/**
 * Reads struct xdp_mmap_offsets as the kernel filled it in; the short form of kernels before 5.4 is refused.
 */
export function readMmapOffsets(bytes: Buffer, length: number): MmapOffsets {
  if (length !== MMAP_OFFSETS_LENGTH) throw new Error('this kernel has no need-wakeup flags in its rings');
  const ring = (at: number): RingOffsets => ({
    producer: Number(bytes.readBigUInt64LE(at)),
    consumer: Number(bytes.readBigUInt64LE(at + 8)),
    descriptors: Number(bytes.readBigUInt64LE(at + 16)),
    flags: Number(bytes.readBigUInt64LE(at + 24)),
  });
  return { rx: ring(0), tx: ring(32), fill: ring(64), comp: ring(96) };
}

/**
 * Writes struct xdp_umem_reg. With `txMetadata` the 24 bytes ahead of each sent frame belong to the kernel's
 * request.
 */
export function umemReg(address: number, length: number, chunkSize: number, txMetadata: boolean): Buffer {
  const bytes = Buffer.alloc(txMetadata ? 32 : 28);
  bytes.writeBigUInt64LE(BigInt(address), 0);
  bytes.writeBigUInt64LE(BigInt(length), 8);
  bytes.writeUInt32LE(chunkSize, 16);
  bytes.writeUInt32LE(UMEM_HEADROOM, 20);
  if (txMetadata) {
    bytes.writeUInt32LE(XDP_UMEM_TX_METADATA_LEN, 24);
    bytes.writeUInt32LE(TX_METADATA_LENGTH, 28);
  }
  return bytes;
}

/** Writes struct sockaddr_xdp. */
export function sockaddrXdp(ifindex: number, queue: number, flags: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(AF_XDP, 0);
  bytes.writeUInt16LE(flags, 2);
  bytes.writeUInt32LE(ifindex, 4);
  bytes.writeUInt32LE(queue, 8);
  return bytes;
}

/** Names of struct xdp_statistics in its order, as `ethtool -S` style words. */
const STATISTICS = [
  'xsk_rx_dropped',
  'xsk_rx_invalid_descs',
  'xsk_tx_invalid_descs',
  'xsk_rx_ring_full',
  'xsk_rx_fill_ring_empty_descs',
  'xsk_tx_ring_empty_descs',
] as const;

/** Bytes of struct xdp_statistics. */
export const STATISTICS_LENGTH = 48;

/** Reads struct xdp_statistics; older kernels fill in only its first half. */
export function readStatistics(bytes: Buffer, length: number): Record<string, number> {
  const found: Record<string, number> = {};
  STATISTICS.forEach((name, i) => {
    if (i * 8 + 8 <= length) found[name] = Number(bytes.readBigUInt64LE(i * 8));
  });
  return found;
}
