// The receive window as it is advertised: steps worth telling, scales and their rounding.

import t from 'tap';
import { StackConfig } from '../../src/stack/config.js';
import { Counters } from '../../src/stack/counters.js';
import { createRandom } from '../../src/stack/random.js';
import type { TcpCore } from '../../src/stack/tcp/core.js';
import { add, diff } from '../../src/stack/tcp/seq.js';
import { Tcb } from '../../src/stack/tcp/tcb.js';
import {
  advertise,
  initialWindow,
  offered,
  selectWindow,
  windowScale,
  worthUpdating,
} from '../../src/stack/tcp/window.js';

/** All that `advertise` wants of the core is a place to count. */
function scene(limit: number, wscale = 0) {
  const counters = new Counters();
  const tcb = new Tcb(0);
  tcb.reset(new StackConfig());
  tcb.recvBuffer.limit = limit;
  tcb.rcv.wscale = wscale;
  tcb.localMss = 1460;
  const core = { counters } as TcpCore;
  /** Bytes come in order and stay unread. */
  const receive = (length: number): void => {
    tcb.recvBuffer.advance(length);
    tcb.rcv.nxt = add(tcb.rcv.nxt, length);
  };
  const read = (length: number): void => tcb.recvBuffer.advance(-length);
  return { counters, tcb, receive, read, advertise: () => advertise(core, tcb) << wscale };
}

t.test('the scale is the smallest that can offer the largest buffer', async (t) => {
  t.equal(windowScale(65_535), 0);
  t.equal(windowScale(65_536), 1);
  t.equal(windowScale(6_291_456), 7);
  t.equal(windowScale(0x7fffffff), 14, 'RFC 7323 2.3: no more than 14');
});

t.test('the window of a SYN is a number of full segments that 16 bits can tell', async (t) => {
  const { tcb } = scene(65_536);
  t.equal(initialWindow(tcb), 64_240);
  tcb.recvBuffer.limit = 10_000;
  t.equal(initialWindow(tcb), 8760);
  tcb.recvBuffer.limit = 1000;
  t.equal(initialWindow(tcb), 1000, 'less than a segment is offered as it is');
});

t.test('the window shrinks as data waits, and opens by a segment or half the buffer', async (t) => {
  const { advertise, receive, read, tcb } = scene(10_000);
  t.equal(advertise(), 10_000);
  receive(9000);
  t.equal(advertise(), 1000);
  read(1459);
  t.equal(advertise(), 1000, 'RFC 9293 3.8.6.2.2: not worth telling');
  read(1);
  t.equal(advertise(), 2460);
  tcb.recvBuffer.limit = 1000;
  t.equal(selectWindow(tcb), 2460, 'never taken back when the limit is lowered');
});

t.test('in a buffer smaller than two segments half of it is a step', async (t) => {
  const { advertise, receive, read } = scene(1000);
  advertise();
  receive(1000);
  t.equal(advertise(), 0);
  read(499);
  t.equal(advertise(), 0);
  read(1);
  t.equal(advertise(), 500);
});

t.test('a program that reads hears of a window worth telling when it has at least doubled', async (t) => {
  const { advertise, receive, read, tcb } = scene(10_000);
  advertise();
  receive(9000);
  advertise();
  read(900);
  t.notOk(worthUpdating(tcb));
  read(600);
  t.ok(worthUpdating(tcb));
  read(7500);
  advertise();
  receive(2000);
  read(2000);
  t.notOk(worthUpdating(tcb), 'more than half is open anyway');
});

t.test('what was offered is honoured until it is used up', async (t) => {
  const { advertise, receive, tcb } = scene(10_000);
  advertise();
  receive(4000);
  t.equal(offered(tcb), 6000);
  receive(6000);
  t.equal(offered(tcb), 0);
});

t.test('closing and opening again are counted once each', async (t) => {
  const { advertise, counters, receive, read } = scene(10_000);
  advertise();
  const before = counters.TcpExtTCPFromZeroWindowAdv;
  receive(10_000);
  advertise();
  advertise();
  t.equal(counters.TcpExtTCPToZeroWindowAdv, 1);
  read(5000);
  advertise();
  advertise();
  t.equal(counters.TcpExtTCPFromZeroWindowAdv - before, 1);
});

t.test(
  'the right edge never moves left while the buffer has room, whatever the scale cuts off',
  async (t) => {
    const random = createRandom(5);
    const { advertise, receive, read, tcb } = scene(65_536, 7);
    advertise();
    let edge = tcb.rcv.edge;
    for (let i = 0; i < 20_000; i++) {
      const length = Math.min(1 + ((random() >>> 0) % 1460), offered(tcb));
      receive(length);
      read(tcb.recvBuffer.length);
      const wnd = advertise();
      if (diff(add(tcb.rcv.nxt, wnd), edge) < 0) t.fail(`after ${i} segments`);
      edge = add(tcb.rcv.nxt, wnd);
    }
    t.pass('20,000 segments');
  },
);

t.test('a peer of one-byte segments cannot make a buffer that nobody reads grow', async (t) => {
  const { advertise, receive, tcb } = scene(65_536, 7);
  advertise();
  let length = 0;
  while (offered(tcb) > 0 && length < 200_000) {
    receive(1);
    length++;
    advertise();
  }
  t.ok(length <= 65_536 + 128, `${length} bytes were let in`);
});
