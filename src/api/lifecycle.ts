// The beginning and the end: mtcp_init, mtcp_create_context, mtcp_destroy_context, mtcp_destroy. One configuration per thread,
// one context per queue. The only file of the API that knows how a Nic comes into being.

import { randomFillSync } from 'node:crypto';
import { constants } from 'node:os';
import type { InterfaceInfo } from '../nic/os/interface-info.js';
import { EBUSY, EINVAL, EPERM } from '../stack/errors.js';
import type { StackOptions } from '../stack/stack.js';
import { parseMac } from '../stack/wire/address.js';
import { type Attachment, attach, type QueueOptions } from './attach.js';
import { rememberOptions, withConf } from './conf-calls.js';
import { type Context, makeContext } from './context.js';
import { hostQueue, joinSiblings } from './core-host.js';
import { fail, failBecause } from './errno.js';
import type { Mctx, MctxArgument } from './guard.js';
import { isUsable } from './guard.js';
import { type InitOptions, readOptions } from './init-options.js';
import { widenInlining } from './inlining.js';
import { interfaceWarnings } from './interface-warnings.js';
import type { MtcpOptions } from './options.js';
import { addressesOf, coresOf, parseCidr } from './options.js';
import { steer } from './steering.js';
import { onForcedExit, setCoreMask } from './thread-calls.js';

let configuration: MtcpOptions | undefined;
let warnings: readonly string[] = [];
const contexts = new Map<number, { context: Context; attachment: Attachment }>();

/**
 * Sets the configuration of this thread; the first call of all. Nothing is attached until a context is created.
 * @param config the options, or the path of a file in the format of mTCP's mtcp.conf, whose defaults are mTCP's
 * @param overrides with a file: options that come over what it says, such as the stack's `address`
 * @returns 0, or -1 with errno EINVAL (an unknown option or key, or a bad value: `mtcp_last_error` names it, and in a file the
 *   line), EBUSY (already called, and `mtcp_destroy` not), or why the file cannot be read (ENOENT, EACCES).
 * Source: mtcp_init(3), which exits where this returns. What a file says without effect is told by `mtcp_warnings`.
 */
export function mtcp_init(config: MtcpOptions | string, overrides: MtcpOptions = {}): 0 | -1 {
  if (configuration !== undefined) {
    return failBecause(EBUSY, 'mtcp_init has been called already; call mtcp_destroy first');
  }
  let read: InitOptions;
  try {
    read = readOptions(config, overrides);
  } catch (error) {
    return failBecause(errnoOf(error), error instanceof Error ? error.message : String(error));
  }
  const { options, file } = read;
  configuration = options;
  warnings = file?.warnings ?? [];
  rememberOptions(options, file?.maxNumBuffers);
  setCoreMask(file?.coreMask);
  onForcedExit(mtcp_destroy);
  if (options.inlining !== false) widenInlining();
  return 0;
}

/**
 * Tells what works, but hardly as it was meant, one sentence each: what `mtcp_init` read in a configuration file and what has no effect
 * here, with file, line and key; and what `mtcp_create_context` found: more queues than contexts will serve, or an address that is in
 * no network of the interface.
 * @returns the sentences, those of the file first
 * Source: none; mTCP prints such things.
 */
export function mtcp_warnings(): readonly string[] {
  return warnings;
}

/**
 * Creates the context of a core: opens its queue of the interface, and starts a stack on it. An address that the kernel has on an
 * interface of the namespace is refused with EADDRINUSE: its servers, SSH among them, would be cut off.
 * @param cpu number of the core, from 0, which is also the number of its queue
 * @returns the context, or null with errno
 *   EPERM (mtcp_init has not been called, or privileges are missing), EINVAL (`cpu` out of range), EBUSY (that core has a
 *   context already, or the queue is taken by another program), ENODEV (no such interface), or what the kernel said;
 *   `mtcp_last_error` tells the reason and the remedy.
 * Source: mtcp_create_context(3).
 */
