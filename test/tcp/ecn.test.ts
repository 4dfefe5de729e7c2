// Explicit congestion notification: what the SYNs agree on, what is echoed and answered (RFC 3168), accurate feedback (RFC 9768), and
// DCTCP (RFC 8257), as packetdrill scripts and on a simulated bottleneck that marks.

import t, { type Test } from 'tap';
import { createHost, runPacketdrill } from '../../src/testing/index.js';
import { jainIndex, meanGoodput, runFlows } from '../sim/flows.js';

const LISTEN = `
    0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0 bind(3, ..., ...) = 0
   +0 listen(3, 1) = 0
`;
const CONNECT = `
    0 socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3
   +0 connect(3, ..., ...) = -1 EINPROGRESS
`;

function plays(t: Test, name: string, sysctl: string, script: string): void {
  t.equal(runPacketdrill(`\`sysctl ${sysctl}\`\n${script}`).reason, undefined, name);
}

/** A classic connection on which the peer has ECN. */
const CLASSIC = `${LISTEN}
   +0 < SEW 0:0(0) win 65535 <mss 1000,nop,nop,sackOK>
   +0 > [noecn] SE. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK>
  +.1 < [noecn] . 1:1(0) ack 1 win 65535
   +0 accept(3, ..., ...) = 4
   +0 %{ assert (tcpi_options & TCPI_OPT_ECN) != 0 }%
`;

t.test('what is offered and what is agreed on, by net.ipv4.tcp_ecn', async (t) => {
  const plain = '<mss 1460,sackOK,TS val 0 ecr 0,nop,wscale 7>';
  for (const [value, flags] of [
    [0, 'S'],
    [1, 'SEW'],
    [2, 'S'],
    [3, 'SEWA'],
    [4, 'SEW'],
    [5, 'S'],
  ] as const) {
    plays(t, `active, ${value}`, `tcp_ecn=${value}`, `${CONNECT} +0 > [noecn] ${flags} 0:0(0) ${plain}`);
  }
  for (const [value, asked, field, answer] of [
    [0, 'SEW', 'noecn', 'S.'],
    [0, 'SEWA', 'noecn', 'S.'],
    [2, 'S', 'noecn', 'S.'],
    [2, 'SE', 'noecn', 'S.'],
    [2, 'SW', 'noecn', 'S.'],
    [2, 'SEW', 'noecn', 'SE.'],
    [2, 'SEWA', 'noecn', 'SE.'],
    [2, 'SEW', 'ect0', 'S.'],
    [3, 'SEW', 'noecn', 'SE.'],
    [5, 'SEWA', 'noecn', 'SW.'],
    [5, 'SEWA', 'ect1', 'SEW.'],
    [5, 'SEWA', 'ect0', 'SA.'],
    [5, 'SEWA', 'ce', 'SWA.'],
    [5, 'SA', 'noecn', 'SW.'],
  ] as const) {
    const script = `${LISTEN} +0 < [${field}] ${asked} 0:0(0) win 1000 <mss 1000>\n +0 > [noecn] ${answer} 0:0(0) ack 1 <...>`;
    plays(t, `passive, ${value}: ${asked} with ${field}`, `tcp_ecn=${value}`, script);
  }
  for (const [value, answer, options] of [
    [1, 'S.', 0],
    [1, 'SE.', 8],
    [1, 'SEW.', 0],
    [3, 'S.', 0],
    [3, 'SE.', 8],
    [3, 'SW.', 8],
    [3, 'SEA.', 8],
    [3, 'SEWA.', 0],
  ] as const) {
    const script = `${CONNECT} +0 > [noecn] ${value === 1 ? 'SEW' : 'SEWA'} 0:0(0) <...>
      +.1 < ${answer} 0:0(0) ack 1 win 1000 <mss 1000>
      +0 %{ assert (tcpi_options & TCPI_OPT_ECN) == ${options} }%`;
    plays(t, `active, ${value}, answered by ${answer}`, `tcp_ecn=${value}`, script);
  }
});

