// An echo server of many connections at a time, one epoll set over sockets that do not block, as the guide to programs of mTCP shows
// it: `node build/examples/epoll-echo.js examples/lab.conf` listens on port 7.

import { realpathSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
// [guide]
import * as mtcp from 'mtcp-node';

export function echoServer(mctx: mtcp.Mctx, port: number): (timeoutMs: number) => number {
  const listener = mtcp.mtcp_socket(mctx, mtcp.AF_INET, mtcp.SOCK_STREAM);
  mtcp.mtcp_setsock_nonblock(mctx, listener);
  mtcp.mtcp_bind(mctx, listener, mtcp.sockaddr_in('0.0.0.0', port));
  if (mtcp.mtcp_listen(mctx, listener, 128) < 0) throw new Error(mtcp.mtcp_last_error());
  const epid = mtcp.mtcp_epoll_create(mctx, 64);
  const events: mtcp.mtcp_epoll_event[] = mtcp.mtcp_epoll_events(64);
  const watch = (op: number, id: number, mask: number) =>
    mtcp.mtcp_epoll_ctl(mctx, epid, op, id, { events: mask });
  watch(mtcp.MTCP_EPOLL_CTL_ADD, listener, mtcp.MTCP_EPOLLIN);
  const buffer = new Uint8Array(65_536);
  const accept = () => {
    const id = mtcp.mtcp_accept4(mctx, listener, null, undefined, mtcp.SOCK_NONBLOCK);
    if (id >= 0) watch(mtcp.MTCP_EPOLL_CTL_ADD, id, mtcp.MTCP_EPOLLIN);
  };
  // Takes from the receive buffer only what could be sent; where there is no room, it is room that is waited for.
  const echo = (id: number) => {
    const n = mtcp.mtcp_recv(mctx, id, buffer, buffer.length, mtcp.MSG_PEEK);
    const sent = n > 0 ? mtcp.mtcp_write(mctx, id, buffer, n) : n;
    if (sent === 0 || (sent < 0 && mtcp.errno !== mtcp.EAGAIN)) return mtcp.mtcp_close(mctx, id);
    if (sent > 0) mtcp.mtcp_read(mctx, id, buffer, sent);
    return watch(mtcp.MTCP_EPOLL_CTL_MOD, id, sent < n ? mtcp.MTCP_EPOLLOUT : mtcp.MTCP_EPOLLIN);
  };
  return (timeoutMs) => {
    const count = mtcp.mtcp_epoll_wait(mctx, epid, events, events.length, timeoutMs);
    for (let i = 0; i < count; i++)
      events[i].data.sockid === listener ? accept() : echo(events[i].data.sockid);
    return count;
  };
}
// [/guide]

function main(conf = 'examples/lab.conf'): void {
  if (mtcp.mtcp_init(conf) < 0) throw new Error(mtcp.mtcp_last_error());
  const mctx = mtcp.mtcp_create_context(0);
  if (mctx === null) throw new Error(mtcp.mtcp_last_error());
  const poll = echoServer(mctx, 7);
  console.error('echo on port 7');
  while (poll(-1) >= 0);
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url))
  main(process.argv[2]);
