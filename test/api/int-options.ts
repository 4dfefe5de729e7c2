// The socket options that are ints: what each is by default, what it takes and tells then, and what it refuses.

import { SOL_SOCKET, SOL_TCP } from '../../src/index.js';

/** Level, name, first value, [set, told], what is EINVAL. */
export const INTS: readonly [string, number, number, readonly [number, number][], readonly number[]][] = [
  [
    'SO_REUSEADDR',
    SOL_SOCKET,
    0,
    [
      [1, 1],
      [7, 1],
      [0, 0],
    ],
    [],
  ],
  [
    'SO_REUSEPORT',
    SOL_SOCKET,
    0,
    [
      [1, 1],
      [0, 0],
    ],
    [],
  ],
  [
    'SO_KEEPALIVE',
    SOL_SOCKET,
    0,
    [
      [1, 1],
      [0, 0],
    ],
    [],
  ],
  [
    'SO_SNDBUF',
    SOL_SOCKET,
    131_072,
    [
      [10_000, 20_000],
      [1, 4608],
      [1 << 30, 8_388_608],
    ],
    [-1],
  ],
  [
    'SO_RCVBUF',
    SOL_SOCKET,
    131_072,
    [
      [10_000, 20_000],
      [0, 2304],
      [1 << 30, 8_388_608],
    ],
    [-1],
  ],
  [
    'TCP_NODELAY',
    SOL_TCP,
    0,
    [
      [1, 1],
      [0, 0],
    ],
    [],
  ],
  [
    'TCP_CORK',
    SOL_TCP,
    0,
    [
      [1, 1],
      [0, 0],
    ],
    [],
  ],
  [
    'TCP_MAXSEG',
    SOL_TCP,
    536,
    [
      [88, 88],
      [1000, 1000],
    ],
    [87, 32_768],
  ],
  [
    'TCP_KEEPIDLE',
    SOL_TCP,
    7200,
    [
      [1, 1],
      [32_767, 32_767],
    ],
    [0, 32_768],
  ],
  [
    'TCP_KEEPINTVL',
    SOL_TCP,
    75,
    [
      [1, 1],
      [32_767, 32_767],
    ],
    [0, 32_768],
  ],
  [
    'TCP_KEEPCNT',
    SOL_TCP,
    9,
    [
      [1, 1],
      [127, 127],
    ],
    [0, 128],
  ],
  [
    'TCP_SYNCNT',
    SOL_TCP,
    7,
    [
      [1, 1],
      [127, 127],
    ],
    [0, 128],
  ],
  [
    'TCP_LINGER2',
    SOL_TCP,
    60,
    [
      [5, 5],
      [-3, -1],
      [500, 120],
      [0, 60],
    ],
    [],
  ],
  [
    'TCP_DEFER_ACCEPT',
    SOL_TCP,
    0,
    [
      [5, 5],
      [0, 0],
    ],
    [-1],
  ],
  [
    'TCP_USER_TIMEOUT',
    SOL_TCP,
    0,
    [
      [5000, 5000],
      [0, 0],
    ],
    [-1],
  ],
  [
    'TCP_UTO_ENABLED',
    SOL_TCP,
    0,
    [
      [1, 1],
      [0, 0],
    ],
    [],
  ],
  [
    'TCP_UTO_ADV',
    SOL_TCP,
    925,
    [
      [300, 300],
      [32_767, 32_767],
      [32_768, 32_820],
      [1_966_020, 1_966_020],
      [0, 925],
    ],
    [-1, 1_966_021],
  ],
  [
    'TCP_UTO_CHANGEABLE',
    SOL_TCP,
    1,
    [
      [0, 0],
      [1, 1],
    ],
    [],
  ],
  [
    'TCP_NOTSENT_LOWAT',
    SOL_TCP,
    0,
    [
      [4096, 4096],
      [0xffffffff, 0xffffffff],
      [0, 0],
    ],
    [-1],
  ],
  [
    'TCP_INQ',
    SOL_TCP,
    0,
    [
      [1, 1],
      [0, 0],
    ],
    [-1, 2],
  ],
  ['TCP_QUICKACK', SOL_TCP, 1, [[1, 1]], []],
];
