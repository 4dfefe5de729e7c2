// The forms in which Node's calls take their arguments: `connect(port, host, callback)`, `connect({ port, host }, callback)`,
// `listen(port, host, backlog, callback)`.

import { isIP, type LookupFunction } from 'node:net';
import { codedError } from './system-error.js';

/** What `connect` takes. */
export interface ConnectOptions {
  port: number;
  host?: string;
  localAddress?: string;
  localPort?: number;
  lookup?: LookupFunction;
  /** Flags for `dns.lookup`. */
  hints?: number;
  /** 6 cannot be. */
  family?: number;
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
  const [first, second] = args;
  const options: Record<string, unknown> =
    typeof first === 'object' && first !== null ? { ...first } : { port: first, host: second };
  if (options.path != null || isPath(first)) throw noPaths();
  const { port, host, localAddress, localPort, lookup } = options;
  if (port === undefined) {
    throw codedError(
      'ERR_MISSING_ARGS',
      'The "options" or "port" or "path" argument must be specified',
      TypeError,
    );
  }
  if (typeof port !== 'number' && typeof port !== 'string') throw notOf('options.port', 'number or string');
  if (localAddress && isIP(String(localAddress)) === 0) {
    throw codedError('ERR_INVALID_IP_ADDRESS', `Invalid IP address: ${localAddress}`, TypeError);
  }
  if (localPort && typeof localPort !== 'number') throw notOf('options.localPort', 'number');
  if (lookup != null && typeof lookup !== 'function') throw notOf('options.lookup', 'function');
  const { host: _host, ...others } = options;
  const hosts = typeof host === 'string' && host !== '' ? { host } : {};
  return [{ ...others, ...hosts, port: checkPort(port) }, lastCallback(args)];
}

/** Sorts the arguments of `listen`. @throws RangeError, TypeError as Node does */
export function listenArguments(args: readonly unknown[]): [ListenOptions, Callback | undefined] {
  const callback = lastCallback(args);
  const [first, ...others] = args;
  if (typeof first === 'object' && first !== null) {
    const { host, ...options } = { ...first } as ListenOptions & { path?: unknown };
    if (options.path != null) throw noPaths();
    if (!('port' in options)) {
      const message = 'The argument \'options\' must have the property "port"';
      throw codedError('ERR_INVALID_ARG_VALUE', message, TypeError);
    }
    return [{ ...options, ...(host ? { host } : {}), port: checkPort(options.port ?? 0) }, callback];
  }
  if (isPath(first)) throw noPaths();
  const host = others.find((value) => typeof value === 'string' && value !== '') as string | undefined;
  const backlog = others.find((value) => typeof value === 'number') as number | undefined;
  const port = typeof first === 'function' ? 0 : (first ?? 0);
  if (typeof port !== 'number' && typeof port !== 'string') {
    throw codedError(
      'ERR_INVALID_ARG_VALUE',
      `The argument 'options' is invalid. Received ${port}`,
      TypeError,
    );
  }
  return [
    {
      port: checkPort(port),
      ...(host === undefined ? {} : { host }),
      ...(backlog === undefined ? {} : { backlog }),
    },
    callback,
  ];
}

/** The longest time of Node's timers, in ms; a longer one they take for 1. */
const MAX_TIME = 2 ** 31 - 1;

/** Checks a time in ms. @returns what to tell a timer @throws RangeError, TypeError as Node does */
export function timerTime(value: unknown): number {
  if (typeof value !== 'number') throw notOf('msecs', 'number', 'argument');
  if (!(value >= 0 && Number.isFinite(value))) {
    const message = `The value of "msecs" is out of range. It must be a non-negative finite number. Received ${value}`;
    throw codedError('ERR_OUT_OF_RANGE', message, RangeError);
  }
  if (value <= MAX_TIME) return value;
  const warning = `${value} does not fit into a 32-bit signed integer.\nTimer duration was truncated to ${MAX_TIME}.`;
  process.emitWarning(warning, 'TimeoutOverflowWarning');
  return MAX_TIME;
}

/** Says that an option of Node's is not there. */
export function unsupported(option: string): Error {
  return codedError(
    'ERR_INVALID_ARG_VALUE',
    `The property 'options.${option}' is not supported by this stack`,
    TypeError,
  );
}

function noPaths(): Error {
  return codedError('ERR_INVALID_ARG_VALUE', 'this stack has no local sockets (option "path")', TypeError);
}

function notOf(name: string, type: string, kind = 'property'): Error {
  return codedError('ERR_INVALID_ARG_TYPE', `The "${name}" ${kind} must be of type ${type}`, TypeError);
}

/** Node takes a string that is no number for the path of a local socket. */
function isPath(value: unknown): boolean {
  return typeof value === 'string' && !(Number(value) >= 0);
}

function lastCallback(args: readonly unknown[]): Callback | undefined {
  const last = args.at(-1);
  return typeof last === 'function' ? (last as Callback) : undefined;
}

function checkPort(value: unknown): number {
  const port = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof port === 'number' && Number.isInteger(port) && port >= 0 && port <= 0xffff) return port;
  const message = `options.port should be >= 0 and < 65536. Received ${String(value)}.`;
  throw codedError('ERR_SOCKET_BAD_PORT', message, RangeError);
}
