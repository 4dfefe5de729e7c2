// Idle connections that give up their blocks: nothing of them may be lost, and whoever needs them must not notice.

import t, { type Test } from 'tap';
import * as api from '../../src/index.js';
import { StackConfig } from '../../src/stack/config.js';
import { ENTRIES, Ledger } from '../../src/stack/tcp/ledger.js';
import { Records } from '../../src/stack/tcp/record.js';
import { Slab } from '../../src/stack/tcp/slab.js';
import { Tcb } from '../../src/stack/tcp/tcb.js';
import { change, UNTUNED } from '../../src/stack/tcp/tuning.js';
import { createHost, type Host, joinHosts } from '../../src/testing/index.js';
import { listener, nonblocking } from '../api/support.js';

type Fields = Record<string, unknown>;

/** The numbers of a block by their paths; its place, its marks for queues and the memory of its buffers left out. */
function numbersOf(tcb: Tcb): Map<string, unknown> {
  const numbers = new Map<string, unknown>();
  const visit = (fields: Fields, path: string, depth: number): void => {
    for (const [name, value] of Object.entries(fields)) {
      if (typeof value === 'number' || typeof value === 'boolean') numbers.set(path + name, value);
      else if (typeof value === 'object' && value !== null && depth === 0 && !Object.isFrozen(value))
        visit(value as Fields, `${path}${name}.`, 1);
    }
  };
  visit(tcb as unknown as Fields, '', 0);
  for (const name of ['index', 'row', 'queued', 'outputQueued']) numbers.delete(name);
  for (const buffer of ['sendBuffer', 'recvBuffer']) {
    numbers.delete(`${buffer}.start`);
    numbers.delete(`${buffer}.size`);
  }
  return numbers;
}

/** Sets a number of a block by its path. */
function set(tcb: Tcb, path: string, value: unknown): void {
  const [first, second] = path.split('.');
  const block = tcb as unknown as Fields;
  if (second === undefined) block[first] = value;
  else (block[first] as Fields)[second] = value;
}

t.test('a record keeps every number of a block', async (t) => {
  const config = new StackConfig();
  const slab = new Slab();
  const ledger = new Ledger();
  const records = new Records(slab, config, ledger);
  const tcb = new Tcb(0);
  tcb.reset(config);
  const values = [0, 1, -1, 0x7fffffff, -0x80000000, 2 ** 31, 0.5, -0, 1e15, Infinity, -Infinity, 1e15 + 7];
  const paths = [...numbersOf(tcb)];
  t.ok(paths.length > 140, `${paths.length} numbers`);
  let turn = 0;
  for (let round = 0; round < values.length; round++) {
    for (const [path, fresh] of paths) {
      // Every third one stays as it was, so that records differ in what they hold.
      if (turn++ % 3 === 0) set(tcb, path, fresh);
      else set(tcb, path, typeof fresh === 'boolean' ? turn % 2 === 0 : values[turn % values.length]);
    }
    ledger.open(0);
    const counted = Array.from({ length: ENTRIES }, (_, entry) =>
      entry % 3 === 0 ? 0 : entry * 10 ** round,
    );
    counted.forEach((value, entry) => ledger.setEntry(0, entry, value % 2 ** 32));
    const before = numbersOf(tcb);
    const kind = records.kindOf(tcb);
    const place = records.pack(tcb, kind);
    const seen = paths.map(([path]) => [path, records.peek(place, path, kind)]);
    t.same(
      seen,
      [...before].map(([path, value]) => [path, Number(value)]),
      'to be looked at one by one',
    );
    t.throws(() => records.peek(place, 'nothing', kind), TypeError);
    const other = new Tcb(0, 1);
    records.unpack(place, other, kind);
    t.same(numbersOf(other), before, `round ${round}`);
    const entries = (row: number): number[] => counted.map((_, entry) => ledger.entryOf(row, entry));
    t.same(entries(1), entries(0), 'and its row of the ledger');
  }
  t.equal(slab.inUse, 0, 'and its room is given back');
});

