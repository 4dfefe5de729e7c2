// Names as hosts: looked up as `node:net` does, for a stack that has IPv4 only.

import { lookup as dnsLookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { EAFNOSUPPORT } from '../stack/errors.js';
import { codedError, systemError } from './system-error.js';

/** What becomes of a look-up; `family` is that of the address. */
export type Found = (error: Error | null, address: string, family: number | undefined) => void;

/** How to look up: by whom, and the flags of `dns.lookup`. */
export interface LookupOptions {
  lookup?: LookupFunction;
  hints?: number;
}

/**
 * Looks a host up and tells `found`, which a function of the caller's may do at once and `node:dns` does later, for an address as well.
 * A host that has addresses of IPv6 only is not found.
 */
export function lookUp(host: string, { lookup = dnsLookup, hints = 0 }: LookupOptions, found: Found): void {
  lookup(host, { family: 4, hints }, (error, address, family) => {
    // A function of the caller's may hand out a list, whatever it was asked for.
    if (typeof address === 'string' || error !== null) found(error, address as string, family);
    else found(null, address[0]?.address ?? '', address[0]?.family);
  });
}

/** Says why `address` is none that the stack can use for `syscall`; undefined when it can. */
export function unusable(address: string, syscall: string, port: number): Error | undefined {
  const version = isIP(address);
  if (version === 4) return undefined;
  if (version === 6) return systemError(EAFNOSUPPORT, syscall, address, port);
  return codedError('ERR_INVALID_IP_ADDRESS', `Invalid IP address: ${address}`, TypeError);
}
