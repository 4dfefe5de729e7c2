// The addresses of the two ends of a socket.

import { AF_INET, type Mctx, type mtcp_getsockname } from '../api/index.js';

/** An address as Node gives it. */
export interface SocketAddress {
  address: string;
  family: 'IPv4';
  port: number;
}

/** What `mtcp_getsockname` or `mtcp_getpeername` says of a socket; undefined when it fails. */
export function nameOf(call: typeof mtcp_getsockname, mctx: Mctx, sockid: number): SocketAddress | undefined {
  const name = { family: AF_INET, address: '', port: 0 };
  if (call(mctx, sockid, name) < 0) return undefined;
  return { address: name.address, family: 'IPv4', port: name.port };
}
