// eBPF objects through bpf(2): maps, programs and links. Each lives as long as its descriptor, also when the
// process dies, so nothing can stay attached. For set-up only. Reference: bpf(2) and linux/bpf.h.

import { readFileSync } from 'node:fs';
import { INSTRUCTION_LENGTH } from './bpf-asm.js';
import { addressOf, bpf, close, cString, SystemError } from './syscalls.js';

export const MAP_TYPE_HASH = 1;
export const MAP_TYPE_ARRAY = 2;
export const MAP_TYPE_PERCPU_ARRAY = 6;
export const MAP_TYPE_XSKMAP = 17;

export const PROG_TYPE_SCHED_CLS = 3;
export const PROG_TYPE_XDP = 6;

/** Attach type of an XDP program on an interface. */
export const ATTACH_XDP = 37;

/** Program flag: it copes with packets in several buffers. */
export const PROG_XDP_HAS_FRAGS = 1 << 5;

/** Flags of an XDP link: which hook. */
export const XDP_FLAGS_SKB_MODE = 1 << 1;
export const XDP_FLAGS_DRV_MODE = 1 << 2;

const BPF_MAP_CREATE = 0;
const BPF_MAP_LOOKUP_ELEM = 1;
const BPF_MAP_UPDATE_ELEM = 2;
const BPF_MAP_DELETE_ELEM = 3;
const BPF_PROG_LOAD = 5;
const BPF_OBJ_GET_INFO_BY_FD = 15;
const BPF_LINK_CREATE = 28;
const BPF_LINK_GET_FD_BY_ID = 30;
const BPF_LINK_GET_NEXT_ID = 31;

const ATTRIBUTES_LENGTH = 80;
const LOG_LENGTH = 1 << 18;
/** As much of struct bpf_link_info as is read. */
const LINK_INFO_LENGTH = 16;
const NAME_LENGTH = 15;
const ENOENT = 2;
const EPERM = 1;

function setPointer(attributes: Buffer, offset: number, bytes: Uint8Array): void {
  attributes.writeBigUInt64LE(BigInt(addressOf(bytes)), offset);
}

/** A BPF map. Keys and values are bytes of exactly the sizes given at creation. */
export class BpfMap {
  readonly fd: number;
  readonly keySize: number;
  readonly valueSize: number;
  #closed = false;

  constructor(fd: number, keySize: number, valueSize: number) {
    this.fd = fd;
    this.keySize = keySize;
    this.valueSize = valueSize;
  }

  /** Creates a map. */
  static create(name: string, type: number, keySize: number, valueSize: number, maxEntries: number): BpfMap {
    const attributes = Buffer.alloc(ATTRIBUTES_LENGTH);
    attributes.writeUInt32LE(type, 0);
    attributes.writeUInt32LE(keySize, 4);
    attributes.writeUInt32LE(valueSize, 8);
    attributes.writeUInt32LE(maxEntries, 12);
    attributes.write(name.slice(0, NAME_LENGTH), 28, 'latin1');
    return new BpfMap(bpf(BPF_MAP_CREATE, attributes, `map ${name}`), keySize, valueSize);
  }

  /** Sets the value of a key. */
  update(key: Uint8Array, value: Uint8Array): void {
    this.#command(BPF_MAP_UPDATE_ELEM, key, value);
  }

  /**
   * Reads the value of a key into `value`; false when there is none. A per-CPU map gives one value per
   * possible CPU.
   */
  lookup(key: Uint8Array, value: Uint8Array): boolean {
    try {
      this.#command(BPF_MAP_LOOKUP_ELEM, key, value);
      return true;
    } catch (error) {
      if (error instanceof SystemError && error.errno === ENOENT) return false;
      throw error;
    }
  }

  /** Removes a key; false when it was not there. */
  delete(key: Uint8Array): boolean {
    try {
      this.#command(BPF_MAP_DELETE_ELEM, key, null);
      return true;
    } catch (error) {
      if (error instanceof SystemError && error.errno === ENOENT) return false;
      throw error;
    }
  }

