// Checksum, Ethernet, ARP, IPv4 and ICMP against bytes made by hand.

import t from 'tap';
import { formatV4 } from '../../src/stack/wire/address.js';
import * as arp from '../../src/stack/wire/arp.js';
import * as checksum from '../../src/stack/wire/checksum.js';
import * as ethernet from '../../src/stack/wire/ethernet.js';
import * as icmp from '../../src/stack/wire/icmp.js';
import * as ipv4 from '../../src/stack/wire/ipv4.js';
import { AT, address, blank, hex, place, toHex, word } from './bytes.js';

/** The definition, slowly: the loops under test must agree with it. */
function slowSum(bytes: Uint8Array, initial = 0): number {
  let total = initial;
  bytes.forEach((byte, i) => {
    total += i % 2 === 0 ? byte << 8 : byte;
  });
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}

function noise(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (Math.imul(i + 1, 2654435761) >>> 13) & 255);
}

t.test('checksum: the example of RFC 1071 section 3', async (t) => {
  const view = new DataView(hex('0001 f203 f4f5 f6f7').buffer);
  t.equal(checksum.sum(view, 0, 8), 0xddf2);
  t.equal(checksum.finish(0xddf2), 0x220d);
});

t.test('checksum: all three loops agree with the definition at every length and alignment', async (t) => {
  const bytes = noise(300);
  const source = new DataView(bytes.buffer);
  for (let offset = 0; offset < 5; offset++) {
    for (let length = 0; length < 140; length++) {
      const part = bytes.subarray(offset, offset + length);
      const right = slowSum(part, 0x1234);
      const a = blank(200);
      const b = blank(200);
      const sums = [
        checksum.sum(source, offset, length, 0x1234),
        checksum.copyAndSum(a.memory, 3, bytes, offset, length, 0x1234),
        checksum.copyAndSumView(b.view, 3, source, offset, length, 0x1234),
      ];
      if (sums.some((sum) => sum !== right)) t.fail(`${sums} instead of ${right}`, { offset, length });
      for (const copy of [a, b]) {
        const expected = `ee${toHex(part)}ee`;
        if (copy.written(2, length + 2) !== expected)
          t.fail('bytes were not copied exactly', { offset, length });
      }
    }
  }
});

t.test('checksum: carries of a whole jumbo of 0xff and the largest length are not lost', async (t) => {
  for (const length of [65_535, checksum.MAX_SUM_LENGTH - 1, checksum.MAX_SUM_LENGTH]) {
    const bytes = new Uint8Array(length).fill(0xff);
    const view = new DataView(bytes.buffer);
    const right = slowSum(bytes, 0xffff);
    t.equal(checksum.sum(view, 0, length, 0xffff), right);
    const copy = new Uint8Array(length);
    t.equal(checksum.copyAndSum(copy, 0, bytes, 0, length, 0xffff), right);
    t.equal(checksum.copyAndSumView(new DataView(copy.buffer), 0, view, 0, length, 0xffff), right);
  }
});

t.test('checksum: sums of parts add up, with carry', async (t) => {
  t.equal(checksum.add(0xffff, 0x0001), 0x0001);
  t.equal(checksum.add(0x8000, 0x8001), 0x0002);
  t.equal(checksum.add(0x1234, 0), 0x1234);
});

t.test('checksum: the pseudo-header of both families', async (t) => {
  const v4 = checksum.pseudoHeaderSum(address('10.0.0.1'), address('192.168.255.254'), 6, 1480);
  t.equal(v4, slowSum(hex('0a000001 c0a8fffe 0006 05c8')));
  const v6 = checksum.pseudoHeaderSum(address('2001:db8::1'), address('fe80::ffff:1'), 6, 70_000);
  t.equal(
    v6,
    slowSum(hex('20010db8000000000000000000000001 fe8000000000000000000000ffff0001 00011170 00000006')),
  );
});

t.test('ethernet: a header is written and its fields read back', async (t) => {
  const out = blank(20);
  ethernet.writeEthernet(out.view, 2, 0xffff, -1, 0x0200, 0x80000001 | 0, ethernet.ETHERTYPE_ARP);
  t.equal(out.written(0, 18), 'eeee ffffffffffff 020080000001 0806 eeee'.replaceAll(' ', ''));
  t.equal(ethernet.etherType(out.view, 2), ethernet.ETHERTYPE_ARP);
  t.equal(ethernet.macHigh(out.view, 2), ethernet.BROADCAST_HIGH);
  t.equal(ethernet.macLow(out.view, 2), ethernet.BROADCAST_LOW);
  t.equal(ethernet.macHigh(out.view, 8), 0x0200);
  t.equal(ethernet.macLow(out.view, 8), 0x80000001 | 0, 'the lower part is signed');
  t.ok(ethernet.isGroupMac(0xffff));
  t.ok(ethernet.isGroupMac(0x0100), '01:00:5e is multicast');
  t.notOk(ethernet.isGroupMac(0x0200), 'a locally administered address is not');
});

