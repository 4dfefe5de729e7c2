// Nics that are open, so that none outlives its thread.

interface Closable {
  close(): void;
}

/**
 * Nics of this thread that are open. A worker that ends leaves its descriptors to the process, so it must
 * close them.
 */
const openNics = new Set<Closable>();
let watchingExit = false;

/**
 * Sees to it that a Nic is closed when its thread ends. (When the process ends, the kernel closes everything
 * itself.)
 */
export function closeAtExit(nic: Closable): void {
  openNics.add(nic);
  if (watchingExit) return;
  watchingExit = true;
  process.once('exit', () => {
    for (const open of openNics) open.close();
  });
}

/** Forgets a Nic that has been closed. */
export function forgetNic(nic: Closable): void {
  openNics.delete(nic);
}
