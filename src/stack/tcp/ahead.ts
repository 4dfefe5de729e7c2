// Looks ahead: what the connections of a whole batch of segments hold is read a little before the segments are processed one by one.
// Of thousands of connections none is in the CPU's cache when its segment comes, and processing would wait for memory dozens of
// times, one after the other; reads that do not depend on each other wait at the same time. Nothing is changed here, and nothing
// that is found is believed.

import type { TcpCore } from './core.js';
import type { Tcb } from './tcb.js';

/** With fewer connections than this they are in the cache, in the second level at least. */
const FEW = 512;

export class LookAhead {
  readonly #core: TcpCore;
  /** Those of the batch in hand. */
  readonly #tcbs: Tcb[] = [];
  #count = 0;
  /** What was read, so that no compiler leaves it out. */
  #sum = 0;

  constructor(core: TcpCore) {
    this.#core = core;
  }

  /** Whether there are so many connections that it is worth its time. */
  get isWorthwhile(): boolean {
    return this.#core.demux.awake > FEW;
  }

  /** Finds the connection of a segment, without looking whether it is the right one; addresses are IPv4 words. */
  add(local: number, remote: number, localPort: number, remotePort: number): void {
    const tcb = this.#core.demux.guess(local, remote, localPort, remotePort);
    if (tcb !== null) this.#tcbs[this.#count++] = tcb;
  }

  /** Reads a number in each part of the connections that were found, and some in the larger ones. */
  read(): void {
    const { demux, ledger, wheel } = this.#core;
    const { holder } = demux;
    let sum = 0;
    for (let i = 0; i < this.#count; i++) {
      const tcb = this.#tcbs[i];
      sum ^=
        tcb.row ^
        tcb.localMss ^
        tcb.hash ^
        tcb.error ^
        tcb.tsOffset ^
        tcb.quickAcks ^
        tcb.probes ^
        tcb.rtxMode;
      sum ^= ledger.countOf(tcb.row, 0) ^ ledger.countOf(tcb.row, 16);
    }
    for (let i = 0; i < this.#count; i++) {
      const { local, remote, snd, rcv, cc, rtt, autoReceive, rack, row, index } = this.#tcbs[i];
      sum ^= local.port ^ remote.port ^ snd.una ^ snd.small ^ rcv.nxt ^ rcv.lastAck ^ rcv.dsackLeft;
      sum ^=
        cc.cwnd ^
        cc.dupFlight ^
        cc.tlpEnd ^
        cc.pipeUsed ^
        rtt.srttUs ^
        rtt.backoff ^
        autoReceive.read ^
        rack.fack;
      sum ^= ledger.sumOf(row, 0) ^ ledger.sumOf(row, 8) ^ wheel.deadlineOf(index);
    }
    for (let i = 0; i < this.#count; i++) {
      const { board, sendBuffer, recvBuffer, heardAt, owner, rtoAt, cc, rack } = this.#tcbs[i];
      if (board !== null) sum ^= board.startAt(board.first & board.mask);
      if (sendBuffer.isFree !== recvBuffer.isFree) sum++;
      if (holder !== null && owner >= 0) sum ^= holder.lookAhead(owner);
      if (heardAt < rtoAt && cc.lastSentAt < cc.pipeUsedAt && rack.xmitAt < 0) sum++;
    }
    this.#sum ^= sum;
    this.#count = 0;
  }
}
