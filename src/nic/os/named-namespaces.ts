// Network namespaces with a name, kept as `ip netns` keeps them: a file under /var/run/netns onto which the namespace is
// mounted. Made and removed here without the `ip` program, which can use them all the same (ip-netns(8)).

import { closeSync, mkdirSync, openSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { NETNS_DIRECTORY, netnsPath } from './netns.js';
import { CLONE_NEWNET, mount, SystemError, setns, umount, unshare } from './syscalls.js';

const MS_BIND = 0x1000;
const MS_REC = 0x4000;
const MS_SHARED = 1 << 20;
const MNT_DETACH = 2;

/** True after this process has made NETNS_DIRECTORY a mount point. */
let folderIsOurs = false;

/** Names of all namespaces, sorted. */
export function listNamespaces(): string[] {
  try {
    return readdirSync(NETNS_DIRECTORY).sort();
  } catch {
    return [];
  }
}

/** Runs `work` with the calling thread inside a new namespace. */
function inNewNamespace(work: () => void): void {
  const home = openSync('/proc/thread-self/ns/net', 'r');
  try {
    unshare(CLONE_NEWNET);
    try {
      work();
    } finally {
      setns(home, CLONE_NEWNET);
    }
  } finally {
    closeSync(home);
  }
}

/** Makes an empty namespace with a name. Undoes itself when it fails; throws when the name is taken (EEXIST). */
export function createNamespace(name: string): void {
  prepareFolder();
  const path = netnsPath(name);
  closeSync(openSync(path, 'wx', 0));
  try {
    inNewNamespace(() => mount('/proc/thread-self/ns/net', path, 'none', MS_BIND, null));
  } catch (error) {
    unlinkSync(path);
    throw error;
  }
}

/** Removes a namespace's name; the namespace itself goes with the last process in it. Returns false when there is none. */
export function removeNamespace(name: string): boolean {
  const path = netnsPath(name);
  try {
    // More than once when NETNS_DIRECTORY was mounted onto itself after the namespace was made.
    for (let i = 0; i < 8; i++) umount(path, MNT_DETACH);
  } catch (error) {
    // EINVAL: no mount point (any more); ENOENT: no such name.
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'EINVAL' && code !== 'ENOENT') throw error;
  }
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
  return true;
}

/** Removes the folder again when this process made it and nothing is in it; for programs that leave no trace. */
export function tidyFolder(): void {
  if (!folderIsOurs) return;
  try {
    if (readdirSync(NETNS_DIRECTORY).length > 0) return;
    umount(NETNS_DIRECTORY);
    folderIsOurs = false;
    rmdirSync(NETNS_DIRECTORY);
  } catch {
    // Somebody else uses it by now: it is theirs.
  }
}

/**
 * Makes NETNS_DIRECTORY a shared mount as `ip netns add` does, so that mounting and unmounting a namespace reaches other
 * mount namespaces too. It has to become a mount point first.
 */
function prepareFolder(): void {
  mkdirSync(NETNS_DIRECTORY, { recursive: true, mode: 0o755 });
  try {
    mount('', NETNS_DIRECTORY, 'none', MS_SHARED | MS_REC, null);
  } catch (error) {
    if (!(error instanceof SystemError) || error.code !== 'EINVAL') throw error;
    mount(NETNS_DIRECTORY, NETNS_DIRECTORY, 'none', MS_BIND | MS_REC, null);
    folderIsOurs = true;
    mount('', NETNS_DIRECTORY, 'none', MS_SHARED | MS_REC, null);
  }
}
