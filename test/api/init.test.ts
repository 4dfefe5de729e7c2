// The beginning: what mtcp_init refuses and how it says so, and contexts that are made, refused and destroyed.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  mtcp_create_context,
  mtcp_destroy,
  mtcp_destroy_context,
  mtcp_init,
  mtcp_last_error,
} from '../../src/index.js';
import { MemoryNic } from '../../src/nic/memory-nic.js';
import { failure } from './support.js';

const any = (value: unknown): never => value as never;

t.test('mtcp_init names the option at fault', async (t) => {
  t.equal(mtcp_create_context(0), null);
  t.equal(failure(null), 'EPERM', 'before mtcp_init');
  const nic = new MemoryNic();
  const good = { nic, address: '10.0.0.1/24' };
  const cases: [unknown, RegExp][] = [
    [undefined, /object of options/],
    [{ ...good, speed: 1 }, /'speed'/],
    [{ ...good, mtu: 'big' }, /'mtu'.*'big'/],
    [{ ...good, mtu: 67 }, /'mtu'.*67/],
    [{ ...good, gateway: '10.0.0' }, /'gateway'/],
    [{ ...good, address: '10.0.0.1' }, /'address'/],
    [{ ...good, addresses: ['10.0.0.1/33'] }, /'addresses'/],
    [{ ...good, mac: '02:00' }, /'mac'/],
    [{ ...good, mode: 'fast' }, /'mode'/],
    [{ ...good, peerChecksum: true }, /'peerChecksum'/],
    [{ ...good, cores: 2 }, /'cores'/],
    [{ ...good, cores: 1, queues: 2 }, /'queues'/],
    [{ ...good, neighbours: { '10.0.0.9': 'x' } }, /'neighbours'/],
    [{ ...good, sysctl: { tcp_magic: 1 } }, /'sysctl'.*tcp_magic/],
    [{ ...good, maxConcurrency: 0 }, /'maxConcurrency'/],
    [{ ...good, iface: 'eth0' }, /'iface'/],
    [{ address: '10.0.0.1/24' }, /'iface'/],
    [{ nic }, /'address'/],
    [
      { nic, address: '0.0.0.0/0' },
      /'address': 0\.0\.0\.0\/0 is the address of nobody; choose an address of/,
    ],
    [{ nic, address: '127.0.0.1/8' }, /a loopback address; choose an address of the network that nobody has/],
    [{ nic, address: '224.0.0.1/24' }, /a multicast address/],
    [{ nic, address: '239.255.255.250/32' }, /a multicast address/],
    [{ nic, address: '255.255.255.255/32' }, /the broadcast address/],
    [{ nic, address: '10.0.0.0/24' }, /10\.0\.0\.0\/24 is the address of the network itself/],
    [{ nic, address: '10.0.0.255/24' }, /the broadcast address of the network/],
    [{ nic, address: '10.0.0.7/30' }, /the broadcast address of the network/],
    [{ nic, addresses: ['10.0.0.1/24', '10.0.1.0/24'] }, /'addresses': 10\.0\.1\.0/],
  ];
  for (const [options, message] of cases) {
    t.equal(failure(mtcp_init(any(options))), 'EINVAL', String(message));
    t.match(mtcp_last_error(), message);
  }
  for (const address of ['10.0.0.0/31', '10.0.0.1/31', '10.0.0.255/32', '10.0.0.255/23']) {
    t.equal(mtcp_init({ nic, address }), 0, `${address} is an address of a host`);
    mtcp_destroy();
  }
  t.equal(mtcp_init(good), 0);
  t.equal(failure(mtcp_init(good)), 'EBUSY');
  for (const cpu of [-1, 1, 0.5, any('0')]) t.equal(failure(mtcp_create_context(cpu)), 'EINVAL');
  const mctx = mtcp_create_context(0);
  t.not(mctx, null);
  t.equal(failure(mtcp_create_context(0)), 'EBUSY');
  t.equal(mtcp_destroy_context(mctx), 0);
  t.equal(failure(mtcp_destroy_context(mctx)), 'EPERM');
  t.equal(mtcp_destroy(), 0);
  const path = join(t.testdir(), 'capture.pcapng');
  t.equal(
    mtcp_init({ nic: new MemoryNic(), address: '10.0.0.1/24', pcap: path, queues: 1, maxConcurrency: 5 }),
    0,
  );
  t.not(mtcp_create_context(0), null);
  t.equal(mtcp_destroy(), 0);
  t.equal(readFileSync(path).readUInt32LE(0), 0x0a0d0d0a, 'a pcapng file');
  t.equal(mtcp_init({ nic: new MemoryNic(), address: '10.0.0.1/24', pcap: '/no/such/folder/x' }), 0);
  t.equal(mtcp_create_context(0), null);
  t.equal(failure(null), 'ENOENT');
  t.match(mtcp_last_error(), /no.such.folder/);
  mtcp_destroy();
  t.equal(mtcp_init({ nic: new MemoryNic(), address: '10.0.0.1/24', gateway: '10.9.9.9' }), 0);
  t.equal(mtcp_create_context(0), null);
  t.match(mtcp_last_error(), /gateway/);
  mtcp_destroy();
  t.equal(mtcp_init({ iface: 'no-such-interface', address: '10.0.0.1/24' }), 0);
  t.equal(mtcp_create_context(0), null);
  t.match(mtcp_last_error(), /no-such-interface/);
  mtcp_destroy();
});
