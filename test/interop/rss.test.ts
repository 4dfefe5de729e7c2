// Active opens on one queue of several: the local ports that are chosen are those whose replies the lab's RSS delivers to this
// queue, as the prediction says; with a port of another queue the reply would go to the kernel, which would reset it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import {
  AF_INET,
  EINVAL,
  errno,
  mtcp_bind,
  mtcp_close,
  mtcp_connect,
  mtcp_create_context,
  mtcp_destroy,
  mtcp_destroy_context,
  mtcp_init,
  mtcp_socket,
  SOCK_STREAM,
  sockaddr_in,
} from '../../src/index.js';
import {
  LAB_PEER_ADDRESS,
  LAB_STACK_ADDRESS,
  LAB_STACK_INTERFACE,
  labDown,
  labRss,
  labUp,
  peerNamespace,
  stackNamespace,
} from '../../src/nic/os/lab.js';
import { Rss } from '../../src/nic/rss.js';
import { parseV4 } from '../../src/stack/wire/address.js';
import { labReason } from '../support/netns.js';

const PEER = fileURLToPath(new URL('./kernel-peer.js', import.meta.url));
const PORT = 9100;

t.test(
  'connections leave on ports whose replies come back to the queue',
  { skip: labReason() ?? false },
  async (t) => {
    const name = `mtcp-t-steer-${process.pid}`;
    labUp({ name, queues: 4, mtu: 1500 });
    t.teardown(() => void labDown(name));
    const peer = spawn(
      'ip',
      ['netns', 'exec', peerNamespace(name), process.execPath, PEER, 'greet', LAB_PEER_ADDRESS, String(PORT)],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    t.teardown(() => peer.kill('SIGKILL'));
    await once(peer.stdout!, 'data');
    const address = `${LAB_STACK_ADDRESS}/24`;
    t.equal(mtcp_init({ iface: LAB_STACK_INTERFACE, netns: stackNamespace(name), address, queues: 4 }), 0);
    const mctx = mtcp_create_context(0)!;
    t.teardown(() => {
      mtcp_destroy_context(mctx);
      mtcp_destroy();
    });
    const to = sockaddr_in(LAB_PEER_ADDRESS, PORT);
    let connected = 0;
    for (let i = 0; i < 100; i++) {
      const socket = mtcp_socket(mctx, AF_INET, SOCK_STREAM, 0);
      if (mtcp_connect(mctx, socket, to) === 0) connected++;
      mtcp_close(mctx, socket);
    }
    t.equal(connected, 100);
    t.equal(mctx.stack.counters.TcpExtTCPSynRetrans, 0, 'no reply went elsewhere');
    const rss = Rss.of(labRss(name))!;
    let port = 20_000;
    const [stack, kernel] = [parseV4(LAB_STACK_ADDRESS)!, parseV4(LAB_PEER_ADDRESS)!];
    while (rss.queueOfV4(stack, port, kernel, PORT) === 0) port++;
    const bound = mtcp_socket(mctx, AF_INET, SOCK_STREAM, 0);
    t.equal(mtcp_bind(mctx, bound, sockaddr_in(LAB_STACK_ADDRESS, port)), 0);
    t.equal(mtcp_connect(mctx, bound, to), -1);
    t.equal(errno, EINVAL, 'a bound tuple of another queue is refused, as the man page says');
  },
);