t.test('a SYN that seems to be lost for its flags is sent without them (RFC 3168 6.1.1.1)', async (t) => {
  const again = (first: string, second: string, third: string): string =>
    `${CONNECT} +0 > ${first} 0:0(0) <...>\n +1 > ${second} 0:0(0) <...>\n +2 > ${third} 0:0(0) <...>`;
  plays(t, 'classic', 'tcp_ecn=1', again('SEW', 'S', 'S'));
  plays(t, 'accurate', 'tcp_ecn=3', again('SEWA', 'SEWA', 'S'));
  plays(t, 'never, if told so', 'tcp_ecn=1 net.ipv4.tcp_ecn_fallback=0', again('SEW', 'SEW', 'SEW'));
});

t.test('whoever has sent or got a SYN without ECN sets no ECT (RFC 3168 6.1.1)', async (t) => {
  plays(
    t,
    'our SYN went without flags, and the answer to the first one came late',
    'tcp_ecn=1',
    `${CONNECT} +0 > SEW 0:0(0) <...>
   +1 > S 0:0(0) <...>
  +.1 < SE. 0:0(0) ack 1 win 65535 <mss 1000>
   +0 > [noecn] . 1:1(0) ack 1
   +0 write(3, ..., 100) = 100
   +0 > [noecn] P. 1:101(100) ack 1`,
  );
  plays(
    t,
    "the peer's SYN came again without flags",
    'tcp_ecn=2',
    `${LISTEN} +0 < SEW 0:0(0) win 65535 <mss 1000>
   +0 > SE. 0:0(0) ack 1 <...>
  +.1 < S 0:0(0) win 65535 <mss 1000>
   +0 > SE. 0:0(0) ack 1 <...>
  +.1 < . 1:1(0) ack 1 win 65535
   +0 accept(3, ..., ...) = 4
   +0 write(4, ..., 100) = 100
   +0 > [noecn] P. 1:101(100) ack 1`,
  );
  plays(
    t,
    'our SYN-ACK went without flags',
    'tcp_ecn=2',
    `${LISTEN} +0 < SEW 0:0(0) win 65535 <mss 1000>
   +0 > SE. 0:0(0) ack 1 <...>
   +1 > SE. 0:0(0) ack 1 <...>
   +2 > S. 0:0(0) ack 1 <...>
  +.1 < . 1:1(0) ack 1 win 65535
   +0 accept(3, ..., ...) = 4
   +0 write(4, ..., 100) = 100
   +0 > [noecn] P. 1:101(100) ack 1`,
  );
});

t.test('classic: ECT on new data only, ECE until CWR, one reduction in a round trip', async (t) => {
  plays(
    t,
    'sender',
    'tcp_ecn=2',
    `${CLASSIC}
   +0 write(4, ..., 10000) = 10000
   +0 > [ect0] . 1:10001(10000) ack 1
  +.1 < E. 1:1(0) ack 2001 win 65535
   +0 %{ assert tcpi_ca_state == TCP_CA_CWR
         assert tcpi_snd_ssthresh == 7
         assert tcpi_delivered_ce == 2 }%
  +.1 < E. 1:1(0) ack 10001 win 65535
   +0 %{ assert tcpi_ca_state == TCP_CA_Open
         assert tcpi_snd_cwnd == 7 }%
   +0 write(4, ..., 2000) = 2000
   +0 > [ect0] W. 10001:11001(1000) ack 1
   +0 > [ect0] P. 11001:12001(1000) ack 1
  +.1 < . 1:1(0) ack 11001 win 65535
  +.2~+.5 > [noecn] P. 11001:12001(1000) ack 1
`,
  );
  plays(
    t,
    'receiver',
    'tcp_ecn=2',
    `${CLASSIC}
   +0 < [ect0] P. 1:101(100) ack 1 win 65535
    * > [noecn] . 1:1(0) ack 101
   +0 < [ce] P. 101:201(100) ack 1 win 65535
    * > [noecn] E. 1:1(0) ack 201
   +0 < [ect0] P. 201:301(100) ack 1 win 65535
    * > [noecn] E. 1:1(0) ack 301
   +0 < [ect0] WP. 301:401(100) ack 1 win 65535
   +0 > [noecn] . 1:1(0) ack 401
   +0 < [noecn] P. 401:501(100) ack 1 win 65535
   +0 > [noecn] . 1:1(0) ack 501
`,
  );
});

