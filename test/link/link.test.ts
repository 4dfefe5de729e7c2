// The neighbour cache under a clock of its own, the queues behind it, and the routing table.

import t from 'tap';
import { Clock } from '../../src/stack/clock.js';
import * as neighbour from '../../src/stack/link/neighbours.js';
import { Neighbours, NONE, UNREACHABLE, UNRESOLVED } from '../../src/stack/link/neighbours.js';
import { Routes } from '../../src/stack/link/routes.js';
import { WaitingFrames } from '../../src/stack/link/waiting-frames.js';
import { formatV4, parseV4 } from '../../src/stack/wire/address.js';
import { ARP_REPLY, ARP_REQUEST } from '../../src/stack/wire/arp.js';

const SECOND = 1_000_000;
const MAC_HIGH = 0x0200;
const MAC_LOW = 0x0000000b;
const MAC = '02:00:00:00:00:0b';

function word(text: string): number {
  const parsed = parseV4(text);
  if (parsed === undefined) throw new Error(`not an address: ${text}`);
  return parsed;
}

const B = word('10.0.0.2');
const C = word('10.0.0.3');

/** A cache, its clock, and everything it asks for as text. */
function rig(settings: Partial<neighbour.NeighbourConfig> = {}) {
  const clock = new Clock();
  const config = Object.assign(new neighbour.NeighbourConfig(), settings);
  const cache = new Neighbours(clock, config);
  const requests = (): string[] => {
    const found: string[] = [];
    for (let ip = cache.nextRequest(); ip !== NONE; ip = cache.nextRequest()) {
      found.push(`${cache.requestLow === -1 ? 'broadcast' : 'unicast'} ${formatV4(ip)}`);
    }
    return found;
  };
  const frames = (index: number): [number, number][] => {
    const found: [number, number][] = [];
    for (let at = cache.takeWaiting(index); at >= 0; at = cache.takeWaiting(index)) {
      found.push([at, cache.waitingLength]);
    }
    return found;
  };
  const failures = (): [string, [number, number][]][] => {
    const found: [string, [number, number][]][] = [];
    for (let ip = cache.nextFailed(); ip !== NONE; ip = cache.nextFailed()) {
      found.push([formatV4(ip), frames(cache.actionIndex)]);
    }
    return found;
  };
  /** Lets time pass from deadline to deadline, and returns the requests with their times. */
  const advance = (toUs: number): string[] => {
    const found: string[] = [];
    while (cache.nextDeadline() <= toUs) {
      clock.set(Math.max(clock.now, cache.nextDeadline()));
      cache.onTimer();
      for (const request of requests()) found.push(`${clock.now / SECOND} ${request}`);
    }
    clock.set(toUs);
    return found;
  };
  const state = (ip = B): string | undefined =>
    cache.entries().find((entry) => entry.address === formatV4(ip))?.state;
  const resolve = (ip = B, low = MAC_LOW): number => cache.onArp(ip, MAC_HIGH, low, ARP_REPLY, true);
  /** Makes a neighbour that has answered us now. */
  const reachable = (ip = B, low = MAC_LOW): number => {
    cache.enqueue(ip, 0, 60);
    requests();
    const index = resolve(ip, low);
    frames(index);
    return index;
  };
  return { clock, config, cache, requests, frames, failures, advance, state, resolve, reachable };
}

t.test(
  'an unknown neighbour is asked for at once, and its packets go in order when it answers',
  async (t) => {
    const { cache, requests, frames, state, resolve } = rig();
    t.equal(cache.lookup(B), UNRESOLVED);
    t.equal(cache.size, 0, 'a look-up alone makes no entry');
    t.ok(cache.enqueue(B, 2048, 60));
    t.strictSame(requests(), ['broadcast 10.0.0.2']);
    t.equal(cache.lookup(B), UNRESOLVED);
    t.ok(cache.enqueue(B, 4096, 61));
    t.ok(cache.enqueue(B, 0, 62));
    t.strictSame(requests(), [], 'one request is enough');
    t.equal(state(), 'INCOMPLETE');
    const index = resolve();
    t.ok(index >= 0);
    t.strictSame(frames(index), [
      [2048, 60],
      [4096, 61],
      [0, 62],
    ]);
    t.equal(state(), 'REACHABLE');
    t.equal(cache.lookup(B), index);
    t.equal(cache.macHigh(index), MAC_HIGH);
    t.equal(cache.macLow(index), MAC_LOW);
    t.equal(cache.nextDeadline(), Infinity);
    t.notOk(cache.enqueue(B, 0, 60), 'nothing waits for a neighbour that is known');
  },
);

