// The whole protocol stack of one core, pure: frames and the time go in, frames and deadlines come out. Whoever drives it sets
// `now`, hands in received frames, lets timers run and asks for output; see `src/api/loop.ts` for the order.

import { type Nic, RX_CHECKSUM_GOOD, RX_STRIDE } from '../nic/nic.js';
import { Clock, type Micros, NEVER } from './clock.js';
import { StackConfig } from './config.js';
import { Counters } from './counters.js';
import { ArpService } from './link/arp-service.js';
import { IcmpService } from './link/icmp-service.js';
import { IpOutput } from './link/ip-output.js';
import { LocalAddresses } from './link/local-addresses.js';
import { Neighbours, NONE } from './link/neighbours.js';
import { Routes } from './link/routes.js';
import { RX_HANDED_OVER, type Siblings } from './siblings.js';
import { configure, type StackOptions } from './stack-options.js';
import { Tcp } from './tcp/tcp.js';
import { Address, type Endpoint } from './wire/address.js';
import { finish, pseudoHeaderSum, sum } from './wire/checksum.js';
import {
  ETHERNET_HEADER,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  etherType,
  isGroupMac,
  macHigh,
  macLow,
} from './wire/ethernet.js';
import { ICMP_PORT_UNREACHABLE, ICMP_PROTOCOL_UNREACHABLE } from './wire/icmp.js';
import {
  IPV4_BAD_CHECKSUM,
  IPV4_HEADER,
  IPV4_OK,
  IPV4_SHORT_FRAME,
  Ipv4Header,
  PROTOCOL_ICMP,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  parseIpv4,
} from './wire/ipv4.js';
import { parseTcp, TCP_CHECKSUM_OFFSET, TCP_HEADER, TCP_OK } from './wire/tcp-header.js';

/** Every IPv4 host takes packets of 68 bytes (RFC 791 3.2), the least a link may carry. */
const MIN_MTU = 68;
/** Bytes of a cache line, or of two. */
const LINE = 64;

export type { RxChecksumPolicy, StackOptions } from './stack-options.js';

export class Stack {
  readonly nic: Nic;
  readonly clock: Clock = new Clock();
  readonly config: StackConfig;
  readonly counters: Counters = new Counters();
  readonly addresses: LocalAddresses = new LocalAddresses();
  readonly neighbours: Neighbours;
  readonly routes: Routes = new Routes();
  readonly icmp: IcmpService;
  readonly tcp: Tcp;
  readonly #arp: ArpService;
  readonly #ip = new Ipv4Header();
  readonly #linkHeader: number;
  readonly #macHigh: number;
  readonly #macLow: number;
  readonly #failed = new Address();
  /** Where the frame in hand begins and how long it is, for the other cores; -1 when one of them has handed it over. */
  #frame = -1;
  #frameLength = 0;
  /** What `touch` has read, so that no compiler leaves it out. */
  #touched = 0;
  #siblings: Siblings | null = null;
  readonly #trustChecksums: boolean;
  readonly #takePartialChecksums: boolean;

