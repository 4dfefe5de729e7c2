// Carries frames between two Nics, both ways: a cable between two interfaces that one program holds. Wrapped in `fault-nic` on
// either side it is a bad cable, between two kernels as between two stacks. A frame is copied, for each Nic has its own arena.

import { completePartialChecksum } from './checksum-offload.js';
import { copyBytes } from './copy.js';
import { type Nic, RX_STRIDE } from './nic.js';

/** Frames taken at a time. */
const BATCH = 64;

/** Two Nics and what goes from each to the other. */
export class Relay {
  /** Frames carried over. */
  carried = 0;
  /** Frames for which the other Nic had no room. */
  refused = 0;
  private readonly a: Nic;
  private readonly b: Nic;
  private readonly batch: Int32Array;

  /** @throws RangeError when frames of one would make no sense on the other */
  constructor(a: Nic, b: Nic) {
    if (a.capabilities.linkType !== b.capabilities.linkType) {
      throw new RangeError('linkType must be the same on both sides of a relay');
    }
    this.a = a;
    this.b = b;
    this.batch = new Int32Array(BATCH * RX_STRIDE);
  }

  /** Carries over what has arrived. Returns how many frames that were; a zero means that both may be waited for. */
  turn(): number {
    return this.carry(this.a, this.b) + this.carry(this.b, this.a);
  }

  private carry(from: Nic, to: Nic): number {
    const { batch } = this;
    const count = from.receive(batch);
    for (let i = 0; i < count; i++) {
      const offset = batch[i * RX_STRIDE];
      this.put(from, offset, batch[i * RX_STRIDE + 1], to);
      from.release(offset);
    }
    if (count > 0) to.flush();
    return count;
  }

  private put(from: Nic, offset: number, length: number, to: Nic): void {
    const { linkType, rxPartialChecksum } = from.capabilities;
    const linkHeader = linkType === 'ethernet' ? 14 : 0;
    const at = length <= linkHeader + to.capabilities.mtu ? to.reserve() : -1;
    if (at < 0) {
      this.refused++;
      return;
    }
    // Behind the relay it is no local frame any more.
    if (rxPartialChecksum) completePartialChecksum(from.view, offset, length, linkHeader);
    copyBytes(to.memory, at, from.memory, offset, length);
    to.submit(at, length, 0, 0);
    this.carried++;
  }
}
