// What the packet printer says about whole packets, broken ones and cut ones.

import t from 'tap';
import { formatPacket } from '../../src/stack/wire/print.js';
import { hex } from './bytes.js';

const ETHERNET = '020000000002 020000000001';

/** An IPv4 packet from 10.0.0.1 to 10.0.0.2; the checksum is 0. */
function ipv4(protocol: number, payload: string, fragment = '0000'): string {
  const digits = payload.replace(/\s+/g, '');
  const total = (20 + digits.length / 2).toString(16).padStart(4, '0');
  return `4500${total} 0001${fragment} 40${protocol.toString(16).padStart(2, '0')}0000 0a000001 0a000002 ${digits}`;
}

/** A segment from port 1234 to port 80 with sequence number 1 and acknowledgement 2. */
function tcp(flags: number, options: string, payload = ''): string {
  const digits = options.replace(/\s+/g, '');
  const word = (((20 + digits.length / 2) / 4) << 12) | flags;
  return `04d20050 00000001 00000002 ${word.toString(16).padStart(4, '0')}faf0 00000000 ${digits} ${payload}`;
}

const ip = (text: string, checksums = false): string => formatPacket(hex(text), 'ip', { checksums });
const frame = (text: string): string => formatPacket(hex(text), 'ethernet');
const segment = (flags: number, options: string, payload = ''): string =>
  ip(ipv4(6, tcp(flags, options, payload)));

t.test('TCP: flags, numbers, window and length', async (t) => {
  const head = 'IP 10.0.0.1.1234 > 10.0.0.2.80: Flags';
  const cases: [number, string, string][] = [
    [0x02, '', '[S], seq 1:1, win 64240, length 0'],
    [0x12, '', '[S.], seq 1:1, ack 2, win 64240, length 0'],
    [0x10, '', '[.], seq 1:1, ack 2, win 64240, length 0'],
    [0x18, '616263', '[P.], seq 1:4, ack 2, win 64240, length 3'],
    [0x11, '61', '[F.], seq 1:2, ack 2, win 64240, length 1'],
    [0x04, '', '[R], seq 1:1, win 64240, length 0'],
    [0x30, '', '[.U], seq 1:1, ack 2, win 64240, urg 0, length 0'],
    [0xc2, '', '[SEW], seq 1:1, win 64240, length 0'],
    [0x1ff, '', '[FSRP.UEWe], seq 1:1, ack 2, win 64240, urg 0, length 0'],
    [0x00, '', '[none], seq 1:1, win 64240, length 0'],
  ];
  for (const [flags, payload, text] of cases) t.equal(segment(flags, '', payload), `${head} ${text}`);
  const wrapped = ipv4(6, tcp(0x10, '', '6162').replace('00000001', 'ffffffff'));
  t.match(ip(wrapped), 'seq 4294967295:1,', 'sequence numbers are unsigned and wrap');
});

t.test('TCP: every option', async (t) => {
  const cases: [string, string][] = [
    ['020405b4 0402080a00000001 00000000 01030307', 'mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7'],
    ['0101080a ffffffff 80000000', 'nop,nop,TS val 4294967295 ecr 2147483648'],
    ['0101050a 00000001 00000002', 'nop,nop,sack 1 {1:2}'],
    ['01010512 00000001 00000002 00000003 ffffffff', 'nop,nop,sack 2 {1:2}{3:4294967295}'],
    [`1312 ${'5a'.repeat(16)} 0101`, `md5 ${'5a'.repeat(16)},nop,nop`],
    ['1d08 0102 aabbccdd', 'tcp-ao keyid 1 rnextkeyid 2 mac 0xaabbccdd'],
    ['1c04 0005', 'uto 5s'],
    ['1c04 8005', 'uto 5m'],
    ['2202 0101', 'tfo cookiereq,nop,nop'],
    ['2206 01020304 0101', 'tfo cookie 01020304,nop,nop'],
    ['fe04 f989', 'exp-tfo cookiereq'],
    ['fe08 f989 01020304', 'exp-tfo cookie 01020304'],
    ['fe04 1234', 'unknown-254 0x1234'],
    ['ac05 010203 ae05 040506 0000', 'accecn0 0x010203,accecn1 0x040506,eol'],
    ['4d02 0101', 'unknown-77,nop,nop'],
    ['4d04 0102', 'unknown-77 0x0102'],
    ['0203 ff01', 'unknown-2 0xff,nop'],
    ['01 00 0000', 'nop,eol'],
    ['4d00 0000', '[bad opt 77]'],
    ['01 4d05 00', 'nop,[bad opt 77]'],
    ['010101 08', 'nop,nop,nop,[bad opt 8]'],
  ];
  for (const [options, text] of cases) t.match(segment(0x10, options), `, options [${text}], length 0`, text);
});

