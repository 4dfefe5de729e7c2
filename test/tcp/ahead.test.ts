// With many connections a batch of frames is looked at before it is processed: that changes nothing, whatever the frames hold.

import t from 'tap';
import * as api from '../../src/index.js';
import { RX_STRIDE } from '../../src/nic/nic.js';
import { createHost, joinHosts } from '../../src/testing/index.js';
import { listener, nonblocking } from '../api/support.js';

/** More than are left alone. */
const CONNECTIONS = 600;

t.test('messages on many connections arrive as on few', async (t) => {
  const server = createHost({ addresses: ['10.0.0.1/24'] });
  const client = createHost({ addresses: ['10.0.0.2/24'] });
  joinHosts(client, server, { delayUs: 1000 });
  const { mctx } = server;
  const listening = listener(mctx, 80, CONNECTIONS);
  api.mtcp_setsock_nonblock(mctx, listening);
  const ids: number[] = [];
  const accepted: number[] = [];
  for (let i = 0; i < CONNECTIONS; i++) {
    const id = nonblocking(client.mctx);
    api.mtcp_connect(client.mctx, id, api.sockaddr_in('10.0.0.1', 80));
    ids.push(id);
  }
  client.advance(client.now + 10_000_000);
  for (let id = api.mtcp_accept(mctx, listening); id >= 0; id = api.mtcp_accept(mctx, listening)) {
    api.mtcp_setsock_nonblock(mctx, id);
    accepted.push(id);
  }
  t.equal(accepted.length, CONNECTIONS);
  const { ahead } = mctx.stack.tcp.core;
  t.ok(ahead.isWorthwhile);
  const buffer = new Uint8Array(100);
  for (let round = 1; round <= 3; round++) {
    for (const id of ids)
      t.equal(api.mtcp_write(client.mctx, id, new Uint8Array(round).fill(round), round), round);
    client.advance(client.now + 1_000_000);
    const got = accepted.map((id) => api.mtcp_read(mctx, id, buffer));
    t.same(new Set(got), new Set([round]), `round ${round}`);
  }
});

t.test('looking ahead reads no frame beyond its end, and finds nobody for one that is none', async (t) => {
  const host = createHost({ addresses: ['10.0.0.1/24'] });
  const { ahead, demux } = host.mctx.stack.tcp.core;
  const batch = new Int32Array(3 * RX_STRIDE);
  const last = host.nic.memory.length - 20;
  batch.set([0, 20, 0, last, 20, 0, 0, 60, 0]);
  t.doesNotThrow(() => host.mctx.stack.touch(batch, 3));
  t.equal(demux.guess(0x0a000001, 0x0a000002, 80, 4711), -1);
  ahead.add(0x0a000001, 0x0a000002, 80, 4711);
  t.doesNotThrow(() => ahead.read());
});
