// DCTCP (RFC 8257): the window goes down by as much as the share of marked bytes says. It grows, and answers losses, as Reno.

import type { CongestionControl } from './congestion.js';
import type { TcpCore } from './core.js';
import type { AckReport } from './recovery.js';
import { reno } from './reno.js';
import { add, geq } from './seq.js';
import type { Tcb } from './tcb.js';

/** Alpha is kept in units of 1/1024. */
export const ALPHA_ONE = 1024;
/** g = 1/16 (RFC 8257 4.2). */
const GAIN_SHIFT = 4;

export const dctcp: CongestionControl = {
  ...reno,
  name: 'dctcp',
  needsEcn: true,

  init(core: TcpCore, tcb: Tcb): void {
    reno.init(core, tcb);
    const { ecn } = tcb;
    if (ecn === null) return;
    ecn.alpha = ALPHA_ONE;
    ecn.windowEnd = tcb.snd.nxt;
    ecn.windowBytes = 0;
    ecn.windowMarked = 0;
  },

  onEcnEcho(_core: TcpCore, tcb: Tcb, report: AckReport): void {
    const { ecn, snd } = tcb;
    if (ecn === null) return;
    ecn.windowBytes += report.delivered;
    ecn.windowMarked += report.ceMarked;
    // RFC 8257 3.3 step 4: once in a window of data.
    if (!geq(snd.una, ecn.windowEnd)) return;
    if (ecn.windowBytes > 0) {
      const share = Math.min(1, ecn.windowMarked / ecn.windowBytes) * ALPHA_ONE;
      ecn.alpha = Math.round(ecn.alpha + (share - ecn.alpha) / (1 << GAIN_SHIFT));
    }
    ecn.windowEnd = add(snd.nxt, 1);
    ecn.windowBytes = 0;
    ecn.windowMarked = 0;
  },

  ssthreshOnMark(tcb: Tcb): number {
    const { cc, ecn, snd } = tcb;
    const alpha = ecn?.alpha ?? ALPHA_ONE;
    // RFC 8257 3.3 step 8: cwnd = cwnd * (1 - alpha / 2).
    return Math.max(Math.floor(cc.cwnd - (cc.cwnd * alpha) / (2 * ALPHA_ONE)), 2 * snd.mss);
  },
};
