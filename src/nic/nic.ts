// The contract between the stack and whatever carries its frames: an arena of bytes in which a frame is an offset and a
// length. Nothing here knows of a kernel, a clock or a protocol; `xdp-nic`, `memory-nic` and the wrappers implement it,
// and a program may bring an implementation of its own.

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
