// Receive-side scaling for the lab, since veth has none: a program on what the peer sends, which hashes as a network card would
// and thereby chooses the queue on which the packet arrives. A veth receives on the queue of the number on which its other end
// sends, and that is chosen by the packet's hash. What the program does is written into the alias of the stack's interface, where
// interfaceInfo finds it; both go with the veth pair.

import { type RssDescription, RXH_TUPLE } from '../nic.js';
import { BpfMap, loadProgram, MAP_TYPE_ARRAY, PROG_TYPE_SCHED_CLS, u32 } from './bpf.js';
import { Assembler, type Register } from './bpf-asm.js';
import type { Netlink } from './netlink.js';
import { close } from './syscalls.js';
import { RSS_KEY_LENGTH, TUPLE_BYTES, toeplitzTables } from './toeplitz.js';

/** The key of a lab that was given none: that of the published test vectors. */
export const LAB_RSS_KEY = '6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa';
/** Entries of the indirection table. */
export const LAB_RSS_ENTRIES = 128;

const HELPER_MAP_LOOKUP = 1;
const HELPER_LOAD_BYTES = 26;
const HELPER_SET_HASH = 48;

// Numbers in packets, as a little-endian load sees them.
const ETHERTYPE_IPV4 = 0x0008;
const ETHERTYPE_IPV6 = 0xdd86;
const IPV4_FRAGMENT = 0xff3f;
const PROTOCOL_TCP = 6;
const PROTOCOL_UDP = 17;

/** Field of struct __sk_buff: the EtherType. */
const SKB_PROTOCOL = 16;

// Places in a frame.
const ETHERNET = 14;
const IPV4_ADDRESSES = ETHERNET + 12;
const IPV6_NEXT = ETHERNET + 6;
const IPV6_ADDRESSES = ETHERNET + 8;
const IPV6_END = ETHERNET + 40;

// Places on the program's stack.
const TUPLE = -40;
const HEADER = -56;
const KEY = -64;

// Places in the value of the map: the indirection table, then the tables of the hash.
const TABLE_BYTES = LAB_RSS_ENTRIES * 4;
const VALUE_BYTES = TABLE_BYTES + TUPLE_BYTES * 1024;
/** Tables of the hash from this byte of the tuple on lie further away than an instruction's offset reaches. */
const FAR_BYTE = 31;

/** Why a key or table is not possible, in the words of the command line's options. */
export class LabRssError extends Error {}

/**
 * Makes the description of a lab's receive-side scaling.
 *
 * @param key hex digits, with or without colons; a short one repeats itself, of a long one what is behind 40 bytes has no effect
 * @param table queues in turn, which repeat themselves over the 128 entries; every queue in turn when left out
 * @throws LabRssError
 */
export function labRssDescription(
  queues: number,
  key: string = LAB_RSS_KEY,
  table?: readonly number[],
): RssDescription {
  const digits = key.replaceAll(':', '');
  if (!/^([0-9a-f]{2})+$/i.test(digits)) throw new LabRssError(`a key is bytes in hex digits, not "${key}"`);
  const bytes = Buffer.from(digits, 'hex');
  const list = table ?? Array.from({ length: queues }, (_, queue) => queue);
  if (list.length === 0 || list.length > LAB_RSS_ENTRIES) {
    throw new LabRssError(`a table has 1 to ${LAB_RSS_ENTRIES} entries, not ${list.length}`);
  }
  for (const queue of list) {
    if (!Number.isInteger(queue) || queue < 0 || queue >= queues) {
      throw new LabRssError(`the table names queue ${queue}, and there are 0 to ${queues - 1}`);
    }
  }
  return describe(
    Uint8Array.from({ length: RSS_KEY_LENGTH }, (_, i) => bytes[i % bytes.length]!),
    Array.from({ length: LAB_RSS_ENTRIES }, (_, i) => list[i % list.length]!),
  );
}

function describe(key: Uint8Array, table: readonly number[]): RssDescription {
  return {
    hash: 'toeplitz',
    key,
    table,
    tcp4: RXH_TUPLE,
    tcp6: RXH_TUPLE,
    fieldsTold: true,
    transform: 'none',
  };
}

/** One letter per queue, so that key and table fit into an alias (255 bytes). */
const LETTERS = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_';

/** Writes a description as the alias of an interface. */
export function rssToAlias({ key, table }: RssDescription): string {
  const queues = table.map((queue) => LETTERS[queue]).join('');
  return `mtcp rss toeplitz ${Buffer.from(key).toString('hex')} ${queues}`;
}

/** Reads the description in an interface's alias; undefined when it holds none. */
export function rssFromAlias(alias: string): RssDescription | undefined {
  const [, key, queues] = /^mtcp rss toeplitz ([0-9a-f]{80}) ([\w-]+)$/.exec(alias) ?? [];
  if (key === undefined || queues === undefined) return undefined;
  return describe(
    Uint8Array.from(Buffer.from(key, 'hex')),
    Array.from(queues, (letter) => LETTERS.indexOf(letter)),
  );
}

/**
 * Spreads what an interface sends over the queues of a veth pair. Ends with the interface; needs no process and no pin.
 *
 * @param netlink a socket in the interface's namespace
 * @throws SystemError
 */