t.test('TCP: broken and cut headers', async (t) => {
  const bytes = hex(ipv4(6, tcp(0x18, '0101080a 00000001 00000002', '61626364')));
  const cut = (length: number): string => formatPacket(bytes.slice(0, length), 'ip');
  t.equal(
    cut(56),
    'IP 10.0.0.1.1234 > 10.0.0.2.80: Flags [P.], seq 1:5, ack 2, win 64240, options [nop,nop,TS val 1 ecr 2], length 4',
  );
  t.equal(cut(53), `${cut(56)} [truncated]`);
  t.match(cut(45), 'options [nop,nop,[bad opt 8]], length 4 [truncated]');
  t.equal(cut(39), 'IP 10.0.0.1 > 10.0.0.2: tcp, length 36 [truncated]');
  t.equal(ip(ipv4(6, '04d20050')), 'IP 10.0.0.1 > 10.0.0.2: tcp, length 4 [truncated]');
  t.match(ip(ipv4(6, tcp(0x10, '').replace('5010', '4010'))), 'Flags [.], bad header length 16, length 20');
  t.match(ip(ipv4(6, tcp(0x10, '').replace('5010', 'f010'))), 'Flags [.], bad header length 60, length 20');
});

t.test('IPv4: fragments, other protocols and broken headers', async (t) => {
  const cases: [string, string][] = [
    [ipv4(17, '04d20035 000a0000 6162'), 'IP 10.0.0.1.1234 > 10.0.0.2.53: UDP, length 2'],
    [ipv4(17, '04d2'), 'IP 10.0.0.1 > 10.0.0.2: udp, length 2'],
    [ipv4(132, '04d2'), 'IP 10.0.0.1 > 10.0.0.2: ip-proto-132, length 2'],
    [ipv4(6, '04d2', '2000'), 'IP 10.0.0.1 > 10.0.0.2: tcp (frag id 1, offset 0, more), length 2'],
    [ipv4(1, '04d2', '0003'), 'IP 10.0.0.1 > 10.0.0.2: icmp (frag id 1, offset 24), length 2'],
    [`44${ipv4(6, '').slice(2)}`, 'IP 10.0.0.1 > 10.0.0.2: bad header (header length 16, total length 20)'],
    [`46${ipv4(6, '').slice(2)}`, 'IP 10.0.0.1 > 10.0.0.2: bad header (header length 24, total length 20)'],
    [`4f00 00ff ${ipv4(6, '').slice(9)}`, 'IP 10.0.0.1 > 10.0.0.2: [truncated]'],
    ['4500', 'IP [truncated], length 2'],
    ['', 'IP [truncated]'],
    ['2500', 'IP version 2, length 2'],
  ];
  for (const [bytes, text] of cases) t.equal(ip(bytes), text);
});

t.test('IPv6: addresses, and what it carries', async (t) => {
  const header = (length: string, next: string): string =>
    `60000000 ${length} ${next} 40 20010db8000000000000000000000001 fe800000000000000000000000000002`;
  const syn = tcp(0x02, '020405a0');
  t.equal(
    ip(`${header('0018', '06')} ${syn}`),
    'IP6 2001:db8::1.1234 > fe80::2.80: Flags [S], seq 1:1, win 64240, options [mss 1440], length 0',
  );
  t.equal(ip(`${header('0002', '3a')} 8000`), 'IP6 2001:db8::1 > fe80::2: ip-proto-58, length 2');
  t.equal(ip('6000'), 'IP6 [truncated], length 2');
});

