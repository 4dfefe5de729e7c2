// Why an interface could not be opened, as one sentence that ends with what to do about it. Thrown by
// openXdpNic and what it is made of; the command line prints the message as it is.

import { SystemError } from './os/syscalls.js';
import type { XdpHolder } from './os/xdp-holder.js';
import { commandIn, detachRemedy } from './remedies.js';

/**
 * A failure to open a Nic. `code` is the name of the errno behind it (or EINVAL), `remedy` what the user can
 * do.
 */
export class NicError extends Error {
  readonly code: string;
  readonly remedy: string;

  constructor(code: string, problem: string, remedy: string, cause?: unknown) {
    super(`${problem}; ${remedy}`, cause === undefined ? undefined : { cause });
    this.name = 'NicError';
    this.code = code;
    this.remedy = remedy;
  }
}

const PRIVILEGES = 'run as root, or give the process CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF';

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** Turns what a step of the set-up threw into a NicError; a NicError passes through unchanged. */
export function explainNamespace(error: unknown, name: string): NicError {
  if (error instanceof NicError) return error;
  const code = codeOf(error);
  if (code === 'ENOENT') {
    const remedy = 'list them with `ip netns list`';
    return new NicError(code, `there is no network namespace ${name}`, remedy, error);
  }
  if (code === 'EPERM' || code === 'EACCES') {
    const problem = `entering the network namespace ${name} is not permitted`;
    return new NicError(code, problem, 'run as root, or give the process CAP_SYS_ADMIN', error);
  }
  const problem = `the network namespace ${name} cannot be entered (${String(error)})`;
  return new NicError(code === '' ? 'EINVAL' : code, problem, 'check the name', error);
}

/** As `explainNamespace`, for reading the interface. */
export function explainInterface(error: unknown, iface: string, netns: string | undefined): NicError {
  if (error instanceof NicError) return error;
  const code = codeOf(error);
  const where = netns === undefined ? 'this network namespace' : `the network namespace ${netns}`;
  if (code === 'ENODEV') {
    const remedy = 'list them with `ip link`';
    return new NicError(code, `there is no interface ${iface} in ${where}`, remedy, error);
  }
  return unexpected(error, `the interface ${iface} cannot be read`);
}

/** As `explainNamespace`, for making the AF_XDP socket and its memory. */
export function explainSocket(error: unknown, iface: string): NicError {
  if (error instanceof NicError) return error;
  const code = codeOf(error);
  if (code === 'EPERM' || code === 'EACCES') {
    return new NicError(code, `an AF_XDP socket on ${iface} is not permitted`, PRIVILEGES, error);
  }
  if (code === 'EAFNOSUPPORT') {
    const problem = 'this kernel has no AF_XDP sockets';
    return new NicError(code, problem, 'use a kernel with CONFIG_XDP_SOCKETS=y', error);
  }
  if (code === 'ENOBUFS' || code === 'ENOMEM' || code === 'EAGAIN') {
    const problem = `the memory for the frames of ${iface} cannot be locked`;
    const remedy = 'use fewer frames, raise `ulimit -l`, or give the process CAP_IPC_LOCK';
    return new NicError(code, problem, remedy, error);
  }
  return unexpected(error, `the AF_XDP socket on ${iface} cannot be made`);
}

/** What there is to know of a queue that cannot be bound. */
export interface BindPlace {
  readonly iface: string;
  readonly netns?: string | undefined;
  readonly queue: number;
  readonly queues: number;
  readonly zeroCopyOnly: boolean;
  /** The command that gives the interface so many queues, if there is one. */
  readonly queuesCommand?: ((queues: number) => string | undefined) | undefined;
}

/** As `explainNamespace`, for binding the socket to a queue. */
export function explainBind(error: unknown, place: BindPlace): NicError {
  const { iface, netns, queue, queues, zeroCopyOnly } = place;
  if (error instanceof NicError) return error;
  const code = codeOf(error);
  if (code === 'EBUSY') {
    const problem = `queue ${queue} of ${iface} is taken by another AF_XDP socket`;
    return new NicError(code, problem, 'stop the process that has it, or choose another queue', error);
  }
  if (code === 'EINVAL' && queue >= queues) {
    const problem = `${iface} has no queue ${queue}`;
    const command = place.queuesCommand?.(queue + 1);
    const instead = command === undefined ? '' : `, or add queues with \`${command}\``;
    const remedy = queues === 1 ? `choose queue 0${instead}` : `choose one from 0 to ${queues - 1}${instead}`;
    return new NicError(code, problem, remedy, error);
  }
  if (code === 'ENETDOWN') {
    return linkDown(iface, netns, error);
  }
  if (zeroCopyOnly && (code === 'EOPNOTSUPP' || code === 'ENOTSUPP' || code === 'EINVAL')) {
    const problem = `the driver of ${iface} has no AF_XDP zero-copy`;
    return new NicError(code, problem, 'use mode auto or native', error);
  }
  return unexpected(error, `queue ${queue} of ${iface} cannot be bound`);
}

/** The refusal of an interface that is down. */
export function linkDown(iface: string, netns: string | undefined, cause?: unknown): NicError {
  const command = commandIn(netns, `ip link set ${iface} up`);
  return new NicError('ENETDOWN', `${iface} is down`, `bring it up with \`${command}\``, cause);
}

/** Tells whether attaching failed because another program is there. */
export function isTaken(error: unknown): boolean {
  return ['EBUSY', 'EEXIST'].includes(codeOf(error));
}

/** As `explainNamespace`, for loading and attaching the XDP program; `holder` is who keeps the one that is there. */
export function explainProgram(
  error: unknown,
  iface: string,
  netns?: string | undefined,
  holder?: XdpHolder | undefined,
): NicError {
  if (error instanceof NicError) return error;
  const code = codeOf(error);
  if (code === 'EPERM' || code === 'EACCES') {
    return new NicError(code, `attaching an XDP program to ${iface} is not permitted`, PRIVILEGES, error);
  }
  if (isTaken(error)) {
    const problem = `${iface} has an XDP program already`;
    return new NicError(code, problem, detachRemedy(iface, netns, holder), error);
  }
  if (code === 'EOPNOTSUPP' || code === 'ENOTSUPP') {
    const problem = `the driver of ${iface} has no native XDP`;
    return new NicError(code, problem, 'use mode auto or skb', error);
  }
  if (code === 'ERANGE') {
    const problem = `the MTU of ${iface} is too large for its driver's XDP`;
    return new NicError(
      code,
      problem,
      `lower it with \`${commandIn(netns, `ip link set ${iface} mtu 1500`)}\`, or use mode skb`,
      error,
    );
  }
  if (code === 'ENOSPC') {
    const problem = `${iface} has too few queues for its driver's XDP`;
    return new NicError(
      code,
      problem,
      'give it as many RX queues as its peer has TX queues, or use mode skb',
      error,
    );
  }
  if (code === 'ENOSYS') {
    return new NicError(code, 'this kernel has no bpf(2)', 'use a kernel with CONFIG_BPF_SYSCALL=y', error);
  }
  return unexpected(error, `the XDP program cannot be attached to ${iface}`);
}

function unexpected(error: unknown, problem: string): NicError {
  const code = codeOf(error);
  const detail = error instanceof Error ? error.message : String(error);
  const remedy = error instanceof SystemError ? 'see dmesg, and run `mtcp doctor`' : 'run `mtcp doctor`';
  return new NicError(code === '' ? 'EINVAL' : code, `${problem} (${detail})`, remedy, error);
}
