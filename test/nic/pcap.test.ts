// Captures: the bytes of a pcapng file by a reader of our own and by tshark, and the Nic that makes them.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Nic, NicCapabilities } from '../../src/nic/nic.js';
import { PcapNic } from '../../src/nic/pcap-nic.js';
import { type PcapngOptions, PcapngWriter } from '../../src/nic/pcapng.js';

interface Packet {
  timeUs: number;
  length: number;
  bytes: Buffer;
  direction: number;
}

interface Capture {
  application: string;
  linkType: number;
  snaplen: number;
  name: string;
  resolution: number;
  packets: Packet[];
}

/** Reads a file of one little-endian section with one interface, checking every length. */
function readPcapng(file: Buffer): Capture {
  const capture: Capture = {
    application: '',
    linkType: -1,
    snaplen: -1,
    name: '',
    resolution: -1,
    packets: [],
  };
  const options = (block: Buffer, from: number): Map<number, Buffer> => {
    const found = new Map<number, Buffer>();
    for (let at = from; ; ) {
      const code = block.readUInt16LE(at);
      const length = block.readUInt16LE(at + 2);
      if (code === 0) {
        if (length !== 0 || at + 8 !== block.length)
          throw new Error('options do not end where the block does');
        return found;
      }
      found.set(code, block.subarray(at + 4, at + 4 + length));
      at += 4 + ((length + 3) & ~3);
    }
  };
  for (let at = 0; at < file.length; ) {
    const size = file.readUInt32LE(at + 4);
    const block = file.subarray(at, at + size);
    if (size % 4 !== 0 || block.readUInt32LE(size - 4) !== size) throw new Error(`bad block length ${size}`);
    const type = block.readUInt32LE(0);
    if (type === 0x0a0d0d0a) {
      if (block.readUInt32LE(8) !== 0x1a2b3c4d || block.readUInt32LE(12) !== 1)
        throw new Error('bad section');
      if (block.readBigInt64LE(16) !== -1n) throw new Error('bad section length');
      capture.application = options(block, 24).get(4)?.toString() ?? '';
    } else if (type === 1) {
      capture.linkType = block.readUInt16LE(8);
      capture.snaplen = block.readUInt32LE(12);
      const found = options(block, 16);
      capture.name = found.get(2)?.toString() ?? '';
      capture.resolution = found.get(9)?.readUInt8(0) ?? -1;
    } else if (type === 6) {
      const kept = block.readUInt32LE(20);
      capture.packets.push({
        timeUs: block.readUInt32LE(12) * 2 ** 32 + block.readUInt32LE(16),
        length: block.readUInt32LE(24),
        bytes: Buffer.from(block.subarray(28, 28 + kept)),
        direction:
          options(block, 28 + ((kept + 3) & ~3))
            .get(2)
            ?.readUInt32LE(0) ?? -1,
      });
    } else throw new Error(`unknown block ${type}`);
    at += size;
  }
  return capture;
}

/** Collects what a sink is given. */
function recorder() {
  const blocks: Buffer[] = [];
  return {
    sink: (bytes: Uint8Array, length: number): void => {
      blocks.push(Buffer.from(bytes.subarray(0, length)));
    },
    file: (): Buffer => Buffer.concat(blocks),
  };
}

const fromHex = (text: string): Buffer => Buffer.from(text.replace(/\s+/g, ''), 'hex');

// An ACK from 10.0.0.1:1234 to 10.0.0.2:80; 9bbc is its checksum, 141d its pseudo-header's sum.
const IP_HEADER = '45000028 00010000 400666cd 0a000001 0a000002';
const ACK = fromHex(`${IP_HEADER} 04d20050 00000001 00000002 5010faf0 9bbc0000`);
const PARTIAL_ACK = fromHex(`${IP_HEADER} 04d20050 00000001 00000002 5010faf0 141d0000`);
const ETHERNET = fromHex('020000000002 020000000001 0800');

// 2023-11-14 22:13:20.123456 UTC: more than 2^32 microseconds.
const TIME_US = 1_700_000_000_123_456;

function write(options: PcapngOptions, packets: [Buffer, number, boolean][]): Buffer {
  const { sink, file } = recorder();
  const writer = new PcapngWriter(sink, options);
  for (const [bytes, timeUs, outbound] of packets) {
    const at = writer.reserve(bytes.length);
    writer.block.set(bytes, at);
    writer.writePacket(bytes.length, timeUs, outbound);
  }
  t.equal(writer.packets, packets.length);
  t.equal(writer.bytes, file().length);
  return file();
}

t.test('a file without packets is a file', async (t) => {
  const options: PcapngOptions = { linkType: 'ip', name: 'lab0', application: 'a test', snaplen: 96 };
  t.strictSame(readPcapng(write(options, [])), {
    application: 'a test',
    linkType: 101,
    snaplen: 96,
    name: 'lab0',
    resolution: 6,
    packets: [],
  });
});

