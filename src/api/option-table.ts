// The socket options that there are: for each its level, its kind of value, how it is told and, where it can be set, how it is
// set and what it refuses. Values are Linux's, in Linux's units (socket(7), tcp(7)).

import { EDOM, EINVAL, ENOENT } from '../stack/errors.js';
import { congestionControl } from '../stack/tcp/congestion.js';
import { formatKeys, parseKeys } from '../stack/tcp/fast-open.js';
import type { TcpInfo } from '../stack/tcp/info.js';
import { change, type Tuning } from '../stack/tcp/tuning.js';
import { advertisedUs, isUtoEnabled, userTimeoutUs } from '../stack/tcp/user-timeout.js';
import * as C from './constants.js';
import type { Context } from './context.js';
import type { Linger, TimeVal, ValueKind } from './option-values.js';
import { BYTES, INFO, INT, LINGER, TEXT, TIMEVAL } from './option-values.js';
import type { Socket } from './sockets.js';

/** One option. `set` returns 0 or an errno. */
export interface SocketOption<T> {
  readonly level: number;
  readonly name: number;
  readonly kind: ValueKind<T>;
  get(core: Context, socket: Socket): T;
  set?(core: Context, socket: Socket, value: T): number;
}

const SECOND_US = 1_000_000;
/** Linux's numbers of states, for sockets that are no connections. */
const TCP_CLOSE = 7;
const TCP_LISTEN = 10;
/** The most that the option holds, 32,767 minutes, in seconds (RFC 5482 3.4). */
const MAX_UTO_S = 32_767 * 60;
/** RFC 9293 3.7.1: what a segment may hold while nothing else is known. */
const DEFAULT_MSS = 536;

/** Gives a socket, and the connection or listener that it has, other options. */
export function retune(core: Context, socket: Socket, changes: Partial<Tuning>): void {
  let { tuning } = socket;
  for (const option of Object.keys(changes) as (keyof Tuning)[])
    tuning = change(tuning, option, changes[option]!);
  if (tuning === socket.tuning) return;
  socket.tuning = tuning;
  if (socket.tcb !== undefined) {
    core.touch();
    core.stack.tcp.tune(socket.tcb, socket.tuning);
  }
  if (socket.listener !== undefined) socket.listener.tuning = socket.tuning;
}

type IntOption = Pick<SocketOption<number>, 'get' | 'set'>;
const int = (level: number, name: number, option: IntOption): SocketOption<number> => ({
  level,
  name,
  kind: INT,
  ...option,
});
const readOnly = (level: number, name: number, get: IntOption['get']): SocketOption<number> =>
  int(level, name, { get });

type SwitchField = {
  [K in keyof Tuning]: Tuning[K] extends boolean ? K : never;
}[keyof Tuning];

/** A switch that is a field of the tuning. */
const flag = (level: number, name: number, field: SwitchField): SocketOption<number> =>
  int(level, name, {
    get: (_, { tuning }) => (tuning[field] ? 1 : 0),
    set: (core, socket, value) => {
      retune(core, socket, { [field]: value !== 0 });
      return 0;
    },
  });

type NumberField = {
  [K in keyof Tuning]: Tuning[K] extends number ? K : never;
}[keyof Tuning];

/** A number that is a field of the tuning, `unit` of its own units each; `otherwise` tells what holds while it is not set. */
const number = (
  name: number,
  field: NumberField,
  unit: number,
  [min, max]: readonly [number, number],
  otherwise: (core: Context, socket: Socket) => number = () => 0,
): SocketOption<number> =>
  int(C.SOL_TCP, name, {
    get: (core, socket) => {
      const set = socket.tuning[field];
      return set === 0 ? otherwise(core, socket) : Math.round(set / unit);
    },
    set: (core, socket, value) => {
      if (value < min || value > max) return EINVAL;
      retune(core, socket, { [field]: value * unit });
      return 0;
    },
  });

