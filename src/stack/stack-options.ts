// What a stack is told when it is made, and how addresses, routes and neighbours follow from it. Used by `stack.ts` alone.

import type { Stack } from './stack.js';
import { type Address, parseAddress, parseMac, parseV4 } from './wire/address.js';
import { macHigh, macLow } from './wire/ethernet.js';

/** How far received TCP checksums are believed; see docs/decisions. */
export type RxChecksumPolicy = 'auto' | 'trust' | 'verify';

export interface StackOptions {
  /** The stack's own addresses, with their prefix lengths in bits. */
  addresses: readonly { address: string; prefix: number }[];
  /** Next hop of everything that no prefix covers. */
  gateway?: string;
  /** Largest IP packet to send, in bytes; the Nic's own limit when it is not given or larger. */
  mtu?: number;
  /** MAC address; the Nic's when it is not given. */
  mac?: Uint8Array;
  /**
   * `verify` drops every segment whose checksum is wrong; `trust` looks at none; `auto` (the default) verifies, but takes a bare
   * pseudo-header sum where the Nic says that its peer may leave the rest out.
   */
  rxChecksum?: RxChecksumPolicy;
  /** Options by their sysctl names. */
  sysctl?: Readonly<Record<string, number | string>>;
  /** Permanent neighbours. */
  neighbours?: readonly { address: string; mac: string }[];
  /** Further routes: `prefix` in bits, over `gateway`, or directly where there is none. */
  routes?: readonly { address: string; prefix: number; gateway?: string }[];
}

/** Fills addresses, routes and neighbours from the options. */
export function configure(stack: Stack, options: StackOptions): void {
  if (options.addresses.length === 0) throw new RangeError("option 'addresses' names no address");
  for (const { address, prefix } of options.addresses) {
    const parsed = v4Option('addresses', address);
    if (!Number.isInteger(prefix) || prefix < 0 || prefix > 32) {
      throw new RangeError(`option 'addresses': prefix ${prefix} of ${address} is not 0 to 32`);
    }
    stack.addresses.add(parsed, prefix);
  }
  // Of several addresses on one prefix the first is the one that connections come from, as on Linux: the last route added wins.
  for (const { address, prefix } of [...options.addresses].reverse()) {
    const { w3 } = v4Option('addresses', address);
    stack.routes.add(w3, prefix, 0, w3);
  }
  const routes = [...(options.routes ?? [])];
  if (options.gateway !== undefined) routes.push({ address: '0.0.0.0', prefix: 0, gateway: options.gateway });
  for (const { address, prefix, gateway } of routes) {
    if (gateway === undefined) {
      stack.routes.add(v4Option('routes', address).w3, prefix, 0, stack.addresses.list()[0].w3);
      continue;
    }
    const hop = v4Option('gateway', gateway).w3;
    const isOnLink = stack.nic.capabilities.linkType === 'ip' || stack.routes.lookup(hop) >= 0;
    if (!isOnLink)
      throw new RangeError(`option 'gateway': ${gateway} is on no prefix of the stack's addresses`);
    stack.routes.add(v4Option('routes', address).w3, prefix, hop, stack.addresses.sourceFor(hop));
  }
  // A bare IP link has no neighbours and hence no prefixes: everything is reached through it.
  if (stack.nic.capabilities.linkType === 'ip' && options.gateway === undefined) {
    stack.routes.add(0, 0, 0, stack.addresses.list()[0].w3);
  }
  for (const { address, mac } of options.neighbours ?? []) {
    const bytes = parseMac(mac);
    if (bytes === undefined) throw new RangeError(`option 'neighbours': '${mac}' is not a MAC address`);
    const view = new DataView(bytes.buffer);
    stack.neighbours.setStatic(v4Option('neighbours', address).w3, macHigh(view, 0), macLow(view, 0));
  }
}

function v4Option(name: string, text: string): Address {
  const word = parseV4(text);
  if (word !== undefined) return parseAddress(text)!;
  const isV6 = parseAddress(text) !== undefined;
  throw new RangeError(
    `option '${name}': '${text}' is ${isV6 ? 'an IPv6 address; only IPv4 works' : 'not an IPv4 address'}`,
  );
}
