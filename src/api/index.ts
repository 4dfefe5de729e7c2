// The whole C-like interface: calls, constants, addresses, errors.

export * from '../stack/errors.js';
export type { TcpInfo } from '../stack/tcp/info.js';
export type { BytesView } from '../stack/tcp/ring-bytes.js';
export * from './constants.js';
export type { Context, ContextOptions } from './context.js';
export { makeContext } from './context.js';
export type { CoreProgram } from './core.js';
export { Core } from './core.js';
export type { CoresSettings } from './cores.js';
export { Cores, startCores } from './cores.js';
export type { EpollEventArgument, mtcp_epoll_event } from './epoll.js';
export { EpollData, EpollEvent } from './epoll.js';
export { errno, errnoName, setErrno, strerror } from './errno.js';
export { runOnEventLoop } from './loop.js';
export * from './mtcp.js';
export type { ChecksumPolicy, XdpMode } from './options.js';
export type { SockAddrArgument, SockAddrLike, SockLen } from './sockaddr.js';
export { SockAddr, sockaddr_in, sockaddr_in_bytes } from './sockaddr.js';
