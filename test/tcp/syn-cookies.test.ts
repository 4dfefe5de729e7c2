// SYN cookies (RFC 4987 3.6): a flood of SYNs takes no memory and keeps nobody out.

import t from 'tap';
import {
  mtcp_abort,
  mtcp_accept,
  mtcp_getsockopt,
  mtcp_setsock_nonblock,
  SOL_TCP,
  TCP_INFO,
  type TcpInfo,
} from '../../src/index.js';
import { Clock } from '../../src/stack/clock.js';
import { createRandom } from '../../src/stack/random.js';
import { hasEcn, hasSack, SynCookies, scaleIn, timestampWith } from '../../src/stack/tcp/syn-cookies.js';
import { Endpoint, parseAddress } from '../../src/stack/wire/address.js';
import {
  buildTcp,
  createHost,
  parsePacket,
  runPacketdrill,
  type TcpFields,
} from '../../src/testing/index.js';
import { listener, socket } from '../api/support.js';

function endpoint(text: string, port: number): Endpoint {
  const made = new Endpoint();
  made.copy(parseAddress(text)!);
  made.port = port;
  return made;
}

t.test('a cookie holds the MSS, for two minutes, for its tuple', async (t) => {
  const clock = new Clock();
  const cookies = new SynCookies(clock, createRandom(1));
  const local = endpoint('10.0.0.1', 80);
  const remote = endpoint('10.0.0.2', 4000);
  for (const [mss, kept] of [
    [0, 536],
    [536, 536],
    [1299, 536],
    [1300, 1300],
    [1459, 1440],
    [1460, 1460],
    [8960, 1460],
  ]) {
    t.equal(cookies.check(local, remote, 77, cookies.make(local, remote, 77, mss)), kept, `${mss}`);
  }
  const cookie = cookies.make(local, remote, -5, 1460);
  t.equal(cookies.check(local, remote, -4, cookie), 0, 'another SYN');
  t.equal(cookies.check(local, endpoint('10.0.0.2', 4001), -5, cookie), 0, 'another port');
  t.equal(cookies.check(local, endpoint('10.0.0.3', 4000), -5, cookie), 0, 'another peer');
  const random = createRandom(2);
  let guessed = 0;
  for (let i = 0; i < 100_000; i++) if (cookies.check(local, remote, -5, random()) !== 0) guessed++;
  t.equal(guessed, 0, 'none of 100,000 guesses');
  clock.set(119_000_000);
  t.equal(cookies.check(local, remote, -5, cookie), 1460, 'after 119 s');
  clock.set(120_000_000);
  t.equal(cookies.check(local, remote, -5, cookie), 0, 'after 120 s');
});

t.test('a timestamp holds the other options, and is not from the future', async (t) => {
  for (const now of [0, 1, 63, 64, 1000, 0x7fffffff, -0x80000000, -1]) {
    for (const wscale of [-1, 0, 7, 14]) {
      for (const sack of [false, true]) {
        for (const ecn of [false, true]) {
          const stamp = timestampWith(now, wscale, sack, ecn);
          t.match({ w: scaleIn(stamp), s: hasSack(stamp), e: hasEcn(stamp) }, { w: wscale, s: sack, e: ecn });
          const age = (now - stamp) | 0;
          if (age < 0 || age >= 128) t.fail(`${stamp} at ${now}`);
        }
      }
    }
  }
});

