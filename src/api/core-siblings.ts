// What one core hands to the others and takes from them. The owner of a connection is known without asking: by the device's own hash
// where it tells it, and otherwise by the local port, of which each core opens only those that leave its number when divided by
// the number of cores.

import { Mailboxes } from '../nic/mailbox.js';
import { Rss } from '../nic/rss.js';
import { wakeNic } from '../nic/xdp-nic.js';
import { RX_HANDED_OVER, type Siblings } from '../stack/siblings.js';
import type { Endpoint } from '../stack/wire/address.js';
import type { Context } from './context.js';

/** Frames taken from the mailbox in one turn. */
const BATCH = 64;

/** What the cores of a host share. */
export interface SharedByCores {
  readonly cores: number;
  readonly mailboxes: SharedArrayBuffer;
  /** Bytes of the longest frame that a mailbox takes. */
  readonly frameBytes: number;
}

export class CoreSiblings implements Siblings {
  readonly #context: Context;
  readonly #cores: number;
  readonly #mailboxes: Mailboxes;
  readonly #rss: Rss | undefined;
  readonly #onClose: () => void;

  /** Opens the mailbox of a context, whose Nic is woken by `wakeFd`. `onClose` is called when it closes. */
  constructor(context: Context, shared: SharedByCores, wakeFd: number, onClose: () => void) {
    this.#context = context;
    this.#cores = shared.cores;
    this.#mailboxes = new Mailboxes(shared.mailboxes, shared.frameBytes, context.cpu);
    this.#rss = Rss.of(context.nic.capabilities.rss);
    this.#onClose = onClose;
    this.#mailboxes.open(wakeFd);
  }

  /** The core whose connection it is: where the device says that it arrives, or by the port. */
  ownerOf(local: Endpoint, remote: Endpoint): number {
    const queue = this.#rss?.queueOf(local, remote) ?? -1;
    return queue >= 0 ? queue : local.port % this.#cores;
  }

  handOver(local: Endpoint, remote: Endpoint, isListening: boolean, offset: number, length: number): boolean {
    // Where nothing is told, a connection that was accepted is where its first segment came.
    if (this.#rss === undefined && isListening) return false;
    const owner = this.ownerOf(local, remote);
    if (owner === this.#context.cpu || owner >= this.#cores) return false;
    this.#put(owner, offset, length);
    return true;
  }

  share(offset: number, length: number): void {
    for (let core = 0; core < this.#cores; core++) {
      if (core !== this.#context.cpu) this.#put(core, offset, length);
    }
  }

  /** Takes what the others have handed over. Returns whether there was anything. */
  drain(): boolean {
    const { nic, stack } = this.#context;
    const mailboxes = this.#mailboxes;
    let taken = 0;
    for (let length = mailboxes.peek(); length >= 0 && taken < BATCH; length = mailboxes.peek()) {
      const frame = nic.reserve();
      if (frame < 0) break;
      mailboxes.take(nic.memory, frame);
      stack.counters.CoreInFrames++;
      stack.input(frame, length, RX_HANDED_OVER);
      taken++;
    }
    return taken > 0;
  }

  /** Closes the mailbox: the others keep what they have for this core. */
  close(): void {
    this.#mailboxes.open(-1);
    this.#onClose();
  }

  #put(core: number, offset: number, length: number): void {
    const { nic, stack } = this.#context;
    const wakeFd = this.#mailboxes.put(core, nic.memory, offset, length);
    if (wakeFd < 0) {
      stack.counters.CoreOutDrops++;
      return;
    }
    stack.counters.CoreOutFrames++;
    wakeNic(wakeFd);
  }
}
