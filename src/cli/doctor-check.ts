// What `mtcp doctor` says of each thing that it looks at.

/** One thing that was looked at. */
export interface Check {
  readonly name: string;
  /** `ok`; `warn`: works, but not at its best; `fail`: the stack cannot run like this. */
  readonly status: 'ok' | 'warn' | 'fail';
  /** What was found. */
  readonly found: string;
  /** What to do about it; empty when it is well. */
  readonly remedy: string;
}

/** It is well. */
export function ok(name: string, found: string): Check {
  return { name, status: 'ok', found, remedy: '' };
}

/** It works, but not at its best. */
export function warn(name: string, found: string, remedy: string): Check {
  return { name, status: 'warn', found, remedy };
}

/** The stack cannot run like this. */
export function fail(name: string, found: string, remedy: string): Check {
  return { name, status: 'fail', found, remedy };
}