t.test('a million SYNs take no memory, and one who means it is served', async (t) => {
  const host = createHost({
    addresses: ['10.0.0.1/8'],
    link: 'ip',
    sysctl: { tcp_max_syn_backlog: 128 },
    nic: { frames: 256 },
  });
  host.recording = false;
  const listening = listener(host.mctx, 80, 64);
  const syn = (src: string, srcPort: number, fields: Partial<TcpFields> = {}): Uint8Array =>
    buildTcp({ src, dst: '10.0.0.1', srcPort, dstPort: 80, flags: 'S', options: { mss: 1460 }, ...fields });
  const flood = Array.from({ length: 1000 }, (_, i) => syn(`10.1.${i >> 8}.${i & 255}`, 1000 + i));
  const count = 1_000_000;
  for (let i = 0; i < count; i++) {
    host.nic.inject(flood[i % flood.length]);
    if (i % 32 === 31) host.turn();
  }
  const { counters, tcp } = host.stack;
  t.ok(tcp.core.demux.allocated <= 130, `${tcp.core.demux.allocated} blocks in use`);
  t.ok(counters.TcpExtSyncookiesSent > count * 0.9, `${counters.TcpExtSyncookiesSent} cookies`);

  host.recording = true;
  const client = '10.2.0.1';
  host.inject(
    syn(client, 5000, {
      seq: 10,
      options: { mss: 1460, wscale: 3, sackPermitted: true, timestamps: [7, 0] },
    }),
  );
  const answer = host
    .take()
    .map(({ bytes }) => parsePacket(bytes).tcp!)
    .find(({ dstPort }) => dstPort === 5000)!;
  t.equal(answer.flags, 'S.');
  const [tsVal] = answer.options.timestamps!;
  const reply = {
    seq: 11,
    ack: answer.seq + 1,
    flags: 'P.',
    payload: 'hello',
    options: { timestamps: [8, tsVal] },
  };
  host.inject(syn(client, 5000, reply as unknown as Partial<TcpFields>));
  const accepted = mtcp_accept(host.mctx, listening);
  t.ok(accepted >= 0, 'is accepted');
  const info: Partial<TcpInfo> = {};
  mtcp_getsockopt(host.mctx, accepted, SOL_TCP, TCP_INFO, info);
  t.match(info, { tcpi_options: 7, tcpi_snd_wscale: 3, tcpi_snd_mss: 1448 }, 'with every option');
  t.equal(counters.TcpExtSyncookiesRecv, 1);
  t.ok(socket(host.mctx) >= 0);

  // Found by the crowds of seeds 5000015, 5000038, 5000123, 5000153 and 5000234 (test/sim/million.ts).
  mtcp_setsock_nonblock(host.mctx, listening);
  mtcp_abort(host.mctx, accepted);
  host.turn();
  host.take();
  host.inject(syn(client, 5000, reply as unknown as Partial<TcpFields>));
  t.equal(mtcp_accept(host.mctx, listening), -1, 'the same ACK again opens no second connection');
  t.match(parsePacket(host.take()[0].bytes).tcp, { flags: 'R', dstPort: 5000 });
  t.equal(counters.TcpExtSyncookiesRecv, 1);
});

t.test('cookies that were used are known for a while, and no others', async (t) => {
  const cookies = new SynCookies(new Clock(), createRandom(1));
  t.notOk(cookies.isUsed(0), 'before there is any');
  cookies.use(-77);
  t.ok(cookies.isUsed(-77));
  t.notOk(cookies.isUsed(0), 'an empty place is no cookie');
  t.notOk(cookies.isUsed(-77 + 65_536), 'nor is another one of the same place');
  for (let i = 0; i < 1000; i++) cookies.use(i);
  t.ok(cookies.isUsed(-77), 'after a thousand others');
  cookies.use(-77 + 65_536);
  t.notOk(cookies.isUsed(-77), 'until another takes its place');
});

t.test('cookies on the wire', async (t) => {
  const open = `\`sysctl tcp_syncookies=2\`
    0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0 bind(3, ..., ...) = 0
   +0 listen(3, 1) = 0
`;
  const plays = (name: string, script: string): void =>
    void t.equal(runPacketdrill(open + script).reason, undefined, name);
  plays(
    'without timestamps the MSS is all that is kept',
    `+0 < S 0:0(0) win 65535 <mss 1400,nop,nop,sackOK,nop,wscale 7>
   +0 > S. 0:0(0) ack 1 <mss 1460>
  +.1 < P. 1:11(10) ack 1 win 1000
   +0 > . 1:1(0) ack 11
   +0 accept(3, ..., ...) = 4
   +0 read(4, ..., 100) = 10
   +0 %{ assert tcpi_snd_mss == 1300 and tcpi_options == 0 }%`,
  );
  plays(
    'an ACK that brings no cookie is reset',
    `+0 < S 0:0(0) win 65535 <mss 1400>
   +0 > S. 0:0(0) ack 1 <mss 1460>
  +.1 < . 1:1(0) ack 2 win 1000
   +0 > R 2:2(0)`,
  );
  plays(
    'ECN is kept beside timestamps',
    `+0 < SEW 0:0(0) win 65535 <mss 1460,sackOK,TS val 1 ecr 0>
   +0 > SE. 0:0(0) ack 1 <mss 1460,sackOK,TS val 100 ecr 1>
  +.1 < . 1:1(0) ack 1 win 1000 <nop,nop,TS val 2 ecr 100>
   +0 accept(3, ..., ...) = 4
   +0 %{ assert (tcpi_options & TCPI_OPT_ECN) != 0 and (tcpi_options & TCPI_OPT_SACK) != 0 }%`,
  );
});
