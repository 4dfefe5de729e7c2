// Reads the packet of a line: `P. 1:1001(1000) ack 1 win 257 <nop,nop,TS val 100 ecr 1>`, `icmp unreachable host_unreachable
// [1:1001(1000)]`.

import { type IcmpText, type OptionText, PacketdrillError, type SegmentText } from './script.js';

/** Bits of the flags by their letters; `.` is ACK, as in tcpdump. */
const FLAGS: Readonly<Record<string, number>> = {
  F: 1,
  S: 2,
  R: 4,
  P: 8,
  '.': 16,
  U: 32,
  E: 64,
  W: 128,
  A: 256,
};
/** Where the bits of the ACE field begin (RFC 9768 3.2.2): ECE is its lowest, AE its highest. */
const ACE_SHIFT = 6;

const SEGMENT =
  /^(?:\[(noecn|ect0|ect1|ect01|ce)\]\s*)?([FSRPUEWA.0-7-]+)\s+(\d+):(\d+)\((\d+)\)(?:\s+ack\s+(\d+))?(?:\s+win\s+(\d+))?(?:\s+urg\s+(\d+))?\s*(?:<([^>]*)>)?$/;
const ICMP = /^icmp\s+unreachable\s+(?:(\w+)\s+)?(?:mtu\s+(\d+)\s*)?\[(\d+):(\d+)\((\d+)\)\]$/;
const CODES = new Map<string | undefined, number>([
  ['net_unreachable', 0],
  ['host_unreachable', 1],
  [undefined, 1],
  ['protocol_unreachable', 2],
  ['port_unreachable', 3],
  ['frag_needed', 4],
  ['source_route_failed', 5],
  ['net_prohibited', 9],
  ['host_prohibited', 10],
  ['packet_filtered', 13],
]);

/** Reads a packet. `defined` holds words that stand for others. */
export function parsePacket(
  text: string,
  line: number,
  defined: ReadonlyMap<string, string>,
): SegmentText | IcmpText {
  if (text.startsWith('icmp')) return parseIcmp(text, line);
  const found = SEGMENT.exec(text);
  if (found === null) throw new PacketdrillError(line, `'${text}' is no segment that can be read`);
  const [, ecn, letters, start, , length, ack, win, urgent, options] = found;
  return {
    kind: 'tcp',
    flags: flagBits(letters),
    start: Number(start),
    length: Number(length),
    ...(ecn === undefined ? {} : { ecn }),
    ...(ack === undefined ? {} : { ack: Number(ack) }),
    ...(win === undefined ? {} : { win: Number(win) }),
    ...(urgent === undefined ? {} : { urgent: Number(urgent) }),
    options: options === undefined ? [] : parseOptions(options, line, defined),
  };
}

function flagBits(letters: string): number {
  let bits = 0;
  for (const letter of letters) {
    if (letter >= '0' && letter <= '7') bits |= Number(letter) << ACE_SHIFT;
    else bits |= FLAGS[letter] ?? 0;
  }
  return bits;
}

function parseIcmp(text: string, line: number): IcmpText {
  const found = ICMP.exec(text);
  const code = CODES.get(found?.[1]);
  if (found === null || code === undefined) throw new PacketdrillError(line, `the message '${text}'`, true);
  return {
    kind: 'icmp',
    type: 3,
    code,
    mtu: Number(found[2] ?? 0),
    start: Number(found[3]),
    length: Number(found[5]),
  };
}

function parseOptions(
  text: string,
  line: number,
  defined: ReadonlyMap<string, string>,
): readonly OptionText[] | 'any' {
  const options = text.trim();
  if (options === '...') return 'any';
  if (options === '') return [];
  return options.split(',').map((word) => parseOption(word.trim(), line, defined));
}

function parseOption(text: string, line: number, defined: ReadonlyMap<string, string>): OptionText {
  const [name, ...words] = text.split(/\s+/);
  switch (name) {
    case 'nop':
    case 'eol':
    case 'sackOK':
      return { name, values: [] };
    case 'mss':
    case 'wscale':
    case 'uto':
      return { name, values: [Number(words[0])] };
    case 'TS':
      return { name, values: [Number(words[1]), Number(words[3])] };
    case 'sack':
      return { name, values: words.flatMap((block) => block.split(':').map(Number)) };
    case 'FO':
    case 'FOEXP':
    case 'md5':
      return { name, values: [], hex: defined.get(words[0]) ?? words[0] ?? '' };
    case 'ECN':
      return {
        name,
        values: words.filter((_, i) => i % 2 === 1).map(Number),
        fields: words.filter((_, i) => i % 2 === 0),
      };
    default:
      throw new PacketdrillError(line, `the option '${text}'`, true);
  }
}
