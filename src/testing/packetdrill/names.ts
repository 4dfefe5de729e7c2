// Names that scripts use for numbers: the constants of this package under Linux's names, and of Linux those that it does not have, so
// that a call with them is refused by the stack and not by the reader.

import type { TcpInfo } from '../../api/index.js';
import * as api from '../../api/index.js';

const LINUX: Readonly<Record<string, number>> = {
  F_GETFL: 3,
  O_RDONLY: 0,
  IPPROTO_IP: 0,
  SOL_IP: 0,
  IP_TOS: 1,
  IP_TTL: 2,
  IP_MTU_DISCOVER: 10,
  IP_RECVERR: 11,
  IP_PMTUDISC_DONT: 0,
  IP_PMTUDISC_WANT: 1,
  IP_PMTUDISC_DO: 2,
  IP_PMTUDISC_PROBE: 3,
  SO_TIMESTAMPING: 37,
  SO_MAX_PACING_RATE: 47,
  SO_ZEROCOPY: 60,
  SO_OOBINLINE: 10,
  TCP_THIN_DUPACK: 17,
  TCP_REPAIR: 19,
  TCP_FASTOPEN: 23,
  TCP_FASTOPEN_CONNECT: 30,
  TCP_FASTOPEN_KEY: 33,
  TCP_FASTOPEN_NO_COOKIE: 34,
  TCP_INQ: 36,
  TCP_CM_INQ: 36,
  TCP_RTO_MAX_MS: 44,
  MSG_OOB: 1,
  MSG_EOR: 0x80,
  MSG_ERRQUEUE: 0x2000,
  MSG_ZEROCOPY: 0x4000000,
  MSG_FASTOPEN: 0x20000000,
  EPOLLEXCLUSIVE: 1 << 28,
  SIOCINQ: 0x541b,
  SIOCOUTQ: 0x5411,
  POLLRDNORM: 0x40,
  POLLWRNORM: 0x100,
  TCP_CA_Open: 0,
  TCP_CA_Disorder: 1,
  TCP_CA_CWR: 2,
  TCP_CA_Recovery: 3,
  TCP_CA_Loss: 4,
  TCP_ESTABLISHED: 1,
  TCP_SYN_SENT: 2,
  TCP_SYN_RECV: 3,
  TCP_FIN_WAIT1: 4,
  TCP_FIN_WAIT2: 5,
  TCP_TIME_WAIT: 6,
  TCP_CLOSE: 7,
  TCP_CLOSE_WAIT: 8,
  TCP_LAST_ACK: 9,
  TCP_LISTEN: 10,
  TCP_CLOSING: 11,
  TCPI_OPT_TIMESTAMPS: 1,
  TCPI_OPT_SACK: 2,
  TCPI_OPT_WSCALE: 4,
  TCPI_OPT_ECN: 8,
  TCPI_OPT_ECN_SEEN: 16,
  TCPI_OPT_SYN_DATA: 32,
  NULL: 0,
};

/** The number of a name that may stand in a call. */
export function symbol(name: string): number | undefined {
  const names = api as unknown as Record<string, unknown>;
  for (const own of [name, `MTCP_${name}`]) {
    const value = names[own];
    if (typeof value === 'number' && /^[A-Z]/.test(name)) return value;
  }
  return LINUX[name];
}

/** The value of a name in a piece of code, where `info` is what TCP_INFO tells. */
export function codeName(info: Partial<TcpInfo>): (name: string) => number | undefined {
  return (name) => {
    const value = (info as Record<string, unknown>)[name];
    return typeof value === 'number' ? value : symbol(name);
  };
}
