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

  constructor(core: TcpCore) {
    this.#core = core;
  }

  /**
   * Lets connections give up their blocks, some of those in which nothing has happened for a while. To be called where nobody
   * further up holds a block: not from within a call that waits for one connection.
   */
  look(): void {
    const { clock, config, demux } = this.#core;
    if (clock.now < this.#nextAt || demux.awake <= config.dormantThreshold || config.dormantAfterUs === 0)
      return;
    this.#nextAt = clock.now + LOOK_US;
    for (let left = Math.min(LOOKS, demux.places); left > 0; left--) {
      this.#next = this.#next + 1 < demux.places ? this.#next + 1 : 0;
      const tcb = demux.awakeAt(this.#next);
      if (tcb !== null && isIdle(this.#core, tcb)) this.#sleep(tcb);
    }
  }

  #sleep(tcb: Tcb): void {
    const { config, demux, wheel } = this.#core;
    // The wheel may have been set for something that is over: it would wake the connection for nothing.
    const deadline = tcb.keepAt < tcb.lifeAt ? tcb.keepAt : tcb.lifeAt;
    wheel.clear(tcb.index);
    if (deadline !== NEVER) wheel.set(tcb.index, deadline);
    demux.sleep(tcb, config);
  }
}

/** True for a connection that waits for its peer or its end, and holds nothing: no data, no place in a queue, no timer but for those. */
function isIdle(core: TcpCore, tcb: Tcb): boolean {
  const since = core.clock.now - core.config.dormantAfterUs;
  if (tcb.heardAt > since || tcb.wokenAt > since) return false;
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
