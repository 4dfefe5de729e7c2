// The addresses of the two ends of a socket.

import { type Mctx, type mtcp_getsockname, SockAddr } from '../api/index.js';

/** An address as Node gives it. */
export interface SocketAddress {
  address: string;
  family: 'IPv4';
  port: number;
}

/** What `mtcp_getsockname` or `mtcp_getpeername` says of a socket, not yet as text; undefined when it fails. */
export function endOf(call: typeof mtcp_getsockname, mctx: Mctx, sockid: number): SockAddr | undefined {
  const end = new SockAddr();
  return call(mctx, sockid, end) < 0 ? undefined : end;
}

/** An end as Node tells it. */
export function nameOf({ address, port }: SockAddr): SocketAddress {
  return { address, family: 'IPv4', port };
}
