// A virtual host: a real context and a real stack on a Nic in memory and a clock that stands still until it is told to move.
// Part of the public `<package>/testing`; see index.ts for how to use it.

import type { Context } from '../api/context.js';
import { makeContext } from '../api/context.js';
import { parseCidr } from '../api/options.js';
import type { MemoryNicOptions } from '../nic/memory-nic.js';
import { MemoryNic } from '../nic/memory-nic.js';
import type { SimulatedWire, WireOptions } from '../nic/simulated-wire.js';
import { connectNics } from '../nic/simulated-wire.js';
import { createRandom } from '../stack/random.js';
import type { Stack, StackOptions } from '../stack/stack.js';
import { parseMac } from '../stack/wire/address.js';
import type { Inhabitant } from './world.js';
import { World } from './world.js';

/** What a virtual host is made of. */
export interface HostOptions {
  /** Own addresses as CIDR, such as `10.0.0.1/24`. Needed. */
  addresses: readonly string[];
  /** Largest IP packet it sends. Default 1500. Larger ones can be injected all the same. */
  mtu?: number;
  /** `ethernet` frames with ARP, or bare `ip` packets without. Default `ethernet`. */
  link?: 'ethernet' | 'ip';
  /** Default 02:00:00:00:00:01, and the last byte one more for each further host of a world. */
  mac?: string;
  /** Address of the default gateway. */
  gateway?: string;
  /** Stack options by sysctl name; `host.sysctl` changes them later. */
  sysctl?: Readonly<Record<string, number | string>>;
  /** Seed of everything random in the stack. Equal seeds give equal packets. Default 1, one more for each further host. */
  seed?: number;
  /** Static neighbours: IP address to MAC address. */
  neighbours?: Readonly<Record<string, string>>;
  /** What to do with checksums of received segments. Default `verify`. */
  peerChecksum?: 'auto' | 'trust' | 'verify';
  /** Most sockets. */
  maxConcurrency?: number;
  /** The world in which it lives. Default: one of its own, which `joinHosts` may merge into another. */
  world?: World;
  /** Further options of the Nic, such as how many frames it has. */
  nic?: Omit<MemoryNicOptions, 'linkType' | 'mtu' | 'mac'>;
}

/** A packet that a host has sent. */
export interface SentPacket {
  /** Virtual time at which it left. */
  timeUs: number;
  bytes: Uint8Array;
}

/** Sees packets as they pass: `in` when the host receives one, `out` when it sends one. The bytes are the callee's. */
export type PacketListener = (direction: 'in' | 'out', timeUs: number, bytes: Uint8Array) => void;

const OPTION_NAMES: readonly (keyof HostOptions)[] = [
  'addresses',
  'mtu',
  'link',
  'mac',
  'gateway',
  'sysctl',
  'seed',
  'neighbours',
  'peerChecksum',
  'maxConcurrency',
  'world',
  'nic',
];

/** A memory Nic that shows what comes in. */
class HostNic extends MemoryNic {
  onReceive: ((bytes: Uint8Array) => void) | undefined = undefined;

  override inject(bytes: Uint8Array, flags = 0): boolean {
    this.onReceive?.(bytes.slice());
    return super.inject(bytes, flags);
  }

  override injectFrom(source: Uint8Array, start: number, length: number, flags = 0): boolean {
    this.onReceive?.(source.slice(start, start + length));
    return super.injectFrom(source, start, length, flags);
  }
}

/** A virtual host. Every `mtcp_*` call works on its `mctx`; one that would block moves virtual time until it is done. */
export class Host implements Inhabitant {
  /** The host's context. */
  readonly mctx: Context;
  readonly nic: MemoryNic;
  readonly linkType: 'ethernet' | 'ip';
  /**
   * The program of the host, if it is to act while others block or time moves: called after every turn in which something
   * happened, and again as long as it returns true (as it should while `mtcp_epoll_wait` with timeout 0 finds events). It must
   * not block.
   */
  onTurn: (() => unknown) | undefined = undefined;
  /** Whether sent packets are kept for `take`; `joinHosts` turns it off. */
  recording = true;
  private currentWorld: World;
  private readonly hostNic: HostNic;
  private packetListener: PacketListener | undefined = undefined;
  private sent: SentPacket[] = [];
  private inProgram = false;
  private programWants = false;

