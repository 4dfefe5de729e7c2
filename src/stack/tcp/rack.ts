// RACK (RFC 8985 6): a segment is lost when one sent later has been delivered and enough time for reordering has passed. It works
// on the times in the scoreboard, of first transmissions and of retransmissions alike.

import { NEVER } from '../clock.js';
import type { TcpCore } from './core.js';
import { LOST, REPAIRED, RESENT, SACKED, type Scoreboard } from './scoreboard.js';
import { diff, gt, lt } from './seq.js';
import type { Tcb } from './tcb.js';

/** Duplicate threshold below which reordering is still given the benefit of the doubt (RFC 5681). */
export const DUP_THRESHOLD = 3;
/** Recoveries for which a reordering window widened by D-SACK is kept (RFC 8985 6.2 step 4). */
const REO_WND_PERSIST = 16;

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
  }
}

/** Steps 1 to 3 for one delivered segment. `tsEcr` is when the segment that caused the ACK left, by our timestamps. */
export function onDelivered(core: TcpCore, tcb: Tcb, board: Scoreboard, number: number): void {
  const { rack } = tcb;
  const at = number & board.mask;
  const end = board.end[at];
  const sentAt = board.sentAt[at];
  const isResent = (board.flags[at] & RESENT) !== 0;
  const rttUs = core.clock.now - sentAt;
  // Step 2: the ACK of a retransmission may be that of the original.
  if (isResent && rttUs < tcb.rtt.minRttUs) return;
  rack.advanced = true;
  // Step 3: a segment sent once that arrives behind a later one has been reordered.
  if (gt(end, rack.fack)) rack.fack = end;
  else if (lt(end, rack.fack) && !isResent) rack.reorderingSeen = true;
  if (sentAt > rack.xmitAt || (sentAt === rack.xmitAt && gt(end, rack.endSeq))) {
    rack.xmitAt = sentAt;
    rack.endSeq = end;
    rack.rttUs = rttUs;
  }
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
 * Step 5: marks what must be lost by now. Returns whether anything was, and leaves in `core.reorderAt` when to look again for
 * what may still arrive (NEVER: nothing).
 */
export function detectLoss(core: TcpCore, tcb: Tcb, board: Scoreboard, inRecovery: boolean): boolean {
  core.reorderAt = NEVER;
  const { rack } = tcb;
  // Nothing was sent before the newest delivered segment and is still missing.
  if (board.sacked === 0 && board.lost === 0 && !inRecovery && !rack.reorderingSeen) return false;
  const window = reorderingWindow(tcb, board, inRecovery);
  const now = core.clock.now;
  let found = false;
  let latest = -NEVER;
  for (let i = board.first; i < board.next; i++) {
    const at = i & board.mask;
    const flags = board.flags[at];
    if ((flags & SACKED) !== 0 || (flags & (LOST | REPAIRED)) === LOST) continue;
    const sentAt = board.sentAt[at];
    const isBefore = sentAt < rack.xmitAt || (sentAt === rack.xmitAt && lt(board.end[at], rack.endSeq));
    if (!isBefore) continue;
    const dueAt = sentAt + rack.rttUs + window;
    if (dueAt <= now) {
      board.lose(i);
      found = true;
    } else if (dueAt > latest) {
      latest = dueAt;
    }
  }
  if (latest > 0) core.reorderAt = latest;
  return found;
}
