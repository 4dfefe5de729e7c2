// mtcp_init_rss and GetRSSCPUCore: pools of source addresses, and mTCP's prediction.

import t from 'tap';
import * as api from '../../src/index.js';
import { GetRSSCPUCore, mtcp_init_rss, sockaddr_in } from '../../src/index.js';
import { createHost, parsePacket } from '../../src/testing/index.js';
import { failure, nonblocking } from './support.js';

const any = (value: unknown): never => value as never;

t.test('mtcp_init_rss says what is wrong', async (t) => {
  const host = createHost({ addresses: ['10.0.0.1/24', '10.0.0.2/24'] });
  const { mctx } = host;
  for (const nothing of [null, undefined, {}, 1]) {
    t.equal(
      failure(mtcp_init_rss(any(nothing), '10.0.0.1', 1, '10.0.0.9', 80)),
      'EACCES',
      'as the man page says',
    );
  }
  const cases: [unknown, unknown, unknown, unknown][] = [
    ['10.0.0', 1, '10.0.0.9', 80],
    [any(1), 1, '10.0.0.9', 80],
    ['10.0.0.1', 0, '10.0.0.9', 80],
    ['10.0.0.1', 1.5, '10.0.0.9', 80],
    ['10.0.0.1', 65_537, '10.0.0.9', 80],
    ['10.0.0.1', 3, '10.0.0.9', 80],
    ['10.0.0.7', 1, '10.0.0.9', 80],
    ['10.0.0.1', 1, 'x', 80],
    ['10.0.0.1', 1, '192.0.2.1', 80],
    ['10.0.0.1', 1, '10.0.0.9', 0],
    ['10.0.0.1', 1, '10.0.0.9', 65_536],
  ];
  for (const [base, count, to, port] of cases) {
    t.equal(failure(mtcp_init_rss(mctx, any(base), any(count), any(to), any(port))), 'EINVAL', String(base));
  }
  t.equal(mtcp_init_rss(mctx, api.INADDR_ANY, 1, '10.0.0.9', 80), 0);
  host.close();
  t.equal(failure(mtcp_init_rss(mctx, '10.0.0.1', 1, '10.0.0.9', 80)), 'EPERM');
});

t.test('connections take the addresses of the pool in turn, with ports of this core', async (t) => {
  const host = createHost({
    addresses: ['10.0.0.1/24', '10.0.0.2/24', '10.0.0.3/24'],
    link: 'ip',
    sysctl: { ip_local_port_range: '40000 40003' },
  });
  const { mctx } = host;
  mctx.stack.tcp.ownsTuple = (local) => local.port % 2 === 0;
  t.equal(mtcp_init_rss(mctx, '10.0.0.1', 3, '10.0.0.9', 80), 0);
  const connect = (port = 80): string =>
    failure(api.mtcp_connect(mctx, nonblocking(mctx), sockaddr_in('10.0.0.9', port)));
  for (let i = 0; i < 6; i++) t.equal(connect(), 'EINPROGRESS');
  t.equal(connect(), 'EADDRNOTAVAIL', 'two ports of each of three addresses');
  t.equal(connect(81), 'EINPROGRESS', 'another destination');
  const from = host.take().map(({ bytes }) => {
    const { ip, tcp } = parsePacket(bytes, 'ip');
    t.equal(tcp!.srcPort % 2, 0);
    return ip!.src;
  });
  t.same(from, ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.1']);
});

t.test("GetRSSCPUCore predicts as mTCP does: by the exclusive or of the tuple's bytes", async (t) => {
  // hash = h8 * 0x01010101 with r = x bit-reversed and h8 = r ^ rotl(r, 2).
  const closed = (sip: number[], dip: number[], sp: number, dp: number): number => {
    const bytes = [...sip, ...dip, sp >> 8, sp & 255, dp >> 8, dp & 255];
    const x = bytes.reduce((a, b) => a ^ b);
    let r = 0;
    for (let i = 0; i < 8; i++) r |= ((x >> i) & 1) << (7 - i);
    return r ^ (((r << 2) | (r >> 6)) & 255);
  };
  for (let i = 0; i < 200; i++) {
    const dip = [10, 0, i, (i * 7) & 255];
    const h8 = closed([10, 0, 0, 1], dip, 1025 + i, 80);
    const queue = GetRSSCPUCore('10.0.0.1', dip.join('.'), 1025 + i, 80, 6);
    if (queue !== (h8 & 0x7f) % 6) t.equal(queue, (h8 & 0x7f) % 6, `tuple ${i}`);
    t.equal(GetRSSCPUCore(dip.join('.'), '10.0.0.1', 80, 1025 + i, 6), queue, 'symmetric');
  }
  t.equal(GetRSSCPUCore(0x0a000001, 0x0a000002, 1, 2, 4), GetRSSCPUCore('10.0.0.1', '10.0.0.2', 1, 2, 4));
  const i40e = GetRSSCPUCore('10.0.0.1', '10.0.0.2', 1, 2, 512, 1);
  t.ok(i40e >= 0 && i40e < 512);
  for (const wrong of [
    () => GetRSSCPUCore('x', '10.0.0.2', 1, 2, 4),
    () => GetRSSCPUCore('10.0.0.1', any(null), 1, 2, 4),
    () => GetRSSCPUCore('10.0.0.1', '10.0.0.2', 65_536, 2, 4),
    () => GetRSSCPUCore('10.0.0.1', '10.0.0.2', 1, 0.5, 4),
    () => GetRSSCPUCore('10.0.0.1', '10.0.0.2', 1, 2, 0),
  ]) {
    t.equal(failure(wrong()), 'EINVAL');
  }
});
