// What a program writes to a socket, on its way into the stack. Small chunks are put together first: one call then takes them all, and
// from a buffer that the stack knows already, where each new one costs it views of its own (src/stack/wire/span.ts).

import type { Mctx } from '../api/index.js';
import { errno, mtcp_write } from '../api/index.js';
import { EAGAIN } from '../stack/errors.js';

/** A piece of what is written, as streams hand it on; `encoding` is for text. */
export interface Chunk {
  readonly chunk: Uint8Array | string;
  readonly encoding: BufferEncoding;
}

/** Most bytes that are put together. */
const GATHERED = 16_384;
/** Longer chunks are cheaper to take from where they are. */
const SMALL = 2048;
/** Bytes that UTF-8 takes for a unit of text at most; no other encoding takes more. */
const BYTES_PER_UNIT = 3;
/** In place of a chunk that has gone. */
const GONE = new Uint8Array(0);

/** Empty again when a call here returns. */
const gathered = Buffer.allocUnsafeSlow(GATHERED);
/** The last chunk that came alone: a program that writes the same one again and again needs no copy of it. */
let last: Uint8Array | undefined;

/** The chunks of one socket that the stack has had no room for yet, in front of those that are to come. */
export class Outgoing {
  /** Bytes of all chunks so far. */
  total = 0;
  /** From `next` on; what is in front of it has gone. */
  private readonly rest: Uint8Array[] = [];
  private next = 0;

  /** Everything is in the hands of the stack. */
  get isEmpty(): boolean {
    return this.rest.length === 0;
  }

  /** Gives the stack a chunk, and keeps what it has no room for. False with errno when it fails. */
  write(mctx: Mctx, sockid: number, chunk: Uint8Array | string, encoding: BufferEncoding): boolean {
    if (typeof chunk === 'string') {
      if (chunk.length * BYTES_PER_UNIT <= GATHERED) {
        const length = gathered.write(chunk, 0, GATHERED, encoding);
        return this.give(mctx, sockid, gathered, length);
      }
      const bytes = Buffer.from(chunk, encoding);
      return this.give(mctx, sockid, bytes, bytes.length);
    }
    if (chunk === last || chunk.length > SMALL) return this.give(mctx, sockid, chunk, chunk.length);
    // What it is a part of would live as long.
    if (chunk.buffer.byteLength <= GATHERED) last = chunk;
    gathered.set(chunk);
    return this.give(mctx, sockid, gathered, chunk.length);
  }

  /** The same for several chunks. */
  writeAll(mctx: Mctx, sockid: number, chunks: readonly Chunk[]): boolean {
    let filled = 0;
    for (let i = 0; i < chunks.length; i++) {
      const { chunk, encoding } = chunks[i];
      // node:http ends each answer with a chunk of nothing.
      if (chunk.length === 0) continue;
      const isText = typeof chunk === 'string';
      const most = isText ? chunk.length * BYTES_PER_UNIT : chunk.length;
      if (most > (isText ? GATHERED : SMALL) || filled + most > GATHERED) {
        if (filled > 0 && !this.give(mctx, sockid, gathered, filled)) return false;
        filled = 0;
        // What does not fit is what comes first from here on.
        if (most > GATHERED || !isText) {
          if (!this.write(mctx, sockid, chunk, encoding)) return false;
          continue;
        }
      }
      if (isText) {
        filled += gathered.write(chunk, filled, GATHERED - filled, encoding);
      } else {
        gathered.set(chunk, filled);
        filled += chunk.length;
      }
    }
    return filled === 0 || this.give(mctx, sockid, gathered, filled);
  }

  /** Keeps chunks for a connection that is not there yet. */
  keep(chunks: readonly Chunk[]): void {
    for (const { chunk, encoding } of chunks) {
      // The program may not touch bytes before it is told, so they stay where they are.
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk;
      this.total += bytes.length;
      if (bytes.length > 0) this.rest.push(bytes);
    }
  }

  /** Gives the stack what was kept, or as much as it has room for. False with errno when it fails. */
  flush(mctx: Mctx, sockid: number): boolean {
    const { rest } = this;
    while (this.next < rest.length) {
      const bytes = rest[this.next];
      const count = mtcp_write(mctx, sockid, bytes, bytes.length);
      if (count < 0) return errno === EAGAIN;
      if (count < bytes.length) {
        rest[this.next] = bytes.subarray(count);
        return true;
      }
      rest[this.next++] = GONE;
    }
    this.clear();
    return true;
  }

  /** Forgets what was kept. */
  clear(): void {
    if (this.rest.length === 0) return;
    this.rest.length = 0;
    this.next = 0;
  }

  /** Gives the stack the first bytes of a buffer, behind what it had no room for. */
  private give(mctx: Mctx, sockid: number, bytes: Buffer | Uint8Array, length: number): boolean {
    this.total += length;
    let count = 0;
    if (this.rest.length === 0) {
      count = mtcp_write(mctx, sockid, bytes, length);
      if (count === length) return true;
      if (count < 0) {
        if (errno !== EAGAIN) return false;
        count = 0;
      }
    }
    const left = bytes.subarray(count, length);
    this.rest.push(bytes === gathered ? Buffer.from(left) : left);
    return true;
  }
}
