// The door to the kernel, as far as it can be opened without privileges: encodings, structures, errors, and
// that a wrong argument throws instead of ending the process.

import { writeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import {
  explainBind,
  explainInterface,
  explainNamespace,
  explainProgram,
  explainSocket,
  type NicError,
} from '../../src/nic/nic-error.js';
import { Assembler, type Comparison } from '../../src/nic/os/bpf-asm.js';
import { addressOf, bufferAt, libc, warmFfi } from '../../src/nic/os/ffi.js';
import { ipBytes } from '../../src/nic/os/ip-bytes.js';
import * as layouts from '../../src/nic/os/layouts.js';
import { netnsPath } from '../../src/nic/os/netns.js';
import * as sys from '../../src/nic/os/syscalls.js';
import { assembleProgram } from '../../src/nic/xdp-bytecode.js';

t.test('eBPF instructions are encoded as RFC 9669 says', async (t) => {
  const encoded = (build: (asm: Assembler) => void): string => {
    const asm = new Assembler();
    build(asm);
    return asm.assemble().toString('hex');
  };
  const cases: [string, (asm: Assembler) => void, string][] = [
    ['r0 = 2', (a) => a.alu(0, '=', 2), 'b700000002000000'],
    ['r1 = r7', (a) => a.aluRegister(1, '=', 7), 'bf71000000000000'],
    ['r1 += -1', (a) => a.alu(1, '+', -1), '07010000ffffffff'],
    ['r2 >>= 4', (a) => a.alu(2, '>>', 4), '7702000004000000'],
    ['r1 = *(u32 *)(r6 + 16)', (a) => a.load(32, 1, 6, 16), '6161100000000000'],
    ['r1 = *(u16 *)(r7 + 12)', (a) => a.load(16, 1, 7, 12), '69710c0000000000'],
    ['r1 = *(u8 *)(r7 + 23)', (a) => a.load(8, 1, 7, 23), '7171170000000000'],
    ['*(u64 *)(r0 + 0) = r1', (a) => a.store(64, 0, 0, 1), '7b10000000000000'],
    ['*(u32 *)(r10 - 8) = 0xffff0000', (a) => a.storeImmediate(32, 10, -8, 0xffff0000), '620af8ff0000ffff'],
    ['lock *(u64 *)(r0 + 0) += r1', (a) => a.atomicAdd(64, 0, 0, 1), 'db10000000000000'],
    ['call 51', (a) => a.call(51), '8500000033000000'],
    ['r1 = map 5', (a) => a.loadMap(1, 5), '18110000050000000000000000000000'],
    ['exit', (a) => a.exit(), '9500000000000000'],
    [
      'goto +1',
      (a) => a.goto('x').exit().label('x').exit(),
      '050001000000000095000000000000009500000000000000',
    ],
    ['goto -1', (a) => a.label('x').goto('x'), '0500ffff00000000'],
    ['if r1 > r8 goto +0', (a) => a.jumpRegister(1, '>', 8, 'x').label('x'), '2d81000000000000'],
    ['if w1 == 8 goto +0', (a) => a.jump32(1, '==', 8, 'x').label('x'), '1601000008000000'],
  ];
  for (const [name, build, hex] of cases) t.equal(encoded(build), hex, name);
  const opcodes: Record<Comparison, string> = {
    '==': '15',
    '!=': '55',
    '>': '25',
    '>=': '35',
    '<': 'a5',
    '<=': 'b5',
    '&': '45',
  };
  for (const [comparison, opcode] of Object.entries(opcodes)) {
    const hex = encoded((a) => a.jump(0, comparison as Comparison, 0, 'x').label('x'));
    t.equal(hex, `${opcode}00000000000000`, comparison);
  }
  t.throws(() => new Assembler().goto('nowhere').assemble(), /no label nowhere/);
  t.throws(() => new Assembler().label('a').label('a'), /twice/);
  t.equal(assembleProgram({ addresses: 1, sockets: 2, counters: 3 }).length % 8, 0);
});

t.test('addresses become the 16 bytes of a map key', async (t) => {
  const hex = (text: string) => Buffer.from(ipBytes(text) ?? []).toString('hex');
  t.equal(hex('10.77.0.10'), '00000000000000000000ffff0a4d000a');
  t.equal(hex('::'), '0'.repeat(32));
  t.equal(hex('::1'), `${'0'.repeat(31)}1`);
  t.equal(hex('fd77::ab:cdef'), 'fd770000000000000000000000abcdef');
  t.equal(hex('1:2:3:4:5:6:7:8'), '00010002000300040005000600070008');
  t.equal(hex('::ffff:10.77.0.10'), hex('10.77.0.10'));
  t.equal(hex('2001:db8::'), `20010db8${'0'.repeat(24)}`);
  for (const bad of ['', '10.0.0', '10.0.0.256', 'fe80::1%eth0', '1::2::3', 'host'])
    t.equal(ipBytes(bad), undefined, bad);
});

t.test('structures of the kernel have its layout', async (t) => {
  const umem = layouts.umemReg(0x7f0000001000, 4096 * 16, 2048, true);
  t.equal(umem.length, 32);
  t.equal(umem.readBigUInt64LE(0), 0x7f0000001000n);
  t.same(
    [umem.readUInt32LE(16), umem.readUInt32LE(20), umem.readUInt32LE(24), umem.readUInt32LE(28)],
    [2048, layouts.UMEM_HEADROOM, 4, 24],
  );
  t.equal(layouts.umemReg(4096, 4096, 2048, false).length, 28, 'as kernels before metadata know it');
  t.equal(layouts.sockaddrXdp(3, 1, 10).toString('hex'), '2c000a00030000000100000000000000');
  const offsets = Buffer.alloc(128);
  for (let i = 0; i < 16; i++) offsets.writeBigUInt64LE(BigInt(i), i * 8);
  t.same(layouts.readMmapOffsets(offsets, 128).comp, {
    producer: 12,
    consumer: 13,
    descriptors: 14,
    flags: 15,
  });
  t.throws(() => layouts.readMmapOffsets(offsets, 96), /need-wakeup/);
  const statistics = Buffer.alloc(48);
  statistics.writeBigUInt64LE(7n, 24);
  t.equal(layouts.readStatistics(statistics, 48).xsk_rx_ring_full, 7);
  t.equal(Object.keys(layouts.readStatistics(statistics, 24)).length, 3, 'the short form of older kernels');
});

t.test('a failing call throws with the name of its errno', async (t) => {
  t.throws(() => sys.socket(99, 1, 0), {
    name: 'SystemError',
    code: 'EAFNOSUPPORT',
    errno: 97,
    syscall: 'socket',
  });
  t.throws(() => sys.bind(-1, new Uint8Array(16)), { code: 'EBADF', message: 'bind: EBADF' });
  t.throws(() => sys.setsockoptInt(-1, 1, 1, 1, 'some option'), {
    message: 'setsockopt: EBADF (some option)',
  });
  t.throws(() => sys.getsockopt(-1, 1, 1, new Uint8Array(4)), { code: 'EBADF' });
  t.throws(() => sys.ioctl(-1, 0, 0), { code: 'EBADF' });
  t.throws(() => sys.fcntl(-1, 1, 0), { code: 'EBADF' });
  t.throws(() => sys.setns(-1, 0), { code: 'EBADF' });
  t.throws(() => sys.sendto(-1, new Uint8Array(1), 0), { code: 'EBADF' });
  t.throws(() => sys.recv(-1, new Uint8Array(1), 0), { code: 'EBADF' });
  t.throws(() => sys.getsockname(-1, new Uint8Array(16)), { code: 'EBADF' });
  t.throws(() => sys.mapAnonymous(0), { code: 'EINVAL' });
  t.throws(() => sys.mapShared(-1, 4096, 0), { code: 'EBADF' });
  t.throws(() => sys.umount('/nonexistent-path'));
  t.throws(() => sys.mount('none', '/nonexistent-path', 'tmpfs', 0, null));
  t.throws(() => sys.bpf(-1, new Uint8Array(8), 'nothing'));
  t.throws(() => sys.setAffinity([-1]), RangeError);
  t.throws(() => sys.setAffinity([]), { code: 'EINVAL' });
  t.throws(() => sys.cString('a\0b'), TypeError);
  t.equal(sys.errnoName(95), 'EOPNOTSUPP');
  t.equal(sys.errnoName(11), 'EAGAIN');
  t.equal(sys.errnoName(524), 'ENOTSUPP');
  t.equal(sys.errnoName(4000), 'errno 4000');
});

t.test('a wrong argument throws before it reaches C', async (t) => {
  t.throws(() => libc.socket(Number.NaN, 0, 0), TypeError);
  t.throws(() => libc.socket('1' as unknown as number, 0, 0), TypeError);
  t.throws(() => (libc.socket as (...values: number[]) => number)(1, 2), TypeError);
  t.throws(() => libc.bind(-1, new DataView(new ArrayBuffer(8)) as unknown as Uint8Array, 8), TypeError);
  t.throws(() => addressOf(new ArrayBuffer(8) as unknown as Uint8Array), TypeError);
  t.throws(() => bufferAt(0, 8), TypeError);
  warmFfi();
});

t.test('sockets send and receive through the door', async (t) => {
  const fd = sys.socket(sys.AF_INET, sys.SOCK_DGRAM, 0);
  t.teardown(() => sys.close(fd));
  sys.bind(fd, Uint8Array.of(2, 0, 0, 0, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0));
  const name = Buffer.alloc(16);
  t.equal(sys.getsockname(fd, name), 16);
  t.equal(sys.sendto(fd, Uint8Array.of(1, 2, 3), 0, name), 3);
  sys.setNonBlocking(fd);
  const bytes = Buffer.alloc(8);
  t.equal(sys.recv(fd, bytes, 0), 3);
  t.same([...bytes.subarray(0, 3)], [1, 2, 3]);
  t.throws(() => sys.recv(fd, bytes, 0), { code: 'EAGAIN' });
  const value = Buffer.alloc(4);
  t.equal(sys.getsockopt(fd, sys.SOL_SOCKET, 3, value), 4);
  t.equal(value.readInt32LE(), sys.SOCK_DGRAM);
});

t.test('mapped memory stays readable after it was given back', async (t) => {
  const mapping = sys.mapAnonymous(8192);
  mapping.buffer.fill(7);
  t.equal(bufferAt(mapping.address, 8192)[8191], 7, 'the same bytes');
  mapping.discard();
  mapping.discard();
  t.equal(mapping.buffer[8191], 0);
});

t.test('a poller sees which descriptor has an event', async (t) => {
  const [quiet, loud] = [sys.eventfd(), sys.eventfd(1)];
  t.teardown(() => [quiet, loud].forEach(sys.close));
  const poller = new sys.Poller([quiet, loud], sys.POLLIN);
  t.equal(poller.wait(1_500_000), 1);
  t.equal(poller.events(0), 0);
  t.equal(poller.events(1), sys.POLLIN);
  t.equal(new sys.Poller([quiet], sys.POLLIN).wait(100), 0);
  writeSync(quiet, Buffer.from('0100000000000000', 'hex'));
  t.equal(poller.wait(0), 2);
});

t.test('workers may use the door at the same time', async (t) => {
  const url = new URL('../../src/nic/os/syscalls.js', import.meta.url).href;
  const code = `import(${JSON.stringify(url)}).then((sys) => { for (let i = 0; i < 50; i++) sys.close(sys.eventfd()); })`;
  const workers = Array.from({ length: 6 }, () => new Worker(code, { eval: true }));
  const codes = await Promise.all(
    workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve).once('error', resolve))),
  );
  t.same(codes, [0, 0, 0, 0, 0, 0]);
});

