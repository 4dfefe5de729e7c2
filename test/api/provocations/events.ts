// What makes the calls that wait for events, and those on modes and options, fail.

import * as api from '../../../src/index.js';
import { socket } from '../support.js';
import * as scenes from './scenes.js';
import { any, lonely, type Provocations, type SocketCall } from './scenes.js';

const noContext = any(null);
const event = { events: api.MTCP_EPOLLIN };

/** A call on a new epoll set and a new socket. */
function onSet(call: (mctx: api.Mctx, epid: number, sockid: number) => unknown): unknown {
  const mctx = lonely();
  return call(mctx, api.mtcp_epoll_create(mctx, 1), socket(mctx));
}

const wait: SocketCall = (m, epid) => api.mtcp_epoll_wait(m, epid, [], 1, 0);
const value = { value: 0 };

/** A call that reads or sets an option. */
function options(
  call: (
    mctx: api.Mctx,
    id: number,
    level: number,
    name: number,
    optval: unknown,
    optlen?: number,
  ) => unknown,
): Provocations {
  const nodelay: SocketCall = (m, id) => call(m, id, api.SOL_TCP, api.TCP_NODELAY, value);
  return {
    ...scenes.ofSockets(nodelay),
    EINVAL: [
      () => nodelay(noContext, 0),
      () => scenes.unconnected((m, id) => call(m, id, api.SOL_TCP, api.TCP_NODELAY, value, 3)),
    ],
    ENOTSOCK: [() => scenes.onEpoll(nodelay), () => scenes.onPipe(nodelay)],
    ENOPROTOOPT: [
      () => scenes.unconnected((m, id) => call(m, id, api.SOL_SOCKET, 9999, value)),
      () => scenes.unconnected((m, id) => call(m, id, 41, api.TCP_NODELAY, value)),
    ],
    EFAULT: () => scenes.unconnected((m, id) => call(m, id, api.SOL_TCP, api.TCP_NODELAY, null)),
  };
}

const getsockopt = options((m, id, level, name, optval, optlen) =>
  api.mtcp_getsockopt(
    m,
    id,
    level,
    name,
    any(optval),
    optlen === undefined ? undefined : any({ value: optlen }),
  ),
);
const setsockopt = options((m, id, level, name, optval, optlen) =>
  api.mtcp_setsockopt(m, id, level, name, any(optval), optlen),
);