  /**
   * Makes a stack on a Nic. `random` gives uniform int32 values; with a seeded one and the same inputs the stack behaves alike.
   * @throws RangeError naming the option whose value is wrong
   */
  constructor(nic: Nic, options: StackOptions, random: () => number) {
    this.nic = nic;
    this.config = new StackConfig(options.sysctl);
    this.neighbours = new Neighbours(this.clock, this.config.neighbours);
    const mac = options.mac ?? nic.capabilities.mac;
    const macView = new DataView(mac.buffer, mac.byteOffset, mac.byteLength);
    this.#macHigh = macHigh(macView, 0);
    this.#macLow = macLow(macView, 0);
    this.#linkHeader = nic.capabilities.linkType === 'ethernet' ? ETHERNET_HEADER : 0;
    const policy = options.rxChecksum ?? 'auto';
    this.#trustChecksums = policy === 'trust';
    this.#takePartialChecksums = policy === 'auto' && nic.capabilities.rxPartialChecksum;
    const mtu = Math.min(options.mtu ?? nic.capabilities.mtu, nic.capabilities.mtu);
    if (!(mtu >= MIN_MTU)) throw new RangeError(`option 'mtu': ${mtu} is below ${MIN_MTU}`);
    const output = new IpOutput(nic, mtu, this.config, this.counters, this.neighbours, this.routes, mac);
    this.icmp = new IcmpService(nic, this.clock, this.config, this.counters, output);
    this.#arp = new ArpService(nic, this.counters, this.neighbours, this.addresses, output, mac);
    this.tcp = new Tcp(this.clock, this.config, this.counters, output, this.addresses, random);
    this.icmp.onTcpError = (local, remote, seq, type, code, mtu) => {
      if (!this.#passError(local, remote)) this.tcp.icmpError(local, remote, seq, type, code, mtu);
    };
    configure(this, options);
    if (this.#linkHeader > 0 && this.config.arpNotify !== 0) {
      for (const address of this.addresses.list()) this.#arp.announce(address.w3);
    }
  }

  /** The stack's time in µs since its start; it never goes back. */
  get now(): Micros {
    return this.clock.now;
  }

  set now(now: Micros) {
    this.clock.set(now);
  }

  /** The other cores of this host, or null when there are none. */
  get siblings(): Siblings | null {
    return this.#siblings;
  }

  set siblings(siblings: Siblings | null) {
    this.#siblings = siblings;
    this.tcp.core.handOver = (seg, isListening) =>
      siblings !== null &&
      this.#frame >= 0 &&
      siblings.handOver(seg.dst, seg.src, isListening, this.#frame, this.#frameLength);
  }

  /**
   * Reads a little of each frame of a batch, before any of them is processed. Another core has written them, and each takes as long to
   * come from its cache as a good part of its processing takes; asked for in a row, they come at the same time.
   */
  touch(batch: Int32Array, frames: number): void {
    const { memory } = this.nic;
    let sum = this.#touched;
    for (let i = 0; i < frames * RX_STRIDE; i += RX_STRIDE) {
      const at = batch[i];
      sum ^= memory[at] ^ memory[at + LINE];
    }
    this.#touched = sum;
    if (this.#linkHeader > 0 && this.tcp.core.ahead.isWorthwhile) this.#lookAhead(batch, frames);
  }

  #lookAhead(batch: Int32Array, frames: number): void {
    const { view } = this.nic;
    const { ahead } = this.tcp.core;
    for (let i = 0; i < frames * RX_STRIDE; i += RX_STRIDE) {
      if (batch[i + 1] < ETHERNET_HEADER + IPV4_HEADER + TCP_HEADER) continue;
      const ip = batch[i] + ETHERNET_HEADER;
      const ports = view.getInt32(ip + IPV4_HEADER);
      ahead.add(view.getInt32(ip + 16), view.getInt32(ip + 12), ports & 0xffff, ports >>> 16);
    }
    ahead.read();
  }

  /** Takes one received frame, processes it to completion and gives it back to the Nic. */
  input(offset: number, length: number, flags: number): void {
    this.counters.EthInFrames++;
    this.#frame = (flags & RX_HANDED_OVER) === 0 ? offset : -1;
    this.#frameLength = length;
    if (this.#linkHeader === 0) this.#ipInput(offset, length, flags);
    else this.#ethernetInput(offset, length, flags);
    this.nic.release(offset);
  }

  /** Runs everything that is due. */
  runTimers(): void {
    this.tcp.runTimers();
    this.neighbours.onTimer();
    for (let failed = this.#arp.nextFailed(); failed !== NONE; failed = this.#arp.nextFailed()) {
      this.tcp.nextHopFailed(failed);
      this.icmp.onHostUnreachable?.(this.#failed.setV4(failed));
    }
  }

  /** Sends what is to be sent. The frames leave with the Nic's next flush. */
  output(): void {
    this.tcp.output();
    this.#arp.output();
  }

  /** True when `runTimers` may have something to do: never wrong when it says no. */
  get isDue(): boolean {
    return this.tcp.isDue || this.neighbours.nextDeadline() <= this.clock.now;
  }

  /** When `runTimers` or `output` has something to do next; NEVER when nothing will happen by itself. */
  nextDeadline(): Micros {
    return this.#orNeighbours(this.tcp.nextDeadline());
  }

  /**
   * As `nextDeadline`, but may come before it, for who only wants to know how long to sleep: of thousands of timers, such as those of
   * TIME-WAIT, none is looked at.
   */
  get quietUntil(): Micros {
    return this.#orNeighbours(this.tcp.quietUntil);
  }

  #orNeighbours(tcp: Micros): Micros {
    const neighbours = this.#linkHeader === 0 ? NEVER : this.neighbours.nextDeadline();
    return tcp < neighbours ? tcp : neighbours;
  }

  #ethernetInput(offset: number, length: number, flags: number): void {
    const { counters } = this;
    if (length < ETHERNET_HEADER) {
      counters.EthInTruncated++;
      return;
    }
    const { view } = this.nic;
    const high = macHigh(view, offset);
    if ((high !== this.#macHigh || macLow(view, offset) !== this.#macLow) && !isGroupMac(high)) {
      counters.EthInOtherHost++;
      return;
    }
    switch (etherType(view, offset)) {
      case ETHERTYPE_IPV4:
        // RFC 1122 3.3.6: a packet for one host in a frame for many is nobody's, and must not be answered by each.
        if (isGroupMac(high)) {
          counters.EthInOtherHost++;
          return;
        }
        this.#ipInput(offset + ETHERNET_HEADER, length - ETHERNET_HEADER, flags);
        return;
      case ETHERTYPE_ARP:
        // Every core has a cache of its own to fill; the first one answers.
        this.#arp.input(offset + ETHERNET_HEADER, length - ETHERNET_HEADER, this.#frame >= 0);
        this.#share(true);
        return;
      default:
        counters.EthInUnknownProtos++;
    }
  }

  /** Copies the frame in hand to all other cores, unless one of them has handed it over. */
  #share(isLink: boolean): void {
    if (this.#siblings !== null && this.#frame >= 0)
      this.#siblings.share(isLink, this.#frame, this.#frameLength);
  }

  /** Gives the frame in hand, an error about a connection that is not here, to the core that may have it: whether there is one. */
  #passError(local: Endpoint, remote: Endpoint): boolean {
    const siblings = this.#siblings;
    const { demux, listeners } = this.tcp.core;
    if (siblings === null || this.#frame < 0) return false;
    if (!this.addresses.has(local) || demux.find(local, remote) !== undefined) return false;
    const isListening = listeners.find(local.port, local, remote) !== undefined;
    return siblings.passError(local, remote, isListening, this.#frame, this.#frameLength);
  }

  /** RFC 791, RFC 1122 3.2.1: only what is whole, for us, and from a possible sender goes up. */
  #ipInput(offset: number, length: number, flags: number): void {
    const { counters } = this;
    const ip = this.#ip;
    counters.IpInReceives++;
    const reason = parseIpv4(this.nic.view, offset, length, ip);
    if (reason !== IPV4_OK) {
      if (reason === IPV4_BAD_CHECKSUM) counters.IpInCsumErrors++;
      else if (reason === IPV4_SHORT_FRAME) counters.IpInTruncatedPkts++;
      else counters.IpInHdrErrors++;
      return;
    }
    switch (ip.tos & 3) {
      case 0:
        counters.IpExtInNoECTPkts++;
        break;
      case 1:
        counters.IpExtInECT1Pkts++;
        break;
      case 2:
        counters.IpExtInECT0Pkts++;
        break;
      default:
        counters.IpExtInCEPkts++;
    }
    if (!this.addresses.hasWord(ip.dst.w3)) {
      counters.IpInAddrErrors++;
      return;
    }
    if (this.addresses.isMartianSource(ip.src.w3)) {
      counters.IpInMartians++;
      return;
    }
    if (ip.hasOptions) {
      counters.IpInOptions++;
      if (ip.sourceRoute) {
        counters.IpInSourceRoutes++;
        return;
      }
    }
    if (ip.fragmentOffset !== 0 || ip.moreFragments) {
      counters.IpReasmFails++;
      return;
    }
    switch (ip.protocol) {
      case PROTOCOL_TCP:
        counters.IpInDelivers++;
        this.#tcpInput(ip, flags);
        return;
      case PROTOCOL_ICMP:
        counters.IpInDelivers++;
        // Answers to an echo request are news for whoever has sent it.
        if (!this.icmp.input(ip)) this.#share(false);
        return;
      default: {
        counters.IpInUnknownProtos++;
        // Nobody can listen on UDP here, and the peer learns it from its port (RFC 1122 4.1.3.1).
        const code = ip.protocol === PROTOCOL_UDP ? ICMP_PORT_UNREACHABLE : ICMP_PROTOCOL_UNREACHABLE;
        this.icmp.sendUnreachable(ip, offset, ip.totalLength, code);
      }
    }
  }

  #tcpInput(ip: Ipv4Header, flags: number): void {
    const { counters } = this;
    const { seg } = this.tcp.core;
    counters.TcpInSegs++;
    if (parseTcp(this.nic.view, ip.payloadOffset, ip.payloadLength, seg) !== TCP_OK) {
      counters.TcpInErrs++;
      return;
    }
    const isTrusted = this.#trustChecksums || (flags & RX_CHECKSUM_GOOD) !== 0;
    if (!isTrusted && !this.#hasGoodChecksum(ip)) {
      counters.TcpInCsumErrors++;
      return;
    }
    seg.src.copy(ip.src);
    seg.dst.copy(ip.dst);
    seg.ecn = ip.tos & 3;
    this.tcp.input();
  }

  /** RFC 9293 3.1, MUST-3; a sum of the pseudo-header alone counts where the Nic's peer offloads to nobody. */
  #hasGoodChecksum(ip: Ipv4Header): boolean {
    const { view } = this.nic;
    const pseudo = pseudoHeaderSum(ip.src, ip.dst, PROTOCOL_TCP, ip.payloadLength);
    if (this.#takePartialChecksums && view.getUint16(ip.payloadOffset + TCP_CHECKSUM_OFFSET) === pseudo) {
      this.counters.TcpInCsumPartial++;
      return true;
    }
    return finish(sum(view, ip.payloadOffset, ip.payloadLength, pseudo)) === 0;
  }
}
