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
/** How many more for each block beyond as many as there ever were: what has become idle is to be found before more is made. */
const LOOKS_PER_NEW = 8;
/** Where there are more blocks than so many times the threshold, patience is down to this part of it, until that proves too little. */
const CROWD = 2;
const HASTE = 1 / 32;
/** By how much each connection that was needed again too early lengthens it, and each look shortens it: by half in 20 s. */
const LENGTHEN = 1 / 64;
const SHORTEN = 1 / 32_768;

/** Looks for idle connections, a few at a time. */
export class Dormancy {
  readonly #core: TcpCore;
  #next = 0;
  #nextAt: Micros = -NEVER;
  /** Rows to look at before there is no need to: two rounds, in the second of which nobody will be idle by the mere passing of time. */
  #left = 0;
  /** Rows that there were at the last look. */
  #rows = 0;
  /** What is left of patience where there is a crowd, as a part of it. */
  #patience = HASTE;
  /** Connections that had been needed again too early when it was last thought over. */
  #early = 0;
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
    this.#left = 2 * this.#core.demux.rows;
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
    this.#reconsider();
    const { rows } = demux;
    const added = this.#isCrowded ? rows - this.#rows : 0;
    // More are coming than go: not at the pace of the clock then, but of the turns.
    if (added > 0) this.#nextAt = clock.now;
    this.#rows = rows;
    let sleeps = LOOKS;
    for (let looks = Math.min(LOOKS + LOOKS_PER_NEW * added, rows); looks > 0 && sleeps > 0; looks--) {
      this.#next = this.#next + 1 < rows ? this.#next + 1 : 0;
      this.#left--;
      const tcb = demux.inRow(this.#next);
      if (tcb === null) continue;
      if (!this.#isIdle(tcb)) {
        // It may be idle by and by. That needs to be known in the last round only.
        if (this.#left < rows && waitsOnly(tcb)) this.#left = 2 * rows;
      } else if (waitsOnly(tcb)) {
        this.#sleep(tcb);
        sleeps--;
      }
    }
  }

  /**
   * In a crowd, of which most may have come at once, waiting for the configured time would take a block for each. What speaks again soon
   * is better left awake: then it lasts longer, and the more so the more do.
   */
  #reconsider(): void {
    const { config, demux } = this.#core;
    demux.earlyUs = config.dormantAfterUs;
    const change = demux.early > this.#early ? LENGTHEN * (demux.early - this.#early) : -SHORTEN;
    this.#early = demux.early;
    this.#patience = Math.min(1, Math.max(HASTE, this.#patience * (1 + change)));
  }

  get #isWorthwhile(): boolean {
    const { config, demux } = this.#core;
    if (this.#holders > 0) return false;
    return demux.awake > config.dormantThreshold && config.dormantAfterUs !== 0;
  }

  get #isCrowded(): boolean {
    const { config, demux } = this.#core;
    return demux.awake > CROWD * config.dormantThreshold;
  }

  #isIdle(tcb: Tcb): boolean {
    const { clock, config } = this.#core;
    const since = clock.now - config.dormantAfterUs * (this.#isCrowded ? this.#patience : 1);
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