const ARP_REQUEST_BYTES = '0001 0800 0604 0001 02000000000a 0a000001 000000000000 0a0000fe';

t.test('arp: a request is parsed and written', async (t) => {
  const packet = new arp.ArpPacket();
  t.ok(arp.parseArp(place(hex(ARP_REQUEST_BYTES)), AT, arp.ARP_LENGTH, packet));
  t.strictSame(
    { ...packet },
    {
      operation: arp.ARP_REQUEST,
      senderHigh: 0x0200,
      senderLow: 0x0a,
      senderIp: word('10.0.0.1'),
      targetHigh: 0,
      targetLow: 0,
      targetIp: word('10.0.0.254'),
    },
  );
  const out = blank(40);
  const length = arp.writeArp(out.view, 1, 1, 0x0200, 0x0a, word('10.0.0.1'), 0, 0, word('10.0.0.254'));
  t.equal(length, 28);
  t.equal(out.written(0, 30), `ee${ARP_REQUEST_BYTES.replaceAll(' ', '')}ee`);
});

t.test('arp: anything but Ethernet and IPv4 is refused', async (t) => {
  const packet = new arp.ArpPacket();
  for (let length = 0; length < 28; length++) {
    t.notOk(
      arp.parseArp(place(hex(ARP_REQUEST_BYTES).subarray(0, length)), AT, length, packet),
      `${length} bytes`,
    );
  }
  for (const at of [0, 1, 2, 3, 4, 5]) {
    const bytes = hex(ARP_REQUEST_BYTES);
    bytes[at] ^= 1;
    t.notOk(arp.parseArp(place(bytes), AT, 28, packet), `byte ${at} differs`);
  }
});

// 115 bytes of UDP from 192.168.0.1 to 192.168.0.199; the header's checksum is b861.
const UDP_HEADER = '45000073 00004000 4011b861 c0a80001 c0a800c7';

/** A packet with the given header (its checksum is set here) and `payload` bytes. */
function packet(header: string, payload: number): Uint8Array {
  const head = hex(header);
  head[10] = 0;
  head[11] = 0;
  new DataView(head.buffer).setUint16(10, checksum.finish(slowSum(head)));
  const bytes = new Uint8Array(head.length + payload);
  bytes.set(head);
  return bytes;
}

t.test('ipv4: a header is parsed, and padding is not payload', async (t) => {
  const header = new ipv4.Ipv4Header();
  const bytes = new Uint8Array(130);
  bytes.set(hex(UDP_HEADER));
  t.equal(ipv4.parseIpv4(place(bytes), AT, 130, header), ipv4.IPV4_OK);
  t.equal(formatV4(header.src.w3), '192.168.0.1');
  t.ok(header.src.isV4);
  t.equal(formatV4(header.dst.w3), '192.168.0.199');
  t.match(header, {
    protocol: ipv4.PROTOCOL_UDP,
    ttl: 64,
    tos: 0,
    id: 0,
    headerLength: 20,
    totalLength: 115,
    payloadOffset: AT + 20,
    payloadLength: 95,
    fragmentOffset: 0,
    moreFragments: false,
    dontFragment: true,
    hasOptions: false,
    sourceRoute: false,
    optionsMalformed: false,
  });
});

t.test('ipv4: what is wrong is named', async (t) => {
  const header = new ipv4.Ipv4Header();
  const good = packet(UDP_HEADER, 95);
  const changed = (at: number, value: number, fix = true): Uint8Array => {
    const bytes = good.slice();
    bytes[at] = value;
    if (!fix) return bytes;
    bytes.set(packet(toHex(bytes.subarray(0, 20)), 0));
    return bytes;
  };
  const cases: [string, Uint8Array, number][] = [
    ['nothing', good, ipv4.IPV4_OK],
    ['no bytes', new Uint8Array(0), ipv4.IPV4_TRUNCATED],
    ['19 bytes', good.slice(0, 19), ipv4.IPV4_TRUNCATED],
    ['version 6', changed(0, 0x65), ipv4.IPV4_BAD_VERSION],
    ['version 0', changed(0, 0x05), ipv4.IPV4_BAD_VERSION],
    ['header of 16 bytes', changed(0, 0x44), ipv4.IPV4_BAD_LENGTH],
    ['header of no bytes', changed(0, 0x40), ipv4.IPV4_BAD_LENGTH],
    ['header longer than the frame', packet(`46${UDP_HEADER.slice(2)}`, 0), ipv4.IPV4_TRUNCATED],
    ['a wrong checksum', changed(8, 63, false), ipv4.IPV4_BAD_CHECKSUM],
    ['all zero after the version', hex(`45${'00'.repeat(19)}`), ipv4.IPV4_BAD_CHECKSUM],
    ['total length below the header', packet(UDP_HEADER.replace('0073', '0013'), 95), ipv4.IPV4_BAD_LENGTH],
    ['total length beyond the frame', packet(UDP_HEADER, 94), ipv4.IPV4_SHORT_FRAME],
  ];
  for (const [name, bytes, reason] of cases) {
    t.equal(ipv4.parseIpv4(place(bytes), AT, bytes.length, header), reason, name);
  }
});

