// Local ports of active opens (RFC 6056 3.3.3, the simple hash-based algorithm): a keyed hash of the destination says where the
// search begins, a random step where it goes on, so that ports neither repeat soon nor can be guessed.

import type { Endpoint } from '../wire/address.js';
import { KeyedHash } from './keyed-hash.js';

export class EphemeralPorts {
  readonly #hash: KeyedHash;
  readonly #random: () => number;
  #counter = 0;

  constructor(random: () => number) {
    this.#hash = new KeyedHash(random(), random());
    this.#random = random;
  }

  /**
   * Finds a port in [first, last] for which `isFree` says true, with `local.port` set to the candidate when it is asked.
   * Returns 0 when all are taken.
   */
  choose(local: Endpoint, remote: Endpoint, first: number, last: number, isFree: () => boolean): number {
    const count = last - first + 1;
    const start = this.#hash.hash(local.w3, remote.w3 ^ remote.w0, remote.w1 ^ remote.w2, remote.port) >>> 0;
    // RFC 6056 3.3.5: the counter moves on by a small random step.
    this.#counter = (this.#counter + 1 + ((this.#random() >>> 0) % 7)) >>> 0;
    for (let i = 0; i < count; i++) {
      local.port = first + ((start + this.#counter + i) % count);
      if (isFree()) return local.port;
    }
    local.port = 0;
    return 0;
  }
}
