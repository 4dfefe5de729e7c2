// Packetdrill scripts on a virtual host: what is played, what is compared, and what is said when something differs.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { run } from '../../src/cli/main.js';
import { MemoryOutput } from '../../src/cli/output.js';
import { type PacketdrillOptions, runPacketdrill } from '../../src/testing/index.js';

const LISTEN = `
    0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0 setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0
   +0 bind(3, ..., ...) = 0
   +0 listen(3, 1) = 0
`;
const ACCEPT = `${LISTEN}
   +0 < S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>
   +0 > S. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK,nop,wscale 7>   // a remark
  +.1 < . 1:1(0) ack 1 win 257
   +0 accept(3, ..., ...) = 4
`;

/** Plays a script that has to pass. */
function passes(t: Test, name: string, text: string, options: PacketdrillOptions = {}): void {
  const { outcome, reason } = runPacketdrill(text, options);
  t.equal(reason, undefined, name);
  t.equal(outcome, 'passed', name);
}

/** Plays one that has to end otherwise, for a reason that fits. */
function ends(t: Test, outcome: string, reason: RegExp, text: string): void {
  const result = runPacketdrill(text);
  t.equal(result.outcome, outcome, String(reason));
  t.match(result.reason, reason);
}

t.test('a server, a client, and what is between them', async (t) => {
  passes(
    t,
    'a server',
    `--tolerance_usecs=1000
/* several lines
   of a remark */
${ACCEPT}
   +0 %{ assert tcpi_snd_cwnd == 10 and tcpi_snd_mss == 1000, tcpi_snd_cwnd
         assert (tcpi_options & TCPI_OPT_SACK) != 0 and not tcpi_state == TCP_CLOSE
         assert 90000 <= tcpi_rtt <= 110000 or tcpi_rtt == 1 }%
   +0 write(4, ..., 4000) = 4000
   +0 > . 1:4001(4000) ack 1
+.1~+.3 < . 1:1(0) ack 1 win 257 <sack 1001:4001,nop,nop>
   +0 > P. 1:1001(1000) ack 1
  +.1 < P. 1:11(10) ack 4001 win 257
   +0 > . 4001:4001(0) ack 11
   +0 read(4, ..., 100) = 10
   +0 close(4) = 0
   +0 > F. 4001:4001(0) ack 11
   +0 < F. 11:11(0) ack 4002 win 257
    * > . 4002:4002(0) ack 12
`,
  );
  passes(
    t,
    'a client',
    `   0 socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3
   +0 fcntl(3, F_GETFL) = 0x802 (flags O_RDWR|O_NONBLOCK)
   +0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)
   +0 > S 0:0(0) <mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7>
 +1~+1.1 > S 0:0(0) <mss 1460,sackOK,TS val 1100 ecr 0,nop,wscale 7>
  +.1 < S. 0:0(0) ack 1 win 5792 <mss 1460,sackOK,TS val 700 ecr 1100,nop,wscale 7>
   +0 > . 1:1(0) ack 1 <nop,nop,TS val 1200 ecr 700>
   +0 getsockopt(3, SOL_SOCKET, SO_ERROR, [0], [4]) = 0
   +0 poll([{fd=3, events=POLLIN|POLLOUT, revents=POLLOUT}], 1, 0) = 1
   +0 epoll_create(1) = 5
   +0 epoll_ctl(5, EPOLL_CTL_ADD, 3, {events=EPOLLOUT|EPOLLET, fd=3}) = 0
   +0 epoll_wait(5, {events=EPOLLOUT, fd=3}, 1, 0) = 1
   +0 sendmsg(3, {msg_name(...)=..., msg_iov(2)=[{..., 40}, {..., 60}], msg_flags=0}, 0) = 100
   +0 > P. 1:101(100) ack 1 <nop,nop,TS val 1200 ecr 700>
  +.1 < R. 1:1(0) ack 101 win 0 <nop,nop,TS val 800 ecr 1200>
   +0 write(3, ..., 10) = -1 ECONNRESET (Connection reset by peer)
`,
  );
});

t.test('calls that block return when the script says', async (t) => {
  const connect = `   0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
 +.1 ... 0.35 connect(3, ..., ...) = 0
   +0 > S 0:0(0) <...>
 +.25 < S. 0:0(0) ack 1 win 65535 <mss 1000>
   +0 > . 1:1(0) ack 1
   +0...0.2 read(3, ..., 1000) = 5
  +.2 < P. 1:6(5) ack 1 win 65535
   +0 > . 1:1(0) ack 6
`;
  passes(t, 'at its time', connect.replace('... 0.35', '... 0.25').replace('+.1 ', '+0 '));
  ends(
    t,
    'failed',
    /connect of line 2 still blocks|connect of line 2 returns at/,
    connect.replace('0.35', '0.1'),
  );
});

t.test('numbers of a script are relative to its own beginnings', async (t) => {
  passes(
    t,
    'a SYN far into the sequence space, and two connections after each other',
    `${LISTEN}
   +0 < S 4294967000:4294967000(0) win 32792 <mss 1000,sackOK,TS val 7 ecr 0>
   +0 > S. 0:0(0) ack 4294967001 <mss 1460,sackOK,TS val 100 ecr 7>
   +0 < . 1:1(0) ack 1 win 1000 <nop,nop,TS val 8 ecr 100>
   +0 accept(3, ..., ...) = 4
   +0 < . 1001:2001(1000) ack 1 win 1000 <nop,nop,TS val 9 ecr 100>
   +0 > . 1:1(0) ack 1 <nop,nop,TS val 100 ecr 8,nop,nop,sack 1001:2001>
   +0 close(3) = 0
   +0 close(4) = 0
   +0 > F. 1:1(0) ack 1 <...>
   +0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0 bind(3, ..., ...) = 0
   +0 listen(3, 1) = 0
   +0 < S 0:0(0) win 32792
   +0 > S. 0:0(0) ack 1 <mss 1460>
`,
  );
});

