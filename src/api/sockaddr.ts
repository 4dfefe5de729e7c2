// Socket addresses at the API's edge, in two forms: an object {family, address, port}, and the raw bytes of C's
// `struct sockaddr_in` (netinet/in.h: family in host order, port and address in network order, 8 bytes of padding).

import { EAFNOSUPPORT, EFAULT, EINVAL } from '../stack/errors.js';
import { Address, type Endpoint, formatAddress, parseAddress } from '../stack/wire/address.js';
import { AF_INET } from './constants.js';

/** sizeof(struct sockaddr_in). */
export const SOCKADDR_IN_LENGTH = 16;

/** A socket address as an object; any object with these fields will do. `port` is in host order. */
export interface SockAddrLike {
  family: number;
  address: string;
  port: number;
}

/** A socket address that holds its IP in binary, so that filling one (`mtcp_accept`) makes no string. */
export class SockAddr implements SockAddrLike {
  family = AF_INET;
  port = 0;
  /** The address in binary. */
  readonly ip = new Address();

  get address(): string {
    return formatAddress(this.ip);
  }

  /** Throws a RangeError when `text` is not an IP address. */
  set address(text: string) {
    const parsed = parseAddress(text);
    if (parsed === undefined) throw new RangeError(`not an IP address: ${text}`);
    this.ip.copy(parsed);
  }

  toString(): string {
    return this.ip.isV4 ? `${this.address}:${this.port}` : `[${this.address}]:${this.port}`;
  }
}

/** Either form of an address argument; `null` where a call allows it. */
export type SockAddrArgument = SockAddrLike | Uint8Array;

/** An address length: a number, or C's value-result `socklen_t *` as an object whose `value` the call updates. */
export type SockLen = number | { value: number };

/**
 * Makes an IPv4 socket address; without arguments an empty one to be filled in. Throws a RangeError when `address` is not an
 * IPv4 address.
 */
export function sockaddr_in(address = '0.0.0.0', port = 0): SockAddr {
  const result = new SockAddr();
  result.address = address;
  result.port = port;
  return result;
}

/** Makes the bytes of a `struct sockaddr_in`. Throws as `sockaddr_in` does. */
export function sockaddr_in_bytes(address: string, port: number): Uint8Array {
  const bytes = new Uint8Array(SOCKADDR_IN_LENGTH);
  const ip = sockaddr_in(address, port).ip;
  writeBytes(bytes, ip.w3, port, SOCKADDR_IN_LENGTH);
  return bytes;
}

/**
 * Reads an address argument into `out`. Returns 0, or EFAULT (not an address at all), EAFNOSUPPORT (length too short or
 * longer than the bytes given, or a family other than AF_INET), EINVAL (malformed address or port).
 */
export function readSockAddr(addr: unknown, addrlen: unknown, out: Endpoint): number {
  if (typeof addr !== 'object' || addr === null) return EFAULT;
  const isBytes = addr instanceof Uint8Array;
  let length = lengthOf(addrlen);
  if (length === undefined) length = isBytes ? addr.length : SOCKADDR_IN_LENGTH;
  if (!(length >= SOCKADDR_IN_LENGTH)) return EAFNOSUPPORT;
  if (isBytes) {
    if (length > addr.length || (addr[0] | (addr[1] << 8)) !== AF_INET) return EAFNOSUPPORT;
    out.port = (addr[2] << 8) | addr[3];
    out.setV4((addr[4] << 24) | (addr[5] << 16) | (addr[6] << 8) | addr[7]);
    return 0;
  }
  const { family, port } = addr as SockAddrLike;
  if (family !== AF_INET) return EAFNOSUPPORT;
  if (!Number.isInteger(port) || port < 0 || port > 0xffff) return EINVAL;
  const ip = addr instanceof SockAddr ? addr.ip : parseText((addr as SockAddrLike).address);
  if (ip === undefined || !ip.isV4) return EINVAL;
  out.copy(ip);
  out.port = port;
  return 0;
}

function parseText(text: unknown): Address | undefined {
  return typeof text === 'string' ? parseAddress(text) : undefined;
}

/** The number in a length argument; NaN for nonsense, undefined when it was left out. */
function lengthOf(addrlen: unknown): number | undefined {
  if (addrlen === undefined || addrlen === null) return undefined;
  const value = typeof addrlen === 'object' ? (addrlen as { value: unknown }).value : addrlen;
  return typeof value === 'number' ? value : Number.NaN;
}

/**
 * Checks an out-parameter before anything is done. Returns 0, or EFAULT (neither an object nor bytes), EINVAL (a length that
 * is not positive, or longer than the bytes given).
 */
export function checkSockAddrOut(addr: unknown, addrlen: unknown): number {
  if (typeof addr !== 'object' || addr === null) return EFAULT;
  const length = lengthOf(addrlen);
  if (length === undefined) return 0;
  if (!Number.isInteger(length) || length <= 0) return EINVAL;
  return addr instanceof Uint8Array && length > addr.length ? EINVAL : 0;
}

/**
 * Fills an out-parameter that `checkSockAddrOut` has passed. Bytes are cut to the length given, as POSIX asks, and the
 * length, if it is an object, becomes that of the whole address.
 */
export function writeSockAddr(addr: SockAddrArgument, addrlen: SockLen | undefined, from: Endpoint): void {
  if (addr instanceof Uint8Array) {
    writeBytes(addr, from.w3, from.port, Math.min(addr.length, lengthOf(addrlen) ?? addr.length));
  } else if (addr instanceof SockAddr) {
    addr.family = AF_INET;
    addr.ip.copy(from);
    addr.port = from.port;
  } else {
    addr.family = AF_INET;
    addr.address = formatAddress(from);
    addr.port = from.port;
  }
  if (typeof addrlen === 'object' && addrlen !== null) addrlen.value = SOCKADDR_IN_LENGTH;
}

function writeBytes(bytes: Uint8Array, word: number, port: number, length: number): void {
  const end = Math.min(length, SOCKADDR_IN_LENGTH);
  for (let i = 0; i < end; i++) {
    if (i === 0) bytes[i] = AF_INET;
    else if (i === 2) bytes[i] = port >>> 8;
    else if (i === 3) bytes[i] = port & 255;
    else if (i >= 4 && i < 8) bytes[i] = (word >>> (8 * (7 - i))) & 255;
    else bytes[i] = 0;
  }
}
