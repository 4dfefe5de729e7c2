// The values of socket options at the API's edge: an int in an object or a typed array, and C's structures as objects with the
// same fields. Each kind reads what `mtcp_setsockopt` was given and writes what `mtcp_getsockopt` returns.

import type { TcpInfo } from '../stack/tcp/info.js';

/** C's `struct linger`. */
export interface Linger {
  l_onoff: number;
  /** Seconds. */
  l_linger: number;
}

/** C's `struct timeval`. */
export interface TimeVal {
  tv_sec: number;
  tv_usec: number;
}

/**
 * Where an option's value goes or comes from: an object with a `value` (a number, or the text of TCP_CONGESTION), C's way an int
 * in a typed array (two of them for SO_LINGER and the timeouts), the bytes of a text, or the fields of C's structure.
 */
export type OptionValue =
  | { value: number }
  | { value: string }
  | Int32Array
  | Uint8Array
  | Linger
  | TimeVal
  | Partial<TcpInfo>;

/** How a value of one kind is read and written. `undefined` and false stand for something that is no such value. */
export interface ValueKind<T> {
  /** Least length that `mtcp_setsockopt` and `mtcp_getsockopt` take, and the length that is told. */
  readonly least: number;
  readonly size: number;
  read(from: unknown): T | undefined;
  write(to: object, value: T): boolean;
}

export const INT: ValueKind<number> = {
  least: 4,
  size: 4,
  read(from) {
    if (typeof from === 'number') return from;
    if (typeof from !== 'object' || from === null) return undefined;
    const value: unknown = from instanceof Int32Array ? from[0] : (from as { value?: unknown }).value;
    return typeof value === 'number' ? value : undefined;
  },
  write(to, value) {
    if (ArrayBuffer.isView(to) && !(to instanceof Int32Array)) return false;
    if (!(to instanceof Int32Array)) (to as { value: number }).value = value;
    else if (to.length === 0) return false;
    else to[0] = value;
    return true;
  },
};

/** Two ints, under the names of a structure or in a typed array. */
function pair<A extends string, B extends string>(first: A, second: B, size: number) {
  type Pair = Record<A | B, number>;
  return {
    least: 8,
    size,
    read(from: unknown): Pair | undefined {
      if (typeof from !== 'object' || from === null) return undefined;
      const fields = from as Record<string, unknown>;
      const a = from instanceof Int32Array ? from[0] : fields[first];
      const b = from instanceof Int32Array ? from[1] : fields[second];
      if (!Number.isInteger(a) || !Number.isInteger(b)) return undefined;
      return { [first]: a, [second]: b } as Pair;
    },
    write(to: object, value: Pair): boolean {
      if (to instanceof Int32Array) {
        if (to.length < 2) return false;
        to[0] = value[first];
        to[1] = value[second];
      } else {
        Object.assign(to, { [first]: value[first], [second]: value[second] });
      }
      return true;
    },
  } satisfies ValueKind<Pair>;
}

export const LINGER: ValueKind<Linger> = pair('l_onoff', 'l_linger', 8);
export const TIMEVAL: ValueKind<TimeVal> = pair('tv_sec', 'tv_usec', 16);

/** A name: a string, or bytes up to a zero. */
export const TEXT: ValueKind<string> = {
  least: 1,
  size: 16,
  read(from) {
    if (typeof from === 'string') return from;
    if (from instanceof Uint8Array) {
      const end = from.indexOf(0);
      return Buffer.from(end < 0 ? from : from.subarray(0, end)).toString('latin1');
    }
    const value = typeof from === 'object' && from !== null ? (from as { value?: unknown }).value : undefined;
    return typeof value === 'string' ? value : undefined;
  },
  write(to, value) {
    if (to instanceof Int32Array) return false;
    if (to instanceof Uint8Array) to.fill(0).set(Buffer.from(value, 'latin1').subarray(0, to.length));
    else (to as { value: string }).value = value;
    return true;
  },
};

/** Bytes of any length: themselves, or a text of which each character is one. */
export const BYTES: ValueKind<Uint8Array> = {
  least: 0,
  size: 0,
  read(from) {
    if (from instanceof Uint8Array) return from;
    return typeof from === 'string' ? Buffer.from(from, 'latin1') : undefined;
  },
  write(to, value) {
    if (!(to instanceof Uint8Array) || to.length < value.length) return false;
    to.set(value);
    return true;
  },
};

/** TCP_INFO: the fields are set on the object; those that are not known are left alone. */
export const INFO: ValueKind<Partial<TcpInfo>> = {
  least: 1,
  size: 0,
  read: () => undefined,
  write(to, value) {
    if (ArrayBuffer.isView(to)) return false;
    Object.assign(to, value);
    return true;
  },
};