t.test('a record shares what a connection refers to with others that refer to the same', async (t) => {
  const config = new StackConfig();
  const records = new Records(new Slab(), config, new Ledger());
  const one = new Tcb(0);
  const other = new Tcb(1);
  for (const tcb of [one, other]) tcb.reset(config);
  const none = records.kindOf(other);
  t.same(none.references, {}, 'a new block refers to nothing');
  one.tuning = Object.freeze({ ...one.tuning, nodelay: true });
  const kind = records.kindOf(one);
  t.same(Object.keys(kind.references), ['tuning']);
  t.equal(records.kindOf(other), none, 'kinds alternate');
  other.tuning = one.tuning;
  t.equal(records.kindOf(other), kind);
  records.refer(one, null);
  t.not(one.tuning, other.tuning);
  records.refer(one, kind);
  t.equal(one.tuning, other.tuning);
});

t.test('connections that are alike have small records, also when the first of them is not', async (t) => {
  const config = new StackConfig();
  const slab = new Slab();
  const records = new Records(slab, config, new Ledger());
  const tcb = new Tcb(0);
  tcb.reset(config);
  // The odd one, after which all others are patterned for a while.
  for (const [path, fresh] of numbersOf(tcb)) set(tcb, path, typeof fresh === 'boolean' ? !fresh : 1e15 / 3);
  const odd = records.kindOf(tcb);
  const usual = new Tcb(1);
  const words: number[] = [];
  for (let i = 0; i < 10_000; i++) {
    usual.reset(config);
    usual.snd.una = i;
    // After an hour and a second.
    usual.heardAt = 3_600_000_000 + i;
    const before = slab.inUse;
    const kind = records.kindOf(usual);
    const place = records.pack(usual, kind);
    words.push(slab.inUse - before);
    if (i % 1000 === 0) {
      const again = new Tcb(2);
      records.unpack(place, again, kind);
      t.same(numbersOf(again), numbersOf(usual));
    }
  }
  t.ok(words[0] > 150, `${words[0]} words at first`);
  t.ok(words[9999] <= 24, `${words[9999]} words later`);
  const place = records.pack(tcb, odd);
  const again = new Tcb(3);
  records.unpack(place, again, odd);
  t.same(numbersOf(again), numbersOf(tcb));
});

t.test('connections whose programs set the same options share them', async (t) => {
  const one = change(change(UNTUNED, 'nodelay', true), 'keepIdleUs', 5);
  t.equal(change(change(UNTUNED, 'nodelay', true), 'keepIdleUs', 5), one);
  t.match(one, { nodelay: true, keepIdleUs: 5, keepalive: false });
  t.equal(change(one, 'nodelay', true), one, 'what is so already is no change');
  t.not(change(one, 'keepIdleUs', 6), one);
  // More than are remembered are no less right.
  for (let i = 1; i < 200; i++) t.equal(change(UNTUNED, 'keepProbes', i).keepProbes, i);
});

t.test('options that a program changes to and fro are the same as before, by whatever way', async (t) => {
  const corked = change(UNTUNED, 'cork', true);
  t.equal(change(corked, 'cork', false), UNTUNED);
  t.equal(change(change(UNTUNED, 'nodelay', true), 'cork', true), change(corked, 'nodelay', true));
  t.not(change(corked, 'fastOpenKey', 'a\nb'), change(corked, 'fastOpenKey', 'a'));
});

