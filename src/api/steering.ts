// Which tuples a core may open: those whose replies the device delivers to this core's queue, by its own key, table and hash
// fields. Where the device does not tell, cores that share a host divide the ports, and a core alone takes every tuple.

import { Rss } from '../nic/rss.js';
import type { Context } from './context.js';

/** Makes the context's active opens choose tuples of its own queue, and refuse bound ones of another. */
export function steer(context: Context): void {
  const { siblings, cpu } = context;
  if (siblings !== undefined) {
    context.stack.tcp.ownsTuple = (local, remote) => siblings.ownerOf(local, remote) === cpu;
    return;
  }
  const { queue, rss: description } = context.nic.capabilities;
  const rss = Rss.of(description);
  if (rss === undefined || queue === undefined) return;
  context.stack.tcp.ownsTuple = (local, remote) => {
    const found = rss.queueOf(local, remote);
    return found < 0 || found === queue;
  };
}
