// mtcp_epoll_create, _create1, _ctl and _wait over the sets of src/api/epoll.ts. Semantics are epoll(7)'s, with mTCP's numbers
// and errnos: one entry per socket with all its bits, level and edge triggering, ONESHOT, several sets per context.

import { EBADF, EEXIST, EINTR, EINVAL, ENFILE, ENOENT } from '../stack/errors.js';
import {
  EPOLL_CLOEXEC,
  MTCP_EPOLL_CTL_ADD,
  MTCP_EPOLL_CTL_DEL,
  MTCP_EPOLL_CTL_MOD,
  MTCP_SOCK_EPOLL,
} from './constants.js';
import type { Context } from './context.js';
import type { EpollEventArgument } from './epoll.js';
import { EpollEvent, EpollSet } from './epoll.js';
import { fail } from './errno.js';
import type { MctxArgument } from './guard.js';
import { findSocket, isUsable } from './guard.js';
import { idle, turn } from './loop.js';

/**
 * Makes an epoll set. A context can have several, and a socket can be in several.
 * @param size at least 1; otherwise without meaning, for a set grows
 * @returns the set's id, which `mtcp_close` closes, or -1 with errno EINVAL (no context, or size below 1), EPERM (context
 *   destroyed), ENFILE (all socket ids in use).
 * Source: mTCP's mtcp_epoll.h, epoll_create(2).
 */
export function mtcp_epoll_create(mctx: MctxArgument, size: number): number {
  if (!isUsable(mctx)) return -1;
  if (!isAtLeastOne(size)) return fail(EINVAL);
  return create(mctx);
}

/**
 * Makes an epoll set.
 * @param flags 0 or EPOLL_CLOEXEC
 * @returns as `mtcp_epoll_create`; EINVAL stands for an unknown flag.
 * Source: mTCP's mtcp_epoll.h, epoll_create1(2).
 */
export function mtcp_epoll_create1(mctx: MctxArgument, flags: number): number {
  if (!isUsable(mctx)) return -1;
  if (flags !== 0 && flags !== EPOLL_CLOEXEC) return fail(EINVAL);
  return create(mctx);
}

function create(core: Context): number {
  const socket = core.sockets.take(MTCP_SOCK_EPOLL);
  if (socket === undefined) return fail(ENFILE);
  socket.epoll = new EpollSet();
  return socket.id;
}

/**
 * Registers a socket in an epoll set, changes its registration or ends it. ADD and MOD report a socket that is ready already.
 * ERR and HUP are always reported. Closing a socket ends all its registrations.
 * @param op MTCP_EPOLL_CTL_ADD, _MOD or _DEL
 * @param event mask and data; not needed for DEL. Data left out is the socket's id
 * @returns 0, or -1 with errno
 *   EINVAL (no context; `epid` is no epoll set; `sockid` is one; unknown `op`; no event for ADD or MOD), EPERM (context
 *   destroyed), EBADF (no such `epid` or `sockid`), EEXIST (ADD of a registered socket), ENOENT (MOD or DEL of one that is
 *   not registered).
 * Source: mTCP's mtcp_epoll.h, epoll_ctl(2).
 */
export function mtcp_epoll_ctl(
  mctx: MctxArgument,
  epid: number,
  op: number,
  sockid: number,
  event?: EpollEventArgument | null,
): 0 | -1 {
  const owner = findSocket(mctx, epid);
  if (owner === undefined) return -1;
  const { interests, sockets } = mctx as Context;
  const socket = sockets.get(sockid);
  if (socket === undefined) return fail(EBADF);
  const set = owner.epoll;
  if (set === undefined || socket.kind === MTCP_SOCK_EPOLL) return fail(EINVAL);
  if (op !== MTCP_EPOLL_CTL_ADD && op !== MTCP_EPOLL_CTL_MOD && op !== MTCP_EPOLL_CTL_DEL)
    return fail(EINVAL);
  const needsEvent = op !== MTCP_EPOLL_CTL_DEL;
  if (needsEvent && (typeof event !== 'object' || event === null || typeof event.events !== 'number')) {
    return fail(EINVAL);
  }
  const interest = interests.find(set, socket);
  if (op === MTCP_EPOLL_CTL_ADD) {
    if (interest !== undefined) return fail(EEXIST);
    interests.add(set, socket, event!);
    return 0;
  }
  if (interest === undefined) return fail(ENOENT);
  if (op === MTCP_EPOLL_CTL_MOD) interests.modify(interest, event!);
  else interests.remove(interest);
  return 0;
}

/**
 * Waits for events, turning the loop meanwhile; it turns once even when events are there already, so a program that calls it
 * in a loop drives its core by that alone. Only sockets that were ready when they were added or armed are told without a turn, and
 * never by two calls in a row.
 * @param events an array that receives one entry per ready socket; its entries are used again, and missing ones are made. Make
 *   it once, with `mtcp_epoll_events(n)` or as `[]`
 * @param maxevents most entries to report, at least 1
 * @param timeout in milliseconds: -1 waits without limit, 0 only looks
 * @returns how many entries were filled, 0 when time ran out, or -1 with errno EINVAL (no context; `epid` is no epoll set;
 *   `events` is no array; maxevents below 1; timeout is no number), EPERM (context destroyed), EBADF (no such `epid`),
 *   EINTR (the context was destroyed meanwhile, or is to end: see `startCores`).
 * Source: mTCP's mtcp_epoll.h, epoll_wait(2).
 */
export function mtcp_epoll_wait(
  mctx: MctxArgument,
  epid: number,
  events: EpollEvent[],
  maxevents: number,
  timeout = -1,
): number {
  const owner = findSocket(mctx, epid);
  if (owner === undefined) return -1;
  const set = owner.epoll;
  if (set === undefined || !Array.isArray(events) || !isAtLeastOne(maxevents) || !isTime(timeout)) {
    return fail(EINVAL);
  }
  const core = mctx as Context;
  const { interests, stack } = core;
  // A connection that was accepted with its first request is answered before the stack turns: the answer carries the ACK. But
  // never twice in a row, so that no program keeps the stack from its work.
  let count = 0;
  core.hasSkipped = set.hasFresh && !core.hasSkipped;
  if (core.hasSkipped) {
    count = interests.collect(set, events, maxevents);
    if (count > 0) return count;
  }
  const { dormancy } = stack.tcp.core;
  dormancy.resume();
  let busy = turn(core);
  count = interests.collect(set, events, maxevents);
  if (count > 0 || timeout === 0) return count;
  const untilUs = timeout < 0 ? Number.POSITIVE_INFINITY : stack.now + timeout * 1000;
  while (count === 0 && stack.now < untilUs) {
    if (!busy) idle(core, Math.min(untilUs, dormancy.deadline));
    if (core.isInterrupted) return fail(EINTR);
    dormancy.look();
    busy = turn(core);
    count = interests.collect(set, events, maxevents);
  }
  return count;
}

// Comparing a symbol throws, so the type comes first.
const isAtLeastOne = (value: unknown): boolean => typeof value === 'number' && value >= 1;
const isTime = (value: unknown): boolean => typeof value === 'number' && !Number.isNaN(value);

/** Makes an array of `count` entries for `mtcp_epoll_wait` to fill again and again. */
export function mtcp_epoll_events(count: number): EpollEvent[] {
  return Array.from({ length: count }, () => new EpollEvent());
}
