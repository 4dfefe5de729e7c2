// Between the notation and bytes: builds the packets that a script injects, broken ones too, and takes those that the stack
// sends apart into the terms of the script.

import { parseAddress } from '../../src/stack/wire/address.js';
import { finish, pseudoHeaderSum, sum } from '../../src/stack/wire/checksum.js';
import { buildIpv4, parsePacket } from '../../src/testing/index.js';
import type { IcmpText, OptionText, SegmentText } from './notation.js';
import { FLAG_LETTERS } from './notation.js';

/** Two endpoints seen from the host under test, and what a script's numbers are relative to. */
export interface Flow {
  localIp: string;
  localPort: number;
  remoteIp: string;
  remotePort: number;
  /** Our initial sequence number once our SYN has been seen. */
  iss: number | undefined;
  /** The peer's. */
  irs: number;
  /** Our timestamp clock at time 0, once a timestamp has been seen. */
  tsBase: number | undefined;
}

/** Byte `position` of every stream, counted as sequence numbers are (1 is the first byte of data). */
export function streamByte(position: number): number {
  return (position * 7 + (position >>> 8)) & 255;
}

/** `length` bytes of the stream from `position` on. */
export function streamBytes(position: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => streamByte(position + i));
}

/** A sent TCP segment in the terms of a script. */
export interface SentSegment {
  kind: 'tcp';
  localPort: number;
  remoteIp: string;
  remotePort: number;
  flags: string;
  /** Absolute, unsigned. */
  seq: number;
  ack: number;
  win: number;
  urgent: number;
  options: OptionText[];
  payload: Uint8Array;
  checksumOk: boolean;
}

/** A sent ICMP message. */
export interface SentIcmp {
  kind: 'icmp';
  name: string;
  fields: Map<string, number>;
}

const OPTION_NAMES = new Map([
  [0, 'eol'],
  [1, 'nop'],
  [2, 'mss'],
  [3, 'wscale'],
  [4, 'sackOK'],
  [5, 'sack'],
  [8, 'TS'],
  [28, 'uto'],
]);

/** Reads options in wire order; sequence numbers and timestamps are absolute. */
export function readOptions(bytes: Uint8Array): OptionText[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const options: OptionText[] = [];
  for (let at = 0; at < bytes.length; ) {
    const kind = bytes[at];
    const isMinutes = kind === 28 && bytes[at + 2] >= 0x80;
    const name = isMinutes ? 'utom' : (OPTION_NAMES.get(kind) ?? `kind-${kind}`);
    if (kind <= 1) {
      options.push({ name, values: [] });
      at++;
      continue;
    }
    const size = bytes[at + 1];
    const values: number[] = [];
    if (kind === 2) values.push(view.getUint16(at + 2));
    if (kind === 28) values.push(view.getUint16(at + 2) & 0x7fff);
    if (kind === 3) values.push(bytes[at + 2]);
    if (kind === 5 || kind === 8) for (let i = at + 2; i < at + size; i += 4) values.push(view.getUint32(i));
    options.push({ name, values });
    at += size;
  }
  return options;
}

/** Writes options in the given order and pads them to a multiple of 4. */
export function writeOptions(options: readonly OptionText[]): Uint8Array {
  const bytes: number[] = [];
  const u32 = (value: number): number[] => [
    value >>> 24,
    (value >>> 16) & 255,
    (value >>> 8) & 255,
    value & 255,
  ];
  for (const { name, values } of options) {
    const numbers = values.map(Number);
    const [first = 0] = numbers;
    switch (name) {
      case 'eol':
        bytes.push(0);
        break;
      case 'nop':
        bytes.push(1);
        break;
      case 'mss':
        bytes.push(2, 4, first >> 8, first & 255);
        break;
      case 'wscale':
        bytes.push(3, 3, first);
        break;
      case 'sackOK':
        bytes.push(4, 2);
        break;
      case 'sack':
        bytes.push(5, 2 + 4 * numbers.length, ...numbers.flatMap(u32));
        break;
      case 'uto':
        bytes.push(28, 4, first >> 8, first & 255);
        break;
      case 'utom':
        bytes.push(28, 4, 0x80 | (first >> 8), first & 255);
        break;
      case 'TS':
        bytes.push(8, 10, ...numbers.flatMap(u32));
        break;
      default:
        throw new Error(`there is no option '${name}'`);
    }
  }
  while (bytes.length % 4 !== 0) bytes.push(0);
  return Uint8Array.from(bytes);
}