export function attachRss(netlink: Netlink, index: number, queues: number, rss: RssDescription): void {
  const map = BpfMap.create('mtcp_rss', MAP_TYPE_ARRAY, 4, VALUE_BYTES, 1);
  let program = -1;
  try {
    map.update(u32(0), mapValue(rss));
    program = loadProgram(assembleRss(map.fd, queues), {
      name: 'mtcp_rss',
      type: PROG_TYPE_SCHED_CLS,
      attachType: 0,
    });
    netlink.addEgressProgram(index, program, 'mtcp_rss');
  } finally {
    // The kernel keeps the program for the interface, and the map for the program.
    if (program >= 0) close(program);
    map.close();
  }
}

function mapValue({ key, table }: RssDescription): Buffer {
  const value = Buffer.alloc(VALUE_BYTES);
  table.forEach((queue, i) => value.writeUInt32LE(queue, i * 4));
  toeplitzTables(key).forEach((word, i) => value.writeInt32LE(word, TABLE_BYTES + i * 4));
  return value;
}

/**
 * Assembles the program. TCP and UDP are hashed over addresses and ports, other IP packets and fragments over the addresses, and
 * what is not IP goes to queue 0.
 */
function assembleRss(map: number, queues: number): Buffer {
  const asm = new Assembler();
  // r6 packet, r7 value of the map, r8 hash, r9 the value further on, then the queue.
  asm.aluRegister(6, '=', 1).storeImmediate(32, 10, KEY, 0);
  for (let at = 0; at < TUPLE_BYTES; at += 4) asm.storeImmediate(32, 10, TUPLE + at, 0);
  asm.loadMap(1, map).aluRegister(2, '=', 10).alu(2, '+', KEY).call(HELPER_MAP_LOOKUP);
  asm.jump(0, '==', 0, 'done').aluRegister(7, '=', 0);
  asm
    .aluRegister(9, '=', 7)
    .alu(9, '+', TABLE_BYTES + FAR_BYTE * 1024)
    .alu(8, '=', 0);
  asm.load(32, 1, 6, SKB_PROTOCOL);
  asm.jump32(1, '==', ETHERTYPE_IPV4, 'ipv4').jump32(1, '==', ETHERTYPE_IPV6, 'ipv6').goto('other');

  /** Copies bytes of the packet, from r2 on, to the program's stack; what is not there goes to `fail`. */
  const copy = (to: number, length: number, fail: string): void => {
    asm.aluRegister(1, '=', 6).aluRegister(3, '=', 10).alu(3, '+', to).alu(4, '=', length);
    asm.call(HELPER_LOAD_BYTES).jump(0, '!=', 0, fail);
  };
  /** r8 ^= the words for the first `bytes` bytes of the tuple. */
  const hash = (bytes: number): void => {
    for (let at = 0; at < bytes; at++) {
      const far = at >= FAR_BYTE;
      const base: Register = far ? 9 : 7;
      const offset = far ? (at - FAR_BYTE) * 1024 : TABLE_BYTES + at * 1024;
      asm.load(8, 1, 10, TUPLE + at).alu(1, '<<', 2);
      asm.aluRegister(2, '=', base).aluRegister(2, '+', 1).load(32, 1, 2, offset).aluRegister(8, '^', 1);
    }
  };

  asm.label('ipv4').alu(2, '=', ETHERNET);
  copy(HEADER, 12, 'other');
  asm.alu(2, '=', IPV4_ADDRESSES);
  copy(TUPLE, 8, 'other');
  asm
    .load(16, 1, 10, HEADER + 6)
    .alu(1, '&', IPV4_FRAGMENT)
    .jump(1, '!=', 0, 'hash4');
  asm.load(8, 1, 10, HEADER + 9);
  asm.jump(1, '==', PROTOCOL_TCP, 'ports4').jump(1, '!=', PROTOCOL_UDP, 'hash4').label('ports4');
  asm.load(8, 2, 10, HEADER).alu(2, '&', 15).alu(2, '<<', 2).alu(2, '+', ETHERNET);
  copy(TUPLE + 8, 4, 'other');
  asm.label('hash4');
  hash(12);
  asm.goto('queue');

  asm.label('ipv6').alu(2, '=', IPV6_NEXT);
  copy(HEADER, 1, 'other');
  asm.alu(2, '=', IPV6_ADDRESSES);
  copy(TUPLE, 32, 'other');
  asm.load(8, 1, 10, HEADER);
  asm.jump(1, '==', PROTOCOL_TCP, 'ports6').jump(1, '!=', PROTOCOL_UDP, 'hash6').label('ports6');
  asm.alu(2, '=', IPV6_END);
  copy(TUPLE + 32, 4, 'other');
  asm.label('hash6');
  hash(TUPLE_BYTES);

  asm
    .label('queue')
    .aluRegister(1, '=', 8)
    .alu(1, '&', LAB_RSS_ENTRIES - 1)
    .alu(1, '<<', 2);
  asm.aluRegister(1, '+', 7).load(32, 9, 1, 0).goto('set');
  asm.label('other').alu(9, '=', 0);

  // The kernel sends on queue `hash * queues >> 32`. This hash has the wanted one and keeps what it can of its own variety; the
  // bit that is set makes up for what the division drops.
  asm.label('set').aluRegister(2, '=', 9).alu(2, '<<', 32);
  asm.alu(8, '|', 0x1000).aluRegister(2, '|', 8).alu(2, '/', queues);
  asm.aluRegister(1, '=', 6).call(HELPER_SET_HASH);
  asm.label('done').alu(0, '=', 0).exit();
  return asm.assemble();
}
