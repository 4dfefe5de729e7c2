// The table of connections: finds the block of a segment's tuple (RFC 9293 3.3.1) by open addressing over typed arrays, and
// keeps the pool of blocks, and the records of connections that have given theirs up (dormancy.ts). The hash is keyed, so that
// nobody outside can fill one bucket.

import { Clock } from '../clock.js';
import type { StackConfig } from '../config.js';
import { Address, type Endpoint } from '../wire/address.js';
import type { TcpCore } from './core.js';
import { type Kind, Records } from './record.js';
import { Slab } from './slab.js';
import { Tcb } from './tcb.js';

const EMPTY = -1;
/** Blocks kept for use again beyond as many as are in use; more are left to the garbage collector. */
const SPARE = 1024;
const REST_OF_V4 = restOf(new Address().setV4(0));

/** Whoever keeps a reference to the block of a connection, by the number that the connection has for it (`owner`). */
export interface BlockHolder {
  /** The block is given up; `Demux.at(index)` brings one back. */
  connectionSleeps(owner: number, index: number): void;
  connectionWakes(owner: number, tcb: Tcb): void;
  /** The connection will be needed soon: whoever keeps more about it reads some of that, and says what (ahead.ts). */
  lookAhead(owner: number): number;
}

export class Demux {
  /** Makes the hash differ from stack to stack. */
  readonly key: number;
  /** Slot to index of a block; a power of two of slots, at most half of them in use. */
  #slots: Int32Array;
  #hashes: Int32Array;
  #mask: number;
  /** By place; null where nobody is, or a dormant connection. */
  readonly #blocks: (Tcb | null)[] = [];
  readonly #free: number[] = [];
  /** Blocks that no connection has. */
  readonly #spare: Tcb[] = [];
  /** Rows of the ledger that blocks have had and that are free again. */
  readonly #freeRows: number[] = [];
  /** By row: the block that has it, in use or spare. */
  readonly #byRow: (Tcb | undefined)[] = [];
  /** Connections in the table. */
  size = 0;
  /** Connections without a block. */
  dormant = 0;
  /** Connections that were needed again within so many µs, and how many have been so far. */
  earlyUs = 0;
  early = 0;
  holder: BlockHolder | null = null;
  #records: Records | null = null;
  /** By place: the record of a dormant connection, 0 for none, and its kind. */
  #recordOf = new Int32Array(0);
  readonly #kinds: (Kind | null)[] = [];
  readonly #clock: Clock;

  constructor(random: () => number, clock: Clock = new Clock()) {
    this.#clock = clock;
    this.key = random();
    this.#slots = new Int32Array(1024).fill(EMPTY);
    this.#hashes = new Int32Array(1024);
    this.#mask = 1023;
  }

  /** Takes a clean block from the pool; it is in no table yet. */
  allocate(config: StackConfig): Tcb {
    const index = this.#free.pop() ?? this.#blocks.length;
    // alloc: the pool grows; blocks are used again
    const tcb = this.#spare.pop() ?? this.#make(index);
    tcb.index = index;
    this.#blocks[index] = tcb;
    tcb.reset(config);
    return tcb;
  }

  /** Gives a block back to the pool. It must be in no table any more. */
  free(tcb: Tcb): void {
    this.#free.push(tcb.index);
    this.#blocks[tcb.index] = null;
    this.#keep(tcb);
  }

