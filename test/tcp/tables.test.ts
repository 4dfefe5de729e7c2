// Where connections and listeners are found: the table of tuples, listeners by port, and the queues between the layers.

import t from 'tap';
import { StackConfig } from '../../src/stack/config.js';
import { createRandom } from '../../src/stack/random.js';
import { Demux } from '../../src/stack/tcp/demux.js';
import { Listener, ListenerTable } from '../../src/stack/tcp/listener.js';
import { AcceptQueue, OutputQueue, ReadyQueue } from '../../src/stack/tcp/queues.js';
import { Tcb } from '../../src/stack/tcp/tcb.js';
import { Endpoint, parseAddress } from '../../src/stack/wire/address.js';

const config = new StackConfig();

function endpoint(address: string, port: number): Endpoint {
  const made = new Endpoint();
  made.copy(parseAddress(address)!);
  made.port = port;
  return made;
}

function connect(demux: Demux, local: Endpoint, remote: Endpoint): Tcb {
  const tcb = demux.allocate(config);
  tcb.local.copyEndpoint(local);
  tcb.remote.copyEndpoint(remote);
  demux.insert(tcb);
  return tcb;
}

t.test('a connection is found by all four parts of its tuple', async (t) => {
  const demux = new Demux(createRandom(1));
  const local = endpoint('10.0.0.1', 80);
  const remote = endpoint('10.0.0.2', 40_000);
  const tcb = connect(demux, local, remote);
  t.equal(demux.find(local, remote), tcb);
  t.equal(demux.find(remote, local), undefined);
  t.equal(demux.find(endpoint('10.0.0.9', 80), remote), undefined);
  t.equal(demux.find(endpoint('10.0.0.1', 81), remote), undefined);
  t.equal(demux.find(local, endpoint('10.0.0.3', 40_000)), undefined);
  t.equal(demux.find(local, endpoint('10.0.0.2', 40_001)), undefined);
});

t.test('IPv6 tuples that differ in one word only are told apart', async (t) => {
  const demux = new Demux(createRandom(2));
  const local = endpoint('2001:db8::1', 80);
  const peers = ['2001:db8::2', '2001:db8:0:1::2', '2001:db9::2', '2001:db8::1:0:2', '::ffff:10.0.0.2'];
  const made = peers.map((peer) => connect(demux, local, endpoint(peer, 1)));
  peers.forEach((peer, i) => {
    t.equal(demux.find(local, endpoint(peer, 1)), made[i], peer);
  });
});

t.test('the table grows, and removing closes gaps so that collisions stay reachable', async (t) => {
  const demux = new Demux(createRandom(3));
  const local = endpoint('10.0.0.1', 80);
  const remotes = Array.from({ length: 5000 }, (_, i) =>
    endpoint(`10.1.${i >> 8}.${i & 255}`, 1000 + (i % 7)),
  );
  const made = remotes.map((remote) => connect(demux, local, remote));
  t.equal(demux.size, 5000);
  for (let i = 0; i < 5000; i += 3) demux.remove(made[i]);
  t.ok(remotes.every((remote, i) => demux.find(local, remote) === (i % 3 === 0 ? undefined : made[i])));
  t.equal(demux.size, 5000 - 1667);
  demux.remove(made[0]);
  t.equal(demux.size, 5000 - 1667, 'removing what is gone changes nothing');
  const seen = new Set<Tcb>();
  demux.forEach((tcb) => {
    seen.add(tcb);
    demux.remove(tcb);
  });
  t.equal(seen.size, 5000 - 1667, 'forEach visits each once, removal during it included');
  t.equal(demux.size, 0);
});

