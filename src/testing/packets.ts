// Packets for scripts: built from a few named fields with right lengths and checksums, and taken apart again. Allocation does
// not matter here; layouts are the wire code's own (src/stack/wire).

import { Address, formatAddress, formatMac, parseAddress, parseMac } from '../stack/wire/address.js';
import { ARP_LENGTH, ArpPacket, parseArp, writeArp } from '../stack/wire/arp.js';
import { finish, pseudoHeaderSum, sum } from '../stack/wire/checksum.js';
import {
  ETHERNET_HEADER,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  etherType,
  macHigh,
  macLow,
  writeEthernet,
} from '../stack/wire/ethernet.js';
import { IPV4_HEADER, Ipv4Header, parseIpv4, writeIpv4 } from '../stack/wire/ipv4.js';
import {
  parseTcp,
  Segment,
  TCP_CHECKSUM_OFFSET,
  TCP_HEADER,
  writeTcpHeader,
} from '../stack/wire/tcp-header.js';
import {
  sackBlocksLength,
  synOptionsLength,
  TIMESTAMPS_LENGTH,
  writeSackBlocks,
  writeSynOptions,
  writeTimestamps,
} from '../stack/wire/tcp-options.js';

/** `S`, `.` and so on as tcpdump prints them, in the order of their bits from FIN on. */
const FLAG_LETTERS = 'FSRP.UEW';

/** TCP options by name; they are laid out as Linux lays them out. */
export interface TcpOptionFields {
  mss?: number;
  wscale?: number;
  sackPermitted?: boolean;
  /** TSval and TSecr. */
  timestamps?: readonly [tsVal: number, tsEcr: number];
  /** Left and right edges. */
  sack?: readonly (readonly [left: number, right: number])[];
}

/** A TCP segment to build. Addresses and ports are needed, the rest is 0 or empty unless given. */
export interface TcpFields {
  src: string;
  dst: string;
  srcPort: number;
  dstPort: number;
  seq?: number;
  ack?: number;
  /** Letters as tcpdump prints them, such as `S.` or `FP.`, or the bits. Default `.` (ACK). */
  flags?: string | number;
  /** The window field as it stands on the wire. Default 65535. */
  wnd?: number;
  urgent?: number;
  /** By name, or the raw bytes, which are padded with zeros to a multiple of 4. */
  options?: TcpOptionFields | Uint8Array;
  payload?: Uint8Array | string;
  ttl?: number;
  tos?: number;
  id?: number;
}

/** Builds an IPv4 packet with a TCP segment; its checksums are right. @throws RangeError for an address that is none */
export function buildTcp(fields: TcpFields): Uint8Array {
  const options = optionBytes(fields);
  const payload =
    typeof fields.payload === 'string' ? new TextEncoder().encode(fields.payload) : fields.payload;
  const headerLength = TCP_HEADER + options.length;
  const length = headerLength + (payload?.length ?? 0);
  const segment = new Uint8Array(length);
  const view = viewOf(segment);
  const { srcPort, dstPort, seq = 0, ack = 0, wnd = 65_535, urgent = 0 } = fields;
  writeTcpHeader(
    view,
    0,
    srcPort,
    dstPort,
    seq,
    ack,
    headerLength,
    flagBits(fields.flags ?? '.'),
    wnd,
    urgent,
  );
  segment.set(options, TCP_HEADER);
  if (payload !== undefined) segment.set(payload, headerLength);
  const partial = pseudoHeaderSum(addressOf(fields.src), addressOf(fields.dst), 6, length);
  view.setUint16(TCP_CHECKSUM_OFFSET, finish(sum(view, 0, length, partial)));
  return buildIpv4({ ...fields, protocol: 6, payload: segment });
}

/** An IPv4 packet to build. */
export interface Ipv4Fields {
  src: string;
  dst: string;
  protocol: number;
  payload?: Uint8Array;
  /** Default 64. */
  ttl?: number;
  tos?: number;
  id?: number;
}

/** Builds an IPv4 packet around a payload. @throws RangeError for an address that is none */
export function buildIpv4(fields: Ipv4Fields): Uint8Array {
  const payload = fields.payload ?? new Uint8Array(0);
  const packet = new Uint8Array(IPV4_HEADER + payload.length);
  const src = addressOf(fields.src).w3;
  const dst = addressOf(fields.dst).w3;
  const { protocol, ttl = 64, tos = 0, id = 0 } = fields;
  writeIpv4(viewOf(packet), 0, packet.length, protocol, src, dst, ttl, tos, id, true);
  packet.set(payload, IPV4_HEADER);
  return packet;
}