t.test('the slab hands out places that do not overlap, and uses them again', async (t) => {
  const slab = new Slab();
  const taken = new Map<number, number>();
  const random = (
    (seed) => () =>
      (seed = Math.imul(seed, 0x5bd1e995) ^ 0x1234567) >>> 0
  )(7);
  const fill = (place: number, words: number, value: number): void => {
    const chunk = slab.chunkOf(place);
    for (let i = 0; i < words; i++) chunk[slab.offsetOf(place) + i] = value;
  };
  for (let i = 0; i < 20_000; i++) {
    const [first] = taken;
    if (first !== undefined && random() % 3 === 0) {
      const [place, words] = first;
      const chunk = slab.chunkOf(place);
      const offset = slab.offsetOf(place);
      if (!chunk.subarray(offset, offset + words).every((value) => value === place)) {
        t.fail(`${place} was overwritten`);
        return;
      }
      slab.release(place, words);
      taken.delete(place);
    } else {
      const words = 1 + (random() % 300);
      const place = slab.take(words);
      if (place === 0 || taken.has(place)) t.fail(`${place} was handed out twice`);
      taken.set(place, words);
      fill(place, words, place);
    }
  }
  for (const [place, words] of taken) slab.release(place, words);
  t.equal(slab.inUse, 0);
});

const SECOND = 1_000_000;
const COUNT = 40;

interface World {
  client: Host;
  server: Host;
  /** Connections from the client's side and from the server's, in one order. */
  pairs: [number, number][];
  look: () => void;
}

/** A number of connections between two hosts, the second of which puts idle ones to sleep after a second. */
function world(t: Test, sysctl: Record<string, number | string> = {}): World {
  const client = createHost({ addresses: ['10.0.0.1/24'], link: 'ip' });
  const options = { tcp_dormant_after_ms: 1000, tcp_dormant_threshold: 0, ...sysctl };
  const server = createHost({ addresses: ['10.0.0.2/24'], link: 'ip', seed: 2, sysctl: options });
  joinHosts(client, server, { delayUs: 1000 });
  t.teardown(() => {
    client.close();
    server.close();
  });
  const listening = listener(server.mctx, 80, COUNT);
  api.mtcp_setsock_nonblock(server.mctx, listening);
  const byPort = new Map<number, number>();
  const ids = Array.from({ length: COUNT }, () => {
    const id = nonblocking(client.mctx);
    api.mtcp_connect(client.mctx, id, api.sockaddr_in('10.0.0.2', 80));
    const local = api.sockaddr_in('0.0.0.0', 0);
    api.mtcp_getsockname(client.mctx, id, local);
    byPort.set(local.port, id);
    return id;
  });
  client.advance(client.now + 10_000);
  const pairs: [number, number][] = [];
  for (let left = ids.length; left > 0; left--) {
    const peer = api.sockaddr_in('0.0.0.0', 0);
    const accepted = api.mtcp_accept(server.mctx, listening, peer);
    api.mtcp_setsock_nonblock(server.mctx, accepted);
    pairs.push([byPort.get(peer.port) ?? -1, accepted]);
  }
  const epoll = api.mtcp_epoll_create(server.mctx, 64);
  const events = api.mtcp_epoll_events(64);
  const look = (): void => {
    for (let i = 0; i < 5; i++) {
      api.mtcp_epoll_wait(server.mctx, epoll, events, 64, 0);
      client.advance(client.now + 1000);
    }
  };
  return { client, server, pairs, look };
}

const buffer = Buffer.alloc(100);

