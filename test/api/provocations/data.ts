// What makes the calls that move data fail, for each errno that their documentation names.

import * as api from '../../../src/index.js';
import { socket } from '../support.js';
import { connecting } from './connecting.js';
import * as scenes from './scenes.js';
import { any, onConnection, type Provocations, type SocketCall } from './scenes.js';

const bytes = new Uint8Array(8);
/** As much as tcp_mem counts at least. */
const page = new Uint8Array(4096);

/** What everything that receives can fail with. */
function receiving(call: SocketCall): Provocations {
  return {
    ...scenes.ofSockets(call),
    ENOTSOCK: [() => scenes.onListener(call), () => scenes.onEpoll(call)],
    ENOTCONN: () => scenes.unconnected(call),
    EAGAIN: [
      () => onConnection(call, scenes.unwilling),
      () =>
        onConnection(call, (client, id) =>
          api.mtcp_setsockopt(client.mctx, id, api.SOL_SOCKET, api.SO_RCVTIMEO, { tv_sec: 1, tv_usec: 0 }),
        ),
    ],
    ECONNRESET: () => onConnection(call, scenes.reset),
    ETIMEDOUT: () => onConnection(call, scenes.vanish),
    EHOSTUNREACH: () => onConnection(call, scenes.vanishWithNeighbour),
    EINTR: () => onConnection(call, scenes.destroyMeanwhile),
  };
}

/** What everything that sends can fail with. */
function sending(call: SocketCall): Provocations {
  return {
    ...scenes.ofSockets(call),
    ENOTSOCK: [() => scenes.onListener(call), () => scenes.onEpoll(call)],
    ENOTCONN: () => scenes.unconnected(call),
    EAGAIN: [
      () => onConnection(call, scenes.fill),
      () => {
        const mctx = scenes.lonely();
        const id = socket(mctx);
        api.mtcp_setsock_nonblock(mctx, id);
        api.mtcp_connect(mctx, id, api.sockaddr_in('10.0.0.2', 80));
        return call(mctx, id);
      },
    ],
    ENOMEM: () =>
      onConnection(call, (client, id) => {
        api.mtcp_write(client.mctx, id, page);
        client.sysctl('tcp_mem', '1 1 1');
        scenes.fill(client, id);
      }),
    EPIPE: () => onConnection(call, scenes.shut),
    ECONNRESET: () => onConnection(call, scenes.reset),
    ETIMEDOUT: () => onConnection(call, scenes.vanish),
    EHOSTUNREACH: () => onConnection(call, scenes.vanishWithNeighbour),
    EINTR: () =>
      onConnection(call, (client, id) => {
        scenes.fill(client, id);
        scenes.destroyMeanwhile(client, id);
      }),
  };
}

/** A call with wrong arguments on a socket that is right. */
const on = (call: SocketCall) => (): unknown => {
  const mctx = scenes.lonely();
  return call(mctx, socket(mctx));
};

const noContext = any(null);

/** A write to a pipe whose other end is closed, as `call` does it. */
const toClosedPipe = (call: SocketCall) => (): unknown => {
  const mctx = scenes.lonely();
  const ends = [0, 0];
  api.mtcp_pipe(mctx, ends);
  api.mtcp_close(mctx, ends[0] as number);
  return call(mctx, ends[1] as number);
};

const recv: SocketCall = (m, id) => api.mtcp_recv(m, id, bytes, 8, 0);
const send: SocketCall = (m, id) => api.mtcp_send(m, id, bytes, 8, 0);
const many = new Array(api.IOV_MAX + 1).fill(bytes);

