// Which addresses a stack may not have, whatever the network: those that stand for a whole network, for everybody or for nobody. An
// address that the kernel has is refused later, where the interface is read (src/nic/kernel-addresses.ts).

import { CHOOSE_ANOTHER } from '../nic/kernel-addresses.js';

const LOOPBACK = 127;
const FIRST_MULTICAST = 224;
const LAST_MULTICAST = 239;
/** Networks of this prefix and longer have no network and no broadcast address (RFC 3021). */
const POINT_TO_POINT = 31;

/** Says why an address of this prefix cannot be the stack's own, with the remedy; undefined when it can. */
export function addressFault({ address, prefix }: { address: string; prefix: number }): string | undefined {
  const kind = kindOf(numberOf(address), prefix);
  return kind === undefined ? undefined : `${address}/${prefix} is ${kind}; ${CHOOSE_ANOTHER}`;
}

function kindOf(address: number, prefix: number): string | undefined {
  const first = address >>> 24;
  if (address === 0) return 'the address of nobody';
  if (first === LOOPBACK) return 'a loopback address';
  if (first >= FIRST_MULTICAST && first <= LAST_MULTICAST) return 'a multicast address';
  if (address === 0xffffffff) return 'the broadcast address';
  if (prefix >= POINT_TO_POINT) return undefined;
  const hosts = 0xffffffff >>> prefix;
  if ((address & hosts) >>> 0 === 0) return 'the address of the network itself';
  if ((address & hosts) >>> 0 === hosts >>> 0) return 'the broadcast address of the network';
  return undefined;
}

/** The 32 bits of a dotted address, unsigned. */
export function numberOf(address: string): number {
  return address.split('.').reduce((value, part) => ((value << 8) | Number(part)) >>> 0, 0);
}