t.test('blocks are used again, and come back as new', async (t) => {
  const demux = new Demux(createRandom(4));
  const tcb = demux.allocate(config);
  t.equal(demux.allocated, 1);
  const fresh = new Tcb(tcb.index);
  fresh.reset(config);
  Object.assign(tcb, { error: 5, finSent: true, probes: 3, tsRecent: 9, timing: true, passive: true });
  Object.assign(tcb.snd, { una: 5, nxt: 9, wnd: 7, wndMax: 8 });
  Object.assign(tcb.rcv, { nxt: 5, edge: 6, finSeen: true });
  Object.assign(tcb.cc, { cwnd: 5, dupAcks: 2, phase: 1 });
  demux.free(tcb);
  t.equal(demux.allocated, 0);
  const again = demux.allocate(config);
  t.equal(again, tcb);
  t.same(JSON.stringify(again), JSON.stringify(fresh), 'every field has its first value');
  t.equal(demux.at(again.index), again);
});

t.test('a listener of an address goes before one of all, and they clash where they overlap', async (t) => {
  const table = new ListenerTable();
  const any = new Listener(endpoint('0.0.0.0', 80), 5, 1);
  const one = new Listener(endpoint('10.0.0.1', 80), 5, 2);
  t.equal(table.find(80, one.local), undefined);
  t.notOk(table.conflicts(any.local));
  table.add(any);
  t.ok(table.conflicts(one.local), 'all includes one');
  table.add(one);
  t.equal(table.find(80, endpoint('10.0.0.1', 0)), one);
  t.equal(table.find(80, endpoint('10.0.0.2', 0)), any);
  t.equal(table.find(81, endpoint('10.0.0.1', 0)), undefined);
  table.remove(any);
  t.equal(table.find(80, endpoint('10.0.0.2', 0)), undefined);
  t.ok(table.conflicts(endpoint('10.0.0.1', 80)));
  t.notOk(table.conflicts(endpoint('10.0.0.2', 80)));
  t.ok(table.conflicts(endpoint('0.0.0.0', 80)));
  table.remove(one);
  table.remove(one);
  t.notOk(table.conflicts(endpoint('0.0.0.0', 80)));
});

t.test('a backlog of n lets n + 1 wait', async (t) => {
  const listener = new Listener(endpoint('0.0.0.0', 80), 1, 1);
  listener.acceptQueue.push(new Tcb(0));
  t.notOk(listener.isFull);
  listener.acceptQueue.push(new Tcb(1));
  t.ok(listener.isFull);
});

t.test('the accept queue keeps its order, also when one is taken out of the middle', async (t) => {
  const queue = new AcceptQueue();
  // Others have come and gone, so that the queue goes round the end of its memory.
  const before = Array.from({ length: 100 }, (_, i) => new Tcb(i));
  for (const tcb of before) queue.push(tcb);
  const blocks = Array.from({ length: 200 }, (_, i) => new Tcb(i));
  for (let i = 0; i < 200; i++) {
    if (i < 100) t.equal(queue.shift(), before[i]);
    queue.push(blocks[i]);
  }
  t.equal(queue.shift(), blocks[0]);
  queue.remove(blocks[5]);
  queue.remove(blocks[0]);
  t.equal(queue.length, 198);
  const order = Array.from({ length: 198 }, () => queue.shift()!.index);
  t.same(
    order,
    blocks.map(({ index }) => index).filter((index) => index !== 0 && index !== 5),
  );
  t.equal(queue.shift(), undefined);
});

t.test('an endpoint stands in a queue once, and can come back after it was taken', async (t) => {
  for (const queue of [new ReadyQueue(), new OutputQueue()]) {
    const blocks = Array.from({ length: 300 }, (_, i) => new Tcb(i));
    for (const tcb of blocks) queue.push(tcb);
    for (const tcb of blocks) queue.push(tcb);
    t.equal(queue.length, 300);
    for (let i = 0; i < 150; i++) t.equal(queue.shift(), blocks[i]);
    queue.push(blocks[0]);
    for (let i = 150; i < 300; i++) queue.shift();
    t.equal(queue.shift(), blocks[0]);
    t.equal(queue.shift(), undefined);
  }
});
