// The way of an outgoing IPv4 packet from a transport to the Nic: a frame with room for the headers, then addresses, next hop,
// checksum (ours or the device's), and either the wire or the queue behind an unresolved neighbour.

import type { Nic } from '../../nic/nic.js';
import type { StackConfig } from '../config.js';
import type { Counters } from '../counters.js';
import { EHOSTUNREACH, ENETUNREACH } from '../errors.js';
import type { Address } from '../wire/address.js';
import * as checksum from '../wire/checksum.js';
import { ETHERNET_HEADER, ETHERTYPE_IPV4, macHigh, macLow, writeEthernet } from '../wire/ethernet.js';
import { IPV4_HEADER, writeIpv4 } from '../wire/ipv4.js';
import { Span } from '../wire/span.js';
import { type Neighbours, UNREACHABLE } from './neighbours.js';
import type { Routes } from './routes.js';

export class IpOutput {
  readonly nic: Nic;
  /** Largest IP packet in bytes. */
  readonly mtu: number;
  /** The Nic's arena, for copies into frames. */
  readonly span: Span;
  /** Bytes of link and IP header in front of a transport header. */
  readonly headroom: number;
  /** Next hop and source found by the last `route`, as IPv4 words. */
  nextHop = 0;
  source = 0;
  readonly #linkHeader: number;
  readonly #config: StackConfig;
  readonly #counters: Counters;
  readonly #neighbours: Neighbours;
  readonly #routes: Routes;
  readonly #macHigh: number;
  readonly #macLow: number;
  #id = 0;

  constructor(
    nic: Nic,
    mtu: number,
    config: StackConfig,
    counters: Counters,
    neighbours: Neighbours,
    routes: Routes,
    mac: Uint8Array,
  ) {
    this.nic = nic;
    this.mtu = mtu;
    this.span = new Span(nic.memory);
    this.#linkHeader = nic.capabilities.linkType === 'ethernet' ? ETHERNET_HEADER : 0;
    this.headroom = this.#linkHeader + IPV4_HEADER;
    this.#config = config;
    this.#counters = counters;
    this.#neighbours = neighbours;
    this.#routes = routes;
    const macView = new DataView(mac.buffer, mac.byteOffset, mac.byteLength);
    this.#macHigh = macHigh(macView, 0);
    this.#macLow = macLow(macView, 0);
  }

  /** Finds `nextHop` and `source` for a destination. Returns 0, or -ENETUNREACH when no route covers it. */
  route(dst: Address): number {
    const index = dst.isV4 ? this.#routes.lookup(dst.w3) : -1;
    if (index < 0) {
      this.#counters.IpOutNoRoutes++;
      return -ENETUNREACH;
    }
    this.nextHop = this.#routes.nextHop(index, dst.w3);
    this.source = this.#routes.source(index);
    return 0;
  }

  /** Takes a frame to write into, trying once more after a flush; -1 when there is none. */
  reserve(): number {
    let frame = this.nic.reserve();
    if (frame >= 0) return frame;
    this.nic.flush();
    frame = this.nic.reserve();
    if (frame < 0) this.#counters.EthOutNoFrames++;
    return frame;
  }

  /**
   * Sends the transport message of `length` bytes that stands at `frame` + `headroom`. With `checksumOffset` >= 0 its checksum
   * is stored there: `partial` is the folded sum of the pseudo-header, and the message's field holds 0. The frame is no longer
   * the caller's. `tos` is DSCP and ECN. Returns 0, or -EHOSTUNREACH when the next hop has just failed to answer.
   */
  send(
    frame: number,
    nextHop: number,
    src: number,
    dst: number,
    protocol: number,
    length: number,
    checksumOffset: number,
    partial: number,
    tos = 0,
  ): number {
    const nic = this.nic;
    const transport = frame + this.headroom;
    let checksumStart = 0;
    if (checksumOffset >= 0) {
      if (nic.capabilities.txChecksum) {
        nic.view.setUint16(transport + checksumOffset, partial);
        checksumStart = this.headroom;
      } else {
        const sum = checksum.sum(nic.view, transport, length, partial);
        nic.view.setUint16(transport + checksumOffset, checksum.finish(sum));
      }
    }
    // Packets are never fragmented: with DF set the identification means nothing (RFC 6864 4.1), without it it counts up.
    const id = protocol === 6 ? 0 : (this.#id = (this.#id + 1) & 0xffff);
    writeIpv4(
      nic.view,
      frame + this.#linkHeader,
      IPV4_HEADER + length,
      protocol,
      src,
      dst,
      this.#config.defaultTtl,
      tos,
      id,
      protocol === 6,
    );
    this.#counters.IpOutRequests++;
    const total = this.headroom + length;
    if (this.#linkHeader === 0) {
      nic.submit(frame, total, checksumStart, checksumOffset);
      this.#counters.EthOutFrames++;
      return 0;
    }
    return this.#toNeighbour(frame, total, nextHop, checksumStart, checksumOffset);
  }

  /** Sends every frame that waited for a neighbour, which has become known. */
  drain(neighbour: number): void {
    for (;;) {
      const frame = this.#neighbours.takeWaiting(neighbour);
      if (frame < 0) return;
      this.#address(frame, neighbour);
      this.nic.submit(frame, this.#neighbours.waitingLength, 0, 0);
      this.#counters.EthOutFrames++;
    }
  }

  /** Tells the neighbour cache that a transport heard from behind this next hop (RFC 4861 7.3.1). */
  confirm(nextHop: number): void {
    if (this.#linkHeader === 0) return;
    const index = this.#neighbours.lookup(nextHop);
    if (index >= 0) this.#neighbours.confirm(index);
  }

  /** Tells the neighbour cache that nothing comes back over this next hop: it is asked whether it is there. */
  suspect(nextHop: number): void {
    if (this.#linkHeader === 0) return;
    const index = this.#neighbours.lookup(nextHop);
    if (index >= 0) this.#neighbours.suspect(index);
  }

  #toNeighbour(
    frame: number,
    length: number,
    nextHop: number,
    checksumStart: number,
    checksumOffset: number,
  ): number {
    const neighbour = this.#neighbours.lookup(nextHop);
    if (neighbour >= 0) {
      this.#address(frame, neighbour);
      this.nic.submit(frame, length, checksumStart, checksumOffset);
      this.#counters.EthOutFrames++;
      return 0;
    }
    if (neighbour === UNREACHABLE) {
      this.#counters.ArpFailed++;
      this.nic.release(frame);
      return -EHOSTUNREACH;
    }
    // A waiting frame forgets what the device was to do, so its checksum is completed here.
    if (checksumStart > 0) {
      const sum = checksum.sum(this.nic.view, frame + checksumStart, length - checksumStart, 0);
      this.nic.view.setUint16(frame + checksumStart + checksumOffset, checksum.finish(sum));
    }
    if (!this.#neighbours.enqueue(nextHop, frame, length)) {
      this.#counters.ArpQueueDrops++;
      this.nic.release(frame);
    }
    return 0;
  }

  #address(frame: number, neighbour: number): void {
    writeEthernet(
      this.nic.view,
      frame,
      this.#neighbours.macHigh(neighbour),
      this.#neighbours.macLow(neighbour),
      this.#macHigh,
      this.#macLow,
      ETHERTYPE_IPV4,
    );
  }
}
