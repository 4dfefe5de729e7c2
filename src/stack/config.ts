// The stack's options. Each has the name of the Linux sysctl that does the same (ip-sysctl.rst) and can be set by it at run
// time; the data path reads plain fields in bytes and microseconds. Options that Linux has as constants bear a name in its
// style. An unknown name or a bad value is a RangeError that names it.

import { NeighbourConfig } from './link/neighbours.js';

type Kind = 'flag' | 'integer' | 'triple' | 'pair' | 'congestion' | 'key';

interface Option {
  /** A field of StackConfig, or `neighbours.` and one of NeighbourConfig. */
  readonly field: string;
  readonly kind: Kind;
  /** What one unit of the sysctl is in the field's unit (1,000 for a sysctl in ms kept in µs). */
  readonly scale: number;
  readonly min: number;
  readonly max: number;
}

/** What reads like a key and is none: the stack picks secret ones. */
export const NO_KEY = '00000000-00000000-00000000-00000000';

/**
 * Options of one stack, with Linux's defaults where Linux has the option. `@linux` says what is otherwise there: another default,
 * or that there is no such sysctl. docs/api/sysctls.md is made from these comments.
 */
export class StackConfig {
  /** Timestamps option (RFC 7323 3). */
  timestamps = 1;
  /** Window scale option (RFC 7323 2). */
  windowScaling = 1;
  /** SACK-permitted option and SACK blocks (RFC 2018). */
  sack = 1;
  /**
   * SYN retransmissions of an active open: one more than Linux's, as R2 of a SYN is at least 3 minutes (RFC 9293 MUST-23).
   * @linux 6
   */
  synRetries = 7;
  /**
   * SYNs sent again a second apart before the time between them doubles, as RFC 6298 5.5 wants it from the first on.
   * @linux 4
   */
  synLinearTimeouts = 0;
  /** SYN-ACK retransmissions of a passive open. */
  synackRetries = 5;
  /** Retransmissions before the neighbour is suspected (R1, RFC 9293 3.8.3). */
  retries1 = 3;
  /** Retransmissions before the connection is given up (R2, RFC 9293 3.8.3). */
  retries2 = 15;
  /** Retransmissions of a connection that no program owns any more; 0 stands for 8. */
  orphanRetries = 0;
  /**
   * Connections that programs have closed and that have something to send yet; one more is reset.
   * @linux half of its table of connections, which is this number on a machine of 16 GiB
   */
  maxOrphans = 65_536;
  /** User timeouts are told to peers, and theirs followed, when 1 (RFC 5482). @linux none */
  uto = 0;
  /** User timeout to tell (ADV_UTO), in µs; 0 stands for the time that `tcp_retries2` takes. @linux none */
  utoAdvertisedUs = 0;
  /** Least user timeout that a peer can bring about (L_LIMIT, RFC 5482 3.1), in µs. @linux none */
  utoMinUs = 100_000_000;
  /** Largest user timeout that a peer can bring about (U_LIMIT, RFC 5482 3.1), in µs. @linux none */
  utoMaxUs = 3_600_000_000;
  /** Longest stay of an orphan in FIN-WAIT-2, in µs. */
  finTimeoutUs = 60_000_000;
  /** Length of TIME-WAIT, 2 MSL, in µs (RFC 9293 3.6.1). @linux none: a constant of 60 s */
  timeWaitUs = 60_000_000;
  /** TIME-WAIT ignores RST when 1 (RFC 1337 3, fix F1). @linux 0 */
  rfc1337 = 1;
  /** Fast Open (RFC 7413), a sum: 1 active, 2 passive, 4 and 0x200 without cookies, 0x400 for every listener. */
  fastopen = 1;
  /** Keys of Fast Open's cookies, one or two as on Linux; secret ones when all are zero. */
  fastopenKey = NO_KEY;
  /** SYN cookies (RFC 4987 3.6): 0 none, 1 when the queue of half-open connections is full, 2 always. */
  syncookies = 1;
  /** Half-open connections per listener. @linux by the memory of the machine */
  maxSynBacklog = 4096;
  /** Upper bound of a listener's backlog. */
  somaxconn = 4096;
  /** Answers an overflowing accept queue with RST instead of silence when 1. */
  abortOnOverflow = 0;
  /**
   * Receive buffer: least, initial and largest, in bytes of memory; the window is half of it (tcp_adv_win_scale 1).
   * @linux the largest by the memory of the machine
   */
  rmem: readonly number[] = [4096, 131_072, 6_291_456];
  /**
   * Send buffer: least, initial and largest, in bytes.
   * @linux 16384 as the initial one, the largest by the memory of the machine
   */
  wmem: readonly number[] = [4096, 65_536, 4_194_304];
  /**
   * Memory of all buffers in pages of 4 KiB: below the first nothing is restricted, above the second nothing is kept out of order,
   * above the third no connection gets more than it has.
   * @linux by the memory of the machine
   */
  mem: readonly number[] = [196_608, 262_144, 393_216];
  /** The urgent pointer of the peer tells the urgent byte itself when 1, and the one behind it when 0 (RFC 6093 3.1). */
  stdurg = 0;
  /** Least retransmission timeout, in µs. */
  rtoMinUs = 200_000;
  /** Largest retransmission timeout, in µs. */
  rtoMaxUs = 120_000_000;
  /** Retransmission timeout before the first sample, in µs (RFC 6298 2.1). @linux none: a constant of 1 s */
  rtoInitialUs = 1_000_000;
  /** Longest delay of an ACK, in µs (RFC 9293 3.8.6.3 allows 500 ms). @linux none: constants of 40 to 200 ms */
  delackUs = 40_000;
  /** Initial window, in segments (RFC 6928). @linux none: a constant of 10, and `initcwnd` of a route */
  initialCwnd = 10;
  /** Falls back to the initial window after an idle RTO when 1 (RFC 5681 4.1). */
  slowStartAfterIdle = 1;
  /** Smallest MSS that a peer can make us use, in bytes. */
  minSndMss = 48;
  /**
   * Finds out whether the path swallows large segments (RFC 4821): 0 never, 1 when timeouts repeat themselves, 2 from the beginning.
   * @linux 0
   */
  mtuProbing = 1;
  /** MSS to begin the search of `tcp_mtu_probing` with, in bytes. */
  baseMss = 1024;
  /** The least MSS that the search comes down to, in bytes. */
  mtuProbeFloor = 48;
  /** How long a result of the search stands, in µs. */
  probeIntervalUs = 600_000_000;
  /** How close to the truth the search has to come, in bytes. */
  probeThreshold = 8;
  /** Smallest path MTU that a router is believed, in bytes. */
  minPmtu = 552;
  /** How long a router is believed, in µs (RFC 1191 6.3). */
  pmtuExpiresUs = 600_000_000;
  /** Least time between two ACKs of invalid segments of one connection, in µs (RFC 5961 10). */
  invalidRatelimitUs = 500_000;
  /** Challenge ACKs per second of the whole stack (RFC 5961 7). @linux no limit */
  challengeAckLimit = 1000;
  /**
   * Where more connections than `tcp_dormant_threshold` have a block, those in which nothing has happened for so long, in µs, give
   * theirs up (tcp/dormancy.ts), sooner where there are more than twice as many; 0 for never.
   * @linux none
   */
  dormantAfterUs = 2_000_000;
  /** Connections with a block above which idle ones give theirs up (`tcp_dormant_after_ms`). @linux none */
  dormantThreshold = 1024;
  /** Largest number of connections, half-open and TIME-WAIT ones included. @linux none */
  maxConnections = 1_048_576;
  /** Keepalive: silence before the first probe, in µs (RFC 9293 3.8.4). */
  keepaliveTimeUs = 7_200_000_000;
  /** Keepalive: time between two probes, in µs. */
  keepaliveIntervalUs = 75_000_000;
  /** Keepalive: probes without an answer after which the connection ends. */
  keepaliveProbes = 9;
  /**
   * Ends a connection on which nothing was sent or received for so long, in µs, as mTCP's tcp_timeout; 0 for never.
   * @linux none
   */
  idleTimeoutUs = 0;
  /** Largest buffer that SO_RCVBUF may ask for, in bytes. @linux 212992 in older kernels */
  rmemMax = 4_194_304;
  /** Largest buffer that SO_SNDBUF may ask for, in bytes. @linux 212992 in older kernels */
  wmemMax = 4_194_304;
  /**
   * Congestion notification: 0 none, 1 classic, 2 classic when the peer asks, 3 accurate, 4 accurate when the peer asks and classic
   * else, 5 accurate when the peer asks (RFC 3168, RFC 9768).
   */
  ecn = 2;
  /** Gives ECN up when SYNs with it seem to be lost, or fields to be changed on the way, when 1 (RFC 3168 6.1.1.1). */
  ecnFallback = 1;
  /** AccECN options: 0 none, 1 where they are needed, 2 where they fit, 3 even when they do not seem to arrive. */
  ecnOption = 2;
  /** How often in a round trip an option is sent at least, when `tcp_ecn_option` is 1. */
  ecnOptionBeacon = 3;
  /** Name of the congestion control of new connections. @linux as the kernel was built, mostly cubic */
  congestionControl = 'cubic';
  /** Ends slow start by HyStart++ when 1 (RFC 9406). @linux none: a parameter of its module tcp_cubic, for HyStart */
  hystart = 1;
  /** Reports duplicate segments by D-SACK when 1 (RFC 2883). */
  dsack = 1;
  /** Finds out whether a retransmission timeout was spurious, by F-RTO (RFC 5682): 0 off, 1 or 2 on, as on Linux. */
  frto = 2;
  /** Lets the receive buffer grow as fast as the application reads, up to the largest of tcp_rmem, when 1. */
  moderateRcvbuf = 1;
  /** Rate of a paced connection in slow start, in per cent of its window in a round trip. */
  pacingSsRatio = 200;
  /** Rate of a paced connection after slow start, in per cent of its window in a round trip. */
  pacingCaRatio = 120;
  /** How long the smallest round trip is remembered, in µs. */
  minRttWindowUs = 300_000_000;
  /** Tail loss probes (RFC 8985 7): 0 off, 3 or 4 on, as on Linux. */
  earlyRetrans = 3;
  /** First and last local port that connect chooses. */
  localPortRange: readonly number[] = [32_768, 60_999];
  /** TTL of outgoing packets. */
  defaultTtl = 64;
  /** Announces the stack's addresses by ARP when it starts, when 1. */
  arpNotify = 0;
  /** Ignores ICMP echo requests when 1. */
  echoIgnoreAll = 0;
  /**
   * Least time between two ICMP errors of the stack, in µs; 0 means no limit (RFC 1812 4.3.2.8).
   * @linux 1000, for each target
   */
  icmpRatelimitUs = 1_000;
  /** Times and bounds of the neighbour cache (net.ipv4.neigh.default.*). */
  readonly neighbours: NeighbourConfig = new NeighbourConfig();

