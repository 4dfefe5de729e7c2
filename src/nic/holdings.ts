// What an AF_XDP socket holds beyond the thread that opened it: a worker that is killed leaves its descriptors and its mapped memory to
// the process, and as long as the rings are mapped the kernel keeps the queue. Plain data, so that the worker can tell it to whoever
// is to clean up.

import { readlinkSync } from 'node:fs';
import { close, unmap } from './os/syscalls.js';
import type { XdpSocket } from './xdp-socket.js';

/** Descriptor and memory of a socket. */
export interface Holdings {
  readonly fd: number;
  /** What the descriptor stands for. The number alone may soon be another's. */
  readonly identity: string;
  readonly mappings: readonly { readonly address: number; readonly length: number }[];
}

export function holdingsOf({ fd, mappings }: Pick<XdpSocket, 'fd' | 'mappings'>): Holdings {
  return {
    fd,
    identity: identityOf(fd),
    mappings: mappings.map(({ address, buffer }) => ({ address, length: buffer.length })),
  };
}

/** Tells whether a thread that does not run any more has left its socket open. */
export function isLeft({ fd, identity }: Holdings): boolean {
  return identity !== '' && identityOf(fd) === identity;
}

/** Closes a socket that was left. */
export function closeLeft({ fd }: Holdings): void {
  close(fd);
}

/** Unmaps what a thread has mapped that does not run any more, by address. */
export function unmapLeft(mappings: ReadonlyMap<number, number>): void {
  for (const [address, length] of mappings) unmap(address, length);
}

/** Tells sockets apart by their inodes; empty where that cannot be known. */
function identityOf(fd: number): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return '';
  }
}
