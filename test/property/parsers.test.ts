// Parsers against bytes that nobody sane would send. Every packet stands in a view that ends where the packet ends, so reading
// beyond it throws, and among poison ahead of it that must not change the result. Set FC_SEED to replay another seed.

import fc from 'fast-check';
import t from 'tap';
import { Address } from '../../src/stack/wire/address.js';
import { ARP_LENGTH, ArpPacket, parseArp, writeArp } from '../../src/stack/wire/arp.js';
import * as checksum from '../../src/stack/wire/checksum.js';
import { ETHERNET_HEADER, writeEthernet } from '../../src/stack/wire/ethernet.js';
import * as icmp from '../../src/stack/wire/icmp.js';
import * as ipv4 from '../../src/stack/wire/ipv4.js';
import { formatPacket } from '../../src/stack/wire/print.js';
import * as tcp from '../../src/stack/wire/tcp-header.js';
import {
  parseTcpOptions,
  TcpOptions,
  writeSackBlocks,
  writeSynOptions,
} from '../../src/stack/wire/tcp-options.js';

const seed = Number(process.env.FC_SEED ?? 20_240_601);
t.comment(`seed ${seed}`);
fc.configureGlobal({ seed, numRuns: 2000 });

/** Runs a parser over the packet in two arenas and returns its result, which must be the same. */
function parseTwice<T>(packet: Uint8Array, parse: (view: DataView, at: number) => T): T {
  const results = [0x00, 0xff].map((poison, i) => {
    const at = 3 + i * 8;
    const memory = new Uint8Array(at + packet.length).fill(poison);
    memory.set(packet, at);
    const result = parse(new DataView(memory.buffer), at);
    if (memory.subarray(0, at).some((byte) => byte !== poison)) throw new Error('wrote ahead of the packet');
    if (memory.subarray(at).some((byte, k) => byte !== packet[k])) throw new Error('changed the packet');
    return JSON.stringify([result], (key, value) =>
      key.endsWith('Offset') && key !== 'fragmentOffset' ? value - at : value,
    );
  });
  if (results[0] !== results[1]) throw new Error(`depends on what is around: ${results.join(' or ')}`);
  return JSON.parse(results[0])[0] as T;
}

/** The offset of a cookie that is not there says nothing. */
function forgetAbsent(options: TcpOptions, at: number): void {
  if (options.fastOpenLength < 0) options.fastOpenOffset = at;
  if (options.accEcnKind === 0) options.accEcnOffset = at;
}

const word = fc.integer({ min: -0x80000000, max: 0x7fffffff });
const u16 = fc.integer({ min: 0, max: 0xffff });

/** A right frame: Ethernet, IPv4 with options or none, and TCP or ICMP. */
const goodFrame = fc
  .record({
    src: word,
    dst: word,
    seq: word,
    flags: fc.integer({ min: 0, max: 0x1ff }),
    ipOptions: fc.constantFrom(0, 4, 40),
    options: fc.uint8Array({ maxLength: 40 }),
    payload: fc.uint8Array({ maxLength: 80 }),
    protocol: fc.constantFrom(ipv4.PROTOCOL_TCP, ipv4.PROTOCOL_ICMP),
    arp: fc.boolean(),
  })
  .map((f) => {
    const memory = new Uint8Array(400);
    const view = new DataView(memory.buffer);
    if (f.arp && f.protocol === ipv4.PROTOCOL_ICMP) {
      writeEthernet(view, 0, 1, 2, 3, 4, 0x0806);
      return memory.slice(0, 14 + writeArp(view, 14, f.flags & 3, 1, 2, f.src, 3, 4, f.dst));
    }
    writeEthernet(view, 0, 1, 2, 3, 4, 0x0800);
    const transport = ETHERNET_HEADER + 20 + f.ipOptions;
    let length: number;
    if (f.protocol === ipv4.PROTOCOL_TCP) {
      const options = f.options.subarray(0, f.options.length & ~3);
      length = 20 + options.length + f.payload.length;
      tcp.writeTcpHeader(view, transport, 1, 2, f.seq, 0, 20 + options.length, f.flags, 3, 0);
      memory.set(options, transport + 20);
      memory.set(f.payload, transport + 20 + options.length);
    } else {
      memory.set(f.payload, transport + 8);
      length = icmp.writeIcmpEcho(view, transport, f.flags & 15, 1, 2, f.payload.length);
    }
    ipv4.writeIpv4(view, 14, 20 + f.ipOptions + length, f.protocol, f.src, f.dst, 64, 0, 0, true);
    view.setUint8(14, 0x45 + f.ipOptions / 4);
    fixIpChecksum(view, 14);
    return memory.slice(0, transport + length);
  });