t.test('idle connections give up their blocks, and a segment or a call brings them back', async (t) => {
  const { client, server, pairs, look } = world(t);
  const { demux } = server.stack.tcp.core;
  look();
  t.equal(demux.dormant, 0, 'not at once');
  client.advance(client.now + 2 * SECOND);
  look();
  t.equal(demux.dormant, COUNT);
  t.same([demux.size, demux.allocated, demux.awake], [COUNT, COUNT, 0]);
  t.equal(server.stack.counters.TcpCurrEstab, COUNT);
  for (const [i, [id]] of pairs.entries()) {
    t.equal(api.mtcp_write(client.mctx, id, Buffer.from(`hello ${i}`)), 6 + `${i}`.length);
  }
  client.advance(client.now + 10_000);
  t.equal(demux.dormant, 0, 'their segments have brought them back');
  for (const [i, [id, accepted]] of pairs.entries()) {
    const length = api.mtcp_read(server.mctx, accepted, buffer);
    t.equal(buffer.toString('latin1', 0, length), `hello ${i}`);
    api.mtcp_write(server.mctx, accepted, buffer, length);
    client.advance(client.now + 3000);
    t.equal(api.mtcp_read(client.mctx, id, buffer), length);
    t.equal(buffer.toString('latin1', 0, length), `hello ${i}`);
  }
  client.advance(client.now + 2 * SECOND);
  look();
  t.equal(demux.dormant, COUNT, 'and they are idle again');
  const [[id, accepted]] = pairs;
  t.equal(api.mtcp_write(server.mctx, accepted, Buffer.from('first')), 5, 'the program may write');
  t.equal(demux.dormant, COUNT - 1);
  client.advance(client.now + 10_000);
  t.equal(api.mtcp_read(client.mctx, id, buffer), 5);
});

t.test('what a program asks of a dormant connection is answered as before', async (t) => {
  const { client, server, pairs, look } = world(t);
  const { mctx } = server;
  const [[, accepted]] = pairs;
  const ask = (): unknown[] => {
    const info: Partial<api.TcpInfo> = {};
    api.mtcp_getsockopt(mctx, accepted, api.SOL_TCP, api.TCP_INFO, info);
    const {
      tcpi_last_ack_recv: _ack,
      tcpi_last_data_recv: _data,
      tcpi_last_data_sent: _sent,
      ...rest
    } = info;
    const peer = api.sockaddr_in('0.0.0.0', 0);
    api.mtcp_getpeername(mctx, accepted, peer);
    return [rest, peer, api.mtcp_read(mctx, accepted, buffer), api.errno];
  };
  const before = ask();
  client.advance(client.now + 2 * SECOND);
  look();
  t.equal(server.stack.tcp.core.demux.dormant, COUNT);
  t.same(ask(), before);
});

t.test('a dormant connection is closed by either side, and by its timers', async (t) => {
  const { client, server, pairs, look } = world(t, { tcp_keepalive_time: 10, tcp_timewait_ms: 3000 });
  const { demux, wheel } = server.stack.tcp.core;
  const [[first, a], [, b], [third, c]] = pairs;
  api.mtcp_setsockopt(server.mctx, c, api.SOL_SOCKET, api.SO_KEEPALIVE, 1);
  client.advance(client.now + 2 * SECOND);
  look();
  t.equal(demux.dormant, COUNT);
  t.equal(wheel.size, 1, 'only keepalive has a timer');
  api.mtcp_close(client.mctx, first);
  client.advance(client.now + 10_000);
  t.equal(api.mtcp_read(server.mctx, a, buffer), 0, 'the peer has closed');
  api.mtcp_close(server.mctx, a);
  api.mtcp_close(server.mctx, b);
  client.advance(client.now + 10_000);
  api.mtcp_close(client.mctx, pairs[1][0]);
  client.advance(client.now + 2 * SECOND);
  look();
  t.equal(demux.dormant, COUNT - 1, 'TIME-WAIT is dormant too');
  t.equal(demux.size, COUNT - 1);
  client.advance(client.now + 2 * SECOND);
  t.equal(demux.size, COUNT - 2, 'and ends');
  api.mtcp_close(client.mctx, third);
  client.advance(client.now + 20 * SECOND);
  t.equal(api.mtcp_read(server.mctx, c, buffer), 0);
  t.equal(demux.allocated, COUNT - 2);
});

