// One turn of a core, and the two ways to drive it: calls that turn the loop themselves (the application owns the thread),
// and `runOnEventLoop` (Node's event loop owns it). `context.ts` and the calls in this folder use it.

import { RX_STRIDE } from '../nic/nic.js';
import type { Context } from './context.js';

/** Frames taken from the Nic in one turn. */
export const RX_BATCH = 64;

/**
 * Turns the loop once: sends what the application has written, takes a batch of frames, runs each to completion, fires due
 * timers and hands the news to the epoll sets. What the stack answers leaves with the next turn, so that an application
 * that is woken now can add its data to it. Returns whether anything happened.
 */
export function turn(core: Context): boolean {
  const { nic, stack, batch } = core;
  stack.now = core.clock();
  core.attempts = 0;
  core.turns++;
  stack.output();
  nic.flush();

  const frames = nic.receive(batch);
  // These have come at any time until now, and the thread may have been off its CPU since the turn began. By the time of its beginning
  // a round trip would seem shorter than the path is, which a minimum keeps: a little too late does no harm.
  if (frames > 0) stack.now = core.clock();
  if (frames > 1) stack.touch(batch, frames);
  for (let i = 0; i < frames * RX_STRIDE; i += RX_STRIDE) stack.input(batch[i], batch[i + 1], batch[i + 2]);

  const handed = core.siblings?.drain() ?? false;
  const due = stack.isDue;
  if (due) stack.runTimers();

  const news = core.drainNews();
  return frames > 0 || handed || due || news;
}

/**
 * Waits, after a turn in which nothing happened, for a frame, the stack's next deadline or `untilUs`, whichever comes first.
 * How long the ring is watched awake before the thread sleeps is the Nic's business.
 */
export function idle(core: Context, untilUs: number): void {
  const { now } = core.stack;
  const deadline = Math.min(core.stack.quietUntil, untilUs);
  if (deadline > now) core.nic.wait(deadline - now);
}

/**
 * Turns the loop and, if nothing happened, waits: the body of every call that blocks, for a connection most often, whose block it
 * finds again afterwards. Returns false when the context has been
 * destroyed meanwhile (by a program on another virtual host, or a Nic's callback) or is to end: the call then ends with EINTR.
 */
export function block(core: Context, untilUs: number): boolean {
  const { dormancy } = core.stack.tcp.core;
  dormancy.hold();
  try {
    if (!turn(core)) idle(core, untilUs);
  } finally {
    dormancy.release();
  }
  return !core.isInterrupted;
}

/** When a call that waits for `timeoutUs` from now at most is over; 0 stands for no limit. */
export function limitOf(core: Context, timeoutUs: number): number {
  return timeoutUs === 0 ? Number.POSITIVE_INFINITY : core.clock() + timeoutUs;
}

/**
 * A call that would block tells it here before it answers EAGAIN. A program that only polls, without ever calling
 * `mtcp_epoll_wait`, would otherwise wait for a stack that nobody turns; one that reads each socket until EAGAIN pays nothing.
 */
export function wouldBlock(core: Context): void {
  if (++core.attempts >= ATTEMPTS_PER_TURN) turn(core);
}

const ATTEMPTS_PER_TURN = 256;

/** Turns without work before the event loop is left to sleep. */
const IDLE_TURNS = 1000;
const MAX_SLEEP_MS = 1;

/**
 * Drives a context from Node's event loop: by `setImmediate` while there is work and for a while after, by a timer of at most
 * 1 ms otherwise. `onTurn` is called after each turn in which something happened, to call `mtcp_epoll_wait` with timeout 0;
 * it returns true when it wants to be called again whatever happens. Keeps the process alive until the returned function
 * is called or the context is destroyed.
 */
export function runOnEventLoop(core: Context, onTurn: () => unknown): () => void {
  let idleTurns = 0;
  let stopped = false;
  const step = (): void => {
    if (stopped || core.destroyed) return;
    core.stack.tcp.core.dormancy.resume();
    const busy = turn(core);
    const again = (busy || idleTurns === 0) && onTurn() === true;
    if (stopped || core.destroyed) return;
    idleTurns = busy || again ? 0 : idleTurns + 1;
    if (idleTurns < IDLE_TURNS) setImmediate(step);
    else setTimeout(step, MAX_SLEEP_MS);
  };
  setImmediate(step);
  return () => {
    stopped = true;
  };
}
