// Between segments as scripts write them and bytes. Sequence numbers, timestamps and cookies are absolute here; `flow.ts` knows what
// they are relative to.

import { parseAddress } from '../../stack/wire/address.js';
import { finish, pseudoHeaderSum, sum } from '../../stack/wire/checksum.js';
import { buildIpv4, parsePacket } from '../packets.js';
import type { IcmpText, OptionText } from './script.js';

const TCP = 6;
const ICMP = 1;
const TCP_HEADER = 20;
const IPV4_HEADER = 20;
/** The ECN field by its names (RFC 3168 5). */
const ECN_NAMES = ['noecn', 'ect1', 'ect0', 'ce'];

/** Two endpoints, seen from the host under test. */
export interface Addresses {
  readonly localIp: string;
  readonly localPort: number;
  readonly remoteIp: string;
  readonly remotePort: number;
}

/** A segment with absolute numbers. */
export interface Segment {
  readonly ecn: string;
  /** TCP flags, AE (256) included. */
  readonly flags: number;
  readonly seq: number;
  readonly ack: number;
  readonly win: number;
  readonly urgent: number;
  readonly options: readonly OptionText[];
  readonly length: number;
}

/** A segment that the host has sent. */
export interface SentSegment extends Segment {
  readonly localPort: number;
  readonly remotePort: number;
}

/** Builds a segment to the host. Its payload is zeros. */
export function buildSegment(to: Addresses, segment: Segment): Uint8Array {
  const options = optionBytes(segment.options);
  const header = TCP_HEADER + options.length;
  const bytes = new Uint8Array(header + segment.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, to.remotePort);
  view.setUint16(2, to.localPort);
  view.setUint32(4, segment.seq >>> 0);
  view.setUint32(8, segment.ack >>> 0);
  view.setUint16(12, ((header / 4) << 12) | segment.flags);
  view.setUint16(14, segment.win);
  view.setUint16(18, segment.urgent);
  bytes.set(options, TCP_HEADER);
  const pseudo = pseudoHeaderSum(parseAddress(to.remoteIp)!, parseAddress(to.localIp)!, TCP, bytes.length);
  view.setUint16(16, finish(sum(view, 0, bytes.length, pseudo)));
  const tos = Math.max(0, ECN_NAMES.indexOf(segment.ecn));
  return buildIpv4({ src: to.remoteIp, dst: to.localIp, protocol: TCP, payload: bytes, tos });
}

/** Builds an ICMP error that quotes a segment of the host. */
export function buildIcmp(to: Addresses, icmp: IcmpText, seq: number): Uint8Array {
  const quoted = new Uint8Array(8);
  const quote = new DataView(quoted.buffer);
  quote.setUint16(0, to.localPort);
  quote.setUint16(2, to.remotePort);
  quote.setUint32(4, seq >>> 0);
  const packet = buildIpv4({ src: to.localIp, dst: to.remoteIp, protocol: TCP, payload: quoted });
  const message = new Uint8Array(8 + packet.length);
  const view = new DataView(message.buffer);
  view.setUint8(0, icmp.type);
  view.setUint8(1, icmp.code);
  view.setUint16(6, icmp.mtu);
  message.set(packet, 8);
  view.setUint16(2, finish(sum(view, 0, message.length, 0)));
  return buildIpv4({ src: to.remoteIp, dst: to.localIp, protocol: ICMP, payload: message });
}

/** Takes apart what the host has sent; undefined when it is not TCP. */
export function readSegment(bytes: Uint8Array): SentSegment | undefined {
  const { tcp, payload } = parsePacket(bytes, 'ip');
  if (tcp === undefined) return undefined;
  return {
    localPort: tcp.srcPort,
    remotePort: tcp.dstPort,
    ecn: ECN_NAMES[bytes[1] & 3],
    flags: ((bytes[IPV4_HEADER + 12] & 1) << 8) | bytes[IPV4_HEADER + 13],
    seq: tcp.seq,
    ack: tcp.ack,
    win: tcp.wnd,
    urgent: tcp.urgent,
    options: readOptions(tcp.optionBytes),
    length: payload.length,
  };
}

type Kind = OptionText['name'];