/** SO_RCVTIMEO and SO_SNDTIMEO. */
const timeout = (name: number, field: 'receiveTimeoutUs' | 'sendTimeoutUs'): SocketOption<TimeVal> => ({
  level: C.SOL_SOCKET,
  name,
  kind: TIMEVAL,
  get: (_, socket) => ({
    tv_sec: Math.floor(socket[field] / SECOND_US),
    tv_usec: socket[field] % SECOND_US,
  }),
  set: (_, socket, { tv_sec, tv_usec }) => {
    if (tv_sec < 0 || tv_usec < 0 || tv_usec >= SECOND_US) return EDOM;
    socket[field] = tv_sec * SECOND_US + tv_usec;
    return 0;
  },
});

/** SO_SNDBUF and SO_RCVBUF: what is asked for within bounds, of which twice as much is told (socket(7)). */
const buffer = (
  name: number,
  field: 'sendBytes' | 'receiveBytes',
  least: number,
  now: (core: Context, socket: Socket) => number,
  most: (core: Context) => number,
): SocketOption<number> =>
  int(C.SOL_SOCKET, name, {
    get: (core, socket) => 2 * (socket.tuning[field] > 0 ? socket.tuning[field] : now(core, socket)),
    set: (core, socket, value) => {
      if (value < 0) return EINVAL;
      retune(core, socket, { [field]: Math.max(least, Math.min(value, most(core))) });
      return 0;
    },
  });

/** TCP_FASTOPEN_KEY; what is kept is the text that net.ipv4.tcp_fastopen_key would have. */
const fastOpenKey: SocketOption<Uint8Array> = {
  level: C.SOL_TCP,
  name: C.TCP_FASTOPEN_KEY,
  kind: BYTES,
  get: (_, { tuning }) => parseKeys(tuning.fastOpenKey) ?? new Uint8Array(0),
  set: (core, socket, key) => {
    if (key.length !== 16 && key.length !== 32) return EINVAL;
    retune(core, socket, { fastOpenKey: formatKeys(key) });
    return 0;
  },
};

const linger: SocketOption<Linger> = {
  level: C.SOL_SOCKET,
  name: C.SO_LINGER,
  kind: LINGER,
  get: (_, { lingerS }) => ({ l_onoff: lingerS < 0 ? 0 : 1, l_linger: Math.max(0, lingerS) }),
  set: (_, socket, { l_onoff, l_linger }) => {
    if (l_linger < 0) return EINVAL;
    socket.lingerS = l_onoff === 0 ? -1 : l_linger;
    return 0;
  },
};

const congestion: SocketOption<string> = {
  level: C.SOL_TCP,
  name: C.TCP_CONGESTION,
  kind: TEXT,
  get: ({ stack }, { tcb, tuning }) =>
    tcb?.congestion?.name ?? (tuning.congestion === '' ? stack.config.congestionControl : tuning.congestion),
  set: (core, socket, value) => {
    if (congestionControl(value) === undefined) return ENOENT;
    retune(core, socket, { congestion: value });
    return 0;
  },
};

const info: SocketOption<Partial<TcpInfo> & { tcpi_sacked?: number }> = {
  level: C.SOL_TCP,
  name: C.TCP_INFO,
  kind: INFO,
  get: ({ stack }, { tcb, listener }) => {
    if (tcb !== undefined) return stack.tcp.info(tcb);
    if (listener === undefined) return { tcpi_state: TCP_CLOSE };
    // As on Linux: connections that wait, and how many may.
    const waiting = listener.acceptQueue.length;
    return { tcpi_state: TCP_LISTEN, tcpi_unacked: waiting, tcpi_sacked: listener.backlog };
  },
};

