// Links and addresses through rtnetlink(7), so that no `ip` program is needed. A socket belongs to the network namespace
// in which it was opened; open it there. For set-up only: every call allocates.

import { readSync, writeSync } from 'node:fs';
import {
  attributeText,
  attributeU32,
  NetlinkMessage,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_HEADER,
  readAttributes,
} from './netlink-message.js';
import { AF_INET, AF_NETLINK, close, SOCK_RAW, SystemError, setsockoptInt, socket } from './syscalls.js';

const NETLINK_ROUTE = 0;
const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NLM_F_ACK_TLVS = 0x200;
const NLM_F_CAPPED = 0x100;

const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const RTM_NEWADDR = 20;
const RTM_GETADDR = 22;
const RTM_NEWQDISC = 36;
const RTM_NEWTFILTER = 44;

const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_LINKINFO = 18;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const IFLA_IFALIAS = 20;
const IFLA_NET_NS_FD = 28;
const IFLA_NUM_TX_QUEUES = 31;
const IFLA_NUM_RX_QUEUES = 32;
const IFLA_XDP = 43;
const IFLA_XDP_ATTACHED = 2;
const IFLA_XDP_PROG_ID = 4;
const VETH_INFO_PEER = 1;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;

// tc(8): the place for classifiers on what an interface receives and sends, and a classifier that is a program.
const TCA_KIND = 1;
const TCA_OPTIONS = 2;
const TCA_BPF_FD = 6;
const TCA_BPF_NAME = 7;
const TCA_BPF_FLAGS = 8;
const TCA_BPF_FLAG_ACT_DIRECT = 1;
const CLSACT_HANDLE = 0xffff0000;
const CLSACT_PARENT = 0xfffffff1;
const CLSACT_EGRESS = 0xfffffff3;
/** Priority 1, every protocol (ETH_P_ALL in network order). */
const FILTER_INFO = 0x00010300;

const IFF_UP = 0x1;
const IFF_RUNNING = 0x40;

/** How an XDP program sits on a link, by the number in IFLA_XDP_ATTACHED. */
const XDP_ATTACHED = ['none', 'native', 'skb', 'offload', 'multi'];

/** A link as RTM_GETLINK describes it. */
export interface LinkInfo {
  readonly index: number;
  readonly name: string;
  /** `veth`, `tun`, …; empty for a physical device. */
  readonly kind: string;
  readonly mac: string;
  readonly mtu: number;
  readonly up: boolean;
  readonly running: boolean;
  readonly rxQueues: number;
  readonly txQueues: number;
  /** `none`, `native`, `skb`, `offload` or `multi`. */
  readonly xdp: string;
  /** Id of the attached program, 0 for none. */
  readonly xdpProgram: number;
  /** What somebody wrote to it with `ip link set alias`; empty for nothing. */
  readonly alias: string;
}

/** An IPv4 address on a link. */
export interface AddressInfo {
  readonly index: number;
  readonly address: string;
  readonly prefix: number;
}

/** One end of a veth pair to be made. */
export interface VethEnd {
  readonly name: string;
  /** An open file of the namespace into which this end goes; the socket's own namespace when left out. */
  readonly namespaceFd?: number;
}

/** An rtnetlink socket. Every method throws SystemError when the kernel refuses. */
export class Netlink {
  private readonly fd: number;
  private readonly buffer = Buffer.alloc(1 << 16);
  private sequence = 1;