t.test('options, files and counters of the stack', async (t) => {
  const include = (path: string): string | undefined =>
    path === './defaults.sh'
      ? '#!/bin/bash\nsysctl -q net.ipv4.tcp_sack=0\nip tcp_metrics flush all > /dev/null'
      : undefined;
  passes(
    t,
    'all ways to set one',
    `\`./defaults.sh
sysctl -q net.ipv4.tcp_timestamps=0 net.ipv4.tcp_rmem="4096 131072 $((6*1024*1024))"
./set_sysctls.py /proc/sys/net/ipv4/tcp_window_scaling=0 /proc/sys/net/ipv4/tcp_no_such=1
ip link set dev tun0 mtu 600\`
    0 \`nstat -n\`
${LISTEN}
   +0 < S 0:0(0) win 1000 <mss 1000,sackOK,TS val 1 ecr 0,nop,wscale 3>
   +0 > S. 0:0(0) ack 1 <mss 560>
   +0 \`nstat | grep TcpPassiveOpens | grep -q " 1 "\`
`,
    { include },
  );
  ends(t, 'failed', /TcpPassiveOpens is 0, not 2/, '0 `nstat | grep TcpPassiveOpens | grep -q " 2 "`');
});

t.test('what differs is said with its line and with what came instead', async (t) => {
  ends(
    t,
    'failed',
    /line 8: options of .*wscale 8.*: .*wscale 7/,
    ACCEPT.replace('wscale 7>   //', 'wscale 8>   //'),
  );
  ends(t, 'failed', /line 8: acknowledgment, not 2/, ACCEPT.replace('ack 1 <mss', 'ack 2 <mss'));
  ends(
    t,
    'failed',
    /nothing is sent until 0.104000 s; expected .* P\. 1:11\(10\)/,
    `${ACCEPT}\n+0 > P. 1:11(10) ack 1`,
  );
  ends(
    t,
    'failed',
    /sent at 0.100000 s, not 0.200000 s/,
    `${ACCEPT}\n+0 write(4, ..., 10) = 10\n+.1 > P. 1:11(10) ack 1`,
  );
  ends(t, 'failed', /write returns 10, not 11/, `${ACCEPT}\n+0 write(4, ..., 10) = 11`);
  ends(
    t,
    'failed',
    /assert tcpi_snd_cwnd > 10 does not hold: tcpi_snd_cwnd = 10/,
    `${ACCEPT}\n+0 %{ assert tcpi_snd_cwnd > 10 }%`,
  );
  ends(
    t,
    'failed',
    /the option is 0, not 1/,
    `${ACCEPT}\n+0 getsockopt(4, SOL_TCP, TCP_NODELAY, [1], [4]) = 0`,
  );
  ends(t, 'failed', /'<< 1' is no segment that can be read/, '0 < << 1');
});

t.test('what is not there makes a script unsupported, by name', async (t) => {
  ends(t, 'unsupported', /line 1: IPv6/, '--ip_version=ipv6\n0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3');
  ends(t, 'unsupported', /the call sendfile/, '0 sendfile(3, 4, 0, 1) = 1');
  ends(t, 'unsupported', /the command 'reboot now'/, '0 `reboot now`');
  ends(t, 'unsupported', /the name SOMETHING/, '0 setsockopt(3, SOL_TCP, SOMETHING, [1], 4) = 0');
  ends(t, 'unsupported', /the option 'mptcp 1'/, '0 < S 0:0(0) win 1 <mptcp 1>');
  ends(t, 'unsupported', /the name tcpi_no_such in code/, `${ACCEPT}\n+0 %{ assert tcpi_no_such == 1 }%`);
});

t.test('mtcp packetdrill plays files and counts', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'packetdrill-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const good = file('good.pkt', `\`./own.sh\`\n${ACCEPT}`);
  const bad = file('bad.pkt', `${ACCEPT}\n+0 write(4, ..., 10) = 11`);
  const odd = file('odd.pkt', '0 `reboot now`');
  file('own.sh', 'sysctl -q net.ipv4.tcp_timestamps=0');
  const out = new MemoryOutput();
  t.equal(await run(['packetdrill', '--trace', good, odd], out), 0);
  t.match(out.text, /0\.000000 < \[noecn\] S 0:0\(0\)/);
  t.match(out.text, '1 passed, 0 failed, 1 unsupported');
  const json = new MemoryOutput();
  t.equal(await run(['packetdrill', '--json', good, bad], json), 1);
  t.match(JSON.parse(json.text.split('\n')[1]), { file: bad, outcome: 'failed', reason: /write returns 10/ });
  const said: string[] = [];
  t.equal(await run(['packetdrill', join(folder, 'none.pkt')], out, (sentence) => said.push(sentence)), 1);
  t.match(said[0], /the script cannot be read/);
  t.equal(await run(['packetdrill', '-D', 'a b', good], out, (sentence) => said.push(sentence)), 2);
});