export const DATA: Record<string, Provocations> = {
  mtcp_read: {
    ...receiving((m, id) => api.mtcp_read(m, id, bytes)),
    EINVAL: [() => api.mtcp_read(noContext, 0, bytes), on((m, id) => api.mtcp_read(m, id, bytes, -1))],
    EFAULT: [on((m, id) => api.mtcp_read(m, id, any('text'))), on((m, id) => api.mtcp_read(m, id, bytes, 9))],
  },
  mtcp_recv: {
    ...receiving(recv),
    EINVAL: [
      () => recv(noContext, 0),
      on((m, id) => api.mtcp_recv(m, id, bytes, 0.5)),
      on((m, id) => api.mtcp_recv(m, id, bytes, 8, 8)),
      () => onConnection((m, id) => api.mtcp_recv(m, id, bytes, 1, api.MSG_OOB)),
    ],
    EFAULT: [on((m, id) => api.mtcp_recv(m, id, any([]), 0)), on((m, id) => api.mtcp_recv(m, id, bytes, 9))],
    EOPNOTSUPP: () => scenes.onPipe((m, id) => api.mtcp_recv(m, id, bytes, 8, api.MSG_OOB)),
  },
  mtcp_write: {
    ...sending((m, id) => api.mtcp_write(m, id, bytes)),
    EINVAL: [() => api.mtcp_write(noContext, 0, bytes), on((m, id) => api.mtcp_write(m, id, bytes, -1))],
    EFAULT: [
      on((m, id) => api.mtcp_write(m, id, any('text'))),
      on((m, id) => api.mtcp_write(m, id, bytes, 9)),
    ],
  },
  mtcp_send: {
    ...sending(send),
    EINVAL: [
      () => send(noContext, 0),
      on((m, id) => api.mtcp_send(m, id, bytes, Number.NaN)),
      on((m, id) => api.mtcp_send(m, id, bytes, 8, api.MSG_PEEK)),
    ],
    EFAULT: [
      on((m, id) => api.mtcp_send(m, id, any(new Uint16Array(8)), 8)),
      on((m, id) => api.mtcp_send(m, id, bytes, 9)),
    ],
    EOPNOTSUPP: () => scenes.onPipe((m, id) => api.mtcp_send(m, id, bytes, 8, api.MSG_OOB)),
    EPIPE: [() => onConnection(send, scenes.shut), toClosedPipe(send)],
  },
  mtcp_sendto: {
    ...connecting((m, id, addr, addrlen) =>
      api.mtcp_sendto(m, id, bytes, 8, api.MSG_FASTOPEN, addr, addrlen),
    ),
    ...sending((m, id) => api.mtcp_sendto(m, id, bytes, 8)),
    EINVAL: [
      () => api.mtcp_sendto(noContext, 0, bytes, 8),
      on((m, id) => api.mtcp_sendto(m, id, bytes, 8, 8)),
      on((m, id) => api.mtcp_sendto(m, id, bytes, 8, api.MSG_FASTOPEN, api.sockaddr_in('10.0.0.2', 0))),
    ],
    EFAULT: [
      on((m, id) => api.mtcp_sendto(m, id, bytes, 9)),
      on((m, id) => api.mtcp_sendto(m, id, bytes, 8, api.MSG_FASTOPEN)),
    ],
    EOPNOTSUPP: [
      () => scenes.onPipe((m, id) => api.mtcp_sendto(m, id, bytes, 8, api.MSG_OOB)),
      () => {
        const mctx = scenes.lonely({ sysctl: { tcp_fastopen: 0 } });
        const peer = api.sockaddr_in('10.0.0.2', 80);
        return api.mtcp_sendto(mctx, socket(mctx), bytes, 8, api.MSG_FASTOPEN, peer);
      },
    ],
  },
  mtcp_readv: {
    ...receiving((m, id) => api.mtcp_readv(m, id, [bytes])),
    EINVAL: [
      () => api.mtcp_readv(noContext, 0, [bytes]),
      on((m, id) => api.mtcp_readv(m, id, [bytes], 2)),
      on((m, id) => api.mtcp_readv(m, id, many)),
    ],
    EFAULT: [
      on((m, id) => api.mtcp_readv(m, id, any(null))),
      on((m, id) => api.mtcp_readv(m, id, [any({})])),
    ],
    ENOTSOCK: [
      () => scenes.onListener((m, id) => api.mtcp_readv(m, id, [bytes])),
      () => scenes.onPipe((m, id) => api.mtcp_readv(m, id, [bytes])),
    ],
  },
  mtcp_writev: {
    ...sending((m, id) => api.mtcp_writev(m, id, [bytes])),
    EINVAL: [
      () => api.mtcp_writev(noContext, 0, [bytes]),
      on((m, id) => api.mtcp_writev(m, id, [bytes], 2)),
      on((m, id) => api.mtcp_writev(m, id, many)),
    ],
    EFAULT: [
      on((m, id) => api.mtcp_writev(m, id, any(null))),
      on((m, id) => api.mtcp_writev(m, id, [any({})])),
    ],
    ENOTSOCK: [
      () => scenes.onListener((m, id) => api.mtcp_writev(m, id, [bytes])),
      () => scenes.onPipe((m, id) => api.mtcp_writev(m, id, [bytes])),
    ],
  },
  mtcp_recvmsg: {
    ...receiving((m, id) => api.mtcp_recvmsg(m, id, { msg_iov: [bytes] })),
    EINVAL: [
      () => api.mtcp_recvmsg(noContext, 0, { msg_iov: [bytes] }),
      on((m, id) => api.mtcp_recvmsg(m, id, { msg_iov: [bytes] }, 8)),
    ],
    EFAULT: [
      on((m, id) => api.mtcp_recvmsg(m, id, any(null))),
      on((m, id) => api.mtcp_recvmsg(m, id, { msg_iov: [any('x')] })),
    ],
    EMSGSIZE: [
      on((m, id) => api.mtcp_recvmsg(m, id, { msg_iov: many })),
      on((m, id) => api.mtcp_recvmsg(m, id, { msg_iov: [bytes], msg_iovlen: 2 })),
    ],
    EOPNOTSUPP: () => scenes.onPipe((m, id) => api.mtcp_recvmsg(m, id, { msg_iov: [bytes] }, api.MSG_OOB)),
  },
  mtcp_sendmsg: {
    ...sending((m, id) => api.mtcp_sendmsg(m, id, { msg_iov: [bytes] })),
    EINVAL: [
      () => api.mtcp_sendmsg(noContext, 0, { msg_iov: [bytes] }),
      on((m, id) => api.mtcp_sendmsg(m, id, { msg_iov: [bytes], msg_controllen: 8 })),
    ],
    EFAULT: [
      on((m, id) => api.mtcp_sendmsg(m, id, any(null))),
      on((m, id) => api.mtcp_sendmsg(m, id, { msg_iov: [any('x')] })),
    ],
    EMSGSIZE: [
      on((m, id) => api.mtcp_sendmsg(m, id, { msg_iov: many })),
      on((m, id) => api.mtcp_sendmsg(m, id, { msg_iov: [bytes], msg_iovlen: 2 })),
    ],
    EOPNOTSUPP: () => scenes.onPipe((m, id) => api.mtcp_sendmsg(m, id, { msg_iov: [bytes] }, api.MSG_OOB)),
  },
  mtcp_recv_view: {
    ...receiving((m, id) => api.mtcp_recv_view(m, id, api.mtcp_view())),
    ENOTSOCK: () => scenes.onPipe((m, id) => api.mtcp_recv_view(m, id, api.mtcp_view())),
    EFAULT: on((m, id) => api.mtcp_recv_view(m, id, any({}))),
  },
  mtcp_recv_release: {
    ...scenes.ofSockets((m, id) => api.mtcp_recv_release(m, id, 0)),
    EINVAL: [
      () => api.mtcp_recv_release(noContext, 0, 0),
      () => onConnection((m, id) => api.mtcp_recv_release(m, id, 1)),
    ],
    ENOTSOCK: () => scenes.onPipe((m, id) => api.mtcp_recv_release(m, id, 0)),
    ENOTCONN: () => scenes.unconnected((m, id) => api.mtcp_recv_release(m, id, 0)),
  },
  mtcp_send_reserve: {
    ...sending((m, id) => api.mtcp_send_reserve(m, id, 8, api.mtcp_view())),
    EINVAL: [
      () => api.mtcp_send_reserve(noContext, 0, 8, api.mtcp_view()),
      on((m, id) => api.mtcp_send_reserve(m, id, 0, api.mtcp_view())),
    ],
    ENOTSOCK: () => scenes.onPipe((m, id) => api.mtcp_send_reserve(m, id, 8, api.mtcp_view())),
    EFAULT: on((m, id) => api.mtcp_send_reserve(m, id, 8, any(null))),
  },
  mtcp_send_commit: {
    ...scenes.ofSockets((m, id) => api.mtcp_send_commit(m, id, 0)),
    EINVAL: [
      () => api.mtcp_send_commit(noContext, 0, 0),
      () => onConnection((m, id) => api.mtcp_send_commit(m, id, 0)),
    ],
    ENOTSOCK: () => scenes.onPipe((m, id) => api.mtcp_send_commit(m, id, 0)),
    EPIPE: () =>
      onConnection((m, id) => {
        api.mtcp_setsock_nonblock(m, id);
        api.mtcp_send_reserve(m, id, 8, api.mtcp_view());
        api.mtcp_shutdown(m, id, api.SHUT_WR);
        return api.mtcp_send_commit(m, id, 8);
      }),
  },
  mtcp_pipe: {
    ...scenes.ofContexts((m) => api.mtcp_pipe(m, [0, 0])),
    EFAULT: [
      () => api.mtcp_pipe(scenes.lonely(), any(null)),
      () => api.mtcp_pipe(scenes.lonely(), new Int32Array(1)),
    ],
    ENFILE: () => scenes.fullOfIds((m) => api.mtcp_pipe(m, [0, 0])),
  },
};
