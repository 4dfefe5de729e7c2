// The other cores of this host, as the stack sees them. A device spreads what it receives by a hash over addresses and ports, and not
// everything has those: ARP and ICMP errors arrive on some queue, and so may a segment while the device's table is changed. The
// stack tells here what it took for others; how it gets there is not its business.

import type { Endpoint } from './wire/address.js';

/** Receive flag: another core has handed this frame over, and it is not handed on again. */
export const RX_HANDED_OVER = 1 << 16;

export interface Siblings {
  /**
   * A segment for a connection that is not here. `isListening` tells that somebody listens on its port here.
   * @returns true when the connection is another core's, to which the frame has been copied or which could not take it
   */
  handOver(local: Endpoint, remote: Endpoint, isListening: boolean, offset: number, length: number): boolean;
  /**
   * An ICMP error that quotes a segment from `local`, one of our addresses, to `remote`, of no connection that is here. The device has
   * hashed the error, not the segment. `isListening` tells that somebody listens on the port here.
   * @returns true when the connection is another core's, to which the frame has been copied or which could not take it
   */
  passError(local: Endpoint, remote: Endpoint, isListening: boolean, offset: number, length: number): boolean;
  /**
   * Copies a frame that concerns everybody to all other cores, up to a limit per time. `isLink` tells that it is of the link itself:
   * what comes from afar must not use up the limit of what is needed to reach anybody.
   */
  share(isLink: boolean, offset: number, length: number): void;
}
