// A TCP proxy: accepts on one port and relays both directions of each connection to another host, half-closes included. Bytes are
// copied once, from the receive buffer of one connection into the send buffer of the other.
// `node build/examples/proxy.js -l PORT -t ADDRESS:PORT -f proxy.conf`

import { realpathSync } from 'node:fs';
import process from 'node:process';
import { setImmediate as immediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as mtcp from 'mtcp-node';
import { runProgram } from './program.js';

/** One side of a relayed connection. */
interface End {
  readonly id: number;
  other: End | undefined;
  /** Its peer has closed, and what it sent has been relayed. */
  ended: boolean;
}

const BOTH = mtcp.MTCP_EPOLLIN | mtcp.MTCP_EPOLLOUT | mtcp.MTCP_EPOLLET;

/** The proxy of one context. */
export class TcpProxy {
  relayedBytes = 0;
  accepted = 0;
  private readonly mctx: mtcp.Mctx;
  private readonly target: mtcp.SockAddr;
  private readonly epoll: number;
  private readonly listener: number;
  private readonly ends = new Map<number, End>();
  private readonly events = mtcp.mtcp_epoll_events(256);
  private readonly received = mtcp.mtcp_view();
  private readonly room = mtcp.mtcp_view();

  constructor(mctx: mtcp.Mctx, port: number, target: mtcp.SockAddr) {
    this.mctx = mctx;
    this.target = target;
    this.epoll = mtcp.mtcp_epoll_create(mctx, 1024);
    this.listener = mtcp.mtcp_socket(mctx, mtcp.AF_INET, mtcp.SOCK_STREAM, 0);
    mtcp.mtcp_setsock_nonblock(mctx, this.listener);
    const isListening =
      mtcp.mtcp_bind(mctx, this.listener, mtcp.sockaddr_in(mtcp.INADDR_ANY, port)) === 0 &&
      mtcp.mtcp_listen(mctx, this.listener, 1024) === 0;
    if (!isListening) throw new Error(`cannot listen on port ${port}: ${mtcp.mtcp_last_error()}`);
    mtcp.mtcp_epoll_ctl(mctx, this.epoll, mtcp.MTCP_EPOLL_CTL_ADD, this.listener, {
      events: mtcp.MTCP_EPOLLIN,
    });
  }

  /** Sides of connections that are open. */
  get open(): number {
    return this.ends.size;
  }

  /** Waits for events, for `timeoutMs` at most, and relays. Returns how many there were. */
  poll(timeoutMs: number): number {
    const count = mtcp.mtcp_epoll_wait(this.mctx, this.epoll, this.events, this.events.length, timeoutMs);
    for (let i = 0; i < count; i++) {
      const { sockid } = this.events[i].data;
      if (sockid === this.listener) {
        this.accept();
        continue;
      }
      const end = this.ends.get(sockid);
      if (end === undefined) continue;
      // News of one side: there is something to take from it, or room in it for what the other one has.
      if (!this.relay(end) || (end.other !== undefined && !this.relay(end.other))) this.drop(end);
    }
    return count;
  }

  private accept(): void {
    const { mctx } = this;
    for (;;) {
      const id = mtcp.mtcp_accept4(mctx, this.listener, null, undefined, mtcp.SOCK_NONBLOCK);
      if (id < 0) return;
      this.accepted++;
      const out = mtcp.mtcp_socket(mctx, mtcp.AF_INET, mtcp.SOCK_STREAM, 0);
      mtcp.mtcp_fcntl(mctx, out, mtcp.F_SETFL, mtcp.O_NONBLOCK);
      const isUnderWay = mtcp.mtcp_connect(mctx, out, this.target) === 0 || mtcp.errno === mtcp.EINPROGRESS;
      if (!isUnderWay) {
        mtcp.mtcp_abort(mctx, id);
        mtcp.mtcp_close(mctx, out);
        continue;
      }
      const inner: End = { id: out, other: undefined, ended: false };
      const outer: End = { id, other: inner, ended: false };
      inner.other = outer;
      for (const end of [outer, inner]) {
        this.ends.set(end.id, end);
        mtcp.mtcp_setsockopt(mctx, end.id, mtcp.SOL_TCP, mtcp.TCP_NODELAY, 1);
        mtcp.mtcp_epoll_ctl(mctx, this.epoll, mtcp.MTCP_EPOLL_CTL_ADD, end.id, { events: BOTH });
      }
    }
  }

  /** Relays what `from` has received, as far as the other side has room. Returns false when the connection is broken. */
  private relay(from: End): boolean {
    const { mctx, received, room } = this;
    const to = from.other;
    if (to === undefined || from.ended) return true;
    for (;;) {
      const length = mtcp.mtcp_recv_view(mctx, from.id, received);
      if (length < 0) return mtcp.errno === mtcp.EAGAIN || mtcp.errno === mtcp.ENOTCONN;
      if (length === 0) {
        from.ended = true;
        if (mtcp.mtcp_shutdown(mctx, to.id, mtcp.SHUT_WR) < 0) return false;
        if (to.ended) this.close(from);
        return true;
      }
      const space = mtcp.mtcp_send_reserve(mctx, to.id, length, room);
      if (space < 0) return mtcp.errno === mtcp.EAGAIN;
      const { bytes, offset } = received;
      room.bytes.set(bytes.subarray(offset, offset + space), room.offset);
      mtcp.mtcp_send_commit(mctx, to.id, space);
      mtcp.mtcp_recv_release(mctx, from.id, space);
      this.relayedBytes += space;
    }
  }

  /** Both directions have ended. */
  private close(end: End): void {
    for (const { id } of this.both(end)) {
      this.ends.delete(id);
      mtcp.mtcp_close(this.mctx, id);
    }
  }

  /** One side has broken: the other one learns it by a reset. */
  private drop(end: End): void {
    for (const { id } of this.both(end)) {
      if (!this.ends.delete(id)) continue;
      if (mtcp.mtcp_abort(this.mctx, id) < 0) mtcp.mtcp_close(this.mctx, id);
    }
  }

  private both(end: End): End[] {
    return end.other === undefined ? [end] : [end, end.other];
  }
}

/** Says why it does not begin. */
function refused(): number {
  console.error(mtcp.mtcp_last_error());
  return 1;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      listen: { type: 'string', short: 'l' },
      target: { type: 'string', short: 't' },
      conf: { type: 'string', short: 'f' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const target = /^([\d.]+):(\d+)$/.exec(values.target ?? '');
  const port = Number(values.listen);
  if (values.help || target === null || !(port > 0) || values.conf === undefined) {
    console.error('proxy -l PORT -t ADDRESS:PORT -f CONFIG');
    return values.help ? 0 : 1;
  }
  if (mtcp.mtcp_init(values.conf) < 0) return refused();
  const mctx = mtcp.mtcp_create_context(0);
  if (mctx === null) return refused();
  for (const warning of mtcp.mtcp_warnings()) console.error(warning);
  let done = false;
  for (const signal of [2, 15]) mtcp.mtcp_register_signal(signal, () => (done = true));
  const proxy = new TcpProxy(mctx, port, mtcp.sockaddr_in(target[1], Number(target[2])));
  console.error(`proxy on port ${port} for ${values.target}`);
  while (!done) {
    proxy.poll(10);
    await immediate();
  }
  console.error(`${proxy.accepted} connections, ${proxy.relayedBytes} bytes`);
  mtcp.mtcp_destroy();
  return 0;
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await runProgram(main);
}
