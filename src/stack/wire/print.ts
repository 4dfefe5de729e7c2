// One line of text per packet, close to what tcpdump prints, for traces and for the messages of failing tests. It reads whatever
// bytes there are and never throws. Differences from tcpdump: sequence numbers are absolute and both ends of the range always
// stand there, also for a segment without data.

import { Address, formatAddress, formatMac, formatV4 } from './address.js';
import { ARP_LENGTH, ARP_REPLY, ARP_REQUEST, ArpPacket, parseArp } from './arp.js';
import { add, finish, pseudoHeaderSum, sum } from './checksum.js';
import {
  ETHERNET_HEADER,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  ETHERTYPE_VLAN,
} from './ethernet.js';
import * as icmp from './icmp.js';
import { IPV4_HEADER, PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP } from './ipv4.js';
import { ACK, TCP_CHECKSUM_OFFSET, TCP_HEADER, URG } from './tcp-header.js';
import * as opt from './tcp-options.js';

const IPV6_HEADER = 40;
const FLAG_LETTERS = 'FSRP.UEWe';
const TRUNCATED = '[truncated]';

/** What `formatPacket` also does. */
export interface PrintOptions {
  /** Adds a remark where the checksum of IPv4, TCP or ICMP is wrong. Off by default, as offloads leave checksums undone. */
  checksums?: boolean;
}

/** Describes a packet in one line without a line feed. */
export function formatPacket(
  bytes: Uint8Array,
  linkType: 'ethernet' | 'ip',
  options: PrintOptions = {},
): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return linkType === 'ethernet' ? formatFrame(view, options) : formatIp(view, 0, options);
}

function formatFrame(view: DataView, options: PrintOptions): string {
  if (view.byteLength < ETHERNET_HEADER) return `Ethernet ${TRUNCATED}, length ${view.byteLength}`;
  let at = ETHERNET_HEADER;
  let type = view.getUint16(12);
  let prefix = '';
  while (type === ETHERTYPE_VLAN && at + 4 <= view.byteLength) {
    prefix += `vlan ${view.getUint16(at) & 0xfff}, `;
    type = view.getUint16(at + 2);
    at += 4;
  }
  if (type === ETHERTYPE_IPV4 || type === ETHERTYPE_IPV6) return prefix + formatIp(view, at, options);
  if (type === ETHERTYPE_ARP) return prefix + formatArp(view, at);
  const mac = (offset: number): string => formatMac(new Uint8Array(view.buffer, view.byteOffset + offset, 6));
  return `${prefix}${mac(6)} > ${mac(0)}, ethertype 0x${hex(type, 4)}, length ${view.byteLength}`;
}

function formatArp(view: DataView, at: number): string {
  const length = view.byteLength - at;
  const packet = new ArpPacket();
  if (length < ARP_LENGTH) return `ARP, ${TRUNCATED}, length ${length}`;
  if (!parseArp(view, at, length, packet)) return `ARP, not IPv4 over Ethernet, length ${length}`;
  const macAt = (offset: number): string =>
    formatMac(new Uint8Array(view.buffer, view.byteOffset + at + offset, 6));
  const sender = formatV4(packet.senderIp);
  const target = formatV4(packet.targetIp);
  if (packet.operation === ARP_REPLY) return `ARP, Reply ${sender} is-at ${macAt(8)}, length ${length}`;
  if (packet.operation !== ARP_REQUEST) return `ARP, operation ${packet.operation}, length ${length}`;
  const asked = packet.targetHigh === 0 && packet.targetLow === 0 ? '' : ` (${macAt(18)})`;
  return `ARP, Request who-has ${target}${asked} tell ${sender}, length ${length}`;
}

/** What the printers of the transports need of an IP packet. */
interface Layer {
  src: Address;
  dst: Address;
  protocol: number;
  /** Where the transport header begins. */
  at: number;
  /** Bytes of transport by the IP header. */
  length: number;
  /** Where the captured bytes of this packet end. */
  end: number;
}