t.test('ipv4: fragments are reported in bytes', async (t) => {
  const header = new ipv4.Ipv4Header();
  const cases: [string, number, boolean, boolean][] = [
    ['2000', 0, true, false],
    ['20b9', 1480, true, false],
    ['1fff', 65_528, false, false],
    ['4000', 0, false, true],
  ];
  for (const [field, offset, more, dont] of cases) {
    const bytes = packet(`4500001c 0007${field} 40110000 0a000001 0a000002`, 8);
    t.equal(ipv4.parseIpv4(place(bytes), AT, 28, header), ipv4.IPV4_OK);
    t.match(header, { id: 7, fragmentOffset: offset, moreFragments: more, dontFragment: dont }, field);
  }
});

t.test('ipv4: options are walked, and source routes found', async (t) => {
  const header = new ipv4.Ipv4Header();
  const cases: [string, string, boolean, boolean][] = [
    ['no-ops and an end', '01010100', false, false],
    ['record route', '0107040a000001 00', false, false],
    ['loose source route', '8307040a000009 00', true, false],
    ['strict source route after a no-op', '01 8907040a000009', true, false],
    ['what follows the end is not looked at', '00 8307040a0000 00', false, false],
    ['length 0', '07000000', false, true],
    ['length 1', '07010000', false, true],
    ['length beyond the header', '07050000', false, true],
    ['a kind without its length', '01010107', false, true],
    ['a source route without its length', '01010183', true, true],
  ];
  for (const [name, options, sourceRoute, malformed] of cases) {
    const digits = options.replaceAll(' ', '');
    const ihl = 5 + digits.length / 8;
    const total = (ihl * 4 + 4).toString(16).padStart(4, '0');
    const bytes = packet(`4${ihl}00${total} 00000000 40060000 0a000001 0a000002 ${digits}`, 4);
    t.equal(ipv4.parseIpv4(place(bytes), AT, bytes.length, header), ipv4.IPV4_OK, name);
    t.match(header, { hasOptions: true, sourceRoute, optionsMalformed: malformed, payloadLength: 4 }, name);
  }
  t.equal(ipv4.parseIpv4(place(packet(UDP_HEADER, 95)), AT, 115, header), ipv4.IPV4_OK);
  t.match(
    header,
    { hasOptions: false, sourceRoute: false, optionsMalformed: false },
    'and reset by the next packet',
  );
});

t.test('ipv4: a header is written with its checksum', async (t) => {
  const out = blank(30);
  ipv4.writeIpv4(out.view, 2, 115, 17, word('192.168.0.1'), word('192.168.0.199'), 64, 0, 0, true);
  t.equal(out.written(0, 24), `eeee${UDP_HEADER.replaceAll(' ', '')}eeee`);
  const header = new ipv4.Ipv4Header();
  const big = new DataView(new ArrayBuffer(65_535));
  ipv4.writeIpv4(big, 0, 65_535, 255, -1, word('255.255.255.254'), 255, 255, 65_535, false);
  t.equal(ipv4.parseIpv4(big, 0, 65_535, header), ipv4.IPV4_OK, 'all fields at their largest');
  t.match(header, {
    ttl: 255,
    tos: 255,
    id: 65_535,
    protocol: 255,
    totalLength: 65_535,
    dontFragment: false,
  });
});

// Echo request 'abcdefg', identifier 0x1234, sequence number 9.
const ECHO = '0800 5495 1234 0009 61626364656667';

t.test('icmp: an echo request is parsed and written', async (t) => {
  const message = new icmp.IcmpMessage();
  t.equal(icmp.parseIcmp(place(hex(ECHO)), AT, 15, message), icmp.ICMP_OK);
  t.match(message, {
    type: icmp.ICMP_ECHO,
    code: 0,
    id: 0x1234,
    sequence: 9,
    payloadOffset: AT + 8,
    payloadLength: 7,
    quoted: false,
  });
  const out = blank(20);
  out.memory.set(hex('61626364656667'), 10);
  t.equal(icmp.writeIcmpEcho(out.view, 2, icmp.ICMP_ECHO, 0x1234, 9, 7), 15);
  t.equal(out.written(0, 18), `eeee${ECHO.replaceAll(' ', '')}ee`);
});