export function mtcp_create_context(cpu: number): Mctx | null {
  const options = configuration;
  if (options === undefined) return refuse(EPERM, 'call mtcp_init first');
  const cores = coresOf(options);
  if (!Number.isInteger(cpu) || cpu < 0 || cpu >= cores) {
    return refuse(EINVAL, `there are ${cores} cores, numbered from 0; ${String(cpu)} is none of them`);
  }
  if (contexts.has(cpu)) return refuse(EBUSY, `core ${cpu} has a context already`);
  let attachment: Attachment | undefined;
  try {
    const found: InterfaceInfo[] = [];
    const onInfo = (info: InterfaceInfo): void => void found.push(info);
    const shared = hostQueue(cpu) ?? queueOf(contexts.values().next().value);
    attachment = attach(options, cpu, { ...shared, onInfo });
    const { nic } = attachment;
    const conf = withConf(options);
    const { maxConcurrency } = conf;
    const limits = maxConcurrency === undefined ? {} : { maxConcurrency };
    const context = makeContext(nic, stackOptions(conf), monotonicClock(), systemRandom(), cpu, limits);
    joinSiblings(context);
    steer(context);
    contexts.set(cpu, { context, attachment });
    for (const info of found) warn(interfaceWarnings(options, info));
    return context;
  } catch (error) {
    attachment?.close();
    return refuse(errnoOf(error), error instanceof Error ? error.message : String(error));
  }
}

/** Each sentence once, also when it is true of several contexts. */
function warn(sentences: readonly string[]): void {
  warnings = [...new Set([...warnings, ...sentences])];
}

/** What queues of one thread share. */
function queueOf(first: { attachment: Attachment } | undefined): QueueOptions {
  const program = first?.attachment.queue?.program;
  return program === undefined ? {} : { program };
}

/** The number behind what setting up or closing a Nic threw: by its `code`, as Node's and the Nic's errors have it. */
function errnoOf(error: unknown): number {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? ((constants.errno as Record<string, number>)[code] ?? EINVAL) : EINVAL;
}

function refuse(number: number, sentence: string): null {
  failBecause(number, sentence);
  return null;
}

function stackOptions(options: MtcpOptions): StackOptions {
  const neighbours = Object.entries(options.neighbours ?? {});
  const routes = Object.entries(options.routes ?? {});
  return {
    addresses: addressesOf(options),
    ...(options.gateway === undefined ? {} : { gateway: options.gateway }),
    ...(options.mac === undefined ? {} : { mac: parseMac(options.mac)! }),
    ...(options.mtu === undefined ? {} : { mtu: options.mtu }),
    ...(options.peerChecksum === undefined ? {} : { rxChecksum: options.peerChecksum }),
    ...(options.sysctl === undefined ? {} : { sysctl: { ...options.sysctl } }),
    ...(routes.length === 0
      ? {}
      : {
          routes: routes.map(([to, gateway]) => ({
            ...parseCidr(to)!,
            ...(gateway === 'link' ? {} : { gateway }),
          })),
        }),
    ...(neighbours.length === 0
      ? {}
      : { neighbours: neighbours.map(([address, mac]) => ({ address, mac })) }),
  };
}

/** A clock of whole microseconds from now. */
export function monotonicClock(): () => number {
  const origin = performance.now();
  return () => Math.floor((performance.now() - origin) * 1000);
}

/** Uniform int32 values from the system's source, drawn 1,024 at a time. */
export function systemRandom(): () => number {
  const pool = new Int32Array(1024);
  let at = pool.length;
  return () => {
    if (at === pool.length) {
      randomFillSync(pool);
      at = 0;
    }
    return pool[at++];
  };
}

/**
 * Ends a context: sends what was written, resets the connections that are still open, detaches from the queue.
 * @returns 0, or -1 with errno EINVAL (no context), EPERM (destroyed already).
 * Source: mtcp_destroy_context(3).
 */
export function mtcp_destroy_context(mctx: MctxArgument): 0 | -1 {
  if (!isUsable(mctx)) return -1;
  if (contexts.get(mctx.cpu)?.context === mctx) contexts.delete(mctx.cpu);
  try {
    mctx.destroy();
    return 0;
  } catch (error) {
    return fail(errnoOf(error));
  }
}

/**
 * Ends all contexts of this thread and forgets the configuration; the last call of all.
 * @returns 0
 * Source: mtcp_destroy(3).
 */
export function mtcp_destroy(): 0 {
  for (const { context } of [...contexts.values()]) mtcp_destroy_context(context);
  contexts.clear();
  configuration = undefined;
  warnings = [];
  rememberOptions(undefined);
  setCoreMask(undefined);
  return 0;
}
