// The stack's own addresses: which packets are for it, which sources cannot be true, and which address to speak from.

import { type Address, V4_MAPPED } from '../wire/address.js';

interface Entry {
  readonly address: Address;
  /** Prefix as a mask over the last word. */
  readonly mask: number;
}

export class LocalAddresses {
  readonly #entries: Entry[] = [];

  add(address: Address, prefix: number): void {
    this.#entries.push({ address, mask: prefix === 0 ? 0 : (-1 << (32 - prefix)) | 0 });
  }

  /** All addresses. Not for the data path. */
  list(): Address[] {
    return this.#entries.map((entry) => entry.address);
  }

  has(address: Address): boolean {
    for (let i = 0; i < this.#entries.length; i++) if (this.#entries[i].address.equals(address)) return true;
    return false;
  }

  /** True when `word` is an IPv4 address of the stack. */
  hasWord(word: number): boolean {
    for (let i = 0; i < this.#entries.length; i++) {
      const { address } = this.#entries[i];
      if (address.w3 === word && address.w2 === V4_MAPPED) return true;
    }
    return false;
  }

  /** The address whose prefix covers `word`, or the first one. */
  sourceFor(word: number): number {
    for (let i = 0; i < this.#entries.length; i++) {
      const entry = this.#entries[i];
      if (((entry.address.w3 ^ word) & entry.mask) === 0) return entry.address.w3;
    }
    return this.#entries.length > 0 ? this.#entries[0].address.w3 : 0;
  }

  /** True for 255.255.255.255 and for the broadcast and network address of a prefix of ours (RFC 1122 3.2.1.3). */
  isBroadcast(word: number): boolean {
    if (word === -1) return true;
    for (let i = 0; i < this.#entries.length; i++) {
      const entry = this.#entries[i];
      // Prefixes of 31 and 32 bits have no broadcast address (RFC 3021).
      if (entry.mask === -1 || entry.mask === -2) continue;
      if (((entry.address.w3 ^ word) & entry.mask) !== 0) continue;
      const host = word & ~entry.mask;
      if (host === ~entry.mask || host === 0) return true;
    }
    return false;
  }

  /** True when no host may send from `word`: own, 0/8, 127/8, multicast, class E, broadcast (RFC 1122 3.2.1.3). */
  isMartianSource(word: number): boolean {
    const top = word >>> 24;
    return top === 0 || top === 127 || top >= 224 || this.hasWord(word) || this.isBroadcast(word);
  }
}

/** True for 224.0.0.0/4. */
export const isMulticastWord = (word: number): boolean => word >>> 28 === 14;