t.test('icmp: the reply to an echo differs from it in type and checksum only', async (t) => {
  const out = blank(60);
  out.memory.set(hex(ECHO), 5);
  t.equal(icmp.writeIcmpEchoReply(out.view, 31, 5, 15), 15);
  t.equal(out.written(30, 17), 'ee 0000 5c95 1234 0009 61626364656667 ee'.replaceAll(' ', ''));
});

t.test('icmp: short messages and wrong checksums are refused', async (t) => {
  const message = new icmp.IcmpMessage();
  for (let length = 0; length < 8; length++) {
    t.equal(icmp.parseIcmp(place(hex(ECHO).subarray(0, length)), AT, length, message), icmp.ICMP_TRUNCATED);
  }
  for (const length of [8, 14]) {
    t.equal(
      icmp.parseIcmp(place(hex(ECHO).subarray(0, length)), AT, length, message),
      icmp.ICMP_BAD_CHECKSUM,
    );
  }
});

// The first 28 bytes of a SYN from 10.0.0.2:40000 to 10.0.0.1:80 with sequence number 0x80000001.
const SYN_QUOTE = '4500003c 00004000 40060000 0a000002 0a000001 9c400050 80000001';

/** A message with its checksum set. */
function message(head: string, rest: string): Uint8Array {
  const bytes = hex(`${head} 0000 ${rest}`);
  new DataView(bytes.buffer).setUint16(2, checksum.finish(slowSum(bytes)));
  return bytes;
}

t.test('icmp: an error tells which segment it is about', async (t) => {
  const bytes = message('0304', `00000578 ${SYN_QUOTE}`);
  const out = new icmp.IcmpMessage();
  t.equal(icmp.parseIcmp(place(bytes), AT, bytes.length, out), icmp.ICMP_OK);
  t.match(out, {
    type: icmp.ICMP_UNREACHABLE,
    code: icmp.ICMP_FRAGMENTATION_NEEDED,
    mtu: 1400,
    quoted: true,
    quotedProtocol: 6,
    quotedSeq: 0x80000001 | 0,
    quotedTotalLength: 60,
  });
  t.equal(out.quotedSrc.toString(), '10.0.0.2:40000');
  t.equal(out.quotedDst.toString(), '10.0.0.1:80');
});

t.test('icmp: a quote that identifies no packet is not used', async (t) => {
  const out = new icmp.IcmpMessage();
  const cases: [string, string][] = [
    ['nothing', ''],
    ['27 bytes', SYN_QUOTE.slice(0, -2)],
    ['IPv6', `6${SYN_QUOTE.slice(1)}`],
    ['header of 16 bytes', `44${SYN_QUOTE.slice(2)}`],
    ['options that leave no 8 bytes', `46${SYN_QUOTE.slice(2)}`],
    ['a later fragment', SYN_QUOTE.replace('00004000', '00000001')],
  ];
  for (const [name, quote] of cases) {
    const bytes = message('0301', `00000000 ${quote}`);
    t.equal(icmp.parseIcmp(place(bytes), AT, bytes.length, out), icmp.ICMP_OK);
    t.notOk(out.quoted, name);
  }
  const echo = message('0800', `00000000 ${SYN_QUOTE}`);
  t.equal(icmp.parseIcmp(place(echo), AT, echo.length, out), icmp.ICMP_OK);
  t.notOk(out.quoted, 'the data of an echo is no quote');
  t.strictSame(
    [0, 3, 4, 5, 8, 11, 12, 13].filter((type) => icmp.isIcmpError(type)),
    [3, 4, 5, 11, 12],
  );
});

t.test('icmp: an error quotes as much as 576 bytes hold', async (t) => {
  const out = blank(2000);
  const parsed = new icmp.IcmpMessage();
  out.memory.set(hex(SYN_QUOTE), 100);
  t.equal(
    icmp.writeIcmpError(out.view, 10, icmp.ICMP_UNREACHABLE, icmp.ICMP_PORT_UNREACHABLE, 0, 100, 28),
    36,
  );
  t.equal(icmp.parseIcmp(out.view, 10, 36, parsed), icmp.ICMP_OK);
  t.match(parsed, { type: 3, code: 3, quoted: true, quotedSeq: 0x80000001 | 0 });
  const long = icmp.writeIcmpError(out.view, 1000, icmp.ICMP_UNREACHABLE, 4, 1400, 100, 900);
  t.equal(long, 576 - 20);
  t.equal(icmp.parseIcmp(out.view, 1000, long, parsed), icmp.ICMP_OK);
  t.equal(parsed.mtu, 1400);
});
