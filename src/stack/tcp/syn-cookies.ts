// SYN cookies (RFC 4987 3.6): when the queue of half-open connections is full, the SYN-ACK itself remembers the connection. Its sequence
// number holds the time and the MSS under a keyed hash, its timestamp the other options.

import type { Clock } from '../clock.js';
import type { Endpoint } from '../wire/address.js';
import { KeyedHash } from './keyed-hash.js';
import { diff } from './seq.js';

/** The times in a cookie: minutes, of which the last two are believed. */
const PERIOD_US = 60_000_000;
const PERIODS = 2;
/** How long after a listener last sent a cookie ACKs are looked at as ones that may hold one, in µs. */
export const COOKIE_LIFE_US = PERIODS * PERIOD_US;
/** Low bits of the sequence number that hold the MSS; the time stands above them. */
const MSS_BITS = 24;
const MSS_MASK = (1 << MSS_BITS) - 1;
/** What a cookie can say of the peer's MSS: the largest that is not larger. Those that nearly all peers have. */
const MSS_TABLE = [536, 1300, 1440, 1460];
/** Far apart, so that a number beside a cookie is none. */
const INDEX_SHIFT = 20;

/**
 * Cookies that have opened a connection lately are kept, a power of two, each in the place that its low bits say until another takes
 * it. So an ACK that the network brings twice is known again if few others came between, not as long as its cookie lives.
 */
const USED = 65_536;

/** Bits of a timestamp that hold options: four for the window scale, one for SACK, one for ECN. */
const OPTION_BITS = 6;
const NO_SCALE = 15;
const SACK_BIT = 1 << 4;
const ECN_BIT = 1 << 5;

export class SynCookies {
  readonly #clock: Clock;
  readonly #tuple: KeyedHash;
  readonly #timed: KeyedHash;
  /** 0 stands for none: that one cookie is not remembered. */
  #used: Int32Array | undefined;

  constructor(clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#tuple = new KeyedHash(random(), random());
    this.#timed = new KeyedHash(random(), random());
  }

  /** The initial sequence number that answers a SYN with `irs` and this MSS (0 for none). */
  make(local: Endpoint, remote: Endpoint, irs: number, mss: number): number {
    const period = this.#period();
    const secret = this.#timedHash(local, remote, period) + (mssIndex(mss) << INDEX_SHIFT);
    return (this.#tupleHash(local, remote, irs) + (period << MSS_BITS) + (secret & MSS_MASK)) | 0;
  }

  /** The MSS in a cookie that an ACK brings back; 0 when it is none, or too old. */
  check(local: Endpoint, remote: Endpoint, irs: number, cookie: number): number {
    const inner = diff(cookie, this.#tupleHash(local, remote, irs));
    const age = (this.#period() - (inner >>> MSS_BITS)) & 0xff;
    if (age >= PERIODS) return 0;
    const secret = this.#timedHash(local, remote, this.#period() - age);
    const data = (inner - secret) & MSS_MASK;
    const index = data >> INDEX_SHIFT;
    return index < MSS_TABLE.length && index << INDEX_SHIFT === data ? MSS_TABLE[index] : 0;
  }

  /** Whether a cookie has opened a connection lately: the network may bring its ACK again when that one is gone already. */
  isUsed(cookie: number): boolean {
    return cookie !== 0 && this.#used?.[cookie & (USED - 1)] === cookie;
  }

  /** Remembers a cookie that has opened a connection. */
  use(cookie: number): void {
    // alloc: once, with the first cookie
    this.#used ??= new Int32Array(USED);
    this.#used[cookie & (USED - 1)] = cookie;
  }

  #period(): number {
    return Math.floor(this.#clock.now / PERIOD_US);
  }

  #tupleHash(local: Endpoint, remote: Endpoint, irs: number): number {
    return this.#tuple.hash(local.w3, remote.w3, (local.port << 16) | remote.port, irs);
  }

  #timedHash(local: Endpoint, remote: Endpoint, period: number): number {
    return this.#timed.hash(local.w3, remote.w3, (local.port << 16) | remote.port, period);
  }
}

function mssIndex(mss: number): number {
  let index = MSS_TABLE.length - 1;
  while (index > 0 && MSS_TABLE[index] > mss) index--;
  return index;
}

/** A timestamp of `now` or a little earlier whose low bits hold the options; `wscale` -1 for none. */
export function timestampWith(now: number, wscale: number, sack: boolean, ecn: boolean): number {
  const options = (wscale < 0 ? NO_SCALE : wscale) | (sack ? SACK_BIT : 0) | (ecn ? ECN_BIT : 0);
  const stamped = ((now >> OPTION_BITS) << OPTION_BITS) | options;
  // Not from the future: the peer would echo a time that we have not seen.
  return diff(stamped, now) > 0 ? (stamped - (1 << OPTION_BITS)) | 0 : stamped;
}

/** The window scale in a timestamp that comes back; -1 for none. */
export function scaleIn(timestamp: number): number {
  const scale = timestamp & 15;
  return scale === NO_SCALE ? -1 : scale;
}

export function hasSack(timestamp: number): boolean {
  return (timestamp & SACK_BIT) !== 0;
}

export function hasEcn(timestamp: number): boolean {
  return (timestamp & ECN_BIT) !== 0;
}
