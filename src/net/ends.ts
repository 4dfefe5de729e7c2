// The two ends of a connection, as its socket tells them: asked for once, and known after the connection has gone.

import { type Mctx, mtcp_getpeername, mtcp_getsockname, type SockAddr } from '../api/index.js';
import { endOf } from './names.js';

/** What is known of the ends of one connection. */
export class Ends {
  /** Set by who connects; asked for otherwise. */
  remote: SockAddr | undefined = undefined;
  private local: SockAddr | undefined = undefined;

  /** The far end. `sockid` is negative when the socket has gone. */
  peer(mctx: Mctx, sockid: number): SockAddr | undefined {
    if (this.remote === undefined && sockid >= 0) this.remote = endOf(mtcp_getpeername, mctx, sockid);
    return this.remote;
  }

  /** The near end. */
  own(mctx: Mctx, sockid: number): SockAddr | undefined {
    if (this.local === undefined && sockid >= 0) this.local = endOf(mtcp_getsockname, mctx, sockid);
    return this.local;
  }
}