t.test('packets keep their bytes, time and direction, at every length modulo 4', async (t) => {
  const frame = Buffer.concat([ETHERNET, ACK]);
  const packets = [0, 1, 2, 3, 4, 54, 9000].map((length, i): [Buffer, number, boolean] => {
    const bytes = Buffer.alloc(length);
    frame.copy(bytes);
    return [bytes, TIME_US + i + 0.75, i % 2 === 1];
  });
  const capture = readPcapng(write({ linkType: 'ethernet', name: 'lab0' }, packets));
  t.equal(capture.linkType, 1);
  t.equal(capture.snaplen, 0);
  t.strictSame(
    capture.packets,
    packets.map(([bytes, , outbound], i) => ({
      timeUs: TIME_US + i,
      length: bytes.length,
      bytes,
      direction: outbound ? 2 : 1,
    })),
  );
});

t.test('padding holds nothing of the packet before', async (t) => {
  const file = write({ linkType: 'ip', name: 'x' }, [
    [Buffer.alloc(8, 0xff), 0, true],
    [Buffer.alloc(5, 0xaa), 0, true],
  ]);
  t.match(file.toString('hex'), /aaaaaaaaaa00000002000400/);
});

t.test('snaplen cuts the bytes, not the length', async (t) => {
  const capture = readPcapng(write({ linkType: 'ip', name: 'x', snaplen: 21 }, [[ACK, TIME_US, true]]));
  t.match(capture.packets, [{ length: 40 }]);
  t.equal(capture.packets[0].bytes.toString('hex'), ACK.subarray(0, 21).toString('hex'));
});

t.test('a name is cut to what the format holds, in characters', async (t) => {
  const capture = readPcapng(write({ linkType: 'ip', name: 'é'.repeat(300) }, []));
  t.equal(capture.name, 'é'.repeat(127));
});

/** A Nic without a wire: `rx` is what the next `receive` finds. */
class FakeNic implements Nic {
  readonly capabilities: NicCapabilities;
  readonly memory = new Uint8Array(4096);
  readonly view = new DataView(this.memory.buffer);
  readonly rx: [number, number][] = [];
  readonly calls: string[] = [];

  constructor(linkType: 'ethernet' | 'ip') {
    this.capabilities = {
      linkType,
      mtu: 1500,
      mac: new Uint8Array(6),
      txChecksum: true,
      rxPartialChecksum: false,
      mode: 'fake',
    };
  }

  receive(batch: Int32Array): number {
    const frames = this.rx.splice(0);
    for (const [i, [offset, length]] of frames.entries()) batch.set([offset, length, 0], 3 * i);
    return frames.length;
  }
  release(offset: number): void {
    this.calls.push(`release ${offset}`);
  }
  reserve(): number {
    return 512;
  }
  submit(offset: number, length: number, checksumStart: number, checksumOffset: number): void {
    this.calls.push(`submit ${offset} ${length} ${checksumStart} ${checksumOffset}`);
    // A device may use the frame for something else as soon as it has it.
    this.memory.fill(0xff, offset, offset + length);
  }
  flush(): void {
    this.calls.push('flush');
  }
  wait(timeoutUs: number): void {
    this.calls.push(`wait ${timeoutUs}`);
  }
  statistics(): Record<string, number> {
    return { rx_packets: 7 };
  }
  close(): void {
    this.calls.push('close');
  }
}

t.test('the Nic records both directions and passes everything on', async (t) => {
  const inner = new FakeNic('ethernet');
  let timeUs = TIME_US;
  const nic = new PcapNic(inner, () => timeUs);
  const { sink, file } = recorder();
  t.equal(nic.memory, inner.memory);
  t.equal(nic.view, inner.view);
  t.equal(nic.capabilities, inner.capabilities);
  t.notOk(nic.capturing);
  nic.start(sink, { name: 'lab0' });
  t.ok(nic.capturing);

  const frame = Buffer.concat([ETHERNET, ACK]);
  inner.memory.set(frame, 1024);
  inner.memory.set(frame.subarray(0, 20), 2048);
  inner.rx.push([1024, 54], [2048, 20]);
  const batch = new Int32Array(12);
  t.equal(nic.receive(batch), 2);
  t.strictSame([...batch.subarray(0, 6)], [1024, 54, 0, 2048, 20, 0]);
  t.equal(nic.receive(batch), 0);

  timeUs += 10;
  inner.memory.set(frame, nic.reserve());
  nic.submit(512, 54, 0, 0);
  nic.flush();
  nic.wait(5);
  nic.release(1024);
  nic.stop();
  t.strictSame(inner.calls, ['submit 512 54 0 0', 'flush', 'wait 5', 'release 1024']);

  const capture = readPcapng(file());
  t.equal(capture.name, 'lab0');
  t.strictSame(capture.packets, [
    { timeUs: TIME_US, length: 54, bytes: frame, direction: 1 },
    { timeUs: TIME_US, length: 20, bytes: frame.subarray(0, 20), direction: 1 },
    { timeUs: TIME_US + 10, length: 54, bytes: frame, direction: 2 },
  ]);
  t.strictSame(nic.statistics(), { rx_packets: 7, pcap_packets: 3, pcap_bytes: file().length });
});

