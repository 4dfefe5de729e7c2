// The forms in which Node's calls take their arguments: `connect(port, host, callback)`, `connect({ port, host }, callback)`,
// `listen(port, host, backlog, callback)`.

import type { LookupFunction } from 'node:net';
import { codedError } from './system-error.js';

/** What `connect` takes. */
export interface ConnectOptions {
  port: number;
  host?: string;
  localAddress?: string;
  localPort?: number;
  lookup?: LookupFunction;
  noDelay?: boolean;
  keepAlive?: boolean;
  keepAliveInitialDelay?: number;
  timeout?: number;
}

/** What `listen` takes. */
export interface ListenOptions {
  port?: number;
  host?: string;
  backlog?: number;
  reusePort?: boolean;
  signal?: AbortSignal;
}

type Callback = () => void;

/** Sorts the arguments of `connect`. @throws RangeError, TypeError as Node does */
export function connectArguments(args: readonly unknown[]): [ConnectOptions, Callback | undefined] {
  const callback = lastCallback(args);
  const [first, second] = args;
  const options =
    typeof first === 'object' && first !== null
      ? ({ ...first } as ConnectOptions & { path?: string })
      : { port: first as number, ...(typeof second === 'string' ? { host: second } : {}) };
  if ('path' in options && options.path !== undefined && options.port === undefined) {
    throw codedError('ERR_INVALID_ARG_VALUE', 'this stack has no local sockets (option "path")', TypeError);
  }
  return [{ ...options, port: checkPort(options.port, false) }, callback];
}

/** Sorts the arguments of `listen`. @throws RangeError, TypeError as Node does */
export function listenArguments(args: readonly unknown[]): [ListenOptions, Callback | undefined] {
  const callback = lastCallback(args);
  const [first] = args;
  if (typeof first === 'object' && first !== null) {
    const options = { ...first } as ListenOptions & { path?: string };
    if (options.path !== undefined) {
      throw codedError('ERR_INVALID_ARG_VALUE', 'this stack has no local sockets (option "path")', TypeError);
    }
    return [{ ...options, port: checkPort(options.port ?? 0, true) }, callback];
  }
  const host = args.find((value, i) => i > 0 && typeof value === 'string') as string | undefined;
  const backlog = args.find((value, i) => i > 0 && typeof value === 'number') as number | undefined;
  const port = typeof first === 'function' ? undefined : first;
  return [
    {
      port: checkPort(port ?? 0, true),
      ...(host === undefined ? {} : { host }),
      ...(backlog === undefined ? {} : { backlog }),
    },
    callback,
  ];
}

function lastCallback(args: readonly unknown[]): Callback | undefined {
  const last = args.at(-1);
  return typeof last === 'function' ? (last as Callback) : undefined;
}

function checkPort(value: unknown, mayBeAny: boolean): number {
  const port = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof port === 'number' && Number.isInteger(port) && port >= 0 && port <= 0xffff) return port;
  if (value === undefined && !mayBeAny) {
    throw codedError('ERR_MISSING_ARGS', 'The "options" or "port" argument must be specified', TypeError);
  }
  const message = `options.port should be >= 0 and < 65536. Received ${String(value)}.`;
  throw codedError('ERR_SOCKET_BAD_PORT', message, RangeError);
}