t.test('a loss while the window goes down by ECN does not reduce it twice', async (t) => {
  plays(
    t,
    'SACK tells of a hole in the same round trip',
    'tcp_ecn=2',
    `${CLASSIC}
   +0 write(4, ..., 10000) = 10000
   +0 > [ect0] . 1:10001(10000) ack 1
  +.1 < E. 1:1(0) ack 1001 win 65535
   +0 %{ assert tcpi_snd_ssthresh == 7 }%
  +.05 < E. 1:1(0) ack 1001 win 65535 <sack 2001:10001,nop,nop>
   +0 > [noecn] . 1001:2001(1000) ack 1
   +0 %{ assert tcpi_ca_state == TCP_CA_Recovery
         assert tcpi_snd_ssthresh == 7 }%
`,
  );
});

t.test('accurate: counters of packets and bytes, both ways (RFC 9768 3.2)', async (t) => {
  const open = `${LISTEN}
   +0 < SEWA 0:0(0) win 65535 <mss 1012,nop,nop,sackOK>
   +0 > [noecn] SW. 0:0(0) ack 1 <mss 1460,ECN e1b 1 ceb 0 e0b 1,nop,nop,nop,sackOK>
  +.1 < [ect0] W. 1:1(0) ack 1 win 65535 <ECN e0b 1 ceb 0 e1b 1,nop>
   +0 accept(3, ..., ...) = 4
`;
  plays(
    t,
    'receiver',
    'tcp_ecn=3',
    `${open}
   +0 < [ce] EAP. 1:101(100) ack 1 win 65535
   +0 > [ect0] WA. 1:1(0) ack 101 <ECN e1b 1 ceb 100 e0b 1,nop>
   +0 < [ect1] EAP. 101:201(100) ack 1 win 65535
   +0 > [ect0] WA. 1:1(0) ack 201 <ECN e1b 101 ceb 100 e0b 1,nop>
   +0 < [ect0] EAP. 301:401(100) ack 1 win 65535
   +0 > [ect0] WA. 1:1(0) ack 201 <ECN e1b 101 ceb 100 e0b 101,nop,nop,nop,sack 301:401>
`,
  );
  plays(
    t,
    'sender',
    'tcp_ecn=3',
    `${open}
   +0 write(4, ..., 10000) = 10000
   +0 > [ect0] EAP. 1:10001(10000) ack 1 <ECN e1b 1 ceb 0 e0b 1,nop>
  +.1 < [ect0] WA. 1:1(0) ack 2001 win 65535 <ECN e0b 1001 ceb 1000 e1b 1,nop>
   +0 %{ assert tcpi_delivered_ce == 1
         assert tcpi_delivered_ce_bytes == 1000
         assert tcpi_delivered_e0_bytes == 1000
         assert tcpi_ca_state == TCP_CA_CWR }%
`,
  );
  plays(
    t,
    'options can be switched off',
    'tcp_ecn=3 net.ipv4.tcp_ecn_option=0',
    `${LISTEN}
   +0 < SEWA 0:0(0) win 65535 <mss 1000>
   +0 > SW. 0:0(0) ack 1 <mss 1460>
  +.1 < [ect0] W. 1:1(0) ack 1 win 65535 <ECN e0b 1 ceb 0 e1b 1,nop>
   +0 accept(3, ..., ...) = 4
   +0 < [ce] EAP. 1:101(100) ack 1 win 65535
   +0 > [ect0] WA. 1:1(0) ack 101
`,
  );
  plays(
    t,
    'a path that clears the field on the way here stops ECT on the way there',
    'tcp_ecn=3',
    `${LISTEN}
   +0 < SEWA 0:0(0) win 65535 <mss 1000>
   +0 > SW. 0:0(0) ack 1 <mss 1460,ECN e1b 1 ceb 0 e0b 1,nop>
  +.1 < [ect0] . 1:1(0) ack 1 win 65535 <ECN e0b 1 ceb 0 e1b 1,nop>
   +0 accept(3, ..., ...) = 4
   +0 write(4, ..., 100) = 100
   +0 > [noecn] EAP. 1:101(100) ack 1 <ECN e1b 1 ceb 0 e0b 1,nop>
`,
  );
});

