// epoll over the real stack, between two hosts in virtual time: level, edge, ONESHOT, several sets, sockets that go away.

import t from 'tap';
import {
  EventToString,
  type Mctx,
  MTCP_EPOLL_CTL_ADD,
  MTCP_EPOLL_CTL_DEL,
  MTCP_EPOLL_CTL_MOD,
  MTCP_EPOLLERR,
  MTCP_EPOLLET,
  MTCP_EPOLLHUP,
  MTCP_EPOLLIN,
  MTCP_EPOLLONESHOT,
  MTCP_EPOLLOUT,
  MTCP_EPOLLRDHUP,
  MTCP_EPOLLRDNORM,
  MTCP_EPOLLWRNORM,
  mtcp_abort,
  mtcp_accept,
  mtcp_close,
  mtcp_connect,
  mtcp_epoll_create,
  mtcp_epoll_create1,
  mtcp_epoll_ctl,
  mtcp_epoll_events,
  mtcp_epoll_wait,
  mtcp_getsockopt,
  mtcp_read,
  mtcp_setsock_nonblock,
  mtcp_shutdown,
  mtcp_write,
  SHUT_RD,
  SHUT_WR,
  SO_ERROR,
  SOL_SOCKET,
  sockaddr_in,
} from '../../src/index.js';
import {
  buildTcp,
  createHost,
  type Host,
  parsePacket,
  type TcpFields,
  WouldBlockForeverError,
} from '../../src/testing/index.js';
import { connection, failure, listener, nonblocking, pair, pattern, socket } from './support.js';

const events = mtcp_epoll_events(8);

/** What a set reports now: `id:EVENTS` for each entry. */
function look(mctx: Mctx, ep: number, timeout = 0): string[] {
  const count = mtcp_epoll_wait(mctx, ep, events, 8, timeout);
  return events
    .slice(0, count)
    .map((e) => `${e.data.sockid}:${EventToString(e.events).replaceAll('MTCP_EPOLL', '')}`);
}

function watch(mctx: Mctx, ep: number, id: number, mask: number, op = MTCP_EPOLL_CTL_ADD): number {
  return mtcp_epoll_ctl(mctx, ep, op, id, { events: mask });
}

/** Lets what is on the way arrive, and delayed ACKs pass. */
function settle(host: Host): void {
  host.advance(host.now + 500_000);
}

const byte = pattern(1);
const buf = new Uint8Array(1 << 16);

t.test(
  'level-triggered: a ready socket is reported until it is drained, without any call in between',
  async (t) => {
    const [client, server] = pair();
    const [c, s] = connection(client, server);
    const ep = mtcp_epoll_create(server.mctx, 1);
    watch(server.mctx, ep, s, MTCP_EPOLLIN);
    t.same(look(server.mctx, ep), []);
    mtcp_write(client.mctx, c, pattern(100));
    for (let i = 0; i < 3; i++) t.same(look(server.mctx, ep, 10), [`${s}:IN`], `time ${i}`);
    mtcp_read(server.mctx, s, buf, 60);
    t.same(look(server.mctx, ep), [`${s}:IN`], '40 bytes are left');
    mtcp_read(server.mctx, s, buf);
    t.same(look(server.mctx, ep), []);
    mtcp_write(client.mctx, c, byte);
    t.same(look(server.mctx, ep, 10), [`${s}:IN`], 'new data');
  },
);

t.test('one entry per socket carries all its bits, the NORM aliases too', async (t) => {
  const [client, server] = pair();
  const [c, s] = connection(client, server);
  const ep = mtcp_epoll_create(server.mctx, 1);
  watch(
    server.mctx,
    ep,
    s,
    MTCP_EPOLLIN | MTCP_EPOLLOUT | MTCP_EPOLLRDHUP | MTCP_EPOLLRDNORM | MTCP_EPOLLWRNORM,
  );
  t.same(look(server.mctx, ep), [`${s}:OUT|WRNORM`]);
  mtcp_write(client.mctx, c, byte);
  settle(server);
  t.same(look(server.mctx, ep), [`${s}:IN|OUT|RDNORM|WRNORM`]);
  mtcp_shutdown(client.mctx, c, SHUT_WR);
  settle(server);
  t.same(look(server.mctx, ep), [`${s}:IN|OUT|RDNORM|WRNORM|RDHUP`]);
  mtcp_shutdown(server.mctx, s, SHUT_WR);
  settle(server);
  t.same(look(server.mctx, ep), [`${s}:IN|OUT|HUP|RDNORM|WRNORM|RDHUP`], 'HUP once both sides are closed');
});