function fixIpChecksum(view: DataView, at: number): void {
  const length = (view.getUint8(at) & 15) * 4;
  if (at + length > view.byteLength || length < 20) return;
  view.setUint16(at + 10, 0);
  view.setUint16(at + 10, checksum.finish(checksum.sum(view, at, length)));
}

/** A right frame with some bytes changed and its end cut off or extended; its header checksum may be made right again. */
const mutatedFrame = fc
  .tuple(
    goodFrame,
    fc.array(fc.tuple(fc.nat(399), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }),
    fc.integer({ min: -60, max: 30 }),
    fc.boolean(),
  )
  .map(([frame, changes, growth, fix]) => {
    const bytes = new Uint8Array(Math.max(0, frame.length + growth));
    bytes.set(frame.subarray(0, bytes.length));
    for (const [at, value] of changes) bytes[at % Math.max(1, bytes.length)] = value;
    if (fix && bytes.length > 34) fixIpChecksum(new DataView(bytes.buffer), 14);
    return bytes;
  });

const anyBytes = fc.oneof(fc.uint8Array({ maxLength: 120 }), mutatedFrame);
/** The IP packets among them. */
const anyPacket = anyBytes.map((bytes) => (bytes.length >= 14 && bytes[12] === 8 ? bytes.slice(14) : bytes));

t.test('IPv4: a packet that passes lies within its frame', async () => {
  fc.assert(
    fc.property(anyPacket, (packet) => {
      const header = new ipv4.Ipv4Header();
      const reason = parseTwice(packet, (view, at) => {
        const result = ipv4.parseIpv4(view, at, packet.length, header);
        if (result === ipv4.IPV4_OK) {
          const within =
            header.headerLength >= 20 &&
            header.payloadLength >= 0 &&
            header.payloadOffset === at + header.headerLength &&
            header.payloadOffset + header.payloadLength === at + header.totalLength &&
            header.totalLength <= packet.length;
          if (!within) throw new Error('payload outside of the frame');
        }
        return result === ipv4.IPV4_OK ? [result, header] : [result];
      });
      return Number(reason[0]) >= ipv4.IPV4_OK && Number(reason[0]) <= ipv4.IPV4_SHORT_FRAME;
    }),
  );
});

t.test('TCP: a segment that passes lies within the packet', async () => {
  const transport = fc.oneof(
    fc.uint8Array({ maxLength: 100 }),
    anyPacket.map((packet) => packet.slice(20)),
  );
  fc.assert(
    fc.property(transport, (bytes) => {
      parseTwice(bytes, (view, at) => {
        const seg = new tcp.Segment();
        const result = tcp.parseTcp(view, at, bytes.length, seg);
        if (result !== tcp.TCP_OK) return [result];
        const within = seg.dataLength >= 0 && seg.dataOffset + seg.dataLength === at + bytes.length;
        if (!within || seg.dataOffset < at + 20) throw new Error('data outside of the packet');
        forgetAbsent(seg.options, at);
        return [result, seg];
      });
    }),
  );
});

t.test('TCP options: whatever the bytes, the parser ends within them', async () => {
  const kinds = fc.constantFrom(0, 1, 2, 3, 4, 5, 8, 19, 28, 29, 34, 172, 174, 254, 77);
  const option = fc
    .tuple(kinds, fc.integer({ min: 0, max: 44 }), fc.uint8Array({ maxLength: 40 }))
    .map(([kind, size, body]) =>
      Uint8Array.from(kind < 2 ? [kind] : [kind, size, ...body.subarray(0, Math.max(0, size - 2))]),
    );
  const soup = fc
    .array(option, { maxLength: 8 })
    .map((list) => Uint8Array.from(list.flatMap((bytes) => [...bytes])));
  fc.assert(
    fc.property(fc.oneof(soup, fc.uint8Array({ maxLength: 60 })), (bytes) => {
      parseTwice(bytes, (view, at) => {
        const out = new TcpOptions();
        parseTcpOptions(view, at, bytes.length, out);
        if (out.sackCount < 0 || out.sackCount > 4) throw new Error('more SACK blocks than fit');
        if (out.wscale < -1 || out.wscale > 14) throw new Error('window scale out of range');
        const inside =
          out.fastOpenOffset >= at && out.fastOpenOffset + out.fastOpenLength <= at + bytes.length;
        if (out.fastOpenLength >= 0 && !inside) throw new Error('cookie outside of the options');
        forgetAbsent(out, at);
        return out;
      });
    }),
  );
});

