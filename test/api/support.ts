// What the tests of the API share: errno by name, sockets in one line, and hosts joined by a wire.

import {
  AF_INET,
  errno,
  errnoName,
  type Mctx,
  mtcp_accept,
  mtcp_bind,
  mtcp_connect,
  mtcp_listen,
  mtcp_setsock_nonblock,
  mtcp_socket,
  SOCK_STREAM,
  sockaddr_in,
} from '../../src/index.js';
import {
  createHost,
  type Host,
  type HostOptions,
  type JoinOptions,
  joinHosts,
} from '../../src/testing/index.js';

/** The result of a failed call as a word. */
export function failure(result: unknown): string {
  return result === -1 || result === null ? errnoName(errno) : `no failure: ${String(result)}`;
}

export function socket(mctx: Mctx): number {
  return mtcp_socket(mctx, AF_INET, SOCK_STREAM, 0);
}

export function nonblocking(mctx: Mctx): number {
  const id = socket(mctx);
  mtcp_setsock_nonblock(mctx, id);
  return id;
}

export function listener(mctx: Mctx, port: number, backlog = 16): number {
  const id = socket(mctx);
  if (mtcp_bind(mctx, id, sockaddr_in('0.0.0.0', port)) !== 0 || mtcp_listen(mctx, id, backlog) !== 0) {
    throw new Error(`no listener: ${errnoName(errno)}`);
  }
  return id;
}

/** A client at 10.0.0.1 and a server at 10.0.0.2. */
export function pair(join: JoinOptions = { delayUs: 100 }, options: Partial<HostOptions> = {}): [Host, Host] {
  const client = createHost({ addresses: ['10.0.0.1/24'], ...options });
  const server = createHost({ addresses: ['10.0.0.2/24'], seed: 2, mac: '02:00:00:00:00:02', ...options });
  joinHosts(client, server, join);
  return [client, server];
}

/** A connection between the two, both ends blocking: the client's id and the server's. */
export function connection(client: Host, server: Host, port = 80): [number, number] {
  const listening = listener(server.mctx, port);
  const id = socket(client.mctx);
  if (mtcp_connect(client.mctx, id, sockaddr_in('10.0.0.2', port)) !== 0) {
    throw new Error(`no connection: ${errnoName(errno)}`);
  }
  const accepted = mtcp_accept(server.mctx, listening);
  if (accepted < 0) throw new Error(`not accepted: ${errnoName(errno)}`);
  return [id, accepted];
}

/** `length` bytes that differ along the way. */
export function pattern(length: number, start = 0): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = ((start + i) * 31 + ((start + i) >> 8)) & 255;
  return bytes;
}
