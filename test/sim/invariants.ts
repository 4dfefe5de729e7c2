// What must hold in a stack between any two turns of its loop, whatever the network and the programs do: checked after every
// turn by the simulations, the fuzzer and the model of the state machine. A violation is an Error that shows the connection.

import type { Stack } from '../../src/stack/stack.js';
import { add, diff } from '../../src/stack/tcp/seq.js';
import {
  CLOSE_WAIT,
  CLOSED,
  ESTABLISHED,
  FIN_WAIT_2,
  isSynchronized,
  mayReceive,
  SYN_RCVD,
  SYN_SENT,
  stateName,
  TIME_WAIT,
} from '../../src/stack/tcp/state.js';
import { PERSIST, type Tcb } from '../../src/stack/tcp/tcb.js';
import type { Host } from '../../src/testing/index.js';

const NEVER = Number.POSITIVE_INFINITY;

/** What a connection looked like at the last check, to see what only may grow. */
interface Past {
  /** Tells one life of the block from the next. */
  iss: number;
  irs: number;
  una: number;
  nxt: number;
  rcvNxt: number;
  rcvEdge: number;
  /** Right edge of the largest window that the peer ever offered. */
  sndEdge: number;
}

/** Watches one stack. */
export class Invariants {
  /** Connections looked at, added up over all checks. */
  checks = 0;
  private readonly stack: Stack;
  private readonly name: string;
  private readonly past: (Past | undefined)[] = [];

  constructor(stack: Stack, name = 'stack') {
    this.stack = stack;
    this.name = name;
  }

  /** @throws Error that says what does not hold, of which connection */
  check(): void {
    const { core } = this.stack.tcp;
    let established = 0;
    let inTable = 0;
    let timers = 0;
    let orphans = 0;
    for (let index = 0; index < core.demux.places; index++) {
      if (core.wheel.isSet(index)) timers++;
      // What is dormant stays so; it is compared with its past when it wakes.
      if (core.demux.isDormant(index)) continue;
      const tcb = core.demux.awakeAt(index);
      if (tcb === null) {
        this.past[index] = undefined;
        if (core.wheel.isSet(index)) this.fail(`nobody is at ${index}, but a timer runs`);
        continue;
      }
      const problem = tcb.state === CLOSED ? this.closed(tcb) : this.open(tcb);
      if (problem !== '')
        throw new Error(`${this.name} at ${this.stack.now} µs: ${problem}\n${describe(tcb)}`);
      if (tcb.state === ESTABLISHED || tcb.state === CLOSE_WAIT) established++;
      if (tcb.state !== CLOSED) inTable++;
      const isOver = tcb.state === CLOSED || tcb.state === TIME_WAIT;
      // One that waits for a FIN for no more than a minute is none.
      if (!isOver && !tcb.attached && (tcb.state !== FIN_WAIT_2 || tcb.isOrphan)) orphans++;
    }
    const { dormant } = core.demux;
    const { TcpCurrEstab, TcpOrphans } = this.stack.counters;
    if (TcpOrphans !== orphans) this.fail(`TcpOrphans is ${TcpOrphans}, orphans are ${orphans}`);
    if (TcpCurrEstab < established || TcpCurrEstab > established + dormant)
      this.fail(`TcpCurrEstab is ${TcpCurrEstab}, established are ${established}, dormant ${dormant}`);
    if (core.demux.size !== inTable + dormant)
      this.fail(`the table says ${core.demux.size} connections, there are ${inTable}, dormant ${dormant}`);
    if (core.wheel.size !== timers) this.fail(`${core.wheel.size} timers, of connections ${timers}`);
  }

  /** After everything was closed and time has passed: nothing may be left anywhere. */
  checkEmpty(host: Host): void {
    const { core } = this.stack.tcp;
    const left: Record<string, number> = {
      'bytes of buffers': core.buffers.inUse,
      blocks: core.demux.allocated,
      connections: core.demux.size,
      timers: core.wheel.size,
      'endpoints with news': core.ready.length,
      'connections with output': core.output.length,
      'packets for neighbours': this.stack.neighbours.waiting,
      sockets: host.mctx.sockets.used,
      ...host.nic.check(),
    };
    const wrong = Object.entries(left).filter(([, count]) => count !== 0);
    if (wrong.length > 0)
      this.fail(`left behind: ${wrong.map(([what, count]) => `${count} ${what}`).join(', ')}`);
    if (host.nextDeadline() !== NEVER)
      this.fail(`everything is over, yet the next deadline is ${host.nextDeadline()}`);
  }

  private fail(problem: string): never {
    throw new Error(`${this.name} at ${this.stack.now} µs: ${problem}`);
  }

  private closed(tcb: Tcb): string {
    this.past[tcb.index] = undefined;
    if (tcb.rtxAt !== NEVER || tcb.delackAt !== NEVER || tcb.lifeAt !== NEVER)
      return 'closed, but a deadline is set';
    if (this.stack.tcp.core.wheel.isSet(tcb.index)) return 'closed, but its timer runs';
    if (tcb.reassembly !== null) return 'closed, but out-of-order ranges are kept';
    if (tcb.pacer !== null || tcb.bbr !== null) return 'closed, but records of its sending are kept';
    if (tcb.sendBuffer.length !== 0) return 'closed, but data to send is kept';
    return '';
  }

