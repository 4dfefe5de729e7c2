// RACK (RFC 8985 6): a segment is lost when one sent later has been delivered and enough time for reordering has passed. It works
// on the times in the scoreboard, of first transmissions and of retransmissions alike.

import { type Micros, NEVER } from '../clock.js';
import type { TcpCore } from './core.js';
import { lose } from './delivery.js';
import { REORD_SEEN, REORDERING } from './ledger.js';
import { REPAIRED, RESENT, type Scoreboard } from './scoreboard.js';
import { NO_SLOT } from './send-order.js';
import { add, diff, gt, lt } from './seq.js';
import type { Tcb } from './tcb.js';

/** Duplicate threshold below which reordering is still given the benefit of the doubt (RFC 5681). */
export const DUP_THRESHOLD = 3;
/** Recoveries for which a reordering window widened by D-SACK is kept (RFC 8985 6.2 step 4). */
const REO_WND_PERSIST = 16;

/** Linux's tcp_max_reordering. */
const MAX_REORDERING = 300;

/** RACK's variables (RFC 8985 5.2). */
export class RackState {
  /** When the most recently sent of the delivered segments left, and its end. */
  xmitAt = -NEVER;
  endSeq = 0;
  /** Its round trip in µs. */
  rttUs = 0;
  /** Highest sequence number delivered. */
  fack = 0;
  reorderingSeen = false;
  /** Widening of the reordering window, in quarters of the smallest round trip. */
  reoWndMult = 1;
  reoWndPersist = 0;
  /** A widening is under way until SND.UNA reaches this. */
  dsackRound = 0;
  inDsackRound = false;
  /** RACK has delivered something in this ACK. */
  advanced = false;
  /** When what was given time for reordering is to be looked at again; NEVER while nothing was. */
  reorderAt: Micros = NEVER;

  reset(iss: number): void {
    this.xmitAt = -NEVER;
    this.endSeq = iss;
    this.rttUs = 0;
    this.fack = iss;
    this.reorderingSeen = false;
    this.reoWndMult = 1;
    this.reoWndPersist = 0;
    this.dsackRound = iss;
    this.inDsackRound = false;
    this.advanced = false;
    this.reorderAt = NEVER;
  }
}

/** Steps 2 and 3 for one delivered segment. `isCumulative`: by SND.UNA, not by SACK. */
export function onDelivered(
  core: TcpCore,
  tcb: Tcb,
  board: Scoreboard,
  number: number,
  isCumulative: boolean,
): void {
  const { rack } = tcb;
  const at = number & board.mask;
  const end = board.endAt(at);
  const sentAt = board.sentAt(at);
  const isResent = (board.flagsAt(at) & RESENT) !== 0;
  // Step 3: a segment sent once that arrives behind a later one has been reordered.
  if (gt(end, rack.fack)) rack.fack = end;
  else if (lt(end, rack.fack) && !isResent) onReordering(core, tcb, board.startAt(at));
  const rttUs = core.clock.now - sentAt;
  if (isResent && isOfOriginal(core, tcb, sentAt, rttUs, isCumulative)) return;
  rack.advanced = true;
  rack.rttUs = rttUs;
  if (sentAt > rack.xmitAt || (sentAt === rack.xmitAt && gt(end, rack.endSeq))) {
    rack.xmitAt = sentAt;
    rack.endSeq = end;
  }
}

/** The segment that begins at `start` has been overtaken; TCP_INFO tells how often that happens in an ACK, and by how much at most. */
function onReordering(core: TcpCore, tcb: Tcb, start: number): void {
  const { rack, row, snd } = tcb;
  const { ledger, report } = core;
  rack.reorderingSeen = true;
  const distance = Math.ceil(diff(rack.fack, start) / snd.mss);
  const most = Math.min(distance, MAX_REORDERING);
  if (most > ledger.countOf(row, REORDERING)) ledger.setCount(row, REORDERING, most);
  if (report.isReordered) return;
  report.isReordered = true;
  ledger.count(row, REORD_SEEN);
}

/**
 * Step 2: the ACK of what was sent again may be that of the original: when it echoes an earlier timestamp, or came sooner than
 * any other. Beyond a hole the echo is that of an earlier segment in any case (RFC 7323 4.3) and tells nothing.
 */
function isOfOriginal(
  core: TcpCore,
  tcb: Tcb,
  sentAt: Micros,
  rttUs: number,
  isCumulative: boolean,
): boolean {
  if (rttUs < tcb.rtt.minRttUs) return true;
  const { report } = core;
  if (!isCumulative || !report.hasEcho) return false;
  return lt(report.tsEcr, add((sentAt / 1000) | 0, tcb.tsOffset));
}

/** Step 4: the reordering window in µs. */
export function reorderingWindow(tcb: Tcb, board: Scoreboard, inRecovery: boolean): number {
  const { rack, rtt } = tcb;
  if (!rack.reorderingSeen && (inRecovery || board.sackedCount >= DUP_THRESHOLD)) return 0;
  return Math.min((rack.reoWndMult * rtt.minRttUs) / 4, rtt.srttUs);
}

/** A D-SACK says that a repair was in vain: wait longer for reordering, once per round trip (RFC 8985 6.2 step 4). */
export function onDsack(tcb: Tcb): void {
  const { rack, snd } = tcb;
  if (rack.inDsackRound) return;
  rack.inDsackRound = true;
  rack.dsackRound = snd.nxt;
  rack.reoWndMult++;
  rack.reoWndPersist = REO_WND_PERSIST;
}

/** SND.UNA has moved: a round of D-SACKs may be over. */
export function endDsackRound(tcb: Tcb): void {
  const { rack, snd } = tcb;
  if (rack.inDsackRound && diff(snd.una, rack.dsackRound) >= 0) rack.inDsackRound = false;
}

/** A recovery has ended: the widened window wears off after some of them. */
export function onRecoveryEnd(tcb: Tcb): void {
  const { rack } = tcb;
  if (rack.reoWndPersist > 0 && --rack.reoWndPersist === 0) rack.reoWndMult = 1;
}

/**
 * Step 5: marks what must be lost by now. Returns whether anything was, and leaves in `rack.reorderAt` when to look again for
 * what may still arrive (NEVER: nothing).
 */
export function detectLoss(core: TcpCore, tcb: Tcb, board: Scoreboard, inRecovery: boolean): boolean {
  const { rack } = tcb;
  const window = reorderingWindow(tcb, board, inRecovery);
  const now = core.clock.now;
  let found = false;
  let latest = -NEVER;
  let slot = board.oldest;
  // What left after the newest delivered segment is not judged.
  while (slot !== NO_SLOT && board.sentAt(slot) <= rack.xmitAt) {
    const next = board.newerThan(slot);
    const sentAt = board.sentAt(slot);
    if (sentAt < rack.xmitAt || lt(board.endAt(slot), rack.endSeq)) {
      const dueAt = sentAt + rack.rttUs + window;
      if (dueAt <= now) {
        if ((board.flagsAt(slot) & REPAIRED) !== 0) core.counters.TcpExtTCPLostRetransmit++;
        lose(core, tcb, board, board.numberAt(slot));
        found = true;
      } else if (dueAt > latest) {
        latest = dueAt;
      }
    }
    slot = next;
  }
  rack.reorderAt = latest > 0 ? latest : NEVER;
  return found;
}