function formatIp(view: DataView, at: number, options: PrintOptions): string {
  if (at >= view.byteLength) return `IP ${TRUNCATED}`;
  const version = view.getUint8(at) >>> 4;
  if (version === 6) return formatIpv6(view, at, options);
  if (version !== 4) return `IP version ${version}, length ${view.byteLength - at}`;
  if (view.byteLength - at < IPV4_HEADER) return `IP ${TRUNCATED}, length ${view.byteLength - at}`;
  const headerLength = (view.getUint8(at) & 15) * 4;
  const totalLength = view.getUint16(at + 2);
  const layer: Layer = {
    src: new Address().setV4(view.getInt32(at + 12)),
    dst: new Address().setV4(view.getInt32(at + 16)),
    protocol: view.getUint8(at + 9),
    at: at + headerLength,
    length: totalLength - headerLength,
    end: Math.min(view.byteLength, at + totalLength),
  };
  const hosts = `IP ${formatAddress(layer.src)} > ${formatAddress(layer.dst)}:`;
  if (headerLength < IPV4_HEADER || totalLength < headerLength) {
    return `${hosts} bad header (header length ${headerLength}, total length ${totalLength})`;
  }
  if (layer.at > view.byteLength) return `${hosts} ${TRUNCATED}`;
  const note =
    options.checksums && sum(view, at, headerLength) !== 0xffff
      ? ` [bad ip cksum ${cksum(view, at + 10)}]`
      : '';
  const fragment = view.getUint16(at + 6);
  const fragmentOffset = (fragment & 0x1fff) * 8;
  const more = (fragment & 0x2000) !== 0;
  if (fragmentOffset > 0 || more) {
    const position = `frag id ${view.getUint16(at + 4)}, offset ${fragmentOffset}${more ? ', more' : ''}`;
    return `${hosts} ${protocolName(layer.protocol)} (${position}), length ${layer.length}${note}`;
  }
  return formatTransport(view, layer, 'IP', options) + note;
}

function formatIpv6(view: DataView, at: number, options: PrintOptions): string {
  if (view.byteLength - at < IPV6_HEADER) return `IP6 ${TRUNCATED}, length ${view.byteLength - at}`;
  const length = view.getUint16(at + 4);
  const layer: Layer = {
    src: readV6(view, at + 8),
    dst: readV6(view, at + 24),
    protocol: view.getUint8(at + 6),
    at: at + IPV6_HEADER,
    length,
    end: Math.min(view.byteLength, at + IPV6_HEADER + length),
  };
  return formatTransport(view, layer, 'IP6', options);
}

function readV6(view: DataView, at: number): Address {
  const address = new Address();
  address.w0 = view.getInt32(at);
  address.w1 = view.getInt32(at + 4);
  address.w2 = view.getInt32(at + 8);
  address.w3 = view.getInt32(at + 12);
  return address;
}

function formatTransport(view: DataView, layer: Layer, family: string, options: PrintOptions): string {
  const src = formatAddress(layer.src);
  const dst = formatAddress(layer.dst);
  const hosts = `${family} ${src} > ${dst}:`;
  const cut = layer.at + layer.length > layer.end;
  const tail = cut ? ` ${TRUNCATED}` : '';
  if (layer.protocol === PROTOCOL_TCP) return formatTcp(view, layer, family, options, cut) + tail;
  if (layer.protocol === PROTOCOL_ICMP && family === 'IP') {
    return `${hosts} ${formatIcmp(view, layer, options, cut)}${tail}`;
  }
  if (layer.protocol === PROTOCOL_UDP && layer.end - layer.at >= 8) {
    const ports = `${src}.${view.getUint16(layer.at)} > ${dst}.${view.getUint16(layer.at + 2)}`;
    return `${family} ${ports}: UDP, length ${layer.length - 8}${tail}`;
  }
  return `${hosts} ${protocolName(layer.protocol)}, length ${layer.length}${tail}`;
}

