// What TCP tells the layers below, and takes from a program for them: negative advice about a next hop (RFC 9293 MUST-20), and the
// DSCP of what is sent (MUST-48) and the local address (MUST-43 to 45).

import t from 'tap';
import {
  AF_INET,
  IP_TOS,
  IPPROTO_IP,
  mtcp_abort,
  mtcp_accept,
  mtcp_bind,
  mtcp_connect,
  mtcp_getsockopt,
  mtcp_listen,
  mtcp_setsock_nonblock,
  mtcp_setsockopt,
  mtcp_socket,
  mtcp_write,
  SOCK_STREAM,
  sockaddr_in,
} from '../../src/index.js';
import { buildTcp, createHost, type Host, parsePacket } from '../../src/testing/index.js';

const LOCAL = '10.0.0.1';
const PEER = '10.0.0.2';

/** An accepted connection of a host without Ethernet; `accept` tells the listener's options first. */
function accepted(host: Host, onListener: (id: number) => void = () => {}): { id: number; iss: number } {
  const { mctx } = host;
  const listener = mtcp_socket(mctx, AF_INET, SOCK_STREAM, 0);
  mtcp_setsock_nonblock(mctx, listener);
  onListener(listener);
  mtcp_bind(mctx, listener, sockaddr_in('0.0.0.0', 80));
  mtcp_listen(mctx, listener, 4);
  const ends = { src: PEER, dst: LOCAL, srcPort: 5000, dstPort: 80 };
  host.inject(buildTcp({ ...ends, seq: 0, flags: 'S' }));
  const iss = parsePacket(host.take()[0]!.bytes, 'ip').tcp!.seq;
  host.inject(buildTcp({ ...ends, seq: 1, ack: iss + 1, flags: '.' }));
  const id = mtcp_accept(mctx, listener, null);
  mtcp_setsock_nonblock(mctx, id);
  return { id, iss };
}

t.test('after tcp_retries1 timeouts the next hop is suspected, once (RFC 9293 MUST-20, R1)', async (t) => {
  const host = createHost({ addresses: [`${LOCAL}/24`], link: 'ip', sysctl: { tcp_retries1: 2 } });
  t.teardown(() => host.close());
  const { id } = accepted(host);
  const suspected: number[] = [];
  host.stack.tcp.core.ip.suspect = (nextHop) => {
    suspected.push(nextHop);
  };
  mtcp_write(host.mctx, id, Buffer.alloc(100));
  const leaves = (): number => {
    const before = host.take().length;
    host.advance(host.nextDeadline());
    return before;
  };
  let timeouts = 0;
  const { counters } = host.stack;
  while (suspected.length === 0 && timeouts < 10) {
    leaves();
    timeouts = counters.TcpExtTCPTimeouts;
  }
  t.equal(timeouts, 3, 'the first timeout after two retransmissions');
  t.same(suspected, [(10 << 24) | 2]);
  while (counters.TcpExtTCPTimeouts < 6) leaves();
  t.equal(suspected.length, 1);
});

t.test(
  'IP_TOS is the DSCP of every segment, and can be changed (RFC 9293 MUST-48, SHLD-21, 22)',
  async (t) => {
    const host = createHost({ addresses: [`${LOCAL}/24`], link: 'ip' });
    t.teardown(() => host.close());
    const { mctx } = host;
    const { id } = accepted(host, (listener) => mtcp_setsockopt(mctx, listener, IPPROTO_IP, IP_TOS, 0xb8));
    const tosOfNext = (): number => {
      mtcp_write(mctx, id, Buffer.alloc(10));
      host.advance(host.now);
      return host.take()[0]!.bytes[1]!;
    };
    t.equal(tosOfNext(), 0xb8, 'what the listener has is what the connection begins with');
    mtcp_setsockopt(mctx, id, IPPROTO_IP, IP_TOS, 0x2b);
    const out = { value: 0 };
    mtcp_getsockopt(mctx, id, IPPROTO_IP, IP_TOS, out);
    t.equal(out.value, 0x28, 'the bits of ECN are not for the program');
    mtcp_setsockopt(mctx, id, 6, 1, 1);
    t.equal(tosOfNext(), 0x28);
  },
);

t.test(
  "the local address is the program's or the route's, for every segment (RFC 9293 MUST-43 to 45)",
  async (t) => {
    const host = createHost({ addresses: [`${LOCAL}/24`, '10.0.0.5/24'], link: 'ip' });
    t.teardown(() => host.close());
    const { mctx } = host;
    const sources = (): (string | undefined)[] =>
      host.take().map(({ bytes }) => `${parsePacket(bytes, 'ip').ip?.src}`);
    const connects = (from: string | null): void => {
      const id = mtcp_socket(mctx, AF_INET, SOCK_STREAM, 0);
      mtcp_setsock_nonblock(mctx, id);
      if (from !== null) mtcp_bind(mctx, id, sockaddr_in(from, 0));
      mtcp_connect(mctx, id, sockaddr_in(PEER, 80));
      host.advance(host.now + 3_500_000);
      mtcp_abort(mctx, id);
    };
    connects(null);
    t.same(sources(), [LOCAL, LOCAL, LOCAL], 'the one of the route');
    connects('10.0.0.5');
    t.same(sources(), ['10.0.0.5', '10.0.0.5', '10.0.0.5'], 'the one that it is bound to');

    const listener = mtcp_socket(mctx, AF_INET, SOCK_STREAM, 0);
    mtcp_bind(mctx, listener, sockaddr_in('10.0.0.5', 80));
    mtcp_listen(mctx, listener, 4);
    const asks = (dst: string): string | undefined => {
      host.take();
      host.inject(buildTcp({ src: PEER, dst, srcPort: 5000, dstPort: 80, seq: 0, flags: 'S' }));
      const { ip, tcp } = parsePacket(host.take()[0]!.bytes, 'ip');
      return `${ip?.src} ${tcp?.flags}`;
    };
    t.equal(asks('10.0.0.5'), '10.0.0.5 S.', 'a listener of one address answers from it');
    t.equal(asks(LOCAL), `${LOCAL} R.`, 'and for it alone');
  },
);
