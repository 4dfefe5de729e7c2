// mTCP's calls under mTCP's names, gathered from the files that hold them. A call that fails returns -1 (null where it would
// return a context) and sets `errno`; none throws, whatever it is given.

export { mtcp_connect } from './connect.js';
export {
  mtcp_epoll_create,
  mtcp_epoll_create1,
  mtcp_epoll_ctl,
  mtcp_epoll_events,
  mtcp_epoll_wait,
} from './epoll-calls.js';
export { mtcp_last_error } from './errno.js';
export type { Mctx, MctxArgument } from './guard.js';
export { mtcp_create_context, mtcp_destroy, mtcp_destroy_context, mtcp_init } from './lifecycle.js';
export type { OptionValue } from './option-calls.js';
export {
  mtcp_getpeername,
  mtcp_getsockname,
  mtcp_getsockopt,
  mtcp_setsock_nonblock,
  mtcp_setsockopt,
  mtcp_sysctl,
} from './option-calls.js';
export type { MtcpOptions } from './options.js';
export {
  mtcp_abort,
  mtcp_accept,
  mtcp_bind,
  mtcp_close,
  mtcp_listen,
  mtcp_shutdown,
  mtcp_socket,
} from './socket-calls.js';
export { mtcp_read, mtcp_recv, mtcp_write } from './stream-calls.js';
