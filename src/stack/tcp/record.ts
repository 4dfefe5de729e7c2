// What a block holds, in a few words: only the fields that differ from those of a pattern, which is a connection like it that was
// packed before, with a bit each that says which, and likewise what its row of the ledger holds. The fields are found by looking at a
// block, so that a new one needs no mention here.

import type { StackConfig } from '../config.js';
import { ENTRIES, type Ledger } from './ledger.js';
import type { Slab } from './slab.js';
import { Tcb } from './tcb.js';

type Fields = Record<string, unknown>;

/** Fields of a block that say where it stands rather than what it holds, and those of the memory of its buffers, which hold none. */
const OWN = new Set(['index', 'row', 'queued', 'outputQueued', 'span', 'start', 'size']);
/**
 * Words: the length, then a bit for each value that is there, then one for each that is no int32. Of these, one that is there takes two
 * words, the halves of a double; one that is not there takes one word, by which it is more than the pattern's. A value without any
 * bit is the pattern's.
 */
const LENGTH = 1;
const WORD_SHIFT = 5;
const WORD_MASK = 31;
const MINUS_ZERO = -0;

/** Records for which one pattern serves: times move away from it, and it may have been an odd one. */
const PATTERN_USES = 4096;
/** Kinds that a block is compared with: those of late. */
const RECENT = 4;

/** What connections have in common. */
export interface Kind {
  /** What their blocks refer to beyond their own parts, by the names of the fields; as in a new block where left out. */
  readonly references: Fields;
  /** Numbers and switches of one of them, in the order of the fields, and its entries of the ledger. */
  readonly pattern: readonly unknown[];
}

export class Records {
  readonly #slab: Slab;
  readonly #ledger: Ledger;
  /** The parts of a block that hold numbers, '' for the block itself, and by field: its part, its name. */
  readonly #parts: readonly string[];
  readonly #partOf: number[] = [];
  readonly #names: string[] = [];
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
  #pattern: readonly unknown[] = [];
  #uses = PATTERN_USES;
  readonly #recent: Kind[] = [];
  #nextRecent = 0;

  constructor(slab: Slab, config: StackConfig, ledger: Ledger) {
    this.#slab = slab;
    this.#ledger = ledger;
    const fresh = new Tcb(0);
    fresh.reset(config);
    const block = fresh as unknown as Fields;
    const parts = [''];
    for (const [name, value] of Object.entries(block)) {
      if (OWN.has(name) || typeof value === 'string') continue;
      if (typeof value !== 'object') this.#addField(0, name, name);
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
      if (OWN.has(name)) continue;
      if (typeof value === 'object')
        throw new TypeError(`${part}.${name}: parts of a block hold numbers only`);
      this.#addField(parts.length, name, `${part}.${name}`);
    }
    parts.push(part);
  }

