// The public face of the Nic room: the contract that a device fulfils, the AF_XDP device, the one in memory with its simulated
// wire, and the wrappers that are Nics themselves.

export { FaultNic } from './fault-nic.js';
export { MemoryNic, type MemoryNicOptions } from './memory-nic.js';
export {
  type Nic,
  type NicCapabilities,
  type RssDescription,
  RX_CHECKSUM_GOOD,
  RX_STRIDE,
  RXH_ADDRESSES,
  RXH_TUPLE,
} from './nic.js';
export { NicError } from './nic-error.js';
export { openXdpNic } from './open-xdp-nic.js';
export { PcapNic } from './pcap-nic.js';
export { Rss, type TupleEnd } from './rss.js';
export { mtcpRssHash, mtcpRssQueue } from './rss-mtcp.js';
export { connectNics, SimulatedWire } from './simulated-wire.js';
export { VirtualClock } from './virtual-clock.js';
export { XdpNic } from './xdp-nic.js';
