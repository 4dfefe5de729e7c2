// Counts what arrives on an interface by protocol, source port and RX queue, with an XDP program that passes everything on: how a
// test sees on which queue each flow of a kernel landed.

import {
  ATTACH_XDP,
  BpfMap,
  createLink,
  loadProgram,
  MAP_TYPE_HASH,
  PROG_TYPE_XDP,
  XDP_FLAGS_DRV_MODE,
} from '../../src/nic/os/bpf.js';
import { Assembler } from '../../src/nic/os/bpf-asm.js';
import { Netlink } from '../../src/nic/os/netlink.js';
import { inNetns } from '../../src/nic/os/netns.js';
import { close } from '../../src/nic/os/syscalls.js';

const XDP_PASS = 2;
const MAP_LOOKUP = 1;
const MAP_UPDATE = 2;
const KEY = -8;
const ONE = -16;

/** A running counter. */
export class QueueCounter {
  readonly #map: BpfMap;
  readonly #link: number;
  readonly #queues: number;

  /** Attaches to an interface of a namespace. */
  constructor(netns: string, iface: string, queues: number) {
    this.#queues = queues;
    this.#map = BpfMap.create('count', MAP_TYPE_HASH, 8, 4, 16_384);
    const program = loadProgram(assemble(this.#map.fd), {
      name: 'count',
      type: PROG_TYPE_XDP,
      attachType: ATTACH_XDP,
    });
    this.#link = inNetns(netns, () => {
      const netlink = new Netlink();
      const index = netlink.link(iface)!.index;
      netlink.close();
      return createLink(program, index, ATTACH_XDP, XDP_FLAGS_DRV_MODE);
    });
    close(program);
  }

  /** How many packets of a flow came on each queue. */
  counts(protocol: number, sourcePort: number): number[] {
    return Array.from({ length: this.#queues }, (_, queue) => {
      const key = Buffer.alloc(8);
      key.writeUInt16BE(sourcePort, 0);
      key[2] = protocol;
      key.writeUInt32LE(queue, 4);
      const value = Buffer.alloc(4);
      return this.#map.lookup(key, value) ? value.readUInt32LE() : 0;
    });
  }

  close(): void {
    close(this.#link);
    this.#map.close();
  }
}

/** The program: headers without options; the key is source port (network order), protocol, 0, queue. */
function assemble(map: number): Buffer {
  const asm = new Assembler();
  asm.load(32, 7, 1, 0).load(32, 8, 1, 4).load(32, 9, 1, 16);
  asm.aluRegister(2, '=', 7).alu(2, '+', 58).jumpRegister(2, '>', 8, 'short');
  asm.load(16, 2, 7, 12).jump32(2, '==', 0xdd86, 'ipv6');
  asm.label('short').aluRegister(2, '=', 7).alu(2, '+', 38).jumpRegister(2, '>', 8, 'pass');
  asm.load(16, 2, 7, 12).jump32(2, '!=', 0x0008, 'pass').load(8, 3, 7, 23).load(16, 4, 7, 34).goto('count');
  asm.label('ipv6').load(8, 3, 7, 20).load(16, 4, 7, 54);
  asm
    .label('count')
    .store(16, 10, KEY, 4)
    .store(16, 10, KEY + 2, 3)
    .store(32, 10, KEY + 4, 9);
  asm.loadMap(1, map).aluRegister(2, '=', 10).alu(2, '+', KEY).call(MAP_LOOKUP).jump(0, '==', 0, 'new');
  asm.alu(1, '=', 1).atomicAdd(32, 0, 0, 1).goto('pass');
  asm.label('new').storeImmediate(32, 10, ONE, 1).loadMap(1, map).aluRegister(2, '=', 10).alu(2, '+', KEY);
  asm.aluRegister(3, '=', 10).alu(3, '+', ONE).alu(4, '=', 0).call(MAP_UPDATE);
  asm.label('pass').alu(0, '=', XDP_PASS).exit();
  return asm.assemble();
}