t.test('who looks for a free port wakes nobody', async (t) => {
  for (const timestamps of [0, 1]) {
    const ports = { tcp_timestamps: timestamps, ip_local_port_range: '40000 40019', tcp_timewait_ms: 60_000 };
    const { client, server, look } = world(t, ports);
    const { mctx } = server;
    const { demux } = server.stack.tcp.core;
    const there = listener(client.mctx, 90, 64);
    api.mtcp_setsock_nonblock(client.mctx, there);
    const connect = (port = 0): string => {
      const id = nonblocking(mctx);
      if (port > 0) api.mtcp_bind(mctx, id, api.sockaddr_in('10.0.0.2', port));
      api.mtcp_connect(mctx, id, api.sockaddr_in('10.0.0.1', 90));
      const result = api.errnoName(api.errno);
      server.advance(server.now + 10_000);
      api.mtcp_close(mctx, id);
      return result;
    };
    for (let i = 0; i < 20; i++) t.equal(connect(), 'EINPROGRESS');
    server.advance(server.now + 10_000);
    for (let i = 0; i < 20; i++) api.mtcp_close(client.mctx, api.mtcp_accept(client.mctx, there));
    t.equal(demux.size, COUNT + 20);
    server.advance(server.now + 2 * SECOND);
    look();
    t.equal(demux.dormant, COUNT + 20, 'TIME-WAIT all over');
    if (timestamps === 0) {
      t.equal(connect(), 'EADDRNOTAVAIL');
      t.equal(demux.dormant, COUNT + 20);
      t.equal(connect(40_007), 'EADDRINUSE');
    } else {
      t.equal(connect(), 'EINPROGRESS', 'timestamps make it safe');
      t.equal(demux.dormant, COUNT + 19);
      t.equal(demux.size, COUNT + 20, 'in place of the one before');
    }
  }
});

t.test('keepalive finds out that the peer of a dormant connection is gone', async (t) => {
  const { client, server, pairs, look } = world(t, { tcp_keepalive_time: 10, tcp_keepalive_intvl: 1 });
  const [[, accepted]] = pairs;
  api.mtcp_setsockopt(server.mctx, accepted, api.SOL_SOCKET, api.SO_KEEPALIVE, 1);
  client.advance(client.now + 2 * SECOND);
  look();
  t.equal(server.stack.tcp.core.demux.dormant, COUNT);
  client.nic.onTransmit = () => {};
  client.advance(client.now + 60 * SECOND);
  t.equal(api.mtcp_read(server.mctx, accepted, buffer), -1);
  t.equal(api.errnoName(api.errno), 'ETIMEDOUT');
});

t.test('connections that hold something keep their blocks', async (t) => {
  const { client, server, pairs, look } = world(t);
  const [[first], [, unsent], [third, ended]] = pairs;
  api.mtcp_write(client.mctx, first, Buffer.from('unread'));
  api.mtcp_close(client.mctx, third);
  t.equal(api.mtcp_send_reserve(server.mctx, unsent, 100, api.mtcp_view()), 100);
  client.advance(client.now + 2 * SECOND);
  look();
  t.equal(server.stack.tcp.core.demux.dormant, COUNT - 2, 'unread data, and room that was given out');
  t.equal(api.mtcp_read(server.mctx, ended, buffer), 0, 'the end of a stream needs no block');
});

t.test(
  'who waits for events without end lets connections fall asleep meanwhile, and then sleeps itself',
  async (t) => {
    const { client, server, pairs } = world(t);
    const { demux, dormancy } = server.stack.tcp.core;
    const epoll = api.mtcp_epoll_create(server.mctx, 8);
    const events = api.mtcp_epoll_events(8);
    const [[first, accepted]] = pairs;
    api.mtcp_epoll_ctl(server.mctx, epoll, api.MTCP_EPOLL_CTL_ADD, accepted, { events: api.MTCP_EPOLLIN });
    t.equal(api.mtcp_epoll_wait(server.mctx, epoll, events, 8, 5000), 0);
    t.equal(demux.dormant, COUNT);
    t.equal(dormancy.deadline, Number.POSITIVE_INFINITY, 'nobody is left to look for');
    api.mtcp_write(client.mctx, first, Buffer.from('unread'));
    t.equal(api.mtcp_epoll_wait(server.mctx, epoll, events, 8, -1), 1);
    const { turns } = server.mctx;
    t.equal(api.mtcp_epoll_wait(server.mctx, api.mtcp_epoll_create(server.mctx, 8), events, 8, 60_000), 0);
    t.ok(
      server.mctx.turns - turns < 100,
      `${server.mctx.turns - turns} turns in a minute for one that holds data`,
    );
  },
);

