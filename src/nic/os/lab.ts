// The lab in a box: two network namespaces joined by a veth pair, so that a stack on AF_XDP can be tried against a kernel
// on any Linux machine. `mtcp lab`, the demo, tests and benchmarks make theirs here.
//
//   NAME-stack                                NAME-peer
//   mtcp0  10.77.0.2/24 (the kernel's)  ───   peer0  10.77.0.1/24 (the kernel's)
//          10.77.0.10   (the stack's)

import { closeSync, existsSync, openSync } from 'node:fs';
import type { RssDescription } from '../nic.js';
import { setFeature } from './ethtool.js';
import { attachRss, LabRssError, labRssDescription, rssFromAlias, rssToAlias } from './lab-rss.js';
import { createNamespace, removeNamespace, tidyFolder } from './named-namespaces.js';
import type { LinkInfo } from './netlink.js';
import { Netlink } from './netlink.js';
import { inNetns, netnsPath } from './netns.js';
import { sleepMs } from './syscalls.js';

/** Length of the lab's network prefix, in bits. */
export const LAB_PREFIX = 24;
/** The interface on which the stack is put, with the kernel's own address on it. */
export const LAB_STACK_INTERFACE = 'mtcp0';
export const LAB_STACK_KERNEL_ADDRESS = '10.77.0.2';
/** The address that a stack in the lab takes by convention. */
export const LAB_STACK_ADDRESS = '10.77.0.10';
/** The other end, with a kernel behind it. */
export const LAB_PEER_INTERFACE = 'peer0';
export const LAB_PEER_ADDRESS = '10.77.0.1';

/** Length that a lab's name may have, so that error messages and prompts stay readable. */
const MAX_NAME = 48;

/** A lab that is to be made. */
export interface LabOptions {
  /** First part of the namespaces' names. */
  readonly name: string;
  /** Queues of the veth pair, each way. */
  readonly queues: number;
  /** MTU of the veth pair in bytes. */
  readonly mtu: number;
  /**
   * Checksums and segments made in software on the peer's side too, as on a wire: then a capture there holds what a network card
   * would send, and every checksum in it can be verified.
   */
  readonly noOffload?: boolean;
  /** With several queues: the key by which what the peer sends is spread over them, in hex digits; a short one repeats itself. */
  readonly rssKey?: string;
  /** With several queues: the queues of the indirection table, in turn; all of them when left out. */
  readonly rssTable?: readonly number[];
}

/** Why a lab cannot be made or removed, in one sentence with the remedy. */
export class LabError extends Error {
  /** The name of the error below it (EPERM), or empty. */
  readonly code: string;

  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'LabError';
    this.code = (cause as NodeJS.ErrnoException | undefined)?.code ?? '';
  }
}

/** One side of a lab as it is. */
export interface LabSide {
  readonly namespace: string;
  /** Whether the namespace is there and can be entered. */
  readonly present: boolean;
  readonly interface: string;
  readonly link: LinkInfo | undefined;
  /** IPv4 addresses of the interface, as CIDR. */
  readonly addresses: readonly string[];
}

/** A lab as it is. */
export interface LabStatus {
  readonly name: string;
  /** `up`, `down`, or `incomplete` when only parts are there. */
  readonly state: 'up' | 'down' | 'incomplete';
  readonly stack: LabSide;
  readonly peer: LabSide;
  /** The address that the stack takes by convention, as CIDR. */
  readonly stackAddress: string;
  /** How what the peer sends is spread over the queues of the stack's interface; undefined with one queue. */
  readonly rss: RssDescription | undefined;
}

/** Name of the namespace in which the stack runs. */
export function stackNamespace(name: string): string {
  return `${name}-stack`;
}

/** Name of the namespace with the peer's kernel. */
export function peerNamespace(name: string): string {
  return `${name}-peer`;
}

