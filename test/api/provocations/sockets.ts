// What makes the calls that make, name and end sockets fail.

import * as api from '../../../src/index.js';
import { listener, nonblocking, socket } from '../support.js';
import { connecting } from './connecting.js';
import * as scenes from './scenes.js';
import { any, lonely, onConnection, type Provocations, type SocketCall } from './scenes.js';

const noContext = any(null);
const here = api.sockaddr_in('10.0.0.1', 80);

const bind: SocketCall = (m, id) => api.mtcp_bind(m, id, here);
const listen: SocketCall = (m, id) => api.mtcp_listen(m, id, 1);

/** A second socket bound to the address of a first one, and `second` called on it. */
function onSecond(second: (mctx: api.Mctx, id: number) => unknown): unknown {
  const mctx = lonely();
  const ids = [socket(mctx), socket(mctx)];
  for (const id of ids) api.mtcp_setsockopt(mctx, id, api.SOL_SOCKET, api.SO_REUSEADDR, 1);
  for (const id of ids) api.mtcp_bind(mctx, id, here);
  api.mtcp_listen(mctx, ids[0] as number, 1);
  return second(mctx, ids[1] as number);
}

function accepting(
  call: (mctx: api.Mctx, id: number, addr?: unknown, addrlen?: unknown) => unknown,
): Provocations {
  const quiet = (addr?: unknown, addrlen?: unknown) => (): unknown =>
    scenes.onListener((m, id) => {
      api.mtcp_setsock_nonblock(m, id);
      return call(m, id, addr, addrlen);
    });
  return {
    ...scenes.ofSockets(call),
    EINVAL: [
      () => call(noContext, 0),
      () => scenes.unconnected((m, id) => call(m, id)),
      () => scenes.onEpoll((m, id) => call(m, id)),
      quiet(api.sockaddr_in(), 0),
    ],
    EFAULT: quiet(5),
    EAGAIN: [
      quiet(),
      () =>
        scenes.onListener((m, id) => {
          api.mtcp_setsockopt(m, id, api.SOL_SOCKET, api.SO_RCVTIMEO, { tv_sec: 1, tv_usec: 0 });
          return call(m, id);
        }),
    ],
    ENFILE: () => scenes.withoutIds((m, id) => call(m, id)),
    EINTR: () => scenes.interrupted((m) => call(m, listener(m, 80))),
  };
}

/** A call that tells the name of one end. */
function naming(
  call: (mctx: api.Mctx, id: number, addr: unknown, addrlen?: unknown) => unknown,
): Provocations {
  return {
    ...scenes.ofSockets((m, id) => call(m, id, api.sockaddr_in())),
    EINVAL: [
      () => call(noContext, 0, api.sockaddr_in()),
      () => scenes.unconnected((m, id) => call(m, id, api.sockaddr_in(), 0)),
    ],
    ENOTSOCK: () => scenes.onEpoll((m, id) => call(m, id, api.sockaddr_in())),
    EFAULT: [
      () => scenes.unconnected((m, id) => call(m, id, null)),
      () => scenes.unconnected((m, id) => call(m, id, 1)),
    ],
  };
}

