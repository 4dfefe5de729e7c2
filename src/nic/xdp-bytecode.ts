// The bytecode of the XDP program: which frames go up to the stack and which pass to the kernel. Pure: it
// needs the numbers of three maps and gives bytes. xdp-program.ts loads and attaches them; a program is
// assembled once per interface.
//
//     frame ── ARP for IPv4 ──── target address ──┐
//           ── IPv4, TCP or ICMP ── destination ──┼── in `addresses`? ── yes ── redirect to `sockets`[rx queue], else pass
//           ── IPv6, TCP or ICMPv6 ─ destination ─┘                      no ─── pass
//           ── anything else, VLAN tags included ─────────────────────── pass

import { Assembler } from './os/bpf-asm.js';
import { IP_LENGTH } from './os/ip-bytes.js';

const XDP_PASS = 2;
const XDP_REDIRECT = 4;
const HELPER_MAP_LOOKUP = 1;
const HELPER_REDIRECT_MAP = 51;

/** Slots of the counter map. */
export const COUNT_REDIRECTED = 0;
export const COUNT_PASSED = 1;
export const COUNTERS = 2;

// Fields of struct xdp_md.
const MD_DATA = 0;
const MD_DATA_END = 4;
const MD_RX_QUEUE_INDEX = 16;

// Numbers in packets, as a little-endian load sees them.
const ETHERTYPE_IPV4 = 0x0008;
const ETHERTYPE_ARP = 0x0608;
const ETHERTYPE_IPV6 = 0xdd86;
const ARP_ETHERNET_IPV4 = 0x00080100;
const ARP_LENGTHS = 0x0406;
const V4_MAPPED = 0xffff0000;

const PROTOCOL_ICMP = 1;
const PROTOCOL_TCP = 6;
const PROTOCOL_ICMPV6 = 58;
/** IPv6 headers that may stand before TCP or ICMPv6: hop-by-hop, routing, fragment, destination options. */
const IPV6_EXTENSIONS = [0, 43, 44, 60];

// Places in a frame.
const ETHERNET = 14;
const ARP_TARGET = ETHERNET + 24;
const ARP_END = ETHERNET + 28;
const IPV4_PROTOCOL = ETHERNET + 9;
const IPV4_DESTINATION = ETHERNET + 16;
const IPV4_END = ETHERNET + 20;
const IPV6_NEXT = ETHERNET + 6;
const IPV6_DESTINATION = ETHERNET + 24;
const IPV6_END = ETHERNET + 40;

// Places on the program's stack.
const KEY = -16;
const SLOT = -24;

/** The descriptors of the maps that the program uses. */
export interface ProgramMaps {
  readonly addresses: number;
  readonly sockets: number;
  readonly counters: number;
}

/** Assembles the program. A gate by port for a shared address belongs at `owned`, with a map of its own. */
export function assembleProgram(maps: ProgramMaps): Buffer {
  const asm = new Assembler();
  // r6 context, r7 start of the frame, r8 its end, r9 verdict.
  asm.aluRegister(6, '=', 1).load(32, 7, 6, MD_DATA).load(32, 8, 6, MD_DATA_END);
  const need = (bytes: number): void => {
    asm.aluRegister(1, '=', 7).alu(1, '+', bytes).jumpRegister(1, '>', 8, 'pass');
  };
  const mappedKey = (offset: number): void => {
    asm.storeImmediate(64, 10, KEY, 0).storeImmediate(32, 10, KEY + 8, V4_MAPPED);
    asm
      .load(32, 1, 7, offset)
      .store(32, 10, KEY + 12, 1)
      .goto('lookup');
  };
  need(ETHERNET);
  asm.load(16, 1, 7, 12);
  asm.jump32(1, '==', ETHERTYPE_IPV4, 'ipv4').jump32(1, '==', ETHERTYPE_ARP, 'arp');
  asm.jump32(1, '==', ETHERTYPE_IPV6, 'ipv6').goto('pass');

  asm.label('arp');
  need(ARP_END);
  asm.load(32, 1, 7, ETHERNET).jump32(1, '!=', ARP_ETHERNET_IPV4, 'pass');
  asm.load(16, 1, 7, ETHERNET + 4).jump32(1, '!=', ARP_LENGTHS, 'pass');
  mappedKey(ARP_TARGET);

  asm.label('ipv4');
  need(IPV4_END);
  asm.load(8, 1, 7, ETHERNET).alu(1, '>>', 4).jump32(1, '!=', 4, 'pass');
  asm.load(8, 1, 7, IPV4_PROTOCOL);
  asm.jump32(1, '==', PROTOCOL_TCP, 'ipv4-key').jump32(1, '!=', PROTOCOL_ICMP, 'pass');
  asm.label('ipv4-key');
  mappedKey(IPV4_DESTINATION);

  asm.label('ipv6');
  need(IPV6_END);
  asm.load(8, 1, 7, IPV6_NEXT);
  for (const next of [PROTOCOL_TCP, PROTOCOL_ICMPV6, ...IPV6_EXTENSIONS])
    asm.jump32(1, '==', next, 'ipv6-key');
  asm.goto('pass').label('ipv6-key');
  for (let word = 0; word < IP_LENGTH; word += 4) {
    asm.load(32, 1, 7, IPV6_DESTINATION + word).store(32, 10, KEY + word, 1);
  }

  asm.label('lookup');
  asm.loadMap(1, maps.addresses).aluRegister(2, '=', 10).alu(2, '+', KEY).call(HELPER_MAP_LOOKUP);
  asm.jump(0, '==', 0, 'pass');

  asm.label('owned');
  asm.loadMap(1, maps.sockets).load(32, 2, 6, MD_RX_QUEUE_INDEX).alu(3, '=', XDP_PASS);
  asm.call(HELPER_REDIRECT_MAP).aluRegister(9, '=', 0).goto('count');

  asm.label('pass').alu(9, '=', XDP_PASS);
  asm.label('count').alu(1, '=', COUNT_PASSED).jump32(9, '!=', XDP_REDIRECT, 'slot');
  asm.alu(1, '=', COUNT_REDIRECTED).label('slot').store(32, 10, SLOT, 1);
  asm.loadMap(1, maps.counters).aluRegister(2, '=', 10).alu(2, '+', SLOT).call(HELPER_MAP_LOOKUP);
  asm.jump(0, '==', 0, 'done');
  // The map is per CPU: no other CPU adds here.
  asm.load(64, 1, 0, 0).alu(1, '+', 1).store(64, 0, 0, 1);
  asm.label('done').aluRegister(0, '=', 9).exit();
  return asm.assemble();
}
