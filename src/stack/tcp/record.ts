// What a block holds, in a few words: only the fields that differ from those of a new block, with a bit each that says which, and
// likewise what its row of the ledger holds. The fields are found by looking at a block, so that a new one needs no mention here.

import type { StackConfig } from '../config.js';
import { ENTRIES, type Ledger } from './ledger.js';
import type { Slab } from './slab.js';
import { Tcb } from './tcb.js';

type Fields = Record<string, unknown>;

/** Fields of a block that say where it stands rather than what it holds. */
const OWN = new Set(['index', 'row', 'queued', 'outputQueued']);
/** Words: the length, then which fields are there, then which of them take two words. */
const LENGTH = 1;
const WORD_SHIFT = 5;
const WORD_MASK = 31;
const MINUS_ZERO = -0;

/** What a block refers to beyond its own parts, by the names of the fields; those that are null are left out. */
export type References = Fields;

export class Records {
  readonly #slab: Slab;
  readonly #ledger: Ledger;
  /** The parts of a block that hold numbers, '' for the block itself, and by field: its part, its name, its value in a new block. */
  readonly #parts: readonly string[];
  readonly #partOf: number[] = [];
  readonly #names: string[] = [];
  readonly #fresh: unknown[] = [];
  /** Number of a field by its path. */
  readonly #paths = new Map<string, number>();
  /** Names of the fields that refer to something, and what they refer to in a new block. */
  readonly #references: string[] = [];
  readonly #freshReferences: unknown[] = [];
  readonly #maskWords: number;
  readonly #words: Int32Array;
  readonly #double = new Float64Array(1);
  readonly #halves = new Int32Array(this.#double.buffer);
  readonly #objects: Fields[] = [];
  /** Where `unpack` reads next. */
  #at = 0;

  constructor(slab: Slab, config: StackConfig, ledger: Ledger) {
    this.#slab = slab;
    this.#ledger = ledger;
    const fresh = new Tcb(0);
    fresh.reset(config);
    const block = fresh as unknown as Fields;
    const parts = [''];
    for (const [name, value] of Object.entries(block)) {
      if (OWN.has(name) || typeof value === 'string') continue;
      if (typeof value !== 'object') this.#addField(0, name, value, name);
      else if (isPart(value)) this.#addPart(parts, name, value as Fields);
      else {
        this.#references.push(name);
        this.#freshReferences.push(value);
      }
    }
    this.#parts = parts;
    const values = this.#names.length + ENTRIES;
    this.#maskWords = (values + WORD_MASK) >>> WORD_SHIFT;
    this.#words = new Int32Array(LENGTH + 2 * this.#maskWords + 2 * values);
  }

