// What `mtcp doctor` says of an interface. Loaded only where the C library can be called: the rest of the doctor must run without.

import type { InterfaceInfo } from '../nic/os/interface-info.js';
import type { XdpHolder } from '../nic/os/xdp-holder.js';
import { commandIn, detachRemedy, queuesCommand } from '../nic/remedies.js';
import { type Check, fail, ok, warn } from './doctor-check.js';

/** The largest MTU with which a frame fits into one buffer of 4096 bytes. */
const SINGLE_BUFFER_MTU = 3498;

/** Says what is well and what is not with an interface. */
export function judgeInterface(info: InterfaceInfo, netns?: string, holder?: XdpHolder): Check[] {
  const { name, up, mtu, queues, maxQueues, xdp } = info;
  const label = (what: string): string => `${name} ${what}`;
  const fewer = queuesCommand(info, netns, 1);
  const addresses = info.addresses.filter(({ family }) => family === 4);
  return [
    up
      ? ok(label('link'), 'up')
      : fail(label('link'), 'down', `bring it up: ${commandIn(netns, `ip link set ${name} up`)}`),
    info.driver === ''
      ? warn(label('driver'), 'unknown', 'it may lack native XDP; --xdp-mode skb works with any')
      : ok(label('driver'), info.driver),
    mtu <= SINGLE_BUFFER_MTU
      ? ok(label('mtu'), String(mtu))
      : warn(
          label('mtu'),
          String(mtu),
          `frames take several buffers; ${SINGLE_BUFFER_MTU} or less is faster`,
        ),
    ok(label('queues'), queues === maxQueues ? String(queues) : `${queues} of ${maxQueues}`),
    queues > 1
      ? warn(
          label('rss'),
          `traffic is spread over ${queues} queues`,
          `serve with --cores ${queues}${fewer === undefined ? '' : `, or for one core: ${fewer}`}`,
        )
      : ok(label('rss'), 'all traffic is on one queue'),
    xdp === 'none'
      ? ok(label('xdp'), 'free')
      : fail(label('xdp'), `a program is attached (${xdp})`, detachRemedy(name, netns, holder)),
    ok(
      label('address'),
      addresses.map(({ address, prefix }) => `${address}/${prefix}`).join(' ') || 'none of IPv4',
    ),
  ];
}