t.test('edge-triggered: news is reported once, and the state not again', async (t) => {
  const [client, server] = pair();
  const [c, s] = connection(client, server);
  const ep = mtcp_epoll_create(server.mctx, 1);
  watch(server.mctx, ep, s, MTCP_EPOLLIN | MTCP_EPOLLET);
  t.same(look(server.mctx, ep), []);
  mtcp_write(client.mctx, c, byte);
  t.same(look(server.mctx, ep, 10), [`${s}:IN`]);
  t.same(look(server.mctx, ep, 10), [], 'the same byte is no news');
  mtcp_write(client.mctx, c, byte);
  t.same(look(server.mctx, ep, 10), [`${s}:IN`], 'a second byte is, although the first is unread');
  t.equal(mtcp_read(server.mctx, s, buf), 2);
  t.same(look(server.mctx, ep), []);
  mtcp_close(client.mctx, c);
  t.same(look(server.mctx, ep, 10), [`${s}:IN`], 'the end of the stream');
});

t.test('edge-triggered OUT comes when a full send buffer has room again', async (t) => {
  const [client, server] = pair();
  const [c, s] = connection(client, server);
  mtcp_setsock_nonblock(client.mctx, c);
  const ep = mtcp_epoll_create(client.mctx, 1);
  watch(client.mctx, ep, c, MTCP_EPOLLOUT | MTCP_EPOLLET);
  t.same(look(client.mctx, ep), [`${c}:OUT`], 'ready when it is added');
  t.same(look(client.mctx, ep), []);
  let written = 0;
  for (let n = 0; n >= 0; n = mtcp_write(client.mctx, c, buf)) written += n;
  t.equal(failure(mtcp_write(client.mctx, c, buf)), 'EAGAIN');
  let read = 0;
  let edges = 0;
  while (read < written) {
    if (look(client.mctx, ep).length > 0) edges++;
    const n = mtcp_read(server.mctx, s, buf);
    if (n > 0) read += n;
  }
  settle(client);
  edges += look(client.mctx, ep).length;
  t.ok(edges >= 1, `${edges} edges`);
  t.equal(read, written);
});

t.test('ONESHOT reports once and is silent until MOD, errors included', async (t) => {
  const [client, server] = pair();
  const [c, s] = connection(client, server);
  const ep = mtcp_epoll_create(server.mctx, 1);
  watch(server.mctx, ep, s, MTCP_EPOLLIN | MTCP_EPOLLONESHOT);
  mtcp_write(client.mctx, c, byte);
  t.same(look(server.mctx, ep, 10), [`${s}:IN`]);
  mtcp_write(client.mctx, c, byte);
  settle(server);
  t.same(look(server.mctx, ep), []);
  watch(server.mctx, ep, s, MTCP_EPOLLIN | MTCP_EPOLLONESHOT, MTCP_EPOLL_CTL_MOD);
  t.same(look(server.mctx, ep), [`${s}:IN`], 'MOD reports what is there');
  mtcp_abort(client.mctx, c);
  settle(server);
  t.same(look(server.mctx, ep), [], 'not even ERR and HUP');
  watch(server.mctx, ep, s, 0, MTCP_EPOLL_CTL_MOD);
  t.same(look(server.mctx, ep), [`${s}:ERR|HUP`]);
});

t.test('ERR and HUP are reported without being asked for; SO_ERROR takes the error', async (t) => {
  const [client, server] = pair();
  const [c, s] = connection(client, server);
  const ep = mtcp_epoll_create(server.mctx, 1);
  watch(server.mctx, ep, s, MTCP_EPOLLIN | MTCP_EPOLLRDHUP);
  mtcp_abort(client.mctx, c);
  t.same(look(server.mctx, ep, 10), [`${s}:IN|ERR|HUP|RDHUP`]);
  const value = { value: 0 };
  mtcp_getsockopt(server.mctx, s, SOL_SOCKET, SO_ERROR, value);
  t.equal(value.value, 104, 'ECONNRESET');
  mtcp_getsockopt(server.mctx, s, SOL_SOCKET, SO_ERROR, value);
  t.equal(value.value, 0, 'once');
  t.same(look(server.mctx, ep), [`${s}:IN|HUP|RDHUP`]);
});

