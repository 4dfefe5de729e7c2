// mTCP's configuration file, mtcp.conf: every key with its unit and its default, and beside it config/route.conf and
// config/arp.conf. Keys without a meaning here are warnings; an unknown key or a bad value is an error that names file, line
// and key. `address`, `gateway` and `netns` are ours: mTCP finds the address in the interface, and takes it away from the kernel.

import { cpus } from 'node:os';
import { congestionControl } from '../stack/tcp/congestion.js';
import { parseV4 } from '../stack/wire/address.js';
import type { MtcpConf } from './conf-calls.js';
import { sysctlOf } from './conf-calls.js';
import type { ConfLine } from './conf-lines.js';
import { ConfigError, readLines } from './conf-lines.js';
import { findTable, readNeighbours, readRoutes } from './conf-tables.js';
import type { MtcpOptions } from './options.js';
import { parseCidr } from './options.js';

/** What a file says. */
export interface ConfigFile {
  readonly options: MtcpOptions;
  readonly maxNumBuffers: number;
  /** Bit n is physical core n; undefined for "core i is CPU i". */
  readonly coreMask: bigint | undefined;
  /** One sentence each, beginning with the place. */
  readonly warnings: readonly string[];
}

/** What has been read so far. */
interface Draft {
  iface?: string;
  addresses: string[];
  gateway?: string;
  netns?: string;
  cores?: number;
  coreMask?: bigint;
  congestion?: string;
  conf: Partial<Omit<MtcpConf, 'num_cores'>>;
  readonly warnings: string[];
}

type Reader = (line: ConfLine, draft: Draft) => void;

const INT_MAX = 0x7fffffff;
const IO_MODULES = ['psio', 'dpdk', 'netmap', 'onvm'];

const warn =
  (what: string, check?: (line: ConfLine) => void): Reader =>
  (line, draft) => {
    check?.(line);
    if (line.values.length === 0) line.fail('needs a value');
    draft.warnings.push(line.warning(what));
  };
const toConf =
  (field: keyof Draft['conf'], min: number, max: number, unit = 1): Reader =>
  (line, draft) => {
    const value = line.integer(min, max);
    draft.conf[field] = value < 0 ? value : value * unit;
  };
const anyInteger = (line: ConfLine): void => void line.integer(-1, INT_MAX);

const KEYS: Readonly<Record<string, Reader>> = {
  io(line, draft) {
    const module = line.one();
    if (module === 'xdp') return;
    if (!IO_MODULES.includes(module)) line.fail(`"${module}" is none of xdp, ${IO_MODULES.join(', ')}`);
    draft.warnings.push(line.warning(`${module} is not used: packets go through AF_XDP`));
  },
  num_cores(line, draft) {
    draft.cores = line.integer(1, cpus().length);
  },
  core_mask(line, draft) {
    const word = line.one().replace(/^0x/i, '');
    if (!/^[0-9a-f]+$/i.test(word)) line.fail(`"${word}" is no hexadecimal number`);
    draft.coreMask = BigInt(`0x${word}`);
    if (draft.coreMask === 0n) line.fail('no core is in the mask');
  },
  port(line, draft) {
    const name = line.values.length === 1 ? line.values[0] : line.fail('name one interface');
    if (name === 'all') line.fail('name the interface: "all" is not taken');
    draft.iface = name;
  },
  address(line, draft) {
    if (line.values.length === 0) line.fail('needs a value');
    for (const word of line.values) {
      if (parseCidr(word) === undefined) line.fail(`"${word}" is no address such as 10.0.0.1/24`);
      draft.addresses.push(word);
    }
  },
  gateway(line, draft) {
    if (parseV4(line.one()) === undefined) line.fail(`"${line.one()}" is no IPv4 address`);
    draft.gateway = line.one();
  },
  netns(line, draft) {
    draft.netns = line.one();
  },
  max_concurrency: toConf('max_concurrency', 1, 1 << 24),
  max_num_buffers(line, draft) {
    draft.conf.max_num_buffers = line.integer(0, INT_MAX);
    draft.warnings.push(line.warning('has no effect: buffers are made when data arrives'));
  },
  rcvbuf: toConf('rcvbuf_size', 64, 1 << 29),
  sndbuf: toConf('sndbuf_size', 64, 1 << 29),
  tcp_timeout: toConf('tcp_timeout', -1, 2_000_000, 1000),
  tcp_timewait: toConf('tcp_timewait', 0, 3600, 1000),
  cc(line, draft) {
    const [name, ...rest] = line.values;
    if (name === undefined) line.fail('needs a value');
    if (congestionControl(name) === undefined) line.fail(`there is no congestion control "${name}"`);
    if (rest.length > 0) draft.warnings.push(line.warning(`"${rest.join(' ')}" has no meaning here`));
    draft.congestion = name;
  },
  stat_print: warn('has no effect: counters are shown by the program, or by the command line'),
  num_mem_ch: warn('has no meaning without DPDK', anyInteger),
  multiprocess: warn('has no meaning without DPDK', (line) => void line.integer(0, 1)),
  onvm_serv: warn('has no meaning without OpenNetVM', anyInteger),
  onvm_inst: warn('has no meaning without OpenNetVM', anyInteger),
  onvm_dest: warn('has no meaning without OpenNetVM', anyInteger),
};