const KINDS: Readonly<Record<Exclude<Kind, 'eol' | 'nop' | 'ECN' | 'FOEXP'>, number>> = {
  mss: 2,
  wscale: 3,
  sackOK: 4,
  sack: 5,
  TS: 8,
  md5: 19,
  uto: 28,
  FO: 34,
};
/** Bytes of each number of an option. */
const WIDTHS: Partial<Record<Kind, number>> = { mss: 2, wscale: 1, uto: 2, ECN: 3 };
/** AccECN option 0 and 1 (RFC 9768 3.2.3), by the counter that stands first. */
const ACCECN_KINDS: Readonly<Record<string, number>> = { e0b: 172, e1b: 174 };
const ACCECN_FIELDS: Readonly<Record<number, readonly string[]>> = {
  172: ['e0b', 'ceb', 'e1b'],
  174: ['e1b', 'ceb', 'e0b'],
};
const EXPERIMENT = 254;
/** Experiment identifier of Fast Open (RFC 7413 A). */
const FAST_OPEN_ID = [0xf9, 0x89];

function optionBytes(options: readonly OptionText[]): Uint8Array {
  const bytes = options.flatMap(bytesOf);
  while (bytes.length % 4 !== 0) bytes.push(0);
  return Uint8Array.from(bytes);
}

function bytesOf({ name, values, hex = '', fields = [] }: OptionText): number[] {
  if (name === 'eol') return [0];
  if (name === 'nop') return [1];
  const width = WIDTHS[name] ?? 4;
  const body = [...numbers(values, width), ...hexBytes(hex)];
  if (name === 'FOEXP') return [EXPERIMENT, 4 + body.length, ...FAST_OPEN_ID, ...body];
  const kind = name === 'ECN' ? (ACCECN_KINDS[fields[0]] ?? 172) : KINDS[name];
  return [kind, 2 + body.length, ...body];
}

function numbers(values: readonly number[], width: number): number[] {
  return values.flatMap((value) =>
    Array.from({ length: width }, (_, i) => Math.floor(value / 256 ** (width - 1 - i)) & 255),
  );
}

/** Reads options in wire order. */
function readOptions(bytes: Uint8Array): OptionText[] {
  const options: OptionText[] = [];
  for (let at = 0; at < bytes.length; ) {
    const kind = bytes[at];
    if (kind <= 1) {
      options.push({ name: kind === 0 ? 'eol' : 'nop', values: [] });
      at++;
      continue;
    }
    const size = Math.max(2, bytes[at + 1]);
    options.push(readOption(kind, bytes.subarray(at + 2, at + size)));
    at += size;
  }
  return options;
}

function readOption(kind: number, body: Uint8Array): OptionText {
  if (kind === EXPERIMENT) return { name: 'FOEXP', values: [], hex: hexText(body.subarray(2)) };
  const fields = ACCECN_FIELDS[kind];
  if (fields !== undefined) {
    return { name: 'ECN', values: readNumbers(body, 3), fields: fields.slice(0, body.length / 3) };
  }
  const name = (Object.keys(KINDS) as (keyof typeof KINDS)[]).find((key) => KINDS[key] === kind);
  if (name === undefined) return { name: 'md5', values: [], hex: `kind ${kind}` };
  if (name === 'FO' || name === 'md5') return { name, values: [], hex: hexText(body) };
  return { name, values: readNumbers(body, WIDTHS[name] ?? 4) };
}

function readNumbers(bytes: Uint8Array, width: number): number[] {
  const values: number[] = [];
  for (let at = 0; at + width <= bytes.length; at += width) {
    values.push(bytes.subarray(at, at + width).reduce((value, byte) => value * 256 + byte, 0));
  }
  return values;
}

function hexBytes(text: string): number[] {
  return (text.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16));
}

function hexText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

const FLAG_LETTERS = 'FSRP.UEWA';

/** A segment as scripts write it. */
export function describeSegment(segment: Segment): string {
  const flags = [...FLAG_LETTERS].filter((_, bit) => (segment.flags & (1 << bit)) !== 0).join('');
  const { ecn, seq, length, ack, win, options } = segment;
  const list = options.map(describeOption).join(',');
  return `[${ecn}] ${flags || '-'} ${seq}:${seq + length}(${length}) ack ${ack} win ${win} <${list}>`;
}

function describeOption({ name, values, hex, fields }: OptionText): string {
  if (name === 'TS') return `TS val ${values[0]} ecr ${values[1]}`;
  if (name === 'ECN') return `ECN ${(fields ?? []).map((field, i) => `${field} ${values[i]}`).join(' ')}`;
  if (name === 'sack') {
    const blocks = values.filter((_, i) => i % 2 === 0).map((left, i) => `${left}:${values[2 * i + 1]}`);
    return `sack ${blocks.join(' ')}`;
  }
  return [name, ...values, ...(hex === undefined || hex === '' ? [] : [hex])].join(' ');
}