t.test('ICMP and ARP: whatever the bytes', async () => {
  const message = fc.oneof(
    fc.uint8Array({ maxLength: 80 }),
    fc
      .tuple(fc.constantFrom(0, 3, 5, 8, 11, 12), fc.nat(15), anyPacket)
      .map(([type, code, quote]) => Uint8Array.from([type, code, 0, 0, 0, 0, 5, 0x78, ...quote])),
  );
  fc.assert(
    fc.property(message, fc.boolean(), (bytes, fix) => {
      if (fix && bytes.length >= 8) {
        const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        view.setUint16(2, 0);
        view.setUint16(2, checksum.finish(checksum.sum(view, 0, bytes.length)));
      }
      parseTwice(bytes, (view, at) => {
        const out = new icmp.IcmpMessage();
        const result = icmp.parseIcmp(view, at, bytes.length, out);
        if (result === icmp.ICMP_OK && out.payloadOffset + out.payloadLength !== at + bytes.length) {
          throw new Error('payload outside of the message');
        }
        return result === icmp.ICMP_OK ? [result, out] : [result];
      });
      parseTwice(bytes, (view, at) => {
        const out = new ArpPacket();
        return parseArp(view, at, bytes.length, out) ? { ...out } : bytes.length >= ARP_LENGTH;
      });
    }),
  );
});

t.test('the printer has one line for everything', async () => {
  fc.assert(
    fc.property(
      anyBytes,
      fc.constantFrom('ethernet' as const, 'ip' as const),
      fc.boolean(),
      (bytes, link, checksums) => {
        const line = formatPacket(bytes, link, { checksums });
        return line.length > 0 && !line.includes('\n') && !/undefined|NaN|null/.test(line);
      },
    ),
  );
});

t.test('what is written is read back', async () => {
  fc.assert(
    fc.property(
      word,
      word,
      u16,
      fc.integer({ min: 0, max: 255 }),
      fc.integer({ min: 20, max: 1500 }),
      fc.boolean(),
      (src, dst, id, byte, total, df) => {
        const view = new DataView(new ArrayBuffer(1504));
        ipv4.writeIpv4(view, 4, total, byte, src, dst, byte, byte, id, df);
        const header = new ipv4.Ipv4Header();
        const same =
          ipv4.parseIpv4(view, 4, 1500, header) === ipv4.IPV4_OK &&
          header.src.equals(new Address().setV4(src)) &&
          header.dst.equals(new Address().setV4(dst)) &&
          header.id === id &&
          header.tos === byte &&
          header.totalLength === total &&
          header.dontFragment === df;
        return same;
      },
    ),
  );
  fc.assert(
    fc.property(
      u16,
      fc.integer({ min: -1, max: 14 }),
      fc.boolean(),
      fc.boolean(),
      word,
      word,
      (mss, wscale, sack, ts, val, ecr) => {
        const view = new DataView(new ArrayBuffer(60));
        const length = writeSynOptions(view, 3, mss, wscale, sack, ts, val, ecr);
        const out = new TcpOptions();
        parseTcpOptions(view, 3, length, out);
        const stamps = ts ? out.tsVal === val && out.tsEcr === ecr : out.tsVal === 0;
        return (
          out.mss === mss &&
          out.wscale === wscale &&
          out.sackPermitted === sack &&
          out.timestamps === ts &&
          stamps &&
          !out.malformed
        );
      },
    ),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(word, word), { maxLength: 4 }), (blocks) => {
      const view = new DataView(new ArrayBuffer(60));
      const left = Int32Array.from(blocks, ([from]) => from);
      const right = Int32Array.from(blocks, ([, to]) => to);
      const out = new TcpOptions();
      parseTcpOptions(view, 1, writeSackBlocks(view, 1, left, right, blocks.length), out);
      return (
        out.sackCount === blocks.length &&
        blocks.every(([from, to], i) => out.sackLeft[i] === from && out.sackRight[i] === to)
      );
    }),
  );
});

t.test('checksums: one changed bit is always noticed, and the order of parts does not matter', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 2, maxLength: 400 }), fc.nat(), fc.nat(), (bytes, bit, cut) => {
      const view = new DataView(bytes.buffer);
      const whole = checksum.sum(view, 0, bytes.length);
      const at = (cut % bytes.length) & ~1;
      const parts = checksum.sum(view, at, bytes.length - at, checksum.sum(view, 0, at));
      bytes[(bit >> 3) % bytes.length] ^= 1 << (bit & 7);
      return whole === parts && checksum.sum(view, 0, bytes.length) !== whole;
    }),
  );
});