t.test('one that does not answer is asked three times in three seconds and fails', async (t) => {
  const { cache, clock, requests, failures, advance, state, resolve } = rig();
  cache.enqueue(B, 2048, 60);
  cache.enqueue(B, 4096, 61);
  t.strictSame(requests(), ['broadcast 10.0.0.2']);
  t.equal(cache.nextDeadline(), SECOND);
  t.strictSame(advance(2.9 * SECOND), ['1 broadcast 10.0.0.2', '2 broadcast 10.0.0.2']);
  t.strictSame(failures(), []);
  t.strictSame(advance(3 * SECOND), []);
  t.equal(state(), 'FAILED');
  t.strictSame(failures(), [
    [
      '10.0.0.2',
      [
        [2048, 60],
        [4096, 61],
      ],
    ],
  ]);
  t.equal(cache.waiting, 0);
  t.equal(cache.lookup(B), UNREACHABLE);
  clock.set(4 * SECOND);
  t.equal(cache.lookup(B), UNRESOLVED, 'a second later it is tried again');
  t.ok(cache.enqueue(B, 8192, 60));
  t.strictSame(requests(), ['broadcast 10.0.0.2']);
  t.strictSame(advance(5 * SECOND), ['5 broadcast 10.0.0.2']);
  resolve();
  t.equal(state(), 'REACHABLE');
});

t.test('a stale neighbour is used, probed after five seconds, and kept when it answers', async (t) => {
  const { cache, advance, reachable, state, resolve } = rig();
  const index = reachable();
  advance(29.9 * SECOND);
  t.equal(state(), 'REACHABLE');
  advance(30 * SECOND);
  t.equal(state(), 'STALE');
  t.equal(cache.nextDeadline(), Infinity, 'an idle cache wants no timer');
  t.equal(cache.lookup(B), index);
  t.equal(state(), 'DELAY');
  t.equal(cache.nextDeadline(), 35 * SECOND);
  t.strictSame(advance(35 * SECOND), ['35 unicast 10.0.0.2']);
  t.equal(cache.requestHigh, MAC_HIGH);
  t.equal(cache.requestLow, MAC_LOW);
  t.equal(cache.lookup(B), index, 'packets go on while it is probed');
  t.equal(state(), 'PROBE');
  resolve();
  t.equal(state(), 'REACHABLE');
  t.equal(cache.nextDeadline(), Infinity);
});

t.test('progress of a transport confirms a neighbour without a probe', async (t) => {
  const { cache, clock, advance, reachable, state } = rig();
  const index = reachable();
  advance(20 * SECOND);
  cache.confirm(index);
  advance(49 * SECOND);
  t.equal(state(), 'REACHABLE', 'a confirmation renews the time');
  advance(50 * SECOND);
  t.equal(cache.lookup(B), index);
  t.equal(state(), 'DELAY');
  clock.set(52 * SECOND);
  cache.confirm(index);
  t.equal(state(), 'REACHABLE');
  t.strictSame(advance(60 * SECOND), []);
});

t.test('one that no longer answers is forgotten after three probes, and everybody is asked', async (t) => {
  const { cache, advance, reachable, state, requests, failures } = rig();
  const index = reachable();
  advance(40 * SECOND);
  cache.lookup(B);
  t.strictSame(advance(60 * SECOND), ['45 unicast 10.0.0.2', '46 unicast 10.0.0.2', '47 unicast 10.0.0.2']);
  t.equal(state(), 'FAILED');
  t.strictSame(failures(), [], 'nothing waited for it');
  t.equal(cache.lookup(B), UNRESOLVED, 'it may only have moved');
  cache.confirm(index);
  t.equal(state(), 'FAILED', 'a late confirmation does not bring it back');
  t.ok(cache.enqueue(B, 0, 60));
  t.strictSame(requests(), ['broadcast 10.0.0.2']);
});

