// Looks ahead: what the connections of a whole batch of segments hold is read a little before the segments are processed one by one.
// Of thousands of connections none is in the CPU's cache when its segment comes, and processing would wait for memory dozens of
// times, one after the other; reads that do not depend on each other wait at the same time. Nothing is changed here, and nothing
// that is found is believed.

import type { TcpCore } from './core.js';

/** With fewer connections than this they are in the cache, in the second level at least. */
const FEW = 512;

/** As many as are looked at in a batch. */
const MOST = 256;

export class LookAhead {
  readonly #core: TcpCore;
  /** Places of those of the batch in hand: storing a number is a store, storing an object asks where that lies. */
  readonly #found = new Int32Array(MOST);
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
    const index = this.#core.demux.guess(local, remote, localPort, remotePort);
    if (index >= 0 && this.#count < MOST) this.#found[this.#count++] = index;
  }

  /** Reads something in each line of the connections that were found and of their parts, those that lead to others first. */
  read(): void {
    this.#sum ^= this.#readBlocks() ^ this.#readParts() ^ this.#readRest();
    this.#count = 0;
  }

  /**
   * A block has some dozen lines, of eight fields each, in the order of the class: small integers are read in most of them, and one
   * reference. Where the parts stand is read with those.
   */
  #readBlocks(): number {
    const { demux, ledger } = this.#core;
    let sum = 0;
    for (let i = 0; i < this.#count; i++) {
      const tcb = demux.awakeAt(this.#found[i]);
      if (tcb === null) continue;
      const { row } = tcb;
      sum ^=
        row ^
        tcb.nextHop ^
        tcb.hash ^
        tcb.softError ^
        tcb.tsOffset ^
        tcb.quickAcks ^
        tcb.probes ^
        tcb.rtxMode ^
        tcb.probeBackoff;
      if (tcb.board === null || tcb.cookie) sum++;
      sum ^= ledger.countOf(row, 0) ^ ledger.countOf(row, 16);
      if (ledger.sumOf(row, 0) + ledger.sumOf(row, 7) === ledger.sumOf(row, 14)) sum++;
    }
    return sum;
  }

  /** What a block refers to. */
  #readParts(): number {
    const { demux, wheel } = this.#core;
    let sum = 0;
    for (let i = 0; i < this.#count; i++) {
      const tcb = demux.awakeAt(this.#found[i]);
      if (tcb === null) continue;
      const { local, remote, snd, rcv, cc, rtt, autoReceive, rack, sendBuffer, recvBuffer, index } = tcb;
      sum ^= local.port ^ remote.port ^ snd.una ^ snd.small ^ rcv.nxt ^ rcv.lastAck ^ rcv.dsackLeft;
      sum ^= cc.cwnd ^ cc.dupFlight ^ cc.tlpEnd ^ cc.pipeUsed;
      sum ^= rtt.srttUs ^ rtt.backoff ^ autoReceive.read ^ rack.fack;
      sum ^= sendBuffer.start ^ sendBuffer.limit ^ recvBuffer.start ^ recvBuffer.limit;
      sum ^= wheel.deadlineOf(index);
    }
    return sum;
  }

  /** What those refer to, and the socket. */
  #readRest(): number {
    const { demux } = this.#core;
    const { holder } = demux;
    let sum = 0;
    for (let i = 0; i < this.#count; i++) {
      const tcb = demux.awakeAt(this.#found[i]);
      if (tcb === null) continue;
      const { board, sendBuffer, heardAt, confirmedAt, owner, rtoAt, cc, rack } = tcb;
      if (board !== null) sum ^= board.startAt(board.first & board.mask);
      sum ^= sendBuffer.firstByte;
      if (holder !== null && owner >= 0) sum ^= holder.lookAhead(owner);
      if (heardAt + confirmedAt < rtoAt && cc.lastSentAt < cc.pipeUsedAt && rack.xmitAt < 0) sum++;
    }
    return sum;
  }
}