  constructor(values: Readonly<Record<string, number | string>> = {}) {
    for (const name of Object.keys(values)) this.set(name, values[name]);
  }

  /** Names of all options, as `set` takes them. */
  static names(): string[] {
    return [...OPTIONS.keys()];
  }

  /**
   * Sets an option by its sysctl name, with or without the `net.ipv4.` in front.
   * @throws RangeError naming the option when it is unknown or the value is out of its range.
   */
  set(name: string, value: number | string): void {
    const option = find(name);
    const [owner, field] = this.#locate(option);
    owner[field] = parse(name, option, value);
  }

  /** Reads an option by its sysctl name, in the sysctl's own unit. @throws RangeError naming an unknown option. */
  get(name: string): number | string {
    const option = find(name);
    const [owner, field] = this.#locate(option);
    const value = owner[field] as number | string | readonly number[];
    if (typeof value === 'number') return value / option.scale;
    return typeof value === 'string' ? value : value.join(' ');
  }

  #locate(option: Option): [Record<string, unknown>, string] {
    const [first, second] = option.field.split('.');
    const owner: object = second === undefined ? this : this.neighbours;
    return [owner as Record<string, unknown>, second ?? first];
  }
}

const INT_MAX = 0x7fffffff;
const OPTIONS: ReadonlyMap<string, Option> = new Map(
  (
    [
      ['net.ipv4.tcp_timestamps', 'timestamps', 'integer', 1, 0, 2],
      ['net.ipv4.tcp_window_scaling', 'windowScaling', 'flag', 1, 0, 1],
      ['net.ipv4.tcp_sack', 'sack', 'flag', 1, 0, 1],
      ['net.ipv4.tcp_syn_retries', 'synRetries', 'integer', 1, 1, 127],
      ['net.ipv4.tcp_syn_linear_timeouts', 'synLinearTimeouts', 'integer', 1, 0, 127],
      ['net.ipv4.tcp_synack_retries', 'synackRetries', 'integer', 1, 0, 255],
      ['net.ipv4.tcp_retries1', 'retries1', 'integer', 1, 0, 255],
      ['net.ipv4.tcp_retries2', 'retries2', 'integer', 1, 0, 255],
      ['net.ipv4.tcp_orphan_retries', 'orphanRetries', 'integer', 1, 0, 255],
      ['net.ipv4.tcp_max_orphans', 'maxOrphans', 'integer', 1, 0, INT_MAX],
      ['net.ipv4.tcp_uto', 'uto', 'flag', 1, 0, 1],
      ['net.ipv4.tcp_uto_adv', 'utoAdvertisedUs', 'integer', 1_000_000, 0, 1_966_020],
      ['net.ipv4.tcp_uto_min', 'utoMinUs', 'integer', 1_000_000, 1, 1_966_020],
      ['net.ipv4.tcp_uto_max', 'utoMaxUs', 'integer', 1_000_000, 122, 1_966_020],
      ['net.ipv4.tcp_fin_timeout', 'finTimeoutUs', 'integer', 1_000_000, 0, 3600],
      ['net.ipv4.tcp_timewait_ms', 'timeWaitUs', 'integer', 1_000, 0, 3_600_000],
      ['net.ipv4.tcp_rfc1337', 'rfc1337', 'flag', 1, 0, 1],
      ['net.ipv4.tcp_max_syn_backlog', 'maxSynBacklog', 'integer', 1, 1, INT_MAX],
      ['net.core.somaxconn', 'somaxconn', 'integer', 1, 1, INT_MAX],
      ['net.ipv4.tcp_abort_on_overflow', 'abortOnOverflow', 'flag', 1, 0, 1],
      ['net.ipv4.tcp_rmem', 'rmem', 'triple', 1, 1024, 1 << 30],
      ['net.ipv4.tcp_mem', 'mem', 'triple', 1, 0, 1 << 30],
      ['net.ipv4.tcp_stdurg', 'stdurg', 'flag', 1, 0, 1],
      ['net.ipv4.tcp_wmem', 'wmem', 'triple', 1, 1024, 1 << 30],
      ['net.ipv4.tcp_rto_min_us', 'rtoMinUs', 'integer', 1, 1, 60_000_000],
      ['net.ipv4.tcp_rto_max_ms', 'rtoMaxUs', 'integer', 1_000, 1_000, 120_000],
      ['net.ipv4.tcp_rto_initial_ms', 'rtoInitialUs', 'integer', 1_000, 1, 60_000],
      ['net.ipv4.tcp_delack_ms', 'delackUs', 'integer', 1_000, 0, 500],
      ['net.ipv4.tcp_initial_cwnd', 'initialCwnd', 'integer', 1, 1, 1024],
      ['net.ipv4.tcp_slow_start_after_idle', 'slowStartAfterIdle', 'flag', 1, 0, 1],
      ['net.ipv4.tcp_min_snd_mss', 'minSndMss', 'integer', 1, 48, 65_535],
      ['net.ipv4.tcp_mtu_probing', 'mtuProbing', 'integer', 1, 0, 2],
      ['net.ipv4.tcp_base_mss', 'baseMss', 'integer', 1, 48, 65_535],
      ['net.ipv4.tcp_mtu_probe_floor', 'mtuProbeFloor', 'integer', 1, 48, 65_535],
      ['net.ipv4.tcp_probe_interval', 'probeIntervalUs', 'integer', 1_000_000, 1, 86_400],
      ['net.ipv4.tcp_probe_threshold', 'probeThreshold', 'integer', 1, 1, 65_535],
      ['net.ipv4.route.min_pmtu', 'minPmtu', 'integer', 1, 68, 65_535],
      ['net.ipv4.route.mtu_expires', 'pmtuExpiresUs', 'integer', 1_000_000, 1, 86_400],
      ['net.ipv4.tcp_invalid_ratelimit', 'invalidRatelimitUs', 'integer', 1_000, 0, INT_MAX],
      ['net.ipv4.tcp_challenge_ack_limit', 'challengeAckLimit', 'integer', 1, 0, INT_MAX],
      ['net.ipv4.tcp_keepalive_time', 'keepaliveTimeUs', 'integer', 1_000_000, 1, 32_767],
      ['net.ipv4.tcp_keepalive_intvl', 'keepaliveIntervalUs', 'integer', 1_000_000, 1, 32_767],
      ['net.ipv4.tcp_keepalive_probes', 'keepaliveProbes', 'integer', 1, 1, 127],
      ['net.ipv4.tcp_idle_timeout_ms', 'idleTimeoutUs', 'integer', 1_000, 0, INT_MAX],
      ['net.core.rmem_max', 'rmemMax', 'integer', 1, 2304, 1 << 30],
      ['net.core.wmem_max', 'wmemMax', 'integer', 1, 4608, 1 << 30],
      ['net.ipv4.tcp_max_connections', 'maxConnections', 'integer', 1, 1, 1 << 24],
      ['net.ipv4.tcp_dormant_after_ms', 'dormantAfterUs', 'integer', 1_000, 0, INT_MAX],
      ['net.ipv4.tcp_dormant_threshold', 'dormantThreshold', 'integer', 1, 0, INT_MAX],
      ['net.ipv4.tcp_hystart', 'hystart', 'flag', 1, 0, 1],
      ['net.ipv4.tcp_dsack', 'dsack', 'flag', 1, 0, 1],
      ['net.ipv4.tcp_frto', 'frto', 'integer', 1, 0, 2],
      ['net.ipv4.tcp_moderate_rcvbuf', 'moderateRcvbuf', 'flag', 1, 0, 1],
      ['net.ipv4.tcp_pacing_ss_ratio', 'pacingSsRatio', 'integer', 1, 1, 1000],
      ['net.ipv4.tcp_pacing_ca_ratio', 'pacingCaRatio', 'integer', 1, 1, 1000],
      ['net.ipv4.tcp_min_rtt_wlen', 'minRttWindowUs', 'integer', 1_000_000, 0, 86_400],
      ['net.ipv4.tcp_early_retrans', 'earlyRetrans', 'integer', 1, 0, 4],
      ['net.ipv4.tcp_fastopen', 'fastopen', 'integer', 1, 0, 0x7ff],
      ['net.ipv4.tcp_fastopen_key', 'fastopenKey', 'key', 1, 0, 0],
      ['net.ipv4.tcp_syncookies', 'syncookies', 'integer', 1, 0, 2],
      ['net.ipv4.tcp_ecn', 'ecn', 'integer', 1, 0, 5],
      ['net.ipv4.tcp_ecn_fallback', 'ecnFallback', 'flag', 1, 0, 1],
      ['net.ipv4.tcp_ecn_option', 'ecnOption', 'integer', 1, 0, 3],
      ['net.ipv4.tcp_ecn_option_beacon', 'ecnOptionBeacon', 'integer', 1, 0, 63],
      ['net.ipv4.tcp_congestion_control', 'congestionControl', 'congestion', 1, 0, 0],
      ['net.ipv4.ip_local_port_range', 'localPortRange', 'pair', 1, 1, 65_535],
      ['net.ipv4.ip_default_ttl', 'defaultTtl', 'integer', 1, 1, 255],
      ['net.ipv4.conf.all.arp_notify', 'arpNotify', 'flag', 1, 0, 1],
      ['net.ipv4.icmp_echo_ignore_all', 'echoIgnoreAll', 'flag', 1, 0, 1],
      ['net.ipv4.icmp_ratelimit', 'icmpRatelimitUs', 'integer', 1_000, 0, 60_000],
      [
        'net.ipv4.neigh.default.base_reachable_time_ms',
        'neighbours.reachableUs',
        'integer',
        1_000,
        1,
        INT_MAX,
      ],
      ['net.ipv4.neigh.default.retrans_time_ms', 'neighbours.retransUs', 'integer', 1_000, 1, 60_000],
      ['net.ipv4.neigh.default.mcast_solicit', 'neighbours.maxProbes', 'integer', 1, 1, 255],
      ['net.ipv4.neigh.default.ucast_solicit', 'neighbours.maxUnicastProbes', 'integer', 1, 0, 255],
      [
        'net.ipv4.neigh.default.delay_first_probe_time',
        'neighbours.delayFirstProbeUs',
        'integer',
        1_000_000,
        0,
        3600,
      ],
      ['net.ipv4.neigh.default.unres_qlen', 'neighbours.queueLength', 'integer', 1, 1, 4096],
      ['net.ipv4.neigh.default.gc_thresh3', 'neighbours.maxEntries', 'integer', 1, 1, 65_536],
    ] as const
  ).map(([name, field, kind, scale, min, max]) => [name, { field, kind, scale, min, max } satisfies Option]),
);

