// The system calls of scripts as `mtcp_*` calls. None of them blocks here: a call on a socket that blocks is tried again by the player
// each time something has happened, until it is done.

import {
  AF_INET,
  EpollEvent,
  errno,
  errnoName,
  F_SETFL,
  MSG_DONTWAIT,
  mtcp_accept4,
  mtcp_bind,
  mtcp_close,
  mtcp_connect,
  mtcp_epoll_create,
  mtcp_epoll_ctl,
  mtcp_epoll_wait,
  mtcp_fcntl,
  mtcp_getsockopt,
  mtcp_listen,
  mtcp_poll,
  mtcp_recv,
  mtcp_send,
  mtcp_setsockopt,
  mtcp_shutdown,
  mtcp_socket,
  mtcp_socket_ioctl,
  O_NONBLOCK,
  type OptionValue,
  POLLERR,
  POLLOUT,
  type PollFd,
  SO_ERROR,
  SOCK_NONBLOCK,
  SOL_SOCKET,
  sockaddr_in,
} from '../../api/index.js';
import type { Host } from '../host.js';
import { ANYTHING, PacketdrillError, type Value } from './script.js';

/** What a call has come to. */
export interface Outcome {
  readonly result: number;
  /** Name of the errno of a call that failed. */
  readonly errno?: string;
  /** What it returned beside its result, where that is not what the script says. */
  readonly wrong?: string;
}

/** Tries a call: its outcome, or undefined while it would block. */
export type Attempt = () => Outcome | undefined;

const BUFFER = new Uint8Array(1 << 22);

/** The descriptors of a script, and the calls on them. */
export class Calls {
  private readonly host: Host;
  private readonly peer: ReturnType<typeof sockaddr_in>;
  private readonly localPort: number;
  /** Socket ids by the script's descriptors. */
  private readonly ids = new Map<number, number>();

  constructor(host: Host, remoteIp: string, port: number) {
    this.host = host;
    this.peer = sockaddr_in(remoteIp, port);
    this.localPort = port;
  }

  /** The socket behind a descriptor; undefined when there is none. */
  idOf(fd: Value | undefined): number | undefined {
    return typeof fd === 'number' ? this.ids.get(fd) : undefined;
  }

  /** Gives what a call has returned the descriptor that the script expects. */
  name(fd: number, id: number): void {
    this.ids.set(fd, id);
  }

  /** True for calls whose result is a descriptor. */
  static returnsDescriptor(name: string): boolean {
    return ['socket', 'accept', 'accept4', 'epoll_create', 'epoll_create1'].includes(name);
  }

  /** Finds what a call does. @throws PacketdrillError when there is no such call here */
  find(name: string, args: readonly Value[], line: number): Attempt {
    const { mctx } = this.host;
    const id = this.idOf(args[0]) ?? -1;
    const number = (index: number): number => {
      const value = args[index];
      return typeof value === 'number' ? value : 0;
    };
    switch (name) {
      case 'socket':
        return () => this.socket(number(1));
      case 'bind':
        return once(() => mtcp_bind(mctx, id, sockaddr_in('0.0.0.0', this.localPort)));
      case 'listen':
        return once(() => mtcp_listen(mctx, id, number(1)));
      case 'accept':
      case 'accept4':
        return this.waiting(id, () => mtcp_accept4(mctx, id, undefined, undefined, number(3)));
      case 'connect':
        return this.connect(id);
      case 'shutdown':
        return once(() => mtcp_shutdown(mctx, id, number(1)));
      case 'close':
        return once(() => mtcp_close(mctx, id));
      case 'read':
        return this.waiting(id, () => mtcp_recv(mctx, id, BUFFER, number(2), MSG_DONTWAIT));
      case 'recv':
        return this.waiting(id, () => mtcp_recv(mctx, id, BUFFER, number(2), number(3) | MSG_DONTWAIT));
      case 'write':
        return this.writing(id, number(2), 0);
      case 'send':
      case 'sendto':
        return this.writing(id, number(2), number(3));
      case 'sendmsg':
      case 'writev':
        return this.writing(id, this.lengthOf(args[1], line), name === 'sendmsg' ? number(2) : 0);
      case 'recvmsg':
      case 'readv': {
        const length = this.lengthOf(args[1], line);
        const flags = name === 'recvmsg' ? number(2) : 0;
        return this.waiting(id, () => mtcp_recv(mctx, id, BUFFER, length, flags | MSG_DONTWAIT));
      }
      case 'fcntl':
        return once(() => mtcp_fcntl(mctx, id, number(1), number(2)));
      case 'ioctl':
        return () => this.ioctl(id, number(1), args[2]);
      case 'setsockopt':
        return once(() => {
          const value = optionValue(args[3]);
          const length = typeof args[4] === 'number' && typeof value === 'string' ? args[4] : undefined;
          return mtcp_setsockopt(mctx, id, number(1), number(2), value, length);
        });
      case 'getsockopt':
        return () => this.getsockopt(id, number(1), number(2), args[3]);
      case 'poll':
        return () => this.poll(args[0]);
      case 'epoll_create':
        return once(() => mtcp_epoll_create(mctx, number(0)));
      case 'epoll_ctl':
        return once(() => this.epollControl(id, number(1), args[2], args[3]));
      case 'epoll_wait':
        return () => this.epollWait(id, args[1], number(2));
      default:
        throw new PacketdrillError(line, `the call ${name}`, true);
    }
  }

