// mTCP's configuration in memory: mtcp_getconf and mtcp_setconf over `struct mtcp_conf`. What was set here is put over the options
// of mtcp_init when a context is created.

import { cpus } from 'node:os';
import { StackConfig } from '../stack/config.js';
import { EFAULT, EINVAL } from '../stack/errors.js';
import { DEFAULT_MAX_CONCURRENCY } from './context.js';
import { fail } from './errno.js';
import type { MtcpOptions } from './options.js';
import { coresOf } from './options.js';

/** C's `struct mtcp_conf`. Times are in milliseconds here, unlike in the file. */
export interface MtcpConf {
  num_cores: number;
  /** Most sockets per context. */
  max_concurrency: number;
  /** Without effect: buffers are made when data arrives and given back when it is gone. */
  max_num_buffers: number;
  rcvbuf_size: number;
  sndbuf_size: number;
  /** TIME-WAIT, in ms. */
  tcp_timewait: number;
  /** Idle timeout, in ms; -1 for none. */
  tcp_timeout: number;
}

const FIELDS = [
  'num_cores',
  'max_concurrency',
  'max_num_buffers',
  'rcvbuf_size',
  'sndbuf_size',
  'tcp_timewait',
  'tcp_timeout',
] as const satisfies readonly (keyof MtcpConf)[];

/** What mtcp_init was given; undefined before it. */
let options: MtcpOptions | undefined;
/** What mtcp_setconf was given since. */
let given: Partial<MtcpConf> = {};

/** Remembers the options of mtcp_init; undefined forgets them, and what was set here. */
export function rememberOptions(value: MtcpOptions | undefined, maxNumBuffers?: number): void {
  options = value;
  if (value === undefined) given = {};
  else if (maxNumBuffers !== undefined) given.max_num_buffers ??= maxNumBuffers;
}

/** Options as mtcp_init is to see them: the number of cores, where they do not say it, is what was set here before. */
export function withCores(value: MtcpOptions): MtcpOptions {
  const { num_cores: cores } = given;
  const isFree = value.cores === undefined && value.queues === undefined && value.nic === undefined;
  return cores === undefined || !isFree ? value : { ...value, cores };
}

/** Options as a context is to be created with: what was set here comes over them. */
export function withConf(value: MtcpOptions): MtcpOptions {
  const { max_concurrency } = given;
  return {
    ...value,
    ...(max_concurrency === undefined ? {} : { maxConcurrency: max_concurrency }),
    sysctl: { ...value.sysctl, ...sysctlOf(given) },
  };
}

/** The stack options that stand for mTCP's: buffers of a fixed size, TIME-WAIT and the idle timeout. */
export function sysctlOf(conf: Partial<MtcpConf>): Record<string, number | string> {
  const { rcvbuf_size, sndbuf_size, tcp_timewait, tcp_timeout } = conf;
  return {
    // The memory of a receive buffer is twice its window, and 1,024 bytes at least.
    ...(rcvbuf_size === undefined ? {} : { 'net.ipv4.tcp_rmem': triple(Math.max(1024, 2 * rcvbuf_size)) }),
    ...(sndbuf_size === undefined ? {} : { 'net.ipv4.tcp_wmem': triple(Math.max(1024, sndbuf_size)) }),
    ...(tcp_timewait === undefined ? {} : { 'net.ipv4.tcp_timewait_ms': tcp_timewait }),
    ...(tcp_timeout === undefined ? {} : { 'net.ipv4.tcp_idle_timeout_ms': Math.max(0, tcp_timeout) }),
  };
}

function triple(bytes: number): string {
  return `${Math.min(4096, bytes)} ${bytes} ${bytes}`;
}

/**
 * Tells the configuration as a context that is created now would have it.
 * @param conf receives C's `struct mtcp_conf`; times are in ms
 * @returns 0, or -1 with errno EINVAL (`conf` is null), EFAULT (it is no object).
 * Source: mTCP's mtcp_api.h. Can be called before mtcp_init.
 */
export function mtcp_getconf(conf: Partial<MtcpConf>): 0 | -1 {
  if (conf === null || conf === undefined) return fail(EINVAL);
  if (typeof conf !== 'object') return fail(EFAULT);
  const known = withConf(withCores(options ?? {}));
  const stack = new StackConfig(known.sysctl ?? {});
  const concurrency = known.maxConcurrency ?? DEFAULT_MAX_CONCURRENCY;
  const now: MtcpConf = {
    num_cores: coresOf(known),
    max_concurrency: concurrency,
    max_num_buffers: given.max_num_buffers ?? concurrency,
    rcvbuf_size: stack.rmem[1] >> 1,
    sndbuf_size: stack.wmem[1],
    tcp_timewait: stack.timeWaitUs / 1000,
    tcp_timeout: stack.idleTimeoutUs === 0 ? -1 : stack.idleTimeoutUs / 1000,
  };
  Object.assign(conf, now);
  return 0;
}

/**
 * Changes the configuration of contexts that are created from now on; the number of cores only before mtcp_init, and only where
 * that does not say it. Fields that are not above 0 are left as they are, as in mTCP.
 * @param conf C's `struct mtcp_conf`, or a part of it; times are in ms
 * @returns 0, or -1 with errno EINVAL (`conf` is null; a field that is no whole number, more cores than there are CPUs, a
 *   buffer below 64 bytes or above 512 MiB, more than 16,777,216 sockets, a TIME-WAIT above an hour), EFAULT (it is no object).
 * Source: mTCP's mtcp_api.h.
 */
export function mtcp_setconf(conf: Partial<MtcpConf>): 0 | -1 {
  if (conf === null || conf === undefined) return fail(EINVAL);
  if (typeof conf !== 'object') return fail(EFAULT);
  const changes: Partial<MtcpConf> = {};
  for (const field of FIELDS) {
    const value = conf[field];
    if (value === undefined) continue;
    if (!Number.isInteger(value) || value > MOST[field]) return fail(EINVAL);
    if (value <= 0) continue;
    if ((field === 'rcvbuf_size' || field === 'sndbuf_size') && value < 64) return fail(EINVAL);
    changes[field] = value;
  }
  given = { ...given, ...changes };
  return 0;
}

const MOST: Readonly<Record<keyof MtcpConf, number>> = {
  num_cores: cpus().length,
  max_concurrency: 1 << 24,
  max_num_buffers: 0x7fffffff,
  rcvbuf_size: 1 << 29,
  sndbuf_size: 1 << 29,
  tcp_timewait: 3_600_000,
  tcp_timeout: 0x7fffffff,
};
