// What the peer says it holds (RFC 2018 5, RFC 2883 4): marks the scoreboard by the blocks of an ACK and recognises the
// duplicate report. Blocks that cannot be true are ignored.

import type { Segment } from '../wire/tcp-header.js';
import type { TcpOptions } from '../wire/tcp-options.js';
import type { TcpCore } from './core.js';
import { onArrival } from './delivery.js';
import { onDelivered } from './rack.js';
import { RESENT, SACKED, type Scoreboard } from './scoreboard.js';
import { KNOWN_BLOCKS } from './segment-rows.js';
import { diff, geq, gt, leq, lt } from './seq.js';
import type { Tcb } from './tcb.js';

/** Processes the SACK option of `seg`, and tells `core.report` of it. */
export function sackArrives(core: TcpCore, tcb: Tcb, board: Scoreboard, seg: Segment): void {
  const { options } = seg;
  sortBlocks(options);
  if (board.sackedCount === 0) board.forgetBlocks();
  for (let i = 0; i < options.sackCount; i++) {
    const left = options.sackLeft[i];
    const right = options.sackRight[i];
    // Below SND.UNA it is a D-SACK or old; at SND.UNA the acknowledgment itself contradicts it.
    const isValid = lt(left, right) && gt(left, tcb.snd.una) && leq(right, tcb.snd.nxt);
    if (!isValid) continue;
    const edge = markBlock(core, tcb, board, left, right);
    remember(board, left, edge);
  }
}

/** In rising order: the newest comes first on the wire, and what an ACK tells at once must not look reordered to RACK. */
function sortBlocks(options: TcpOptions): void {
  const { sackLeft, sackRight } = options;
  for (let i = 1; i < options.sackCount; i++) {
    const left = sackLeft[i];
    const right = sackRight[i];
    let at = i;
    for (; at > 0 && gt(sackLeft[at - 1], left); at--) {
      sackLeft[at] = sackLeft[at - 1];
      sackRight[at] = sackRight[at - 1];
    }
    sackLeft[at] = left;
    sackRight[at] = right;
  }
}

/** Marks the segments that lie wholly within a block; returns the end of what is marked. */
function markBlock(core: TcpCore, tcb: Tcb, board: Scoreboard, left: number, right: number): number {
  const { report } = core;
  let edge = left;
  // Most blocks are the one of the ACK before, a little longer.
  for (let i = 0; i < KNOWN_BLOCKS; i++) {
    if (leq(board.knownLeft(i), left) && gt(board.knownRight(i), edge)) edge = board.knownRight(i);
  }
  for (let i = board.find(edge); i < board.next; i++) {
    const at = i & board.mask;
    const end = board.endAt(at);
    if (gt(end, right)) break;
    edge = end;
    const flags = board.flagsAt(at);
    if ((flags & SACKED) !== 0) continue;
    onDelivered(core, tcb, board, i, false);
    onArrival(core, tcb, board, i);
    if (gt(end, tcb.cc.recover)) report.sackedNew = true;
    else if ((flags & RESENT) === 0) report.isOriginal = true;
    report.delivered += diff(end, board.startAt(at));
    board.sack(i);
  }
  return edge;
}

/** Remembers that [left, edge) is marked, in place of the known block that it grew from, or of the lowest one. */
function remember(board: Scoreboard, left: number, edge: number): void {
  if (edge === left) return;
  let at = 0;
  for (let i = 0; i < KNOWN_BLOCKS; i++) {
    const knownLeft = board.knownLeft(i);
    const knownRight = board.knownRight(i);
    if (knownLeft === left || knownLeft === knownRight) {
      at = i;
      break;
    }
    if (lt(knownRight, board.knownRight(at))) at = i;
  }
  board.setKnown(at, left, edge);
}

/**
 * RFC 2883 4: true when the first block reports a duplicate: below the acknowledgment, or within the second block. It must be
 * about something that was sent, and not too long ago. To be asked before `sackArrives`, which sorts the blocks.
 */
export function isDsack(tcb: Tcb, seg: Segment): boolean {
  const { options } = seg;
  if (options.sackCount === 0) return false;
  const left = options.sackLeft[0];
  const right = options.sackRight[0];
  if (!lt(left, right) || lt(left, (seg.ack - tcb.snd.wndMax) | 0)) return false;
  if (leq(right, seg.ack)) return true;
  if (options.sackCount < 2 || gt(right, tcb.snd.nxt)) return false;
  return geq(left, options.sackLeft[1]) && leq(right, options.sackRight[1]);
}
