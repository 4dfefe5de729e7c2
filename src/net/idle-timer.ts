// The time after which a silent socket tells so. `node:http` sets it anew with every request and every answer, and each byte on the way
// puts it off: so both only write down when that was, and the timer of Node, once started, looks whether it is early.

import { AsyncResource } from 'node:async_hooks';

/** Calls back when nothing has happened for a while. It keeps no process alive. */
export class IdleTimer {
  private readonly onIdle: () => void;
  private timer: NodeJS.Timeout | undefined = undefined;
  /** When `timer` goes off, and when something has happened last, in ms of `performance.now`. */
  private firesAt = 0;
  private heardAt = 0;
  /** ms of silence; 0 for any. */
  private limit = 0;
  /** What the callback runs in: as with a timer of Node, an AsyncLocalStorage holds there what it held when the time was set. */
  private scope: AsyncResource | undefined = undefined;

  constructor(onIdle: () => void) {
    this.onIdle = onIdle;
  }

  /** Calls back after `limit` ms of silence from now on; 0 ends that. */
  set(limit: number): void {
    this.limit = limit;
    if (limit === 0) return;
    this.scope = new AsyncResource('Timeout');
    this.touch(performance.now());
  }

  /** Something has happened, at `now` as of `performance.now`: the silence begins anew, even after it has been told of. */
  touch(now: number): void {
    if (this.limit === 0) return;
    if (now > this.heardAt) this.heardAt = now;
    const due = this.heardAt + this.limit;
    // A timer that is early starts itself again.
    if (this.timer === undefined || due < this.firesAt) this.start(this.limit, due);
  }

  /** Ends it for good. */
  clear(): void {
    this.limit = 0;
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private start(ms: number, firesAt: number): void {
    clearTimeout(this.timer);
    this.firesAt = firesAt;
    this.timer = setTimeout(this.onTimer, ms);
    this.timer.unref();
  }

  private readonly onTimer = (): void => {
    this.timer = undefined;
    if (this.limit === 0) return;
    const due = this.heardAt + this.limit;
    // Timers of Node go by whole ms.
    const left = Math.ceil(due - performance.now());
    if (left > 0) this.start(left, due);
    else this.scope?.runInAsyncScope(this.onIdle);
  };
}
