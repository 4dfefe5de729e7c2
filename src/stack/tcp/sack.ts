// What the peer says it holds (RFC 2018 5, RFC 2883 4): marks the scoreboard by the blocks of an ACK and recognises the
// duplicate report. Blocks that cannot be true are ignored.

import type { Segment } from '../wire/tcp-header.js';
import type { TcpCore } from './core.js';
import { onDelivered } from './rack.js';
import { LOST, RESENT, SACKED, type Scoreboard } from './scoreboard.js';
import { diff, geq, gt, leq, lt } from './seq.js';
import type { Tcb } from './tcb.js';

/** Processes the SACK option of `seg`. Returns the bytes that are newly known to be held. */
export function sackArrives(core: TcpCore, tcb: Tcb, board: Scoreboard, seg: Segment): number {
  const { options } = seg;
  let bytes = 0;
  for (let i = 0; i < options.sackCount; i++) {
    const left = options.sackLeft[i];
    const right = options.sackRight[i];
    if (!lt(left, right) || !gt(left, tcb.snd.una) || gt(right, tcb.snd.nxt)) continue;
    bytes += markBlock(core, tcb, board, left, right);
  }
  return bytes;
}

function markBlock(core: TcpCore, tcb: Tcb, board: Scoreboard, left: number, right: number): number {
  let bytes = 0;
  for (let i = board.find(left); i < board.next; i++) {
    const at = i & board.mask;
    if (gt(board.end[at], right)) break;
    if ((board.flags[at] & SACKED) !== 0) continue;
    onDelivered(core, tcb, board, i);
    bytes += diff(board.end[at], board.start[at]);
    board.sack(i);
  }
  return bytes;
}

/**
 * RFC 2883 4: true when the first block reports a duplicate: below the acknowledgment, or within the second block. It must be
 * about something that was sent, and not too long ago.
 */
export function isDsack(tcb: Tcb, seg: Segment): boolean {
  const { options } = seg;
  if (options.sackCount === 0) return false;
  const left = options.sackLeft[0];
  const right = options.sackRight[0];
  if (!lt(left, right) || lt(left, (seg.ack - tcb.snd.wndMax) | 0)) return false;
  if (leq(right, seg.ack)) return true;
  if (options.sackCount < 2) return false;
  return geq(left, options.sackLeft[1]) && leq(right, options.sackRight[1]);
}

/** True when some segment still in flight was deemed lost or sent again: an ACK may then be ambiguous. */
export function hasDoubt(board: Scoreboard): boolean {
  for (let i = board.first; i < board.next; i++) {
    if ((board.flags[i & board.mask] & (LOST | RESENT)) !== 0) return true;
  }
  return false;
}
