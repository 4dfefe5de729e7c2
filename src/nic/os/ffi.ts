// The only file that imports ffi-rs: every C function that this package calls is declared here, with its one
// signature, because a wrong type tag does not fail, it aborts the process. Nothing above src/nic/os calls
// this file; syscalls.ts gives each function its errors and its types. A call costs 4 to 20 µs: set-up and
// idle waits only, never per packet or per batch.

import { getEnvironmentData, isMainThread, setEnvironmentData } from 'node:worker_threads';
import { createExternalBuffer, DataType, load, open } from 'ffi-rs';

const LIBRARY = 'libc';

/**
 * Marks, for workers started later, that the main thread has opened the library and warmed every function.
 */
const WARMED = 'mtcp.ffi.warmed';

/**
 * How a parameter goes over: a C int, a C long, or a pointer (bytes that live in JS, an address, or null).
 */
type Parameter = 'int' | 'long' | 'pointer';
type Value<P> = P extends 'pointer' ? Uint8Array | number | null : number;
type Values<P extends readonly Parameter[]> = { [K in keyof P]: Value<P[K]> };

/**
 * What errno was when the last call through this file returned -1; 0 when the last call succeeded. Per
 * thread.
 */
export let lastErrno = 0;

function typeOf(parameter: Parameter, value: Uint8Array | number | null): DataType {
  if (parameter === 'pointer' && value instanceof Uint8Array) return DataType.U8Array;
  return parameter === 'int' ? DataType.I32 : DataType.I64;
}

function checked(name: string, parameter: Parameter, value: unknown): Uint8Array | number {
  if (parameter === 'pointer') {
    if (value === null) return 0;
    if (value instanceof Uint8Array) return value;
  }
  if (!Number.isSafeInteger(value))
    throw new TypeError(`${name}: ${String(value)} is not a valid ${parameter}`);
  return parameter === 'int' ? (value as number) | 0 : (value as number);
}

/** Declares a C function that reports failure as -1 and errno. */
function declare<const P extends readonly Parameter[]>(name: string, parameters: P, returns: 'int' | 'long') {
  const retType = returns === 'int' ? DataType.I32 : DataType.I64;
  return (...values: Values<P>): number => {
    const given = values as readonly (Uint8Array | number | null)[];
    if (given.length !== parameters.length)
      throw new TypeError(`${name}: ${parameters.length} arguments wanted`);
    // New arrays for each call: ffi-rs writes the length of each buffer into the list of types.
    const result = load({
      library: LIBRARY,
      funcName: name,
      retType,
      paramsType: parameters.map((parameter, i) => typeOf(parameter, given[i] ?? null)),
      paramsValue: parameters.map((parameter, i) => checked(name, parameter, given[i])),
      errno: true,
    }) as { value: number; errnoCode: number };
    lastErrno = result.value === -1 ? result.errnoCode : 0;
    return result.value;
  };
}

/** The C library. Every function returns what C returns; after -1, `lastErrno` tells why. */
export const libc = {
  socket: declare('socket', ['int', 'int', 'int'], 'int'),
  setsockopt: declare('setsockopt', ['int', 'int', 'int', 'pointer', 'int'], 'int'),
  getsockopt: declare('getsockopt', ['int', 'int', 'int', 'pointer', 'pointer'], 'int'),
  close: declare('close', ['int'], 'int'),
  bind: declare('bind', ['int', 'pointer', 'int'], 'int'),
  getsockname: declare('getsockname', ['int', 'pointer', 'pointer'], 'int'),
  sendto: declare('sendto', ['int', 'pointer', 'long', 'int', 'pointer', 'int'], 'long'),
  recv: declare('recv', ['int', 'pointer', 'long', 'int'], 'long'),
  ioctl: declare('ioctl', ['int', 'long', 'pointer'], 'int'),
  fcntl: declare('fcntl', ['int', 'int', 'long'], 'int'),
  setns: declare('setns', ['int', 'int'], 'int'),
  unshare: declare('unshare', ['int'], 'int'),
  mount: declare('mount', ['pointer', 'pointer', 'pointer', 'long', 'pointer'], 'int'),
  umount2: declare('umount2', ['pointer', 'int'], 'int'),
  mmap: declare('mmap', ['pointer', 'long', 'int', 'int', 'int', 'long'], 'long'),
  munmap: declare('munmap', ['pointer', 'long'], 'int'),
  madvise: declare('madvise', ['pointer', 'long', 'int'], 'int'),
  eventfd: declare('eventfd', ['int', 'int'], 'int'),
  sched_setaffinity: declare('sched_setaffinity', ['int', 'long', 'pointer'], 'int'),
  syscall: declare('syscall', ['long', 'long', 'pointer', 'long'], 'long'),
  ppoll: declare('ppoll', ['pointer', 'long', 'pointer', 'pointer'], 'int'),
};

