// What makes the calls on the whole thread fail: initialisation, contexts, configuration, cores, signals.

import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import * as api from '../../../src/index.js';
import { MemoryNic } from '../../../src/nic/memory-nic.js';
import { any, destroyed, type Provocation, type Provocations } from './scenes.js';

const options = (): api.MtcpOptions => ({ nic: new MemoryNic(), address: '10.0.0.1/24' });

/** Between mtcp_init and mtcp_destroy. */
const initialised =
  (given: api.MtcpOptions, call: Provocation): Provocation =>
  () => {
    api.mtcp_init(given);
    try {
      return call();
    } finally {
      const { errno } = api;
      api.mtcp_destroy();
      api.setErrno(errno);
    }
  };

/** Reads a file that this user may not read, as somebody else where this is root. */
function unreadable(): unknown {
  const folder = mkdtempSync(join(tmpdir(), 'mtcp-conf-'));
  const path = join(folder, 'mtcp.conf');
  writeFileSync(path, 'io = afxdp\n');
  chmodSync(path, 0);
  const isRoot = process.geteuid?.() === 0;
  try {
    if (isRoot) process.seteuid?.(65_534);
    return api.mtcp_init(path);
  } finally {
    if (isRoot) process.seteuid?.(0);
    rmSync(folder, { recursive: true });
  }
}

export const BEGINNINGS: Record<string, Provocations> = {
  mtcp_init: {
    EINVAL: [
      () => api.mtcp_init(any({ ...options(), speed: 1 })),
      () => api.mtcp_init({ ...options(), mtu: 67 }),
    ],
    EBUSY: initialised(options(), () => api.mtcp_init(options())),
    ENOENT: () => api.mtcp_init('/no/such/folder/mtcp.conf'),
    EACCES: unreadable,
  },
  mtcp_create_context: {
    EPERM: () => api.mtcp_create_context(0),
    EINVAL: initialised(options(), () => api.mtcp_create_context(1)),
    EBUSY: initialised(options(), () => {
      api.mtcp_create_context(0);
      return api.mtcp_create_context(0);
    }),
    ENODEV: initialised({ iface: 'no-such-device', address: '10.0.0.1/24' }, () =>
      api.mtcp_create_context(0),
    ),
  },
  mtcp_destroy_context: {
    EINVAL: () => api.mtcp_destroy_context(null),
    EPERM: () => api.mtcp_destroy_context(destroyed()),
  },
  mtcp_getconf: { EINVAL: () => api.mtcp_getconf(any(null)), EFAULT: () => api.mtcp_getconf(any(1)) },
  mtcp_setconf: {
    EINVAL: [
      () => api.mtcp_setconf(any(null)),
      () => api.mtcp_setconf({ num_cores: cpus().length + 1 }),
      () => api.mtcp_setconf({ rcvbuf_size: 63 }),
      () => api.mtcp_setconf({ tcp_timewait: 3_600_001 }),
    ],
    EFAULT: () => api.mtcp_setconf(any(1)),
  },
  mtcp_core_affinitize: {
    EINVAL: [() => api.mtcp_core_affinitize(-1), () => api.mtcp_core_affinitize(cpus().length)],
  },
  mtcp_register_signal: {
    EINVAL: [
      () => api.mtcp_register_signal(0, api.SIG_IGN),
      () => api.mtcp_register_signal(9, api.SIG_IGN),
      () => api.mtcp_register_signal(12, any('x')),
    ],
  },
};