  #addPart(parts: string[], part: string, fields: Fields): void {
    for (const [name, value] of Object.entries(fields)) {
      if (typeof value === 'object')
        throw new TypeError(`${part}.${name}: parts of a block hold numbers only`);
      this.#addField(parts.length, name, value, `${part}.${name}`);
    }
    parts.push(part);
  }

  #addField(part: number, name: string, value: unknown, path: string): void {
    this.#paths.set(path, this.#names.length);
    this.#partOf.push(part);
    this.#names.push(name);
    this.#fresh.push(value);
  }

  /** Writes the numbers of a block into a record; returns its place, 0 when there is no room for more records. */
  pack(tcb: Tcb): number {
    const objects = this.#objectsOf(tcb);
    const words = this.#words;
    const fields = this.#names.length;
    let length = LENGTH + 2 * this.#maskWords;
    words.fill(0, 0, length);
    for (let i = 0; i < fields; i++) {
      const value = objects[this.#partOf[i]][this.#names[i]];
      if (!Object.is(value, this.#fresh[i])) length = this.#write(i, Number(value), length);
    }
    for (let entry = 0; entry < ENTRIES; entry++) {
      const value = this.#ledger.entryOf(tcb.row, entry);
      if (value !== 0) length = this.#write(fields + entry, value, length);
    }
    words[0] = length;
    const place = this.#slab.take(length);
    if (place === 0) return 0;
    const chunk = this.#slab.chunkOf(place);
    const offset = this.#slab.offsetOf(place);
    for (let i = 0; i < length; i++) chunk[offset + i] = words[i];
    return place;
  }

  /** Appends one value; returns the length that there is then. */
  #write(value: number, number: number, length: number): number {
    const words = this.#words;
    const mask = LENGTH + (value >>> WORD_SHIFT);
    const bit = 1 << (value & WORD_MASK);
    words[mask] |= bit;
    if ((number | 0) === number && !Object.is(number, MINUS_ZERO)) {
      words[length] = number;
      return length + 1;
    }
    words[mask + this.#maskWords] |= bit;
    this.#double[0] = number;
    words[length] = this.#halves[0];
    words[length + 1] = this.#halves[1];
    return length + 2;
  }

  /** Reads a record into a block, whatever that has held, and gives its room back. */
  unpack(place: number, tcb: Tcb): void {
    const objects = this.#objectsOf(tcb);
    const chunk = this.#slab.chunkOf(place);
    const start = this.#slab.offsetOf(place);
    const fields = this.#names.length;
    this.#at = start + LENGTH + 2 * this.#maskWords;
    for (let i = 0; i < fields; i++) {
      let value = this.#fresh[i];
      if (this.#has(chunk, start, i)) {
        const number = this.#read(chunk, start, i);
        value = typeof value === 'boolean' ? number !== 0 : number;
      }
      objects[this.#partOf[i]][this.#names[i]] = value;
    }
    this.#ledger.open(tcb.row);
    for (let entry = 0; entry < ENTRIES; entry++) {
      if (!this.#has(chunk, start, fields + entry)) continue;
      this.#ledger.setEntry(tcb.row, entry, this.#read(chunk, start, fields + entry));
    }
    this.#slab.release(place, chunk[start]);
  }

  /** One number of a record, by its path in a block (`snd.una`), without taking it out of there. */
  peek(place: number, path: string): number {
    const value = this.#paths.get(path);
    if (value === undefined) throw new TypeError(`a record has no ${path}`);
    const chunk = this.#slab.chunkOf(place);
    const start = this.#slab.offsetOf(place);
    if (!this.#has(chunk, start, value)) return Number(this.#fresh[value]);
    const masks = start + LENGTH;
    const last = value >>> WORD_SHIFT;
    const below = (1 << (value & WORD_MASK)) - 1;
    this.#at = masks + 2 * this.#maskWords;
    for (let word = 0; word <= last; word++) {
      const mask = word < last ? -1 : below;
      this.#at += ones(chunk[masks + word] & mask) + ones(chunk[masks + this.#maskWords + word] & mask);
    }
    return this.#read(chunk, start, value);
  }

  #has(chunk: Int32Array, start: number, value: number): boolean {
    return ((chunk[start + LENGTH + (value >>> WORD_SHIFT)] >>> (value & WORD_MASK)) & 1) !== 0;
  }

  /** Takes the next value, which is this one. */
  #read(chunk: Int32Array, start: number, value: number): number {
    if (!this.#has(chunk, start + this.#maskWords, value)) return chunk[this.#at++];
    this.#halves[0] = chunk[this.#at++];
    this.#halves[1] = chunk[this.#at++];
    return this.#double[0];
  }

  /** What a block refers to; `like` when that is the same, so that connections of one kind share it. */
  references(tcb: Tcb, like: References): References {
    const block = tcb as unknown as Fields;
    let isLike = true;
    for (let i = 0; i < this.#references.length && isLike; i++) {
      const name = this.#references[i];
      const value = block[name];
      isLike = like[name] === (value === this.#freshReferences[i] ? undefined : value);
    }
    if (isLike) return like;
    // alloc: for connections that have something of their own
    const references: References = {};
    for (let i = 0; i < this.#references.length; i++) {
      const name = this.#references[i];
      if (block[name] !== this.#freshReferences[i]) references[name] = block[name];
    }
    return references;
  }

  /** Gives a block what `references` has told. */
  refer(tcb: Tcb, references: References): void {
    const block = tcb as unknown as Fields;
    for (let i = 0; i < this.#references.length; i++) {
      const name = this.#references[i];
      block[name] = references[name] ?? this.#freshReferences[i];
    }
  }

  #objectsOf(tcb: Tcb): Fields[] {
    const block = tcb as unknown as Fields;
    const objects = this.#objects;
    objects[0] = block;
    for (let i = 1; i < this.#parts.length; i++) objects[i] = block[this.#parts[i]] as Fields;
    return objects;
  }
}

/** A part is an object that a new block has of its own; what it only refers to is null at first, or frozen. */
function isPart(value: unknown): boolean {
  return value !== null && !Object.isFrozen(value);
}

/** How many bits are set. */
function ones(word: number): number {
  let count = word - ((word >>> 1) & 0x55555555);
  count = (count & 0x33333333) + ((count >>> 2) & 0x33333333);
  return Math.imul((count + (count >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
