// The constants of mtcp_api.h and mtcp_epoll.h, and those of the socket headers that programs use with them. All numbers
// are Linux's, which mTCP's epoll events share; TCP_UTO_*, which Linux has not, have numbers far from them: 28 is the kind of the option.

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

/** Flag of `mtcp_accept4`: the new socket does not block. */
export const SOCK_NONBLOCK = 0o4000;
/** Flag of `mtcp_accept4`: accepted without effect, for there is no exec to close on. */
export const SOCK_CLOEXEC = 0o2000000;

/** Urgent data: sends the last byte as such, and reads it. */
export const MSG_OOB = 0x01;
/** `mtcp_recv`: leave what is read in the receive buffer. */
export const MSG_PEEK = 0x02;
/** In `msg_flags` after `mtcp_recvmsg`: there was no room for the control data. */
export const MSG_CTRUNC = 0x08;
/** `mtcp_recv`: throw away what would be read, without copying it. */
export const MSG_TRUNC = 0x20;
/** `mtcp_recv`, `mtcp_send`: do not block this time. */
export const MSG_DONTWAIT = 0x40;
/** `mtcp_send`: a record ends here; what is written later goes in other segments. */
export const MSG_EOR = 0x80;
/** `mtcp_recv`: wait until the whole buffer is full. */
export const MSG_WAITALL = 0x100;
/** `mtcp_send`: raise no SIGPIPE; there is none anyway. */
export const MSG_NOSIGNAL = 0x4000;
/** `mtcp_send`: more follows; hold what does not fill a segment back for it, 200 ms at most. */
export const MSG_MORE = 0x8000;
/** `mtcp_sendto`: connect, with the data on the SYN. */
export const MSG_FASTOPEN = 0x20000000;
/** `mtcp_recvmsg`: accepted without effect, for no descriptors are passed. */
export const MSG_CMSG_CLOEXEC = 0x40000000;

/** Most buffers in one `mtcp_readv`, `mtcp_writev`, `mtcp_sendmsg` or `mtcp_recvmsg`. */
export const IOV_MAX = 1024;

/** `mtcp_shutdown`: no more receiving. */
export const SHUT_RD = 0;
/** `mtcp_shutdown`: no more sending; the peer reads an end of stream. */
export const SHUT_WR = 1;
/** `mtcp_shutdown`: both. */
export const SHUT_RDWR = 2;

/** Option level of sockets of any protocol. */
export const SOL_SOCKET = 1;
/** Lets a socket bind to an address that another one is bound to which has this option too and does not listen. */
export const SO_REUSEADDR = 2;
/** Socket type (read only). */
export const SO_TYPE = 3;
/** Pending error; reading takes it (read only). */
export const SO_ERROR = 4;
/** Size of the send buffer. Twice what is set is told, as on Linux; what is set is how many bytes fit. */
export const SO_SNDBUF = 7;
/** Size of the receive buffer. Twice what is set is told, as on Linux; what is set is the largest window. */
export const SO_RCVBUF = 8;
/** Probe a peer that has been silent for long (RFC 9293 3.8.4). */
export const SO_KEEPALIVE = 9;
/** Leaves urgent data in the stream. */
export const SO_OOBINLINE = 10;
/** Bytes that are sent in a second at most, evenly spaced (pacing); -1 for no limit. */
export const SO_MAX_PACING_RATE = 47;
/** What `mtcp_close` does with what is not sent yet: `l_onoff` and `l_linger` in seconds; 0 s resets the connection. */
export const SO_LINGER = 13;
/** Lets several listeners share an address; each peer is given to one of them by its address and port. */
export const SO_REUSEPORT = 15;
/** Longest wait of a call that receives, accepts: `tv_sec` and `tv_usec`; 0 for ever. */
export const SO_RCVTIMEO = 20;
/** Longest wait of a call that sends or connects. */
export const SO_SNDTIMEO = 21;
/** 1 when the socket listens (read only). */
export const SO_ACCEPTCONN = 30;
/** Protocol number (read only). */
export const SO_PROTOCOL = 38;
/** Address family (read only). */
export const SO_DOMAIN = 39;

