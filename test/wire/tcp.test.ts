// The TCP header and its options against bytes made by hand.

import t from 'tap';
import * as tcp from '../../src/stack/wire/tcp-header.js';
import {
  parseTcpOptions,
  sackBlocksLength,
  synOptionsLength,
  TcpOptions,
  writeSackBlocks,
  writeSynOptions,
  writeTimestamps,
} from '../../src/stack/wire/tcp-options.js';
import { AT, blank, hex, place } from './bytes.js';

const HEADER = '9c40 0050 80000001 7fffffff 5012 ffff abcd 0007';

function parse(text: string): TcpOptions {
  const out = new TcpOptions();
  const bytes = hex(text);
  parseTcpOptions(place(bytes), AT, bytes.length, out);
  return out;
}

t.test('header: a segment is parsed', async (t) => {
  const seg = new tcp.Segment();
  const bytes = hex(`${HEADER} 68656c6c6f`);
  t.equal(tcp.parseTcp(place(bytes), AT, bytes.length, seg), tcp.TCP_OK);
  t.equal(seg.src.port, 40_000);
  t.equal(seg.dst.port, 80);
  t.match(seg, {
    seq: 0x80000001 | 0,
    ack: 0x7fffffff,
    flags: tcp.SYN | tcp.ACK,
    wnd: 0xffff,
    checksum: 0xabcd,
    urgent: 7,
    dataOffset: AT + 20,
    dataLength: 5,
  });
  t.equal(tcp.segLen(seg), 6, 'SYN takes a sequence number');
  seg.flags = tcp.FIN | tcp.ACK;
  t.equal(tcp.segLen(seg), 6, 'so does FIN');
  seg.flags = tcp.FIN | tcp.SYN;
  t.equal(tcp.segLen(seg), 7);
  seg.flags = tcp.RST | tcp.PSH | tcp.URG | tcp.ECE | tcp.CWR | tcp.AE;
  t.equal(tcp.segLen(seg), 5, 'and nothing else does');
});

t.test('header: a length that cannot be is refused', async (t) => {
  const seg = new tcp.Segment();
  const bytes = hex(HEADER);
  for (let length = 0; length < 20; length++) {
    t.equal(
      tcp.parseTcp(place(bytes.subarray(0, length)), AT, length, seg),
      tcp.TCP_TRUNCATED,
      `${length} bytes`,
    );
  }
  for (let words = 0; words < 16; words++) {
    bytes[12] = words << 4;
    const right = words === 5 ? tcp.TCP_OK : tcp.TCP_BAD_OFFSET;
    t.equal(tcp.parseTcp(place(bytes), AT, 20, seg), right, `data offset ${words} in 20 bytes`);
  }
});

t.test('header: it is written with all nine flags and checksum 0', async (t) => {
  const out = blank(24);
  tcp.writeTcpHeader(out.view, 2, 40_000, 80, 0x80000001 | 0, 0x7fffffff, 20, tcp.SYN | tcp.ACK, 0xffff, 7);
  t.equal(out.written(0, 24), `eeee${HEADER.replaceAll(' ', '').replace('abcd', '0000')}eeee`);
  tcp.writeTcpHeader(out.view, 2, 1, 65_535, -1, 0, 60, 0x1ff, 0, 0);
  t.equal(out.written(2, 20), '0001ffff ffffffff 00000000 f1ff0000 00000000'.replaceAll(' ', ''));
  const seg = new tcp.Segment();
  tcp.writeTcpHeader(out.view, 2, 1, 65_535, -1, 0, 20, 0x1ff, 0, 0);
  t.equal(tcp.parseTcp(out.view, 2, 20, seg), tcp.TCP_OK);
  t.match(seg, { seq: -1, flags: 0x1ff, dataLength: 0 });
});

