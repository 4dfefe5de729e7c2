// IP addresses of both families as four signed 32-bit words in network order; an IPv4 address is its IPv4-mapped IPv6
// form (RFC 4291 2.5.5.2), so one layout serves tuples, hash keys and comparisons of both families.

/** The third word of every IPv4-mapped address: ::ffff:0:0/96. */
export const V4_MAPPED = 0x0000ffff;

/** A mutable IP address. The unspecified address of IPv6 is all zero, that of IPv4 has only `w2` set. */
export class Address {
  w0 = 0;
  w1 = 0;
  w2 = V4_MAPPED;
  w3 = 0;

  /** Makes this the IPv4 address `word` (network order, as a signed int32). */
  setV4(word: number): this {
    this.w0 = 0;
    this.w1 = 0;
    this.w2 = V4_MAPPED;
    this.w3 = word | 0;
    return this;
  }

  copy(from: Address): this {
    this.w0 = from.w0;
    this.w1 = from.w1;
    this.w2 = from.w2;
    this.w3 = from.w3;
    return this;
  }

  equals(other: Address): boolean {
    return this.w3 === other.w3 && this.w2 === other.w2 && this.w1 === other.w1 && this.w0 === other.w0;
  }

  get isV4(): boolean {
    return this.w0 === 0 && this.w1 === 0 && this.w2 === V4_MAPPED;
  }

  /** True for 0.0.0.0 and ::. */
  get isUnspecified(): boolean {
    return this.w3 === 0 && this.w0 === 0 && this.w1 === 0 && (this.w2 === V4_MAPPED || this.w2 === 0);
  }

  toString(): string {
    return formatAddress(this);
  }
}

/** An address and a port (host order). */
export class Endpoint extends Address {
  port = 0;

  copyEndpoint(from: Endpoint): this {
    this.copy(from);
    this.port = from.port;
    return this;
  }

  override toString(): string {
    return this.isV4 ? `${formatAddress(this)}:${this.port}` : `[${formatAddress(this)}]:${this.port}`;
  }
}

/** Parses a dotted-quad IPv4 address to a signed word in network order; undefined when it is not one. */
export function parseV4(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let word = 0;
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    word = (word << 8) | Number(part);
  }
  return word | 0;
}

/** Writes a signed word in network order as a dotted quad. */
export function formatV4(word: number): string {
  return `${(word >>> 24) & 255}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;
}

/** Parses an IPv4 or IPv6 address (RFC 4291 2.2 forms, no zone); undefined when it is neither. */
export function parseAddress(text: string): Address | undefined {
  const v4 = parseV4(text);
  if (v4 !== undefined) return new Address().setV4(v4);
  const words = parseV6Groups(text);
  if (words === undefined) return undefined;
  const address = new Address();
  address.w0 = (words[0] << 16) | words[1];
  address.w1 = (words[2] << 16) | words[3];
  address.w2 = (words[4] << 16) | words[5];
  address.w3 = (words[6] << 16) | words[7];
  return address;
}

function parseV6Groups(text: string): number[] | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0]);
  const tail = halves.length === 2 ? parseGroups(halves[1]) : [];
  if (head === undefined || tail === undefined) return undefined;
  const gap = 8 - head.length - tail.length;
  if (halves.length === 2 ? gap < 1 : gap !== 0) return undefined;
  return [...head, ...new Array<number>(gap).fill(0), ...tail];
}

/** Colon-separated groups, the last of which may be a dotted quad. */
function parseGroups(text: string): number[] | undefined {
  if (text === '') return [];
  const parts = text.split(':');
  const groups: number[] = [];
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i];
    const v4 = i === parts.length - 1 ? parseV4(part) : undefined;
    if (v4 !== undefined) groups.push(v4 >>> 16, v4 & 0xffff);
    else if (/^[0-9a-f]{1,4}$/i.test(part)) groups.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return groups;
}

/** Writes an address as RFC 5952 recommends; an IPv4-mapped one as a dotted quad. */
export function formatAddress(address: Address): string {
  if (address.isV4) return formatV4(address.w3);
  const groups: number[] = [];
  for (const word of [address.w0, address.w1, address.w2, address.w3])
    groups.push(word >>> 16, word & 0xffff);
  let start = -1;
  let length = 1;
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && groups[end] === 0) end++;
    if (end - i > length) {
      start = i;
      length = end - i;
    }
  }
  const hex = (part: number[]): string => part.map((group) => group.toString(16)).join(':');
  if (start < 0) return hex(groups);
  return `${hex(groups.slice(0, start))}::${hex(groups.slice(start + length))}`;
}

/** Parses `aa:bb:cc:dd:ee:ff` to 6 bytes; undefined when it is not a MAC address. */
export function parseMac(text: string): Uint8Array | undefined {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text)) return undefined;
  return Uint8Array.from(text.split(':'), (byte) => Number.parseInt(byte, 16));
}

/** Writes 6 bytes as `aa:bb:cc:dd:ee:ff`. */
export function formatMac(mac: Uint8Array): string {
  return Array.from(mac, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}
