// What a program wants of a connection, said before there is one or after.

import {
  type Mctx,
  mtcp_setsockopt,
  SO_KEEPALIVE,
  SOL_SOCKET,
  SOL_TCP,
  TCP_KEEPIDLE,
  TCP_NODELAY,
} from '../api/index.js';

/** Nagle's algorithm and probes of a silent peer. */
export class ConnectionOptions {
  noDelay = false;
  keepAlive = false;
  /** Silence before the first probe, in ms; 0 for what the stack has. */
  keepAliveInitialDelay = 0;

  applyNoDelay(mctx: Mctx, sockid: number): void {
    mtcp_setsockopt(mctx, sockid, SOL_TCP, TCP_NODELAY, this.noDelay ? 1 : 0);
  }

  applyKeepAlive(mctx: Mctx, sockid: number): void {
    mtcp_setsockopt(mctx, sockid, SOL_SOCKET, SO_KEEPALIVE, this.keepAlive ? 1 : 0);
    const seconds = Math.floor(this.keepAliveInitialDelay / 1000);
    if (this.keepAlive && seconds > 0) mtcp_setsockopt(mctx, sockid, SOL_TCP, TCP_KEEPIDLE, seconds);
  }
}
