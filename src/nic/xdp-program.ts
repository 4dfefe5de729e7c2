// The XDP program on the interface: it sends up to the stack only what the stack owns and passes all else to
// the kernel, so that an interface in use can be attached. What the stack owns is in BPF maps that can change
// while it runs. One program serves every queue of an interface; a packet for a queue without a socket passes
// to the kernel.

import { explainProgram, isTaken } from './nic-error.js';
import {
  ATTACH_XDP,
  BpfMap,
  createLink,
  loadProgram,
  MAP_TYPE_HASH,
  MAP_TYPE_PERCPU_ARRAY,
  MAP_TYPE_XSKMAP,
  PROG_TYPE_XDP,
  PROG_XDP_HAS_FRAGS,
  possibleCpus,
  u32,
  XDP_FLAGS_DRV_MODE,
  XDP_FLAGS_SKB_MODE,
} from './os/bpf.js';
import { repeatRssKey } from './os/ethtool.js';
import { IP_LENGTH, ipBytes } from './os/ip-bytes.js';
import { close, errnoName, SystemError } from './os/syscalls.js';
import { xdpHolder } from './os/xdp-holder.js';
import {
  assembleProgram,
  COUNT_PASSED,
  COUNT_REDIRECTED,
  COUNTERS,
  type ProgramMaps,
} from './xdp-bytecode.js';

/** How a program is attached: in the driver, or in the kernel's generic path behind it. */
export type AttachMode = 'native' | 'skb';

const MAX_ADDRESSES = 1024;
const MAX_QUEUES = 256;

/** What `XdpProgram.attach` needs. */
export interface AttachOptions {
  readonly iface: string;
  readonly ifindex: number;
  /** The namespace as the user calls it, for commands in refusals. */
  readonly netns?: string | undefined;
  /** `auto`: native, and skb where the driver has no native XDP. */
  readonly mode: 'auto' | AttachMode;
  /** Packets of the native mode may come in several buffers; those of skb mode always may. */
  readonly multiBuffer: boolean;
}

/** The maps and the mode of an attached program: plain data, which a worker thread can be given. */
export interface ProgramHandles extends ProgramMaps {
  readonly mode: AttachMode;
}

/** A program on an interface. Closing it, or dying, detaches. */
export class XdpProgram {
  readonly mode: AttachMode;
  /** Why the mode is not native although it was asked for first; empty otherwise. */
  readonly fallback: string;
  readonly #addresses: BpfMap;
  readonly #sockets: BpfMap;
  readonly #counters: BpfMap;
  /** -1 in a program that another thread attached. */
  readonly #link: number;
  #users = 1;

  private constructor(
    maps: readonly [BpfMap, BpfMap, BpfMap],
    mode: AttachMode,
    link: number,
    fallback: string,
  ) {
    this.#addresses = maps[0];
    this.#sockets = maps[1];
    this.#counters = maps[2];
    this.mode = mode;
    this.#link = link;
    this.fallback = fallback;
  }

  /**
   * Loads the program and attaches it to an interface of the calling thread's network namespace. It owns no
   * address yet, so everything passes.
   *
   * @throws NicError; nothing stays attached
   */
  static attach(options: AttachOptions): XdpProgram {
    const maps: BpfMap[] = [];
    try {
      const addresses = BpfMap.create('mtcp_addresses', MAP_TYPE_HASH, IP_LENGTH, 4, MAX_ADDRESSES);
      maps.push(addresses);
      const sockets = BpfMap.create('mtcp_sockets', MAP_TYPE_XSKMAP, 4, 4, MAX_QUEUES);
      maps.push(sockets);
      const counters = BpfMap.create('mtcp_counters', MAP_TYPE_PERCPU_ARRAY, 4, 8, COUNTERS);
      maps.push(counters);
      const code = assembleProgram({ addresses: addresses.fd, sockets: sockets.fd, counters: counters.fd });
      const { mode, link, fallback } = attachBest(code, options);
      repeatRssKey(options.iface);
      return new XdpProgram([addresses, sockets, counters], mode, link, fallback);
    } catch (error) {
      for (const map of maps) map.close();
      const holder = isTaken(error) ? xdpHolder(options.ifindex) : undefined;
      throw explainProgram(error, options.iface, options.netns, holder);
    }
  }

  /**
   * Uses, in another thread of the process, a program that stays attached for as long as its owner keeps it.
   */
  static adopt(handles: ProgramHandles): XdpProgram {
    const addresses = new BpfMap(handles.addresses, IP_LENGTH, 4);
    const sockets = new BpfMap(handles.sockets, 4, 4);
    const counters = new BpfMap(handles.counters, 4, 8);
    return new XdpProgram([addresses, sockets, counters], handles.mode, -1, '');
  }