function formatTcp(
  view: DataView,
  layer: Layer,
  family: string,
  options: PrintOptions,
  cut: boolean,
): string {
  const { at, end } = layer;
  const src = formatAddress(layer.src);
  const dst = formatAddress(layer.dst);
  if (end - at < TCP_HEADER)
    return `${family} ${src} > ${dst}: tcp, length ${layer.length}${cut ? '' : ` ${TRUNCATED}`}`;
  const word = view.getUint16(at + 12);
  const flags = word & 0x1ff;
  const headerLength = (word >>> 12) * 4;
  const seq = view.getUint32(at + 4);
  let line = `${family} ${src}.${view.getUint16(at)} > ${dst}.${view.getUint16(at + 2)}: Flags [${flagLetters(flags)}]`;
  if (headerLength < TCP_HEADER || headerLength > layer.length) {
    return `${line}, bad header length ${headerLength}, length ${layer.length}`;
  }
  const length = layer.length - headerLength;
  line += `, seq ${seq}:${(seq + length) >>> 0}`;
  if (flags & ACK) line += `, ack ${view.getUint32(at + 8)}`;
  line += `, win ${view.getUint16(at + 14)}`;
  if (flags & URG) line += `, urg ${view.getUint16(at + 18)}`;
  if (headerLength > TCP_HEADER) {
    const texts = formatOptions(view, at + TCP_HEADER, Math.min(at + headerLength, end));
    line += `, options [${texts.join(',')}]`;
  }
  return `${line}, length ${length}${options.checksums && !cut ? tcpChecksumNote(view, layer) : ''}`;
}

function tcpChecksumNote(view: DataView, layer: Layer): string {
  const pseudo = pseudoHeaderSum(layer.src, layer.dst, PROTOCOL_TCP, layer.length);
  if (sum(view, layer.at, layer.length, pseudo) === 0xffff) return '';
  const field = view.getUint16(layer.at + TCP_CHECKSUM_OFFSET);
  if (field === pseudo) return ' [partial tcp cksum]';
  // What the field adds to the sum is taken out by adding its complement.
  const right = finish(add(sum(view, layer.at, layer.length, pseudo), finish(field)));
  return ` [bad tcp cksum 0x${hex(field, 4)}, should be 0x${hex(right, 4)}]`;
}

function flagLetters(flags: number): string {
  let letters = '';
  for (let bit = 0; bit < FLAG_LETTERS.length; bit++) if (flags & (1 << bit)) letters += FLAG_LETTERS[bit];
  return letters === '' ? 'none' : letters;
}

/** One text per option, in wire order. */
function formatOptions(view: DataView, offset: number, end: number): string[] {
  const texts: string[] = [];
  let at = offset;
  while (at < end) {
    const kind = view.getUint8(at);
    if (kind === opt.TCPOPT_EOL) {
      texts.push('eol');
      return texts;
    }
    if (kind === opt.TCPOPT_NOP) {
      texts.push('nop');
      at++;
      continue;
    }
    const size = at + 1 < end ? view.getUint8(at + 1) : 0;
    if (size < 2 || at + size > end) {
      texts.push(`[bad opt ${kind}]`);
      return texts;
    }
    texts.push(formatOption(view, at, kind, size));
    at += size;
  }
  return texts;
}

function formatOption(view: DataView, at: number, kind: number, size: number): string {
  if (kind === opt.TCPOPT_MSS && size === 4) return `mss ${view.getUint16(at + 2)}`;
  if (kind === opt.TCPOPT_WSCALE && size === 3) return `wscale ${view.getUint8(at + 2)}`;
  if (kind === opt.TCPOPT_SACK_PERMITTED && size === 2) return 'sackOK';
  if (kind === opt.TCPOPT_SACK && size >= 10 && size % 8 === 2) return formatSack(view, at, size);
  if (kind === opt.TCPOPT_TIMESTAMPS && size === 10) {
    return `TS val ${view.getUint32(at + 2)} ecr ${view.getUint32(at + 6)}`;
  }
  if (kind === opt.TCPOPT_MD5 && size === 18) return `md5 ${hexBytes(view, at + 2, at + size)}`;
  if (kind === opt.TCPOPT_AO && size >= 4) {
    const keys = `keyid ${view.getUint8(at + 2)} rnextkeyid ${view.getUint8(at + 3)}`;
    return `tcp-ao ${keys} mac 0x${hexBytes(view, at + 4, at + size)}`;
  }
  if (kind === opt.TCPOPT_USER_TIMEOUT && size === 4) {
    const value = view.getUint16(at + 2);
    return `uto ${value & 0x7fff}${value & 0x8000 ? 'm' : 's'}`;
  }
  if (kind === opt.TCPOPT_FAST_OPEN) return `tfo ${cookie(view, at + 2, at + size)}`;
  if (kind === opt.TCPOPT_ACCECN0) return `accecn0 0x${hexBytes(view, at + 2, at + size)}`;
  if (kind === opt.TCPOPT_ACCECN1) return `accecn1 0x${hexBytes(view, at + 2, at + size)}`;
  if (kind === opt.TCPOPT_EXPERIMENT && size >= 4 && view.getUint16(at + 2) === opt.FAST_OPEN_MAGIC) {
    return `exp-tfo ${cookie(view, at + 4, at + size)}`;
  }
  return size === 2 ? `unknown-${kind}` : `unknown-${kind} 0x${hexBytes(view, at + 2, at + size)}`;
}