  /** Opens a socket in the calling thread's network namespace. */
  constructor() {
    this.fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    // Sentences instead of bare numbers in refusals, where the kernel has them.
    setsockoptInt(this.fd, SOL_NETLINK, NETLINK_CAP_ACK, 1);
    setsockoptInt(this.fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
  }

  close(): void {
    close(this.fd);
  }

  /** Makes a veth pair with `queues` queues each way and the given MTU. */
  createVeth(near: VethEnd, far: VethEnd, queues: number, mtu: number): void {
    const message = new NetlinkMessage(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL).interfaceHeader(
      0,
      0,
      0,
    );
    const describe = (end: VethEnd): void => {
      message.text(IFLA_IFNAME, end.name).u32(IFLA_MTU, mtu);
      message.u32(IFLA_NUM_TX_QUEUES, queues).u32(IFLA_NUM_RX_QUEUES, queues);
      if (end.namespaceFd !== undefined) message.u32(IFLA_NET_NS_FD, end.namespaceFd);
    };
    describe(near);
    message.nest(IFLA_LINKINFO, () => {
      message.text(IFLA_INFO_KIND, 'veth').nest(IFLA_INFO_DATA, () => {
        message.nest(VETH_INFO_PEER, () => {
          message.interfaceHeader(0, 0, 0);
          describe(far);
        });
      });
    });
    this.request(message, `making the veth pair ${near.name}, ${far.name}`);
  }

  /** Removes a link, and with a veth its other end. */
  deleteLink(index: number): void {
    this.request(new NetlinkMessage(RTM_DELLINK, NLM_F_ACK).interfaceHeader(index, 0, 0), 'removing a link');
  }

  /** Brings a link up. */
  setUp(index: number): void {
    const message = new NetlinkMessage(RTM_NEWLINK, NLM_F_ACK).interfaceHeader(index, IFF_UP, IFF_UP);
    this.request(message, 'bringing a link up');
  }

  /** Gives a link an IPv4 address, four bytes in network order. */
  addAddress(index: number, address: Uint8Array, prefix: number): void {
    const header = Buffer.alloc(8);
    header[0] = AF_INET;
    header[1] = prefix;
    header.writeInt32LE(index, 4);
    const message = new NetlinkMessage(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL)
      .bytes(header)
      .attribute(IFA_LOCAL, address)
      .attribute(IFA_ADDRESS, address);
    this.request(message, 'adding an address');
  }

  /** Writes a link's alias, at most 255 bytes of text. */
  setAlias(index: number, alias: string): void {
    const message = new NetlinkMessage(RTM_NEWLINK, NLM_F_ACK).interfaceHeader(index, 0, 0);
    this.request(message.attribute(IFLA_IFALIAS, Buffer.from(alias)), 'naming a link');
  }

  /** Runs a program (BPF_PROG_TYPE_SCHED_CLS, by its descriptor) on everything that a link sends, for as long as the link lives. */
  addEgressProgram(index: number, program: number, name: string): void {
    const create = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
    const place = new NetlinkMessage(RTM_NEWQDISC, create).bytes(tcHeader(index, CLSACT_PARENT));
    this.request(place.text(TCA_KIND, 'clsact'), 'making room for a program on what a link sends');
    const filter = new NetlinkMessage(RTM_NEWTFILTER, create).bytes(tcHeader(index, CLSACT_EGRESS));
    filter.text(TCA_KIND, 'bpf').nest(TCA_OPTIONS, () => {
      filter.u32(TCA_BPF_FD, program).text(TCA_BPF_NAME, name);
      filter.u32(TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
    });
    this.request(filter, 'adding a program on what a link sends');
  }

  /** Lists the links of the namespace. */
  links(): LinkInfo[] {
    const found: LinkInfo[] = [];
    const message = new NetlinkMessage(RTM_GETLINK, NLM_F_DUMP).interfaceHeader(0, 0, 0);
    this.dump(message, 'listing links', (payload) => found.push(readLink(payload)));
    return found;
  }

  /** Finds a link by its name. */
  link(name: string): LinkInfo | undefined {
    return this.links().find((link) => link.name === name);
  }

  /** Lists the IPv4 addresses of the namespace. */
  addresses(): AddressInfo[] {
    const found: AddressInfo[] = [];
    const header = Buffer.alloc(8);
    header[0] = AF_INET;
    this.dump(new NetlinkMessage(RTM_GETADDR, NLM_F_DUMP).bytes(header), 'listing addresses', (payload) => {
      const attributes = readAttributes(payload.subarray(8));
      const bytes = attributes.get(IFA_LOCAL) ?? attributes.get(IFA_ADDRESS);
      if (payload[0] !== AF_INET || bytes === undefined) return;
      found.push({ index: payload.readInt32LE(4), address: bytes.join('.'), prefix: payload[1] });
    });
    return found;
  }

  private request(message: NetlinkMessage, what: string): void {
    this.exchange(message, what, () => {});
  }

  private dump(message: NetlinkMessage, what: string, each: (payload: Buffer) => void): void {
    this.exchange(message, what, each);
  }

  /** Sends a message and reads answers until its acknowledgement or the end of its dump. */
  private exchange(message: NetlinkMessage, what: string, each: (payload: Buffer) => void): void {
    const sequence = this.sequence++;
    writeSync(this.fd, message.finish(sequence));
    for (;;) {
      const received = readSync(this.fd, this.buffer);
      let at = 0;
      while (at + NLMSG_HEADER <= received) {
        const length = this.buffer.readUInt32LE(at);
        if (length < NLMSG_HEADER || at + length > received) break;
        const type = this.buffer.readUInt16LE(at + 4);
        const flags = this.buffer.readUInt16LE(at + 6);
        const payload = this.buffer.subarray(at + NLMSG_HEADER, at + length);
        if (this.buffer.readUInt32LE(at + 8) === sequence) {
          if (type === NLMSG_DONE) return;
          if (type === NLMSG_ERROR) {
            acknowledge(payload, flags, what);
            return;
          }
          each(payload);
        }
        at += (length + 3) & ~3;
      }
    }
  }
}

/** Makes struct tcmsg. */
function tcHeader(index: number, parent: number): Uint8Array {
  const header = Buffer.alloc(20);
  header.writeInt32LE(index, 4);
  header.writeUInt32LE(parent === CLSACT_PARENT ? CLSACT_HANDLE : 0, 8);
  header.writeUInt32LE(parent, 12);
  header.writeUInt32LE(parent === CLSACT_PARENT ? 0 : FILTER_INFO, 16);
  return header;
}

/** Reads struct nlmsgerr and throws unless it says 0. */
function acknowledge(payload: Buffer, flags: number, what: string): void {
  const error = -payload.readInt32LE(0);
  if (error === 0) return;
  let detail = '';
  if ((flags & NLM_F_ACK_TLVS) !== 0) {
    // The refused message is quoted whole unless NLM_F_CAPPED says that only its header is.
    const quoted = (flags & NLM_F_CAPPED) !== 0 ? NLMSG_HEADER : payload.readUInt32LE(4);
    detail = attributeText(readAttributes(payload.subarray(4 + quoted)).get(1));
  }
  throw new SystemError(what, error, detail);
}

function readLink(payload: Buffer): LinkInfo {
  const flags = payload.readUInt32LE(8);
  const attributes = readAttributes(payload.subarray(16));
  const info = readAttributes(attributes.get(IFLA_LINKINFO) ?? Buffer.alloc(0));
  const xdp = readAttributes(attributes.get(IFLA_XDP) ?? Buffer.alloc(0));
  return {
    index: payload.readInt32LE(4),
    name: attributeText(attributes.get(IFLA_IFNAME)),
    kind: attributeText(info.get(IFLA_INFO_KIND)),
    mac: (attributes.get(IFLA_ADDRESS) ?? Buffer.alloc(0)).toString('hex').replace(/(..)(?=.)/g, '$1:'),
    mtu: attributeU32(attributes.get(IFLA_MTU)),
    up: (flags & IFF_UP) !== 0,
    running: (flags & IFF_RUNNING) !== 0,
    rxQueues: attributeU32(attributes.get(IFLA_NUM_RX_QUEUES)),
    txQueues: attributeU32(attributes.get(IFLA_NUM_TX_QUEUES)),
    xdp: XDP_ATTACHED[xdp.get(IFLA_XDP_ATTACHED)?.[0] ?? 0] ?? 'none',
    xdpProgram: attributeU32(xdp.get(IFLA_XDP_PROG_ID)),
    alias: attributeText(attributes.get(IFLA_IFALIAS)),
  };
}
