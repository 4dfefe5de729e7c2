// What works on an interface, but hardly as it was meant, one sentence each: for `mtcp_warnings`, and with it for the command line.

import type { InterfaceInfo } from '../nic/os/interface-info.js';
import { queuesCommand } from '../nic/remedies.js';
import type { MtcpOptions } from './options.js';
import { addressesOf, coresOf } from './options.js';
import { numberOf } from './own-address.js';

/** Looks at the interface that a context has got. */
export function interfaceWarnings(options: MtcpOptions, info: InterfaceInfo): string[] {
  return [...tooManyQueues(options, info), ...foreignAddresses(options, info)];
}

/** A frame that arrives on a queue without a context goes to the kernel, which knows nothing of the stack's address. */
function tooManyQueues(options: MtcpOptions, info: InterfaceInfo): string[] {
  const cores = coresOf(options);
  const { name, queues } = info;
  if (queues <= cores) return [];
  const command = queuesCommand(info, options.netns, cores);
  const served = cores === 1 ? 'the first does not reach one core' : `the first ${cores} does not reach them`;
  return [
    `${name} has ${queues} queues, and what comes from outside to others than ${served}: ` +
      `serve with --cores ${queues} (startCores in a program)${command === undefined ? '' : `, or \`${command}\``}`,
  ];
}

/** It may be that somebody routes there; mostly it is a slip. */
function foreignAddresses(options: MtcpOptions, info: InterfaceInfo): string[] {
  const networks = info.addresses.filter(({ family }) => family === 4);
  if (networks.length === 0) return [];
  const known = networks.map(({ address, prefix }) => `${address}/${prefix}`).join(', ');
  return addressesOf(options)
    .filter(({ address }) => !networks.some((network) => isWithin(address, network)))
    .map(
      ({ address }) =>
        `${address} is in no network that the kernel has on ${info.name} (${known}): ` +
        'others reach it only where a route leads here',
    );
}

function isWithin(address: string, network: { address: string; prefix: number }): boolean {
  const shift = 32 - network.prefix;
  // Not by shifts: they count modulo 32.
  return Math.floor(numberOf(address) / 2 ** shift) === Math.floor(numberOf(network.address) / 2 ** shift);
}