/** Level of the options of IP. */
export const IPPROTO_IP = 0;
/** DSCP of what is sent: the TOS field without the two bits of ECN (RFC 2474). */
export const IP_TOS = 1;
/** Option level of TCP. */
export const SOL_TCP = 6;
/** Send small segments at once instead of holding them until the last is acknowledged (RFC 9293 3.7.4). */
export const TCP_NODELAY = 1;
/** Largest segment to announce and to send, in bytes, 88 to 32,767. */
export const TCP_MAXSEG = 2;
/** Hold what does not fill a segment back, for 200 ms at most. */
export const TCP_CORK = 3;
/** Silence before the first keepalive probe, in seconds. */
export const TCP_KEEPIDLE = 4;
/** Time between two keepalive probes, in seconds. */
export const TCP_KEEPINTVL = 5;
/** Keepalive probes without an answer after which the connection is given up. */
export const TCP_KEEPCNT = 6;
/** Retransmissions of the SYN. */
export const TCP_SYNCNT = 7;
/** Stay of a closed connection in FIN-WAIT-2, in seconds; 0 for the stack's option, negative for none. */
export const TCP_LINGER2 = 8;
/** Of a listener: accept a connection when its first data is there, or after so many seconds. */
export const TCP_DEFER_ACCEPT = 9;
/** What the stack knows of a connection, as an object with the fields of Linux's `struct tcp_info` (read only). */
export const TCP_INFO = 11;
/** 1 acknowledges at once for a while, 0 lets ACKs be delayed. */
export const TCP_QUICKACK = 12;
/** Name of the congestion control. */
export const TCP_CONGESTION = 13;
/** How long what was sent may stay unacknowledged before the connection is given up, in ms; 0 for the stack's option. */
export const TCP_USER_TIMEOUT = 18;
/** Tells the user timeout to the peer and listens to the peer's (RFC 5482, ENABLED); best set before connecting or listening. */
export const TCP_UTO_ENABLED = 0x1c00;
/** User timeout to tell the peer, in seconds, beyond 32,767 in whole minutes; 0 for TCP_USER_TIMEOUT or the stack's option (ADV_UTO). */
export const TCP_UTO_ADV = 0x1c01;
/** What the peer tells may change TCP_USER_TIMEOUT; setting that to something makes it 0, to 0 makes it 1 (CHANGEABLE). */
export const TCP_UTO_CHANGEABLE = 0x1c02;
/** User timeout that the peer has told last, in seconds; 0 for none (REMOTE_UTO, read only). */
export const TCP_UTO_REMOTE = 0x1c03;
/** Of a listener: takes data on SYNs from peers with a cookie, from so many at a time (RFC 7413); 0 for none. */
export const TCP_FASTOPEN = 23;
/** Leaves the SYN to the first write, which gives it data, where there is a cookie of the peer. */
export const TCP_FASTOPEN_CONNECT = 30;
/** Keys of the cookies of a listener, 16 bytes, or 32 for a second one that is still believed. */
export const TCP_FASTOPEN_KEY = 33;
/** Sends and takes data on SYNs without a cookie. */
export const TCP_FASTOPEN_NO_COOKIE = 34;
/** `mtcp_recvmsg` tells in control data how many bytes are left to read; 0 or 1. */
export const TCP_INQ = 36;
/** Type of that control data, an int; its level is SOL_TCP. */
export const TCP_CM_INQ = TCP_INQ;
/** Bytes not yet sent from which on a socket is not writable. */
export const TCP_NOTSENT_LOWAT = 25;

/** `mtcp_socket_ioctl`: how many bytes can be read. */
export const FIONREAD = 0x541b;
/** `mtcp_socket_ioctl`: whether reading has come to the urgent byte. */
export const SIOCATMARK = 0x8905;
/** `mtcp_socket_ioctl`: non-blocking if not 0. */
export const FIONBIO = 0x5421;

/** `mtcp_fcntl`: tell the flags. */
export const F_GETFL = 3;
/** `mtcp_fcntl`: set the flags, of which only O_NONBLOCK matters. */
export const F_SETFL = 4;
/** Flag of a descriptor that reads and writes, as all do. */
export const O_RDWR = 2;
/** Flag of a descriptor that does not block. */
export const O_NONBLOCK = 0o4000;

/** `mtcp_poll`: something can be read. */
export const POLLIN = 0x001;
/** `mtcp_poll`: an urgent byte can be read by MSG_OOB. */
export const POLLPRI = 0x002;
/** `mtcp_poll`: something can be written. */
export const POLLOUT = 0x004;
/** `mtcp_poll`: an error is pending; told whether asked for or not. */
export const POLLERR = 0x008;
/** `mtcp_poll`: both directions are closed; told whether asked for or not. */
export const POLLHUP = 0x010;
/** `mtcp_poll`: no such socket; told whether asked for or not. */
export const POLLNVAL = 0x020;
/** `mtcp_poll`: the peer has closed its sending side. */
export const POLLRDHUP = 0x2000;

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
/** An urgent byte can be read by MSG_OOB. */
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