export const SOCKETS: Record<string, Provocations> = {
  mtcp_socket: {
    ...scenes.ofContexts((m) => api.mtcp_socket(m, api.AF_INET, api.SOCK_STREAM, 0)),
    EINVAL: [
      () => api.mtcp_socket(noContext, api.AF_INET, api.SOCK_STREAM, 0),
      () => api.mtcp_socket(lonely(), api.AF_INET, 2, 0),
      () => api.mtcp_socket(lonely(), api.AF_INET, api.SOCK_STREAM | api.SOCK_NONBLOCK, 0),
    ],
    EAFNOSUPPORT: () => api.mtcp_socket(lonely(), api.AF_INET6, api.SOCK_STREAM, 0),
    EPROTONOSUPPORT: () => api.mtcp_socket(lonely(), api.AF_INET, api.SOCK_STREAM, 17),
    ENFILE: () => scenes.fullOfIds((m) => api.mtcp_socket(m, api.AF_INET, api.SOCK_STREAM, 0)),
  },
  mtcp_bind: {
    ...scenes.ofSockets(bind),
    EINVAL: [
      () => bind(noContext, 0),
      () => scenes.unconnected((m, id) => api.mtcp_bind(m, id, any(null))),
      () => scenes.unconnected((m, id) => api.mtcp_bind(m, id, here, 15)),
      () => scenes.unconnected((m, id) => api.mtcp_bind(m, id, { family: 10, address: '::1', port: 1 })),
      () => scenes.onListener(bind),
      () => onConnection(bind),
    ],
    ENOTSOCK: [() => scenes.onEpoll(bind), () => scenes.onPipe(bind)],
    EADDRNOTAVAIL: () => scenes.unconnected((m, id) => api.mtcp_bind(m, id, api.sockaddr_in('10.0.0.7', 80))),
    EADDRINUSE: () => scenes.onListener((m) => api.mtcp_bind(m, socket(m), api.sockaddr_in('10.0.0.1', 80))),
  },
  mtcp_listen: {
    ...scenes.ofSockets(listen),
    EINVAL: [
      () => listen(noContext, 0),
      () => scenes.unconnected((m, id) => api.mtcp_listen(m, id, 0)),
      () => scenes.unconnected((m, id) => api.mtcp_listen(m, id, 1e9)),
      () => onConnection(listen),
    ],
    ENOTSOCK: [() => scenes.onEpoll(listen), () => scenes.onPipe(listen)],
    EADDRINUSE: [
      () => onSecond(listen),
      () => {
        const mctx = lonely({ sysctl: { ip_local_port_range: '40000 40000' } });
        listen(mctx, socket(mctx));
        return listen(mctx, socket(mctx));
      },
    ],
  },
  mtcp_accept: accepting((m, id, addr, addrlen) => api.mtcp_accept(m, id, any(addr), any(addrlen))),
  mtcp_accept4: {
    ...accepting((m, id, addr, addrlen) => api.mtcp_accept4(m, id, any(addr), any(addrlen), 0)),
    EINVAL: [
      () => api.mtcp_accept4(noContext, 0),
      () => scenes.onListener((m, id) => api.mtcp_accept4(m, id, null, undefined, 1)),
    ],
  },
  mtcp_connect: connecting((m, id, addr, addrlen) => api.mtcp_connect(m, id, addr, addrlen)),
  mtcp_init_rss: {
    EACCES: () => api.mtcp_init_rss(noContext, '10.0.0.1', 1, '10.0.0.2', 80),
    EPERM: () => api.mtcp_init_rss(scenes.destroyed(), '10.0.0.1', 1, '10.0.0.2', 80),
    EINVAL: [
      () => api.mtcp_init_rss(lonely(), 'x', 1, '10.0.0.2', 80),
      () => api.mtcp_init_rss(lonely({ link: 'ethernet' }), '10.0.0.1', 1, '192.0.2.1', 80),
      () => api.mtcp_init_rss(lonely(), '10.0.0.1', 0, '10.0.0.2', 80),
      () => api.mtcp_init_rss(lonely(), '10.0.0.7', 1, '10.0.0.2', 80),
    ],
  },
  GetRSSCPUCore: {
    EINVAL: [
      () => api.GetRSSCPUCore('x', '10.0.0.2', 1, 2, 4),
      () => api.GetRSSCPUCore('10.0.0.1', '10.0.0.2', 65_536, 2, 4),
      () => api.GetRSSCPUCore('10.0.0.1', '10.0.0.2', 1, 2, 0),
    ],
  },
  mtcp_close: scenes.ofSockets(api.mtcp_close),
  mtcp_abort: {
    ...scenes.ofSockets(api.mtcp_abort),
    ENOTSOCK: [() => scenes.onListener(api.mtcp_abort), () => scenes.onEpoll(api.mtcp_abort)],
    ENOTCONN: () => scenes.unconnected(api.mtcp_abort),
  },
  mtcp_shutdown: {
    ...scenes.ofSockets((m, id) => api.mtcp_shutdown(m, id, api.SHUT_WR)),
    EINVAL: [
      () => api.mtcp_shutdown(noContext, 0, api.SHUT_WR),
      () => onConnection((m, id) => api.mtcp_shutdown(m, id, 3)),
    ],
    ENOTSOCK: () => scenes.onEpoll((m, id) => api.mtcp_shutdown(m, id, api.SHUT_WR)),
    ENOTCONN: () => scenes.unconnected((m, id) => api.mtcp_shutdown(m, id, api.SHUT_WR)),
  },
  mtcp_getsockname: naming((m, id, addr, addrlen) => api.mtcp_getsockname(m, id, any(addr), any(addrlen))),
  mtcp_getpeername: {
    ...naming((m, id, addr, addrlen) => api.mtcp_getpeername(m, id, any(addr), any(addrlen))),
    ENOTCONN: [
      () => scenes.unconnected((m, id) => api.mtcp_getpeername(m, id, api.sockaddr_in())),
      () => {
        const mctx = lonely();
        const id = nonblocking(mctx);
        api.mtcp_connect(mctx, id, api.sockaddr_in('10.0.0.2', 80));
        return api.mtcp_getpeername(mctx, id, api.sockaddr_in());
      },
    ],
  },
};