t.test('ICMP: echo and errors', async (t) => {
  const quote = (protocol: number): string =>
    ipv4(protocol, '04d20050 00000001').replace('0a000002', '0a000009');
  const cases: [string, string][] = [
    ['08000000 12340009 6162', 'echo request, id 4660, seq 9, length 10'],
    ['00000000 12340009', 'echo reply, id 4660, seq 9, length 8'],
    [`03000000 00000000 ${quote(6)}`, 'net 10.0.0.9 unreachable, length 36'],
    [`03010000 00000000 ${quote(6)}`, 'host 10.0.0.9 unreachable, length 36'],
    [`03020000 00000000 ${quote(132)}`, '10.0.0.9 protocol 132 unreachable, length 36'],
    [`03030000 00000000 ${quote(6)}`, '10.0.0.9 tcp port 80 unreachable, length 36'],
    [`03040000 00000578 ${quote(6)}`, '10.0.0.9 unreachable - need to frag (mtu 1400), length 36'],
    [`030d0000 00000000 ${quote(6)}`, 'host 10.0.0.9 unreachable - admin prohibited filter, length 36'],
    [`03050000 00000000 ${quote(6)}`, '10.0.0.9 unreachable - code 5, length 36'],
    ['03010000 00000000', 'type 3 code 1, length 8'],
    [`0b000000 00000000 ${quote(6)}`, 'time exceeded in-transit, length 36'],
    ['0b010000 00000000', 'ip reassembly time exceeded, length 8'],
    ['05010000 0a000003', 'type 5 code 1, length 8'],
  ];
  for (const [payload, text] of cases) t.equal(ip(ipv4(1, payload)), `IP 10.0.0.1 > 10.0.0.2: ICMP ${text}`);
  t.equal(ip(ipv4(1, '0800')), 'IP 10.0.0.1 > 10.0.0.2: ICMP, length 2 [truncated]');
  const short = ipv4(1, `03030000 00000000 ${quote(6)}`)
    .replace(/\s+/g, '')
    .slice(0, -16);
  t.equal(ip(short), 'IP 10.0.0.1 > 10.0.0.2: ICMP 10.0.0.9 tcp port unreachable, length 36 [truncated]');
});

t.test('Ethernet: ARP, VLANs, padding, unknown types and cut frames', async (t) => {
  const arp = '0001080006040001 020000000001 0a000001';
  const cases: [string, string][] = [
    [
      `${ETHERNET} 0806 ${arp} 000000000000 0a000002`,
      'ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28',
    ],
    [
      `${ETHERNET} 0806 ${arp} 020000000002 0a000002`,
      'ARP, Request who-has 10.0.0.2 (02:00:00:00:00:02) tell 10.0.0.1, length 28',
    ],
    [
      `${ETHERNET} 0806 ${arp.replace('0001 02', '0002 02')} 020000000002 0a000002 ${'00'.repeat(18)}`,
      'ARP, Reply 10.0.0.1 is-at 02:00:00:00:00:01, length 46',
    ],
    [
      `${ETHERNET} 0806 ${arp.replace('0001 02', '0009 02')} 000000000000 0a000002`,
      'ARP, operation 9, length 28',
    ],
    [`${ETHERNET} 0806 ${'00'.repeat(28)}`, 'ARP, not IPv4 over Ethernet, length 28'],
    [`${ETHERNET} 0806 0001`, 'ARP, [truncated], length 2'],
    [
      `${ETHERNET} 0800 ${ipv4(6, tcp(0x10, ''))} 000000000000`,
      'IP 10.0.0.1.1234 > 10.0.0.2.80: Flags [.], seq 1:1, ack 2, win 64240, length 0',
    ],
    [
      `${ETHERNET} 8100 a005 0800 ${ipv4(17, '04d20035 00080000')}`,
      'vlan 5, IP 10.0.0.1.1234 > 10.0.0.2.53: UDP, length 0',
    ],
    [`${ETHERNET} 8100 00`, '02:00:00:00:00:01 > 02:00:00:00:00:02, ethertype 0x8100, length 15'],
    [`${ETHERNET} 88cc 0102`, '02:00:00:00:00:01 > 02:00:00:00:00:02, ethertype 0x88cc, length 16'],
    [`${ETHERNET} 86dd 60`, 'IP6 [truncated], length 1'],
    [`${ETHERNET} 0800`, 'IP [truncated]'],
    [`${ETHERNET} 08`, 'Ethernet [truncated], length 13'],
  ];
  for (const [bytes, text] of cases) t.equal(frame(bytes), text);
});

t.test('checksums are remarked on when asked for', async (t) => {
  const good = '45000028 00010000 400666cd 0a000001 0a000002 04d20050 00000001 00000002 5010faf0 ';
  const line = 'IP 10.0.0.1.1234 > 10.0.0.2.80: Flags [.], seq 1:1, ack 2, win 64240, length 0';
  t.equal(ip(`${good} 9bbc0000`, true), line);
  t.equal(ip(`${good} 9bb70000`, true), `${line} [bad tcp cksum 0x9bb7, should be 0x9bbc]`);
  t.equal(ip(`${good} 9bb70000`), line);
  t.equal(ip(`${good} 141d0000`, true), `${line} [partial tcp cksum]`);
  t.equal(ip(`${good.replace('66cd', '66ce')} 9bbc0000`, true), `${line} [bad ip cksum 0x66ce]`);
  const echo = '4500001c 00010000 400166de 0a000001 0a000002 08000000 00000000';
  t.match(ip(echo, true), 'length 8 [bad icmp cksum 0x0000]');
  t.notMatch(ip(echo.replace('08000000', '0800f7ff'), true), 'bad');
});
