// Opens an interface: reads what it is, divides the frame memory, attaches the XDP program, binds the socket
// and gives the Nic. Whatever fails on the way is undone and thrown as one NicError. Called by the API and
// the command line.

import type { Holdings } from './holdings.js';
import { refuseKernelAddresses } from './kernel-addresses.js';
import type { NicCapabilities, RssDescription } from './nic.js';
import { explainInterface, explainNamespace, explainProgram, linkDown, NicError } from './nic-error.js';
import { closeAtExit } from './open-nics.js';
import { type InterfaceInfo, interfaceInfo } from './os/interface-info.js';
import { ipBytes } from './os/ip-bytes.js';
import { TX_METADATA_LENGTH, UMEM_HEADROOM, XDP_MAX_DESCRIPTORS, XDP_PACKET_HEADROOM } from './os/layouts.js';
import { inNetns } from './os/netns.js';
import { queuesCommand } from './remedies.js';
import { XdpNic } from './xdp-nic.js';
import { type ArenaLayout, TX_HEADROOM } from './xdp-nic-parts.js';
import { XdpProgram } from './xdp-program.js';
import { XdpSocket } from './xdp-socket.js';

/** Which path of the kernel to use. `auto` takes the best that the driver has: zero-copy, native, skb. */
export type XdpMode = 'auto' | 'zerocopy' | 'native' | 'skb';

/** Sizes of the rings in entries, powers of two. */
export interface RingSizes {
  readonly fill?: number;
  readonly comp?: number;
  readonly rx?: number;
  readonly tx?: number;
}

/** How to open an interface. */
export interface XdpNicOptions {
  readonly iface: string;
  /**
   * The network namespace of the interface, a name of `ip netns` or a path; the thread's own when left out.
   */
  readonly netns?: string;
  /** RX queue, 0 unless given. */
  readonly queue?: number;
  readonly mode?: XdpMode;
  /** IP addresses that the stack owns: what comes for them goes to it, everything else to the kernel. */
  readonly addresses: readonly string[];
  /** Bytes per frame: 2048, or 4096 where the MTU needs it, unless given. */
  readonly frameSize?: 2048 | 4096;
  /** Number of frames, 8192 unless given. */
  readonly frames?: number;
  readonly ringSizes?: RingSizes;
  /** Let the device fill in checksums: unless given, wherever that is known to work. */
  readonly txChecksum?: boolean;
  /** Let reads poll the device (SO_PREFER_BUSY_POLL), for so many microseconds; true is 20. */
  readonly busyPoll?: boolean | number;
  /** Microseconds for which `wait` looks at the ring before it sleeps, 50 unless given. */
  readonly spinUs?: number;
  /**
   * The program of another queue of the interface, which this Nic then shares: it detaches with the last of
   * them.
   */
  readonly program?: XdpProgram;
  /** An eventfd by which other threads wake this Nic, and which stays open; one of its own unless given. */
  readonly wakeFd?: number;
  /** Is told what the socket holds, for somebody who gives it back, its memory in any case, when this thread is no more. */
  readonly onHold?: (holdings: Holdings) => void;
  /** A word that is not 0 while another thread has something for this one: `wait` looks at it while it is awake. */
  readonly bell?: Int32Array;
  /** Is told what the interface is, once it is open. */
  readonly onInfo?: (info: InterfaceInfo) => void;
  /** How the device spreads what it receives over its queues: as it tells itself, unless given. */
  readonly rss?: RssDescription;
}

const DEFAULT_FRAMES = 8192;
const DEFAULT_RX_RING = 2048;
/** Memory behind the frames, for socket buffers. What is not used is only addresses. */
const SPARE_BYTES = 64 << 20;
const DEFAULT_SPIN_US = 50;
const DEFAULT_BUSY_POLL_US = 20;
const ETHERNET_HEADER = 14;

/** Drivers whose other end is on this machine, so that a packet's checksum may never have been computed. */
const LOCAL_DRIVERS = new Set(['veth', 'tun', 'tap']);

/**
 * Drivers that take packets for sending without a linear part (IFF_TX_SKB_NO_LINEAR). For those, kernels skip the TX
 * metadata in copy mode without a word (seen with 6.12), and the packet leaves with the sum of its pseudo-header only.
 */
const METADATA_SKIPPED = new Set(['virtio_net']);

/**
 * The frame size given, or the one that takes the longest frame of this MTU (VLAN tags do not count: tagged
 * frames pass).
 */
function frameSizeOf(options: Pick<XdpNicOptions, 'frameSize'>, mtu: number): number {
  return options.frameSize ?? (mtu + ETHERNET_HEADER <= 2048 - RX_HEADROOM ? 2048 : 4096);
}

