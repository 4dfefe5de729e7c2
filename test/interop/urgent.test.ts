// Urgent data with the kernel over a veth pair, both ways: the byte that MSG_OOB makes urgent is the one that is read apart, and
// both ends find the mark at the same place.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import t from 'tap';
import {
  AF_INET,
  MSG_OOB,
  MTCP_EPOLL_CTL_ADD,
  MTCP_EPOLLPRI,
  mtcp_accept,
  mtcp_bind,
  mtcp_close,
  mtcp_create_context,
  mtcp_destroy,
  mtcp_destroy_context,
  mtcp_epoll_create,
  mtcp_epoll_ctl,
  mtcp_epoll_events,
  mtcp_epoll_wait,
  mtcp_init,
  mtcp_listen,
  mtcp_read,
  mtcp_recv,
  mtcp_send,
  mtcp_socket,
  mtcp_socket_ioctl,
  SIOCATMARK,
  SOCK_STREAM,
  sockaddr_in,
} from '../../src/index.js';
import { labReason, makeLab } from '../support/netns.js';

/** The kernel's side: sends `abcD` with an urgent D and then `efg`, and tells what it gets as hexadecimal digits. */
const PEER = `
import socket, select, sys, fcntl, termios, struct
s = socket.create_connection((sys.argv[1], 5000))
s.send(b'abcD', socket.MSG_OOB)
s.send(b'efg')
p = select.poll()
p.register(s, select.POLLPRI)
p.poll(5000)
urgent = s.recv(1, socket.MSG_OOB)
before = s.recv(100)
mark = struct.unpack('i', fcntl.ioctl(s, 0x8905, b'\\0\\0\\0\\0'))[0]
after = b''
while True:
    got = s.recv(100)
    if not got: break
    after += got
print(urgent.hex(), before.hex(), mark, after.hex())
`;

const hasPython = spawnSync('python3', ['-c', 'pass']).status === 0;
const reason = labReason() ?? (hasPython ? undefined : 'there is no python3');

t.test('urgent data with the kernel, both ways', { skip: reason ?? false }, async (t) => {
  const lab = makeLab('mtcp-t-urg');
  t.teardown(() => lab.close());
  const { netns, iface } = lab.near;
  t.equal(mtcp_init({ iface, netns, address: `${lab.stackAddress}/24` }), 0);
  const mctx = mtcp_create_context(0)!;
  t.teardown(() => {
    mtcp_destroy_context(mctx);
    mtcp_destroy();
  });
  const listener = mtcp_socket(mctx, AF_INET, SOCK_STREAM, 0);
  mtcp_bind(mctx, listener, sockaddr_in(lab.stackAddress, 5000));
  mtcp_listen(mctx, listener, 4);
  const command = ['netns', 'exec', lab.far.netns, 'python3', '-c', PEER, lab.stackAddress];
  const peer = spawn('ip', command, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => peer.kill('SIGKILL'));
  let output = '';
  peer.stdout.on('data', (bytes: Buffer) => {
    output += bytes.toString();
  });
  const ended = once(peer, 'exit');

  const socket = mtcp_accept(mctx, listener, null);
  const set = mtcp_epoll_create(mctx, 4);
  mtcp_epoll_ctl(mctx, set, MTCP_EPOLL_CTL_ADD, socket, { events: MTCP_EPOLLPRI });
  const events = mtcp_epoll_events(4);
  t.equal(mtcp_epoll_wait(mctx, set, events, 4, 5000), 1);
  t.equal(events[0]!.events, MTCP_EPOLLPRI);
  const buffer = Buffer.alloc(100);
  const taken = (length: number): string => buffer.toString('latin1', 0, length);
  t.equal(taken(mtcp_recv(mctx, socket, buffer, 1, MSG_OOB)), 'D');
  t.equal(taken(mtcp_read(mctx, socket, buffer)), 'abc');
  const mark = { value: 0 };
  mtcp_socket_ioctl(mctx, socket, SIOCATMARK, mark);
  t.equal(mark.value, 1);
  t.equal(taken(mtcp_read(mctx, socket, buffer)), 'efg');

  mtcp_send(mctx, socket, Buffer.from('hijK'), 4, MSG_OOB);
  mtcp_send(mctx, socket, Buffer.from('lm'), 2, 0);
  mtcp_close(mctx, socket);
  // The kernel answers only while the loop turns.
  while (peer.exitCode === null) {
    mtcp_epoll_wait(mctx, set, events, 4, 20);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await ended;
  const hex = (text: string): string => Buffer.from(text).toString('hex');
  t.equal(output.trim(), [hex('K'), hex('hij'), 1, hex('lm')].join(' '));
});