/**
 * Reads an mTCP configuration file and the tables beside it. What the file leaves out has mTCP's default: 10,000 sockets and
 * buffers of 8,192 bytes per core, an idle timeout of 30 s, no TIME-WAIT, as many cores as there are CPUs.
 * @param defaults the interface, if something else than the file names it
 * @throws ConfigError that names file, line and key; Node's error when the file cannot be read
 */
export function readConfigFile(path: string, defaults: { iface?: string } = {}): ConfigFile {
  const draft: Draft = { addresses: [], conf: {}, warnings: [] };
  for (const line of readLines(path)) {
    if (!Object.hasOwn(KEYS, line.key)) {
      throw new ConfigError(`${line.file}:${line.number}: ${line.key}: there is no such key`);
    }
    KEYS[line.key](line, draft);
  }
  const iface = defaults.iface ?? draft.iface;
  const routePath = findTable(path, 'route.conf');
  const { routes, gateway } = routePath === undefined ? {} : readRoutes(routePath, iface);
  const arpPath = findTable(path, 'arp.conf');
  const { rcvbuf_size, sndbuf_size, max_concurrency = 10_000, max_num_buffers = 10_000 } = draft.conf;
  const chosenGateway = draft.gateway ?? gateway;
  const conf = {
    tcp_timeout: 30_000,
    tcp_timewait: 0,
    ...draft.conf,
    rcvbuf_size: rcvbuf_size ?? sndbuf_size ?? 8192,
    sndbuf_size: sndbuf_size ?? rcvbuf_size ?? 8192,
  };
  return {
    options: {
      ...(iface === undefined ? {} : { iface }),
      ...(draft.netns === undefined ? {} : { netns: draft.netns }),
      ...(draft.addresses.length === 0 ? {} : { addresses: draft.addresses }),
      ...(chosenGateway === undefined ? {} : { gateway: chosenGateway }),
      ...(routes === undefined ? {} : { routes }),
      ...(arpPath === undefined ? {} : { neighbours: readNeighbours(arpPath) }),
      cores: draft.cores ?? cpus().length,
      maxConcurrency: max_concurrency,
      sysctl: {
        ...sysctlOf(conf),
        ...(draft.congestion === undefined ? {} : { 'net.ipv4.tcp_congestion_control': draft.congestion }),
      },
    },
    maxNumBuffers: max_num_buffers,
    coreMask: draft.coreMask,
    warnings: draft.warnings,
  };
}