/** Takes apart what the host has sent. */
export function readSent(bytes: Uint8Array): SentSegment | SentIcmp {
  const { ip, tcp, payload } = parsePacket(bytes, 'ip');
  if (ip === undefined) throw new Error('the host has sent something that is not IPv4');
  if (ip.protocol === 1) return readIcmp(payload);
  if (tcp === undefined) throw new Error(`the host has sent protocol ${ip.protocol}`);
  return {
    kind: 'tcp',
    localPort: tcp.srcPort,
    remoteIp: ip.dst,
    remotePort: tcp.dstPort,
    flags: tcp.flags,
    seq: tcp.seq,
    ack: tcp.ack,
    win: tcp.wnd,
    urgent: tcp.urgent,
    options: readOptions(tcp.optionBytes),
    payload,
    checksumOk: tcp.checksumOk,
  };
}

const UNREACHABLE = [
  'net-unreachable',
  'host-unreachable',
  'protocol-unreachable',
  'port-unreachable',
  'frag-needed',
];

function readIcmp(message: Uint8Array): SentIcmp {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const [type, code] = message;
  const fields = new Map<string, number>();
  if (type === 0 || type === 8) {
    fields
      .set('id', view.getUint16(4))
      .set('seq', view.getUint16(6))
      .set('length', message.length - 8);
    return { kind: 'icmp', name: type === 0 ? 'echo-reply' : 'echo', fields };
  }
  return { kind: 'icmp', name: type === 3 ? UNREACHABLE[code] : `type-${type}`, fields };
}

/** Builds the packet of a `<` line; `absolute` holds its numbers made absolute. */
export function buildSegment(
  flow: Flow,
  text: SegmentText,
  absolute: { seq: number; ack: number; options: OptionText[] },
): Uint8Array {
  const { extras } = text;
  const options = extras.has('options') ? hexBytes(extras.get('options')!) : writeOptions(absolute.options);
  const header = 20 + options.length;
  const segment = new Uint8Array(header + text.length);
  const view = new DataView(segment.buffer);
  view.setUint16(0, flow.remotePort);
  view.setUint16(2, flow.localPort);
  view.setUint32(4, absolute.seq >>> 0);
  view.setUint32(8, absolute.ack >>> 0);
  view.setUint8(12, Number(extras.get('doff') ?? header / 4) << 4);
  view.setUint8(
    13,
    [...FLAG_LETTERS].reduce((bits, c, i) => bits | (text.flags.includes(c) ? 1 << i : 0), 0),
  );
  view.setUint16(14, typeof text.win === 'number' ? text.win : 65_535);
  if (extras.has('urg')) view.setUint16(18, Number(extras.get('urg')));
  segment.set(options, 20);
  segment.set(streamBytes(text.seq + (text.flags.includes('S') ? 1 : 0), text.length), header);
  const src = parseAddress(extras.get('src') ?? flow.remoteIp)!;
  const dst = parseAddress(extras.get('dst') ?? flow.localIp)!;
  view.setUint16(16, finish(sum(view, 0, segment.length, pseudoHeaderSum(src, dst, 6, segment.length))));
  if (extras.get('checksum') === 'bad') view.setUint16(16, view.getUint16(16) ^ 0x1234);
  return wrap(flow, extras, 6, segment);
}

const ICMP_TYPES = new Map<string, readonly [type: number, code: number]>([
  ['echo', [8, 0]],
  ['echo-reply', [0, 0]],
  ['net-unreachable', [3, 0]],
  ['host-unreachable', [3, 1]],
  ['protocol-unreachable', [3, 2]],
  ['port-unreachable', [3, 3]],
  ['frag-needed', [3, 4]],
  ['admin-prohibited', [3, 13]],
  ['source-quench', [4, 0]],
  ['redirect', [5, 1]],
  ['time-exceeded', [11, 0]],
  ['timestamp', [13, 0]],
]);

