// ARP on the wire (RFC 826): answers requests for the stack's own addresses, learns from what it hears, sends the requests that
// the neighbour cache asks for, and gives up the packets of neighbours that do not answer.

import type { Nic } from '../../nic/nic.js';
import type { Counters } from '../counters.js';
import { ARP_LENGTH, ARP_REPLY, ARP_REQUEST, ArpPacket, parseArp, writeArp } from '../wire/arp.js';
import { ETHERNET_HEADER, ETHERTYPE_ARP, macHigh, macLow, writeEthernet } from '../wire/ethernet.js';
import type { IpOutput } from './ip-output.js';
import type { LocalAddresses } from './local-addresses.js';
import { type Neighbours, NONE } from './neighbours.js';

export class ArpService {
  readonly #nic: Nic;
  readonly #counters: Counters;
  readonly #neighbours: Neighbours;
  readonly #local: LocalAddresses;
  readonly #output: IpOutput;
  readonly #macHigh: number;
  readonly #macLow: number;
  readonly #packet = new ArpPacket();

  constructor(
    nic: Nic,
    counters: Counters,
    neighbours: Neighbours,
    local: LocalAddresses,
    output: IpOutput,
    mac: Uint8Array,
  ) {
    this.#nic = nic;
    this.#counters = counters;
    this.#neighbours = neighbours;
    this.#local = local;
    this.#output = output;
    const macView = new DataView(mac.buffer, mac.byteOffset, mac.byteLength);
    this.#macHigh = macHigh(macView, 0);
    this.#macLow = macLow(macView, 0);
  }

  /** Takes the ARP packet of `length` bytes at `offset`, behind the Ethernet header; answers it if `isOurs`. */
  input(offset: number, length: number, isOurs: boolean): void {
    const packet = this.#packet;
    if (!parseArp(this.#nic.view, offset, length, packet)) {
      this.#counters.ArpInErrors++;
      return;
    }
    this.#counters.ArpInPackets++;
    // Our own address from elsewhere is a conflict (RFC 5227 2.4): nothing is learned from it.
    if (this.#local.hasWord(packet.senderIp)) return;
    const forUs = this.#local.hasWord(packet.targetIp);
    const neighbour = this.#neighbours.onArp(
      packet.senderIp,
      packet.senderHigh,
      packet.senderLow,
      packet.operation,
      forUs,
    );
    if (neighbour >= 0) this.#output.drain(neighbour);
    if (packet.operation === ARP_REQUEST && forUs && isOurs) {
      this.#counters.ArpOutReplies++;
      this.#send(
        ARP_REPLY,
        packet.senderHigh,
        packet.senderLow,
        packet.targetIp,
        packet.senderHigh,
        packet.senderLow,
        packet.senderIp,
      );
    }
  }

  /** Sends the requests that are due. */
  output(): void {
    for (;;) {
      const target = this.#neighbours.nextRequest();
      if (target === NONE) return;
      this.#counters.ArpOutRequests++;
      const source = this.#local.sourceFor(target);
      this.#send(
        ARP_REQUEST,
        this.#neighbours.requestHigh,
        this.#neighbours.requestLow,
        source,
        0,
        0,
        target,
      );
    }
  }

  /**
   * Returns the next neighbour that the cache has given up, its waiting frames released, or NONE. To be
   * called until it returns NONE.
   */
  nextFailed(): number {
    const failed = this.#neighbours.nextFailed();
    if (failed === NONE) return NONE;
    const index = this.#neighbours.actionIndex;
    for (;;) {
      const frame = this.#neighbours.takeWaiting(index);
      if (frame < 0) return failed;
      this.#counters.ArpFailed++;
      this.#nic.release(frame);
    }
  }

  /** Announces an address of the stack to the link (RFC 5227 3). */
  announce(word: number): void {
    this.#counters.ArpOutRequests++;
    this.#send(ARP_REQUEST, 0xffff, -1, word, 0, 0, word);
  }

  #send(
    operation: number,
    dstHigh: number,
    dstLow: number,
    senderIp: number,
    targetHigh: number,
    targetLow: number,
    targetIp: number,
  ): void {
    const frame = this.#output.reserve();
    if (frame < 0) return;
    const view = this.#nic.view;
    writeEthernet(view, frame, dstHigh, dstLow, this.#macHigh, this.#macLow, ETHERTYPE_ARP);
    writeArp(
      view,
      frame + ETHERNET_HEADER,
      operation,
      this.#macHigh,
      this.#macLow,
      senderIp,
      targetHigh,
      targetLow,
      targetIp,
    );
    this.#nic.submit(frame, ETHERNET_HEADER + ARP_LENGTH, 0, 0);
    this.#counters.EthOutFrames++;
  }
}
