// Epoll sets of one context (epoll(7)): which sockets a set watches, which of them may have something to report, and the
// reporting itself. A set keeps a list of candidates; readiness is computed when it is reported, so a level-triggered socket
// stays a candidate as long as it is ready and an edge-triggered one until its next news.

import type { Tcp } from '../stack/tcp/tcp.js';
import {
  MTCP_EPOLLERR,
  MTCP_EPOLLHUP,
  MTCP_EPOLLIN,
  MTCP_EPOLLONESHOT,
  MTCP_EPOLLOUT,
  MTCP_EPOLLRDHUP,
} from './constants.js';
import type { Socket } from './socket.js';

const EDGE = 1 << 31;
/** Entries kept for use again; more are left to the garbage collector. */
const SPARE = 1024;
/** Always watched, asked for or not. */
const ALWAYS = MTCP_EPOLLERR | MTCP_EPOLLHUP;
/** What remains of a mask once a ONESHOT has fired. */
const BEHAVIOUR = EDGE | MTCP_EPOLLONESHOT;
const IN_OUT = MTCP_EPOLLIN | MTCP_EPOLLOUT;
/** IN to RDNORM and OUT to WRNORM. */
const NORMAL_SHIFT = 6;

/** The user's data in an event, C's `mtcp_epoll_data_t`: a number under three names, or anything at all as `ptr`. */
export class EpollData {
  sockid: number;
  ptr: unknown;

  constructor(sockid = -1, ptr: unknown = null) {
    this.sockid = sockid;
    this.ptr = ptr;
  }

  get u32(): number {
    return this.sockid >>> 0;
  }

  set u32(value: number) {
    this.sockid = value;
  }

  /** A number up to 2^53 - 1. */
  get u64(): number {
    return this.sockid;
  }

  set u64(value: number) {
    this.sockid = value;
  }
}

/** C's `struct mtcp_epoll_event`: the mask in `events`, the user's data in `data`. */
export class EpollEvent {
  events: number;
  readonly data: EpollData;

  constructor(events = 0, sockid = -1, ptr: unknown = null) {
    this.events = events;
    this.data = new EpollData(sockid, ptr);
  }
}

/** The type under C's name. */
export type mtcp_epoll_event = EpollEvent;

/** What `mtcp_epoll_ctl` takes as an event: `data` may be left out and is then the socket's id. */
export interface EpollEventArgument {
  events: number;
  data?: { sockid?: number; u32?: number; u64?: number; ptr?: unknown };
}

/** One socket in one epoll set. Objects have their fields in this order: what every report needs comes first, to lie together. */
class Interest {
  socket: Socket | undefined = undefined;
  set: EpollSet | undefined = undefined;
  mask = 0;
  number = -1;
  pointer: unknown = null;
  isCandidate = false;
  nextCandidate: Interest | undefined = undefined;
  previousCandidate: Interest | undefined = undefined;
  /** The same socket in another set. */
  nextOfSocket: Interest | undefined = undefined;
  nextOfSet: Interest | undefined = undefined;
  previousOfSet: Interest | undefined = undefined;
}

export type { Interest };

/** One epoll set. */
export class EpollSet {
  /** Until it is closed. */
  isOpen = true;
  firstInterest: Interest | undefined = undefined;
  candidates = 0;
  /** A socket was ready when it was added, or armed again, and has not been reported since. */
  hasFresh = false;
  private first: Interest | undefined = undefined;
  private last: Interest | undefined = undefined;

  /** The first candidate. */
  get head(): Interest | undefined {
    return this.first;
  }

  /** Adds a candidate at the end, unless it is one. */
  append(interest: Interest): void {
    if (interest.isCandidate) return;
    interest.isCandidate = true;
    interest.previousCandidate = this.last;
    interest.nextCandidate = undefined;
    if (this.last === undefined) this.first = interest;
    else this.last.nextCandidate = interest;
    this.last = interest;
    this.candidates++;
  }

  /** Takes a candidate out, if it is one. */
  drop(interest: Interest): void {
    if (!interest.isCandidate) return;
    const { nextCandidate, previousCandidate } = interest;
    if (previousCandidate === undefined) this.first = nextCandidate;
    else previousCandidate.nextCandidate = nextCandidate;
    if (nextCandidate === undefined) this.last = previousCandidate;
    else nextCandidate.previousCandidate = previousCandidate;
    interest.isCandidate = false;
    interest.nextCandidate = undefined;
    interest.previousCandidate = undefined;
    this.candidates--;
  }

  /** Takes the first candidate out. */
  shift(): Interest | undefined {
    const interest = this.first;
    if (interest !== undefined) this.drop(interest);
    return interest;
  }
}

/** All interests of a context. */
export class Interests {
  private readonly tcp: Tcp;
  private readonly spare: Interest[] = [];

  constructor(tcp: Tcp) {
    this.tcp = tcp;
  }

  /** Finds the entry of a socket in a set. */
  find(set: EpollSet, socket: Socket): Interest | undefined {
    let interest = socket.firstInterest;
    while (interest !== undefined && interest.set !== set) interest = interest.nextOfSocket;
    return interest;
  }

  /** Registers a socket that is not in the set yet; a socket that is ready becomes a candidate at once. */
  add(set: EpollSet, socket: Socket, event: EpollEventArgument): void {
    this.modify(this.enter(set, socket, 0, -1, null), event);
  }

