// A Nic that records what passes through another one, because no other tool sees the traffic of AF_XDP. Recording starts and
// stops at run time; while it is stopped, a packet costs one comparison more. The sink decides where the bytes go.

import { completeChecksum } from './checksum-offload.js';
import { type Nic, type NicCapabilities, RX_STRIDE } from './nic.js';
import { type PcapngSink, PcapngWriter } from './pcapng.js';

/** How to record. */
export interface PcapOptions {
  /** Bytes kept of each packet; 0 or absent = all. */
  snaplen?: number;
  /** Name of the interface in the file; the Nic's mode when absent. */
  name?: string;
}

/** Wraps a Nic and behaves like it. */
export class PcapNic implements Nic {
  readonly capabilities: NicCapabilities;
  readonly memory: Uint8Array;
  readonly view: DataView;
  readonly spare?: Uint8Array;
  /** Packets recorded, over all recordings. */
  packets = 0;
  /** Bytes given to sinks, over all recordings. */
  bytes = 0;
  /** What a sink threw; it ended the recording, not the traffic. Undefined after the next `start`. */
  failure: unknown = undefined;
  readonly #inner: Nic;
  readonly #clock: () => number;
  #writer: PcapngWriter | undefined = undefined;
  #finished = 0;

  /** `clock` returns the time to record in microseconds since 1970. */
  constructor(inner: Nic, clock: () => number) {
    this.capabilities = inner.capabilities;
    this.memory = inner.memory;
    this.view = inner.view;
    if (inner.spare !== undefined) this.spare = inner.spare;
    this.#inner = inner;
    this.#clock = clock;
  }

  /** True while packets are recorded. */
  get capturing(): boolean {
    return this.#writer !== undefined;
  }

  /** Starts a recording and writes its headers; one that was running ends. */
  start(sink: PcapngSink, options: PcapOptions = {}): void {
    this.stop();
    this.failure = undefined;
    try {
      this.#writer = new PcapngWriter(sink, {
        linkType: this.capabilities.linkType,
        name: options.name ?? this.capabilities.mode,
        snaplen: options.snaplen ?? 0,
      });
      this.bytes = this.#finished + this.#writer.bytes;
    } catch (error) {
      this.failure = error;
    }
  }

  /** Ends the recording. The sink is not called again. */
  stop(): void {
    this.#writer = undefined;
    this.#finished = this.bytes;
  }

  receive(batch: Int32Array): number {
    const count = this.#inner.receive(batch);
    const writer = this.#writer;
    if (writer !== undefined && count > 0) {
      const timeUs = this.#clock();
      for (let i = 0; i < count && this.#writer === writer; i++) {
        this.#record(writer, batch[i * RX_STRIDE], batch[i * RX_STRIDE + 1], timeUs, false, 0, 0);
      }
    }
    return count;
  }

  submit(offset: number, length: number, checksumStart: number, checksumOffset: number): void {
    // Before the inner Nic has it, which may send and reuse the frame at once.
    const writer = this.#writer;
    if (writer !== undefined) {
      this.#record(writer, offset, length, this.#clock(), true, checksumStart, checksumOffset);
    }
    this.#inner.submit(offset, length, checksumStart, checksumOffset);
  }

  release(offset: number): void {
    this.#inner.release(offset);
  }

  reserve(): number {
    return this.#inner.reserve();
  }

  flush(): void {
    this.#inner.flush();
  }

  wait(timeoutUs: number): void {
    this.#inner.wait(timeoutUs);
  }

  /** The inner Nic's, and `pcap_packets` and `pcap_bytes`. */
  statistics(): Record<string, number> {
    return { ...this.#inner.statistics(), pcap_packets: this.packets, pcap_bytes: this.bytes };
  }

  close(): void {
    this.stop();
    this.#inner.close();
  }

  #record(
    writer: PcapngWriter,
    offset: number,
    length: number,
    timeUs: number,
    outbound: boolean,
    checksumStart: number,
    checksumOffset: number,
  ): void {
    const at = writer.reserve(length);
    writer.block.set(this.memory.subarray(offset, offset + length), at);
    const field = checksumStart + checksumOffset;
    // The device is going to complete the checksum: the recording shows what will be on the wire, the frame stays as it is.
    if (checksumStart > 0 && field + 2 <= length) {
      completeChecksum(writer.view, at + checksumStart, at + length, at + field);
    }
    try {
      writer.writePacket(length, timeUs, outbound);
      this.packets++;
      this.bytes = this.#finished + writer.bytes;
    } catch (error) {
      this.failure = error;
      this.stop();
    }
  }
}