t.test('a checksum left to the device is complete in the capture only', async (t) => {
  const inner = new FakeNic('ip');
  const nic = new PcapNic(inner, () => TIME_US);
  const { sink, file } = recorder();
  nic.start(sink);
  const submit = (bytes: Buffer): void => {
    inner.memory.set(bytes, 512);
    nic.submit(512, bytes.length, 20, 16);
  };
  let sent = '';
  inner.submit = (offset, length) => {
    sent = Buffer.from(inner.memory.subarray(offset, offset + length)).toString('hex');
  };
  submit(PARTIAL_ACK);
  t.equal(sent, PARTIAL_ACK.toString('hex'), 'the frame is as the stack made it');
  // One byte of data, so that the last one is summed as the upper half of a word: 9bbc - 6100 - 1.
  const odd = Buffer.concat([PARTIAL_ACK, Buffer.from('a')]);
  odd.writeUInt16BE(0x141e, 36);
  submit(odd);
  const capture = readPcapng(file());
  t.equal(capture.linkType, 101);
  t.equal(capture.name, 'fake', 'the mode stands for a name');
  t.equal(capture.packets[0].bytes.toString('hex'), ACK.toString('hex'));
  t.equal(capture.packets[1].bytes.readUInt16BE(36), 0x3abb);

  const short = recorder();
  nic.start(short.sink, { snaplen: 37 });
  submit(PARTIAL_ACK);
  t.equal(
    readPcapng(short.file()).packets[0].bytes.toString('hex'),
    ACK.subarray(0, 37).toString('hex'),
    'a checksum may be cut through',
  );
});

t.test('recordings start and stop at run time', async (t) => {
  const inner = new FakeNic('ip');
  const nic = new PcapNic(inner, () => TIME_US);
  const first = recorder();
  const second = recorder();
  const send = (): void => {
    inner.memory.set(ACK, 512);
    nic.submit(512, 40, 0, 0);
  };
  send();
  nic.start(first.sink);
  send();
  nic.start(second.sink);
  send();
  send();
  nic.stop();
  send();
  t.equal(readPcapng(first.file()).packets.length, 1);
  t.equal(readPcapng(second.file()).packets.length, 2);
  t.equal(nic.packets, 3);
  t.equal(nic.bytes, first.file().length + second.file().length);
  nic.start(first.sink);
  nic.close();
  t.notOk(nic.capturing);
  t.equal(inner.calls.at(-1), 'close');
});

t.test('a sink that throws ends the recording, not the traffic', async (t) => {
  const inner = new FakeNic('ip');
  const nic = new PcapNic(inner, () => TIME_US);
  const full = new Error('no space left');
  let room = 3;
  const sink = (): void => {
    if (room-- <= 0) throw full;
  };
  nic.start(sink);
  for (let i = 0; i < 3; i++) nic.submit(512, 40, 0, 0);
  t.equal(inner.calls.length, 3);
  t.equal(nic.failure, full);
  t.notOk(nic.capturing);
  t.equal(nic.packets, 1);
  inner.rx.push([512, 40], [512, 40]);
  room = 2;
  nic.start(sink);
  t.equal(nic.receive(new Int32Array(6)), 2);
  t.equal(nic.failure, full, 'in the middle of a batch');
  t.equal(nic.packets, 1);
  room = 0;
  nic.start(sink);
  t.equal(nic.failure, full, 'also while the headers are written');
  t.notOk(nic.capturing);
  nic.start(recorder().sink);
  t.equal(nic.failure, undefined);
});

const tshark = spawnSync('tshark', ['--version']).status === 0;

t.test('tshark reads the file', { skip: tshark ? false : 'tshark is not installed' }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'pcap-test-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'a.pcapng');
  const packets: [Buffer, number, boolean][] = [
    [ACK, TIME_US, false],
    [ACK, TIME_US + 7, true],
  ];
  writeFileSync(path, write({ linkType: 'ip', name: 'lab0' }, packets));
  const fields = [
    'frame.time_epoch',
    'frame.interface_name',
    'frame.packet_flags_direction',
    'ip.src',
    'tcp.checksum.status',
    '_ws.malformed',
  ];
  const text = execFileSync(
    'tshark',
    [
      '-r',
      path,
      '-o',
      'tcp.check_checksum:TRUE',
      '-T',
      'fields',
      '-E',
      'separator=,',
      ...fields.flatMap((f) => ['-e', f]),
    ],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const lines = text.trim().split('\n');
  t.equal(lines.length, 2);
  t.match(lines[0], /^1700000000\.123456000,lab0,(0x0*1|1),10\.0\.0\.1,1,$/);
  t.match(lines[1], /^1700000000\.123463000,lab0,(0x0*2|2),10\.0\.0\.1,1,$/);
});
