// mTCP's calls under mTCP's names, gathered from the files that hold them. A call that fails returns -1 (null where it would
// return a context) and sets `errno`; none throws, whatever it is given.

export { mtcp_accept, mtcp_accept4 } from './accept.js';
export { mtcp_abort, mtcp_close, mtcp_shutdown } from './close-calls.js';
export type { MtcpConf } from './conf-calls.js';
export { mtcp_getconf, mtcp_setconf } from './conf-calls.js';
export { mtcp_connect } from './connect.js';
export {
  mtcp_epoll_create,
  mtcp_epoll_create1,
  mtcp_epoll_ctl,
  mtcp_epoll_events,
  mtcp_epoll_wait,
} from './epoll-calls.js';
export { mtcp_last_error } from './errno.js';
export { mtcp_sendto } from './fast-open-calls.js';
export type { Mctx, MctxArgument } from './guard.js';
export {
  mtcp_create_context,
  mtcp_destroy,
  mtcp_destroy_context,
  mtcp_init,
  mtcp_warnings,
} from './lifecycle.js';
export { mtcp_fcntl, mtcp_setsock_nonblock, mtcp_socket_ioctl } from './mode-calls.js';
export { mtcp_getpeername, mtcp_getsockname } from './name-calls.js';
export { mtcp_getsockopt, mtcp_setsockopt, mtcp_sysctl } from './option-calls.js';
export type { Linger, OptionValue, TimeVal } from './option-values.js';
export type { MtcpOptions } from './options.js';
export { mtcp_pipe } from './pipe-calls.js';
export type { PollFd } from './poll-call.js';
export { mtcp_poll } from './poll-call.js';
export { GetRSSCPUCore, mtcp_init_rss } from './rss-calls.js';
export { mtcp_bind, mtcp_listen, mtcp_socket } from './socket-calls.js';
export { mtcp_read, mtcp_recv, mtcp_send, mtcp_write } from './stream-calls.js';
export type { SignalHandler } from './thread-calls.js';
export { mtcp_core_affinitize, mtcp_register_signal, SIG_DFL, SIG_ERR, SIG_IGN } from './thread-calls.js';
export type { Iovec, IovecArgument, MsgHdr } from './vector-calls.js';
export { mtcp_readv, mtcp_recvmsg, mtcp_sendmsg, mtcp_writev } from './vector-calls.js';
export {
  mtcp_recv_release,
  mtcp_recv_view,
  mtcp_send_commit,
  mtcp_send_reserve,
  mtcp_view,
} from './zero-copy-calls.js';
