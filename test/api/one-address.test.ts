// One source address has room for more connections than there are ports: a port is taken for a tuple, not for the host.

import t from 'tap';
import * as api from '../../src/index.js';
import { failure, listener, nonblocking, pair } from './support.js';

const PORTS = [80, 81];
/** To each of the destinations, which takes every port of the range; ONE_ADDRESS=33000 for more than 65,535 in all. */
const EACH = Number(process.env.ONE_ADDRESS ?? 1000);
const FIRST = 10_000;
/** Connections under way at a time. */
const BATCH = 500;
t.setTimeout(0);

t.test('one address has more connections than there are ports, each carrying data of its own', async (t) => {
  const range = `${FIRST} ${FIRST + EACH - 1}`;
  const limits = { maxConcurrency: 3 * EACH, sysctl: { ip_local_port_range: range } };
  const [client, server] = pair({ delayUs: 10 }, limits);
  const listeners = PORTS.map((port) => listener(server.mctx, port, BATCH));
  for (const id of listeners) api.mtcp_setsock_nonblock(server.mctx, id);
  const accepted: number[] = [];
  server.onTurn = () => {
    for (const id of listeners) {
      for (let got = 0; (got = api.mtcp_accept(server.mctx, id)) >= 0; ) accepted.push(got);
    }
  };
  const opened: number[] = [];
  const refused = new Set<string>();
  for (let i = 0; i < EACH; i++) {
    for (const port of PORTS) {
      const id = nonblocking(client.mctx);
      const told = failure(api.mtcp_connect(client.mctx, id, api.sockaddr_in('10.0.0.2', port)));
      if (told !== 'EINPROGRESS') refused.add(told);
      opened.push(id);
    }
    if (i % (BATCH / PORTS.length) === 0) client.advance(client.now + 1000);
  }
  client.advance(client.now + 1000);
  t.same([...refused], []);
  t.equal(accepted.length, EACH * PORTS.length);
  const late = nonblocking(client.mctx);
  t.equal(failure(api.mtcp_connect(client.mctx, late, api.sockaddr_in('10.0.0.2', 80))), 'EADDRNOTAVAIL');

  const name = new api.SockAddr();
  const uses = new Map<number, number>();
  for (const id of opened) {
    api.mtcp_getsockname(client.mctx, id, name);
    uses.set(name.port, (uses.get(name.port) ?? 0) + 1);
  }
  t.equal(uses.size, EACH, 'every port is used');
  t.same([...new Set(uses.values())], [PORTS.length], 'once for each destination');

  // A sample: each server's end gets what its own client sent.
  const text = new Uint8Array(4);
  const view = new DataView(text.buffer);
  for (let i = 0; i < opened.length; i += Math.ceil(opened.length / 50)) {
    view.setInt32(0, i);
    api.mtcp_write(client.mctx, opened[i], text);
    api.mtcp_getsockname(client.mctx, opened[i], name);
    const local = name.port;
    api.mtcp_getpeername(client.mctx, opened[i], name);
    const remote = name.port;
    client.advance(client.now + 100);
    const end = accepted.find((id) => {
      api.mtcp_getpeername(server.mctx, id, name);
      if (name.port !== local) return false;
      api.mtcp_getsockname(server.mctx, id, name);
      return name.port === remote;
    });
    view.setInt32(0, -1);
    t.equal(api.mtcp_read(server.mctx, end ?? -1, text), 4);
    t.equal(view.getInt32(0), i);
  }
  client.close();
  server.close();
});
