// What a program may set on a connection (setsockopt): one record of values that never changes, so that a listener and all the
// connections that it accepts can share it, and a connection without options costs nothing. `tune.ts` puts one into effect.

import type { TcpCore } from './core.js';
import type { Tcb } from './tcb.js';

/** Options of a connection. A value of 0 (or the empty string) stands for the stack's own option. */
export interface Tuning {
  /** Sends small segments at once (RFC 9293 3.7.4). */
  readonly nodelay: boolean;
  /** Holds what does not fill a segment back, for 200 ms at most. */
  readonly cork: boolean;
  /** Leaves urgent data in the stream (RFC 6093 2.2). */
  readonly oobInline: boolean;
  /** Probes a silent peer (RFC 9293 3.8.4). */
  readonly keepalive: boolean;
  /** Silence before the first probe, between two, in µs, and how many stay unanswered before the connection is given up. */
  readonly keepIdleUs: number;
  readonly keepIntervalUs: number;
  readonly keepProbes: number;
  /** How long data may stay unacknowledged, or probes unanswered, in µs (RFC 9293 3.8.3). */
  readonly userTimeoutUs: number;
  /** Tells user timeouts to the peer and listens to its own (RFC 5482, ENABLED): 1 yes, -1 no. */
  readonly utoEnabled: number;
  /** User timeout to tell, in µs (ADV_UTO). */
  readonly utoAdvertisedUs: number;
  /** What the peer tells may change the user timeout (CHANGEABLE). */
  readonly utoChangeable: boolean;
  /** Retransmissions of the SYN. */
  readonly synRetries: number;
  /** Largest segment to announce and to send, in bytes. */
  readonly maxSegment: number;
  /** Stay in FIN-WAIT-2 after close, in µs; -1 for none at all. */
  readonly finTimeoutUs: number;
  /** Fixed sizes of the buffers, in bytes. */
  readonly sendBytes: number;
  readonly receiveBytes: number;
  /** Most that is sent in a second, in bytes. */
  readonly maxPacingRate: number;
  /** Bytes not yet sent from which on the connection is not writable. */
  readonly notSentLowat: number;
  /** DSCP of what is sent, as the upper six bits of the TOS field (RFC 2474). */
  readonly tos: number;
  /** Name of the congestion control. */
  readonly congestion: string;
  /** Of a listener: connections by Fast Open whose handshake is not complete, at most; 0 for no Fast Open. */
  readonly fastOpenQueue: number;
  /** Keys of Fast Open, as text (fast-open.ts). */
  readonly fastOpenKey: string;
  /** Data goes on SYNs, and is taken from them, without a cookie. */
  readonly fastOpenNoCookie: boolean;
  /** connect leaves the SYN to the first write, which gives it data. */
  readonly fastOpenConnect: boolean;
  /** Of a listener: how long a connection waits for its first data before it can be accepted, in µs. */
  readonly deferAcceptUs: number;
}

/** No option set. */
export const UNTUNED: Tuning = Object.freeze({
  nodelay: false,
  cork: false,
  oobInline: false,
  keepalive: false,
  keepIdleUs: 0,
  keepIntervalUs: 0,
  keepProbes: 0,
  userTimeoutUs: 0,
  utoEnabled: 0,
  utoAdvertisedUs: 0,
  utoChangeable: true,
  synRetries: 0,
  maxSegment: 0,
  finTimeoutUs: 0,
  sendBytes: 0,
  receiveBytes: 0,
  maxPacingRate: 0,
  notSentLowat: 0,
  tos: 0,
  congestion: '',
  fastOpenQueue: 0,
  fastOpenKey: '',
  fastOpenNoCookie: false,
  fastOpenConnect: false,
  deferAcceptUs: 0,
});

/**
 * Tunings by their values: connections of one kind share theirs, however they have come to it. So many at most, since they are never
 * forgotten; what is beyond belongs to whoever uses it.
 */
const known = new Map<string, Tuning>([[keyOf(UNTUNED), UNTUNED]]);
const MOST_KNOWN = 1024;
/** What known tunings have become by one change, by the tuning and the change, so many of each: a shortcut to the known ones. */
const changed = new WeakMap<Tuning, Map<string, Tuning>>();
const REMEMBERED = 64;

/** The last change to `UNTUNED`. */
let last = { option: '', value: '' as unknown, to: UNTUNED };

/** A tuning with one option changed; the same one when it has that value already. */
export function change<K extends keyof Tuning>(tuning: Tuning, option: K, value: Tuning[K]): Tuning {
  if (tuning[option] === value) return tuning;
  if (tuning === UNTUNED && option === last.option && value === last.value) return last.to;
  const step = `${option}=${value}`;
  const short = changed.get(tuning)?.get(step);
  if (short !== undefined) {
    // A server makes the same first change to each of its connections. Neither of the two is one that might be forgotten.
    if (tuning === UNTUNED) last = { option, value, to: short };
    return short;
  }
  const fresh = Object.freeze({ ...tuning, [option]: value });
  const key = keyOf(fresh);
  const result = known.get(key) ?? fresh;
  if (result === fresh) {
    if (known.size >= MOST_KNOWN) return fresh;
    known.set(key, fresh);
  }
  remember(tuning, step, result);
  return result;
}

/** Remembers a change to a known tuning; one of a tuning that is not known goes with that. */
function remember(tuning: Tuning, step: string, result: Tuning): void {
  let changes = changed.get(tuning);
  if (changes === undefined) {
    changes = new Map();
    changed.set(tuning, changes);
  }
  if (changes.size < REMEMBERED) changes.set(step, result);
}

function keyOf(tuning: Tuning): string {
  return JSON.stringify(Object.values(tuning));
}

/**
 * Longest stay of a closed connection in FIN-WAIT-2, in µs. As on Linux not less than three and a half timeouts, so that a FIN that
 * was lost can come again; none at all when TCP_LINGER2 says so.
 */
export function finTimeoutUs(core: TcpCore, tcb: Tcb): number {
  const own = tcb.tuning.finTimeoutUs;
  if (own < 0) return 0;
  return Math.max(own === 0 ? core.config.finTimeoutUs : own, Math.ceil(3.5 * tcb.rtt.rtoUs));
}
