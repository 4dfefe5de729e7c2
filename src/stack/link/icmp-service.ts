// ICMP (RFC 792, RFC 1122 3.2.2): answers echo requests, sends echo requests for `ping`, sends unreachable messages within a
// rate limit, and hands errors about TCP to whoever asked for them.

import type { Nic } from '../../nic/nic.js';
import type { Clock, Micros } from '../clock.js';
import type { StackConfig } from '../config.js';
import type { Counters } from '../counters.js';
import { EMSGSIZE, ENOBUFS } from '../errors.js';
import type { Address, Endpoint } from '../wire/address.js';
import {
  ICMP_BAD_CHECKSUM,
  ICMP_ECHO,
  ICMP_ECHO_REPLY,
  ICMP_HEADER,
  ICMP_OK,
  ICMP_TIME_EXCEEDED,
  ICMP_UNREACHABLE,
  IcmpMessage,
  parseIcmp,
  writeIcmpEcho,
  writeIcmpEchoReply,
  writeIcmpError,
} from '../wire/icmp.js';
import { IPV4_HEADER, type Ipv4Header, PROTOCOL_ICMP, PROTOCOL_TCP } from '../wire/ipv4.js';
import type { IpOutput } from './ip-output.js';

/** What the transport does with an error: a quoted segment of ours from `local` to `remote` (RFC 5461, RFC 5927). */
export type TcpErrorHandler = (
  local: Endpoint,
  remote: Endpoint,
  seq: number,
  type: number,
  code: number,
  mtu: number,
) => void;

/** An answer to `sendEcho`: the sender, and identifier, sequence number, payload length in bytes and TTL as received. */
export type EchoReplyHandler = (
  from: Address,
  id: number,
  sequence: number,
  length: number,
  ttl: number,
) => void;

/** An ICMP error about an echo request of ours: who sent it, and the request's identifier and sequence number. */
export type EchoErrorHandler = (from: Address, id: number, sequence: number) => void;

export class IcmpService {
  onEchoReply: EchoReplyHandler | undefined = undefined;
  onEchoError: EchoErrorHandler | undefined = undefined;
  /** A neighbour did not answer, and what waited for it was dropped. */
  onHostUnreachable: ((address: Address) => void) | undefined = undefined;
  onTcpError: TcpErrorHandler | undefined = undefined;
  readonly #nic: Nic;
  readonly #clock: Clock;
  readonly #config: StackConfig;
  readonly #counters: Counters;
  readonly #output: IpOutput;
  readonly #message = new IcmpMessage();
  #lastErrorAt: Micros = Number.NEGATIVE_INFINITY;

  constructor(nic: Nic, clock: Clock, config: StackConfig, counters: Counters, output: IpOutput) {
    this.#nic = nic;
    this.#clock = clock;
    this.#config = config;
    this.#counters = counters;
    this.#output = output;
  }

