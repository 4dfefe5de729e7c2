// The events of an endpoint, with the numbers of epoll(7): what `readiness` reports and what `notify` tells of.

export const EPOLLIN = 0x001;
/** An urgent byte can be read. */
export const EPOLLPRI = 0x002;
export const EPOLLOUT = 0x004;
export const EPOLLERR = 0x008;
export const EPOLLHUP = 0x010;
export const EPOLLRDHUP = 0x2000;
/** Everything that the end of a connection brings about. */
export const EPOLL_ALL: number = EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDHUP;