t.test('a non-blocking connect ends in OUT, or in ERR with its error', async (t) => {
  const [client, server] = pair();
  listener(server.mctx, 80);
  const ep = mtcp_epoll_create(client.mctx, 1);
  const good = nonblocking(client.mctx);
  const bad = nonblocking(client.mctx);
  t.equal(failure(mtcp_connect(client.mctx, good, sockaddr_in('10.0.0.2', 80))), 'EINPROGRESS');
  watch(client.mctx, ep, good, MTCP_EPOLLOUT);
  t.same(look(client.mctx, ep), []);
  t.same(look(client.mctx, ep, 100), [`${good}:OUT`]);
  t.equal(failure(mtcp_connect(client.mctx, good, sockaddr_in('10.0.0.2', 80))), 'EISCONN');
  mtcp_epoll_ctl(client.mctx, ep, MTCP_EPOLL_CTL_DEL, good);
  t.equal(failure(mtcp_connect(client.mctx, bad, sockaddr_in('10.0.0.2', 81))), 'EINPROGRESS');
  watch(client.mctx, ep, bad, MTCP_EPOLLOUT);
  t.same(look(client.mctx, ep, 100), [`${bad}:OUT|ERR|HUP`]);
  const value = new Int32Array(1);
  mtcp_getsockopt(client.mctx, bad, SOL_SOCKET, SO_ERROR, value);
  t.equal(value[0], 111, 'ECONNREFUSED');
});

t.test('a listener is ready while connections wait, also when it is added late', async (t) => {
  const [client, server] = pair();
  const listening = listener(server.mctx, 80);
  const early = mtcp_epoll_create(server.mctx, 1);
  watch(server.mctx, early, listening, MTCP_EPOLLIN);
  for (let i = 0; i < 2; i++) mtcp_connect(client.mctx, socket(client.mctx), sockaddr_in('10.0.0.2', 80));
  settle(server);
  t.same(look(server.mctx, early), [`${listening}:IN`]);
  const late = mtcp_epoll_create(server.mctx, 1);
  watch(server.mctx, late, listening, MTCP_EPOLLIN | MTCP_EPOLLET);
  t.same(look(server.mctx, late), [`${listening}:IN`]);
  t.same(look(server.mctx, late), []);
  t.ok(mtcp_accept(server.mctx, listening) >= 0);
  t.same(look(server.mctx, early), [`${listening}:IN`], 'one is left');
  t.ok(mtcp_accept(server.mctx, listening) >= 0);
  t.same(look(server.mctx, early), []);
  mtcp_connect(client.mctx, socket(client.mctx), sockaddr_in('10.0.0.2', 80));
  t.same(look(server.mctx, late, 10), [`${listening}:IN`], 'a new edge');
});

t.test('data that arrived before accept is reported after ADD', async (t) => {
  const [client, server] = pair();
  const listening = listener(server.mctx, 80);
  const c = socket(client.mctx);
  mtcp_connect(client.mctx, c, sockaddr_in('10.0.0.2', 80));
  mtcp_write(client.mctx, c, byte);
  settle(server);
  const s = mtcp_accept(server.mctx, listening);
  const ep = mtcp_epoll_create(server.mctx, 1);
  watch(server.mctx, ep, s, MTCP_EPOLLIN | MTCP_EPOLLET);
  t.same(look(server.mctx, ep), [`${s}:IN`]);
});

t.test('a request that completes the handshake is answered in one segment, with its ACK', async (t) => {
  const host = createHost({ addresses: ['10.0.0.1/24'], link: 'ip' });
  t.teardown(() => host.close());
  const { mctx } = host;
  const listening = listener(mctx, 80);
  mtcp_setsock_nonblock(mctx, listening);
  const epoll = mtcp_epoll_create(mctx, 8);
  const events = mtcp_epoll_events(8);
  mtcp_epoll_ctl(mctx, epoll, MTCP_EPOLL_CTL_ADD, listening, { events: MTCP_EPOLLIN });
  const send = (fields: Partial<TcpFields>): ReturnType<typeof parsePacket>[] => {
    host.nic.inject(buildTcp({ src: '10.0.0.2', dst: '10.0.0.1', srcPort: 5000, dstPort: 80, ...fields }));
    for (let left = 3; left > 0; left--) {
      const count = mtcp_epoll_wait(mctx, epoll, events, 8, 0);
      for (const { data } of events.slice(0, count)) {
        if (data.sockid !== listening) {
          t.equal(mtcp_read(mctx, data.sockid, Buffer.alloc(100)), 5);
          t.equal(mtcp_write(mctx, data.sockid, Buffer.from('answer')), 6);
          continue;
        }
        const accepted = mtcp_accept(mctx, listening);
        mtcp_setsock_nonblock(mctx, accepted);
        mtcp_epoll_ctl(mctx, epoll, MTCP_EPOLL_CTL_ADD, accepted, { events: MTCP_EPOLLIN });
      }
    }
    return host.take().map(({ bytes }) => parsePacket(bytes, 'ip'));
  };
  const [synAck] = send({ flags: 'S', seq: 0 });
  const next = (synAck.tcp?.seq ?? 0) + 1;
  const sent = send({ flags: 'P.', seq: 1, ack: next, payload: 'hello' });
  t.same(
    sent.map(({ tcp, payload }) => [tcp?.flags, tcp?.ack, payload.length]),
    [['P.', 6, 6]],
  );
});