  /**
   * Takes the ICMP message of a packet to one of our unicast addresses.
   * @returns whether all is done; false for an answer to an echo request, or an error about one, that another core may have sent
   */
  input(ip: Ipv4Header): boolean {
    const message = this.#message;
    const counters = this.#counters;
    counters.IcmpInMsgs++;
    const reason = parseIcmp(this.#nic.view, ip.payloadOffset, ip.payloadLength, message);
    if (reason !== ICMP_OK) {
      if (reason === ICMP_BAD_CHECKSUM) counters.IcmpInCsumErrors++;
      else counters.IcmpInErrors++;
      return true;
    }
    switch (message.type) {
      case ICMP_ECHO:
        counters.IcmpInEchos++;
        if (this.#config.echoIgnoreAll === 0) this.#reply(ip);
        return true;
      case ICMP_ECHO_REPLY:
        counters.IcmpInEchoReps++;
        this.onEchoReply?.(ip.src, message.id, message.sequence, message.payloadLength, ip.ttl);
        return false;
      case ICMP_UNREACHABLE:
        counters.IcmpInDestUnreachs++;
        return this.#error(ip);
      case ICMP_TIME_EXCEEDED:
        counters.IcmpInTimeExcds++;
        return this.#error(ip);
      default:
        // Source quench among them (RFC 6633, RFC 9293 MUST-55).
        counters.IcmpInUnknownTypes++;
        return true;
    }
  }

  /**
   * Sends an echo request with `payloadLength` bytes of data, which count up from 0.
   * @returns 0, -ENETUNREACH without a route, -EHOSTUNREACH when the next hop has just failed to answer, -EMSGSIZE when it
   * would not fit the MTU, -ENOBUFS when no frame is free.
   */
  sendEcho(dst: Address, id: number, sequence: number, payloadLength: number): number {
    const output = this.#output;
    if (IPV4_HEADER + ICMP_HEADER + payloadLength > this.#output.mtu) return -EMSGSIZE;
    const result = output.route(dst);
    if (result < 0) return result;
    const frame = output.reserve();
    if (frame < 0) return -ENOBUFS;
    const at = frame + output.headroom;
    for (let i = 0; i < payloadLength; i++) this.#nic.memory[at + ICMP_HEADER + i] = i & 255;
    const length = writeIcmpEcho(this.#nic.view, at, ICMP_ECHO, id, sequence, payloadLength);
    this.#counters.IcmpOutMsgs++;
    return output.send(frame, output.nextHop, output.source, dst.w3, PROTOCOL_ICMP, length, -1, 0);
  }

  /** Answers a received packet with "destination unreachable"; `offset` and `length` are the packet's. */
  sendUnreachable(ip: Ipv4Header, offset: number, length: number, code: number): void {
    const limit = this.#config.icmpRatelimitUs;
    if (this.#clock.now - this.#lastErrorAt < limit) {
      this.#counters.IcmpOutRateLimited++;
      return;
    }
    const output = this.#output;
    if (output.route(ip.src) < 0) return;
    const frame = output.reserve();
    if (frame < 0) return;
    this.#lastErrorAt = this.#clock.now;
    const nic = this.#nic;
    const at = frame + output.headroom;
    const size = writeIcmpError(nic.view, at, ICMP_UNREACHABLE, code, 0, offset, length);
    this.#counters.IcmpOutMsgs++;
    this.#counters.IcmpOutDestUnreachs++;
    output.send(frame, output.nextHop, ip.dst.w3, ip.src.w3, PROTOCOL_ICMP, size, -1, 0);
  }

  #reply(ip: Ipv4Header): void {
    const output = this.#output;
    // A reply longer than the MTU would have to be fragmented, which this stack does not do.
    if (IPV4_HEADER + ip.payloadLength > this.#output.mtu || output.route(ip.src) < 0) return;
    const frame = output.reserve();
    if (frame < 0) return;
    const nic = this.#nic;
    const at = frame + output.headroom;
    const length = writeIcmpEchoReply(nic.view, at, ip.payloadOffset, ip.payloadLength);
    this.#counters.IcmpOutMsgs++;
    this.#counters.IcmpOutEchoReps++;
    output.send(frame, output.nextHop, ip.dst.w3, ip.src.w3, PROTOCOL_ICMP, length, -1, 0);
  }

  /** Returns as `input`. Whose an error about TCP is, its handler finds out. */
  #error(ip: Ipv4Header): boolean {
    const message = this.#message;
    if (!message.quoted) {
      this.#counters.IcmpInErrors++;
      return true;
    }
    if (message.quotedProtocol === PROTOCOL_TCP) {
      const { quotedSrc, quotedDst, quotedSeq, type, code, mtu } = message;
      this.onTcpError?.(quotedSrc, quotedDst, quotedSeq, type, code, mtu);
    } else if (message.quotedProtocol === PROTOCOL_ICMP) {
      // The second word of the quoted message is what TCP has as its sequence number.
      this.onEchoError?.(ip.src, message.quotedSeq >>> 16, message.quotedSeq & 0xffff);
      return false;
    } else {
      this.#counters.TcpExtOutOfWindowIcmps++;
    }
    return true;
  }
}
