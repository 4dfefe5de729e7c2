// From what a user types to an IPv4 address: literally, or through the system's resolver. The stack itself asks no DNS.

import { lookup } from 'node:dns/promises';
import { parseV4 } from '../../stack/wire/address.js';
import { CliError, usageError } from '../failure.js';

/** Resolves a host to an IPv4 address in dotted form. Throws CliError. */
export async function resolveHost(host: string): Promise<string> {
  if (parseV4(host) !== undefined) return host;
  if (host.includes(':')) throw usageError(`${host} is an IPv6 address; the stack speaks IPv4 for now`);
  // Digits and dots alone are an address that is none; a resolver would guess at it.
  if (/^[\d.]+$/.test(host)) throw usageError(`${host} is not an IPv4 address`);
  try {
    return (await lookup(host, { family: 4 })).address;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new CliError(
      `${host} has no IPv4 address that the system's resolver can find (${code}): use a number`,
    );
  }
}

/** Reads a port. Throws CliError. */
export function readPort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw usageError(`"${text}" is not a port (1 to 65535)`);
  return port;
}
