// Fast Open against the kernel, as client and as server: the first connection brings the cookie, the second one sends its data with the SYN.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import * as api from '../../src/index.js';
import { type Lab, labReason, makeLab } from '../support/netns.js';

const python = spawnSync('python3', ['--version']).status === 0;
const skip = labReason() ?? (python ? false : 'needs python3, for sockets of the kernel with MSG_FASTOPEN');
const PORT = 7000;

/** A context on a lab whose kernel has Fast Open. */
function setUp(t: Test, network: number): { lab: Lab; mctx: api.Context } {
  const lab = makeLab('mtcp-t-tfo', { network });
  t.teardown(() => lab.close());
  lab.run(lab.far, 'sysctl', '-qw', 'net.ipv4.tcp_fastopen=3');
  const { netns, iface } = lab.near;
  const address = `${lab.stackAddress}/24`;
  t.equal(api.mtcp_init({ iface, netns, address, sysctl: { tcp_fastopen: 3 } }), 0, api.mtcp_last_error());
  t.teardown(() => api.mtcp_destroy());
  const mctx = api.mtcp_create_context(0);
  if (mctx === null) throw new Error(api.mtcp_last_error());
  return { lab, mctx };
}

function inFar(t: Test, lab: Lab, script: string): ChildProcess {
  const args = ['netns', 'exec', lab.far.netns, 'python3', '-u', '-c', script];
  const child = spawn('ip', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  return child;
}

t.test('the kernel sends data with its SYN to the stack', { skip }, async (t) => {
  const { lab, mctx } = setUp(t, 2);
  const listening = api.mtcp_socket(mctx, api.AF_INET, api.SOCK_STREAM);
  api.mtcp_bind(mctx, listening, api.sockaddr_in(lab.stackAddress, PORT));
  api.mtcp_setsockopt(mctx, listening, api.SOL_TCP, api.TCP_FASTOPEN, 16);
  t.equal(api.mtcp_listen(mctx, listening, 16), 0);
  inFar(
    t,
    lab,
    `import socket
for i in range(2):
    s = socket.socket()
    s.sendto(b'hello %d' % i, socket.MSG_FASTOPEN, ('${lab.stackAddress}', ${PORT}))
    s.recv(10)
    s.close()`,
  );
  const options: number[] = [];
  for (let i = 0; i < 2; i++) {
    const id = api.mtcp_accept(mctx, listening);
    const buffer = Buffer.alloc(100);
    const length = api.mtcp_read(mctx, id, buffer);
    t.equal(buffer.toString('latin1', 0, length), `hello ${i}`);
    const info: Partial<api.TcpInfo> = {};
    api.mtcp_getsockopt(mctx, id, api.SOL_TCP, api.TCP_INFO, info);
    options.push((info.tcpi_options ?? 0) & 32);
    api.mtcp_write(mctx, id, Buffer.from('thanks'));
    api.mtcp_close(mctx, id);
  }
  t.same(options, [0, 32], 'the second time with the SYN');
  t.equal(mctx.stack.counters.TcpExtTCPFastOpenPassive, 1);
});

t.test('the stack sends data with its SYN to the kernel', { skip }, async (t) => {
  const { lab, mctx } = setUp(t, 3);
  const child = inFar(
    t,
    lab,
    `import socket
s = socket.socket()
s.setsockopt(socket.IPPROTO_TCP, 23, 16)
s.bind(('${lab.far.address}', ${PORT}))
s.listen(16)
print('ready')
for i in range(2):
    c, _ = s.accept()
    c.sendall(c.recv(100)[::-1])
    c.close()`,
  );
  await once(child.stdout!, 'data');
  const peer = api.sockaddr_in(lab.far.address, PORT);
  for (let i = 0; i < 2; i++) {
    const id = api.mtcp_socket(mctx, api.AF_INET, api.SOCK_STREAM);
    t.equal(api.mtcp_sendto(mctx, id, Buffer.from('hello'), 5, api.MSG_FASTOPEN, peer), 5);
    const buffer = Buffer.alloc(100);
    const length = api.mtcp_read(mctx, id, buffer);
    t.equal(buffer.toString('latin1', 0, length), 'olleh');
    api.mtcp_close(mctx, id);
  }
  const { TcpExtTCPFastOpenActive, TcpExtTCPFastOpenActiveFail } = mctx.stack.counters;
  t.match(
    { TcpExtTCPFastOpenActive, TcpExtTCPFastOpenActiveFail },
    { TcpExtTCPFastOpenActive: 1, TcpExtTCPFastOpenActiveFail: 0 },
  );
});
