// The system calls that this package makes, each with types and with its failure as a SystemError. Only
// src/nic/os and the set-up code right above it may use them; nothing here is called per packet. The man
// pages of section 2 are the reference.

import { constants } from 'node:os';
import { addressOf, bufferAt, lastErrno, libc, PreparedPoll } from './ffi.js';

export { addressOf };

export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const AF_XDP = 44;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_CLOEXEC = 0o2000000;
export const SOCK_NONBLOCK = 0o4000;
export const SOL_SOCKET = 1;
export const CLONE_NEWNET = 0x40000000;

const O_NONBLOCK = 0o4000;
const F_GETFL = 3;
const F_SETFL = 4;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x20;
const MAP_NORESERVE = 0x4000;
const MAP_POPULATE = 0x8000;
const EFD_NONBLOCK_CLOEXEC = 0o2004000;
const EINTR = 4;

/**
 * Numbers that share an errno on Linux: the name to show. 524 is the kernel's own ENOTSUPP, which bpf(2) lets
 * out.
 */
const PREFERRED: Record<number, string> = { 11: 'EAGAIN', 35: 'EDEADLK', 95: 'EOPNOTSUPP', 524: 'ENOTSUPP' };

const NAMES = new Map<number, string>();
for (const [name, value] of Object.entries(constants.errno)) NAMES.set(value, PREFERRED[value] ?? name);
NAMES.set(524, 'ENOTSUPP');

/** Gives the name of an error number (`EPERM` for 1), or `errno N` for one without a name. */
export function errnoName(errno: number): string {
  return NAMES.get(errno) ?? `errno ${errno}`;
}

/**
 * A system call that failed: `code` is the name of the error (EPERM), `errno` its positive number, `syscall`
 * the call.
 */
export class SystemError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;

  constructor(syscall: string, errno: number, detail = '') {
    super(`${syscall}: ${errnoName(errno)}${detail === '' ? '' : ` (${detail})`}`);
    this.name = 'SystemError';
    this.code = errnoName(errno);
    this.errno = errno;
    this.syscall = syscall;
  }
}

/** Passes a result through, or throws the SystemError of a call that returned -1. */
function succeed(syscall: string, result: number, detail = ''): number {
  if (result === -1) throw new SystemError(syscall, lastErrno, detail);
  return result;
}

/** Makes a NUL-terminated C string. */
export function cString(text: string): Buffer {
  if (text.includes('\0')) throw new TypeError('a C string cannot hold a NUL');
  return Buffer.from(`${text}\0`);
}

/**
 * Opens a socket (close-on-exec) in the network namespace of the calling thread: its descriptor. socket(2)
 */
export function socket(domain: number, type: number, protocol: number): number {
  return succeed('socket', libc.socket(domain, type | SOCK_CLOEXEC, protocol));
}

/**
 * Closes a descriptor that a call in this file gave. Not for those of node:fs, and fs.closeSync is not for
 * these: a worker keeps a list of the descriptors that node:fs opened in it, and warns about every other.
 */
export function close(fd: number): void {
  // Linux frees the descriptor whatever close(2) answers, so there is nothing to do about a failure.
  libc.close(fd);
}

/** Sets a socket option from its bytes. setsockopt(2) */
export function setsockopt(fd: number, level: number, option: number, value: Uint8Array, what = ''): void {
  succeed('setsockopt', libc.setsockopt(fd, level, option, value, value.length), what);
}

/** Sets a socket option that is an int. setsockopt(2) */
export function setsockoptInt(fd: number, level: number, option: number, value: number, what = ''): void {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  setsockopt(fd, level, option, bytes, what);
}

/** Reads a socket option into `value`: how many bytes the kernel wrote. getsockopt(2) */
export function getsockopt(fd: number, level: number, option: number, value: Uint8Array, what = ''): number {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(value.length);
  succeed('getsockopt', libc.getsockopt(fd, level, option, value, length), what);
  return length.readUInt32LE();
}

/** Binds a socket to a sockaddr in its wire form. bind(2) */
export function bind(fd: number, address: Uint8Array): void {
  succeed('bind', libc.bind(fd, address, address.length));
}