  #addField(part: number, name: string, path: string): void {
    this.#paths.set(path, this.#names.length);
    this.#partOf.push(part);
    this.#names.push(name);
  }

  /** What a block has in common with others: a kind that serves since lately, or a new one. */
  kindOf(tcb: Tcb): Kind {
    if (++this.#uses > PATTERN_USES) this.#renew(tcb);
    for (const kind of this.#recent) if (this.#refersTo(tcb, kind.references)) return kind;
    const block = tcb as unknown as Fields;
    // alloc: for connections that have something of their own
    const references: Fields = {};
    for (let i = 0; i < this.#references.length; i++) {
      const name = this.#references[i];
      if (block[name] !== this.#freshReferences[i]) references[name] = block[name];
    }
    const kind = { references, pattern: this.#pattern };
    this.#recent[this.#nextRecent] = kind;
    this.#nextRecent = (this.#nextRecent + 1) % RECENT;
    return kind;
  }

  /** Makes a block the pattern of those to come. */
  #renew(tcb: Tcb): void {
    const objects = this.#objectsOf(tcb);
    // alloc: once for very many records
    const pattern = this.#names.map((name, i) => objects[this.#partOf[i]][name]);
    for (let entry = 0; entry < ENTRIES; entry++) pattern.push(this.#ledger.entryOf(tcb.row, entry));
    this.#pattern = pattern;
    this.#uses = 0;
    this.#recent.length = 0;
    this.#nextRecent = 0;
  }

  #refersTo(tcb: Tcb, references: Fields): boolean {
    const block = tcb as unknown as Fields;
    for (let i = 0; i < this.#references.length; i++) {
      const name = this.#references[i];
      if (references[name] !== (block[name] === this.#freshReferences[i] ? undefined : block[name]))
        return false;
    }
    return true;
  }

  /** Gives a block what those of a kind refer to; what a new one does when there is none. */
  refer(tcb: Tcb, kind: Kind | null): void {
    const block = tcb as unknown as Fields;
    for (let i = 0; i < this.#references.length; i++) {
      const name = this.#references[i];
      block[name] = kind?.references[name] ?? this.#freshReferences[i];
    }
  }

  /** Writes the numbers of a block of a kind into a record; returns its place, 0 when there is no room for more records. */
  pack(tcb: Tcb, { pattern }: Kind): number {
    const objects = this.#objectsOf(tcb);
    const words = this.#words;
    const fields = this.#names.length;
    let length = LENGTH + 2 * this.#maskWords;
    words.fill(0, 0, length);
    for (let i = 0; i < fields; i++) {
      const value = objects[this.#partOf[i]][this.#names[i]];
      if (!Object.is(value, pattern[i])) length = this.#write(i, Number(value), Number(pattern[i]), length);
    }
    for (let i = fields; i < pattern.length; i++) {
      const value = this.#ledger.entryOf(tcb.row, i - fields);
      if (value !== pattern[i]) length = this.#write(i, value, pattern[i] as number, length);
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
  #write(value: number, number: number, usual: number, length: number): number {
    const words = this.#words;
    const mask = LENGTH + (value >>> WORD_SHIFT);
    const bit = 1 << (value & WORD_MASK);
    if ((number | 0) === number && !Object.is(number, MINUS_ZERO)) {
      words[mask] |= bit;
      words[length] = number;
      return length + 1;
    }
    words[mask + this.#maskWords] |= bit;
    const more = (number - usual) | 0;
    if (Object.is(usual + more, number)) {
      words[length] = more;
      return length + 1;
    }
    words[mask] |= bit;
    this.#double[0] = number;
    words[length] = this.#halves[0];
    words[length + 1] = this.#halves[1];
    return length + 2;
  }

  /** Reads a record of a kind into a block, whatever that has held, and gives its room back. */
  unpack(place: number, tcb: Tcb, { pattern }: Kind): void {
    const objects = this.#objectsOf(tcb);
    const chunk = this.#slab.chunkOf(place);
    const start = this.#slab.offsetOf(place);
    const fields = this.#names.length;
    this.#at = start + LENGTH + 2 * this.#maskWords;
    for (let i = 0; i < fields; i++) {
      let value = pattern[i];
      if (this.#has(chunk, start, i)) {
        const number = this.#read(chunk, start, i, value);
        value = typeof value === 'boolean' ? number !== 0 : number;
      }
      objects[this.#partOf[i]][this.#names[i]] = value;
    }
    this.#ledger.open(tcb.row);
    for (let i = fields; i < pattern.length; i++) {
      const value = this.#has(chunk, start, i) ? this.#read(chunk, start, i, pattern[i]) : pattern[i];
      if (value !== 0) this.#ledger.setEntry(tcb.row, i - fields, value as number);
    }
    this.#slab.release(place, chunk[start]);
  }

  /** One number of a record of a kind, by its path in a block (`snd.una`), without taking it out of there. */
  peek(place: number, path: string, { pattern }: Kind): number {
    const value = this.#paths.get(path);
    if (value === undefined) throw new TypeError(`a record has no ${path}`);
    const chunk = this.#slab.chunkOf(place);
    const start = this.#slab.offsetOf(place);
    if (!this.#has(chunk, start, value)) return Number(pattern[value]);
    const masks = start + LENGTH;
    const last = value >>> WORD_SHIFT;
    const below = (1 << (value & WORD_MASK)) - 1;
    this.#at = masks + 2 * this.#maskWords;
    for (let word = 0; word <= last; word++) {
      const mask = word < last ? -1 : below;
      this.#at += ones(chunk[masks + word] & mask) + ones(chunk[masks + this.#maskWords + word] & mask);
    }
    return this.#read(chunk, start, value, pattern[value]);
  }

  /** True when a value is not the pattern's. */
  #has(chunk: Int32Array, start: number, value: number): boolean {
    const mask = start + LENGTH + (value >>> WORD_SHIFT);
    return (((chunk[mask] | chunk[mask + this.#maskWords]) >>> (value & WORD_MASK)) & 1) !== 0;
  }

  /** Takes the next value, which is this one and not the pattern's. */
  #read(chunk: Int32Array, start: number, value: number, usual: unknown): number {
    const mask = start + LENGTH + (value >>> WORD_SHIFT);
    const first = chunk[this.#at++];
    if (((chunk[mask + this.#maskWords] >>> (value & WORD_MASK)) & 1) === 0) return first;
    if (((chunk[mask] >>> (value & WORD_MASK)) & 1) === 0) return Number(usual) + first;
    this.#halves[0] = first;
    this.#halves[1] = chunk[this.#at++];
    return this.#double[0];
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