/** What is ahead of a received packet in its frame. */
const RX_HEADROOM = XDP_PACKET_HEADROOM + UMEM_HEADROOM;

function powerOfTwo(value: number): number {
  return 2 ** Math.ceil(Math.log2(value));
}

/**
 * The longest packet of the skb hook, whatever the MTU is: a peer's segmentation offload and this end's
 * receive offload are ahead of it and make one packet of many segments. In native mode the kernel takes care
 * that there are none.
 */
const LONGEST_PACKET = ETHERNET_HEADER + 65535;

/** Large frames for an interface that needs them only for such packets. */
const LARGE_FRAMES = 64;

/** Divides the memory for an interface of this MTU. */
function arenaFor(options: XdpNicOptions, mtu: number, fillSize: number, skb: boolean): ArenaLayout {
  const frames = options.frames ?? DEFAULT_FRAMES;
  const frameSize = frameSizeOf(options, mtu);
  const length = mtu + ETHERNET_HEADER;
  const sendLarge = length > frameSize - RX_HEADROOM;
  const gap = sendLarge && options.txChecksum !== false ? TX_METADATA_LENGTH : 0;
  const chunksFor = (bytes: number): number => Math.ceil((TX_HEADROOM + bytes - gap) / (frameSize - gap));
  if (sendLarge && chunksFor(length) >= XDP_MAX_DESCRIPTORS) {
    const problem = `the MTU of ${mtu} is more than ${XDP_MAX_DESCRIPTORS - 1} buffers of ${frameSize} bytes hold`;
    throw new NicError('ERANGE', problem, 'use frames of 4096 bytes or lower the MTU');
  }
  // Where packets for sending are large, half the memory is for the kernel to receive into, half to send
  // from.
  const small = sendLarge ? frames >> 1 : frames;
  const chunks = chunksFor(skb ? LONGEST_PACKET : length);
  const forSending = Math.max(4, Math.floor((frames - small) / chunks));
  const largeFrames = sendLarge ? forSending : skb ? LARGE_FRAMES : 0;
  return {
    frameSize,
    frames: small,
    largeSize: largeFrames > 0 ? chunks * frameSize : 0,
    largeFrames,
    sendLarge,
    gap,
    fillTarget: Math.min(fillSize, small >> 1),
  };
}

function checkOptions(options: XdpNicOptions): void {
  const { frames = DEFAULT_FRAMES, frameSize = 2048 } = options;
  if (!Number.isInteger(frames) || frames < 128 || frames > 1 << 18) {
    throw new NicError('EINVAL', `${frames} frames are not possible`, 'choose from 128 to 262144');
  }
  if (frameSize !== 2048 && frameSize !== 4096) {
    throw new NicError('EINVAL', `a frame size of ${frameSize} is not possible`, 'choose 2048 or 4096');
  }
  for (const address of options.addresses) {
    if (ipBytes(address) === undefined) {
      throw new NicError(
        'EINVAL',
        `${JSON.stringify(address)} is not an IP address`,
        'write it without its prefix',
      );
    }
  }
  const { queue = 0 } = options;
  if (!Number.isInteger(queue) || queue < 0 || queue > 255) {
    throw new NicError('EINVAL', `there is no queue ${queue}`, 'choose one from 0 to 255');
  }
  for (const [name, size] of Object.entries(options.ringSizes ?? {})) {
    if (!Number.isInteger(size) || size < 64 || (size & (size - 1)) !== 0) {
      throw new NicError(
        'EINVAL',
        `a ${name} ring of ${size} entries is not possible`,
        'choose a power of two from 64',
      );
    }
  }
}

