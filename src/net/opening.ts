// Opens a connection: to which address, and what the stack is told. The socket in socket.ts says when.

import { isIP } from 'node:net';
import {
  errno,
  INADDR_ANY,
  type Mctx,
  mtcp_bind,
  mtcp_connect,
  mtcp_getsockopt,
  SO_ERROR,
  SOL_SOCKET,
  type SockAddr,
  sockaddr_in,
} from '../api/index.js';
import { EAFNOSUPPORT, EINPROGRESS, EINVAL } from '../stack/errors.js';
import type { ConnectOptions } from './arguments.js';
import { lookUp, unusable } from './lookup.js';
import { systemError } from './system-error.js';

/** What a look-up has come to, for the event `lookup`. */
export type LookedUp = (
  error: Error | null,
  address: string,
  version: number | undefined,
  host: string,
) => void;

/**
 * Finds the address to connect to and proceeds with it, or with the reason why there is none: at once where the host is an address, once it
 * has been looked up otherwise. `isOver` is asked then whether anybody still wants to know.
 */
export function findAddress(
  host: string,
  options: ConnectOptions,
  isOver: () => boolean,
  lookedUp: LookedUp,
  proceed: (address: string, reason: Error | undefined) => void,
): void {
  const { port, family } = options;
  if (isIP(host) !== 0 || family === 6) {
    proceed(host, isIP(host) === 4 ? undefined : systemError(EAFNOSUPPORT, 'connect', host, port));
    return;
  }
  lookUp(host, options, (error, address, version) => {
    if (isOver()) return;
    lookedUp(error, address, version, host);
    proceed(address, error ?? unusable(address, 'connect', port));
  });
}

/** Binds a new socket, if that is wanted: undefined, or why that cannot be. */
export function bindLocal(mctx: Mctx, sockid: number, options: ConnectOptions): Error | undefined {
  const { localAddress = INADDR_ANY, localPort = 0 } = options;
  if (localAddress === INADDR_ANY && localPort === 0) return undefined;
  if (mtcp_bind(mctx, sockid, sockaddr_in(localAddress, localPort)) === 0) return undefined;
  return systemError(errno, 'bind', localAddress, options.localPort);
}

/** Begins to connect a socket: undefined, or why that cannot be. */
export function beginConnect(mctx: Mctx, sockid: number, remote: SockAddr): Error | undefined {
  if (mtcp_connect(mctx, sockid, remote) === 0 || errno === EINPROGRESS) return undefined;
  return systemError(errno, 'connect', remote.address, remote.port);
}

/** Takes the error that a socket has had, 0 for none. */
export function takeError(mctx: Mctx, sockid: number): number {
  const error = { value: 0 };
  if (mtcp_getsockopt(mctx, sockid, SOL_SOCKET, SO_ERROR, error) < 0) return EINVAL;
  return error.value;
}
