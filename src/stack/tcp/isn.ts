// Initial sequence numbers (RFC 6528 3: ISN = M + F(tuple, key)) and the random timestamp offset of a connection
// (RFC 7323 7.1), both from a keyed hash of the tuple.

import type { Endpoint } from '../wire/address.js';
import { KeyedHash } from './keyed-hash.js';
import { add } from './seq.js';
import type { Tcb } from './tcb.js';

/** The ISN of a connection that follows `old` on the same tuple: beyond everything that was sent (RFC 6191 4). */
export function isnAfter(old: Tcb): number {
  return add(old.snd.nxt, 65_536 + 2);
}

export class IsnGenerator {
  readonly #isn: KeyedHash;
  readonly #offset: KeyedHash;

  constructor(random: () => number) {
    this.#isn = new KeyedHash(random(), random());
    this.#offset = new KeyedHash(random(), random());
  }

  /** The sequence number to begin with at `nowUs`; M is a clock of 4 µs. */
  isn(local: Endpoint, remote: Endpoint, nowUs: number): number {
    return (this.#of(this.#isn, local, remote) + ((nowUs / 4) | 0)) | 0;
  }

  /** The offset added to the timestamp clock of this tuple; the same for a tuple used again, as RFC 6191 needs. */
  timestampOffset(local: Endpoint, remote: Endpoint): number {
    return this.#of(this.#offset, local, remote);
  }

  #of(hash: KeyedHash, local: Endpoint, remote: Endpoint): number {
    const ports = (local.port << 16) | remote.port;
    if (local.isV4) return hash.hash(local.w3, remote.w3, ports, 4);
    const localHash = hash.hash(local.w0, local.w1, local.w2, local.w3);
    return hash.hash(localHash, hash.hash(remote.w0, remote.w1, remote.w2, remote.w3), ports, 6);
  }
}
