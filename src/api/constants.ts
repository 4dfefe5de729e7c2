// The constants of mtcp_api.h and mtcp_epoll.h, and those of the socket headers that programs use with them. All numbers
// are Linux's, which mTCP's epoll events share.

/** Address family of IPv4. */
export const AF_INET = 2;
/** Address family of IPv6; sockets of it come with IPv6. */
export const AF_INET6 = 10;

/** Socket type of TCP, the only one that `mtcp_socket` takes. */
export const SOCK_STREAM = 1;
/** Protocol number of TCP; `mtcp_socket` takes it or 0. */
export const IPPROTO_TCP = 6;

/** The address 0.0.0.0: any of this host's. */
export const INADDR_ANY = '0.0.0.0';
/** Port 0 in `mtcp_bind`: let the stack choose. */
export const INPORT_ANY = 0;

/** Socket kinds of mTCP (`enum socket_type`), as the socket table keeps them. */
export const MTCP_SOCK_UNUSED = 0;
export const MTCP_SOCK_STREAM = 1;
export const MTCP_SOCK_PROXY = 2;
export const MTCP_SOCK_LISTENER = 3;
export const MTCP_SOCK_EPOLL = 4;
export const MTCP_SOCK_PIPE = 5;

/** `mtcp_recv`: leave what is read in the receive buffer. */
export const MSG_PEEK = 2;

/** `mtcp_shutdown`: no more receiving. */
export const SHUT_RD = 0;
/** `mtcp_shutdown`: no more sending; the peer reads an end of stream. */
export const SHUT_WR = 1;
/** `mtcp_shutdown`: both. */
export const SHUT_RDWR = 2;

/** Option level of sockets of any protocol. */
export const SOL_SOCKET = 1;
/** Socket type (read only). */
export const SO_TYPE = 3;
/** Pending error; reading takes it (read only). */
export const SO_ERROR = 4;
/** 1 when the socket listens (read only). */
export const SO_ACCEPTCONN = 30;
/** Protocol number (read only). */
export const SO_PROTOCOL = 38;
/** Address family (read only). */
export const SO_DOMAIN = 39;

/** Option level of TCP. */
export const SOL_TCP = 6;
/** Send small segments at once instead of holding them until the last is acknowledged (RFC 9293 3.7.4). */
export const TCP_NODELAY = 1;

/** `mtcp_epoll_create1`: accepted without effect, for there is no exec to close on. */
export const O_CLOEXEC = 0o2000000;
/** The same as `O_CLOEXEC`, under the name that epoll gives it. */
export const EPOLL_CLOEXEC = O_CLOEXEC;

/** `mtcp_epoll_ctl`: register a socket. */
export const MTCP_EPOLL_CTL_ADD = 1;
/** `mtcp_epoll_ctl`: deregister a socket. */
export const MTCP_EPOLL_CTL_DEL = 2;
/** `mtcp_epoll_ctl`: change mask and data of a registered socket; rearms a ONESHOT. */
export const MTCP_EPOLL_CTL_MOD = 3;

export const MTCP_EPOLLNONE = 0x000;
/** Something can be read or accepted, or the end of the stream has been reached. */
export const MTCP_EPOLLIN = 0x001;
/** Never raised: urgent data is delivered in line. */
export const MTCP_EPOLLPRI = 0x002;
/** Something can be written; a connect has ended. */
export const MTCP_EPOLLOUT = 0x004;
/** An error is pending; reported whether asked for or not. */
export const MTCP_EPOLLERR = 0x008;
/** Both directions are closed, or the socket is not connected; reported whether asked for or not. */
export const MTCP_EPOLLHUP = 0x010;
/** The same as IN. */
export const MTCP_EPOLLRDNORM = 0x040;
/** Never raised. */
export const MTCP_EPOLLRDBAND = 0x080;
/** The same as OUT. */
export const MTCP_EPOLLWRNORM = 0x100;
/** Never raised. */
export const MTCP_EPOLLWRBAND = 0x200;
/** Never raised. */
export const MTCP_EPOLLMSG = 0x400;
/** The peer has closed its sending side. */
export const MTCP_EPOLLRDHUP = 0x2000;
/** Report once, then stay silent until `MTCP_EPOLL_CTL_MOD`. */
export const MTCP_EPOLLONESHOT = 1 << 30;
/** Edge-triggered: report news, not states. */
export const MTCP_EPOLLET = 0x80000000;

const eventNames: readonly [bit: number, name: string][] = [
  [MTCP_EPOLLIN, 'MTCP_EPOLLIN'],
  [MTCP_EPOLLPRI, 'MTCP_EPOLLPRI'],
  [MTCP_EPOLLOUT, 'MTCP_EPOLLOUT'],
  [MTCP_EPOLLERR, 'MTCP_EPOLLERR'],
  [MTCP_EPOLLHUP, 'MTCP_EPOLLHUP'],
  [MTCP_EPOLLRDNORM, 'MTCP_EPOLLRDNORM'],
  [MTCP_EPOLLRDBAND, 'MTCP_EPOLLRDBAND'],
  [MTCP_EPOLLWRNORM, 'MTCP_EPOLLWRNORM'],
  [MTCP_EPOLLWRBAND, 'MTCP_EPOLLWRBAND'],
  [MTCP_EPOLLMSG, 'MTCP_EPOLLMSG'],
  [MTCP_EPOLLRDHUP, 'MTCP_EPOLLRDHUP'],
  [MTCP_EPOLLONESHOT, 'MTCP_EPOLLONESHOT'],
  [MTCP_EPOLLET, 'MTCP_EPOLLET'],
];

/** Writes a mask of events as names joined by `|`; `MTCP_EPOLLNONE` for 0. Takes any mask, unlike mTCP's. */
export function EventToString(events: number): string {
  const names: string[] = [];
  for (const [bit, name] of eventNames) if ((events & bit) !== 0) names.push(name);
  return names.length > 0 ? names.join('|') : 'MTCP_EPOLLNONE';
}
