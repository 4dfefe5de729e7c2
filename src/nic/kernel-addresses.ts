// An address that the kernel has must not become the stack's: the XDP program would take from the kernel all that comes for it, on
// that interface, and with that its servers, SSH among them.

import { NicError } from './nic-error.js';
import type { InterfaceInfo } from './os/interface-info.js';
import { ipBytes } from './os/ip-bytes.js';

/** What to do about an address that the stack cannot have. */
export const CHOOSE_ANOTHER = 'choose an address of the network that nobody has';

/**
 * Refuses addresses that an interface of the namespace has.
 * @throws NicError EADDRINUSE that names the address and the interface
 */
export function refuseKernelAddresses(addresses: readonly string[], info: InterfaceInfo): void {
  for (const own of addresses) {
    const key = keyOf(own);
    const holder = info.namespaceAddresses.find(({ address }) => keyOf(address) === key);
    if (holder === undefined) continue;
    const problem =
      `the kernel has the address ${own}, on ${holder.interface}, ` +
      'and its servers there, SSH for one, would be cut off';
    throw new NicError('EADDRINUSE', problem, CHOOSE_ANOTHER);
  }
}

function keyOf(address: string): string {
  return Buffer.from(ipBytes(address) ?? []).toString('hex');
}