/** The lab whose stack is in a namespace, given by name or path; undefined when it is no lab's. */
export function labOfNamespace(netns: string | undefined): string | undefined {
  const name = /([^/]+)-stack$/.exec(netns ?? '')?.[1];
  return name !== undefined && isLabName(name) && existsSync(netnsPath(peerNamespace(name)))
    ? name
    : undefined;
}

/** Says whether a word can name a lab. */
export function isLabName(name: string): boolean {
  return name.length <= MAX_NAME && /^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(name);
}

/** True when one of the lab's namespaces is there. */
export function labExists(name: string): boolean {
  return [stackNamespace(name), peerNamespace(name)].some((namespace) => existsSync(netnsPath(namespace)));
}

/** Makes a lab. Throws LabError, and then nothing of it is left. */
export function labUp(options: LabOptions): void {
  const { name } = options;
  checkName(name);
  const rss = rssOf(options);
  if (labExists(name)) {
    const { state } = labStatus(name);
    throw new LabError(
      `the lab "${name}" is ${state === 'up' ? 'up already' : 'half there'}: take it down first with ` +
        `npx mtcp lab down --name ${name}, or choose another --name`,
    );
  }
  try {
    createNamespace(stackNamespace(name));
    createNamespace(peerNamespace(name));
    joinNamespaces(options);
    if (rss !== undefined) spread(options, rss);
    if (options.noOffload === true) endOffload(name);
    waitForCarrier(name);
  } catch (error) {
    labDown(name);
    throw refusal(`the lab "${name}" cannot be made`, error);
  }
}

/** Removes whatever is there of a lab; returns false when there was nothing. Throws LabError. */
export function labDown(name: string): boolean {
  checkName(name);
  let found = false;
  try {
    for (const namespace of [stackNamespace(name), peerNamespace(name)]) {
      if (!existsSync(netnsPath(namespace))) continue;
      found = true;
      removeLink(namespace);
      removeNamespace(namespace);
    }
    tidyFolder();
  } catch (error) {
    throw refusal(`the lab "${name}" cannot be removed`, error);
  }
  return found;
}

/** Looks at a lab. Throws LabError when looking is not allowed. */
export function labStatus(name: string): LabStatus {
  checkName(name);
  const stack = lookAt(stackNamespace(name), LAB_STACK_INTERFACE);
  const peer = lookAt(peerNamespace(name), LAB_PEER_INTERFACE);
  const whole = [stack, peer].every(({ link, addresses }) => link?.up === true && addresses.length > 0);
  const state = whole ? 'up' : labExists(name) ? 'incomplete' : 'down';
  const rss = rssFromAlias(stack.link?.alias ?? '');
  return { name, state, stack, peer, stackAddress: `${LAB_STACK_ADDRESS}/${LAB_PREFIX}`, rss };
}

/** Reads how a lab spreads what the peer sends over its queues; undefined with one queue, or without such a lab. */
export function labRss(name: string): RssDescription | undefined {
  return labStatus(name).rss;
}

function checkName(name: string): void {
  if (isLabName(name)) return;
  throw new LabError(
    `"${name}" cannot name a lab: use letters, digits, "_", "-" and ".", at most ${MAX_NAME}, a letter or digit first`,
  );
}

function joinNamespaces({ name, queues, mtu }: LabOptions): void {
  const peer = openSync(netnsPath(peerNamespace(name)), 'r');
  try {
    withNetlink(stackNamespace(name), (netlink) => {
      const far = { name: LAB_PEER_INTERFACE, namespaceFd: peer };
      netlink.createVeth({ name: LAB_STACK_INTERFACE }, far, queues, mtu);
    });
  } finally {
    closeSync(peer);
  }
  bringUp(peerNamespace(name), LAB_PEER_INTERFACE, LAB_PEER_ADDRESS);
  bringUp(stackNamespace(name), LAB_STACK_INTERFACE, LAB_STACK_KERNEL_ADDRESS);
}