/** Puts an Ethernet header in front of a packet. @throws RangeError for a MAC address that is none */
export function buildEthernet(
  dst: string,
  src: string,
  packet: Uint8Array,
  type = ETHERTYPE_IPV4,
): Uint8Array {
  const frame = new Uint8Array(ETHERNET_HEADER + packet.length);
  const to = viewOf(macOf(dst));
  const from = viewOf(macOf(src));
  writeEthernet(viewOf(frame), 0, macHigh(to, 0), macLow(to, 0), macHigh(from, 0), macLow(from, 0), type);
  frame.set(packet, ETHERNET_HEADER);
  return frame;
}

/** An ARP packet to build. */
export interface ArpFields {
  /** 1 request, 2 reply. */
  operation: number;
  senderMac: string;
  senderIp: string;
  /** Default all zero. */
  targetMac?: string;
  targetIp: string;
}

/** Builds an Ethernet frame with an ARP packet: a request goes to everybody, a reply to its target. */
export function buildArp(fields: ArpFields): Uint8Array {
  const packet = new Uint8Array(ARP_LENGTH);
  const sender = viewOf(macOf(fields.senderMac));
  const targetMac = fields.targetMac ?? '00:00:00:00:00:00';
  const target = viewOf(macOf(targetMac));
  writeArp(
    viewOf(packet),
    0,
    fields.operation,
    macHigh(sender, 0),
    macLow(sender, 0),
    addressOf(fields.senderIp).w3,
    macHigh(target, 0),
    macLow(target, 0),
    addressOf(fields.targetIp).w3,
  );
  const destination = fields.operation === 1 ? 'ff:ff:ff:ff:ff:ff' : targetMac;
  return buildEthernet(destination, fields.senderMac, packet, ETHERTYPE_ARP);
}

/** A packet taken apart; what it does not have is undefined. */
export interface ParsedPacket {
  ethernet?: { dst: string; src: string; type: number };
  arp?: { operation: number; senderMac: string; senderIp: string; targetMac: string; targetIp: string };
  ip?: {
    src: string;
    dst: string;
    protocol: number;
    ttl: number;
    tos: number;
    id: number;
    totalLength: number;
  };
  tcp?: {
    srcPort: number;
    dstPort: number;
    /** Unsigned, as on the wire. */
    seq: number;
    ack: number;
    /** Letters as tcpdump prints them. */
    flags: string;
    wnd: number;
    urgent: number;
    options: TcpOptionFields;
    /** The raw option bytes. */
    optionBytes: Uint8Array;
    checksumOk: boolean;
  };
  /** What the innermost layer known here carries. */
  payload: Uint8Array;
}

/** Takes a packet apart. Layers that are malformed or unknown remain in `payload`. */
export function parsePacket(bytes: Uint8Array, linkType: 'ethernet' | 'ip' = 'ip'): ParsedPacket {
  const view = viewOf(bytes);
  const parsed: ParsedPacket = { payload: bytes };
  let at = 0;
  if (linkType === 'ethernet') {
    if (bytes.length < ETHERNET_HEADER) return parsed;
    const type = etherType(view, 0);
    parsed.ethernet = { dst: formatMac(bytes.subarray(0, 6)), src: formatMac(bytes.subarray(6, 12)), type };
    at = ETHERNET_HEADER;
    parsed.payload = bytes.subarray(at);
    if (type === ETHERTYPE_ARP) parseArpInto(view, at, bytes, parsed);
    if (type !== ETHERTYPE_IPV4) return parsed;
  }
  const header = new Ipv4Header();
  if (parseIpv4(view, at, bytes.length - at, header) !== 0) return parsed;
  const { protocol, ttl, tos, id, totalLength, payloadOffset, payloadLength } = header;
  const src = formatAddress(header.src);
  const dst = formatAddress(header.dst);
  parsed.ip = { src, dst, protocol, ttl, tos, id, totalLength };
  parsed.payload = bytes.subarray(payloadOffset, payloadOffset + payloadLength);
  if (protocol === 6 && header.fragmentOffset === 0) parseTcpInto(view, header, bytes, parsed);
  return parsed;
}