t.test('options: each known one is read, at any alignment', async (t) => {
  const cases: [string, Partial<TcpOptions>][] = [
    ['', { mss: 0, wscale: -1, sackPermitted: false, timestamps: false, malformed: false }],
    ['020405b4', { mss: 1460 }],
    ['01 020405b4', { mss: 1460 }],
    ['02040000', { mss: 0 }],
    ['02040218 020405b4', { mss: 1460 }],
    ['030307', { wscale: 7 }],
    ['030300', { wscale: 0 }],
    ['03030e', { wscale: 14 }],
    ['03030f', { wscale: 14 }],
    ['0303ff', { wscale: 14 }],
    ['0402', { sackPermitted: true }],
    ['080a 80000001 ffffffff', { timestamps: true, tsVal: 0x80000001 | 0, tsEcr: -1 }],
    ['0101 080a 00000001 00000002', { timestamps: true, tsVal: 1, tsEcr: 2 }],
    ['080a 00000001 00000002 0101', { timestamps: true, tsVal: 1, tsEcr: 2 }],
    ['01 080a 00000001 00000002', { timestamps: true, tsVal: 1, tsEcr: 2 }],
    [`1312 ${'5a'.repeat(16)}`, { md5: true, ao: false }],
    [`1d10 0102 ${'5a'.repeat(12)}`, { ao: true, md5: false }],
    ['1d04 0102', { ao: true }],
    ['1c04 8005', { userTimeout: 0x8005 }],
    ['ac05 000001 ae0b 000001000002000003 0402', { sackPermitted: true, malformed: false }],
    ['4d06 01020304 030302', { wscale: 2 }],
    ['4d02 030302', { wscale: 2 }],
  ];
  for (const [text, expected] of cases) t.match(parse(text), expected, text);
});

t.test('options: SACK blocks come in wire order, four at most', async (t) => {
  const one = parse('0101050a 80000001 80000005');
  t.equal(one.sackCount, 1);
  t.strictSame([one.sackLeft[0], one.sackRight[0]], [0x80000001 | 0, 0x80000005 | 0]);
  const four = parse(`0522 ${[1, 2, 3, 4, 5, 6, 7, 8].map((n) => `0000000${n}`).join('')}`);
  t.equal(four.sackCount, 4);
  t.strictSame([...four.sackLeft], [1, 3, 5, 7]);
  t.strictSame([...four.sackRight], [2, 4, 6, 8]);
  t.equal(parse(`052a ${'00000001'.repeat(10)}`).sackCount, 4, 'a fifth block has no place to go');
  for (const size of [2, 3, 9, 11, 17, 19]) {
    const text = `05${size.toString(16).padStart(2, '0')}${'01'.repeat(size - 2)}0402`;
    t.match(
      parse(text),
      { sackCount: 0, sackPermitted: true, malformed: false },
      `SACK of ${size} bytes is skipped`,
    );
  }
});

t.test('options: Fast Open in both encodings', async (t) => {
  const cases: [string, number, number, boolean][] = [
    ['2202', 0, AT + 2, false],
    ['2206 01020304', 4, AT + 2, false],
    ['01 220a 0102030405060708', 8, AT + 3, false],
    [`2212 ${'01'.repeat(16)}`, 16, AT + 2, false],
    ['fe04 f989', 0, AT + 4, true],
    ['fe0c f989 0102030405060708', 8, AT + 4, true],
    ['2204 0102', -1, 0, false],
    ['2207 0102030405', -1, 0, false],
    [`2214 ${'01'.repeat(18)}`, -1, 0, false],
    ['fe04 1234', -1, 0, false],
    ['fe02', -1, 0, false],
  ];
  for (const [text, fastOpenLength, fastOpenOffset, fastOpenExperimental] of cases) {
    const expected = { fastOpenLength, fastOpenOffset, fastOpenExperimental, malformed: false };
    t.match(parse(text), expected, text);
  }
});

t.test('options: a wrong length of a known kind skips that option only', async (t) => {
  for (const text of [
    '0203ff',
    '0205ffffff',
    '0302',
    '0304ffff',
    '0403ff',
    `0809${'ff'.repeat(7)}`,
    '1303ff',
    '1d02',
    '1c03ff',
  ]) {
    const options = parse(`${text} 01 020405b4`);
    const expected = {
      mss: 1460,
      wscale: -1,
      sackPermitted: false,
      timestamps: false,
      md5: false,
      ao: false,
      malformed: false,
    };
    t.match(options, { ...expected, userTimeout: -1 }, text);
  }
});

