// Writes the pcapng capture format: a section with one interface, then a block per packet, all little-endian. Knows neither
// files nor clocks. draft-ietf-opsawg-pcapng.

/** Interface link types (the LINKTYPE registry). */
export const LINKTYPE_ETHERNET = 1;
/** Bare IP packets of either version. */
export const LINKTYPE_RAW = 101;

const SECTION_HEADER = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION = 1;
const ENHANCED_PACKET = 6;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;

const OPTION_END = 0;
const SHB_USERAPPL = 4;
const IF_NAME = 2;
const IF_TSRESOL = 9;
const EPB_FLAGS = 2;

const INBOUND = 1;
const OUTBOUND = 2;

/** Block type, lengths, interface, time, lengths of the packet: what precedes its bytes. */
const PACKET_HEAD = 28;
/** The flags option, the end of options and the block length: what follows them. */
const PACKET_TAIL = 16;

/** Takes the first `length` bytes of `bytes`, which the caller overwrites afterwards. */
export type PcapngSink = (bytes: Uint8Array, length: number) => void;

/** What the file says about the interface. */
export interface PcapngOptions {
  linkType: 'ethernet' | 'ip';
  /** Name of the interface. */
  name: string;
  /** Bytes kept of each packet; 0 or absent = all. */
  snaplen?: number;
  /** Name of the program. */
  application?: string;
}

/** Writes one capture to a sink. The headers are written at once, so a capture without a packet is a valid file too. */
export class PcapngWriter {
  /** Packets written. */
  packets = 0;
  /** Bytes handed to the sink. */
  bytes = 0;
  readonly snaplen: number;
  readonly #sink: PcapngSink;
  #block: Uint8Array;
  #view: DataView;

  constructor(sink: PcapngSink, options: PcapngOptions) {
    this.#sink = sink;
    this.snaplen = options.snaplen ?? 0;
    this.#block = new Uint8Array(4096);
    this.#view = new DataView(this.#block.buffer);
    this.#writeHeaders(options);
  }

  /**
   * Makes room for a packet of `length` bytes and returns the offset in `block` at which the caller puts them before
   * `writePacket`, which keeps as many as `snaplen` allows.
   */
  reserve(length: number): number {
    const size = PACKET_HEAD + pad(length) + PACKET_TAIL;
    if (size > this.#block.length) {
      this.#block = new Uint8Array(size * 2);
      this.#view = new DataView(this.#block.buffer);
    }
    return PACKET_HEAD;
  }

  /** The block under construction; `reserve` may replace it. */
  get block(): Uint8Array {
    return this.#block;
  }

  /** A view of `block`. */
  get view(): DataView {
    return this.#view;
  }

  /** Writes the reserved packet. `timeUs` is in microseconds since 1970. */
  writePacket(length: number, timeUs: number, outbound: boolean): void {
    const view = this.#view;
    const kept = this.snaplen > 0 ? Math.min(length, this.snaplen) : length;
    const end = PACKET_HEAD + pad(kept);
    const size = end + PACKET_TAIL;
    view.setUint32(0, ENHANCED_PACKET, true);
    view.setUint32(4, size, true);
    view.setUint32(8, 0, true);
    view.setUint32(12, Math.floor(timeUs / 0x1_0000_0000), true);
    view.setUint32(16, Math.floor(timeUs) % 0x1_0000_0000, true);
    view.setUint32(20, kept, true);
    view.setUint32(24, length, true);
    this.#block.fill(0, PACKET_HEAD + kept, end);
    view.setUint16(end, EPB_FLAGS, true);
    view.setUint16(end + 2, 4, true);
    view.setUint32(end + 4, outbound ? OUTBOUND : INBOUND, true);
    view.setUint32(end + 8, OPTION_END, true);
    view.setUint32(end + 12, size, true);
    this.packets++;
    this.#emit(size);
  }

  #writeHeaders(options: PcapngOptions): void {
    const view = this.#view;
    view.setUint32(0, SECTION_HEADER, true);
    view.setUint32(8, BYTE_ORDER_MAGIC, true);
    view.setUint16(12, 1, true);
    view.setUint16(14, 0, true);
    // Length of the section: not known, and no reader needs it.
    view.setUint32(16, 0xffffffff, true);
    view.setUint32(20, 0xffffffff, true);
    this.#finishBlock(this.#text(24, SHB_USERAPPL, options.application ?? 'mtcp-node'));

    view.setUint32(0, INTERFACE_DESCRIPTION, true);
    view.setUint16(8, options.linkType === 'ethernet' ? LINKTYPE_ETHERNET : LINKTYPE_RAW, true);
    view.setUint16(10, 0, true);
    view.setUint32(12, this.snaplen, true);
    const at = this.#text(16, IF_NAME, options.name);
    view.setUint16(at, IF_TSRESOL, true);
    view.setUint16(at + 2, 1, true);
    // 10^-6 s, and three bytes of padding.
    view.setUint32(at + 4, 6, true);
    this.#finishBlock(at + 8);
  }

  /** Writes an option that holds text, cut to 255 bytes, and returns where the next one goes. */
  #text(at: number, code: number, text: string): number {
    const target = this.#block.subarray(at + 4, at + 4 + 255);
    const { written } = new TextEncoder().encodeInto(text, target);
    this.#view.setUint16(at, code, true);
    this.#view.setUint16(at + 2, written, true);
    this.#block.fill(0, at + 4 + written, at + 4 + pad(written));
    return at + 4 + pad(written);
  }

  /** Ends the options at `at` and writes the block. */
  #finishBlock(at: number): void {
    const size = at + 8;
    this.#view.setUint32(at, OPTION_END, true);
    this.#view.setUint32(at + 4, size, true);
    this.#view.setUint32(4, size, true);
    this.#emit(size);
  }

  #emit(size: number): void {
    this.bytes += size;
    this.#sink(this.#block, size);
  }
}

function pad(length: number): number {
  return (length + 3) & ~3;
}