export const EVENTS: Record<string, Provocations> = {
  mtcp_epoll_create: {
    ...scenes.ofContexts((m) => api.mtcp_epoll_create(m, 1)),
    EINVAL: [() => api.mtcp_epoll_create(noContext, 1), () => api.mtcp_epoll_create(lonely(), 0)],
    ENFILE: () => scenes.fullOfIds((m) => api.mtcp_epoll_create(m, 1)),
  },
  mtcp_epoll_create1: {
    ...scenes.ofContexts((m) => api.mtcp_epoll_create1(m, 0)),
    EINVAL: [() => api.mtcp_epoll_create1(noContext, 0), () => api.mtcp_epoll_create1(lonely(), 1)],
    ENFILE: () => scenes.fullOfIds((m) => api.mtcp_epoll_create1(m, 0)),
  },
  mtcp_epoll_ctl: {
    ...scenes.ofContexts((m) => api.mtcp_epoll_ctl(m, 0, api.MTCP_EPOLL_CTL_DEL, 0)),
    EINVAL: [
      () => api.mtcp_epoll_ctl(noContext, 0, api.MTCP_EPOLL_CTL_DEL, 0),
      () => onSet((m, _, id) => api.mtcp_epoll_ctl(m, id, api.MTCP_EPOLL_CTL_ADD, id, event)),
      () => onSet((m, epid) => api.mtcp_epoll_ctl(m, epid, api.MTCP_EPOLL_CTL_ADD, epid, event)),
      () => onSet((m, epid, id) => api.mtcp_epoll_ctl(m, epid, 4, id, event)),
      () => onSet((m, epid, id) => api.mtcp_epoll_ctl(m, epid, api.MTCP_EPOLL_CTL_ADD, id)),
    ],
    EBADF: [
      () => onSet((m, _, id) => api.mtcp_epoll_ctl(m, 99, api.MTCP_EPOLL_CTL_ADD, id, event)),
      () => onSet((m, epid) => api.mtcp_epoll_ctl(m, epid, api.MTCP_EPOLL_CTL_ADD, 99, event)),
    ],
    EEXIST: () =>
      onSet((m, epid, id) => {
        api.mtcp_epoll_ctl(m, epid, api.MTCP_EPOLL_CTL_ADD, id, event);
        return api.mtcp_epoll_ctl(m, epid, api.MTCP_EPOLL_CTL_ADD, id, event);
      }),
    ENOENT: [
      () => onSet((m, epid, id) => api.mtcp_epoll_ctl(m, epid, api.MTCP_EPOLL_CTL_MOD, id, event)),
      () => onSet((m, epid, id) => api.mtcp_epoll_ctl(m, epid, api.MTCP_EPOLL_CTL_DEL, id)),
    ],
  },
  mtcp_epoll_wait: {
    ...scenes.ofSockets(wait),
    EINVAL: [
      () => wait(noContext, 0),
      () => onSet((m, _, id) => wait(m, id)),
      () => onSet((m, epid) => api.mtcp_epoll_wait(m, epid, any(null), 1, 0)),
      () => onSet((m, epid) => api.mtcp_epoll_wait(m, epid, [], 0, 0)),
      () => onSet((m, epid) => api.mtcp_epoll_wait(m, epid, [], 1, Number.NaN)),
    ],
    EINTR: () => scenes.interrupted((m) => api.mtcp_epoll_wait(m, api.mtcp_epoll_create(m, 1), [], 1, -1)),
  },
  mtcp_poll: {
    ...scenes.ofContexts((m) => api.mtcp_poll(m, [], 0, 0)),
    EINVAL: [
      () => api.mtcp_poll(noContext, [], 0, 0),
      () => api.mtcp_poll(lonely(), [], 1, 0),
      () => api.mtcp_poll(lonely(), [], 0, Number.NaN),
    ],
    EFAULT: [() => api.mtcp_poll(lonely(), any(null), 0, 0), () => api.mtcp_poll(lonely(), [any(1)], 1, 0)],
    EINTR: () => scenes.interrupted((m) => api.mtcp_poll(m, [], 0, -1)),
  },
  mtcp_setsock_nonblock: scenes.ofSockets(api.mtcp_setsock_nonblock),
  mtcp_fcntl: {
    ...scenes.ofSockets((m, id) => api.mtcp_fcntl(m, id, api.F_GETFL)),
    EINVAL: [
      () => api.mtcp_fcntl(noContext, 0, api.F_GETFL),
      () => scenes.unconnected((m, id) => api.mtcp_fcntl(m, id, 99)),
      () => scenes.unconnected((m, id) => api.mtcp_fcntl(m, id, api.F_SETFL, any('x'))),
    ],
  },
  mtcp_socket_ioctl: {
    ...scenes.ofSockets((m, id) => api.mtcp_socket_ioctl(m, id, api.FIONREAD, value)),
    EINVAL: [
      () => api.mtcp_socket_ioctl(noContext, 0, api.FIONREAD, value),
      () => scenes.unconnected((m, id) => api.mtcp_socket_ioctl(m, id, 1, value)),
      () => scenes.onListener((m, id) => api.mtcp_socket_ioctl(m, id, api.FIONREAD, value)),
    ],
    EBADF: [
      () => api.mtcp_socket_ioctl(lonely(), 99, api.FIONREAD, value),
      () => scenes.onEpoll((m, id) => api.mtcp_socket_ioctl(m, id, api.FIONBIO, value)),
    ],
    EFAULT: [
      () => scenes.unconnected((m, id) => api.mtcp_socket_ioctl(m, id, api.FIONREAD, any(null))),
      () => scenes.unconnected((m, id) => api.mtcp_socket_ioctl(m, id, api.FIONBIO, any({ value: 'x' }))),
    ],
  },
  mtcp_getsockopt: getsockopt,
  mtcp_setsockopt: {
    ...setsockopt,
    EDOM: () =>
      scenes.unconnected((m, id) =>
        api.mtcp_setsockopt(m, id, api.SOL_SOCKET, api.SO_RCVTIMEO, { tv_sec: 0, tv_usec: 1_000_000 }),
      ),
    ENOENT: () =>
      scenes.unconnected((m, id) => api.mtcp_setsockopt(m, id, api.SOL_TCP, api.TCP_CONGESTION, 'none such')),
  },
  mtcp_sysctl: {
    ...scenes.ofContexts((m) => api.mtcp_sysctl(m, 'tcp_sack')),
    EINVAL: [
      () => api.mtcp_sysctl(noContext, 'tcp_sack'),
      () => api.mtcp_sysctl(lonely(), 'tcp_syn_retries', 'many'),
    ],
    ENOENT: () => api.mtcp_sysctl(lonely(), 'tcp_none_such'),
  },
};
