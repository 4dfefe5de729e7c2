// What a sender waits for, and for how long it has: nothing, ACKs, the peer's window, or the program, because the send buffer was
// full (TCP_INFO: busy_time, rwnd_limited, sndbuf_limited). Asked whenever a connection has had its turn to send.

import type { TcpCore } from './core.js';
import { flightSize, pipe, unsentBytes } from './flight.js';
import { BUSY_US, LIMIT, LIMIT_SINCE, RWND_LIMITED_US, SNDBUF_LIMITED_US } from './ledger.js';
import type { Tcb } from './tcb.js';

const IDLE = 0;
const BUSY = 1;
const RWND = 2;
const SNDBUF = 3;
/** The sum that each of them adds to. */
const SUM_OF: readonly number[] = [-1, BUSY_US, RWND_LIMITED_US, SNDBUF_LIMITED_US];

/** Notes what the connection waits for from now on. */
export function noteLimit(core: TcpCore, tcb: Tcb): void {
  const { ledger } = core;
  const { row } = tcb;
  const before = ledger.countOf(row, LIMIT);
  const limit = limitOf(tcb);
  if (limit === before) return;
  const { now } = core.clock;
  if (before !== IDLE) ledger.add(row, SUM_OF[before], now - ledger.sumOf(row, LIMIT_SINCE));
  ledger.setCount(row, LIMIT, limit);
  ledger.setSum(row, LIMIT_SINCE, now);
}

function limitOf(tcb: Tcb): number {
  const { snd, cc } = tcb;
  const flight = flightSize(tcb);
  const unsent = unsentBytes(tcb);
  if (unsent > 0) {
    const length = Math.min(unsent, snd.mss);
    const fitsCwnd = pipe(tcb) + length <= cc.cwnd;
    return fitsCwnd && flight + length > snd.wnd ? RWND : BUSY;
  }
  if (flight === 0) return IDLE;
  return tcb.sendBlocked ? SNDBUF : BUSY;
}

/** How long a limit has held so far, in µs: `which` is BUSY_US, RWND_LIMITED_US or SNDBUF_LIMITED_US. */
export function limitedUs(core: TcpCore, tcb: Tcb, which: number): number {
  const { ledger } = core;
  const { row } = tcb;
  const past = ledger.sumOf(row, which);
  const isNow = SUM_OF[ledger.countOf(row, LIMIT)] === which;
  return isNow ? past + core.clock.now - ledger.sumOf(row, LIMIT_SINCE) : past;
}
