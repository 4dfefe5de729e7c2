// Network namespaces: running a piece of set-up inside one. A socket, and everything opened through it, keeps
// the namespace in which it was made, so only the opening has to happen inside. Reference: setns(2),
// ip-netns(8).

import { closeSync, openSync } from 'node:fs';
import { CLONE_NEWNET, setns } from './syscalls.js';

/** Where `ip netns` keeps the namespaces that have a name. */
export const NETNS_DIRECTORY = '/var/run/netns';

/** The path of a namespace given by its name, or by a path that begins with a slash. */
export function netnsPath(name: string): string {
  if (name.startsWith('/')) return name;
  if (name === '' || name === '.' || name === '..' || name.includes('/') || name.includes('\0')) {
    throw new RangeError(`not the name of a network namespace: ${JSON.stringify(name)}`);
  }
  return `${NETNS_DIRECTORY}/${name}`;
}

/**
 * Calls `body` with the calling thread inside a network namespace and goes back, whatever happens. `body`
 * must be synchronous: a thread of libuv's pool or a worker started inside would stay there. With `name`
 * undefined it is just called.
 *
 * @throws SystemError or a Node system error when there is no such namespace or no privilege for it
 */
export function inNetns<T>(name: string | undefined, body: () => T): T {
  if (name === undefined) return body();
  const there = openSync(netnsPath(name), 'r');
  let home: number;
  try {
    home = openSync('/proc/thread-self/ns/net', 'r');
  } catch (error) {
    closeSync(there);
    throw error;
  }
  try {
    setns(there, CLONE_NEWNET);
    try {
      return body();
    } finally {
      setns(home, CLONE_NEWNET);
    }
  } finally {
    closeSync(there);
    closeSync(home);
  }
}