t.test('RFC 826: who may create and change an entry', async (t) => {
  const { cache, clock, state, advance, reachable, resolve, requests, frames } = rig();
  const low = (): number => cache.macLow(cache.lookup(B));
  t.equal(cache.onArp(B, MAC_HIGH, MAC_LOW, ARP_REPLY, true), -1, 'an answer that nobody asked for');
  t.equal(cache.onArp(B, MAC_HIGH, MAC_LOW, ARP_REQUEST, false), -1, 'a request to somebody else');
  t.equal(cache.onArp(B, MAC_HIGH, MAC_LOW, ARP_REPLY, false), -1, 'a gratuitous answer');
  t.equal(cache.onArp(0, MAC_HIGH, MAC_LOW, ARP_REQUEST, true), -1, 'a probe for a duplicate address');
  t.equal(cache.onArp(B, 0x0100, MAC_LOW, ARP_REQUEST, true), -1, 'a multicast MAC');
  t.equal(cache.onArp(B, 0, 0, ARP_REQUEST, true), -1, 'an empty MAC');
  t.equal(cache.size, 0);
  t.ok(cache.onArp(B, MAC_HIGH, MAC_LOW, ARP_REQUEST, true) >= 0, 'a request to us');
  t.equal(state(), 'STALE');
  t.equal(low(), MAC_LOW);
  t.equal(state(), 'DELAY');

  cache.onArp(B, MAC_HIGH, MAC_LOW, ARP_REQUEST, true);
  t.equal(state(), 'DELAY', 'the same again changes nothing');
  t.equal(cache.onArp(B, MAC_HIGH, 0x0c, ARP_REPLY, false), -1, 'locked for a second after a change');
  t.equal(low(), MAC_LOW);
  cache.onArp(B, MAC_HIGH, 0x0c, ARP_REQUEST, true);
  t.equal(low(), 0x0c, 'but not against a request to us');
  advance(2 * SECOND);
  cache.onArp(B, MAC_HIGH, 0x0d, ARP_REPLY, false);
  t.equal(low(), 0x0d, 'a gratuitous answer updates');

  reachable(C);
  advance(4 * SECOND);
  cache.onArp(C, MAC_HIGH, MAC_LOW, ARP_REQUEST, false);
  t.equal(state(C), 'REACHABLE');
  cache.onArp(C, MAC_HIGH, 0x0e, ARP_REQUEST, false);
  t.equal(state(C), 'STALE', 'a new MAC has to prove itself');
  clock.set(clock.now + 2 * SECOND);
  resolve(C, 0x0f);
  t.equal(state(C), 'REACHABLE');
  t.equal(cache.macLow(cache.lookup(C)), 0x0f, 'the answer to us counts');

  const d = word('10.0.0.4');
  cache.enqueue(d, 64, 60);
  const index = cache.onArp(d, MAC_HIGH, MAC_LOW, ARP_REQUEST, true);
  t.equal(state(d), 'DELAY', 'a request resolves too, and sending what waited is use');
  t.strictSame(frames(index), [[64, 60]]);
  t.strictSame(requests(), [], 'and the request that was not sent yet is not needed');
});

t.test('static entries neither age nor change nor make room', async (t) => {
  const { cache, advance, state, resolve, frames } = rig({ maxEntries: 1 });
  cache.enqueue(B, 64, 60);
  const index = cache.setStatic(B, MAC_HIGH, MAC_LOW);
  t.strictSame(frames(index), [[64, 60]], 'what waited can go');
  t.strictSame(advance(1000 * SECOND), []);
  t.equal(resolve(B, 0x0c), -1);
  t.equal(cache.lookup(B), index);
  t.equal(cache.macLow(index), MAC_LOW);
  t.equal(state(), 'REACHABLE');
  t.notOk(cache.enqueue(C, 128, 60), 'there is no place for another');
  t.equal(cache.setStatic(C, MAC_HIGH, MAC_LOW), -1);
  t.strictSame(cache.entries(), [
    { address: '10.0.0.2', mac: MAC, state: 'REACHABLE', permanent: true, waiting: 0 },
  ]);
  t.ok(cache.remove(B));
  t.notOk(cache.remove(B));
  t.equal(cache.size, 0);
  t.ok(cache.enqueue(C, 128, 60));
  t.notOk(cache.remove(C), 'packets wait for it');
  t.match(cache.entries(), [
    { address: '10.0.0.3', mac: undefined, state: 'INCOMPLETE', permanent: false, waiting: 1 },
  ]);
});