function openHere(options: XdpNicOptions, info: InterfaceInfo): XdpNic {
  const { iface, queue = 0, mode = 'auto', ringSizes = {} } = options;
  if (!info.up) {
    throw linkDown(iface, options.netns);
  }
  refuseKernelAddresses(options.addresses, info);
  const program = options.program?.share() ?? attachTo(options, info);
  let socket: XdpSocket | undefined;
  let nic: XdpNic | undefined;
  try {
    const rxSize = ringSizes.rx ?? DEFAULT_RX_RING;
    const fillSize = ringSizes.fill ?? rxSize;
    const arena = arenaFor(options, info.mtu, fillSize, program.mode === 'skb');
    const total = arena.frames + arena.largeFrames * (arena.largeSize / arena.frameSize);
    // Rings in which every frame fits cannot overflow.
    const txSize = ringSizes.tx ?? powerOfTwo(total);
    const compSize = ringSizes.comp ?? powerOfTwo(total);
    const busyPollUs = options.busyPoll === true ? DEFAULT_BUSY_POLL_US : Number(options.busyPoll ?? 0);
    socket = new XdpSocket({
      iface,
      netns: options.netns,
      ifindex: info.index,
      queue,
      queues: info.queues,
      queuesCommand: (wanted) => queuesCommand(info, options.netns, wanted),
      length: total * arena.frameSize,
      spare: SPARE_BYTES,
      frameSize: arena.frameSize,
      copyMode:
        mode === 'zerocopy' ? 'zerocopy' : mode === 'auto' && program.mode === 'native' ? 'auto' : 'copy',
      txMetadata: options.txChecksum !== false,
      multiBuffer: arena.sendLarge ? 'needed' : arena.largeFrames > 0 ? 'wanted' : 'no',
      fillSize,
      compSize,
      rxSize,
      txSize,
      busyPollUs,
      ...(options.onHold === undefined ? {} : { onHold: options.onHold }),
    });
    // In zero-copy mode a driver without checksum offload ignores the request in silence, so it must be asked
    // for by name.
    const reliable = !socket.zeroCopy && !METADATA_SKIPPED.has(info.driver);
    const txChecksum = socket.txMetadata && (reliable || options.txChecksum === true);
    const rss = options.rss ?? info.rss;
    const capabilities: NicCapabilities = {
      linkType: 'ethernet',
      mtu: info.mtu,
      mac: info.mac,
      txChecksum,
      rxPartialChecksum: LOCAL_DRIVERS.has(info.driver) || LOCAL_DRIVERS.has(info.kind),
      mode: socket.zeroCopy ? 'xdp-zerocopy' : `xdp-${program.mode}`,
      queue,
      queues: info.queues,
      ...(rss === undefined ? {} : { rss }),
    };
    const spinUs = options.spinUs ?? DEFAULT_SPIN_US;
    const busyPoll = busyPollUs > 0;
    const { wakeFd, bell } = options;
    const wake = { ...(wakeFd === undefined ? {} : { wakeFd }), ...(bell === undefined ? {} : { bell }) };
    nic = new XdpNic({ socket, program, arena, capabilities, queue, spinUs, busyPoll, ...wake });
    // The gate opens last: every frame that comes through it finds a place.
    program.setSocket(queue, socket.fd);
    for (const address of options.addresses) program.addAddress(address);
    closeAtExit(nic);
    options.onInfo?.(info);
    return nic;
  } catch (error) {
    if (nic === undefined) {
      socket?.close();
      program.close();
    } else nic.close();
    throw explainProgram(error, iface, options.netns);
  }
}

function attachTo(options: ProgramOptions & { frameSize?: 2048 | 4096 }, info: InterfaceInfo): XdpProgram {
  const { iface, mode = 'auto' } = options;
  const needsBuffers = info.mtu + ETHERNET_HEADER > frameSizeOf(options, info.mtu) - RX_HEADROOM;
  const attachMode = mode === 'zerocopy' ? 'native' : mode;
  const place = { iface, netns: options.netns, ifindex: info.index };
  return XdpProgram.attach({ ...place, mode: attachMode, multiBuffer: needsBuffers });
}

/** Which interface to attach to, and how. */
export type ProgramOptions = Pick<XdpNicOptions, 'iface' | 'netns' | 'mode'>;
/** As that, and which addresses those queues will have. */
export type SharedProgramOptions = ProgramOptions & Pick<XdpNicOptions, 'addresses'>;

/**
 * Attaches the XDP program alone, for queues that other threads open.
 *
 * @throws NicError as `openXdpNic`; nothing stays attached
 */
export function attachProgram(options: SharedProgramOptions): { program: XdpProgram; info: InterfaceInfo } {
  return onInterface(options, (info) => {
    refuseKernelAddresses(options.addresses, info);
    return { program: attachTo(options, info), info };
  });
}

/**
 * Opens one queue of an interface for the stack.
 *
 * @throws NicError, one sentence with the remedy: EPERM, ENODEV, ENETDOWN, EBUSY, EOPNOTSUPP, EINVAL, …; nothing stays attached
 */
export function openXdpNic(options: XdpNicOptions): XdpNic {
  checkOptions(options);
  return onInterface(options, (info) => openHere(options, info));
}

/** Does something with an interface in its namespace. */
function onInterface<T>({ iface, netns }: ProgramOptions, work: (info: InterfaceInfo) => T): T {
  try {
    return inNetns(netns, () => {
      let info: InterfaceInfo;
      try {
        info = interfaceInfo(iface);
      } catch (error) {
        throw explainInterface(error, iface, netns);
      }
      return work(info);
    });
  } catch (error) {
    throw explainNamespace(error, netns ?? 'of this thread');
  }
}
