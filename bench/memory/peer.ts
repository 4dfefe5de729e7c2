// The other end of one connection at a time, for a stack on a Nic in memory: it allocates nothing, writes its segments into one
// buffer and reads what it must know from what is sent.

import type { MemoryNic } from '../../src/nic/memory-nic.js';
import { RX_CHECKSUM_GOOD } from '../../src/nic/nic.js';
import { parseMac, parseV4 } from '../../src/stack/wire/address.js';
import {
  ETHERNET_HEADER,
  ETHERTYPE_IPV4,
  macHigh,
  macLow,
  writeEthernet,
} from '../../src/stack/wire/ethernet.js';
import { IPV4_HEADER, PROTOCOL_TCP, writeIpv4 } from '../../src/stack/wire/ipv4.js';
import { FIN, SYN, TCP_HEADER, writeTcpHeader } from '../../src/stack/wire/tcp-header.js';
import { TIMESTAMPS_LENGTH, writeSynOptions, writeTimestamps } from '../../src/stack/wire/tcp-options.js';

export const SERVER_ADDRESS = '10.0.0.1';
const SERVER_MAC = '02:00:00:00:00:01';
export const SERVER_PORT = 7;
export const CLIENT_ADDRESS = '10.0.0.2';
export const CLIENT_MAC = '02:00:00:00:00:02';
const SERVER = parseV4(SERVER_ADDRESS)!;
const CLIENT = parseV4(CLIENT_ADDRESS)!;
/** Where the headers begin, and data behind the timestamps. */
const IP = ETHERNET_HEADER;
export const TCP: number = IP + IPV4_HEADER;
const DATA = TCP + TCP_HEADER + TIMESTAMPS_LENGTH;
const MSS = 1460;
const WINDOW_SHIFT = 7;

/** The packet that all peers of a Nic write into: of thousands of peers none would find one of its own in the CPU's cache. */
export class Packet {
  readonly nic: MemoryNic;
  /** As long as the packets with data, so that the Nic copies it whole and makes no view of it. */
  readonly bytes: Uint8Array;
  readonly view: DataView;

  constructor(nic: MemoryNic, payload: number) {
    this.nic = nic;
    this.bytes = new Uint8Array(DATA + payload);
    this.view = new DataView(this.bytes.buffer);
    const [to, from] = [SERVER_MAC, CLIENT_MAC].map((mac) => new DataView(parseMac(mac)!.buffer));
    writeEthernet(
      this.view,
      0,
      macHigh(to, 0),
      macLow(to, 0),
      macHigh(from, 0),
      macLow(from, 0),
      ETHERTYPE_IPV4,
    );
  }
}

export class Peer {
  private readonly packet: Packet;
  port: number;
  private seq = 1000;
  private ack = 0;
  private time = 1;
  private tsEcr = 0;
  /** Bytes of data that have come. */
  received = 0;
  /** Flags of the last segment that has come. */
  flags = 0;

  constructor(packet: Packet, port: number) {
    this.packet = packet;
    this.port = port;
  }

  send(flags: number, length: number): void {
    const { nic, bytes, view } = this.packet;
    const isSyn = (flags & SYN) !== 0;
    let end = TCP + TCP_HEADER;
    if (isSyn) end += writeSynOptions(view, end, MSS, WINDOW_SHIFT, true, true, this.time, 0);
    else end += writeTimestamps(view, end, this.time, this.tsEcr);
    const ack = isSyn ? 0 : this.ack;
    writeTcpHeader(view, TCP, this.port, SERVER_PORT, this.seq, ack, end - TCP, flags, 0xffff, 0);
    writeIpv4(view, IP, end + length - IP, PROTOCOL_TCP, CLIENT, SERVER, 64, 0, 0, true);
    this.seq = (this.seq + length + ((flags & (SYN | FIN)) !== 0 ? 1 : 0)) | 0;
    this.time++;
    nic.injectFrom(bytes, 0, end + length, RX_CHECKSUM_GOOD);
  }

  /** Takes a frame of the server. */
  take(offset: number, length: number): void {
    const { view } = this.packet.nic;
    const tcp = offset + TCP;
    const header = (view.getUint16(tcp + 12) >>> 12) << 2;
    this.flags = view.getUint8(tcp + 13);
    const isSyn = (this.flags & SYN) !== 0;
    const data = length - TCP - header;
    this.ack = (view.getInt32(tcp + 4) + data + ((this.flags & (SYN | FIN)) !== 0 ? 1 : 0)) | 0;
    // A SYN-ACK has its MSS and the permission of SACK before them (writeSynOptions).
    if (header >= TCP_HEADER + TIMESTAMPS_LENGTH)
      this.tsEcr = view.getInt32(tcp + TCP_HEADER + (isSyn ? 8 : 4));
    this.received += data;
  }
}
