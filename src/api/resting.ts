// What is kept of the sockets of dormant connections (tcp/dormancy.ts): the place of the connection in the stack's table, and a socket
// that is like it, shared by all that are alike. Where many connections are accepted and watched in the same way, that is nearly all.

import type { Interest, Interests } from './epoll.js';
import { CONNECTED, RESTING, Socket, type SocketBlocks } from './socket.js';

/** Kinds of sockets that a new one is compared with: those that rested last. */
const RECENT = 8;
const FIRST_ROOM = 1024;

export class RestingSockets {
  private readonly interests: Interests;
  private readonly blocks: SocketBlocks;
  /** By id: the place of its connection. */
  private places = new Int32Array(FIRST_ROOM);
  /** By id: what the program has given its epoll set as `ptr`; as long as the last id that has any. */
  private readonly pointers: unknown[] = [];
  private readonly recent: Socket[] = [];
  private next = 0;

  constructor(interests: Interests, blocks: SocketBlocks) {
    this.interests = interests;
    this.blocks = blocks;
  }

  /**
   * Notes what has to be known of a socket whose connection sleeps at `index`, and takes it out of its epoll set; returns what stands
   * for it from now on, or undefined when it has something that others have not. Then it stays as it is.
   */
  rest(socket: Socket, index: number): Socket | undefined {
    const interest = socket.firstInterest;
    if (!isPlain(socket) || (interest !== undefined && !isPlainInterest(interest, socket.id)))
      return undefined;
    const like = this.like(socket, interest);
    const { id } = socket;
    if (id >= this.places.length) this.grow(id);
    this.places[id] = index;
    if (interest !== undefined) {
      this.point(id, interest.pointer);
      this.interests.remove(interest);
    }
    return like;
  }

  /** Makes a blank socket what the one of its id was before it rested, for which `like` stands. */
  rise(socket: Socket, like: Socket): void {
    const { id } = socket;
    socket.copySettings(like);
    socket.sleep(this.places[id]);
    const interest = like.firstInterest;
    // Unless the set has been closed meanwhile.
    if (interest?.set?.isOpen) {
      this.interests.enter(interest.set, socket, interest.mask, id, this.pointers[id] ?? null);
    }
    if (id < this.pointers.length) this.pointers[id] = null;
  }

  /** One of the recent kinds, or a new one. */
  private like(socket: Socket, interest: Interest | undefined): Socket {
    for (const kind of this.recent) if (kind.hasSettingsOf(socket) && isSame(kind, interest)) return kind;
    // alloc: for each kind of socket
    const kind = new Socket(-1, this.blocks);
    kind.copySettings(socket);
    kind.kind = RESTING;
    if (interest !== undefined) kind.firstInterest = this.interests.copyOf(interest);
    this.recent[this.next] = kind;
    this.next = (this.next + 1) % RECENT;
    return kind;
  }

  private point(id: number, pointer: unknown): void {
    if (pointer === null && id >= this.pointers.length) return;
    while (this.pointers.length <= id) this.pointers.push(null);
    this.pointers[id] = pointer;
  }

  private grow(id: number): void {
    // alloc: there are more sockets than ever before
    const grown = new Int32Array(1 << (32 - Math.clz32(id)));
    grown.set(this.places);
    this.places = grown;
  }
}

/** True for an accepted or connected stream that has nothing of its own but its connection. */
function isPlain(socket: Socket): boolean {
  return (
    socket.phase === CONNECTED &&
    !socket.bound &&
    socket.fastOpenTo === undefined &&
    !socket.asksForCookie &&
    socket.listener === undefined
  );
}

/** True for the only entry of a socket, which has nothing to report and whose number is the socket's. */
function isPlainInterest(interest: Interest, id: number): boolean {
  return interest.nextOfSocket === undefined && !interest.isCandidate && interest.number === id;
}

/** True when a kind of sockets is watched as `interest` says. */
function isSame({ firstInterest }: Socket, interest: Interest | undefined): boolean {
  if (firstInterest === undefined || interest === undefined) return firstInterest === interest;
  return firstInterest.set === interest.set && firstInterest.mask === interest.mask;
}
