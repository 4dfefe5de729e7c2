// What a Nic does over and over when packets are counted; bench/raw/packets.c does the same in C.

import { RX_STRIDE } from '../../src/nic/nic.js';
import type { XdpNic } from '../../src/nic/xdp-nic.js';

const BATCH = 64;

/** One turn of a kind; `frame` is what it sends, if it sends, as words. Gives how many packets it moved. */
export type Turn = (nic: XdpNic, frame: Int32Array) => number;

const batch = new Int32Array(BATCH * RX_STRIDE);

/** Receives and drops. */
export function drop(nic: XdpNic): number {
  const count = nic.receive(batch);
  for (let i = 0; i < count; i++) nic.release(batch[i * RX_STRIDE]!);
  return count;
}

/** Swaps MAC and IP addresses in place and sends the received frame itself. */
function forward(nic: XdpNic): number {
  const count = nic.receive(batch);
  const { view } = nic;
  for (let i = 0; i < count; i++) {
    const offset = batch[i * RX_STRIDE]!;
    const high = view.getInt16(offset);
    const low = view.getInt32(offset + 2);
    view.setInt16(offset, view.getInt16(offset + 6));
    view.setInt32(offset + 2, view.getInt32(offset + 8));
    view.setInt16(offset + 6, high);
    view.setInt32(offset + 8, low);
    const src = view.getInt32(offset + 26);
    view.setInt32(offset + 26, view.getInt32(offset + 30));
    view.setInt32(offset + 30, src);
    nic.submit(offset, batch[i * RX_STRIDE + 1]!, 0, 0);
  }
  nic.flush();
  return count;
}

/** Sends a frame as often as there is room for, up to a batch of them. */
export function sendBurst(nic: XdpNic, frame: Int32Array): number {
  const { view } = nic;
  const length = frame.length * 4;
  let count = 0;
  for (; count < BATCH; count++) {
    const offset = nic.reserve();
    if (offset < 0) break;
    for (let i = 0; i < frame.length; i++) view.setInt32(offset + i * 4, frame[i]!, true);
    nic.submit(offset, length, 0, 0);
  }
  nic.flush();
  return count;
}

/** The turn of each case. */
export const TURNS = { rxdrop: drop, l2fwd: forward, txonly: sendBurst } satisfies Record<string, Turn>;

/** What can be counted. */
export type PacketCase = keyof typeof TURNS;
