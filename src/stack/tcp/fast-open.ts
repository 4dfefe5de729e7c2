// TCP Fast Open (RFC 7413): data on the SYN, for peers that have shown by a cookie that their address is theirs. Keys and cookies of the
// server, the cookies that servers have given us, and what one connection keeps.

import { type Clock, type Micros, NEVER } from '../clock.js';
import type { Endpoint } from '../wire/address.js';
import type { Listener } from './listener.js';
import { SipHash } from './siphash.js';

// Bits of net.ipv4.tcp_fastopen.
export const FASTOPEN_CLIENT = 1;
export const FASTOPEN_SERVER = 2;
/** Data goes on the SYN without a cookie. */
export const FASTOPEN_CLIENT_NO_COOKIE = 4;
/** Data on a SYN is taken without a cookie. */
export const FASTOPEN_SERVER_NO_COOKIE = 0x200;
/** Every listener takes it, not only those that ask for it. */
export const FASTOPEN_ALL_LISTENERS = 0x400;

/** Bytes of our cookies. */
export const COOKIE_LENGTH = 8;
/** Most bytes that a cookie can have. */
const MAX_COOKIE = 16;
const KEY_LENGTH = 16;
/** Servers whose cookies are kept. */
const CACHE_LIMIT = 1024;
/** How long a server is spared whose SYN-ACK did not come until the data was left away (RFC 7413 4.1.3.1), in µs. */
const BLACKHOLE_US = 3_600_000_000;

/** What a connection with Fast Open keeps from its SYN to the end of its handshake. */
export class FastOpen {
  /** The cookie that goes on our SYN or SYN-ACK; its length is 0 for the request of one, -1 for none. */
  readonly cookie: Uint8Array = new Uint8Array(MAX_COOKIE);
  length = -1;
  /** In option 254, as the peer has asked. */
  isExperimental = false;
  /** The listener among whose pending ones it counts; null for a connection that was opened actively. */
  listener: Listener | null = null;
  /** Data of the peer's SYN was taken, and what is written may leave before the handshake is complete. */
  isOpen = false;
  /** Data went out with our SYN. */
  hasSent = false;
}

/** Makes the cookies of a server and knows them again. The first key makes them, both are believed (RFC 7413 4.1.2). */
export class FastOpenKeys {
  readonly #hashes: SipHash[];

  /** @param keys 16 bytes, or 32 for two keys */
  constructor(keys: Uint8Array) {
    this.#hashes = [];
    for (let at = 0; at + KEY_LENGTH <= keys.length; at += KEY_LENGTH) {
      this.#hashes.push(new SipHash(keys.slice(at, at + KEY_LENGTH)));
    }
  }

  /** Writes the cookie of a peer to `out`. */
  make(local: Endpoint, remote: Endpoint, out: Uint8Array): void {
    write(hashOf(this.#hashes[0], local, remote), out);
  }

  /** Which key has made a cookie, from 0; -1 for none. */
  check(local: Endpoint, remote: Endpoint, view: DataView, offset: number, length: number): number {
    if (length !== COOKIE_LENGTH) return -1;
    const low = view.getInt32(offset, true);
    const high = view.getInt32(offset + 4, true);
    return this.#hashes.findIndex((hash) => {
      hashOf(hash, local, remote);
      return hash.low === low && hash.high === high;
    });
  }
}

function hashOf(hash: SipHash, local: Endpoint, remote: Endpoint): SipHash {
  hash.hash(swapBytes(remote.w3), swapBytes(local.w3));
  return hash;
}

function write({ low, high }: SipHash, out: Uint8Array): void {
  for (let i = 0; i < 4; i++) {
    out[i] = low >>> (8 * i);
    out[4 + i] = high >>> (8 * i);
  }
}

function swapBytes(word: number): number {
  return ((word & 0xff) << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
}

/** What a server has given us. */
interface Known {
  cookie: Uint8Array;
  mss: number;
  isExperimental: boolean;
  /** Until when no data is sent on SYNs to it. */
  sparedUntil: Micros;
}

/** The cookies of servers, by their addresses; the oldest make room. */
export class FastOpenCache {
  readonly #clock: Clock;
  readonly #servers = new Map<number, Known>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Keeps a cookie, or only the MSS that goes with none. */
  keep(
    server: Endpoint,
    view: DataView,
    offset: number,
    length: number,
    mss: number,
    isExperimental: boolean,
  ): void {
    // alloc: once for each server and cookie
    const cookie = new Uint8Array(length);
    for (let i = 0; i < length; i++) cookie[i] = view.getUint8(offset + i);
    this.#servers.delete(server.w3);
    this.#servers.set(server.w3, { cookie, mss, isExperimental, sparedUntil: -NEVER });
    if (this.#servers.size <= CACHE_LIMIT) return;
    for (const oldest of this.#servers.keys()) {
      this.#servers.delete(oldest);
      return;
    }
  }

  /** Whether data may go on a SYN to a server. */
  has(server: Endpoint): boolean {
    return this.#usable(server) !== undefined;
  }

  /** MSS with which data goes on a SYN; 0 when nothing is known. */
  mssOf(server: Endpoint): number {
    return this.#usable(server)?.mss ?? 0;
  }

  /** Puts the cookie of a server on a SYN. */
  fill(server: Endpoint, out: FastOpen): void {
    const known = this.#usable(server);
    out.length = known?.cookie.length ?? 0;
    out.isExperimental = known?.isExperimental ?? false;
    if (known !== undefined) out.cookie.set(known.cookie);
  }

  /** Data on SYNs does not get through to a server. */
  spare(server: Endpoint): void {
    const known = this.#servers.get(server.w3);
    if (known !== undefined) known.sparedUntil = this.#clock.now + BLACKHOLE_US;
  }

  #usable(server: Endpoint): Known | undefined {
    const known = this.#servers.get(server.w3);
    return known !== undefined && known.sparedUntil <= this.#clock.now ? known : undefined;
  }
}

/** Reads a key as net.ipv4.tcp_fastopen_key has it, or two of them with a comma between; undefined when it is none. */
export function parseKeys(text: string): Uint8Array | undefined {
  const keys = text.split(',');
  if (keys.length > 2 || !keys.every((key) => /^[\da-f]{8}(-[\da-f]{8}){3}$/i.test(key))) return undefined;
  const words = keys.flatMap((key) => key.split('-')).map((word) => Number.parseInt(word, 16));
  const bytes = new Uint8Array(words.length * 4);
  const view = new DataView(bytes.buffer);
  words.forEach((word, i) => view.setUint32(4 * i, word, true));
  return bytes;
}

/** Writes keys as `parseKeys` reads them. */
export function formatKeys(keys: Uint8Array): string {
  const view = new DataView(keys.buffer, keys.byteOffset, keys.byteLength);
  const words = Array.from({ length: keys.length / 4 }, (_, i) =>
    view
      .getUint32(4 * i, true)
      .toString(16)
      .padStart(8, '0'),
  );
  return [words.slice(0, 4), words.slice(4)]
    .filter((key) => key.length > 0)
    .map((key) => key.join('-'))
    .join(',');
}
