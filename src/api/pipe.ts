// A pipe inside a context, as mTCP has it: one ring of bytes between two socket ids, either of which can read and write. Its use
// is to put something into an epoll set that the program itself makes ready.

import { EAGAIN, EPIPE } from '../stack/errors.js';
import { MTCP_EPOLLHUP, MTCP_EPOLLIN, MTCP_EPOLLOUT } from './constants.js';
import type { Socket } from './sockets.js';

/** Bytes that a pipe holds, as in mTCP. */
export const PIPE_BYTES = 10_240;

/** The ring and its ends. */
export class Pipe {
  /** Both ends while they are open. */
  readonly ends: Socket[];
  private readonly bytes = new Uint8Array(PIPE_BYTES);
  private head = 0;
  /** Bytes that can be read. */
  length = 0;

  constructor(ends: Socket[]) {
    this.ends = ends;
  }

  /** What poll would say of either end. */
  get readiness(): number {
    const isAlone = this.ends.length < 2;
    return (
      (this.length > 0 || isAlone ? MTCP_EPOLLIN : 0) |
      (this.length < PIPE_BYTES && !isAlone ? MTCP_EPOLLOUT : 0) |
      (isAlone ? MTCP_EPOLLHUP : 0)
    );
  }

  /** Copies up to `length` bytes out: how many, 0 when the other end is closed, -EAGAIN when nothing is there. */
  read(into: Uint8Array, offset: number, length: number, peek: boolean): number {
    const count = Math.min(length, this.length);
    if (count === 0) return this.ends.length < 2 || length === 0 ? 0 : -EAGAIN;
    for (let i = 0; i < count; i++) into[offset + i] = this.bytes[(this.head + i) % PIPE_BYTES];
    if (!peek) {
      this.head = (this.head + count) % PIPE_BYTES;
      this.length -= count;
    }
    return count;
  }

  /** Takes up to `length` bytes: how many, -EAGAIN when there is no room, -EPIPE when the other end is closed. */
  write(from: Uint8Array, offset: number, length: number): number {
    if (this.ends.length < 2) return -EPIPE;
    const count = Math.min(length, PIPE_BYTES - this.length);
    if (count === 0) return length === 0 ? 0 : -EAGAIN;
    for (let i = 0; i < count; i++) {
      this.bytes[(this.head + this.length + i) % PIPE_BYTES] = from[offset + i];
    }
    this.length += count;
    return count;
  }

  /** Closes one end. */
  leave(end: Socket): void {
    const at = this.ends.indexOf(end);
    if (at >= 0) this.ends.splice(at, 1);
  }
}
