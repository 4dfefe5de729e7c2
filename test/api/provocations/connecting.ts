// What makes an active open fail, whichever call makes it: mtcp_connect, or mtcp_sendto with MSG_FASTOPEN.

import * as api from '../../../src/index.js';
import { createHost, type Host } from '../../../src/testing/index.js';
import { nonblocking, pair, socket } from '../support.js';
import * as scenes from './scenes.js';
import { any, type Provocations } from './scenes.js';

/** A call that opens a connection. */
export type OpeningCall = (
  mctx: api.Mctx,
  sockid: number,
  addr: api.SockAddrArgument | null,
  addrlen?: number,
) => unknown;

const peer = api.sockaddr_in('10.0.0.2', 80);
const SECOND = 1_000_000;

/** The provocations of an active open by `call`, in the order in which it checks. */
export function connecting(call: OpeningCall): Provocations {
  const toPeer: scenes.SocketCall = (mctx, id) => call(mctx, id, peer);
  /** Opens from a socket that is bound to `port`. */
  const from = (mctx: api.Mctx, port: number): unknown => {
    const id = nonblocking(mctx);
    api.mtcp_bind(mctx, id, api.sockaddr_in('10.0.0.1', port));
    return call(mctx, id, peer);
  };
  const fresh = (addr: api.SockAddrArgument | null, addrlen?: number) => (): unknown =>
    scenes.unconnected((mctx, id) => call(mctx, id, addr, addrlen));
  /** A socket that does not wait, whose first attempt was refused a second ago. */
  const refused = (): [Host, number] => {
    const [client] = pair();
    const id = nonblocking(client.mctx);
    api.mtcp_connect(client.mctx, id, peer);
    client.advance(client.now + SECOND);
    return [client, id];
  };
  return {
    ...scenes.ofSockets(toPeer),
    ENOTSOCK: [() => scenes.onListener(toPeer), () => scenes.onEpoll(toPeer), () => scenes.onPipe(toPeer)],
    EFAULT: [fresh(null), fresh(any(7))],
    EAFNOSUPPORT: [fresh(peer, 15), fresh({ family: api.AF_INET6, address: '10.0.0.2', port: 80 })],
    EALREADY: () => {
      const mctx = scenes.lonely();
      const id = nonblocking(mctx);
      api.mtcp_connect(mctx, id, peer);
      return call(mctx, id, peer);
    },
    EISCONN: () => scenes.onConnection(toPeer),
    ECONNABORTED: () => {
      const [client, id] = refused();
      api.mtcp_getsockopt(client.mctx, id, api.SOL_SOCKET, api.SO_ERROR, { value: 0 });
      return call(client.mctx, id, peer);
    },
    EINVAL: [
      () => call(any(null), 0, peer),
      fresh({ family: api.AF_INET, address: 'x', port: 80 }),
      fresh(api.sockaddr_in('10.0.0.2', 0)),
      fresh(api.sockaddr_in('224.0.0.1', 80)),
      () => {
        const mctx = scenes.lonely();
        mctx.stack.tcp.ownsTuple = () => false;
        return from(mctx, 5000);
      },
    ],
    ENETUNREACH: () => {
      const { mctx } = createHost({ addresses: ['10.0.0.1/24'] });
      return call(mctx, socket(mctx), api.sockaddr_in('192.0.2.1', 80));
    },
    EADDRNOTAVAIL: () => {
      const mctx = scenes.lonely({ sysctl: { ip_local_port_range: '40000 40000' } });
      api.mtcp_connect(mctx, nonblocking(mctx), peer);
      return call(mctx, nonblocking(mctx), peer);
    },
    EADDRINUSE: () => {
      const mctx = scenes.lonely();
      const first = nonblocking(mctx);
      api.mtcp_connect(mctx, first, peer);
      const name = api.sockaddr_in();
      api.mtcp_getsockname(mctx, first, name);
      return from(mctx, name.port);
    },
    ENOMEM: () => {
      const mctx = scenes.lonely({ sysctl: { tcp_max_connections: 1 } });
      api.mtcp_connect(mctx, nonblocking(mctx), peer);
      return call(mctx, nonblocking(mctx), peer);
    },
    EINPROGRESS: [
      () => {
        const mctx = scenes.lonely();
        return call(mctx, nonblocking(mctx), peer);
      },
      () => {
        const mctx = scenes.lonely();
        const id = socket(mctx);
        api.mtcp_setsockopt(mctx, id, api.SOL_SOCKET, api.SO_SNDTIMEO, { tv_sec: 1, tv_usec: 0 });
        return call(mctx, id, peer);
      },
    ],
    EINTR: () => scenes.interrupted((mctx) => call(mctx, socket(mctx), peer)),
    ETIMEDOUT: () => scenes.unconnected(toPeer),
    ECONNREFUSED: [
      () => {
        const [client] = pair();
        return call(client.mctx, socket(client.mctx), peer);
      },
      () => {
        const [client, id] = refused();
        return call(client.mctx, id, peer);
      },
    ],
    EHOSTUNREACH: () => {
      const { mctx } = createHost({ addresses: ['10.0.0.1/24'] });
      return call(mctx, socket(mctx), peer);
    },
  };
}
