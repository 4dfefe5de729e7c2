// From options to a Nic: an AF_XDP socket on the core's queue of an interface, or the Nic that the program brings, and around
// it the capture if one is wanted. The only file of the API that knows implementations of a Nic.

import { closeSync, openSync, writeSync } from 'node:fs';
import { parse } from 'node:path';
import type { Nic } from '../nic/nic.js';
import { openXdpNic, type XdpNicOptions } from '../nic/open-xdp-nic.js';
import { PcapNic } from '../nic/pcap-nic.js';
import type { XdpNic } from '../nic/xdp-nic.js';
import type { MtcpOptions } from './options.js';
import { addressesOf, coresOf } from './options.js';

/** A core's way to the network. */
export interface Attachment {
  readonly nic: Nic;
  /** The queue behind it, when the Nic is ours: further queues of the interface share its XDP program. */
  readonly queue: XdpNic | undefined;
  /** Undoes what `attach` has opened; a Nic that the program brought stays open. */
  close(): void;
}

/**
 * Opens the Nic of a core.
 * @param shared what it has in common with other cores of the interface
 * @throws NicError with the reason and the remedy, or Node's error of the capture file; nothing stays open
 */
export function attach(options: MtcpOptions, cpu: number, shared: QueueOptions): Attachment {
  const queue = options.nic === undefined ? openQueue(options, cpu, shared) : undefined;
  const nic = queue ?? options.nic;
  if (nic === undefined) throw new Error('neither an interface nor a Nic');
  if (options.pcap === undefined) return { nic, queue, close: () => queue?.close() };
  try {
    const capture = new FileCapture(nic, capturePath(options, cpu));
    const close = (): void => {
      capture.endFile();
      queue?.close();
    };
    return { nic: capture, queue, close };
  } catch (error) {
    queue?.close();
    throw error;
  }
}

/** What a queue has in common with others of its interface. */
export type QueueOptions = Pick<XdpNicOptions, 'program' | 'wakeFd' | 'bell' | 'onHold' | 'onInfo'>;

function openQueue(options: MtcpOptions, cpu: number, shared: QueueOptions): XdpNic {
  const { iface = '', netns, mode, spinUs } = options;
  return openXdpNic({
    iface,
    queue: cpu,
    addresses: addressesOf(options).map(({ address }) => address),
    ...(netns === undefined ? {} : { netns }),
    ...(mode === undefined ? {} : { mode }),
    ...(options.txChecksum === 'stack' ? { txChecksum: false } : {}),
    ...(spinUs === undefined ? {} : { spinUs }),
    ...shared,
  });
}

function capturePath(options: MtcpOptions, cpu: number): string {
  const path = options.pcap ?? '';
  if (coresOf(options) === 1) return path;
  const { dir, name, ext } = parse(path);
  return `${dir === '' ? '' : `${dir}/`}${name}.${cpu}${ext}`;
}

/** A capture into a file that is closed with the Nic. */
class FileCapture extends PcapNic {
  readonly #fd: number;
  #open = true;

  constructor(inner: Nic, path: string) {
    const fd = openSync(path, 'w');
    super(inner, () => Math.floor((performance.timeOrigin + performance.now()) * 1000));
    this.#fd = fd;
    this.start((bytes, length) => writeWhole(fd, bytes, length));
  }

  override close(): void {
    super.close();
    this.endFile();
  }

  /** Ends the capture and closes its file. Idempotent. */
  endFile(): void {
    this.stop();
    if (this.#open) closeSync(this.#fd);
    this.#open = false;
  }
}

/** write(2) may take less than it was given, into a pipe for example. */
function writeWhole(fd: number, bytes: Uint8Array, length: number): void {
  for (let at = 0; at < length; ) at += writeSync(fd, bytes, at, length - at);
}
