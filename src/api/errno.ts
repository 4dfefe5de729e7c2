// The error channel of the C-like calls: `errno` as a live binding, one per thread because each worker has its own
// modules. The numbers are Linux's (src/stack/errors.ts); names and messages are for people.

import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';
import * as numbers from '../stack/errors.js';

/**
 * The number of the last error of an `mtcp_*` call in this thread, as C's `errno`: meaningful only after a call has said
 * that it failed, and never set back to 0 by a call that succeeds. Import it by name; the binding is live.
 */
export let errno = 0;

let explanation = '';

/** Sets `errno`; for programs that clear it before a call. */
export function setErrno(number: number): void {
  errno = number;
  explanation = '';
}

/** Records a failure: sets `errno` and returns -1, so that a call can end with `return fail(EBADF)`. */
export function fail(number: number): -1 {
  errno = number;
  explanation = '';
  return -1;
}

/** As `fail`, with a sentence that says what is wrong and what to do about it (see `mtcp_last_error`). */
export function failBecause(number: number, sentence: string): -1 {
  errno = number;
  explanation = sentence;
  return -1;
}

const DESCRIPTIONS: readonly (readonly [number: number, name: string, message: string])[] = [
  [numbers.EPERM, 'EPERM', 'Operation not permitted'],
  [numbers.ENOENT, 'ENOENT', 'No such entry'],
  [numbers.EINTR, 'EINTR', 'Interrupted'],
  [numbers.EBADF, 'EBADF', 'Bad socket id'],
  [numbers.EAGAIN, 'EAGAIN', 'Would block; try again'],
  [numbers.ENOMEM, 'ENOMEM', 'Out of memory'],
  [numbers.EACCES, 'EACCES', 'Permission denied'],
  [numbers.EFAULT, 'EFAULT', 'Bad address'],
  [numbers.EBUSY, 'EBUSY', 'In use'],
  [numbers.EEXIST, 'EEXIST', 'Exists already'],
  [numbers.ENODEV, 'ENODEV', 'No such device'],
  [numbers.EINVAL, 'EINVAL', 'Invalid argument'],
  [numbers.ENFILE, 'ENFILE', 'Too many sockets in this context'],
  [numbers.EMFILE, 'EMFILE', 'Too many open files'],
  [numbers.EPIPE, 'EPIPE', 'The sending side is closed'],
  [numbers.EDOM, 'EDOM', 'Number out of range'],
  [numbers.EDEADLK, 'EDEADLK', 'The call would wait for ever'],
  [numbers.ENOSYS, 'ENOSYS', 'Not implemented'],
  [numbers.EPROTO, 'EPROTO', 'Protocol error'],
  [numbers.ENOTSOCK, 'ENOTSOCK', 'Not a socket of the right kind'],
  [numbers.EDESTADDRREQ, 'EDESTADDRREQ', 'Destination address required'],
  [numbers.EMSGSIZE, 'EMSGSIZE', 'Message too long'],
  [numbers.ENOPROTOOPT, 'ENOPROTOOPT', 'No such option'],
  [numbers.EPROTONOSUPPORT, 'EPROTONOSUPPORT', 'Protocol not supported'],
  [numbers.EOPNOTSUPP, 'EOPNOTSUPP', 'Operation not supported'],
  [numbers.EAFNOSUPPORT, 'EAFNOSUPPORT', 'Address family not supported'],
  [numbers.EADDRINUSE, 'EADDRINUSE', 'Address in use'],
  [numbers.EADDRNOTAVAIL, 'EADDRNOTAVAIL', 'Not an address of this host, or no port left'],
  [numbers.ENETUNREACH, 'ENETUNREACH', 'No route to that network'],
  [numbers.ECONNABORTED, 'ECONNABORTED', 'Connection aborted'],
  [numbers.ECONNRESET, 'ECONNRESET', 'Connection reset by peer'],
  [numbers.ENOBUFS, 'ENOBUFS', 'No buffer space'],
  [numbers.EISCONN, 'EISCONN', 'Already connected'],
  [numbers.ENOTCONN, 'ENOTCONN', 'Not connected'],
  [numbers.ETIMEDOUT, 'ETIMEDOUT', 'Timed out'],
  [numbers.ECONNREFUSED, 'ECONNREFUSED', 'Connection refused'],
  [numbers.EHOSTUNREACH, 'EHOSTUNREACH', 'Host unreachable'],
  [numbers.EALREADY, 'EALREADY', 'Already in progress'],
  [numbers.EINPROGRESS, 'EINPROGRESS', 'In progress'],
];

const messages = new Map(DESCRIPTIONS.map((row) => [row[0], row]));

/** Names of the numbers that only the kernel raises, such as when a Nic is opened. bpf(2) lets out the kernel's own 524. */
const kernelNames = new Map<number, string>([
  ...Object.entries(constants.errno).map(([name, number]): [number, string] => [number, name]),
  [524, 'ENOTSUPP'],
]);

/** Returns the symbol of an error number, such as `ECONNREFUSED`; `E<number>` for one that Linux does not have. */
export function errnoName(number: number): string {
  return messages.get(number)?.[1] ?? kernelNames.get(number) ?? `E${number}`;
}

/** Returns a short message for an error number, as `strerror(3)` does. */
export function strerror(number: number): string {
  if (number === 0) return 'Success';
  return messages.get(number)?.[2] ?? getSystemErrorMap().get(-number)?.[1] ?? `Unknown error ${number}`;
}

/**
 * Returns one sentence on the last error of this thread: what `mtcp_init` or `mtcp_create_context` found wrong, naming the
 * option and the remedy, and otherwise the name and message of `errno`. As `errno`, it is meaningful only after a call has said that it
 * failed: a call that succeeds leaves it as it was. Not in mTCP, which prints and exits instead.
 */
export function mtcp_last_error(): string {
  return explanation !== '' ? explanation : `${errnoName(errno)}: ${strerror(errno)}`;
}