t.test('classic: a probe of a closed window has no ECT (RFC 3168 6.1.6)', async (t) => {
  plays(
    t,
    'the peer closes its window',
    'tcp_ecn=2',
    `${CLASSIC}
   +0 write(4, ..., 1000) = 1000
   +0 > [ect0] P. 1:1001(1000) ack 1
  +.1 < . 1:1(0) ack 1001 win 0
   +0 write(4, ..., 100) = 100
  +.2~+.4 > [noecn] . 1000:1000(0) ack 1
`,
  );
});

t.test(
  'accurate: six marks are told at once, and a field that went round is read with care (RFC 9768 3.2.2.5)',
  async (t) => {
    const open = `${LISTEN}
   +0 < SEWA 0:0(0) win 65535 <mss 1012,nop,nop,sackOK>
   +0 > [noecn] SW. 0:0(0) ack 1 <...>
  +.1 < [ect0] W. 1:1(0) ack 1 win 65535 <ECN e0b 1 ceb 0 e1b 1,nop>
   +0 accept(3, ..., ...) = 4
`;
    const marks = Array.from(
      { length: 6 },
      (_, i) => `+.001 < [ce] EAP. ${101 + 20 * i}:${121 + 20 * i}(20) ack 1 win 65535\n`,
    ).join('');
    plays(
      t,
      'receiver',
      'tcp_ecn=3',
      `${open}
   +0 setsockopt(4, SOL_TCP, TCP_QUICKACK, [0], 4) = 0
   +0 < [ce] EAP. 1:101(100) ack 1 win 65535
   +0 > [ect0] WA. 1:1(0) ack 101 <...>
   ${marks}
   +0 > [ect0] A. 1:1(0) ack 221 <...>
`,
    );
    const send = (first = '', second = ''): string => `${open}
   +0 write(4, ..., 1000) = 1000
   +0 > [ect0] EAP. 1:1001(1000) ack 1 <...>
  +.1 < [ect0] EA. 1:1(0) ack 1001 win 65535 ${first}
   +0 write(4, ..., 1000) = 1000
   +0 > [ect0] EAP. 1001:2001(1000) ack 1 <...>
  +.1 < [ect0] EA. 1:1(0) ack 2001 win 65535 ${second}
   +0 write(4, ..., 10000) = 10000
   +0 > [ect0] EAP. 2001:12001(10000) ack 1 <...>
`;
    plays(
      t,
      'sender: one mark more may be nine',
      'tcp_ecn=3',
      `${send()}
  +.1 < [ect0] WA. 1:1(0) ack 12001 win 65535
   +0 %{ assert tcpi_delivered_ce == 9 }%
`,
    );
    plays(
      t,
      'sender: the bytes of the option say that it was one',
      'tcp_ecn=3',
      `${send('<ECN e0b 1001 ceb 0 e1b 1,nop>', '<ECN e0b 2001 ceb 0 e1b 1,nop>')}
  +.1 < [ect0] WA. 1:1(0) ack 12001 win 65535 <ECN e0b 11001 ceb 1000 e1b 1,nop>
   +0 %{ assert tcpi_delivered_ce == 1 }%
`,
    );
  },
);