  #keep(tcb: Tcb): void {
    this.#spare.push(tcb);
    while (this.#spare.length > SPARE + this.awake) {
      const { row } = this.#spare.pop()!;
      this.#freeRows.push(row);
      this.#byRow[row] = undefined;
    }
  }

  #make(index: number): Tcb {
    // alloc: the pool grows
    const tcb = new Tcb(index, this.#freeRows.pop() ?? this.#byRow.length);
    this.#byRow[tcb.row] = tcb;
    return tcb;
  }

  /** Places that there are, in use or not. */
  get places(): number {
    return this.#blocks.length;
  }

  /** Rows that there are: as many as there ever were blocks at a time. */
  get rows(): number {
    return this.#byRow.length;
  }

  /** The block that has a row, if it is in use. */
  inRow(row: number): Tcb | null {
    const tcb = this.#byRow[row];
    return tcb !== undefined && this.#blocks[tcb.index] === tcb ? tcb : null;
  }

  /** Connections that have a block, those included that are half in use. */
  get awake(): number {
    return this.allocated - this.dormant;
  }

  /** The block of the connection at a place, which a dormant one gets again; null when there is no connection. */
  at(index: number): Tcb | null {
    return this.#blocks[index] ?? (this.isDormant(index) ? this.#wake(index) : null);
  }

  /** The block at a place, unless the connection is dormant. */
  awakeAt(index: number): Tcb | null {
    return this.#blocks[index] ?? null;
  }

  /** Connections, dormant and half open or half closed ones too, for `ss` and for checks of leaks. */
  get allocated(): number {
    return this.#blocks.length - this.#free.length;
  }

  /** Takes the block of a connection; it stays in the table. Does nothing when there is no room for its record. */
  sleep(tcb: Tcb, { buffers, config, ledger }: Pick<TcpCore, 'buffers' | 'config' | 'ledger'>): void {
    // alloc: with the first one
    this.#records ??= new Records(new Slab(), config, ledger);
    const { index, owner } = tcb;
    const kind = this.#records.kindOf(tcb);
    const record = this.#records.pack(tcb, kind);
    if (record === 0) return;
    if (index >= this.#recordOf.length) this.#growRecords(index);
    this.#recordOf[index] = record;
    this.#kinds[index] = kind;
    this.#records.refer(tcb, null);
    // They are empty; what they held at most says nothing of the block's next connection.
    tcb.sendBuffer.clear(buffers);
    tcb.recvBuffer.clear(buffers);
    this.#blocks[index] = null;
    this.dormant++;
    this.#keep(tcb);
    if (owner >= 0) this.holder?.connectionSleeps(owner, index);
  }

  /** True when the connection at a place has no block. */
  isDormant(index: number): boolean {
    return this.dormant > 0 && index < this.#recordOf.length && this.#recordOf[index] !== 0;
  }

  #wake(index: number): Tcb {
    // alloc: as in `allocate`
    const tcb = this.#spare.pop() ?? this.#make(index);
    const kind = this.#kinds[index]!;
    this.#records!.unpack(this.#recordOf[index], tcb, kind);
    this.#records!.refer(tcb, kind);
    this.#recordOf[index] = 0;
    this.#kinds[index] = null;
    tcb.index = index;
    const { now } = this.#clock;
    if (now - tcb.heardAt < this.earlyUs) this.early++;
    tcb.wokenAt = now;
    this.#blocks[index] = tcb;
    this.dormant--;
    if (tcb.owner >= 0) this.holder?.connectionWakes(tcb.owner, tcb);
    return tcb;
  }

  #growRecords(index: number): void {
    // alloc: the table doubles
    const grown = new Int32Array(Math.max(1024, 1 << (32 - Math.clz32(index))));
    grown.set(this.#recordOf);
    this.#recordOf = grown;
    for (let i = this.#kinds.length; i < grown.length; i++) this.#kinds.push(null);
  }

  /** Finds the connection between two endpoints. */
  find(local: Endpoint, remote: Endpoint): Tcb | undefined {
    const hash = this.#hash(local, remote);
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const index = this.#slots[slot];
      if (index === EMPTY) return undefined;
      if (this.#hashes[slot] !== hash) continue;
      const tcb = this.#blocks[index] ?? this.#wake(index);
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

  /** The place of what may be the connection between two IPv4 words and ports, dormant or not; -1 when there is none. */
  guess(local: number, remote: number, localPort: number, remotePort: number): number {
    const hash = hashOf(this.key, local, remote, localPort, remotePort, REST_OF_V4);
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const index = this.#slots[slot];
      if (index === EMPTY) return -1;
      if (this.#hashes[slot] === hash) return index;
    }
  }

  /** The place of the dormant connection between two IPv4 endpoints, which is not woken; -1 when there is none. */
  dormantAt(local: Endpoint, remote: Endpoint): number {
    if (this.dormant === 0) return -1;
    const hash = this.#hash(local, remote);
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const index = this.#slots[slot];
      if (index === EMPTY) return -1;
      if (
        this.#hashes[slot] === hash &&
        this.isDormant(index) &&
        this.peek(index, 'remote.port') === remote.port &&
        this.peek(index, 'local.port') === local.port &&
        this.peek(index, 'remote.w3') === remote.w3 &&
        this.peek(index, 'local.w3') === local.w3
      ) {
        return index;
      }
    }
  }

  /** A number of the dormant connection at a place, by its path in a block; switches are 0 or 1. */
  peek(index: number, path: string): number {
    return this.#records!.peek(this.#recordOf[index], path, this.#kinds[index]!);
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

  /**
   * Calls `visit` for each connection that is not dormant; it may remove the one it is given. Looks at every place: not for the data
   * path.
   */
  forEach(visit: (tcb: Tcb) => void): void {
    for (let i = 0; i < this.#blocks.length; i++) {
      const tcb = this.#blocks[i];
      if (tcb?.isEntered) visit(tcb);
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
    return hashOf(this.key, local.w3, remote.w3, local.port, remote.port, restOf(remote));
  }
}

/** What the hash takes of the rest of an address. */
function restOf({ w0, w1, w2 }: Address): number {
  return w0 ^ w1 ^ Math.imul(w2, 5);
}

function hashOf(
  key: number,
  local: number,
  remote: number,
  localPort: number,
  remotePort: number,
  rest: number,
): number {
  let h = key ^ ((remotePort << 16) | localPort);
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ remote ^ (h >>> 15), 0x846ca68b);
  h = Math.imul(h ^ local ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ rest ^ (h >>> 15), 0x846ca68b);
  return h ^ (h >>> 16);
}