  /** Closes the descriptor. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    close(this.fd);
  }

  #command(command: number, key: Uint8Array, value: Uint8Array | null): void {
    if (key.length !== this.keySize) throw new RangeError(`a key of ${this.keySize} bytes is wanted`);
    const attributes = Buffer.alloc(32);
    attributes.writeUInt32LE(this.fd, 0);
    setPointer(attributes, 8, key);
    if (value !== null) {
      if (value.length < this.valueSize) throw new RangeError(`a value of ${this.valueSize} bytes is wanted`);
      setPointer(attributes, 16, value);
    }
    bpf(command, attributes, 'map element');
  }
}

/** Makes a map key or value of one 32-bit number. */
export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** What BPF_PROG_LOAD needs. */
export interface ProgramOptions {
  readonly name: string;
  readonly type: number;
  readonly attachType: number;
  readonly flags?: number;
}

/**
 * Loads a program and gives its descriptor; the caller closes it.
 *
 * @throws SystemError; when the verifier refused, its message ends with the verifier's last words
 */
export function loadProgram(code: Buffer, options: ProgramOptions): number {
  const license = cString('GPL');
  const attributes = Buffer.alloc(ATTRIBUTES_LENGTH);
  attributes.writeUInt32LE(options.type, 0);
  attributes.writeUInt32LE(code.length / INSTRUCTION_LENGTH, 4);
  setPointer(attributes, 8, code);
  setPointer(attributes, 16, license);
  attributes.writeUInt32LE(options.flags ?? 0, 44);
  attributes.write(options.name.slice(0, NAME_LENGTH), 48, 'latin1');
  attributes.writeUInt32LE(options.attachType, 68);
  try {
    return bpf(BPF_PROG_LOAD, attributes, `program ${options.name}`);
  } catch (error) {
    if (!(error instanceof SystemError) || error.errno === EPERM) throw error;
    throw new SystemError('bpf', error.errno, `program ${options.name}: ${explain(attributes)}`);
  } finally {
    // The kernel read them by address only: these uses keep them alive until here.
    license.fill(0);
    code.at(0);
  }
}

/** Loads the same program once more with a log, for the verifier's reason. */
function explain(attributes: Buffer): string {
  const log = Buffer.alloc(LOG_LENGTH);
  attributes.writeUInt32LE(1, 24);
  attributes.writeUInt32LE(log.length, 28);
  setPointer(attributes, 32, log);
  try {
    close(bpf(BPF_PROG_LOAD, attributes));
    return 'refused once, loaded when asked again';
  } catch {
    const end = log.indexOf(0);
    const lines = log.toString('latin1', 0, end < 0 ? log.length : end).trim();
    return lines === '' ? 'the verifier said nothing' : lines.split('\n').slice(-4).join(' / ');
  }
}

/**
 * Attaches a program to an interface of the calling thread's network namespace and gives the link's
 * descriptor. Closing that, by hand or by dying, detaches.
 */
export function createLink(program: number, ifindex: number, attachType: number, flags = 0): number {
  const attributes = Buffer.alloc(ATTRIBUTES_LENGTH);
  attributes.writeUInt32LE(program, 0);
  attributes.writeUInt32LE(ifindex, 4);
  attributes.writeUInt32LE(attachType, 8);
  attributes.writeUInt32LE(flags, 12);
  return bpf(BPF_LINK_CREATE, attributes, 'link');
}

/**
 * Lists the programs, by their ids, that hang on BPF links of this machine; undefined when this process may not ask (it
 * takes CAP_SYS_ADMIN).
 */
export function linkPrograms(): Set<number> | undefined {
  const programs = new Set<number>();
  try {
    for (let id = nextLink(0); id !== undefined; id = nextLink(id)) {
      const program = programOfLink(id);
      if (program !== undefined) programs.add(program);
    }
    return programs;
  } catch {
    return undefined;
  }
}

function nextLink(id: number): number | undefined {
  const attributes = Buffer.alloc(ATTRIBUTES_LENGTH);
  attributes.writeUInt32LE(id, 0);
  try {
    bpf(BPF_LINK_GET_NEXT_ID, attributes, 'links');
    return attributes.readUInt32LE(4);
  } catch (error) {
    if (error instanceof SystemError && error.errno === ENOENT) return undefined;
    throw error;
  }
}

/** Undefined for a link that has gone in the meantime. */
function programOfLink(id: number): number | undefined {
  const attributes = Buffer.alloc(ATTRIBUTES_LENGTH);
  attributes.writeUInt32LE(id, 0);
  let fd: number;
  try {
    fd = bpf(BPF_LINK_GET_FD_BY_ID, attributes, 'link');
  } catch (error) {
    if (error instanceof SystemError && error.errno === ENOENT) return undefined;
    throw error;
  }
  try {
    // struct bpf_link_info begins with type, id and prog_id.
    const info = Buffer.alloc(LINK_INFO_LENGTH);
    const query = Buffer.alloc(ATTRIBUTES_LENGTH);
    query.writeUInt32LE(fd, 0);
    query.writeUInt32LE(info.length, 4);
    setPointer(query, 8, info);
    bpf(BPF_OBJ_GET_INFO_BY_FD, query, 'link');
    return info.readUInt32LE(8);
  } finally {
    close(fd);
  }
}

/** Counts the CPUs that the kernel could ever have: how many values a per-CPU map gives for one key. */
export function possibleCpus(): number {
  const ranges = readFileSync('/sys/devices/system/cpu/possible', 'latin1').trim();
  const last = Number(ranges.split(/[,-]/).at(-1));
  return Number.isInteger(last) ? last + 1 : 1;
}
