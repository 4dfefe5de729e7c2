// The programs of a simulation: ends of connections that write and read in pieces of random sizes, pause, close one side, let
// go or abort, and compare every byte that they read with what the other end must have written.

import {
  AF_INET,
  errno,
  errnoName,
  mtcp_abort,
  mtcp_close,
  mtcp_read,
  mtcp_setsock_nonblock,
  mtcp_shutdown,
  mtcp_socket,
  mtcp_write,
  SHUT_WR,
  SOCK_STREAM,
} from '../../src/index.js';
import { below, chance, createRandom, type Random } from '../../src/stack/random.js';
import { SYN_RCVD, SYN_SENT } from '../../src/stack/tcp/state.js';
import type { Tcb } from '../../src/stack/tcp/tcb.js';
import type { Host } from '../../src/testing/index.js';
import type { EndPlan } from './scenario.js';

const EPOLLIN = 1;
const EPOLLOUT = 4;
const EPOLLERR_HUP = 0x18;

/** Period of the pattern: a prime, so that a shift by any buffer or segment size shows. */
const PERIOD = 65_521;
const LONGEST = 65_536;
const pattern = new Uint8Array(PERIOD + LONGEST);
{
  const random = createRandom(0x5eed);
  for (let i = 0; i < PERIOD; i++) pattern[i] = random();
  pattern.copyWithin(PERIOD, 0, LONGEST);
}

/** `length` bytes of a stream from `offset` on; every stream has its own. */
function streamBytes(stream: number, offset: number, length: number): Uint8Array {
  const start = (offset + stream * 7_919) % PERIOD;
  return pattern.subarray(start, start + length);
}

const scratch = Buffer.alloc(LONGEST);

/** Makes a socket that does not block. */
export function nonblockingSocket(host: Host): number {
  const id = mtcp_socket(host.mctx, AF_INET, SOCK_STREAM, 0);
  if (id < 0) throw new Error(`mtcp_socket: ${errnoName(errno)}`);
  mtcp_setsock_nonblock(host.mctx, id);
  return id;
}

/** One end of a connection. */
export class End {
  readonly host: Host;
  readonly plan: EndPlan;
  /** -1 before it is connected and after it has let go. */
  socket = -1;
  done = false;
  written = 0;
  read = 0;
  sawEnd = false;
  /** Name of the errno that ended it; empty for none. */
  error = '';
  sleepUntil = 0;
  /** When a call last did something. */
  activeAt = 0;
  /** Waits for an event before it does anything. */
  asleep = false;
  private readonly random: Random;
  private readonly outgoing: number;
  private readonly incoming: number;
  private readonly abortAt: number;
  private closedWrite = false;
  /** Asks the stack what is possible; otherwise events tell, and what is not possible answers EAGAIN. */
  private readonly polls: boolean;

  constructor(host: Host, plan: EndPlan, random: Random, outgoing: number, incoming: number, polls: boolean) {
    this.host = host;
    this.polls = polls;
    this.plan = plan;
    this.random = random;
    this.outgoing = outgoing;
    this.incoming = incoming;
    this.abortAt = below(random, plan.bytes + 1);
  }

  /** The block of the connection, as long as the program holds it; one that is dormant wakes. */
  get connection(): Tcb | undefined {
    return this.host.mctx.sockets.get(this.socket)?.tcb;
  }

  open(socket: number): void {
    this.socket = socket;
    if (this.connection === undefined) throw new Error('a socket without a connection');
    this.activeAt = this.host.now;
  }

  /** Does what can be done now. Returns whether that was anything. */
  act(): boolean {
    if (this.socket < 0 || this.asleep || this.host.now < this.sleepUntil) return false;
    let any = false;
    for (let calls = 0; calls < 8 && this.socket >= 0 && this.host.now >= this.sleepUntil; calls++) {
      if (!this.step()) {
        this.asleep = !this.polls;
        break;
      }
      any = true;
      if (chance(this.random, this.plan.pause))
        this.sleepUntil = this.host.now + 1 + below(this.random, this.plan.pauseUs);
    }
    if (any) this.activeAt = this.host.now;
    return any;
  }

  private step(): boolean {
    const { plan, host } = this;
    const ready = this.polls ? host.stack.tcp.readiness(this.connection!) : this.hope();
    if (plan.ending === 'abort' && this.written >= this.abortAt && (ready & EPOLLOUT) !== 0)
      return this.let(mtcp_abort);
    if (this.written < plan.bytes && (ready & (EPOLLOUT | EPOLLERR_HUP)) !== 0 && !(this.random() & 1)) {
      if (this.write()) return true;
    }
    if (!this.sawEnd && (ready & (EPOLLIN | EPOLLERR_HUP)) !== 0) {
      if (this.receive()) return true;
    }
    if (this.written < plan.bytes) return (ready & (EPOLLOUT | EPOLLERR_HUP)) !== 0 && this.write();
    return this.end(ready);
  }

  /** Without asking: once connected, everything may be possible. */
  private hope(): number {
    const { state } = this.connection!;
    return state === SYN_SENT || state === SYN_RCVD ? 0 : EPOLLIN | EPOLLOUT;
  }

  /** Everything is written. */
  private end(ready: number): boolean {
    if ((ready & (EPOLLOUT | EPOLLERR_HUP)) === 0 && !this.closedWrite && this.written === 0) return false;
    switch (this.plan.ending) {
      case 'vanish':
      case 'abort':
        return this.let(mtcp_close);
      case 'late':
        return this.sawEnd && this.let(mtcp_close);
      default:
        if (!this.closedWrite) {
          this.closedWrite = true;
          if (mtcp_shutdown(this.host.mctx, this.socket, SHUT_WR) === 0) return true;
          return this.fail('mtcp_shutdown');
        }
        return this.sawEnd && this.let(mtcp_close);
    }
  }

  private write(): boolean {
    const most = Math.min(this.plan.writeSize, this.plan.bytes - this.written, LONGEST);
    const length = 1 + below(this.random, most);
    const result = mtcp_write(
      this.host.mctx,
      this.socket,
      streamBytes(this.outgoing, this.written, length),
      length,
    );
    if (result > 0) {
      this.written += result;
      return true;
    }
    return result < 0 && errnoName(errno) === 'EAGAIN' ? false : this.fail('mtcp_write');
  }

  private receive(): boolean {
    const length = 1 + below(this.random, Math.min(this.plan.readSize, LONGEST));
    const result = mtcp_read(this.host.mctx, this.socket, scratch, length);
    if (result > 0) {
      if (scratch.compare(streamBytes(this.incoming, this.read, result), 0, result, 0, result) !== 0) {
        throw new Error(
          `stream ${this.incoming}: ${result} bytes read at ${this.read} are not what was written`,
        );
      }
      this.read += result;
      return true;
    }
    if (result === 0) {
      this.sawEnd = true;
      return true;
    }
    return errnoName(errno) === 'EAGAIN' ? false : this.fail('mtcp_read');
  }

  /** Lets go because of an error. */
  giveUp(error: string): boolean {
    this.error = error;
    return this.let(mtcp_close);
  }

  private fail(call: string): boolean {
    const error = errnoName(errno);
    if (error === '' || error === 'EAGAIN') throw new Error(`${call} failed with '${error}'`);
    return this.giveUp(error);
  }

  private let(go: typeof mtcp_close): boolean {
    if (go(this.host.mctx, this.socket) !== 0) throw new Error(`${go.name}: ${errnoName(errno)}`);
    this.socket = -1;
    this.done = true;
    return true;
  }
}
