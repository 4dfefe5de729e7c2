// Receive-side scaling: on which queue of a device a packet will land. The Toeplitz hash over a connection's tuple, with the
// key, the indirection table and the hash fields that the device told. Pure; the API chooses ports with it. References: the
// RSS specification of NDIS ("RSS Hashing Functions"), and ethtool(8) for fields and transforms.

import { type RssDescription, RXH_ADDRESSES, RXH_TUPLE } from './nic.js';
import { isSymmetricKey, RSS_KEY_LENGTH, toeplitzTables } from './os/toeplitz.js';

/** The third word of an IPv4-mapped address. */
const V4_MAPPED = 0x0000ffff;

/**
 * One end of a connection: the address as four signed words in network order, an IPv4 address in its IPv4-mapped form, and the
 * port in host order. The stack's Endpoint is one.
 */
export interface TupleEnd {
  readonly w0: number;
  readonly w1: number;
  readonly w2: number;
  readonly w3: number;
  readonly port: number;
}

/**
 * Fields that can be predicted: those of which nothing is left out ahead of something that is hashed. Of others devices differ
 * in whether the rest moves up or zeros take the place.
 */
function isPredictable(fields: number): boolean {
  return fields === RXH_TUPLE || fields === RXH_ADDRESSES;
}

/** Predicts queues. Nothing in it allocates after construction. */
export class Rss {
  readonly description: RssDescription;
  /** True when a connection's two directions hash alike, by the key or by the transform. */
  readonly symmetric: boolean;
  readonly #tables: Int32Array;
  readonly #queues: Int32Array;
  readonly #known4: boolean;
  readonly #known6: boolean;
  readonly #ports4: boolean;
  readonly #ports6: boolean;
  readonly #or: boolean;
  readonly #xor: boolean;

  private constructor(description: RssDescription) {
    const { key, table, tcp4, tcp6, transform } = description;
    this.description = description;
    this.#tables = toeplitzTables(key);
    this.#queues = Int32Array.from(table);
    this.#known4 = isPredictable(tcp4);
    this.#known6 = isPredictable(tcp6);
    this.#ports4 = tcp4 === RXH_TUPLE;
    this.#ports6 = tcp6 === RXH_TUPLE;
    this.#or = transform === 'or-xor';
    this.#xor = transform !== 'none';
    this.symmetric = this.#xor || isSymmetricKey(key);
  }

  /**
   * Makes the predictions of a description; undefined when it does not tell enough for that: another hash function, another
   * transform, a short key, or for both versions of IP a choice of fields that devices treat differently.
   */
  static of(description: RssDescription | undefined): Rss | undefined {
    if (description === undefined) return undefined;
    const { hash, key, table, tcp4, tcp6, transform } = description;
    if (hash !== 'toeplitz' || transform === 'other') return undefined;
    if (key.length < RSS_KEY_LENGTH || table.length === 0) return undefined;
    return isPredictable(tcp4) || isPredictable(tcp6) ? new Rss(description) : undefined;
  }

  /** The hash of a TCP segment from `src` to `dst`, as a signed int32. */
  hash(src: TupleEnd, dst: TupleEnd): number {
    const v4 = src.w2 === V4_MAPPED && src.w0 === 0 && src.w1 === 0;
    if (v4) return this.hashV4(src.w3, dst.w3, src.port, dst.port);
    let hash = this.#pair(0, 16, src.w0, dst.w0) ^ this.#pair(4, 20, src.w1, dst.w1);
    hash ^= this.#pair(8, 24, src.w2, dst.w2) ^ this.#pair(12, 28, src.w3, dst.w3);
    return this.#ports6 ? hash ^ this.#ports(32, src.port, dst.port) : hash;
  }

  /** As `hash`, over IPv4, with addresses as signed words in network order and ports in host order. */
  hashV4(src: number, dst: number, srcPort: number, dstPort: number): number {
    const hash = this.#pair(0, 4, src, dst);
    return this.#ports4 ? hash ^ this.#ports(8, srcPort, dstPort) : hash;
  }

  /** The queue of a hash. */
  queueOfHash(hash: number): number {
    return this.#queues[(hash >>> 0) % this.#queues.length]!;
  }

  /**
   * The queue on which segments from `remote` to `local` arrive, which is where the replies to `local` land; -1 when that cannot
   * be told for this version of IP.
   */
  queueOf(local: TupleEnd, remote: TupleEnd): number {
    const v4 = local.w2 === V4_MAPPED && local.w0 === 0 && local.w1 === 0;
    if (v4) return this.queueOfV4(local.w3, local.port, remote.w3, remote.port);
    return this.#known6 ? this.queueOfHash(this.hash(remote, local)) : -1;
  }

  /** As `queueOf`, over IPv4, with addresses as signed words in network order and ports in host order. */
  queueOfV4(local: number, localPort: number, remote: number, remotePort: number): number {
    return this.#known4 ? this.queueOfHash(this.hashV4(remote, local, remotePort, localPort)) : -1;
  }

  /** How many entries of the table belong to a queue: its share of the connections is that of the table's length. */
  entriesOf(queue: number): number {
    let entries = 0;
    for (let i = 0; i < this.#queues.length; i++) if (this.#queues[i] === queue) entries++;
    return entries;
  }

  /** A word of both addresses, at these bytes of the tuple. */
  #pair(srcAt: number, dstAt: number, src: number, dst: number): number {
    if (!this.#xor) return this.#word(srcAt, src) ^ this.#word(dstAt, dst);
    const both = src ^ dst;
    return this.#word(srcAt, this.#or ? src | dst : both) ^ this.#word(dstAt, both);
  }

  #ports(at: number, src: number, dst: number): number {
    if (!this.#xor) return this.#word(at, (src << 16) | dst);
    const both = src ^ dst;
    return this.#word(at, ((this.#or ? src | dst : both) << 16) | both);
  }

  #word(at: number, word: number): number {
    const tables = this.#tables;
    const base = at << 8;
    return (
      tables[base + (word >>> 24)]! ^
      tables[base + 256 + ((word >>> 16) & 255)]! ^
      tables[base + 512 + ((word >>> 8) & 255)]! ^
      tables[base + 768 + (word & 255)]!
    );
  }
}