  private socket(type: number): Outcome {
    const { mctx } = this.host;
    const id = mtcp_socket(mctx, AF_INET, type & ~SOCK_NONBLOCK);
    if (id >= 0 && (type & SOCK_NONBLOCK) !== 0) mtcp_fcntl(mctx, id, F_SETFL, O_NONBLOCK);
    return outcome(id);
  }

  private isNonBlocking(id: number): boolean {
    return (mtcp_fcntl(this.host.mctx, id, 3) & O_NONBLOCK) !== 0;
  }

  /** A call that is tried without blocking, whatever the socket says. */
  private quietly(id: number, call: () => number): Outcome {
    const { mctx } = this.host;
    const flags = mtcp_fcntl(mctx, id, 3);
    mtcp_fcntl(mctx, id, F_SETFL, O_NONBLOCK);
    const result = outcome(call());
    mtcp_fcntl(mctx, id, F_SETFL, flags & O_NONBLOCK);
    return result;
  }

  private waiting(id: number, call: () => number): Attempt {
    return () => {
      const mayWait = !this.isNonBlocking(id);
      const result = this.quietly(id, call);
      return mayWait && result.errno === 'EAGAIN' ? undefined : result;
    };
  }

  private writing(id: number, length: number, flags: number): Attempt {
    let written = 0;
    return () => {
      const mayWait = !this.isNonBlocking(id) && (flags & MSG_DONTWAIT) === 0;
      const { mctx } = this.host;
      const result = this.quietly(id, () => mtcp_send(mctx, id, BUFFER, length - written, flags));
      if (result.result > 0) written += result.result;
      if (result.result < 0 && !(mayWait && result.errno === 'EAGAIN')) {
        return written > 0 ? { result: written } : result;
      }
      return mayWait && written < length ? undefined : { result: written };
    };
  }

  private connect(id: number): Attempt {
    const { mctx } = this.host;
    let hasBegun = false;
    return () => {
      if (!hasBegun) {
        hasBegun = true;
        const mayWait = !this.isNonBlocking(id);
        const result = this.quietly(id, () => mtcp_connect(mctx, id, this.peer));
        return mayWait && result.errno === 'EINPROGRESS' ? undefined : result;
      }
      const entry: PollFd = { fd: id, events: POLLOUT };
      mtcp_poll(mctx, [entry], 1, 0);
      if (((entry.revents ?? 0) & (POLLOUT | POLLERR)) === 0) return undefined;
      const error = { value: 0 };
      mtcp_getsockopt(mctx, id, SOL_SOCKET, SO_ERROR, error);
      return error.value === 0 ? { result: 0 } : { result: -1, errno: errnoName(error.value) };
    };
  }

