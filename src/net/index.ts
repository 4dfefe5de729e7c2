// `<package>/net`: the interface of `node:net` on a context of the stack.
//
//   const net = createNet(mctx);
//   net.createServer((socket) => socket.pipe(socket)).listen(7);
//
//   const server = http.createServer(handler);
//   net.createServer({ allowHalfOpen: true }, (socket) => server.emit('connection', socket)).listen(80);
//   http.get({ host, port, createConnection: net.connect });

import { isIP, isIPv4, isIPv6 } from 'node:net';
import type { Mctx, MctxArgument } from '../api/index.js';
import { mtcp_last_error } from '../api/index.js';
import { Server, type ServerOptions } from './server.js';
import { Socket } from './socket.js';
import type { SocketOptions } from './socket-options.js';

export type { ConnectOptions, ListenOptions } from './arguments.js';
export type { SocketAddress } from './names.js';
export type { Server, ServerOptions } from './server.js';
export type { Socket } from './socket.js';
export type { SocketOptions } from './socket-options.js';
export type { SystemError } from './system-error.js';

/** What `node:net` gives, on one context. */
export interface Net {
  /** Makes a server: `createServer(options?, connectionListener?)`. */
  createServer(
    options?: ServerOptions | ((socket: Socket) => void),
    listener?: (socket: Socket) => void,
  ): Server;
  /** Makes a socket and connects it: `connect(port, host?, callback?)` or `connect(options, callback?)`. */
  connect(...args: unknown[]): Socket;
  createConnection(...args: unknown[]): Socket;
  Socket: new (options?: SocketOptions) => Socket;
  Server: new (
    options?: ServerOptions | ((socket: Socket) => void),
    listener?: (socket: Socket) => void,
  ) => Server;
  isIP: typeof isIP;
  isIPv4: typeof isIPv4;
  isIPv6: typeof isIPv6;
}

/**
 * Gives the interface of `node:net` on a context, which Node's event loop then drives: nobody else may turn it. The process lives on as
 * long as a server listens or a socket is open, unless they are unreferenced.
 * @throws Error with the sentence of `mtcp_last_error` when there is no context, because `mtcp_create_context` has failed
 */
export function createNet(context: MctxArgument): Net {
  // What mtcp_create_context gives when it fails: the reason is what helps.
  if (context === null || context === undefined) {
    throw new Error(`there is no context: ${mtcp_last_error()}`);
  }
  const mctx: Mctx = context;
  const connect = (...args: unknown[]): Socket => {
    const [first] = args;
    const options = typeof first === 'object' && first !== null ? (first as SocketOptions) : {};
    return new Socket(mctx, options).connect(...args);
  };
  return {
    createServer: (options, listener) => new Server(mctx, options, listener),
    connect,
    createConnection: connect,
    Socket: class extends Socket {
      constructor(options?: SocketOptions) {
        super(mctx, options);
      }
    },
    Server: class extends Server {
      constructor(options?: ServerOptions | ((socket: Socket) => void), listener?: (socket: Socket) => void) {
        super(mctx, options, listener);
      }
    },
    isIP,
    isIPv4,
    isIPv6,
  };
}