t.test('packets wait within bounds, per neighbour and in all, which may change', async (t) => {
  const { cache, config, frames, resolve } = rig({ queueLength: 2, queueTotal: 3 });
  t.strictSame(
    [1, 2, 3].map((n) => cache.enqueue(B, n, 60)),
    [true, true, false],
  );
  t.strictSame(
    [4, 5].map((n) => cache.enqueue(C, n, 60)),
    [true, false],
  );
  config.queueLength = 3;
  t.notOk(cache.enqueue(B, 6, 60));
  config.queueTotal = 4;
  t.ok(cache.enqueue(B, 6, 60));
  t.equal(cache.waiting, 4);
  t.strictSame(frames(resolve()), [
    [1, 60],
    [2, 60],
    [6, 60],
  ]);
  t.ok(cache.enqueue(C, 7, 60), 'room comes back');
});

t.test(
  'a full cache gives up failed neighbours, then the least recently used one, never a waiting one',
  async (t) => {
    const { cache, clock, config, advance, reachable, failures } = rig({ maxEntries: 3 });
    const ip = (n: number): number => word(`10.0.1.${n}`);
    const names = (): string[] => cache.entries().map((entry) => entry.address);
    for (const n of [1, 2, 3]) {
      clock.set(clock.now + SECOND);
      reachable(ip(n));
    }
    clock.set(clock.now + SECOND);
    cache.lookup(ip(1));
    t.ok(cache.enqueue(ip(4), 0, 60));
    t.strictSame(names(), ['10.0.1.1', '10.0.1.3', '10.0.1.4']);
    advance(clock.now + 10 * SECOND);
    failures();
    cache.lookup(ip(1));
    t.ok(cache.enqueue(ip(5), 0, 60));
    t.strictSame(names(), ['10.0.1.1', '10.0.1.3', '10.0.1.5'], 'the failed one went first');
    t.ok(cache.enqueue(ip(6), 0, 60));
    t.notOk(cache.enqueue(ip(7), 0, 60), 'who does not answer takes no more than half from who does');
    t.strictSame(names(), ['10.0.1.1', '10.0.1.5', '10.0.1.6']);
    t.equal(cache.onArp(ip(8), MAC_HIGH, MAC_LOW, ARP_REQUEST, true), -1);
    config.maxEntries = 4;
    t.ok(cache.enqueue(ip(8), 0, 60));
    t.equal(cache.size, 4);
  },
);

t.test('packets to addresses that nobody has do not push out neighbours that answer', async (t) => {
  const { cache, reachable } = rig({ maxEntries: 8, queueTotal: 4 });
  reachable(B);
  for (let n = 0; n < 100; n++) cache.enqueue(word(`10.0.2.${n + 1}`), 64 * n, 60);
  t.equal(cache.waiting, 4, 'no more wait than may');
  t.ok(cache.lookup(B) >= 0, 'who answered is still known');
  t.ok(cache.size <= 5, 'and nobody is remembered for whom nothing waits');
});

t.test('a failed neighbour that is asked for again in the same turn has not failed', async (t) => {
  const { cache, clock, failures, requests } = rig({ maxProbes: 1, failedUs: 0 });
  cache.enqueue(B, 64, 60);
  requests();
  clock.set(SECOND - 1);
  cache.onTimer();
  t.equal(cache.entries()[0].state, 'INCOMPLETE', 'nothing is due yet');
  clock.set(SECOND);
  cache.onTimer();
  t.equal(cache.lookup(B), UNRESOLVED);
  t.ok(cache.enqueue(B, 128, 60));
  t.strictSame(failures(), [], 'what waited goes on waiting');
  t.strictSame(requests(), ['broadcast 10.0.0.2']);
  t.equal(cache.waiting, 2);
});

