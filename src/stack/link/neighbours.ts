// The IPv4 neighbour cache: which MAC address answers for an on-link IP, whether it still does, and the packets that wait for
// the answer. States and times are those of RFC 4861 7.3 applied to ARP, as Linux does; RFC 826 says what an ARP packet
// changes. Pure: it asks for requests to be sent and frames to be released, and the stack does both. Time is the stack's clock.

import type { Clock } from '../clock.js';
import { formatMac, formatV4 } from '../wire/address.js';
import { ARP_REPLY, ARP_REQUEST } from '../wire/arp.js';
import { BROADCAST_HIGH, BROADCAST_LOW, isGroupMac } from '../wire/ethernet.js';
import { WaitingFrames } from './waiting-frames.js';

/** Asked for and not answered yet. */
export const INCOMPLETE = 0;
/** Known to answer within the last `reachableUs`. */
export const REACHABLE = 1;
/** Known, but not confirmed lately; used all the same. */
export const STALE = 2;
/** Used while stale: a confirmation by a higher layer is awaited. */
export const DELAY = 3;
/** Being asked directly whether it is still there. */
export const PROBE = 4;
/** Did not answer. */
export const FAILED = 5;

const STATE_NAMES = ['INCOMPLETE', 'REACHABLE', 'STALE', 'DELAY', 'PROBE', 'FAILED'];

/** `lookup`: the packet is to be given to `enqueue`. */
export const UNRESOLVED = -1;
/** `lookup`: the neighbour has just failed to answer; report "host unreachable". */
export const UNREACHABLE = -2;
/** `nextRequest`, `nextFailed`: nothing more to do. No neighbour has the address 0.0.0.0. */
export const NONE = 0;

/** Times and bounds, Linux's values. The cache reads them whenever it needs one, so they may change at run time. */
export class NeighbourConfig {
  /** How long a confirmation holds; RFC 4861 6.3.2 wants it drawn from 15 to 45 s by whoever owns a random generator. */
  reachableUs = 30_000_000;
  /** Time between two requests for the same neighbour. */
  retransUs = 1_000_000;
  /** Broadcast requests before an unknown neighbour has failed. */
  maxProbes = 3;
  /** Unicast requests before a known neighbour has failed. */
  maxUnicastProbes = 3;
  /** How long a stale neighbour is used before it is probed. */
  delayFirstProbeUs = 5_000_000;
  /** After a failure, for how long packets are refused before the neighbour is asked for again. */
  failedUs = 1_000_000;
  /** Within this time of a change an entry does not follow a second, different answer. */
  lockUs = 1_000_000;
  /** Packets that may wait for one neighbour. */
  queueLength = 101;
  /** Packets that may wait in all; each holds a frame of the Nic. */
  queueTotal = 512;
  /** Neighbours in the cache. */
  maxEntries = 1024;
}

/** One neighbour as `entries` reports it. */
export interface NeighbourInfo {
  address: string;
  /** Undefined while it is not known. */
  mac: string | undefined;
  state: string;
  /** Set by hand: never ages, never asked for. */
  permanent: boolean;
  /** Packets waiting for it. */
  waiting: number;
}

class Entry {
  ip = 0;
  state = INCOMPLETE;
  permanent = false;
  high = 0;
  low = 0;
  /** Requests sent in this INCOMPLETE or PROBE. */
  probes = 0;
  /** An entry of `requests`; one is enough. */
  requested = false;
  // Times start as fractions, so that V8 gives them double fields that are overwritten in place.
  deadline = Infinity;
  confirmedAt = -Infinity;
  updatedAt = -Infinity;
  usedAt = -Infinity;
  failedAt = -Infinity;
}

/** The cache. Times are in microseconds; MAC addresses are two integers as in wire/ethernet.ts, IPs signed words. */
export class Neighbours {
  readonly config: NeighbourConfig;
  /** Length of the frame that `takeWaiting` gave last. */
  waitingLength = 0;
  /** The entry that `nextRequest` or `nextFailed` gave last. */
  actionIndex = -1;
  /** Where the request that `nextRequest` gave last is to be sent: broadcast, or the neighbour itself. */
  requestHigh = 0;
  requestLow = 0;

