// A peer made by hand: it speaks to a virtual host in single segments and remembers what the host has sent, so that tests can
// bring connections into any state and then do to them what no honest stack would.

import {
  buildArp,
  buildEthernet,
  buildTcp,
  type Host,
  type ParsedPacket,
  parsePacket,
  type TcpFields,
} from '../../src/testing/index.js';

export const HOST_IP = '10.0.0.1';
export const PEER_IP = '10.0.0.9';
export const HOST_MAC = '02:00:00:00:00:01';
export const PEER_MAC = '02:00:00:00:00:09';

/** Flags and numbers of a segment of this peer; what is left out is what an honest peer would send. */
export type SegmentFields = Partial<Omit<TcpFields, 'src' | 'dst' | 'srcPort' | 'dstPort'>>;

/** One connection as the peer sees it. */
export class PeerConnection {
  readonly hostPort: number;
  readonly port: number;
  /** The peer's next sequence number. */
  seq: number;
  /** End of what the host has sent. */
  ack = 0;
  /** The window field and the timestamp of the host's last segment. */
  wnd = 0;
  tsVal = 0;
  heard = false;

  constructor(hostPort: number, port: number, iss: number) {
    this.hostPort = hostPort;
    this.port = port;
    this.seq = iss;
  }

  /** The packet of a segment. Does not move `seq`. */
  packet(fields: SegmentFields): Uint8Array {
    const { seq, ack, port: srcPort, hostPort: dstPort } = this;
    return buildTcp({ src: PEER_IP, dst: HOST_IP, srcPort, dstPort, seq, ack, ...fields });
  }
}

/** Everything behind the host's Nic. */
export class Peer {
  readonly host: Host;
  readonly connections: PeerConnection[] = [];
  /** What the host sent in answer to the last delivery. */
  sent: ParsedPacket[] = [];

  constructor(host: Host) {
    this.host = host;
  }

  /** Makes the peer's side of a connection from a port of its own to one of the host. */
  connection(hostPort: number, port: number, iss = 1000 * port): PeerConnection {
    const connection = new PeerConnection(hostPort, port, iss);
    this.connections.push(connection);
    return connection;
  }

  /** Sends a segment with the given flags; SYN, data and FIN move the peer's sequence number. Returns the host's answers. */
  send(connection: PeerConnection, flags: string, fields: SegmentFields = {}): ParsedPacket[] {
    const packet = connection.packet({ ...fields, flags });
    const length = fields.payload?.length ?? 0;
    if (fields.seq === undefined) {
      connection.seq =
        (connection.seq + length + (flags.includes('S') ? 1 : 0) + (flags.includes('F') ? 1 : 0)) >>> 0;
    }
    return this.deliver(this.frame(packet));
  }

  /** Puts a link header in front of a packet where the host's link has one. */
  frame(packet: Uint8Array): Uint8Array {
    return this.host.linkType === 'ip' ? packet : buildEthernet(HOST_MAC, PEER_MAC, packet);
  }

  /** Hands the host a frame as it is. Returns what the host sent since. */
  deliver(frame: Uint8Array): ParsedPacket[] {
    this.host.inject(frame);
    return this.listen();
  }

  /** Takes what the host has sent, and keeps the books. */
  listen(): ParsedPacket[] {
    this.sent = this.host.take().map(({ bytes }) => parsePacket(bytes, this.host.linkType));
    for (const { tcp, payload } of this.sent) {
      if (tcp === undefined) continue;
      if (!tcp.checksumOk) throw new Error('the host sent a segment with a wrong checksum');
      const connection = this.connections.find(
        ({ port, hostPort }) => port === tcp.dstPort && hostPort === tcp.srcPort,
      );
      if (connection === undefined) continue;
      const length = payload.length + (tcp.flags.includes('S') ? 1 : 0) + (tcp.flags.includes('F') ? 1 : 0);
      const end = (tcp.seq + length) >>> 0;
      if (!tcp.flags.includes('R') && (!connection.heard || ((end - connection.ack) | 0) > 0))
        connection.ack = end;
      connection.heard = true;
      connection.wnd = tcp.wnd;
      connection.tsVal = tcp.options.timestamps?.[0] ?? 0;
    }
    return this.sent;
  }

  /** Tells the host the peer's MAC address, where there is one. */
  introduce(): void {
    if (this.host.linkType === 'ip') return;
    this.deliver(buildArp({ operation: 1, senderMac: PEER_MAC, senderIp: PEER_IP, targetIp: HOST_IP }));
  }
}