  /** @throws RangeError that names the option */
  constructor(options: HostOptions) {
    for (const key of Object.keys(options)) {
      if (!OPTION_NAMES.includes(key as keyof HostOptions)) throw new RangeError(`unknown option '${key}'`);
    }
    const world = options.world ?? new World();
    const number = world.hosts + 1;
    this.linkType = options.link ?? 'ethernet';
    this.currentWorld = world;
    this.hostNic = new HostNic({
      ...options.nic,
      linkType: this.linkType,
      ...(options.mtu === undefined ? {} : { mtu: options.mtu }),
      ...(this.linkType === 'ip' ? {} : { mac: macOption(options.mac, number) }),
    });
    this.nic = this.hostNic;
    this.nic.onTransmit = (memory, offset, length) => this.record(memory, offset, length);
    this.nic.idle = (timeoutUs) => this.currentWorld.step(this.now + timeoutUs);
    const random = createRandom(options.seed ?? number);
    const limits = options.maxConcurrency === undefined ? {} : { maxConcurrency: options.maxConcurrency };
    this.mctx = makeContext(this.nic, stackOptions(options), () => this.currentWorld.now, random, 0, limits);
    world.add(this);
  }

  /** Now, in µs of virtual time. */
  get now(): number {
    return this.currentWorld.now;
  }

  /** The world in which the host lives. */
  get world(): World {
    return this.currentWorld;
  }

  /** The stack: counters, options, tables. */
  get stack(): Stack {
    return this.mctx.stack;
  }

  /**
   * Hands the host a packet (a frame where the link is Ethernet), now, whatever its size; what it makes of it is done when
   * this returns. Returns false when the Nic had to drop it.
   */
  inject(bytes: Uint8Array): boolean {
    this.currentWorld.settle();
    const taken = this.nic.inject(bytes);
    this.currentWorld.settle();
    return taken;
  }

  /** Moves virtual time, of the whole world, to `toUs` and fires on the way what is due. @throws RangeError: back in time */
  advance(toUs: number): void {
    this.currentWorld.advance(toUs);
  }

  /** Returns the packets sent since the last call, each with the time at which it left. */
  take(): SentPacket[] {
    this.currentWorld.settle();
    const { sent } = this;
    this.sent = [];
    return sent;
  }

  /** Returns when the host's stack does something next by itself, in µs; Infinity for never. */
  nextDeadline(): number {
    this.currentWorld.settle();
    return this.deadline();
  }

  /** Reads a stack option by its sysctl name, or sets it. @throws RangeError that names it */
  sysctl(name: string, value?: number | string): number | string {
    const { config } = this.stack;
    if (value !== undefined) config.set(name, value);
    return config.get(name);
  }

  /** Shows every packet that comes in or goes out from now on to `listener`; undefined ends it. */
  trace(listener: PacketListener | undefined): void {
    this.packetListener = listener;
    this.hostNic.onReceive = listener && ((bytes) => listener('in', this.now, bytes));
  }

  /** Resets what is open, and takes the host out of its world. */
  close(): void {
    this.mctx.destroy();
    this.currentWorld.remove(this);
  }

  /** Turns the host's loop once, and its program; the world calls it. */
  turn(): boolean {
    const busy = this.mctx.turn();
    if (this.onTurn === undefined || this.inProgram || !(busy || this.programWants)) return busy;
    this.inProgram = true;
    try {
      this.programWants = this.onTurn() === true;
    } finally {
      this.inProgram = false;
    }
    return busy || this.programWants;
  }

