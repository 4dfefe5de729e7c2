// Netlink messages as bytes: a writer with nested attributes, and a reader that walks attributes without trusting their
// lengths. Pure; netlink.ts sends them. Layouts: linux/netlink.h, rtnetlink(7). Netlink is in host order, and every
// machine that Node runs AF_XDP on is little-endian.

/** Length of struct nlmsghdr. */
export const NLMSG_HEADER = 16;

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_DUMP = 0x300;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;

const NLA_TYPE_MASK = 0x3fff;

/** Writes one netlink message. */
export class NetlinkMessage {
  private readonly buffer = Buffer.alloc(1024);
  private length = NLMSG_HEADER;

  constructor(type: number, flags: number) {
    this.buffer.writeUInt16LE(type, 4);
    this.buffer.writeUInt16LE(flags | NLM_F_REQUEST, 6);
  }

  /** Appends bytes as they are, padded to four. */
  bytes(bytes: Uint8Array): this {
    this.buffer.set(bytes, this.length);
    this.length += align(bytes.length);
    return this;
  }

  /** Appends struct ifinfomsg for the interface `index`, setting those `flags` that are in `change`. */
  interfaceHeader(index: number, flags: number, change: number): this {
    const header = Buffer.alloc(16);
    header.writeInt32LE(index, 4);
    header.writeUInt32LE(flags, 8);
    header.writeUInt32LE(change, 12);
    return this.bytes(header);
  }

  /** Appends an attribute. */
  attribute(type: number, value: Uint8Array): this {
    this.buffer.writeUInt16LE(4 + value.length, this.length);
    this.buffer.writeUInt16LE(type, this.length + 2);
    this.length += 4;
    return this.bytes(value);
  }

  /** Appends an attribute that is a 32-bit number. */
  u32(type: number, value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return this.attribute(type, bytes);
  }

  /** Appends an attribute that is a zero-terminated string. */
  text(type: number, value: string): this {
    return this.attribute(type, Buffer.from(`${value}\0`));
  }

  /** Appends an attribute whose value is what `fill` appends. */
  nest(type: number, fill: (message: this) => void): this {
    const start = this.length;
    this.attribute(type, EMPTY);
    fill(this);
    this.buffer.writeUInt16LE(this.length - start, start);
    return this;
  }

  /** Closes the message with its sequence number and gives its bytes. */
  finish(sequence: number): Uint8Array {
    this.buffer.writeUInt32LE(this.length, 0);
    this.buffer.writeUInt32LE(sequence, 8);
    return this.buffer.subarray(0, this.length);
  }
}

const EMPTY = new Uint8Array(0);

/** Rounds up to the alignment of netlink. */
export function align(length: number): number {
  return (length + 3) & ~3;
}

/** Collects the attributes in `bytes` by their type; stops at the first that does not fit. */
export function readAttributes(bytes: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  let at = 0;
  while (at + 4 <= bytes.length) {
    const length = bytes.readUInt16LE(at);
    if (length < 4 || at + length > bytes.length) break;
    found.set(bytes.readUInt16LE(at + 2) & NLA_TYPE_MASK, bytes.subarray(at + 4, at + length));
    at += align(length);
  }
  return found;
}

/** Reads a zero-terminated string attribute. */
export function attributeText(bytes: Buffer | undefined): string {
  return bytes === undefined ? '' : bytes.toString('utf8').replace(/\0.*$/s, '');
}

/** Reads a 32-bit attribute. */
export function attributeU32(bytes: Buffer | undefined): number {
  return bytes !== undefined && bytes.length >= 4 ? bytes.readUInt32LE(0) : 0;
}