t.test('accurate: an option that was zeroed on the way counts nothing (RFC 9768 3.2.3.2)', async (t) => {
  for (const [first, bytes] of [
    ['e0b 1 ceb 0 e1b 1', 1000],
    ['e0b 0 ceb 0 e1b 0', 0],
  ] as const)
    plays(
      t,
      first,
      'tcp_ecn=3',
      `${LISTEN}
   +0 < SEWA 0:0(0) win 65535 <mss 1012,nop,nop,sackOK>
   +0 > [noecn] SW. 0:0(0) ack 1 <...>
  +.1 < [ect0] W. 1:1(0) ack 1 win 65535 <ECN ${first},nop>
   +0 accept(3, ..., ...) = 4
   +0 write(4, ..., 2000) = 2000
   +0 > [ect0] EAP. 1:2001(2000) ack 1 <...>
  +.1 < [ect0] WA. 1:1(0) ack 2001 win 65535 <ECN e0b 1001 ceb 1000 e1b 1,nop>
   +0 %{ assert tcpi_delivered_ce == 1 and tcpi_delivered_ce_bytes == ${bytes} }%
`,
    );
});

t.test('accurate: a SYN-ACK whose field was changed on the way stops ECT (RFC 9768 3.2.2.3)', async (t) => {
  plays(
    t,
    'it left without ECT, and the peer has seen ECT(0)',
    'tcp_ecn=3',
    `${LISTEN}
   +0 < SEWA 0:0(0) win 65535 <mss 1000>
   +0 > [noecn] SW. 0:0(0) ack 1 <mss 1460,ECN e1b 1 ceb 0 e0b 1,nop>
  +.1 < [ect0] A. 1:1(0) ack 1 win 65535 <ECN e0b 1 ceb 0 e1b 1,nop>
   +0 accept(3, ..., ...) = 4
   +0 write(4, ..., 100) = 100
   +0 > [noecn] EAP. 1:101(100) ack 1 <...>
`,
  );
});

t.test(
  'accurate: a SYN-ACK that seems to be lost for its flags is sent without them (RFC 9768 3.1.4)',
  async (t) => {
    plays(
      t,
      'the third one goes without',
      'tcp_ecn=3',
      `${LISTEN}
   +0 < SEWA 0:0(0) win 65535 <mss 1000>
   +0 > SW. 0:0(0) ack 1 <mss 1460,ECN e1b 1 ceb 0 e0b 1,nop>
   +1 > SW. 0:0(0) ack 1 <mss 1460>
   +2 > S. 0:0(0) ack 1 <mss 1460>
`,
    );
  },
);

t.test('DCTCP: what is echoed, and how the window answers (RFC 8257 3.2 to 3.6)', async (t) => {
  const open = `${LISTEN}
   +0 < [ect0] SEW 0:0(0) win 65535 <mss 1000,nop,nop,sackOK>
   +0 > [ect0] SE. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK>
  +.1 < [ect0] . 1:1(0) ack 1 win 65535
   +0 accept(3, ..., ...) = 4
`;
  plays(
    t,
    'receiver: what came before a change is acknowledged as it came, and a change at once',
    'tcp_ecn=1 net.ipv4.tcp_congestion_control=dctcp',
    `${open}
   +0 setsockopt(4, SOL_TCP, TCP_QUICKACK, [0], 4) = 0
   +0 < [ect0] . 1:1001(1000) ack 1 win 65535
   +0 < [ce] . 1001:2001(1000) ack 1 win 65535
   +0 > . 1:1(0) ack 1001
   +0 > E. 1:1(0) ack 2001
   +0 < [ce] . 2001:3001(1000) ack 1 win 65535
   +0 < [ect0] . 3001:4001(1000) ack 1 win 65535
   +0 > E. 1:1(0) ack 3001
   +0 > . 1:1(0) ack 4001
`,
  );
  plays(
    t,
    'sender: alpha begins at 1, so that the first mark halves the window',
    'tcp_ecn=1 net.ipv4.tcp_congestion_control=dctcp',
    `${open}
   +0 write(4, ..., 10000) = 10000
   +0 > [ect0] . 1:10001(10000) ack 1
  +.1 < E. 1:1(0) ack 1001 win 65535
   +0 %{ assert tcpi_snd_ssthresh == 5 }%
`,
  );
  // (15/16)^10 is 0.52: 10 segments become 7.4.
  const clean = Array.from(
    { length: 10 },
    (_, i) => `
   +0 write(4, ..., 100) = 100
   +0 > [ect0] P. ${1 + 100 * i}:${101 + 100 * i}(100) ack 1
  +.1 < . 1:1(0) ack ${101 + 100 * i} win 65535`,
  ).join('');
  plays(
    t,
    'sender: each window without a mark takes a sixteenth of alpha',
    'tcp_ecn=1 net.ipv4.tcp_congestion_control=dctcp',
    `${open}${clean}
   +0 write(4, ..., 10000) = 10000
   +0 > [ect0] . 1001:11001(10000) ack 1
  +.1 < E. 1:1(0) ack 2001 win 65535
   +0 %{ assert tcpi_snd_ssthresh == 7 }%
`,
  );
  plays(
    t,
    'sender: a loss halves the window, whatever alpha says (RFC 8257 3.5)',
    'tcp_ecn=1 net.ipv4.tcp_congestion_control=dctcp',
    `${open}
   +0 write(4, ..., 10000) = 10000
   +0 > [ect0] . 1:10001(10000) ack 1
  +.1 < . 1:1(0) ack 1 win 65535 <sack 1001:10001,nop,nop>
   +0 > . 1:1001(1000) ack 1
   +0 %{ assert tcpi_snd_ssthresh == 5 }%
`,
  );
});