t.test(
  'a socket that is armed again and again while it is ready does not keep the stack from its work',
  async (t) => {
    const [client, server] = pair();
    const [, accepted] = connection(client, server);
    const { mctx } = server;
    const epoll = mtcp_epoll_create(mctx, 8);
    const events = mtcp_epoll_events(8);
    const mask = { events: MTCP_EPOLLOUT | MTCP_EPOLLONESHOT };
    mtcp_epoll_ctl(mctx, epoll, MTCP_EPOLL_CTL_ADD, accepted, mask);
    const { turns } = mctx as unknown as { turns: number };
    for (let i = 0; i < 10; i++) {
      t.equal(mtcp_epoll_wait(mctx, epoll, events, 8, 0), 1);
      mtcp_epoll_ctl(mctx, epoll, MTCP_EPOLL_CTL_MOD, accepted, mask);
    }
    t.equal((mctx as unknown as { turns: number }).turns - turns, 5, 'every other call turns the loop');
  },
);

t.test('a socket in several sets is reported by each, by its own mask and data', async (t) => {
  const [client, server] = pair();
  const [c, s] = connection(client, server);
  const sets = [
    mtcp_epoll_create(server.mctx, 1),
    mtcp_epoll_create1(server.mctx, 0),
    mtcp_epoll_create(server.mctx, 1),
  ];
  const tag = { name: 'tag' };
  mtcp_epoll_ctl(server.mctx, sets[0], MTCP_EPOLL_CTL_ADD, s, { events: MTCP_EPOLLIN, data: { ptr: tag } });
  mtcp_epoll_ctl(server.mctx, sets[1], MTCP_EPOLL_CTL_ADD, s, {
    events: MTCP_EPOLLIN | MTCP_EPOLLET,
    data: { u32: 7 },
  });
  mtcp_epoll_ctl(server.mctx, sets[2], MTCP_EPOLL_CTL_ADD, s, {
    events: MTCP_EPOLLOUT,
    data: { u64: 2 ** 40 },
  });
  mtcp_write(client.mctx, c, byte);
  settle(server);
  t.equal(mtcp_epoll_wait(server.mctx, sets[0], events, 8, 0), 1);
  t.equal(events[0].data.ptr, tag);
  t.equal(mtcp_epoll_wait(server.mctx, sets[1], events, 8, 0), 1);
  t.same([events[0].data.u32, events[0].data.ptr], [7, null]);
  t.equal(mtcp_epoll_wait(server.mctx, sets[2], events, 8, 0), 1);
  t.same([events[0].events, events[0].data.u64], [MTCP_EPOLLOUT, 2 ** 40]);
  mtcp_epoll_ctl(server.mctx, sets[1], MTCP_EPOLL_CTL_DEL, s);
  t.equal(mtcp_epoll_wait(server.mctx, sets[0], events, 8, 0), 1, 'still in the first');
  t.equal(mtcp_close(server.mctx, sets[0]), 0, 'a set can be closed with sockets in it');
  t.equal(mtcp_epoll_wait(server.mctx, sets[2], events, 8, 0), 1, 'still in the third');
});

t.test('a closed socket leaves all sets, and whoever gets its id starts afresh', async (t) => {
  const [client, server] = pair();
  const [c, s] = connection(client, server);
  const sets = [mtcp_epoll_create(server.mctx, 1), mtcp_epoll_create(server.mctx, 1)];
  for (const ep of sets) watch(server.mctx, ep, s, MTCP_EPOLLIN | MTCP_EPOLLOUT);
  mtcp_write(client.mctx, c, byte);
  settle(server);
  mtcp_close(server.mctx, s);
  for (const ep of sets) t.same(look(server.mctx, ep), []);
  const again = socket(server.mctx);
  t.equal(again, s);
  t.equal(failure(watch(server.mctx, sets[0], again, MTCP_EPOLLIN, MTCP_EPOLL_CTL_MOD)), 'ENOENT');
  settle(server);
  for (const ep of sets) t.same(look(server.mctx, ep), []);
});