t.test('times come from the configuration, also while they run', async (t) => {
  const { config, cache, advance, requests } = rig({ retransUs: 100, maxProbes: 2 });
  cache.enqueue(B, 0, 60);
  requests();
  config.retransUs = 1000;
  t.strictSame(advance(5000), ['0.0001 broadcast 10.0.0.2']);
  t.equal(cache.entries()[0].state, 'FAILED');
});

t.test('waiting frames: queues are independent and nodes are used again', async (t) => {
  const waiting = new WaitingFrames();
  t.equal(waiting.shift(5), -1);
  t.equal(waiting.length, 0);
  const expected = new Map<number, number[]>();
  let serial = 0;
  for (let round = 0; round < 400; round++) {
    const queue = (round * 7) % 40;
    const list = expected.get(queue) ?? [];
    expected.set(queue, list);
    for (let n = 0; n < round % 4; n++) {
      waiting.push(queue, serial, serial + 1);
      list.push(serial++);
    }
    if (round % 3 === 0) {
      t.equal(waiting.shift(queue), list.shift() ?? -1);
    }
  }
  let left = 0;
  for (const [queue, list] of expected) {
    t.equal(waiting.count(queue), list.length);
    left += list.length;
  }
  t.equal(waiting.size, left);
  for (const [queue, list] of expected) {
    for (const offset of list) {
      if (waiting.shift(queue) !== offset || waiting.length !== offset + 1)
        t.fail('order', { queue, offset });
    }
  }
  t.equal(waiting.size, 0);
});

t.test('routes: the longest prefix wins, whatever the order of adding', async (t) => {
  const routes = new Routes();
  const source = word('10.0.0.1');
  t.equal(routes.lookup(B), -1);
  routes.add(0, 0, word('10.0.0.254'), source);
  routes.add(word('10.0.0.99'), 24, 0, source);
  routes.add(word('192.168.0.0'), 16, word('10.0.0.253'), source, 1400);
  routes.add(word('192.168.7.7'), 32, word('10.0.0.252'), source);
  const cases: [string, string, number, boolean][] = [
    ['10.0.0.2', '10.0.0.2', 0, true],
    ['10.0.0.255', '10.0.0.255', 0, true],
    ['10.0.1.0', '10.0.0.254', 0, false],
    ['192.168.255.255', '10.0.0.253', 1400, false],
    ['192.168.7.7', '10.0.0.252', 0, false],
    ['192.168.7.8', '10.0.0.253', 1400, false],
    ['255.255.255.255', '10.0.0.254', 0, false],
  ];
  for (const [dst, hop, mtu, onLink] of cases) {
    const index = routes.lookup(word(dst));
    t.equal(formatV4(routes.nextHop(index, word(dst))), hop, dst);
    t.equal(routes.mtu(index), mtu);
    t.equal(routes.onLink(index), onLink);
    t.equal(routes.source(index), source);
  }
  t.strictSame(routes.entries(), [
    { prefix: '192.168.7.7/32', gateway: '10.0.0.252', source: '10.0.0.1', mtu: undefined },
    { prefix: '10.0.0.0/24', gateway: undefined, source: '10.0.0.1', mtu: undefined },
    { prefix: '192.168.0.0/16', gateway: '10.0.0.253', source: '10.0.0.1', mtu: 1400 },
    { prefix: '0.0.0.0/0', gateway: '10.0.0.254', source: '10.0.0.1', mtu: undefined },
  ]);
});

t.test('routes: they are replaced, removed and refused', async (t) => {
  const routes = new Routes();
  routes.add(word('10.0.0.0'), 24, 0, B);
  routes.add(word('10.0.0.7'), 24, C, B);
  t.equal(routes.size, 1, 'bits beyond the prefix do not make another route');
  t.equal(routes.nextHop(routes.lookup(B), B), C);
  t.notOk(routes.remove(word('10.0.0.0'), 25));
  t.ok(routes.remove(word('10.0.0.0'), 24));
  t.equal(routes.lookup(B), -1);
  for (const length of [-1, 33, 1.5, Number.NaN]) t.throws(() => routes.add(0, length, 0, B), RangeError);
});
