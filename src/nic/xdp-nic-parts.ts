// What an XdpNic is made of: open-xdp-nic.ts puts it together.

import type { NicCapabilities } from './nic.js';
import { UMEM_HEADROOM } from './os/layouts.js';
import type { XdpProgram } from './xdp-program.js';
import type { XdpSocket } from './xdp-socket.js';

/** Room ahead of an outgoing frame, for the TX metadata; a whole cache line, and what aligns the payload. */
export const TX_HEADROOM = 64 + UMEM_HEADROOM;

/** How many frames each owner has; the sum is always the same. */
export interface FrameOwners {
  readonly free: number;
  readonly fill: number;
  readonly held: number;
  readonly tx: number;
}

/**
 * How the arena is divided: small frames for the kernel to receive into, then large ones for packets of
 * several buffers.
 */
export interface ArenaLayout {
  /** Bytes of a small frame, a power of two: the chunk size of the UMEM. */
  readonly frameSize: number;
  readonly frames: number;
  /** Bytes of a large frame, a multiple of `frameSize`; 0 when there are none. */
  readonly largeSize: number;
  readonly largeFrames: number;
  /** Frames for sending are large ones, because the MTU needs it. */
  readonly sendLarge: boolean;
  /** Bytes that the kernel wants free ahead of each buffer of a packet that is sent, where that can ask for its checksum. */
  readonly gap: number;
  /** Small frames that the kernel should have to receive into. */
  readonly fillTarget: number;
}

/** The part of a socket that its Nic uses. */
export type NicSocket = Omit<XdpSocket, 'txMetadata' | 'mappings'>;

/** What an XdpNic is made of. The socket is closed with the Nic, and the program let go of. */
export interface XdpNicParts {
  readonly socket: NicSocket;
  readonly program: XdpProgram;
  readonly arena: ArenaLayout;
  readonly capabilities: NicCapabilities;
  readonly queue: number;
  /** Microseconds to look at the ring before sleeping. */
  readonly spinUs: number;
  /** Ask the kernel to poll the device on every look (SO_PREFER_BUSY_POLL). */
  readonly busyPoll: boolean;
  /** The eventfd to be woken by, which stays open; one of the Nic's own when left out. */
  readonly wakeFd?: number;
  /** Not 0 while another thread has something for this one. */
  readonly bell?: Int32Array;
}
