// Idle connections give up their blocks. Where there are many connections, nearly all of them wait for their peer at any moment, and
// what is known of them is some dozen numbers. Those go into a record (record.ts); whoever needs the connection again, a segment, a
// timer or the program, finds its block as if it had never been away.

import { type Micros, NEVER } from '../clock.js';
import type { TcpCore } from './core.js';
import { CLOSE_WAIT, ESTABLISHED, TIME_WAIT } from './state.js';
import type { Tcb } from './tcb.js';

/** How often connections are looked at, in µs, and how many each time: some microseconds of work in a thousand. */
const LOOK_US = 1000;
const LOOKS = 128;

/** Looks for idle connections, a few at a time. */
export class Dormancy {
  readonly #core: TcpCore;
  #next = 0;
  #nextAt: Micros = -NEVER;
  /** Places to look at before there is no need to: a whole round in which nobody is idle, or will be by the mere passing of time. */
  #left = 0;
  /** Calls that hold a block while they wait. */
  #holders = 0;

  constructor(core: TcpCore) {
    this.#core = core;
  }

  /** When to look again though nothing happens. */
  get deadline(): Micros {
    return this.#left > 0 && this.#isWorthwhile ? this.#nextAt : NEVER;
  }

  /** A call that holds a block begins to wait: nobody falls asleep until `release`, whoever looks meanwhile. */
  hold(): void {
    this.#holders++;
  }

  release(): void {
    this.#holders--;
  }

  /** Something may have happened since the last look: there will be a whole round. */
  resume(): void {
    this.#left = this.#core.demux.places;
    this.look();
  }

  /**
   * Lets connections give up their blocks, some of those in which nothing has happened for a while. To be called where nobody
   * further up holds a block, unless it has said so.
   */
  look(): void {
    const { clock, demux } = this.#core;
    if (clock.now < this.#nextAt || !this.#isWorthwhile) return;
    this.#nextAt = clock.now + LOOK_US;
    const { places } = demux;
    for (let looks = Math.min(LOOKS, places); looks > 0; looks--) {
      this.#next = this.#next + 1 < places ? this.#next + 1 : 0;
      this.#left--;
      const tcb = demux.awakeAt(this.#next);
      if (tcb === null || !waitsOnly(tcb)) continue;
      this.#left = places;
      if (this.#isIdle(tcb)) this.#sleep(tcb);
    }
  }

  get #isWorthwhile(): boolean {
    const { config, demux } = this.#core;
    if (this.#holders > 0) return false;
    return demux.awake > config.dormantThreshold && config.dormantAfterUs !== 0;
  }

  #isIdle(tcb: Tcb): boolean {
    const { clock, config } = this.#core;
    const since = clock.now - config.dormantAfterUs;
    return tcb.heardAt <= since && tcb.wokenAt <= since;
  }

  #sleep(tcb: Tcb): void {
    const { demux, wheel } = this.#core;
    // The wheel may have been set for something that is over: it would wake the connection for nothing.
    const deadline = tcb.keepAt < tcb.lifeAt ? tcb.keepAt : tcb.lifeAt;
    wheel.clear(tcb.index);
    if (deadline !== NEVER) wheel.set(tcb.index, deadline);
    demux.sleep(tcb, this.#core);
  }
}

/** True for a connection that waits for its peer or its end, and holds nothing: no data, no place in a queue, no timer but for those. */
function waitsOnly(tcb: Tcb): boolean {
  const { snd } = tcb;
  return (
    (tcb.state === ESTABLISHED || tcb.state === CLOSE_WAIT || tcb.state === TIME_WAIT) &&
    tcb.listener === null &&
    (tcb.attached || tcb.state === TIME_WAIT) &&
    tcb.sendBuffer.isFree &&
    tcb.recvBuffer.isFree &&
    snd.una === snd.nxt &&
    tcb.board === null &&
    tcb.reassembly === null &&
    tcb.fastOpen === null &&
    tcb.mtuSearch === null &&
    (tcb.pacer === null || tcb.pacer.resumeAt === NEVER) &&
    tcb.news === 0 &&
    !tcb.queued &&
    !tcb.outputQueued &&
    !tcb.ackNow &&
    tcb.rtxAt === NEVER &&
    tcb.delackAt === NEVER &&
    tcb.holdAt === NEVER
  );
}
