// The options that choose how a connection sends: TCP_CONGESTION while it sends, and SO_MAX_PACING_RATE.

import t from 'tap';
import * as api from '../../src/index.js';
import { mtcp_getsockopt, mtcp_setsockopt, SOL_SOCKET, SOL_TCP } from '../../src/index.js';
import { createHost } from '../../src/testing/index.js';
import { connection, pair, pattern, socket } from './support.js';

t.test('SO_MAX_PACING_RATE is an unsigned number, the largest of which is no limit', async (t) => {
  const { mctx: m } = createHost({ addresses: ['10.0.0.1/24'] });
  const id = socket(m);
  const rate = { value: 0 };
  const get = (): number => {
    t.equal(mtcp_getsockopt(m, id, SOL_SOCKET, api.SO_MAX_PACING_RATE, rate), 0);
    return rate.value;
  };
  t.equal(get(), -1);
  t.equal(mtcp_setsockopt(m, id, SOL_SOCKET, api.SO_MAX_PACING_RATE, 1_000_000), 0);
  t.equal(get(), 1_000_000);
  t.equal(mtcp_setsockopt(m, id, SOL_SOCKET, api.SO_MAX_PACING_RATE, 0xffffffff), 0);
  t.equal(get(), -1);
});

t.test('the congestion control of a connection changes while it sends', async (t) => {
  const [client, server] = pair({ delayUs: 10_000, bandwidthBps: 10_000_000 });
  const [id, accepted] = connection(client, server);
  const tcb = client.stack.tcp.core.demux.at(0)!;
  const carry = (): void => {
    api.mtcp_write(client.mctx, id, pattern(60_000));
    const into = new Uint8Array(60_000);
    t.equal(api.mtcp_recv(server.mctx, accepted, into, into.length, api.MSG_WAITALL), into.length);
    t.ok(pattern(60_000).every((byte, i) => byte === into[i]));
  };
  for (const control of ['bbr', 'cubic', 'bbr', 'reno']) {
    t.equal(mtcp_setsockopt(client.mctx, id, SOL_TCP, api.TCP_CONGESTION, control), 0);
    t.equal(tcb.congestion?.name, control);
    t.equal(tcb.bbr !== null, control === 'bbr', 'records are kept for the one in use only');
    t.equal(tcb.pacer !== null, control === 'bbr', 'BBR alone is paced by itself');
    carry();
  }
  t.equal(mtcp_setsockopt(client.mctx, id, SOL_SOCKET, api.SO_MAX_PACING_RATE, 500_000), 0);
  t.ok(tcb.pacer !== null);
  const before = client.now;
  carry();
  t.ok(client.now - before > 100_000, '60,000 bytes at 500,000 in a second');
  t.equal(mtcp_setsockopt(client.mctx, id, SOL_SOCKET, api.SO_MAX_PACING_RATE, -1), 0);
  t.equal(tcb.pacer, null);
  carry();
});