function formatSack(view: DataView, at: number, size: number): string {
  let text = `sack ${(size - 2) / 8} `;
  for (let i = at + 2; i < at + size; i += 8) text += `{${view.getUint32(i)}:${view.getUint32(i + 4)}}`;
  return text;
}

function cookie(view: DataView, from: number, to: number): string {
  return from === to ? 'cookiereq' : `cookie ${hexBytes(view, from, to)}`;
}

function formatIcmp(view: DataView, layer: Layer, options: PrintOptions, cut: boolean): string {
  const { at, end } = layer;
  const length = `length ${layer.length}`;
  if (end - at < icmp.ICMP_HEADER) return `ICMP, ${length}${cut ? '' : ` ${TRUNCATED}`}`;
  const bad = options.checksums && !cut && sum(view, at, layer.length) !== 0xffff;
  const note = bad ? ` [bad icmp cksum ${cksum(view, at + 2)}]` : '';
  const type = view.getUint8(at);
  const code = view.getUint8(at + 1);
  if (type === icmp.ICMP_ECHO || type === icmp.ICMP_ECHO_REPLY) {
    const kind = type === icmp.ICMP_ECHO ? 'request' : 'reply';
    return `ICMP echo ${kind}, id ${view.getUint16(at + 4)}, seq ${view.getUint16(at + 6)}, ${length}${note}`;
  }
  if (type === icmp.ICMP_TIME_EXCEEDED) {
    const what = code === 0 ? 'time exceeded in-transit' : 'ip reassembly time exceeded';
    return `ICMP ${what}, ${length}${note}`;
  }
  if (type === icmp.ICMP_UNREACHABLE && end - at >= icmp.ICMP_HEADER + IPV4_HEADER) {
    return `ICMP ${formatUnreachable(view, at, end, code)}, ${length}${note}`;
  }
  return `ICMP type ${type} code ${code}, ${length}${note}`;
}

function formatUnreachable(view: DataView, at: number, end: number, code: number): string {
  const quote = at + icmp.ICMP_HEADER;
  const dst = formatV4(view.getInt32(quote + 16));
  const protocol = view.getUint8(quote + 9);
  switch (code) {
    case icmp.ICMP_NET_UNREACHABLE:
      return `net ${dst} unreachable`;
    case icmp.ICMP_HOST_UNREACHABLE:
      return `host ${dst} unreachable`;
    case icmp.ICMP_PROTOCOL_UNREACHABLE:
      return `${dst} protocol ${protocol} unreachable`;
    case icmp.ICMP_PORT_UNREACHABLE: {
      const transport = quote + (view.getUint8(quote) & 15) * 4;
      const port = transport + 4 <= end ? ` ${view.getUint16(transport + 2)}` : '';
      return `${dst} ${protocolName(protocol)} port${port} unreachable`;
    }
    case icmp.ICMP_FRAGMENTATION_NEEDED:
      return `${dst} unreachable - need to frag (mtu ${view.getUint16(at + 6)})`;
    case icmp.ICMP_ADMIN_PROHIBITED:
      return `host ${dst} unreachable - admin prohibited filter`;
    default:
      return `${dst} unreachable - code ${code}`;
  }
}

function protocolName(protocol: number): string {
  if (protocol === PROTOCOL_TCP) return 'tcp';
  if (protocol === PROTOCOL_UDP) return 'udp';
  return protocol === PROTOCOL_ICMP ? 'icmp' : `ip-proto-${protocol}`;
}

function cksum(view: DataView, at: number): string {
  return `0x${hex(view.getUint16(at), 4)}`;
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}

function hexBytes(view: DataView, from: number, to: number): string {
  let text = '';
  for (let at = from; at < to; at++) text += hex(view.getUint8(at), 2);
  return text;
}
