// `<package>/testing`: virtual hosts for deterministic tests, without hardware, threads or real time.
//
//   const host = createHost({ addresses: ['10.0.0.1/24'], link: 'ip' });
//   const id = mtcp_socket(host.mctx, AF_INET, SOCK_STREAM, 0);
//   mtcp_setsock_nonblock(host.mctx, id);
//   mtcp_connect(host.mctx, id, sockaddr_in('10.0.0.2', 80));       // -1, EINPROGRESS
//   for (const { timeUs, bytes } of host.take()) console.log(timeUs, formatPacket(bytes, 'ip'));
//   host.inject(buildTcp({ src: '10.0.0.2', dst: '10.0.0.1', srcPort: 80, … flags: 'S.' }));
//   host.advance(host.nextDeadline());

export type { Context } from '../api/context.js';
export type { PathOptions } from '../nic/path.js';
export type { DropRule, SimulatedWire, WireOptions } from '../nic/simulated-wire.js';
export { formatPacket } from '../stack/wire/print.js';
export type { HostOptions, JoinOptions, PacketListener, SentPacket } from './host.js';
export { createHost, Host, joinHosts } from './host.js';
export type { PacketdrillOptions, PacketdrillResult } from './packetdrill/index.js';
export { runPacketdrill } from './packetdrill/index.js';
export type { ArpFields, Ipv4Fields, ParsedPacket, TcpFields, TcpOptionFields } from './packets.js';
export { buildArp, buildEthernet, buildIpv4, buildTcp, parsePacket } from './packets.js';
export { World, WouldBlockForeverError } from './world.js';