  private open(tcb: Tcb): string {
    this.checks++;
    return this.timers(tcb) || this.sending(tcb) || this.receiving(tcb) || this.order(tcb);
  }

  private timers(tcb: Tcb): string {
    const { core } = this.stack.tcp;
    const resumeAt = tcb.pacer === null ? NEVER : tcb.pacer.resumeAt;
    // An ACK that is delayed sets the timer when output has found nothing to carry it.
    const delackAt = tcb.outputQueued ? NEVER : tcb.delackAt;
    const earliest = Math.min(tcb.rtxAt, delackAt, tcb.lifeAt, tcb.holdAt, resumeAt);
    const set = core.wheel.deadlineOf(tcb.index);
    // A deadline that moves away leaves the timer as it is: it comes early, and is set anew then.
    if (set > earliest) return `timer set for ${set}, earliest deadline ${earliest}`;
    if ((tcb.ackNow || tcb.synPending) && !tcb.outputQueued) return 'owes a segment, but is not in the queue';
    const flight = diff(tcb.snd.nxt, tcb.snd.una);
    if (tcb.state === SYN_SENT || tcb.state === SYN_RCVD) {
      if (tcb.rtxAt === NEVER && !tcb.synPending) return 'waits for a handshake without a timer';
      if (tcb.delackAt !== NEVER || tcb.lifeAt !== NEVER)
        return 'half open, but a timer of a later state runs';
      return '';
    }
    if (tcb.state === TIME_WAIT) {
      if (tcb.rtxAt !== NEVER) return 'TIME-WAIT retransmits';
      if (tcb.lifeAt === NEVER) return 'TIME-WAIT without end';
    } else if (tcb.lifeAt !== NEVER && (tcb.state !== FIN_WAIT_2 || tcb.attached)) {
      return 'lifetime limited without cause';
    }
    if (tcb.state === FIN_WAIT_2 && !tcb.attached && tcb.lifeAt === NEVER)
      return 'orphan in FIN-WAIT-2 without end';
    if (tcb.delackAt !== NEVER && tcb.rcv.nxt === tcb.rcv.lastAck) return 'delays an ACK of nothing';
    const isPersisting = tcb.rtxMode === PERSIST;
    if (isPersisting && tcb.rtxAt === NEVER) return 'persists without a timer';
    if (isPersisting && flight > 0) return 'persists with data in flight';
    if (tcb.rtxAt !== NEVER && !isPersisting && flight === 0) return 'retransmission timer without flight';
    const isPacedOut = resumeAt !== NEVER;
    if (flight > 0 && tcb.rtxAt === NEVER && !tcb.outputQueued && !isPacedOut)
      return 'flight without retransmission timer';
    const waits = isPersisting || tcb.outputQueued || tcb.holdAt !== NEVER || isPacedOut;
    if (flight === 0 && unsent(tcb) > 0 && !waits) {
      return 'data to send, but nothing will ever send it';
    }
    if (flight === 0 && tcb.finQueued && !tcb.finSent && !tcb.outputQueued && unsent(tcb) === 0) {
      return 'FIN queued and forgotten';
    }
    if (resumeAt < this.stack.now) return 'a paced segment is late';
    return '';
  }

  private sending(tcb: Tcb): string {
    const { snd, cc, sendBuffer } = tcb;
    const flight = diff(snd.nxt, snd.una);
    if (flight < 0) return 'SND.UNA is beyond SND.NXT';
    if (!isSynchronized(tcb.state)) {
      if (snd.una !== snd.iss || flight !== 1) return 'half open, but not just the SYN is in flight';
      return '';
    }
    if (tcb.state !== TIME_WAIT && cc.cwnd < snd.mss) return `cwnd ${cc.cwnd} is below the MSS`;
    if (snd.mss < 1) return `the MSS is ${snd.mss}`;
    if (diff(snd.base, snd.una) < 0 && sendBuffer.length > 0) return 'acknowledged data is kept';
    if (unsent(tcb) < 0) return 'sent more than there was';
    if (tcb.finSent && !tcb.finQueued) return 'FIN without close';
    if (tcb.board !== null && !tcb.board.isSound(snd.una, snd.nxt)) return 'the scoreboard is not sound';
    if (tcb.state !== TIME_WAIT && flight > 0 && tcb.board === null) return 'flight without a scoreboard';
    if (diff(snd.small, snd.nxt) > 0) return 'small segment beyond SND.NXT';
    if (diff(cc.recover, snd.nxt) > 0) return 'recovery beyond SND.NXT';
    const past = this.past[tcb.index];
    // A FIN may stand one beyond the window.
    if (past !== undefined && past.iss === snd.iss && diff(snd.nxt, past.sndEdge) > 1 && flight > 1) {
      return `sent ${diff(snd.nxt, past.sndEdge)} bytes beyond every window`;
    }
    return '';
  }