t.test('options: a length of 0, of 1 or beyond the end stops the parser', async (t) => {
  const cases: [string, boolean][] = [
    ['020405b4 0200 030307', true],
    ['020405b4 4d00 030307', true],
    ['020405b4 4d01 030307', true],
    ['020405b4 080a 000000', true],
    ['020405b4 03', true],
    ['020405b4 08', true],
    ['020405b4 4dff', true],
    ['020405b4 00 030307', false],
    ['020405b4 00', false],
    ['020405b4 01', false],
  ];
  for (const [text, malformed] of cases) t.match(parse(text), { mss: 1460, wscale: -1, malformed }, text);
});

t.test('options: the parser forgets the segment before', async (t) => {
  const out = new TcpOptions();
  const all = hex('020405b4 0402 080a0000000100000002 030307 050a0000000100000002 2202 1d040102');
  parseTcpOptions(place(all), AT, all.length, out);
  t.match(out, { mss: 1460, sackCount: 1, fastOpenLength: 0, ao: true });
  parseTcpOptions(place(hex('0101080a0000000300000004')), AT, 12, out);
  t.match(out, {
    mss: 0,
    wscale: -1,
    sackPermitted: false,
    sackCount: 0,
    fastOpenLength: -1,
    ao: false,
    tsVal: 3,
    tsEcr: 4,
  });
  parseTcpOptions(place(hex('')), AT, 0, out);
  t.match(out, { timestamps: false, tsVal: 0, tsEcr: 0, malformed: false });
});

t.test("options: a SYN's are laid out as Linux lays them out", async (t) => {
  const ts = '00000001 80000002';
  const cases: [number, number, boolean, boolean, string][] = [
    [1460, 7, true, true, `020405b4 0402080a ${ts} 01030307`],
    [1460, -1, true, true, `020405b4 0402080a ${ts}`],
    [1460, 7, false, true, `020405b4 0101080a ${ts} 01030307`],
    [1460, -1, false, true, `020405b4 0101080a ${ts}`],
    [1460, 7, true, false, '020405b4 01010402 01030307'],
    [1460, -1, true, false, '020405b4 01010402'],
    [1460, 0, false, false, '020405b4 01030300'],
    [1460, -1, false, false, '020405b4'],
    [0, 14, true, true, `0402080a ${ts} 0103030e`],
    [65_535, -1, false, false, '0204ffff'],
    [0, -1, false, false, ''],
  ];
  for (const [mss, wscale, sackPermitted, timestamps, text] of cases) {
    const out = blank(44);
    const right = text.replaceAll(' ', '');
    const length = writeSynOptions(out.view, 2, mss, wscale, sackPermitted, timestamps, 1, 0x80000002 | 0);
    t.equal(out.written(0, length + 4), `eeee${right}eeee`, text || 'none');
    t.equal(synOptionsLength(mss, wscale, sackPermitted, timestamps), right.length / 2);
    const back = parse(right);
    t.match(back, { mss, wscale, sackPermitted, timestamps, malformed: false });
  }
});

t.test('options: timestamps and SACK blocks of other segments', async (t) => {
  const out = blank(60);
  t.equal(writeTimestamps(out.view, 1, -1, 5), 12);
  t.equal(out.written(0, 14), 'ee 0101080a ffffffff 00000005 ee'.replaceAll(' ', ''));
  const left = Int32Array.of(1, -2, 5, 7);
  const right = Int32Array.of(2, -1, 6, 8);
  const blocks = ['00000001 00000002', 'fffffffe ffffffff', '00000005 00000006', '00000007 00000008'];
  for (let count = 0; count <= 4; count++) {
    const fresh = blank(60);
    const size = count === 0 ? '' : `010105${(2 + 8 * count).toString(16).padStart(2, '0')}`;
    const expected = `ee${size}${blocks.slice(0, count).join('')}ee`.replaceAll(' ', '');
    t.equal(writeSackBlocks(fresh.view, 1, left, right, count), sackBlocksLength(count));
    t.equal(fresh.written(0, sackBlocksLength(count) + 2), expected, `${count} blocks`);
  }
});