// biome-ignore lint/suspicious/noExplicitAny: each row has a type of value of its own
const ROWS: readonly SocketOption<any>[] = [
  readOnly(C.SOL_SOCKET, C.SO_ERROR, ({ stack }, { tcb }) =>
    tcb === undefined ? 0 : stack.tcp.takeError(tcb),
  ),
  readOnly(C.SOL_SOCKET, C.SO_TYPE, () => C.SOCK_STREAM),
  readOnly(C.SOL_SOCKET, C.SO_ACCEPTCONN, (_, { listener }) => (listener === undefined ? 0 : 1)),
  readOnly(C.SOL_SOCKET, C.SO_DOMAIN, () => C.AF_INET),
  readOnly(C.SOL_SOCKET, C.SO_PROTOCOL, () => C.IPPROTO_TCP),
  int(C.SOL_SOCKET, C.SO_REUSEADDR, {
    get: (_, socket) => (socket.reuseAddress ? 1 : 0),
    set: (_, socket, value) => {
      socket.reuseAddress = value !== 0;
      return 0;
    },
  }),
  int(C.SOL_SOCKET, C.SO_REUSEPORT, {
    get: (_, socket) => (socket.reusePort ? 1 : 0),
    set: (_, socket, value) => {
      socket.reusePort = value !== 0;
      return 0;
    },
  }),
  buffer(
    C.SO_SNDBUF,
    'sendBytes',
    2304,
    ({ stack }, { tcb }) => tcb?.sendBuffer.limit ?? stack.config.wmem[1],
    ({ stack }) => stack.config.wmemMax,
  ),
  buffer(
    C.SO_RCVBUF,
    'receiveBytes',
    1152,
    ({ stack }, { tcb }) => tcb?.recvBuffer.limit ?? stack.config.rmem[1] >> 1,
    ({ stack }) => stack.config.rmemMax,
  ),
  flag(C.SOL_SOCKET, C.SO_KEEPALIVE, 'keepalive'),
  flag(C.SOL_SOCKET, C.SO_OOBINLINE, 'oobInline'),
  int(C.SOL_SOCKET, C.SO_MAX_PACING_RATE, {
    get: (_, { tuning: { maxPacingRate } }) => (maxPacingRate === 0 ? -1 : maxPacingRate),
    set: (core, socket, value) => {
      // As on Linux an unsigned number, of which the largest stands for no limit; a rate of nothing is none, either.
      const rate = value >>> 0;
      retune(core, socket, { maxPacingRate: rate === 0xffffffff ? 0 : rate });
      return 0;
    },
  }),
  linger,
  int(C.IPPROTO_IP, C.IP_TOS, {
    get: (_, { tuning }) => tuning.tos,
    set: (core, socket, value) => {
      // ip(7): the two bits of ECN are TCP's own.
      retune(core, socket, { tos: value & 0xfc });
      return 0;
    },
  }),
  timeout(C.SO_RCVTIMEO, 'receiveTimeoutUs'),
  timeout(C.SO_SNDTIMEO, 'sendTimeoutUs'),
  int(C.SOL_TCP, C.TCP_NODELAY, {
    get: (_, { tuning }) => (tuning.nodelay ? 1 : 0),
    set: (core, socket, value) => {
      retune(core, socket, { nodelay: value !== 0 });
      if (value !== 0 && socket.tcb !== undefined) core.stack.tcp.flush(socket.tcb);
      return 0;
    },
  }),
  flag(C.SOL_TCP, C.TCP_CORK, 'cork'),
  number(C.TCP_MAXSEG, 'maxSegment', 1, [88, 32_767], (_, { tcb }) => tcb?.snd.mss ?? DEFAULT_MSS),
  number(
    C.TCP_KEEPIDLE,
    'keepIdleUs',
    SECOND_US,
    [1, 32_767],
    ({ stack }) => stack.config.keepaliveTimeUs / SECOND_US,
  ),
  number(
    C.TCP_KEEPINTVL,
    'keepIntervalUs',
    SECOND_US,
    [1, 32_767],
    ({ stack }) => stack.config.keepaliveIntervalUs / SECOND_US,
  ),
  number(C.TCP_KEEPCNT, 'keepProbes', 1, [1, 127], ({ stack }) => stack.config.keepaliveProbes),
  number(C.TCP_SYNCNT, 'synRetries', 1, [1, 127], ({ stack }) => stack.config.synRetries),
  int(C.SOL_TCP, C.TCP_USER_TIMEOUT, {
    get: (_, { tcb, tuning }) =>
      Math.round((tcb === undefined ? tuning.userTimeoutUs : userTimeoutUs(tcb)) / 1000),
    set: (core, socket, value) => {
      if (value < 0 || value > 0x7fffffff) return EINVAL;
      // RFC 5482 3: what a program has asked for is not for the peer to change.
      retune(core, socket, { userTimeoutUs: value * 1000, utoChangeable: value === 0 });
      return 0;
    },
  }),
  int(C.SOL_TCP, C.TCP_UTO_ENABLED, {
    get: ({ stack }, { tuning }) => (isUtoEnabled(stack.tcp.core, tuning) ? 1 : 0),
    set: (core, socket, value) => {
      retune(core, socket, { utoEnabled: value !== 0 ? 1 : -1 });
      return 0;
    },
  }),
  int(C.SOL_TCP, C.TCP_UTO_ADV, {
    get: ({ stack }, { tuning }) => advertisedUs(stack.tcp.core, tuning) / SECOND_US,
    set: (core, socket, value) => {
      if (value < 0 || value > MAX_UTO_S) return EINVAL;
      retune(core, socket, { utoAdvertisedUs: value * SECOND_US });
      return 0;
    },
  }),
  flag(C.SOL_TCP, C.TCP_UTO_CHANGEABLE, 'utoChangeable'),
  readOnly(C.SOL_TCP, C.TCP_UTO_REMOTE, (_, { tcb }) => (tcb?.uto?.remoteUs ?? 0) / SECOND_US),
  number(C.TCP_NOTSENT_LOWAT, 'notSentLowat', 1, [0, 0xffffffff]),
  number(C.TCP_DEFER_ACCEPT, 'deferAcceptUs', SECOND_US, [0, 32_767]),
  number(C.TCP_FASTOPEN, 'fastOpenQueue', 1, [0, 65_535]),
  flag(C.SOL_TCP, C.TCP_FASTOPEN_CONNECT, 'fastOpenConnect'),
  flag(C.SOL_TCP, C.TCP_FASTOPEN_NO_COOKIE, 'fastOpenNoCookie'),
  fastOpenKey,
  int(C.SOL_TCP, C.TCP_LINGER2, {
    get: ({ stack }, { tuning: { finTimeoutUs } }) =>
      finTimeoutUs < 0 ? -1 : (finTimeoutUs || stack.config.finTimeoutUs) / SECOND_US,
    set: (core, socket, value) => {
      // Linux's TCP_FIN_TIMEOUT_MAX is 120 s.
      retune(core, socket, { finTimeoutUs: value < 0 ? -1 : Math.min(value, 120) * SECOND_US });
      return 0;
    },
  }),
  int(C.SOL_TCP, C.TCP_QUICKACK, {
    get: (_, { tcb }) => (tcb === undefined || tcb.quickAcks > 0 ? 1 : 0),
    set: (core, { tcb }, value) => {
      core.touch();
      if (tcb !== undefined) core.stack.tcp.setQuickAck(tcb, value !== 0);
      return 0;
    },
  }),
  int(C.SOL_TCP, C.TCP_INQ, {
    get: (_, { tellsInq }) => (tellsInq ? 1 : 0),
    set: (_, socket, value) => {
      if (value !== 0 && value !== 1) return EINVAL;
      socket.tellsInq = value === 1;
      return 0;
    },
  }),
  congestion,
  info,
];

/** The rows by level and name. */
const BY_LEVEL = new Map<number, Map<number, (typeof ROWS)[number]>>();
for (const row of ROWS) {
  const rows = BY_LEVEL.get(row.level) ?? new Map();
  BY_LEVEL.set(row.level, rows.set(row.name, row));
}

/** Finds an option; undefined when there is none. */
export function findOption(level: number, name: number): (typeof ROWS)[number] | undefined {
  return BY_LEVEL.get(level)?.get(name);
}
