// What an AF_XDP socket holds beyond the thread that opened it: a worker that is killed leaves its descriptors and its mapped memory to
// the process, and as long as the rings are mapped the kernel keeps the queue. Plain data, so that the worker can tell it to whoever
// is to clean up.

import { close, unmap } from './os/syscalls.js';
import type { XdpSocket } from './xdp-socket.js';

/** Descriptor and memory of a socket. */
export interface Holdings {
  readonly fd: number;
  readonly mappings: readonly { readonly address: number; readonly length: number }[];
}

export function holdingsOf({ fd, mappings }: XdpSocket): Holdings {
  return { fd, mappings: mappings.map(({ address, buffer }) => ({ address, length: buffer.length })) };
}

/** Gives back what a thread has left behind that does not run any more. Its queue passes to the kernel. */
export function releaseHoldings({ fd, mappings }: Holdings): void {
  close(fd);
  for (const { address, length } of mappings) unmap(address, length);
}
