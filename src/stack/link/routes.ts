// The routing table: longest-prefix match over a handful of routes, which a sorted array does faster than a trie. IPv4 now; a
// Route holds Addresses, so that the IPv6 table is a second array beside the first. RFC 1122 3.3.1, RFC 4632.

import { Address, formatAddress } from '../wire/address.js';

/** One route. */
export class Route {
  readonly prefix: Address = new Address();
  /** The prefix length as a mask over `prefix.w3`. */
  mask = 0;
  /** Prefix length in bits. */
  length = 0;
  /** The unspecified address when the destinations are on the link. */
  readonly gateway: Address = new Address();
  /** The address that our packets bear when nothing else was bound. */
  readonly source: Address = new Address();
  /** Largest packet over this route in bytes; 0 = the Nic's. */
  mtu = 0;
}

/** One route as `entries` reports it. */
export interface RouteInfo {
  prefix: string;
  gateway: string | undefined;
  source: string;
  mtu: number | undefined;
}

/** The table. Words are IPv4 addresses in network order, signed. An index is good until the table changes. */
export class Routes {
  // Longest prefix first.
  readonly #routes: Route[] = [];

  /** Number of routes. */
  get size(): number {
    return this.#routes.length;
  }

  /**
   * Adds a route, or replaces that of the same prefix. Bits of `prefix` beyond `length` are ignored. `gateway` 0 = on the link;
   * `mtu` 0 = the Nic's. Throws a RangeError when `length` is not 0 to 32.
   */
  add(prefix: number, length: number, gateway: number, source: number, mtu = 0): void {
    if (!Number.isInteger(length) || length < 0 || length > 32) {
      throw new RangeError(`a prefix length is 0 to 32, not ${length}`);
    }
    this.remove(prefix, length);
    // alloc: set-up, not the data path
    const route = new Route();
    route.mask = maskOf(length);
    route.length = length;
    route.prefix.setV4(prefix & route.mask);
    route.gateway.setV4(gateway);
    route.source.setV4(source);
    route.mtu = mtu;
    let at = 0;
    while (at < this.#routes.length && this.#routes[at].length >= length) at++;
    this.#routes.splice(at, 0, route);
  }

  /** Removes the route of exactly this prefix; false when there is none. */
  remove(prefix: number, length: number): boolean {
    const word = prefix & maskOf(length);
    const at = this.#routes.findIndex((route) => route.length === length && route.prefix.w3 === word);
    if (at >= 0) this.#routes.splice(at, 1);
    return at >= 0;
  }

  /** Finds the route with the longest prefix that covers `dst`: its index, or -1. */
  lookup(dst: number): number {
    for (let i = 0; i < this.#routes.length; i++) {
      const route = this.#routes[i];
      if ((dst & route.mask) === route.prefix.w3) return i;
    }
    return -1;
  }

  /** Returns the neighbour to hand a packet for `dst` to: the gateway, or `dst` itself on the link. */
  nextHop(index: number, dst: number): number {
    const gateway = this.#routes[index].gateway.w3;
    return gateway === 0 ? dst : gateway;
  }

  /** Returns the preferred source address of a route. */
  source(index: number): number {
    return this.#routes[index].source.w3;
  }

  /** Returns the route's own MTU, or 0 when the Nic's holds. */
  mtu(index: number): number {
    return this.#routes[index].mtu;
  }

  /** True when `dst` is reached without a gateway. */
  onLink(index: number): boolean {
    return this.#routes[index].gateway.w3 === 0;
  }

  /** Lists the table, longest prefix first. */
  entries(): RouteInfo[] {
    return this.#routes.map((route) => ({
      prefix: `${formatAddress(route.prefix)}/${route.length}`,
      gateway: route.gateway.isUnspecified ? undefined : formatAddress(route.gateway),
      source: formatAddress(route.source),
      mtu: route.mtu === 0 ? undefined : route.mtu,
    }));
  }
}

function maskOf(length: number): number {
  // A shift by 32 would be one by 0.
  return length === 0 ? 0 : -1 << (32 - length);
}