/** Reads a socket's own sockaddr: its length. getsockname(2) */
export function getsockname(fd: number, address: Uint8Array): number {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(address.length);
  succeed('getsockname', libc.getsockname(fd, address, length));
  return length.readUInt32LE();
}

/** Sends bytes, to `address` when one is given: how many went. Repeats after EINTR. sendto(2) */
export function sendto(
  fd: number,
  bytes: Uint8Array,
  flags: number,
  address: Uint8Array | null = null,
): number {
  for (;;) {
    const sent = libc.sendto(fd, bytes, bytes.length, flags, address, address === null ? 0 : address.length);
    if (sent !== -1 || lastErrno !== EINTR) return succeed('sendto', sent);
  }
}

/** Receives bytes: how many. Repeats after EINTR. recv(2) */
export function recv(fd: number, bytes: Uint8Array, flags: number): number {
  for (;;) {
    const received = libc.recv(fd, bytes, bytes.length, flags);
    if (received !== -1 || lastErrno !== EINTR) return succeed('recv', received);
  }
}

/**
 * Calls ioctl(2) with an argument that is bytes (in and out) or a number. `what` names the request in an
 * error.
 */
export function ioctl(fd: number, request: number, argument: Uint8Array | number, what = ''): number {
  return succeed('ioctl', libc.ioctl(fd, request, argument), what);
}

/** Calls fcntl(2) with a numeric argument. */
export function fcntl(fd: number, command: number, argument: number): number {
  return succeed('fcntl', libc.fcntl(fd, command, argument));
}

/** Makes a descriptor non-blocking. */
export function setNonBlocking(fd: number): void {
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL, 0) | O_NONBLOCK);
}

/** Moves the calling thread into the namespace that `fd` refers to. setns(2) */
export function setns(fd: number, type: number): void {
  succeed('setns', libc.setns(fd, type));
}

/** Gives the calling thread namespaces of its own. unshare(2) */
export function unshare(flags: number): void {
  succeed('unshare', libc.unshare(flags));
}

/** Mounts a file system, or changes a mount. mount(2) */
export function mount(
  source: string,
  target: string,
  type: string | null,
  flags: number,
  data: string | null,
): void {
  succeed(
    'mount',
    libc.mount(
      cString(source),
      cString(target),
      type === null ? null : cString(type),
      flags,
      data === null ? null : cString(data),
    ),
    target,
  );
}

/** Unmounts a file system. umount2(2) */
export function umount(target: string, flags = 0): void {
  succeed('umount2', libc.umount2(cString(target), flags), target);
}

/**
 * Makes a non-blocking event counter, by which one thread wakes another out of a poll: its descriptor.
 * eventfd(2)
 */
export function eventfd(initial = 0): number {
  return succeed('eventfd', libc.eventfd(initial, EFD_NONBLOCK_CLOEXEC));
}

/** Pins the calling thread to the given CPUs. sched_setaffinity(2) */
export function setAffinity(cpus: readonly number[]): void {
  const mask = Buffer.alloc(128);
  for (const cpu of cpus) {
    if (!Number.isInteger(cpu) || cpu < 0 || cpu >= 1024) throw new RangeError(`no such CPU: ${cpu}`);
    mask[cpu >> 3]! |= 1 << (cpu & 7);
  }
  succeed('sched_setaffinity', libc.sched_setaffinity(0, mask.length, mask), cpus.join(','));
}

/** bpf(2) is the one call without a C function, so its number is needed. */
const SYS_BPF: Partial<Record<string, number>> = { x64: 321, arm64: 280 };

/** Calls bpf(2): a descriptor or 0. `what` names the command in an error. */
export function bpf(command: number, attributes: Uint8Array, what = ''): number {
  const number = SYS_BPF[process.arch];
  if (number === undefined)
    throw new SystemError('bpf', constants.errno.ENOSYS, `architecture ${process.arch}`);
  return succeed('bpf', libc.syscall(number, command, attributes, attributes.length), what);
}