t.test('a socket that is not connected has OUT and HUP, as on Linux', async (t) => {
  const [client] = pair();
  const ep = mtcp_epoll_create(client.mctx, 1);
  const id = socket(client.mctx);
  watch(client.mctx, ep, id, MTCP_EPOLLIN | MTCP_EPOLLOUT);
  t.same(look(client.mctx, ep), [`${id}:OUT|HUP`]);
});

t.test('SHUT_RD makes a socket readable', async (t) => {
  const [client, server] = pair();
  const [, s] = connection(client, server);
  const ep = mtcp_epoll_create(server.mctx, 1);
  watch(server.mctx, ep, s, MTCP_EPOLLIN | MTCP_EPOLLRDHUP | MTCP_EPOLLET);
  t.equal(mtcp_shutdown(server.mctx, s, SHUT_RD), 0);
  t.same(look(server.mctx, ep), [`${s}:IN|RDHUP`]);
  t.equal(mtcp_read(server.mctx, s, buf), 0);
});

t.test('maxevents bounds a call, nothing is lost, and level-triggered sockets take turns', async (t) => {
  const [client, server] = pair();
  const listening = listener(server.mctx, 80, 64);
  const ep = mtcp_epoll_create(server.mctx, 1);
  const ids: number[] = [];
  for (let i = 0; i < 10; i++) {
    const c = socket(client.mctx);
    mtcp_connect(client.mctx, c, sockaddr_in('10.0.0.2', 80));
    const s = mtcp_accept(server.mctx, listening);
    watch(server.mctx, ep, s, MTCP_EPOLLIN);
    ids.push(s);
    mtcp_write(client.mctx, c, byte);
  }
  settle(server);
  const seen: number[] = [];
  const few: typeof events = [];
  for (let i = 0; i < 4; i++) {
    const count = mtcp_epoll_wait(server.mctx, ep, few, 3, 0);
    t.equal(count, 3);
    for (let k = 0; k < count; k++) seen.push(few[k].data.sockid);
  }
  t.equal(few.length, 3, 'the array grew to what was asked for');
  t.same(
    seen.slice(0, 10).sort((a, b) => a - b),
    ids,
    'each once before any twice',
  );
});

t.test('entries of the array are used again, not made anew', async (t) => {
  const [client, server] = pair();
  const [, s] = connection(client, server);
  const ep = mtcp_epoll_create(server.mctx, 1);
  watch(server.mctx, ep, s, MTCP_EPOLLOUT);
  const before = events[0];
  t.equal(mtcp_epoll_wait(server.mctx, ep, events, 8, 0), 1);
  t.equal(events[0], before);
  t.equal(events[0].data.sockid, s);
});

t.test('the timeout is exact in virtual time; without one an idle wait is an error', async (t) => {
  const [client, server] = pair();
  const [c, s] = connection(client, server);
  settle(client);
  const ep = mtcp_epoll_create(server.mctx, 1);
  watch(server.mctx, ep, s, MTCP_EPOLLIN);
  const start = server.now;
  t.same(look(server.mctx, ep, 25), []);
  t.equal(server.now - start, 25_000);
  t.same(look(server.mctx, ep, 0), []);
  t.equal(server.now - start, 25_000, 'timeout 0 moves no time');
  t.same(look(server.mctx, ep, 0.5), []);
  t.equal(server.now - start, 25_500);
  mtcp_write(client.mctx, c, byte);
  t.same(look(server.mctx, ep, -1), [`${s}:IN`]);
  t.equal(server.now - start, 25_600, 'one delay of the wire later');
  mtcp_read(server.mctx, s, buf);
  t.throws(() => look(server.mctx, ep, -1), WouldBlockForeverError);
});

t.test('EventToString names any mask', async (t) => {
  t.equal(EventToString(0), 'MTCP_EPOLLNONE');
  t.equal(EventToString(MTCP_EPOLLERR | MTCP_EPOLLHUP), 'MTCP_EPOLLERR|MTCP_EPOLLHUP');
  t.equal(EventToString(MTCP_EPOLLET), 'MTCP_EPOLLET');
});
