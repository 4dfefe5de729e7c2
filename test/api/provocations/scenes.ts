// Scenes in which calls fail: hosts that nobody answers, connections that were reset or whose peer has vanished, full buffers. A
// provocation is a function that makes one call fail; what sets the scene up has succeeded before.

import {
  F_SETFL,
  type Mctx,
  mtcp_abort,
  mtcp_connect,
  mtcp_epoll_create,
  mtcp_fcntl,
  mtcp_pipe,
  mtcp_send,
  mtcp_setsock_nonblock,
  mtcp_shutdown,
  mtcp_write,
  SHUT_WR,
  sockaddr_in,
} from '../../../src/index.js';
import { createHost, type Host, type HostOptions } from '../../../src/testing/index.js';
import { connection, listener, pair, pattern, socket } from '../support.js';

/** Makes a call fail and returns what it returned. */
export type Provocation = () => unknown;
/** By errno: what makes a call fail with it, in one way or in several. */
export type Provocations = Readonly<Record<string, Provocation | readonly Provocation[]>>;
/** A call on a socket, with arguments that would do. */
export type SocketCall = (mctx: Mctx, sockid: number) => unknown;

const SECOND = 1_000_000;

/** Lets a test hand over what the types forbid. */
export const any = (value: unknown): never => value as never;

/** A host in whose network nobody answers. */
export function lonely(options: Partial<HostOptions> = {}): Mctx {
  return createHost({ addresses: ['10.0.0.1/24'], link: 'ip', ...options }).mctx;
}

/** A context that has been destroyed. */
export function destroyed(): Mctx {
  const host = createHost({ addresses: ['10.0.0.1/24'], link: 'ip' });
  host.close();
  return host.mctx;
}

/** A stream that is connected to nobody. */
export function unconnected(call: SocketCall): unknown {
  const mctx = lonely();
  return call(mctx, socket(mctx));
}

/** What every call on a context can fail with. */
export function ofContexts(call: (mctx: Mctx) => unknown): Provocations {
  return { EINVAL: () => call(any(null)), EPERM: () => call(destroyed()) };
}

/** What every call on a socket can fail with, whatever it does. */
export function ofSockets(call: SocketCall): Provocations {
  return { ...ofContexts((mctx) => call(mctx, 0)), EBADF: () => call(lonely(), 99) };
}

/** A call on an epoll set. */
export function onEpoll(call: SocketCall): unknown {
  const mctx = lonely();
  return call(mctx, mtcp_epoll_create(mctx, 1));
}

/** A call on a listener. */
export function onListener(call: SocketCall): unknown {
  const mctx = lonely();
  return call(mctx, listener(mctx, 80));
}

/** A call on an end of a pipe. */
export function onPipe(call: SocketCall): unknown {
  const mctx = lonely();
  const ends = [0, 0];
  mtcp_pipe(mctx, ends);
  return call(mctx, ends[0] as number);
}

/** A call on a connection whose other end `before` deals with. */
export function onConnection(
  call: SocketCall,
  before: (client: Host, id: number, server: Host, accepted: number) => void = () => undefined,
  options: Partial<HostOptions> = {},
): unknown {
  const [client, server] = pair({ delayUs: 100 }, options);
  const [id, accepted] = connection(client, server);
  before(client, id, server, accepted);
  return call(client.mctx, id);
}

/** The peer resets the connection. */
export function reset(client: Host, _id: number, server: Host, accepted: number): void {
  mtcp_abort(server.mctx, accepted);
  client.advance(client.now + SECOND);
}

/** Nothing of what was written arrives, until the connection is given up. */
export function vanish(client: Host, id: number): void {
  client.sysctl('tcp_retries2', 3);
  client.nic.onTransmit = () => undefined;
  mtcp_write(client.mctx, id, pattern(10));
  client.advance(client.now + 100 * SECOND);
}

/** As `vanish`, but the neighbour does not answer ARP either, and the connection tries for so long that this is noticed. */
export function vanishWithNeighbour(client: Host, id: number): void {
  client.nic.onTransmit = () => undefined;
  mtcp_write(client.mctx, id, pattern(10));
  client.advance(client.now + 2000 * SECOND);
}

/** Fills the send buffer of a connection whose peer gets nothing. */
export function fill(client: Host, id: number): void {
  const much = new Uint8Array(1 << 20);
  client.nic.onTransmit = () => undefined;
  mtcp_setsock_nonblock(client.mctx, id);
  while (mtcp_send(client.mctx, id, much, much.length) > 0);
}

/** Closes the sending side. */
export function shut(client: Host, id: number): void {
  mtcp_shutdown(client.mctx, id, SHUT_WR);
}

/** Lets the context be destroyed while the call that comes now waits. */
export function destroyMeanwhile(client: Host, id: number): void {
  mtcp_fcntl(client.mctx, id, F_SETFL, 0);
  client.world.clock.schedule(client.now + SECOND, () => client.close());
}

/** A connection that is non-blocking. */
export function unwilling(client: Host, id: number): void {
  mtcp_setsock_nonblock(client.mctx, id);
}

/** A server with a context of `maxConcurrency` ids, all in use, and a connection that waits to be accepted. */
export function withoutIds(call: SocketCall): unknown {
  const [client, server] = pair({ delayUs: 100 }, { maxConcurrency: 2 });
  const listening = listener(server.mctx, 80, 2);
  mtcp_connect(client.mctx, socket(client.mctx), sockaddr_in('10.0.0.2', 80));
  socket(server.mctx);
  return call(server.mctx, listening);
}

/** A context without a free id. */
export function fullOfIds(call: (mctx: Mctx) => unknown): unknown {
  const mctx = lonely({ maxConcurrency: 2 });
  socket(mctx);
  socket(mctx);
  return call(mctx);
}

/** Waits on a host in whose network nothing happens, until its context is destroyed. */
export function interrupted(call: (mctx: Mctx) => unknown): unknown {
  const host = createHost({ addresses: ['10.0.0.1/24'], link: 'ip' });
  host.world.clock.schedule(host.now + SECOND, () => host.close());
  return call(host.mctx);
}