/**
 * Gives the address of bytes that live in JS. It stays valid for as long as the buffer does, so keep a
 * reference to the buffer wherever the address is kept.
 */
export function addressOf(bytes: Uint8Array): number {
  if (!(bytes instanceof Uint8Array)) throw new TypeError('addressOf: a Uint8Array is wanted');
  return load({
    library: LIBRARY,
    funcName: 'memmove',
    retType: DataType.I64,
    paramsType: [DataType.U8Array, DataType.U8Array, DataType.I64],
    paramsValue: [bytes, bytes, 0],
  }) as number;
}

/**
 * Gives a Buffer over `length` bytes of mapped memory at `address`, without a copy. Whoever unmaps must drop
 * the Buffer first.
 */
export function bufferAt(address: number, length: number): Buffer {
  if (!Number.isSafeInteger(address) || address <= 0) throw new TypeError('bufferAt: not an address');
  const external = load({
    library: LIBRARY,
    funcName: 'memmove',
    retType: DataType.External,
    paramsType: [DataType.I64, DataType.I64, DataType.I64],
    paramsValue: [address, address, 0],
  });
  return createExternalBuffer(external, length);
}

/**
 * A ppoll(2) whose parameters are prepared once: the cheapest form of a call that ffi-rs has (4 µs), for idle
 * waits. `descriptors` (struct pollfd[]) and `timespec` must stay alive as long as this object, which it sees
 * to itself.
 */
export class PreparedPoll {
  readonly #parameters: Parameters<typeof load>[0];
  readonly #kept: readonly Uint8Array[];

  constructor(descriptors: Uint8Array, count: number, timespec: Uint8Array) {
    this.#kept = [descriptors, timespec];
    this.#parameters = {
      library: LIBRARY,
      funcName: 'ppoll',
      retType: DataType.I32,
      paramsType: [DataType.I64, DataType.I64, DataType.I64, DataType.I64],
      paramsValue: [addressOf(descriptors), count, addressOf(timespec), 0],
    };
  }

  /** Polls: the number of descriptors with events, 0 after the time, -1 when interrupted. */
  call(): number {
    return this.#kept.length === 2 ? (load(this.#parameters) as number) : -1;
  }
}

/**
 * Opens the C library and calls every function once, harmlessly. ffi-rs looks functions up without a lock, so
 * the first look-ups must not happen in two workers at once: importing this file on the main thread, before
 * the first worker, is enough.
 */
export function warmFfi(): void {
  const nothing = new Uint8Array(64);
  libc.socket(-1, 0, 0);
  libc.setsockopt(-1, 0, 0, nothing, 4);
  libc.getsockopt(-1, 0, 0, nothing, nothing);
  libc.close(-1);
  libc.bind(-1, nothing, 0);
  libc.getsockname(-1, nothing, nothing);
  libc.sendto(-1, nothing, 0, 0, null, 0);
  libc.recv(-1, nothing, 0, 0);
  libc.ioctl(-1, 0, null);
  libc.fcntl(-1, 1, 0);
  libc.setns(-1, 0);
  libc.unshare(0);
  libc.mount(null, null, null, 0, null);
  libc.umount2(null, 0);
  libc.mmap(null, 0, 0, 0, -1, 0);
  libc.munmap(null, 0);
  libc.madvise(null, 0, 0);
  libc.eventfd(0, -1);
  libc.sched_setaffinity(0, 0, null);
  libc.syscall(-1, 0, null, 0);
  libc.ppoll(null, 0, nothing, null);
  bufferAt(addressOf(nothing), 64);
  setEnvironmentData(WARMED, true);
}

if (getEnvironmentData(WARMED) !== true) {
  open({ library: LIBRARY, path: '' });
  if (isMainThread) warmFfi();
}
