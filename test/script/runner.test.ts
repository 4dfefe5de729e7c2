// The scripts are only worth what their runner finds: wrong expectations must fail, each with a message that shows the line,
// both packets and what passed; and text that is no script must be refused.

import t from 'tap';
import { NotationError, parseScripts } from './notation.js';
import { runScript } from './runner.js';

const HANDSHAKE = `
0.000 socket / bind 80 / listen 8
0.000 < S 0:0(0) win 65535 <mss 1000>
      > S. 0:0(0) ack 1 win 64240 <mss 1460>
0.100 < . 1:1(0) ack 1 win 65535
      accept
`;

/** The message of the failure, or 'none'. */
function failure(lines: string): string {
  const [script] = parseScripts('test.script', `== a script${HANDSHAKE}${lines}`);
  try {
    runScript(script);
    return 'none';
  } catch (error) {
    return (error as Error).message;
  }
}

t.test('a script that comes true passes', async (t) => {
  t.equal(failure('0.200 write 10\n      > P. 1:11(10) ack 1 win 64240'), 'none');
  t.equal(failure('0.200 write 10\n0.201~0.002 > P. 1:11(10) ack 1 win *'), 'none');
  t.equal(failure('0.200 write 10\n* > P. 1:11(10) ack * <*>'), 'none');
  t.equal(failure('+0.1 write 10 = 10\n> P. 1:11(10) ack 1\n+0.3 > P. 1:11(10) ack 1'), 'none');
});

t.test('every part of a packet is compared', async (t) => {
  const written = (line: string): string => failure(`0.200 write 10\n      ${line}`);
  t.match(written('> . 1:11(10) ack 1 win 64240'), /flags differs/);
  t.match(written('> P. 2:12(10) ack 1 win 64240'), /seq differs/);
  t.match(written('> P. 1:12(11) ack 1 win 64240'), /length differs/);
  t.match(written('> P. 1:11(10) ack 2 win 64240'), /ack differs/);
  t.match(written('> P. 1:11(10) ack 1 win 64241'), /win differs/);
  t.match(written('> P. 1:11(10) ack 1 win 64240 <nop>'), /options differs/);
  t.match(written('> P. 1:11(10) ack 1 win 64240 [port 5]'), /connection differs/);
  t.match(written('> icmp echo-reply'), /expected[\s\S]*icmp echo-reply[\s\S]*got[\s\S]*P\. 1:11/);
});

t.test('a failure names its line, both packets and what passed until then', async (t) => {
  const message = failure('0.200 write 10\n      > P. 1:12(11) ack 1 win 64240');
  t.match(message, /^test\.script:8: expected/);
  t.match(message, '> P. 1:12(11) ack 1 win 64240');
  t.match(message, '> P. 1:11(10) ack 1 win 64240');
  t.match(message, '0.000000 < S 0:0(0) win 65535 <mss 1000>');
  t.match(message, '0.000000 > S. 0:0(0) ack 1 win 64240 <mss 1460>');
});

t.test('times are exact to the microsecond unless a tolerance is given', async (t) => {
  t.match(failure('0.200 write 10\n0.200001 > P. 1:11(10) ack 1 win 64240'), /at another time came/);
  t.match(failure('0.200 write 10\n0.203~0.002 > P. 1:11(10) ack 1 win 64240'), /at another time came/);
  t.match(failure('0.200 > P. 1:11(10) ack 1 win 64240'), /nothing came/);
  t.match(failure('* > P. 1:11(10) ack 1 win 64240'), /nothing will ever come/);
  t.match(failure('0.050 write 10'), /time goes back/);
});

t.test('a packet that no line expects fails the next line, a silence and the end', async (t) => {
  t.match(
    failure('0.200 write 10\n0.250 < . 1:1(0) ack 11 win 65535'),
    /not expected:\s+0\.200000 > P\. 1:11\(10\)/,
  );
  t.match(failure('0.200 write 10\n      > nothing until 0.3'), /not expected/);
  t.match(failure('0.200 write 10'), /not expected/);
});

t.test('calls, states, counters and fields are compared', async (t) => {
  t.match(failure('read 10 = 0'), /expected 0, got -1 EAGAIN/);
  t.match(failure('read 10 = -1 ECONNRESET'), /expected -1 ECONNRESET, got -1 EAGAIN/);
  t.match(failure('write 10 = 9\n> P. 1:11(10) ack 1'), /expected 9, got 10/);
  t.match(failure('accept d'), /expected a socket, got -1 EAGAIN/);
  t.match(failure('state CLOSE-WAIT'), /expected CLOSE-WAIT, got ESTABLISHED/);
  t.match(failure('counter TcpOutRsts = 1'), /expected 1, got 0/);
  t.match(failure('counter TcpMagic = 1'), /there is no counter TcpMagic/);
  t.match(failure('tcb snd.wnd = 1'), /expected 1, got 65535/);
  t.match(failure('ready IN'), /expected IN, got OUT/);
  t.match(failure('d.read 1'), /there is no socket 'd'/);
  t.match(failure('frobnicate'), /there is no call 'frobnicate'/);
  t.match(failure('sysctl tcp_magic = 1'), /tcp_magic/);
});

t.test('text that is no script is refused with its line', async (t) => {
  const refused = (text: string): string => {
    try {
      parseScripts('x.script', text);
      return 'none';
    } catch (error) {
      t.ok(error instanceof NotationError);
      return (error as Error).message;
    }
  };
  t.match(refused('0.1 accept'), /^x\.script:1: a script begins/);
  t.match(refused('== a\n\n> S 0:1(0)'), /^x\.script:3: 0:1 is not 0 bytes long/);
  t.match(refused('== a\n> S 0'), /no packet/);
  t.match(refused('== a\nuse magic'), /there is no prelude 'magic'/);
  t.match(refused('== a\n0.1.2 accept'), /is no time/);
  t.match(refused('== a\nread 1 = many'), /not understood/);
  t.match(refused('== a\n< S 0:0(0) win 1 <mss 1> junk'), /no packet/);
});
