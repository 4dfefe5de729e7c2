// One thread per core, each with a queue, an AF_XDP socket, its memory and a stack of its own; nothing is shared on the data path. The
// thread that calls `startCores` owns the XDP program and cleans up after a core that dies; see docs/decisions for why.

import { randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { pathToFileURL } from 'node:url';
import { closeLeft, isLeft, unmapLeft } from '../nic/holdings.js';
import { createMailboxes, Mailboxes } from '../nic/mailbox.js';
import { NicError } from '../nic/nic-error.js';
import { attachProgram } from '../nic/open-xdp-nic.js';
import { close, eventfd } from '../nic/os/syscalls.js';
import { queuesCommand } from '../nic/remedies.js';
import type { XdpProgram } from '../nic/xdp-program.js';
import { wakeNic } from '../nic/xdp-waiter.js';
import { CoreHandle } from './core-handle.js';
import { CONTROL_WORDS, type CoreHost, controlOf, STOP } from './core-host.js';
import type { CoreStart } from './core-thread.js';
import { readOptions } from './init-options.js';
import { interfaceWarnings } from './interface-warnings.js';
import type { MtcpOptions } from './options.js';
import { addressesOf, coresOf } from './options.js';

/** Settings of `startCores` that are not the stack's. */
export interface CoresSettings {
  /** How many cores; as many as the interface has queues unless given here or in the configuration. */
  cores?: number;
  /** With the path of a configuration file: options that come over what it says. */
  overrides?: MtcpOptions;
  /** Any value that can be cloned; each core's program finds it as `core.data`. */
  data?: unknown;
  /** Pin each thread to the CPU of its number. Default true. */
  pin?: boolean;
}

const ETHERNET_HEADER = 14;
/** How long `stop` waits for programs to return before it ends their threads, in ms. */
const GRACE_MS = 5000;
/** The longest time of a timer; it would take a longer one for 1 ms. */
const LONGEST_MS = 2 ** 31 - 1;

/**
 * Starts a program on several cores and waits until each has its context.
 * @param module the program, by URL or path: a module whose default export is a function, which is called in each core's thread with
 *   its Core
 * @param config what `mtcp_init` takes
 * @throws Error with `code` and a sentence that names the reason and the remedy (EINVAL for options, fewer cores than the interface has
 *   queues, or more; EPERM, ENODEV, EADDRINUSE, EBUSY, … as `mtcp_create_context`), or what a program's module threw when it was loaded; nothing
 *   stays attached
 */
export async function startCores(
  module: string | URL,
  config: MtcpOptions | string,
  settings: CoresSettings = {},
): Promise<Cores> {
  const asked = settings.cores === undefined ? {} : { cores: settings.cores };
  const given = typeof config === 'string' ? config : { ...config, ...asked };
  const { options, file } = readOptions(given, { ...settings.overrides, ...asked });
  if (options.iface === undefined) {
    throw new NicError('EINVAL', 'cores need an interface', 'a Nic of your own belongs to one thread');
  }
  const isTold = options.cores !== undefined || options.queues !== undefined;
  const place = { iface: options.iface, ...(options.netns === undefined ? {} : { netns: options.netns }) };
  const { program, info } = attachProgram({
    ...place,
    addresses: addressesOf(options).map(({ address }) => address),
    ...(options.mode === undefined ? {} : { mode: options.mode }),
  });
  try {
    const cores = isTold ? coresOf(options) : info.queues;
    if (cores !== info.queues) {
      const has = info.queues === 1 ? '1 queue' : `${info.queues} queues`;
      const asked = cores === 1 ? '1 core is asked for' : `${cores} cores are asked for`;
      const command = queuesCommand(info, options.netns, cores);
      const other = command === undefined ? '' : `, or \`${command}\``;
      throw new NicError('EINVAL', `${options.iface} has ${has} and ${asked}`, `use as many${other}`);
    }
    // Cookies that one core gives are shown to another (RFC 7413 4.1.2).
    const sysctl = { 'net.ipv4.tcp_fastopen_key': randomKey(), ...options.sysctl };
    const overrides = { ...settings.overrides, cores, sysctl };
    const started = new Cores(
      program,
      cores,
      info.mtu + ETHERNET_HEADER,
      [...(file?.warnings ?? []), ...interfaceWarnings({ ...options, cores }, info)],
      {
        config: typeof given === 'string' ? given : { ...given, cores, sysctl },
        overrides: typeof given === 'string' ? overrides : {},
        module: hrefOf(module),
        data: settings.data,
        pin: settings.pin !== false,
      },
    );
    await started.begin();
    return started;
  } catch (error) {
    program.close();
    throw error;
  }
}

function hrefOf(module: string | URL): string {
  const isUrl = module instanceof URL || /^[a-z]+:/.test(module);
  return isUrl ? String(module) : pathToFileURL(module).href;
}

function randomKey(): string {
  return Array.from({ length: 4 }, () => randomBytes(4).toString('hex')).join('-');
}

/** Events of `Cores`, with their arguments. */
interface CoresEvents {
  /** A core's program has sent a value. */
  message: [cpu: number, value: unknown];
  /** A core has ended; `error` is why, when its program threw. */
  exit: [cpu: number, error: Error | undefined];
}

/** The running cores of one interface. */
export class Cores extends EventEmitter<CoresEvents> {
  readonly count: number;
  /** What a configuration file says without effect, one sentence each. */
  readonly warnings: readonly string[];
  /**
   * Settles when no core runs any more, and the interface is free again: when the last one has ended, but not by `kill`, and nobody who
   * heard of it has restarted it; when a restart has failed and no other core runs; or after `stop`. Rejects with what a core's program
   * threw when nobody listens for `exit`.
   */
  readonly ended: Promise<void>;
  readonly #program: XdpProgram;
  readonly #start: Omit<CoreStart, 'cpu' | 'host'>;
  readonly #hosts: readonly CoreHost[];
  readonly #threads = new Map<number, CoreHandle>();
  #hasBegun = false;
  #isStopping = false;
  #isOver = false;
  #error: Error | undefined;
  #settle: { resolve: () => void; reject: (error: Error) => void } = { resolve() {}, reject() {} };

  /** Called by `startCores`. */
  constructor(
    program: XdpProgram,
    count: number,
    frameBytes: number,
    warnings: readonly string[],
    start: Omit<CoreStart, 'cpu' | 'host'>,
  ) {
    super();
    this.count = count;
    this.warnings = warnings;
    this.ended = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.#program = program;
    this.#start = start;
    const shared = { cores: count, mailboxes: createMailboxes(count, frameBytes), frameBytes };
    const control = new SharedArrayBuffer(count * CONTROL_WORDS * 4);
    this.#hosts = eventfds(count).map((wakeFd) => ({ program: program.handles, shared, control, wakeFd }));
  }

  /** Called by `startCores`: starts all cores, or none. */
  async begin(): Promise<void> {
    const started = await Promise.allSettled(this.#hosts.map(async (_, cpu) => this.#launch(cpu).ready));
    const failed = started.find((result) => result.status === 'rejected');
    // One may have been ready and have ended while another was not yet.
    if (failed === undefined && this.#threads.size === this.count) {
      this.#hasBegun = true;
      // Not before whoever called has had the chance to listen.
      setImmediate(() => {
        for (const core of this.#threads.values()) core.begin();
      });
      return;
    }
    await Promise.all([...this.#threads.keys()].map((cpu) => this.kill(cpu)));
    this.#isOver = true;
    for (const { wakeFd } of this.#hosts) close(wakeFd);
    throw failed?.reason ?? this.#error ?? new Error('a core ended before all had begun');
  }

  /** Cores that run now, by number; those that are being started are among them. */
  get running(): number[] {
    return [...this.#threads.keys()].sort((a, b) => a - b);
  }

  /** True when `stop` has been called or no core runs any more: none can be started. */
  get stopping(): boolean {
    return this.#isStopping || this.#isOver;
  }

  /** How a core sits on its queue: `xdp-zerocopy`, `xdp-native` or `xdp-skb`; empty when it does not run. */
  modeOf(cpu: number): string {
    return this.#threads.get(cpu)?.mode ?? '';
  }

  /** Sends a value to a core's program, which is called with it while its event loop runs. */
  post(cpu: number, value: unknown): void {
    this.#threads.get(cpu)?.post(value);
  }

  /**
   * Starts a core that has ended, on its queue. When it cannot be started and no other runs, that is the end, as if it had ended.
   * @throws Error as `startCores`, and with `code` EBUSY when the core runs, EINVAL when there is none of this number, or all are being
   *   stopped or have ended
   */
  async restart(cpu: number): Promise<void> {
    const core = this.#launch(cpu);
    try {
      await core.ready;
    } catch (error) {
      throw this.#isStopping ? this.#refusal() : error;
    }
    if (this.#isStopping) throw this.#refusal();
    core.begin();
  }

  #refusal(): Error {
    return withCode('EINVAL', this.#isOver ? 'the cores have ended' : 'the cores are being stopped');
  }

  #launch(cpu: number): CoreHandle {
    if (this.stopping) throw this.#refusal();
    const host = this.#hosts[cpu];
    if (host === undefined) throw withCode('EINVAL', `there is no core ${cpu}`);
    if (this.#threads.has(cpu)) throw withCode('EBUSY', `core ${cpu} runs already`);
    Atomics.store(controlOf(host.control, cpu), STOP, 0);
    const core = new CoreHandle(
      { ...this.#start, cpu, host },
      {
        onPost: (value) => void this.emit('message', cpu, value),
        onExit: (ended) => this.#onExit(cpu, ended),
      },
    );
    this.#threads.set(cpu, core);
    return core;
  }

  /**
   * Ends a core's thread at once, as a crash would: its queue passes to the kernel, its connections are reset when the core is there
   * again and their peers send something, and the other cores go on.
   */
  async kill(cpu: number): Promise<void> {
    const core = this.#threads.get(cpu);
    if (core === undefined) return;
    core.isKilled = true;
    core.terminate();
    await core.ended;
  }

  /**
   * Asks all programs to end, waits for them, and detaches from the interface. What takes longer than `graceMs` is ended. From the call
   * on no core can be started, and a core that is being started is ended too. Idempotent.
   */
  async stop(graceMs = GRACE_MS): Promise<void> {
    this.#isStopping = true;
    const threads = [...this.#threads];
    for (const [cpu, core] of threads) {
      Atomics.store(controlOf(this.#hosts[cpu]!.control, cpu), STOP, 1);
      core.stop();
      this.#wake(this.#mailboxesOf(cpu), cpu);
    }
    const timer = setTimeout(
      () => {
        for (const [, core] of threads) core.terminate();
      },
      Math.min(graceMs, LONGEST_MS),
    );
    await Promise.all(threads.map(([, { ended }]) => ended));
    clearTimeout(timer);
    this.#finish();
  }

  #onExit(cpu: number, core: CoreHandle): void {
    this.#threads.delete(cpu);
    this.#cleanUp(cpu, core);
    if (!this.#hasBegun) {
      this.#error ??= core.error;
      return;
    }
    try {
      // Who starts a core hears from `restart` that it could not be started.
      if (core.isReady && !this.emit('exit', cpu, core.error)) this.#error ??= core.error;
    } finally {
      // Whoever hears that the last one has ended, by the event or by a promise of it, may start it again.
      if (!core.isKilled) setImmediate(() => this.#finishIfIdle());
    }
  }

  #finishIfIdle(): void {
    if (this.#threads.size === 0) this.#finish();
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#program.close();
    for (const { wakeFd } of this.#hosts) close(wakeFd);
    if (this.#error === undefined) this.#settle.resolve();
    else this.#settle.reject(this.#error);
  }

  /** Gives back what a thread has left behind: its memory, and all the rest when it was killed. */
  #cleanUp(cpu: number, { holdings, mappings }: CoreHandle): void {
    const mailboxes = this.#mailboxesOf(cpu);
    mailboxes.close();
    // It may have rung and not have woken any more.
    for (const other of this.#threads.keys()) this.#wake(mailboxes, other);
    if (holdings !== undefined && isLeft(holdings)) {
      this.#program.clearSocket(cpu);
      closeLeft(holdings);
    }
    unmapLeft(mappings);
  }

  #mailboxesOf(cpu: number): Mailboxes {
    const { mailboxes, cores, frameBytes } = this.#hosts[cpu]!.shared;
    return new Mailboxes(mailboxes, cores, frameBytes, cpu);
  }

  /** Makes a core look around, whether it sleeps or watches its ring. */
  #wake(mailboxes: Mailboxes, cpu: number): void {
    mailboxes.ring(cpu);
    wakeNic(this.#hosts[cpu]!.wakeFd);
  }
}

/** Descriptors to wake cores by: all or none. */
function eventfds(count: number): number[] {
  const made: number[] = [];
  try {
    while (made.length < count) made.push(eventfd());
    return made;
  } catch (error) {
    made.forEach(close);
    throw error;
  }
}

function withCode(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