function parseArpInto(view: DataView, at: number, bytes: Uint8Array, parsed: ParsedPacket): void {
  const arp = new ArpPacket();
  if (!parseArp(view, at, bytes.length - at, arp)) return;
  parsed.arp = {
    operation: arp.operation,
    senderMac: formatMac(bytes.subarray(at + 8, at + 14)),
    senderIp: formatAddress(new Address().setV4(arp.senderIp)),
    targetMac: formatMac(bytes.subarray(at + 18, at + 24)),
    targetIp: formatAddress(new Address().setV4(arp.targetIp)),
  };
  parsed.payload = bytes.subarray(at + ARP_LENGTH);
}

function parseTcpInto(view: DataView, header: Ipv4Header, bytes: Uint8Array, parsed: ParsedPacket): void {
  const { payloadOffset: at, payloadLength: length } = header;
  const seg = new Segment();
  if (parseTcp(view, at, length, seg) !== 0) return;
  const { options } = seg;
  const fields: TcpOptionFields = {};
  if (options.mss > 0) fields.mss = options.mss;
  if (options.wscale >= 0) fields.wscale = options.wscale;
  if (options.sackPermitted) fields.sackPermitted = true;
  if (options.timestamps) fields.timestamps = [options.tsVal >>> 0, options.tsEcr >>> 0];
  if (options.sackCount > 0) {
    fields.sack = Array.from({ length: options.sackCount }, (_, i) => [
      options.sackLeft[i] >>> 0,
      options.sackRight[i] >>> 0,
    ]);
  }
  parsed.tcp = {
    srcPort: seg.src.port,
    dstPort: seg.dst.port,
    seq: seg.seq >>> 0,
    ack: seg.ack >>> 0,
    flags: [...FLAG_LETTERS].filter((_, bit) => (seg.flags & (1 << bit)) !== 0).join(''),
    wnd: seg.wnd,
    urgent: seg.urgent,
    options: fields,
    optionBytes: bytes.subarray(at + TCP_HEADER, seg.dataOffset),
    checksumOk: sum(view, at, length, pseudoHeaderSum(header.src, header.dst, 6, length)) === 0xffff,
  };
  parsed.payload = bytes.subarray(seg.dataOffset, seg.dataOffset + seg.dataLength);
}

function optionBytes(fields: TcpFields): Uint8Array {
  const { options } = fields;
  if (options === undefined) return new Uint8Array(0);
  if (options instanceof Uint8Array) {
    const padded = new Uint8Array((options.length + 3) & ~3);
    padded.set(options);
    return padded;
  }
  const { mss = 0, wscale = -1, sackPermitted = false, timestamps, sack = [] } = options;
  const bytes = new Uint8Array(40);
  const view = viewOf(bytes);
  const [tsVal, tsEcr] = timestamps ?? [0, 0];
  let length = 0;
  if (synOptionsLength(mss, wscale, sackPermitted, false) > 0) {
    length = writeSynOptions(view, 0, mss, wscale, sackPermitted, timestamps !== undefined, tsVal, tsEcr);
  } else if (timestamps !== undefined) {
    length = writeTimestamps(view, 0, tsVal, tsEcr);
  }
  if (length + sackBlocksLength(sack.length) > 40) {
    throw new RangeError(
      `options: ${sack.length} SACK blocks do not fit (timestamps take ${TIMESTAMPS_LENGTH} bytes)`,
    );
  }
  const left = Int32Array.from(sack, (block) => block[0]);
  const right = Int32Array.from(sack, (block) => block[1]);
  length += writeSackBlocks(view, length, left, right, sack.length);
  return bytes.subarray(0, length);
}

function flagBits(flags: string | number): number {
  if (typeof flags === 'number') return flags;
  let bits = 0;
  for (const letter of flags) {
    const bit = FLAG_LETTERS.indexOf(letter);
    if (bit < 0) throw new RangeError(`flags: '${letter}' is none of ${FLAG_LETTERS}`);
    bits |= 1 << bit;
  }
  return bits;
}

function addressOf(text: string): Address {
  const address = parseAddress(text);
  if (address === undefined || !address.isV4) throw new RangeError(`not an IPv4 address: ${text}`);
  return address;
}

function macOf(text: string): Uint8Array {
  const mac = parseMac(text);
  if (mac === undefined) throw new RangeError(`not a MAC address: ${text}`);
  return mac;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
