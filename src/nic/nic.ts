// The contract between the stack and whatever carries its frames: an arena of bytes in which a frame is an offset and a
// length. Nothing here knows of a kernel, a clock or a protocol; `xdp-nic`, `memory-nic` and the wrappers implement it,
// and a program may bring an implementation of its own.

/** Fields of a packet that a device hashes, by their bits in ethtool's flow hash (RXH_* of linux/ethtool.h). */
export const RXH_IP_SRC = 1 << 4;
export const RXH_IP_DST = 1 << 5;
export const RXH_L4_SRC = 1 << 6;
export const RXH_L4_DST = 1 << 7;
/** Both addresses. */
export const RXH_ADDRESSES = RXH_IP_SRC | RXH_IP_DST;
/** Both addresses and both ports. */
export const RXH_TUPLE = RXH_ADDRESSES | RXH_L4_SRC | RXH_L4_DST;

/**
 * How a device spreads what it receives over its queues, as far as it tells (`ethtool -x`, `ethtool -n`). Plain data, as it was
 * when the device was opened; Rss in rss.ts predicts with it.
 */
export interface RssDescription {
  /** The hash function. Only that of Toeplitz has one definition that all devices share. */
  readonly hash: 'toeplitz' | 'xor' | 'crc32' | 'other';
  /** The secret key of the hash, 40 bytes with most devices. */
  readonly key: Uint8Array;
  /** The indirection table: entry `hash % length` is the queue. */
  readonly table: readonly number[];
  /** What is hashed of TCP over IPv4: a sum of RXH_*. */
  readonly tcp4: number;
  /** As `tcp4`, of TCP over IPv6. */
  readonly tcp6: number;
  /** False when the device did not tell `tcp4` and `tcp6`, so that they are what nearly all devices do: the whole tuple. */
  readonly fieldsTold: boolean;
  /** What is done to the fields before they are hashed, so that both directions of a connection are hashed alike. */
  readonly transform: 'none' | 'xor' | 'or-xor' | 'other';
}

/** What a Nic can do and where it sits; fixed for its lifetime. */
export interface NicCapabilities {
  /** `ethernet`: frames begin with an Ethernet header. `ip`: frames are bare IP packets and nobody speaks ARP. */
  readonly linkType: 'ethernet' | 'ip';
  /** Largest IP packet that can be sent, in bytes, without the link header. */
  readonly mtu: number;
  /** The interface's own MAC address, 6 bytes; all zero for linkType `ip`. */
  readonly mac: Uint8Array;
  /** True when `submit` can be asked to fill in a checksum (the stack then stores the pseudo-header sum only). */
  readonly txChecksum: boolean;
  /**
   * True when the peer is on this machine (veth, tap) and may hand over frames whose TCP checksum field holds just the
   * folded pseudo-header sum, because its own offload never computed the rest.
   */
  readonly rxPartialChecksum: boolean;
  /** A short word for reports: `xdp-native`, `xdp-zerocopy`, `xdp-skb`, `memory`, … */
  readonly mode: string;
  /** Which queue of its device this Nic is; 0 when left out. */
  readonly queue?: number;
  /** How many RX queues the device has; 1 when left out. */
  readonly queues?: number;
  /** How the device spreads what it receives over its queues; left out when it does not tell. */
  readonly rss?: RssDescription;
}

/** A receive batch is an Int32Array of triples: offset, length, flags. */
export const RX_STRIDE = 3;

/** Receive flag: the device has verified the transport checksum. */
export const RX_CHECKSUM_GOOD = 1;

/** A device as the stack sees it. No method throws on account of a packet; none allocates per packet. */
export interface Nic {
  readonly capabilities: NicCapabilities;
  /** The arena. Frame offsets index it. */
  readonly memory: Uint8Array;
  /** A view of the same bytes as `memory`, from the same origin. */
  readonly view: DataView;
  /**
   * Memory that no frame needs, in the same ArrayBuffer, for whoever has much to copy to and from frames: within one buffer that
   * takes no views. None when left out. It takes no memory of the machine before it is written to.
   */
  readonly spare?: Uint8Array;
  /**
   * Takes received frames. Writes up to `batch.length / RX_STRIDE` triples (offset, length, flags) and returns how many.
   * Each frame belongs to the caller until `release`.
   */
  receive(batch: Int32Array): number;
  /** Gives a received frame, or a reserved one that is not to be sent, back. `offset` is the one that was handed out. */
  release(offset: number): void;
  /** Takes a free frame to write an outgoing packet into: its offset, or -1 when none is free (try after `flush`). */
  reserve(): number;
  /**
   * Queues a reserved frame of `length` bytes for sending. With `checksumStart` > 0, counted from the frame's
   * first byte, the device is asked to sum the bytes from there to the end of the frame and to store the result at
   * `checksumStart + checksumOffset` (only when `txChecksum`).
   */
  submit(offset: number, length: number, checksumStart: number, checksumOffset: number): void;
  /** Makes the device send what was submitted, and takes back the frames that it has sent. */
  flush(): void;
  /** Sleeps until a frame may be there or `timeoutUs` microseconds have passed (Infinity: no limit). May return early. */
  wait(timeoutUs: number): void;
  /** Counters of the device and of the ring driver, by the names that `ethtool -S` would give them. */
  statistics(): Record<string, number>;
  /** Detaches and frees everything. Idempotent. */
  close(): void;
}