/** Congestion controls that a stack offers; filled by tcp/congestion.ts users through `set`. */
const CONGESTION_CONTROLS = ['bbr', 'cubic', 'dctcp', 'reno'];

function find(name: string): Option {
  const option = OPTIONS.get(name) ?? OPTIONS.get(`net.ipv4.${name}`) ?? OPTIONS.get(`net.core.${name}`);
  if (option === undefined) throw new RangeError(`unknown stack option '${name}'`);
  return option;
}

function parse(name: string, option: Option, value: number | string): number | string | readonly number[] {
  if (option.kind === 'congestion') {
    if (CONGESTION_CONTROLS.includes(String(value))) return String(value);
    throw new RangeError(
      `${name}: no congestion control '${value}' (there is: ${CONGESTION_CONTROLS.join(', ')})`,
    );
  }
  if (option.kind === 'key') {
    if (/^[\da-f]{8}(-[\da-f]{8}){3}(,[\da-f]{8}(-[\da-f]{8}){3})?$/i.test(String(value)))
      return String(value);
    throw new RangeError(
      `${name}: '${value}' is no key of four words, or two of them, such as 00112233-44556677-8899aabb-ccddeeff`,
    );
  }
  const numbers = String(value)
    .trim()
    .split(/\s+/)
    .map((word) => (/^\d+$/.test(word) ? Number(word) : Number.NaN));
  const count = option.kind === 'triple' ? 3 : option.kind === 'pair' ? 2 : 1;
  const rising = numbers.every((number, i) => i === 0 || number >= numbers[i - 1]);
  if (numbers.length !== count || !rising || !numbers.every((n) => n >= option.min && n <= option.max)) {
    const what = count === 1 ? 'an integer' : `${count} rising integers`;
    throw new RangeError(`${name}: '${value}' is not ${what} from ${option.min} to ${option.max}`);
  }
  return count === 1 ? numbers[0] * option.scale : numbers;
}
