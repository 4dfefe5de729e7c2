// Where outgoing connections come from when there are several cores or source addresses: mtcp_init_rss, and mTCP's prediction
// GetRSSCPUCore. Which tuples belong to a core is the stack's knowledge (`ownsTuple`); here is the pool of source addresses.

import { mtcpRssQueue } from '../nic/rss-mtcp.js';
import { EACCES, EADDRNOTAVAIL, EINVAL, EPERM } from '../stack/errors.js';
import type { Tcb } from '../stack/tcp/tcb.js';
import { Address, Endpoint, parseV4 } from '../stack/wire/address.js';
import { Context } from './context.js';
import { fail } from './errno.js';
import type { MctxArgument } from './guard.js';
import type { Socket } from './sockets.js';

/** Source addresses for one destination, taken in turn. */
export interface SourcePool {
  readonly words: Int32Array;
  next: number;
}

/** Most consecutive source addresses of one pool. */
const MAX_SOURCES = 65_536;
const address = new Address();
const source = new Endpoint();

const keyOf = (word: number, port: number): number => (word >>> 0) * 65_536 + port;

/**
 * Prepares connections of this core to one destination: `mtcp_connect` of an unbound socket takes its source address from
 * `num_addr` consecutive ones in turn, and with each a port whose replies arrive on this core. Optional: without it the address
 * is that of the route, and the port is chosen in the same way. Calling it again replaces the pool of that destination.
 * @param saddr_base first source address; INADDR_ANY for the one of the route (and `num_addr` is then 1)
 * @param num_addr how many addresses, each of which must be one of this host's
 * @param daddr destination address
 * @param dport destination port, in host order
 * @returns 0, or -1 with errno EACCES (no context), EPERM (context destroyed), EINVAL (a malformed address or port, no route to
 *   the destination, a number below 1 or above 65,536, or a source address that is not one of this host's).
 * Source: mtcp_init_rss(3).
 */
export function mtcp_init_rss(
  mctx: MctxArgument,
  saddr_base: string,
  num_addr: number,
  daddr: string,
  dport: number,
): 0 | -1 {
  if (!(mctx instanceof Context)) return fail(EACCES);
  if (mctx.destroyed) return fail(EPERM);
  const base = typeof saddr_base === 'string' ? parseV4(saddr_base) : undefined;
  const to = typeof daddr === 'string' ? parseV4(daddr) : undefined;
  if (base === undefined || to === undefined) return fail(EINVAL);
  if (!Number.isInteger(dport) || dport < 1 || dport > 0xffff) return fail(EINVAL);
  if (!Number.isInteger(num_addr) || num_addr < 1 || num_addr > MAX_SOURCES) return fail(EINVAL);
  const { ip } = mctx.stack.tcp.core;
  if (ip.route(address.setV4(to)) < 0) return fail(EINVAL);
  const isAny = base === 0;
  const words = new Int32Array(isAny ? 1 : num_addr);
  for (let i = 0; i < words.length; i++) {
    words[i] = isAny ? ip.source : (base + i) | 0;
    if (!mctx.isOwnAddress(address.setV4(words[i]))) return fail(EINVAL);
  }
  mctx.sourcePools.set(keyOf(to, dport), { words, next: 0 });
  return 0;
}

/** Opens a connection of a socket, from the pool of its destination if it is not bound and there is one. */
export function openFrom(core: Context, socket: Socket): Tcb | number {
  const { remote, sourcePools, stack } = core;
  const { local, id, tuning } = socket;
  const isFree = local.isUnspecified && local.port === 0 && sourcePools.size > 0;
  const pool = isFree ? sourcePools.get(keyOf(remote.w3, remote.port)) : undefined;
  if (pool === undefined) return stack.tcp.connect(local, remote, id, tuning);
  const { words } = pool;
  let result: Tcb | number = -EADDRNOTAVAIL;
  // An address without a port left is passed over.
  for (let i = 0; i < words.length && result === -EADDRNOTAVAIL; i++) {
    source.setV4(words[pool.next]);
    source.port = 0;
    pool.next = (pool.next + 1) % words.length;
    result = stack.tcp.connect(source, remote, id, tuning);
  }
  return result;
}

/**
 * Predicts, as mTCP does, the core on which packets from `sip:sp` to `dip:dp` arrive: by mTCP's own key (all bytes 0x05), which
 * devices here do not have unless they were given it, and a table filled in turn. For programs that use mTCP's prediction.
 * @param sip source address, as text or as a number in network order; `dip` likewise
 * @param sp source port; `dp` likewise
 * @param num_queues queues of the device
 * @param endian_check 1 for an i40e, 0 for an ixgbe or mlx (the default)
 * @returns the queue, or -1 with errno EINVAL (an address, a port or the number of queues is none).
 */
export function GetRSSCPUCore(
  sip: string | number,
  dip: string | number,
  sp: number,
  dp: number,
  num_queues: number,
  endian_check = 0,
): number {
  const from = wordOf(sip);
  const to = wordOf(dip);
  const isPort = (port: number): boolean => Number.isInteger(port) && port >= 0 && port <= 0xffff;
  if (from === undefined || to === undefined || !isPort(sp) || !isPort(dp)) return fail(EINVAL);
  if (!Number.isInteger(num_queues) || num_queues < 1) return fail(EINVAL);
  return mtcpRssQueue(from, to, sp, dp, num_queues, endian_check === 1 ? 1 : 0);
}

function wordOf(value: unknown): number | undefined {
  if (typeof value === 'string') return parseV4(value);
  return Number.isInteger(value) ? (value as number) | 0 : undefined;
}
