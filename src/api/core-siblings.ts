// What one core hands to the others and takes from them. The owner of a connection is known without asking: by the device's own hash
// where it tells it, and otherwise by the local port, of which each core opens only those that leave its number when divided by
// the number of cores.

import { Mailboxes, REFUSED } from '../nic/mailbox.js';
import { Rss } from '../nic/rss.js';
import { wakeNic } from '../nic/xdp-waiter.js';
import { RX_HANDED_OVER, type Siblings } from '../stack/siblings.js';
import type { Endpoint } from '../stack/wire/address.js';
import { ETHERNET_HEADER } from '../stack/wire/ethernet.js';
import type { Context } from './context.js';

/** Frames taken from the mailbox in one turn. */
const BATCH = 64;
/**
 * Frames for everybody that are passed on in one millisecond, of the link and of others each. Every one costs a copy per core, so that
 * a flood of them on one queue would otherwise be one on every core; those that matter are few, and are sent again.
 */
const SHARES_PER_MS = 32;

/** Counts what is done within a millisecond of the stack's time, up to a limit. */
class Limit {
  #ms = -1;
  #count = 0;

  /** Tells whether once more is within the limit. */
  allows(nowUs: number): boolean {
    const ms = Math.floor(nowUs / 1000);
    if (ms !== this.#ms) {
      this.#ms = ms;
      this.#count = 0;
    }
    return ++this.#count <= SHARES_PER_MS;
  }
}

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
  /** Bytes of the longest frame for which this core has room. */
  readonly #longest: number;
  /** Mail was left lying by the last `drain`. */
  #isBehind = false;
  readonly #linkShares = new Limit();
  readonly #otherShares = new Limit();

  /** Opens the mailbox of a context, whose Nic is woken by `wakeFd`. */
  constructor(context: Context, shared: SharedByCores, wakeFd: number) {
    this.#context = context;
    this.#cores = shared.cores;
    this.#mailboxes = new Mailboxes(shared.mailboxes, shared.cores, shared.frameBytes, context.cpu);
    this.#rss = Rss.of(context.nic.capabilities.rss);
    this.#longest = context.nic.capabilities.mtu + ETHERNET_HEADER;
    this.#mailboxes.open(wakeFd);
  }

  /** The core whose connection it is: where the device says that it arrives, or by the port. */
  ownerOf(local: Endpoint, remote: Endpoint): number {
    const queue = this.#queueOf(local, remote);
    return queue >= 0 ? queue : local.port % this.#cores;
  }

  handOver(local: Endpoint, remote: Endpoint, isListening: boolean, offset: number, length: number): boolean {
    // Where nothing is told, a connection that was accepted is where its first segment came.
    if (isListening && this.#queueOf(local, remote) < 0) return false;
    const owner = this.ownerOf(local, remote);
    if (owner === this.#context.cpu || owner >= this.#cores) return false;
    this.#put(owner, offset, length);
    return true;
  }

  passError(
    local: Endpoint,
    remote: Endpoint,
    isListening: boolean,
    offset: number,
    length: number,
  ): boolean {
    // Nobody knows where the first segment came that the quoted connection may go back to, so whoever has it is to see this.
    if (isListening && this.#queueOf(local, remote) < 0) {
      this.share(false, offset, length);
      return false;
    }
    return this.handOver(local, remote, isListening, offset, length);
  }

  share(isLink: boolean, offset: number, length: number): void {
    const { cpu, stack } = this.#context;
    const limit = isLink ? this.#linkShares : this.#otherShares;
    if (!limit.allows(stack.now)) {
      stack.counters.CoreOutDrops += this.#cores - 1;
      return;
    }
    for (let core = 0; core < this.#cores; core++) if (core !== cpu) this.#put(core, offset, length);
  }

  /**
   * Takes what the others have handed over. Returns whether it is to be asked again before the core sleeps: there was something, there
   * is more, or somebody has rung, be it only to make this core look around.
   */
  drain(): boolean {
    const mailboxes = this.#mailboxes;
    const hasRung = mailboxes.answer();
    if (!hasRung && !this.#isBehind) return false;
    const { nic, stack } = this.#context;
    this.#isBehind = true;
    for (let taken = 0; taken < BATCH; taken++) {
      const length = mailboxes.peek();
      if (length < 0) {
        this.#isBehind = false;
        return hasRung || taken > 0;
      }
      // The others' interface was another when they opened it: its MTU has been lowered since.
      if (length > this.#longest) {
        mailboxes.skip();
        stack.counters.CoreOutDrops++;
        continue;
      }
      // Without a frame it stays where it is: frames come back when the device has sent.
      const frame = nic.reserve();
      if (frame < 0) return true;
      mailboxes.take(nic.memory, frame);
      stack.counters.CoreInFrames++;
      stack.input(frame, length, RX_HANDED_OVER);
    }
    return true;
  }

  /** Closes the mailbox: the others keep what they have for this core. */
  close(): void {
    this.#mailboxes.close();
  }

  /** The queue that the device tells for a connection; -1 when it does not. */
  #queueOf(local: Endpoint, remote: Endpoint): number {
    return this.#rss?.queueOf(local, remote) ?? -1;
  }

  #put(core: number, offset: number, length: number): void {
    const { nic, stack } = this.#context;
    const wakeFd = this.#mailboxes.put(core, nic.memory, offset, length);
    if (wakeFd === REFUSED) {
      stack.counters.CoreOutDrops++;
      return;
    }
    stack.counters.CoreOutFrames++;
    if (wakeFd >= 0) wakeNic(wakeFd);
  }
}