  /** Bytes of all buffers of a message or vector. */
  private lengthOf(message: Value, line: number): number {
    const iov = Array.isArray(message) ? message : field(message, 'msg_iov');
    const control = Array.isArray(message) ? undefined : field(message, 'msg_control');
    if (control !== undefined) throw new PacketdrillError(line, 'control data of messages', true);
    if (!Array.isArray(iov)) return 0;
    return iov.reduce<number>((sum, buffer) => {
      const length = field(buffer as Value, '1') ?? field(buffer as Value, 'iov_len');
      return sum + (typeof length === 'number' ? length : 0);
    }, 0);
  }

  private ioctl(id: number, request: number, expected: Value): Outcome {
    const value = { value: 0 };
    const result = outcome(mtcp_socket_ioctl(this.host.mctx, id, request, value));
    const [wanted] = Array.isArray(expected) ? expected : [expected];
    if (result.result < 0 || typeof wanted !== 'number' || wanted === value.value) return result;
    return { ...result, wrong: `ioctl tells ${value.value}, not ${wanted}` };
  }

  private getsockopt(id: number, level: number, option: number, expected: Value): Outcome {
    const to: { value: number | string } & Record<string, unknown> = { value: 0 };
    const result = outcome(mtcp_getsockopt(this.host.mctx, id, level, option, to as OptionValue));
    const [wanted] = Array.isArray(expected) ? expected : [expected];
    if (result.result < 0 || (typeof wanted !== 'number' && typeof wanted !== 'string')) return result;
    return wanted === to.value ? result : { ...result, wrong: `the option is ${to.value}, not ${wanted}` };
  }

  private poll(list: Value): Outcome {
    const entries = Array.isArray(list) ? (list as readonly Value[]) : [];
    const fds = entries.map((entry) => ({
      fd: this.idOf(field(entry, 'fd')) ?? -1,
      events: Number(field(entry, 'events') ?? 0),
      revents: 0,
    }));
    const result = outcome(mtcp_poll(this.host.mctx, fds, fds.length, 0));
    const off = entries.findIndex((entry, i) => {
      const wanted = field(entry, 'revents');
      return typeof wanted === 'number' && wanted !== fds[i].revents;
    });
    return off < 0 ? result : { ...result, wrong: `revents of entry ${off} is ${fds[off].revents}` };
  }

  private epollControl(set: number, operation: number, fd: Value, event: Value): number {
    const id = this.idOf(fd) ?? -1;
    const events = Number(field(event, 'events') ?? 0);
    return mtcp_epoll_ctl(this.host.mctx, set, operation, id, { events, data: { sockid: id } });
  }

  private epollWait(set: number, expected: Value, max: number): Outcome {
    const events = [new EpollEvent()];
    const result = outcome(mtcp_epoll_wait(this.host.mctx, set, events, max, 0));
    if (result.result <= 0) return result;
    const wanted = field(expected, 'events');
    if (typeof wanted !== 'number' || wanted === events[0].events) return result;
    return {
      ...result,
      wrong: `the events are 0x${events[0].events.toString(16)}, not 0x${wanted.toString(16)}`,
    };
  }
}

function once(call: () => number): Attempt {
  return () => outcome(call());
}

function outcome(result: number): Outcome {
  return result >= 0 ? { result } : { result: -1, errno: errnoName(errno) };
}

function field(value: Value | undefined, name: string): Value | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return (value as { readonly [key: string]: Value })[name];
}

function optionValue(value: Value): OptionValue | number | string {
  const inner = Array.isArray(value) && value.length === 1 ? (value[0] as Value) : value;
  if (typeof inner === 'number' || typeof inner === 'string') return inner;
  const linger = field(inner, 'onoff');
  if (linger !== undefined) return { l_onoff: Number(linger), l_linger: Number(field(inner, 'linger')) };
  if (inner === ANYTHING) return 0;
  return inner as unknown as OptionValue;
}
