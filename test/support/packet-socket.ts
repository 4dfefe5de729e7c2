// An AF_PACKET socket inside a namespace of a test: sends any frame into an interface and sees every frame
// that the kernel receives there. Reference: packet(7).

import { readSync, writeSync } from 'node:fs';
import { interfaceInfo } from '../../src/nic/os/interface-info.js';
import { inNetns } from '../../src/nic/os/netns.js';
import { bind, close, POLLIN, Poller, SOCK_RAW, setNonBlocking, socket } from '../../src/nic/os/syscalls.js';
import type { LabEnd } from './netns.js';

const AF_PACKET = 17;
const ETH_P_ALL_NETWORK = 0x0300;
const PACKET_OUTGOING = 4;

/** A raw socket on one interface. */
export class PacketSocket {
  readonly #fd: number;
  readonly #poller: Poller;
  readonly #buffer = Buffer.alloc(65536);

  constructor(end: LabEnd) {
    this.#fd = inNetns(end.netns, () => {
      const fd = socket(AF_PACKET, SOCK_RAW, ETH_P_ALL_NETWORK);
      const address = Buffer.alloc(20);
      address.writeUInt16LE(AF_PACKET, 0);
      address.writeUInt16LE(ETH_P_ALL_NETWORK, 2);
      address.writeInt32LE(interfaceInfo(end.iface).index, 4);
      address[10] = PACKET_OUTGOING;
      bind(fd, address);
      return fd;
    });
    setNonBlocking(this.#fd);
    this.#poller = new Poller([this.#fd], POLLIN);
  }

  /** Sends a frame, Ethernet header included. */
  send(frame: Uint8Array): void {
    writeSync(this.#fd, frame);
  }

  /** Waits for a frame that satisfies `wanted` and gives it; undefined when none came in `timeoutMs`. */
  receive(wanted: (frame: Buffer) => boolean, timeoutMs = 2000): Buffer | undefined {
    const until = performance.now() + timeoutMs;
    for (let left = timeoutMs; left > 0; left = until - performance.now()) {
      if (this.#poller.wait(left * 1000) <= 0) continue;
      const length = readSync(this.#fd, this.#buffer);
      const frame = this.#buffer.subarray(0, length);
      if (wanted(frame)) return Buffer.from(frame);
    }
    return undefined;
  }

  close(): void {
    close(this.#fd);
  }
}