  readonly #clock: Clock;
  readonly #entries: Entry[] = [];
  readonly #index = new Map<number, number>();
  readonly #waiting = new WaitingFrames();
  readonly #free: number[] = [];
  readonly #requests: number[] = [];
  readonly #failed: number[] = [];
  #requestsHead = 0;
  #failedHead = 0;
  #deadline = Infinity;
  #deadlineStale = false;

  constructor(clock: Clock, config: NeighbourConfig = new NeighbourConfig()) {
    this.#clock = clock;
    this.config = config;
  }

  /** Number of neighbours in the cache. */
  get size(): number {
    return this.#index.size;
  }

  /** Packets waiting in all. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Finds the neighbour that a packet is about to be sent to. Returns its index, good for `macHigh`, `macLow` and `confirm`
   * until the cache changes; or UNRESOLVED, then `enqueue` the packet; or UNREACHABLE.
   */
  lookup(ip: number): number {
    const index = this.#index.get(ip);
    if (index === undefined) return UNRESOLVED;
    const entry = this.#entries[index];
    entry.usedAt = this.#clock.now;
    switch (entry.state) {
      case REACHABLE:
        if (entry.permanent || this.#clock.now - entry.confirmedAt < this.config.reachableUs) return index;
        this.#delay(entry);
        return index;
      case STALE:
        this.#delay(entry);
        return index;
      case INCOMPLETE:
        return UNRESOLVED;
      case FAILED:
        return this.#clock.now - entry.failedAt < this.config.failedUs ? UNREACHABLE : UNRESOLVED;
      default:
        return index;
    }
  }

  macHigh(index: number): number {
    return this.#entries[index].high;
  }

  macLow(index: number): number {
    return this.#entries[index].low;
  }

  /** Tells that the neighbour was heard of by a transport that made progress (RFC 4861 7.3.1). */
  confirm(index: number): void {
    const entry = this.#entries[index];
    if (entry.state === INCOMPLETE || entry.state === FAILED) return;
    entry.confirmedAt = this.#clock.now;
    if (entry.state === REACHABLE) return;
    entry.state = REACHABLE;
    this.#setDeadline(entry, Infinity);
  }

  /** Tells that a transport hears nothing any more: a confirmation is no longer worth anything (RFC 4861 7.3.3, DELAY). */
  suspect(index: number): void {
    const entry = this.#entries[index];
    if (entry.permanent || entry.state !== REACHABLE) return;
    entry.confirmedAt = -Infinity;
    this.#delay(entry);
  }

  /**
   * Keeps a frame that `lookup` found UNRESOLVED until its neighbour answers, and has a request sent if none is under way. False
   * when the queue or the cache is full: the frame stays the caller's.
   */
  enqueue(ip: number, frameOffset: number, length: number): boolean {
    if (this.#waiting.size >= this.config.queueTotal) return false;
    let index = this.#index.get(ip) ?? -1;
    if (index < 0) index = this.#insert(ip);
    if (index < 0) return false;
    const entry = this.#entries[index];
    if (entry.state !== INCOMPLETE && entry.state !== FAILED) return false;
    if (this.#waiting.count(index) >= this.config.queueLength) return false;
    this.#waiting.push(index, frameOffset, length);
    entry.usedAt = this.#clock.now;
    if (entry.state === FAILED || (entry.state === INCOMPLETE && entry.probes === 0)) {
      entry.state = INCOMPLETE;
      entry.probes = 0;
      this.#probe(entry, index);
    }
    return true;
  }

  /** Takes the next frame that waited for the neighbour: its offset (and `waitingLength`), or -1. */
  takeWaiting(index: number): number {
    const offset = this.#waiting.shift(index);
    this.waitingLength = this.#waiting.length;
    return offset;
  }

  /**
   * Learns from a received ARP packet. A request to one of our addresses creates or updates an entry; anything else only
   * updates one that exists, and only a reply to us proves that the neighbour is reachable. The caller has made sure that the
   * sender's address is not ours. Returns the entry, whose waiting frames can be sent (`takeWaiting`), or -1.
   */
  onArp(senderIp: number, high: number, low: number, operation: number, targetIsUs: boolean): number {
    // Sender 0.0.0.0 is a probe for a duplicate address (RFC 5227 2.1.1): to be answered, not to be learned.
    if (senderIp === 0 || isGroupMac(high) || (high === 0 && low === 0)) return -1;
    let index = this.#index.get(senderIp) ?? -1;
    const asksUs = operation === ARP_REQUEST && targetIsUs;
    if (index < 0) {
      if (!asksUs) return -1;
      index = this.#insert(senderIp);
      if (index < 0) return -1;
    }
    const entry = this.#entries[index];
    if (entry.permanent) return -1;
    const answersUs = operation === ARP_REPLY && targetIsUs;
    const known = entry.state !== INCOMPLETE && entry.state !== FAILED;
    const changed = !known || entry.high !== high || entry.low !== low;
    if (known && changed && !asksUs && this.#clock.now - entry.updatedAt < this.config.lockUs) return -1;
    if (changed) {
      entry.high = high;
      entry.low = low;
      entry.updatedAt = this.#clock.now;
    }
    if (answersUs) this.#reach(entry);
    else if (changed) this.#stale(entry, index);
    return index;
  }

  /** Time of the next `onTimer`; Infinity when none is needed. */
  nextDeadline(): number {
    if (this.#deadlineStale) {
      this.#deadlineStale = false;
      this.#deadline = Infinity;
      for (let i = 0; i < this.#entries.length; i++) {
        const { deadline } = this.#entries[i];
        if (deadline < this.#deadline) this.#deadline = deadline;
      }
    }
    return this.#deadline;
  }

  /** Lets time pass: afterwards take what is to be done from `nextRequest` and `nextFailed`. */
  onTimer(): void {
    if (this.nextDeadline() > this.#clock.now) return;
    for (let i = 0; i < this.#entries.length; i++) {
      const entry = this.#entries[i];
      if (entry.deadline <= this.#clock.now) this.#expire(entry, i);
    }
  }

  /**
   * Takes the address to send an ARP request for (to `requestHigh`, `requestLow`), or NONE. To be asked after `enqueue` as
   * well as after `onTimer`.
   */
  nextRequest(): number {
    while (this.#requestsHead < this.#requests.length) {
      const index = this.#requests[this.#requestsHead++];
      if (this.#requestsHead === this.#requests.length) {
        this.#requests.length = 0;
        this.#requestsHead = 0;
      }
      const entry = this.#entries[index];
      entry.requested = false;
      if (entry.state !== INCOMPLETE && entry.state !== PROBE) continue;
      const unicast = entry.state === PROBE;
      this.requestHigh = unicast ? entry.high : BROADCAST_HIGH;
      this.requestLow = unicast ? entry.low : BROADCAST_LOW;
      this.actionIndex = index;
      return entry.ip;
    }
    return NONE;
  }

  /**
   * Takes the address of a neighbour that did not answer, or NONE. The frames that waited for it are at `actionIndex`, to be
   * taken by `takeWaiting` and released, and their owners told.
   */
  nextFailed(): number {
    while (this.#failedHead < this.#failed.length) {
      const index = this.#failed[this.#failedHead++];
      if (this.#failedHead === this.#failed.length) {
        this.#failed.length = 0;
        this.#failedHead = 0;
      }
      if (this.#entries[index].state !== FAILED) continue;
      this.actionIndex = index;
      return this.#entries[index].ip;
    }
    return NONE;
  }

  /** Sets an entry by hand. Returns its index, as frames may wait there, or -1 when the cache is full. */
  setStatic(ip: number, high: number, low: number): number {
    let index = this.#index.get(ip) ?? -1;
    if (index < 0) index = this.#insert(ip);
    if (index < 0) return -1;
    const entry = this.#entries[index];
    entry.high = high;
    entry.low = low;
    entry.permanent = true;
    entry.state = REACHABLE;
    this.#setDeadline(entry, Infinity);
    return index;
  }

  /** Forgets a neighbour, a static one too. False when it is not known or packets wait for it. */
  remove(ip: number): boolean {
    const index = this.#index.get(ip);
    if (index === undefined || this.#waiting.count(index) > 0) return false;
    this.#release(index);
    return true;
  }

  /** Lists the cache in the order of the addresses. */
  entries(): NeighbourInfo[] {
    const sorted = [...this.#index].sort(([a], [b]) => (a >>> 0) - (b >>> 0));
    return sorted.map(([ip, index]) => {
      const entry = this.#entries[index];
      const known = entry.state !== INCOMPLETE && entry.state !== FAILED;
      const aged =
        entry.state === REACHABLE &&
        !entry.permanent &&
        this.#clock.now - entry.confirmedAt >= this.config.reachableUs;
      return {
        address: formatV4(ip),
        mac: known ? formatMac(macBytes(entry.high, entry.low)) : undefined,
        state: STATE_NAMES[aged ? STALE : entry.state],
        permanent: entry.permanent,
        waiting: this.#waiting.count(index),
      };
    });
  }

  #expire(entry: Entry, index: number): void {
    if (entry.state === DELAY) {
      entry.state = PROBE;
      entry.probes = 0;
    }
    const limit = entry.state === PROBE ? this.config.maxUnicastProbes : this.config.maxProbes;
    if (entry.probes < limit) this.#probe(entry, index);
    else this.#fail(entry, index);
  }

  #probe(entry: Entry, index: number): void {
    entry.probes++;
    this.#setDeadline(entry, this.#clock.now + this.config.retransUs);
    if (entry.requested) return;
    entry.requested = true;
    this.#requests.push(index);
  }

  // A neighbour that stopped answering may have moved to another MAC address: the next packet asks everybody at once. Only one
  // that nobody answered for is unreachable.
  #fail(entry: Entry, index: number): void {
    entry.failedAt = entry.state === INCOMPLETE ? this.#clock.now : -Infinity;
    entry.state = FAILED;
    this.#setDeadline(entry, Infinity);
    if (this.#waiting.count(index) > 0) this.#failed.push(index);
  }

  #reach(entry: Entry): void {
    entry.state = REACHABLE;
    entry.confirmedAt = this.#clock.now;
    this.#setDeadline(entry, Infinity);
  }

  #stale(entry: Entry, index: number): void {
    entry.state = STALE;
    this.#setDeadline(entry, Infinity);
    // What waited is sent now, and that is use.
    if (this.#waiting.count(index) > 0) this.#delay(entry);
  }

  #delay(entry: Entry): void {
    entry.state = DELAY;
    this.#setDeadline(entry, this.#clock.now + this.config.delayFirstProbeUs);
  }

  #setDeadline(entry: Entry, deadline: number): void {
    if (entry.deadline === this.#deadline && deadline > entry.deadline) this.#deadlineStale = true;
    entry.deadline = deadline;
    if (deadline < this.#deadline) this.#deadline = deadline;
  }

  /** A fresh INCOMPLETE entry in a free place, or in that of the least useful neighbour; -1 when all are needed. */
  #insert(ip: number): number {
    if (this.#index.size >= this.config.maxEntries) {
      const victim = this.#victim();
      if (victim < 0) return -1;
      this.#release(victim);
    }
    let index = this.#free.pop() ?? -1;
    if (index < 0) {
      index = this.#entries.length;
      // alloc: the cache grows; entries are used again
      this.#entries.push(new Entry());
    }
    const entry = this.#entries[index];
    entry.ip = ip;
    entry.usedAt = this.#clock.now;
    this.#index.set(ip, index);
    return index;
  }

  #release(index: number): void {
    const entry = this.#entries[index];
    this.#index.delete(entry.ip);
    this.#setDeadline(entry, Infinity);
    entry.state = INCOMPLETE;
    entry.permanent = false;
    entry.probes = 0;
    entry.confirmedAt = -Infinity;
    entry.updatedAt = -Infinity;
    entry.usedAt = -Infinity;
    entry.failedAt = -Infinity;
    this.#free.push(index);
  }

  /**
   * Failed entries go first, then the least recently used; static ones and those with waiting packets stay. Packets to addresses
   * that nobody has, whose senders may be forged, must not push out neighbours that answer: when they fill half the cache, none
   * of these goes.
   */
  #victim(): number {
    let victim = -1;
    let oldest = Infinity;
    let unresolved = 0;
    for (const index of this.#index.values()) {
      const entry = this.#entries[index];
      if (entry.state === INCOMPLETE) unresolved++;
      if (entry.permanent || entry.requested || this.#waiting.count(index) > 0) continue;
      if (entry.state === FAILED) return index;
      if (entry.usedAt < oldest) {
        oldest = entry.usedAt;
        victim = index;
      }
    }
    return unresolved * 2 > this.#index.size ? -1 : victim;
  }
}

function macBytes(high: number, low: number): Uint8Array {
  return Uint8Array.of(high >> 8, high, low >> 24, low >> 16, low >> 8, low);
}