  private receiving(tcb: Tcb): string {
    const { rcv, recvBuffer, reassembly } = tcb;
    if (tcb.state === SYN_SENT) return '';
    const offered = diff(rcv.edge, rcv.nxt);
    // After a FIN, RCV.NXT stands one beyond the window when that was full.
    if (offered < (rcv.finSeen ? -1 : 0)) return 'RCV.NXT is beyond the right edge';
    const rounding = 1 << rcv.wscale;
    const limit = Math.max(recvBuffer.limit, tcb.localMss) + rounding;
    if (recvBuffer.length > limit)
      return `${recvBuffer.length} bytes in a receive buffer of ${recvBuffer.limit}`;
    if (mayReceive(tcb.state) && recvBuffer.length + offered > limit) {
      return `offers ${offered} bytes with ${recvBuffer.length} unread in a receive buffer of ${recvBuffer.limit}`;
    }
    if (diff(rcv.nxt, rcv.lastAck) < 0) return 'acknowledged what has not arrived';
    if (reassembly !== null) {
      if (reassembly.count === 0) return 'keeps an empty list of ranges';
      if (!reassembly.isSound(rcv.nxt))
        return 'the out-of-order ranges are not sorted, disjoint and beyond RCV.NXT';
      if (diff(reassembly.end, rcv.edge) > 0) return 'keeps data beyond the right edge';
    }
    return '';
  }

  /** What never goes back. */
  private order(tcb: Tcb): string {
    const { snd, rcv } = tcb;
    const edge = isSynchronized(tcb.state) ? add(snd.una, snd.wnd) : add(snd.nxt, snd.wnd);
    let past = this.past[tcb.index];
    if (past === undefined || past.iss !== snd.iss || past.irs !== rcv.irs) {
      past = {
        iss: snd.iss,
        irs: rcv.irs,
        una: snd.una,
        nxt: snd.nxt,
        rcvNxt: rcv.nxt,
        rcvEdge: rcv.edge,
        sndEdge: edge,
      };
      this.past[tcb.index] = past;
      return '';
    }
    if (diff(snd.una, past.una) < 0) return 'SND.UNA went back';
    if (diff(snd.nxt, past.nxt) < 0) return 'SND.NXT went back';
    if (diff(rcv.nxt, past.rcvNxt) < 0) return 'RCV.NXT went back';
    // The window of a SYN-ACK is promised when it leaves.
    if (diff(rcv.edge, past.rcvEdge) < 0 && tcb.state !== SYN_RCVD)
      return 'the right edge of the window went back';
    past.una = snd.una;
    past.nxt = snd.nxt;
    past.rcvNxt = rcv.nxt;
    past.rcvEdge = rcv.edge;
    if (diff(edge, past.sndEdge) > 0) past.sndEdge = edge;
    return '';
  }
}

/** Bytes in the send buffer that were never sent. */
function unsent(tcb: Tcb): number {
  return tcb.sendBuffer.length - diff(tcb.snd.nxt, tcb.snd.base) + (tcb.finSent ? 1 : 0);
}

/** A connection in a few lines, for messages. */
export function describe(tcb: Tcb): string {
  const { snd, rcv, cc, rtt } = tcb;
  const flags = [
    'attached',
    'passive',
    'outputQueued',
    'synPending',
    'finQueued',
    'finSent',
    'readShut',
    'ackNow',
  ];
  const set = flags.filter((flag) => (tcb as unknown as Record<string, unknown>)[flag] === true);
  const ranges = tcb.reassembly === null ? 0 : tcb.reassembly.count;
  return [
    `  ${stateName(tcb.state)} ${tcb.local.port} > ${tcb.remote.port}, index ${tcb.index}, ${set.join(' ')}`,
    `  snd: iss ${snd.iss >>> 0} una +${diff(snd.una, snd.iss)} nxt +${diff(snd.nxt, snd.iss)} base +${diff(snd.base, snd.iss)} wnd ${snd.wnd} mss ${snd.mss}, buffer ${tcb.sendBuffer.length}/${tcb.sendBuffer.limit}`,
    `  rcv: irs ${rcv.irs >>> 0} nxt +${diff(rcv.nxt, rcv.irs)} edge +${diff(rcv.edge, rcv.irs)} lastAck +${diff(rcv.lastAck, rcv.irs)} wscale ${rcv.wscale}, buffer ${tcb.recvBuffer.length}/${tcb.recvBuffer.limit}, ranges ${ranges}`,
    `  cc: cwnd ${cc.cwnd} ssthresh ${cc.ssthresh} dupAcks ${cc.dupAcks} phase ${cc.phase} recover +${diff(cc.recover, snd.iss)} sacked ${tcb.board?.sacked} lost ${tcb.board?.lost} repaired ${tcb.board?.repaired}, timer ${tcb.rtxMode}`,
    `  timers: rtx ${tcb.rtxAt} delack ${tcb.delackAt} life ${tcb.lifeAt}, rto ${rtt.rtoUs} x 2^${rtt.backoff}, retransmits ${tcb.retransmits}, probes ${tcb.probes}`,
  ].join('\n');
}
