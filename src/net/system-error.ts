// Errors as Node's own sockets give them: `connect ECONNREFUSED 10.0.0.2:80` with code, errno, syscall, address and port.

import { getSystemErrorMap } from 'node:util';
import { errnoName } from '../api/index.js';

/** An error of a call of the stack, with the fields of Node's errors. */
export interface SystemError extends Error {
  code: string;
  /** Negative, as in Node. */
  errno: number;
  syscall: string;
  address?: string;
  port?: number;
}

/** Makes the error of a call that has failed with `number`. */
export function systemError(number: number, syscall: string, address?: string, port?: number): SystemError {
  const code = errnoName(number);
  const where = address === undefined ? '' : ` ${address}${port === undefined ? '' : `:${port}`}`;
  const error = new Error(`${syscall} ${code}${where}`) as SystemError;
  error.code = code;
  error.errno = -number;
  error.syscall = syscall;
  if (address !== undefined) error.address = address;
  if (port !== undefined) error.port = port;
  return error;
}

/** As `systemError`, for `listen`, where Node's message has a sentence as well: `listen EADDRINUSE: address already in use …`. */
export function listenError(number: number, address: string, port: number): SystemError {
  const error = systemError(number, 'listen', address, port);
  const sentence = getSystemErrorMap().get(-number)?.[1] ?? 'unknown error';
  error.message = `listen ${error.code}: ${sentence} ${address}:${port}`;
  return error;
}

/** An error that Node gives with a code of its own, such as ERR_SOCKET_CLOSED. */
export function codedError(
  code: string,
  message: string,
  Kind: ErrorConstructor = Error,
): NodeJS.ErrnoException {
  const error = new Kind(message) as NodeJS.ErrnoException;
  error.code = code;
  return error;
}

/** What a write is told whose socket was destroyed before there was a connection. */
export function closedEarly(): Error {
  const message = 'Socket closed before the connection was established';
  return codedError('ERR_SOCKET_CLOSED_BEFORE_CONNECTION', message);
}