t.test('sockets of dormant connections are what they were before, and so are their epoll sets', async (t) => {
  const { client, server, pairs, look } = world(t);
  const { mctx } = server;
  const { demux } = server.stack.tcp.core;
  const events = api.mtcp_epoll_events(COUNT);
  const [one, other] = [api.mtcp_epoll_create(mctx, 8), api.mtcp_epoll_create(mctx, 8)];
  const add = (set: number, id: number, event: object): number =>
    api.mtcp_epoll_ctl(mctx, set, api.MTCP_EPOLL_CTL_ADD, id, { events: api.MTCP_EPOLLIN, ...event });
  const things = pairs.map((_, i) => ({ i }));
  for (const [i, [, id]] of pairs.entries()) {
    // Some with a pointer, some without; some in both sets, some with a number of their own, some in none.
    if (i % 5 < 3) add(one, id, i % 2 === 0 ? { data: { sockid: id, ptr: things[i] } } : {});
    if (i % 5 === 2) add(other, id, {});
    if (i % 5 === 3) add(other, id, { data: { sockid: 1000 + i } });
    if (i % 3 === 0)
      api.mtcp_setsockopt(mctx, id, api.SOL_SOCKET, api.SO_LINGER, { l_onoff: 1, l_linger: i });
  }
  const wait = (set: number): unknown[] => {
    const count = api.mtcp_epoll_wait(mctx, set, events, COUNT, 0);
    return events.slice(0, count).map(({ data }) => [data.sockid, data.ptr]);
  };
  for (let round = 0; round < 3; round++) {
    client.advance(client.now + 2 * SECOND);
    look();
    t.equal(demux.dormant, COUNT);
    const [, [, inOne]] = pairs;
    t.equal(add(one, inOne, {}), -1);
    t.equal(api.errnoName(api.errno), 'EEXIST');
    t.equal(demux.dormant, COUNT, 'whose block that needs not');
    for (const [i, [id]] of pairs.entries()) api.mtcp_write(client.mctx, id, Buffer.from(`${i}`));
    client.advance(client.now + 10_000);
    const told = wait(one);
    t.equal(told.length, 24);
    for (const [i, [, id]] of pairs.entries()) {
      if (i % 5 < 3)
        t.same(
          told.find((entry) => (entry as number[])[0] === id),
          [id, i % 2 === 0 ? things[i] : null],
        );
      const linger = { l_onoff: 0, l_linger: 0 };
      api.mtcp_getsockopt(mctx, id, api.SOL_SOCKET, api.SO_LINGER, linger);
      t.same(linger, i % 3 === 0 ? { l_onoff: 1, l_linger: i } : { l_onoff: 0, l_linger: 0 });
    }
    t.equal(wait(other).length, 16);
    for (const [, id] of pairs) t.ok(api.mtcp_read(mctx, id, buffer) > 0);
    t.same([wait(one), wait(other)], [[], []]);
  }
  client.advance(client.now + 2 * SECOND);
  look();
  api.mtcp_close(mctx, one);
  const again = api.mtcp_epoll_create(mctx, 8);
  t.equal(again, one, 'the number of a set that is gone');
  for (const [id] of pairs) api.mtcp_write(client.mctx, id, buffer, 5);
  client.advance(client.now + 10_000);
  t.same(wait(again), [], 'says nothing of its sockets');
  for (const [, id] of pairs) t.equal(api.mtcp_close(mctx, id), 0);
  t.equal(api.mtcp_close(mctx, pairs[0][1]), -1);
});