t.test('a namespace is a name or a path, and nothing in between', async (t) => {
  t.equal(netnsPath('red'), '/var/run/netns/red');
  t.equal(netnsPath('/proc/1/ns/net'), '/proc/1/ns/net');
  for (const bad of ['', '.', '..', 'a/b', '../x', 'a\0']) t.throws(() => netnsPath(bad), RangeError);
});

t.test('each refusal of the kernel has its sentence', async (t) => {
  const failure = (errno: number) => new sys.SystemError('x', errno);
  const codes = new Map([
    ['EPERM', 1],
    ['ENOENT', 2],
    ['EAGAIN', 11],
    ['ENOMEM', 12],
    ['EACCES', 13],
    ['EBUSY', 16],
    ['EEXIST', 17],
    ['ENODEV', 19],
    ['EINVAL', 22],
    ['ENOSPC', 28],
    ['ERANGE', 34],
    ['ENOSYS', 38],
    ['EOPNOTSUPP', 95],
    ['EAFNOSUPPORT', 97],
    ['ENETDOWN', 100],
    ['ENOBUFS', 105],
    ['ENOTSUPP', 524],
  ]);
  const explain: ((error: unknown) => NicError)[] = [
    (error) => explainNamespace(error, 'red'),
    (error) => explainInterface(error, 'eth0', undefined),
    (error) => explainSocket(error, 'eth0'),
    (error) => explainBind(error, { iface: 'eth0', queue: 3, queues: 2, zeroCopyOnly: false }),
    (error) => explainBind(error, { iface: 'eth0', queue: 1, queues: 2, zeroCopyOnly: true }),
    (error) => explainProgram(error, 'eth0'),
  ];
  for (const [code, errno] of codes) {
    for (const say of explain) {
      const error = say(failure(errno));
      t.equal(error.code, code);
      t.match(error.message, /^[^\n;]+; [^\n;]+$/);
      t.equal(say(error), error, 'explained once');
    }
  }
  t.equal(explainSocket('odd', 'eth0').code, 'EINVAL');
  t.match(explainProgram(failure(34), 'eth0').remedy, /mtu 1500/);
  t.match(explainProgram(failure(28), 'eth0').remedy, /queues/);
  t.match(
    explainBind(failure(22), { iface: 'eth0', queue: 3, queues: 2, zeroCopyOnly: false }).message,
    /no queue 3; choose one from 0 to 1/,
  );
});
