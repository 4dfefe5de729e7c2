// A handshake, a loss with seven doubling retransmissions and a close, played against a virtual host: 27 s of virtual time in a
// few milliseconds. Prints each packet with its time. Run: node build/examples/retransmission.js
import {
  AF_INET,
  mtcp_accept,
  mtcp_bind,
  mtcp_close,
  mtcp_listen,
  mtcp_read,
  mtcp_socket,
  mtcp_write,
  SOCK_STREAM,
  sockaddr_in,
} from 'mtcp-node';
import { buildTcp, createHost, formatPacket, parsePacket, type TcpFields } from 'mtcp-node/testing';

const host = createHost({ addresses: ['10.0.0.1/24'], link: 'ip' });
const { mctx } = host;
host.trace((_direction, timeUs, bytes) =>
  console.log(`${(timeUs / 1e6).toFixed(6).padStart(10)}  ${formatPacket(bytes, 'ip')}`),
);
const tuple = { src: '10.0.0.2', dst: '10.0.0.1', srcPort: 40_000, dstPort: 80 };
const peer = (fields: Partial<TcpFields>): boolean => host.inject(buildTcp({ ...tuple, ...fields }));

const listener = mtcp_socket(mctx, AF_INET, SOCK_STREAM, 0);
mtcp_bind(mctx, listener, sockaddr_in('10.0.0.1', 80));
mtcp_listen(mctx, listener, 1);

// The handshake takes 10 ms.
peer({ seq: 0, flags: 'S', options: { mss: 1460 } });
const iss = parsePacket(host.take()[0]!.bytes, 'ip').tcp!.seq;
host.advance(10_000);
peer({ seq: 1, ack: iss + 1 });
const socket = mtcp_accept(mctx, listener, null);

// The reply is lost, and so are six of its retransmissions; the seventh arrives.
peer({ seq: 1, ack: iss + 1, flags: 'P.', payload: 'hello?' });
mtcp_read(mctx, socket, Buffer.alloc(100));
mtcp_write(mctx, socket, Buffer.from('hello!'));
for (let sent = 0; sent < 8; ) {
  host.advance(host.nextDeadline());
  sent += host.take().filter(({ bytes }) => parsePacket(bytes, 'ip').payload.length > 0).length;
}
peer({ seq: 7, ack: iss + 7 });

// Both sides close.
peer({ seq: 7, ack: iss + 7, flags: 'F.' });
mtcp_close(mctx, socket);
peer({ seq: 8, ack: iss + 8 });
console.log(`${(host.now / 1e6).toFixed(1)} s of virtual time`);
