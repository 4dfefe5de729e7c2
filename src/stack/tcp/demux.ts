// The table of connections: finds the block of a segment's tuple (RFC 9293 3.3.1) by open addressing over typed arrays, and
// keeps the pool of blocks. The hash is keyed, so that nobody outside can fill one bucket.

import type { StackConfig } from '../config.js';
import type { Endpoint } from '../wire/address.js';
import { Tcb } from './tcb.js';

const EMPTY = -1;

export class Demux {
  /** Makes the hash differ from stack to stack. */
  readonly key: number;
  /** Slot to index of a block; a power of two of slots, at most half of them in use. */
  #slots: Int32Array;
  #hashes: Int32Array;
  #mask: number;
  readonly #blocks: Tcb[] = [];
  readonly #free: number[] = [];
  /** Connections in the table. */
  size = 0;

  constructor(random: () => number) {
    this.key = random();
    this.#slots = new Int32Array(1024).fill(EMPTY);
    this.#hashes = new Int32Array(1024);
    this.#mask = 1023;
  }

  /** Takes a clean block from the pool; it is in no table yet. */
  allocate(config: StackConfig): Tcb {
    const index = this.#free.pop();
    // alloc: the pool grows; blocks are used again
    const tcb = index === undefined ? new Tcb(this.#blocks.length) : this.#blocks[index];
    if (index === undefined) this.#blocks.push(tcb);
    tcb.reset(config);
    return tcb;
  }

  /** Gives a block back to the pool. It must be in no table any more. */
  free(tcb: Tcb): void {
    this.#free.push(tcb.index);
  }

  /** The block with this index, in use or not. */
  at(index: number): Tcb {
    return this.#blocks[index];
  }

  /** Blocks in use or half in use, for `ss` and for checks of leaks. */
  get allocated(): number {
    return this.#blocks.length - this.#free.length;
  }

  /** Finds the connection between two endpoints. */
  find(local: Endpoint, remote: Endpoint): Tcb | undefined {
    const hash = this.#hash(local, remote);
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const index = this.#slots[slot];
      if (index === EMPTY) return undefined;
      if (this.#hashes[slot] !== hash) continue;
      const tcb = this.#blocks[index];
      if (
        tcb.remote.port === remote.port &&
        tcb.local.port === local.port &&
        tcb.remote.equals(remote) &&
        tcb.local.equals(local)
      ) {
        return tcb;
      }
    }
  }

  /** Enters a block under its tuple, which must not be in the table. */
  insert(tcb: Tcb): void {
    if (++this.size * 2 > this.#mask) this.#grow();
    tcb.hash = this.#hash(tcb.local, tcb.remote);
    tcb.isEntered = true;
    this.#put(tcb.index, tcb.hash);
  }

  /** Takes a block out of the table and closes the gap, so that no tombstones remain. */
  remove(tcb: Tcb): void {
    const mask = this.#mask;
    let slot = tcb.hash & mask;
    while (this.#slots[slot] !== tcb.index) {
      if (this.#slots[slot] === EMPTY) return;
      slot = (slot + 1) & mask;
    }
    this.size--;
    tcb.isEntered = false;
    for (let next = (slot + 1) & mask; this.#slots[next] !== EMPTY; next = (next + 1) & mask) {
      // An entry may move back when its own slot is not between the gap and where it stands now.
      const home = this.#hashes[next] & mask;
      if (((next - home) & mask) < ((next - slot) & mask)) continue;
      this.#slots[slot] = this.#slots[next];
      this.#hashes[slot] = this.#hashes[next];
      slot = next;
    }
    this.#slots[slot] = EMPTY;
  }

  /** Calls `visit` for each connection; it may remove the one it is given. Looks at every block: not for the data path. */
  forEach(visit: (tcb: Tcb) => void): void {
    for (let i = 0; i < this.#blocks.length; i++) {
      const tcb = this.#blocks[i];
      if (tcb.isEntered) visit(tcb);
    }
  }

  #put(index: number, hash: number): void {
    let slot = hash & this.#mask;
    while (this.#slots[slot] !== EMPTY) slot = (slot + 1) & this.#mask;
    this.#slots[slot] = index;
    this.#hashes[slot] = hash;
  }

  #grow(): void {
    const slots = this.#slots;
    const hashes = this.#hashes;
    this.#mask = slots.length * 2 - 1;
    // alloc: the table doubles
    this.#slots = new Int32Array(slots.length * 2).fill(EMPTY);
    // alloc: with its hashes
    this.#hashes = new Int32Array(slots.length * 2);
    for (let i = 0; i < slots.length; i++) if (slots[i] !== EMPTY) this.#put(slots[i], hashes[i]);
  }

  #hash(local: Endpoint, remote: Endpoint): number {
    let h = this.key ^ ((remote.port << 16) | local.port);
    h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
    h = Math.imul(h ^ remote.w3 ^ (h >>> 15), 0x846ca68b);
    h = Math.imul(h ^ local.w3 ^ (h >>> 16), 0x7feb352d);
    h = Math.imul(h ^ remote.w0 ^ remote.w1 ^ Math.imul(remote.w2, 5) ^ (h >>> 15), 0x846ca68b);
    return h ^ (h >>> 16);
  }
}
