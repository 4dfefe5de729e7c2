// What the servers share: a session is one accepted connection; it reacts to events with reads and writes and says what it
// waits for next and whether it is over. The Server in server.ts owns the sockets.

import type { Mctx } from '../../api/index.js';

/** The session goes on. */
export const KEEP = 0;
/** The session is over: close the connection in order. */
export const CLOSE = 1;
/** The session has failed: reset the connection. */
export const ABORT = 2;

/** How many times a session reads or writes before it lets the others have a turn. */
export const TURNS = 8;

/** Size of the buffers that all sessions of a server share. */
export const CHUNK = 65_536;

/** What a server has done so far; one object per server. */
export class Totals {
  /** Connections accepted. */
  connections = 0;
  /** Connections open now. */
  open = 0;
  /** The most connections that were open at once. */
  peak = 0;
  /** Requests answered: replies of fixed and http, finished connections of the others. */
  requests = 0;
  bytesIn = 0;
  bytesOut = 0;
  /** Connections that ended by an error or a reset. */
  failed = 0;
}

/** One connection of a server. */
export interface Session {
  /** The epoll events that it waits for now. */
  want: number;
  /** Reacts to events; returns KEEP, CLOSE or ABORT. */
  onEvents(events: number): number;
  /** Called about once a second, for sessions that wait for a peer to go away. Returns as `onEvents`. */
  sweep?(): number;
  /** Frees what is not the socket. */
  release?(): void;
  /**
   * True when it holds and wants nothing that a new one would not: sooner or later it is released then, and the next event makes another.
   * Of many connections nearly all are in that state, and take no memory here. Left out where a session is never like a new one.
   */
  readonly rests?: boolean;
}

/** Makes the sessions of a protocol. */
export interface Service {
  /** The epoll events that a connection without a session waits for: a new one, or one that rests. */
  readonly want: number;
  /** Starts the session of an accepted, non-blocking socket, when there is an event for it. It begins with the `want` of its service. */
  open(mctx: Mctx, sockid: number, totals: Totals): Session;
}