/** What the options say about receive-side scaling; undefined with one queue, which needs none. */
function rssOf({ queues, rssKey, rssTable }: LabOptions): RssDescription | undefined {
  if (queues < 2) {
    if (rssKey === undefined && rssTable === undefined) return undefined;
    throw new LabError('a key and a table spread over several queues: ask for at least 2 with --queues');
  }
  try {
    return labRssDescription(queues, rssKey, rssTable);
  } catch (error) {
    if (error instanceof LabRssError) throw new LabError(error.message, error);
    throw error;
  }
}

function spread({ name, queues }: LabOptions, rss: RssDescription): void {
  withNetlink(peerNamespace(name), (netlink) => {
    const link = netlink.link(LAB_PEER_INTERFACE);
    if (link !== undefined) attachRss(netlink, link.index, queues, rss);
  });
  withNetlink(stackNamespace(name), (netlink) => {
    const link = netlink.link(LAB_STACK_INTERFACE);
    if (link !== undefined) netlink.setAlias(link.index, rssToAlias(rss));
  });
}

function endOffload(name: string): void {
  inNetns(peerNamespace(name), () => {
    for (const feature of ['tso', 'gso', 'gro', 'tx'] as const)
      setFeature(LAB_PEER_INTERFACE, feature, false);
  });
}

function bringUp(namespace: string, interfaceName: string, address: string): void {
  withNetlink(namespace, (netlink) => {
    for (const link of netlink.links()) {
      if (link.name === interfaceName) {
        netlink.addAddress(link.index, Uint8Array.from(address.split('.'), Number), LAB_PREFIX);
      }
      if (link.name === interfaceName || link.name === 'lo') netlink.setUp(link.index);
    }
  });
}

/** The kernel notices that both ends are up a little later, on a thread of its own. */
function waitForCarrier(name: string): void {
  for (let tries = 0; tries < 100; tries++) {
    const { stack, peer } = labStatus(name);
    if (stack.link?.running === true && peer.link?.running === true) return;
    sleepMs(10);
  }
}

/** Takes the veth pair away at once: a process that is still in the namespace would keep it alive. */
function removeLink(namespace: string): void {
  try {
    withNetlink(namespace, (netlink) => {
      const link = netlink.link(LAB_STACK_INTERFACE) ?? netlink.link(LAB_PEER_INTERFACE);
      if (link !== undefined) netlink.deleteLink(link.index);
    });
  } catch (error) {
    // EINVAL: a name without a namespace, left by an attempt that was cut short.
    if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
  }
}

function lookAt(namespace: string, interfaceName: string): LabSide {
  const nothing = { namespace, present: false, interface: interfaceName, link: undefined, addresses: [] };
  if (!existsSync(netnsPath(namespace))) return nothing;
  try {
    return withNetlink(namespace, (netlink) => {
      const link = netlink.link(interfaceName);
      const addresses = netlink
        .addresses()
        .filter(({ index }) => index === link?.index)
        .map(({ address, prefix }) => `${address}/${prefix}`);
      return { namespace, present: true, interface: interfaceName, link, addresses };
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EINVAL') return nothing;
    throw refusal('the lab cannot be looked at', error);
  }
}

function withNetlink<T>(namespace: string, work: (netlink: Netlink) => T): T {
  return inNetns(namespace, () => {
    const netlink = new Netlink();
    try {
      return work(netlink);
    } finally {
      netlink.close();
    }
  });
}

/** Turns what the kernel said into a sentence with the remedy. */
function refusal(what: string, error: unknown): LabError {
  if (error instanceof LabError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'EPERM' || code === 'EACCES') {
    return new LabError(`${what}, since that needs CAP_SYS_ADMIN and CAP_NET_ADMIN: run it as root`, error);
  }
  if (code === 'EOPNOTSUPP') {
    return new LabError(`${what}: this kernel has no veth (try modprobe veth)`, error);
  }
  return new LabError(`${what}: ${message}`, error);
}