t.test('in a crowd patience is short, until it proves too short', async (t) => {
  const { client, server, pairs } = world(t);
  const { demux } = server.stack.tcp.core;
  const events = api.mtcp_epoll_events(1);
  const epoll = api.mtcp_epoll_create(server.mctx, 1);
  const look = (): unknown => api.mtcp_epoll_wait(server.mctx, epoll, events, 1, 0);
  client.advance(client.now + 100_000);
  look();
  t.equal(demux.dormant, COUNT, 'after a tenth of a second instead of a second');
  for (let turn = 0; turn < 20; turn++) {
    for (const [id] of pairs) api.mtcp_write(client.mctx, id, buffer, 5);
    client.advance(client.now + 100_000);
    for (const [, id] of pairs) api.mtcp_read(server.mctx, id, buffer);
    look();
  }
  const { early } = demux;
  for (let turn = 0; turn < 20; turn++) {
    for (const [id] of pairs) api.mtcp_write(client.mctx, id, buffer, 5);
    client.advance(client.now + 100_000);
    for (const [, id] of pairs) api.mtcp_read(server.mctx, id, buffer);
    look();
  }
  t.equal(demux.early, early, 'what speaks every tenth of a second stays awake');
  client.advance(client.now + 2 * SECOND);
  look();
  t.equal(demux.dormant, COUNT);
});

t.test('0 stands for never, and few connections are left alone', async (t) => {
  for (const sysctl of [{ tcp_dormant_after_ms: 0 }, { tcp_dormant_threshold: COUNT }]) {
    const { client, server, look } = world(t, sysctl);
    client.advance(client.now + 10 * SECOND);
    look();
    t.equal(server.stack.tcp.core.demux.dormant, 0);
  }
});

t.test('a context with dormant connections ends as any other: their peers are told', async (t) => {
  const { client, server, pairs, look } = world(t);
  client.advance(client.now + 2 * SECOND);
  look();
  server.close();
  client.advance(client.now + 10_000);
  for (const [id] of pairs) t.equal(api.mtcp_read(client.mctx, id, buffer), -1);
  t.equal(api.errnoName(api.errno), 'ECONNRESET');
});

t.test(
  'a call that waits for a connection finds it, though the program of the host looks for events',
  async (t) => {
    const { client, server, pairs } = world(t);
    const { mctx } = server;
    const { demux } = server.stack.tcp.core;
    const epoll = api.mtcp_epoll_create(mctx, 8);
    const events = api.mtcp_epoll_events(8);
    const [[first, accepted], ...others] = pairs;
    let most = 0;
    server.onTurn = () => {
      api.mtcp_epoll_wait(mctx, epoll, events, 8, 0);
      most = Math.max(most, demux.dormant);
    };
    const { clock } = client.world;
    // Something happens on one of the others all the time, then on all of them, and last on the one that is waited for.
    for (let i = 1; i < 30; i++)
      clock.schedule(client.now + i * 100_000, () => api.mtcp_write(client.mctx, others[0][0], buffer, 1));
    clock.schedule(client.now + 3 * SECOND, () => {
      for (const [id] of others) api.mtcp_write(client.mctx, id, buffer, 1);
    });
    clock.schedule(client.now + 3.1 * SECOND, () => api.mtcp_write(client.mctx, first, Buffer.from('mine')));
    api.mtcp_fcntl(mctx, accepted, api.F_SETFL, 0);
    const mine = Buffer.alloc(100);
    t.equal(api.mtcp_read(mctx, accepted, mine), 4);
    t.equal(mine.toString('latin1', 0, 4), 'mine');
    t.equal(most, 0, 'nobody falls asleep meanwhile');
  },
);