  /** What `adopt` needs in another thread. */
  get handles(): ProgramHandles {
    return {
      addresses: this.#addresses.fd,
      sockets: this.#sockets.fd,
      counters: this.#counters.fd,
      mode: this.mode,
    };
  }

  /**
   * Sends what comes for an address (and, for IPv6, for its solicited-node group) up to the stack from now
   * on.
   */
  addAddress(address: string): void {
    for (const key of keysOf(address)) this.#addresses.update(key, u32(1));
  }

  /** Leaves an address to the kernel again. */
  removeAddress(address: string): void {
    for (const key of keysOf(address)) this.#addresses.delete(key);
  }

  /**
   * Connects a queue with the AF_XDP socket bound to it. The kernel disconnects it when the socket is closed.
   */
  setSocket(queue: number, fd: number): void {
    this.#sockets.update(u32(queue), u32(fd));
  }

  /** Disconnects a queue: its packets pass to the kernel. */
  clearSocket(queue: number): void {
    this.#sockets.delete(u32(queue));
  }

  /** Counts the packets that went up to a stack and those that passed to the kernel, over all queues. */
  counts(): { redirected: number; passed: number } {
    if (this.#users <= 0) return { redirected: 0, passed: 0 };
    return { redirected: this.#count(COUNT_REDIRECTED), passed: this.#count(COUNT_PASSED) };
  }

  /** Counts one more user, who calls `close` in the end. */
  share(): this {
    this.#users++;
    return this;
  }

  /** Lets one user go; with the last one the program detaches, if this thread attached it. */
  close(): void {
    this.#users--;
    if (this.#users !== 0 || this.#link < 0) return;
    close(this.#link);
    this.#addresses.close();
    this.#sockets.close();
    this.#counters.close();
  }

  #count(slot: number): number {
    const values = Buffer.alloc(possibleCpus() * 8);
    this.#counters.lookup(u32(slot), values);
    let sum = 0;
    for (let at = 0; at < values.length; at += 8) sum += Number(values.readBigUInt64LE(at));
    return sum;
  }
}

/**
 * Attaches in the best mode asked for. Nothing but a missing ability of the driver leads from native to skb.
 */
function attachBest(
  code: Buffer,
  options: AttachOptions,
): { mode: AttachMode; link: number; fallback: string } {
  let fallback = '';
  if (options.mode !== 'skb') {
    try {
      const link = attachOnce(code, options.ifindex, XDP_FLAGS_DRV_MODE, options.multiBuffer);
      return { mode: 'native', link, fallback };
    } catch (error) {
      const taken = error instanceof SystemError && FINAL.has(error.code);
      if (options.mode === 'native' || taken || !(error instanceof SystemError)) throw error;
      fallback = `the driver refused native XDP (${errnoName(error.errno)})`;
    }
  }
  // This hook is behind segmentation and receive offload, so packets are up to 64 KiB long whatever the MTU
  // is.
  try {
    return { mode: 'skb', link: attachOnce(code, options.ifindex, XDP_FLAGS_SKB_MODE, true), fallback };
  } catch (error) {
    // Kernels before 5.18 do not know of buffers.
    if (!(error instanceof SystemError) || error.code !== 'EINVAL') throw error;
    return { mode: 'skb', link: attachOnce(code, options.ifindex, XDP_FLAGS_SKB_MODE, false), fallback };
  }
}

function attachOnce(code: Buffer, ifindex: number, hook: number, multiBuffer: boolean): number {
  const flags = multiBuffer ? PROG_XDP_HAS_FRAGS : 0;
  const program = loadProgram(code, { name: 'mtcp', type: PROG_TYPE_XDP, attachType: ATTACH_XDP, flags });
  try {
    return createLink(program, ifindex, ATTACH_XDP, hook);
  } finally {
    close(program);
  }
}

/** Refusals that no other mode would mend. */
const FINAL = new Set(['EBUSY', 'EEXIST', 'EPERM', 'EACCES', 'ENODEV']);

/**
 * The keys of an address: itself, and for IPv6 the group to which neighbour solicitations for it go (RFC 4291
 * 2.7.1).
 */
function keysOf(address: string): Uint8Array[] {
  const own = ipBytes(address);
  if (own === undefined) throw new RangeError(`not an IP address: ${address}`);
  if (address.includes('.') && !address.includes(':')) return [own];
  const group = Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 0);
  group.set(own.subarray(13), 13);
  return [own, group];
}
