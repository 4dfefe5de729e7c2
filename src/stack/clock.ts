// The stack's only notion of time: set by whoever drives it, once per turn, and read everywhere else. Kept in an object of
// its own so that a time beyond 2^31 µs is read as an unboxed double and never travels as an argument.

/** Microseconds since the stack's start. */
export type Micros = number;

/** A deadline that never comes. */
export const NEVER: Micros = Number.POSITIVE_INFINITY;

export class Clock {
  /** Now, in µs since the stack's start. The initial value makes V8 hold the field as a double from the beginning. */
  now: Micros = 0.5;
  /** Now in ms modulo 2^32, as a signed int32: the clock behind TCP's timestamps (RFC 7323 5.4). */
  ms = 0;

  constructor() {
    this.set(0);
  }

  set(now: Micros): void {
    this.now = now;
    this.ms = (now / 1000) | 0;
  }
}
