// What a socket is told when it is made.

import { unsupported } from './arguments.js';

/** What a socket can be told when it is made. */
export interface SocketOptions {
  /** Keep the writable side open when the peer has ended. Default false. */
  allowHalfOpen?: boolean;
  readableHighWaterMark?: number;
  writableHighWaterMark?: number;
  signal?: AbortSignal;
  noDelay?: boolean;
  keepAlive?: boolean;
  /** ms. */
  keepAliveInitialDelay?: number;
}

/** Options of Node's that would be wrong to pass over in silence. */
const UNSUPPORTED = ['fd', 'handle', 'onread', 'objectMode', 'readableObjectMode', 'writableObjectMode'];

/** Looks through options for what this stack has not. @throws TypeError as Node does for a wrong value */
export function checkSocketOptions(options: SocketOptions): void {
  for (const name of UNSUPPORTED) {
    const value = (options as Record<string, unknown>)[name];
    if (value !== undefined && value !== null && value !== false) throw unsupported(name);
  }
}