/** Builds the ICMP message of a `<` line; one about a segment of ours quotes it with `seq`, an absolute number. */
export function buildIcmp(flow: Flow, text: IcmpText, seq: number): Uint8Array {
  const { extras, fields } = text;
  const kind = ICMP_TYPES.get(text.name);
  if (kind === undefined) throw new Error(`there is no ICMP message '${text.name}'`);
  const isEcho = kind[0] === 8 || kind[0] === 0;
  let body: Uint8Array;
  if (isEcho || kind[0] === 13) {
    body = new Uint8Array(fields.get('length') ?? 0).fill(0x61);
  } else {
    const quoted = new Uint8Array(8);
    const view = new DataView(quoted.buffer);
    view.setUint16(0, Number(extras.get('quotedport') ?? flow.localPort));
    view.setUint16(2, flow.remotePort);
    view.setUint32(4, seq >>> 0);
    body = buildIpv4({ src: flow.localIp, dst: flow.remoteIp, protocol: 6, payload: quoted });
    body = body.slice(0, fields.get('quote') ?? body.length);
  }
  const message = new Uint8Array(8 + body.length);
  const view = new DataView(message.buffer);
  view.setUint8(0, kind[0]);
  view.setUint8(1, kind[1]);
  view.setUint16(4, fields.get('id') ?? 0);
  view.setUint16(6, fields.get('seq') ?? fields.get('mtu') ?? 0);
  message.set(body, 8);
  view.setUint16(2, finish(sum(view, 0, message.length, 0)));
  if (extras.get('checksum') === 'bad') view.setUint16(2, view.getUint16(2) ^ 0x1234);
  return wrap(flow, extras, 1, message);
}

/** Puts the IP header in front and breaks what the brackets say is broken. */
function wrap(flow: Flow, extras: Map<string, string>, protocol: number, payload: Uint8Array): Uint8Array {
  const number = (key: string): number | undefined => (extras.has(key) ? Number(extras.get(key)) : undefined);
  let packet = buildIpv4({
    src: extras.get('src') ?? flow.remoteIp,
    dst: extras.get('dst') ?? flow.localIp,
    protocol: number('protocol') ?? protocol,
    payload,
    ttl: number('ttl') ?? 64,
  });
  if (extras.has('ipoptions')) packet = withIpOptions(packet, hexBytes(extras.get('ipoptions')!));
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  const first = view.getUint8(0);
  view.setUint8(0, ((number('version') ?? first >> 4) << 4) | (number('ihl') ?? first & 15));
  view.setUint16(2, number('total') ?? view.getUint16(2));
  view.setUint16(6, number('frag') ?? view.getUint16(6));
  view.setUint16(10, 0);
  view.setUint16(10, finish(sum(view, 0, (first & 15) * 4, 0)));
  if (extras.get('ipchecksum') === 'bad') view.setUint16(10, view.getUint16(10) ^ 0x1234);
  const cut = packet.slice(0, number('cut') ?? packet.length);
  const padded = new Uint8Array(cut.length + (number('pad') ?? 0)).fill(0x5a);
  padded.set(cut);
  return padded;
}

function withIpOptions(packet: Uint8Array, options: Uint8Array): Uint8Array {
  const longer = new Uint8Array(packet.length + options.length);
  longer.set(packet.subarray(0, 20));
  longer.set(options, 20);
  longer.set(packet.subarray(20), 20 + options.length);
  longer[0] = 0x40 | (5 + options.length / 4);
  new DataView(longer.buffer).setUint16(2, longer.length);
  return longer;
}

function hexBytes(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** An option as it is written in a script. */
export function printOption({ name, values }: OptionText): string {
  if (name === 'TS') return `TS val ${values[0]} ecr ${values[1]}`;
  if (name !== 'sack') return [name, ...values].join(' ');
  const blocks = values.flatMap((value, i) => (i % 2 === 0 ? [`${value}:${values[i + 1]}`] : []));
  return `sack ${blocks.join(' ')}`;
}