t.test('DCTCP holds the queue at the threshold and loses nothing (RFC 8257)', async (t) => {
  const path = { bandwidthBps: 100_000_000, delayUs: 500, queueFrames: 200, markFrames: 20 };
  for (const ecn of [1, 3]) {
    const { flows, dropped } = runFlows({
      path,
      flows: [{ control: 'dctcp' }, { control: 'dctcp' }],
      lengthUs: 5_000_000,
      // The receiver must know DCTCP as well: nobody else takes ECT on a SYN for honest.
      sysctl: { tcp_ecn: ecn, tcp_congestion_control: 'dctcp' },
    });
    const rates = flows.map((flow) => meanGoodput(flow, 1_000_000, 5_000_000));
    t.equal(dropped, 0, `tcp_ecn ${ecn}: no drop`);
    const total = rates[0] + rates[1];
    t.ok(total > 90_000_000, `the link is full: ${Math.round(total / 1e6)} Mbit/s`);
    t.ok(jainIndex(rates) > 0.9, `both have a share: ${rates.map((rate) => Math.round(rate / 1e6))}`);
    // 20 frames of 1,500 bytes take 2.4 ms on this link, on top of 1 ms of delay.
    const late = flows.flatMap(({ points }) => points.slice(20).map(({ srttUs }) => srttUs));
    t.ok(
      Math.max(...late) < 5_000,
      `round trip at most ${Math.max(...late)} µs, where a full queue takes 25,000`,
    );
  }
});

t.test('CUBIC answers marks before the queue overflows', async (t) => {
  const path = { bandwidthBps: 50_000_000, delayUs: 5_000, queueFrames: 400, markFrames: 60 };
  const plan = { path, flows: [{ control: 'cubic' }], lengthUs: 5_000_000 };
  const marked = runFlows({ ...plan, sysctl: { tcp_ecn: 1 } });
  t.equal(marked.dropped, 0);
  t.equal(marked.retransmitted, 0);
  t.ok(meanGoodput(marked.flows[0], 1_000_000, 5_000_000) > 45_000_000);
});

t.test('the ECN field of what comes in is counted', async (t) => {
  const { counters } = createHost({ addresses: ['10.0.0.1/24'], link: 'ip' }).stack;
  t.match(counters, { IpExtInNoECTPkts: 0, IpExtInECT0Pkts: 0, IpExtInECT1Pkts: 0, IpExtInCEPkts: 0 });
  const text = `${CLASSIC} \`nstat -n\`
   +0 < [ce] P. 1:101(100) ack 1 win 65535
   +0 \`nstat | grep IpExtInCEPkts | grep " 1 "\``;
  plays(t, 'one of CE', 'tcp_ecn=2', text);
});