/** Unmaps regions whose Buffer nobody holds any more; before that their addresses must stay readable. */
const unmapper = new FinalizationRegistry<{ address: number; length: number }>(({ address, length }) => {
  libc.munmap(address, length);
});

/** Memory mapped from the kernel, seen as a Buffer. */
export class Mapping {
  readonly buffer: Buffer;
  readonly address: number;
  #discarded = false;

  /** With `isLeft` the addresses are left to whoever unmaps them when this thread is no more. */
  constructor(address: number, length: number, isLeft = false) {
    this.address = address;
    this.buffer = bufferAt(address, length);
    if (!isLeft) unmapper.register(this.buffer.buffer, { address, length });
  }

  /**
   * Gives the memory back to the kernel and drops what was mapped. The Buffer then reads as zeros: unmapping
   * at once would make every late access a crash, so the addresses go only when the Buffer is collected.
   * Idempotent.
   */
  discard(): void {
    if (this.#discarded) return;
    this.#discarded = true;
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
    succeed('mmap', libc.mmap(this.address, this.buffer.length, PROT_READ_WRITE, flags, -1, 0), 'discard');
  }
}

/** Maps `length` bytes of a descriptor from `offset`, shared and resident. mmap(2) */
export function mapShared(fd: number, length: number, offset: number, isLeft = false): Mapping {
  const flags = MAP_SHARED | MAP_POPULATE;
  const address = succeed('mmap', libc.mmap(null, length, PROT_READ_WRITE, flags, fd, offset));
  return new Mapping(address, length, isLeft);
}

/**
 * Maps `length` bytes of fresh memory, zeroed and resident, and behind them `spare` bytes that take no memory before they are
 * written to. mmap(2)
 */
export function mapAnonymous(length: number, isLeft = false, spare = 0): Mapping {
  const flags = MAP_PRIVATE | MAP_ANONYMOUS;
  const total = length + spare;
  const address = succeed('mmap', libc.mmap(null, total, PROT_READ_WRITE, flags | MAP_NORESERVE, -1, 0));
  const resident = flags | MAP_POPULATE | MAP_FIXED;
  try {
    succeed('mmap', libc.mmap(address, length, PROT_READ_WRITE, resident, -1, 0), 'populate');
  } catch (error) {
    libc.munmap(address, total);
    throw error;
  }
  return new Mapping(address, total, isLeft);
}

/** Takes back mapped memory that nothing looks at any more. munmap(2) */
export function unmap(address: number, length: number): void {
  succeed('munmap', libc.munmap(address, length), 'unmap');
}

export const POLLIN = 1;

/** A reusable ppoll(2) over a fixed list of descriptors; waits in microseconds. */
export class Poller {
  readonly #revents: Int16Array;
  readonly #timespec: Int32Array;
  readonly #poll: PreparedPoll;

  constructor(descriptors: readonly number[], events: number) {
    const fds = new ArrayBuffer(descriptors.length * 8);
    const words = new Int32Array(fds);
    this.#revents = new Int16Array(fds);
    descriptors.forEach((fd, i) => {
      words[i * 2] = fd;
      this.#revents[i * 4 + 2] = events;
    });
    const timespec = new ArrayBuffer(16);
    this.#timespec = new Int32Array(timespec);
    this.#poll = new PreparedPoll(new Uint8Array(fds), descriptors.length, new Uint8Array(timespec));
  }

  /**
   * Waits at most `timeoutUs` microseconds (finite): the number of descriptors with events; 0 or -1 when
   * there are none.
   */
  wait(timeoutUs: number): number {
    const seconds = Math.floor(timeoutUs / 1_000_000);
    this.#timespec[0] = seconds;
    this.#timespec[2] = Math.floor((timeoutUs - seconds * 1_000_000) * 1000);
    return this.#poll.call();
  }

  /** The events of the descriptor at `index` in the last wait. */
  events(index: number): number {
    return this.#revents[index * 4 + 3]!;
  }
}

const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** Sleeps the calling thread for a few milliseconds; for set-up that has to wait for the kernel. */
export function sleepMs(ms: number): void {
  Atomics.wait(sleeper, 0, 0, ms);
}