  /** Registers a socket, with the mask as it is to be, and without a look at it. */
  enter(set: EpollSet, socket: Socket, mask: number, number: number, pointer: unknown): Interest {
    // alloc: there are more entries than ever before
    const interest = this.spare.pop() ?? new Interest();
    interest.socket = socket;
    interest.set = set;
    interest.mask = mask;
    interest.number = number;
    interest.pointer = pointer;
    interest.nextOfSocket = socket.firstInterest;
    socket.firstInterest = interest;
    interest.nextOfSet = set.firstInterest;
    if (set.firstInterest !== undefined) set.firstInterest.previousOfSet = interest;
    set.firstInterest = interest;
    return interest;
  }

  /** An entry that is in no list, with the set and the mask of another one. */
  copyOf({ set, mask }: Interest): Interest {
    const copy = new Interest();
    copy.set = set;
    copy.mask = mask;
    return copy;
  }

  /** Gives an entry another mask and other data, and arms it again. */
  modify(interest: Interest, event: EpollEventArgument): void {
    const { socket, set } = interest;
    if (socket === undefined || set === undefined) return;
    const data = event.data;
    interest.mask = event.events | ALWAYS;
    interest.number = data?.sockid ?? data?.u32 ?? data?.u64 ?? socket.id;
    interest.pointer = data?.ptr ?? null;
    if ((this.readiness(socket) & interest.mask) !== 0) {
      set.append(interest);
      set.hasFresh = true;
    } else {
      set.drop(interest);
    }
  }

  /** Takes a socket out of a set. */
  remove(interest: Interest): void {
    const { socket, set, nextOfSet, previousOfSet } = interest;
    if (socket === undefined || set === undefined) return;
    set.drop(interest);
    if (previousOfSet === undefined) set.firstInterest = nextOfSet;
    else previousOfSet.nextOfSet = nextOfSet;
    if (nextOfSet !== undefined) nextOfSet.previousOfSet = previousOfSet;
    if (socket.firstInterest === interest) {
      socket.firstInterest = interest.nextOfSocket;
    } else {
      let before = socket.firstInterest;
      while (before !== undefined && before.nextOfSocket !== interest) before = before.nextOfSocket;
      if (before !== undefined) before.nextOfSocket = interest.nextOfSocket;
    }
    interest.socket = undefined;
    interest.set = undefined;
    interest.pointer = null;
    interest.nextOfSet = undefined;
    interest.previousOfSet = undefined;
    interest.nextOfSocket = undefined;
    if (this.spare.length < SPARE) this.spare.push(interest);
  }

  /** Takes a socket out of all sets. */
  removeSocket(socket: Socket): void {
    while (socket.firstInterest !== undefined) this.remove(socket.firstInterest);
  }

  /** Empties a set that is being closed. */
  removeSet(set: EpollSet): void {
    set.isOpen = false;
    while (set.firstInterest !== undefined) this.remove(set.firstInterest);
  }

  /** Tells the sets of a socket that something has happened to it. `news`: the events that are new. */
  notify(socket: Socket, news: number): void {
    const bits = withNormal(news);
    for (let interest = socket.firstInterest; interest !== undefined; interest = interest.nextOfSocket) {
      if ((interest.mask & bits) !== 0) interest.set?.append(interest);
    }
  }

  /** Computes the events that hold for a socket now, as Linux's `tcp_poll` does. */
  readiness(socket: Socket): number {
    let bits: number;
    if (socket.tcb !== undefined) bits = this.tcp.readiness(socket.tcb);
    else if (socket.listener !== undefined) bits = this.tcp.listenerReadiness(socket.listener);
    else if (socket.pipe !== undefined) bits = socket.pipe.readiness;
    else if (socket.epoll !== undefined) bits = this.hasReady(socket.epoll) ? MTCP_EPOLLIN : 0;
    else if (socket.fastOpenTo !== undefined) bits = MTCP_EPOLLOUT;
    else bits = MTCP_EPOLLOUT | MTCP_EPOLLHUP;
    if (socket.readShut) bits |= MTCP_EPOLLIN | MTCP_EPOLLRDHUP;
    return withNormal(bits);
  }

  /** Tells whether a set has anything to report. */
  hasReady(set: EpollSet): boolean {
    for (let interest = set.head; interest !== undefined; interest = interest.nextCandidate) {
      if (interest.socket !== undefined && (this.readiness(interest.socket) & interest.mask) !== 0)
        return true;
    }
    return false;
  }

  /** Reports up to `max` ready sockets of a set into `events`, extending the array where it is too short. */
  collect(set: EpollSet, events: EpollEvent[], max: number): number {
    let count = 0;
    set.hasFresh = false;
    for (let left = set.candidates; left > 0 && count < max; left--) {
      const interest = set.shift();
      if (interest === undefined || interest.socket === undefined) break;
      const bits = this.readiness(interest.socket) & interest.mask;
      if (bits === 0) continue;
      if (count >= events.length) events.push(new EpollEvent());
      const event = events[count++];
      event.events = bits;
      event.data.sockid = interest.number;
      event.data.ptr = interest.pointer;
      if ((interest.mask & MTCP_EPOLLONESHOT) !== 0) interest.mask &= BEHAVIOUR;
      else if ((interest.mask & EDGE) === 0) set.append(interest);
    }
    return count;
  }
}

function withNormal(bits: number): number {
  return bits | ((bits & IN_OUT) << NORMAL_SHIFT);
}