  /** Returns the stack's next deadline as it stands; the world calls it. */
  deadline(): number {
    return this.mctx.destroyed ? Number.POSITIVE_INFINITY : this.stack.nextDeadline();
  }

  /** Lets the host live in another world at the same time of day. Used by `joinHosts`. */
  moveTo(world: World): void {
    if (world === this.currentWorld) return;
    if (world.now !== this.now) {
      throw new RangeError(
        `hosts at ${this.now} and ${world.now} µs cannot share a world; make them with the same one`,
      );
    }
    this.currentWorld.remove(this);
    this.currentWorld = world;
    world.add(this);
  }

  /** Goes on seeing what is sent after a wire has taken over the Nic. Used by `joinHosts`. */
  tapWire(recording: boolean): void {
    const { onTransmit } = this.nic;
    this.recording = recording;
    this.nic.onTransmit = (memory, offset, length) => {
      this.record(memory, offset, length);
      onTransmit?.(memory, offset, length);
    };
  }

  private record(memory: Uint8Array, offset: number, length: number): void {
    if (!this.recording && this.packetListener === undefined) return;
    const bytes = memory.slice(offset, offset + length);
    if (this.recording) this.sent.push({ timeUs: this.now, bytes });
    this.packetListener?.('out', this.now, bytes);
  }
}

function macOption(text: string | undefined, number: number): Uint8Array {
  if (text === undefined) return Uint8Array.of(2, 0, 0, 0, number >> 8, number & 255);
  const mac = parseMac(text);
  if (mac === undefined) throw new RangeError(`option 'mac' must be a MAC address, not '${text}'`);
  return mac;
}

function stackOptions(options: HostOptions): StackOptions {
  if (!Array.isArray(options.addresses) || options.addresses.length === 0) {
    throw new RangeError("option 'addresses' must be a list such as ['10.0.0.1/24']");
  }
  const addresses = options.addresses.map((text) => {
    const cidr = parseCidr(text);
    if (cidr === undefined)
      throw new RangeError(`option 'addresses': '${text}' is no address such as 10.0.0.1/24`);
    return cidr;
  });
  const neighbours = Object.entries(options.neighbours ?? {}).map(([address, mac]) => ({ address, mac }));
  return {
    addresses,
    rxChecksum: options.peerChecksum ?? 'verify',
    neighbours,
    ...(options.gateway === undefined ? {} : { gateway: options.gateway }),
    ...(options.sysctl === undefined ? {} : { sysctl: { ...options.sysctl } }),
  };
}

/** Makes a virtual host. @throws RangeError that names the option */
export function createHost(options: HostOptions): Host {
  return new Host(options);
}

/** What the wire between two hosts does, to both directions or to one of them. */
export interface JoinOptions extends WireOptions {
  /** A script's say about which frames are lost: `number` counts the frames of the direction from 1 on. */
  drop?: (direction: 'aToB' | 'bToA', number: number, frame: Uint8Array) => boolean;
  /** Go on keeping sent packets for `take`. Default false: a long transfer would fill the memory. */
  record?: boolean;
}

/**
 * Joins two hosts by a wire with delay, rate and faults. Both then live in one world with one clock; hosts that were made apart
 * must be at the same time.
 * @returns the wire: its counts, and `configure` to change it
 * @throws RangeError that names the option
 */
export function joinHosts(a: Host, b: Host, options: JoinOptions = {}): SimulatedWire {
  const { drop, record = false, ...wireOptions } = options;
  b.moveTo(a.world);
  const wire = connectNics(a.nic, b.nic, a.world.clock, wireOptions);
  if (drop !== undefined) {
    wire.aToB.drop = (number, frame) => drop('aToB', number, frame);
    wire.bToA.drop = (number, frame) => drop('bToA', number, frame);
  }
  a.tapWire(record);
  b.tapWire(record);
  return wire;
}
