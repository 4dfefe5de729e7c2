// The transmission control block (RFC 9293 3.3.1): all that is known of one connection. SND and RCV are records of their own
// so that `tcb.snd.una` reads as the RFC's SND.UNA. Blocks are pooled by `demux.ts`; `reset` makes one new.

import { type Micros, NEVER } from '../clock.js';
import type { StackConfig } from '../config.js';
import { Endpoint } from '../wire/address.js';
import type { BbrState } from './bbr-state.js';
import type { CongestionControl } from './congestion.js';
import type { CubicState } from './cubic.js';
import type { EcnState } from './ecn-state.js';
import type { FastOpen } from './fast-open.js';
import type { Listener } from './listener.js';
import type { MtuSearch } from './mtu-search.js';
import type { Pacer } from './pacing.js';
import { RackState } from './rack.js';
import type { Reassembly } from './reassembly.js';
import { ReceiveTuning } from './receive-tuning.js';
import type { RecordEnds } from './records.js';
import { RecvBuffer } from './recv-buffer.js';
import type { Repairs } from './repairs.js';
import { RttEstimator } from './rtt.js';
import type { Scoreboard } from './scoreboard.js';
import { SendBuffer } from './send-buffer.js';
import { CLOSED } from './state.js';
import { type Tuning, UNTUNED } from './tuning.js';
import type { UserTimeout } from './user-timeout.js';

/** Send sequence variables (RFC 9293 3.3.1, figure 3). Sequence numbers are signed int32. */
export class SendSequence {
  /** Oldest unacknowledged sequence number. */
  una = 0;
  /** Next sequence number to send; nothing beyond it has ever been sent. */
  nxt = 0;
  /** Window of the peer in bytes, scaled. */
  wnd = 0;
  /** SEG.SEQ and SEG.ACK of the segment that last updated the window. */
  wl1 = 0;
  wl2 = 0;
  /** Initial send sequence number. */
  iss = 0;
  /** Shift that the peer applies to the windows it sends (RFC 7323 2.3). */
  wscale = 0;
  /** Largest window that the peer ever offered (RFC 9293 3.8.6.2.1, MAX.SND.WND). */
  wndMax = 0;
  /** Most payload that one segment may carry, options already taken off (RFC 9293 3.7.1, Eff.snd.MSS). */
  mss = 0;
  /** What both ends and the link allow for it, whatever the path (RFC 9293 3.7.1). */
  mssMax = 0;
  /** Sequence number of the first byte in the send buffer. */
  base = 0;
  /** Behind the last urgent byte that was written; SND.UNA when there is none that is not acknowledged (SND.UP). */
  up = 0;
  /** End of the last segment sent that was smaller than the MSS (Minshall's variant of Nagle's algorithm). */
  small = 0;
}

/** Receive sequence variables (RFC 9293 3.3.1, figure 4). */
export class ReceiveSequence {
  /** Next sequence number expected. */
  nxt = 0;
  /** Window in the last segment sent, in bytes. */
  wnd = 0;
  /** Right edge of the window: the largest RCV.NXT + RCV.WND that was ever advertised. */
  edge = 0;
  /** Initial receive sequence number. */
  irs = 0;
  /** Shift that we apply to the windows we send. */
  wscale = 0;
  /** RCV.NXT in the last segment sent (RFC 7323 4.3, Last.ACK.sent). */
  lastAck = 0;
  /** Largest payload seen in one segment, for the ACK and window rules. */
  mss = 0;
  /** Sequence number of a FIN that has arrived but is not yet reached; valid when `finSeen`. */
  finSeq = 0;
  finSeen = false;
  /** Sequence number of the urgent byte (RCV.UP), what is known of it (urgent.ts), and what it is. */
  up = 0;
  urgent = 0;
  urgentByte = 0;
  /** A duplicate that the next ACK reports (RFC 2883); empty when both are the same. */
  dsackLeft = 0;
  dsackRight = 0;
}

/** Congestion and loss recovery state (RFC 5681, 6582), in bytes. */
export class CongestionState {
  cwnd = 0;
  ssthresh = 0;
  /** Bytes acknowledged and not yet turned into window growth in congestion avoidance. */
  credit = 0;
  /** OPEN, RECOVERY or LOSS; see recovery.ts. */
  phase = 0;
  /** A phase of recovery lasts until SND.UNA reaches this. */
  recover = 0;
  /** Duplicate ACKs in a row, counted without SACK only. */
  dupAcks = 0;
  /** Flight when the first of them came: what limited transmit sends later is not part of it (RFC 5681 3.2, step 2). */
  dupFlight = 0;
  /** Bytes that duplicate ACKs say have arrived, without SACK. */
  renoSacked = 0;
  /** Proportional rate reduction (RFC 9937): flight at the start, bytes delivered and sent since. */
  recoverFlight = 0;
  prrDelivered = 0;
  prrOut = 0;
  /** What to go back to when the loss was none, and how to find out (RFC 3522, RFC 2883). */
  undoPossible = false;
  undoCwnd = 0;
  undoSsthresh = 0;
  /** Segments sent again since, whose duplicates D-SACKs would report. */
  undoResent = 0;
  /** SND.UNA then: D-SACKs of what lies before are about something else. */
  undoUna = 0;
  /** Our timestamp when the first of them left. */
  repairTime = 0;
  hasRepairTime = false;
  /** A tail loss probe is out, until its end is acknowledged; it was a retransmission (RFC 8985 7.1). */
  tlpPending = false;
  tlpEnd = 0;
  tlpResent = false;
  /** Step of F-RTO, one of frto.ts. */
  frto = 0;
  /** Use of the window when data up to `usageEnd` was sent: it was full, or how much was outstanding (validation.ts). */
  wasLimited = false;
  usedFlight = 0;
  usageEnd = 0;
  /** RFC 7661 4.2: the most that was outstanding of late, when that was, and since when it is less than half of the window. */
  pipeUsed = 0;
  pipeUsedAt: Micros = -NEVER;
  unusedSince: Micros = NEVER;
  /** When data was last sent (RFC 5681 4.1). */
  lastSentAt: Micros = NEVER;
}

/** What the timer of a flight is set for. */
export const RTO = 0;
/** Zero-window probe (RFC 9293 3.8.6.1). */
export const PERSIST = 1;
/** Tail loss probe (RFC 8985 7). */
export const PROBE = 2;
/** RACK's reordering window (RFC 8985 6.2 step 5). */
export const REORDER = 3;

export class Tcb {
  readonly kind = 'tcb';
  /** Place in the table of connections, which is also the timer's id; of a block that no connection has, the last one. */
  index: number;
  /** Row of the ledger that the block has, whatever its connection. */
  readonly row: number;
  /** Socket of the API that holds this connection; -1 for none. */
  owner = -1;
  state: number = CLOSED;
  readonly local: Endpoint = new Endpoint();
  readonly remote: Endpoint = new Endpoint();
  readonly snd: SendSequence = new SendSequence();
  readonly rcv: ReceiveSequence = new ReceiveSequence();
  readonly cc: CongestionState = new CongestionState();
  readonly rtt: RttEstimator = new RttEstimator();
  readonly sendBuffer: SendBuffer = new SendBuffer();
  readonly recvBuffer: RecvBuffer = new RecvBuffer();
  readonly autoReceive: ReceiveTuning = new ReceiveTuning();
  /** Ranges beyond a hole; null while there is none. */
  reassembly: Reassembly | null = null;
  congestion: CongestionControl | null = null;
  /** What has been sent and is not acknowledged; null while nothing is. */
  board: Scoreboard | null = null;
  readonly rack: RackState = new RackState();
  /** What was sent again lately, made when it is first needed. */
  repairs: Repairs | null = null;
  /** Where records end in what is not acknowledged; null for a connection without any. */
  records: RecordEnds | null = null;
  /** CUBIC's variables, made when they are first needed. */
  cubic: CubicState | null = null;
  /** Fast Open, until the handshake is complete; null for nearly all. */
  fastOpen: FastOpen | null = null;
  /** Congestion notification; null for a connection that has not agreed on it. */
  ecn: EcnState | null = null;
  /** User timeouts of both ends, told by the option; null for a connection that has it not enabled. */
  uto: UserTimeout | null = null;
  /** What BBR knows, and what paces; null for a connection that has neither. */
  bbr: BbrState | null = null;
  pacer: Pacer | null = null;

  /** Next hop as an IPv4 word. */
  nextHop = 0;
  /** MSS that this end announces. */
  localMss = 0;
  /** Largest packet that the path takes; 0 while nobody has said that it is less than the interface's. */
  pathMtu = 0;
  /** When a router last said so. */
  pathMtuAt: Micros = NEVER;
  /** Search for the largest packet that the path takes; null while there is none. */
  mtuSearch: MtuSearch | null = null;
  /** Hash of the tuple, as the table of connections keeps it, and whether it is in there. */
  hash = 0;
  isEntered = false;

  /** True while a program may come back to it: not yet closed by the application. */
  attached = false;
  /** Counted among the orphans: closed by the application, with something to send yet (orphans.ts). */
  isOrphan = false;
  /** Opened passively (RFC 9293 3.10.7.4 wants to know in SYN-RECEIVED). */
  passive = false;
  /** The listener that waits for it; null once accepted or opened actively. */
  listener: Listener | null = null;
  /** Pending error, an errno; 0 for none. */
  error = 0;
  /** Error of an ICMP message that does not end the connection (RFC 1122 4.2.3.9), told when it times out. */
  softError = 0;
  /** Waits in the queue of endpoints with news. */
  queued = false;
  /** Events that have come about and that the application has not been told of, as in epoll(7). */
  news = 0;
  /** Waits in the queue of connections with something to send. */
  outputQueued = false;

  /** Options in use on this connection; in SYN-SENT, those that our SYN offers. */
  scaling = false;
  timestamps = false;
  sack = false;
  /** Added to the clock to make TSval. */
  tsOffset = 0;
  /** TS.Recent (RFC 7323 4.3) and when it was set. */
  tsRecent = 0;
  tsRecentAt: Micros = NEVER;
  /** What the program has set. */
  tuning: Tuning = UNTUNED;
  /** The program has said that more follows what it wrote last (MSG_MORE). */
  more = false;
  /** The last byte was written so, and is not pushed by itself (RFC 9293 3.9.1.2). */
  unpushed = false;
  /** What is held back for want of a full segment may leave all the same. */
  flush = false;
  /** Data of a SYN has been taken, ours or the peer's (TCPI_OPT_SYN_DATA). */
  synDataAcked = false;
  /** Its SYN-ACK is a cookie (syn-cookies.ts). */
  cookie = false;
  /** Established, but not to be accepted before its first data (TCP_DEFER_ACCEPT). */
  deferred = false;

  /** A SYN or SYN-ACK must go out. */
  synPending = false;
  /** The application has closed its side: a FIN follows the last byte. */
  finQueued = false;
  /** The FIN has been sent at least once; it occupies SND.NXT - 1. */
  finSent = false;
  /** No more data will come: FIN taken or connection dead. */
  readShut = false;
  /** An ACK must go out in this turn, alone if need be. */
  ackNow = false;
  /** Segments still to be acknowledged at once at the beginning of a connection. */
  quickAcks = 0;
  /** The application was refused room in the send buffer and waits to hear of it. */
  sendBlocked = false;
  /** Retransmission timeouts in a row without progress. */
  retransmits = 0;
  /** Zero-window probes sent without an answer. */
  probes = 0;
  /** When the peer last acknowledged anything, be it old. */
  heardAt: Micros = -NEVER;
  /** When the data that is being retransmitted was first sent. */
  retransmitSince: Micros = NEVER;

  /** When the SYN left, while it has left once only: its round trip is timed. */
  timing = false;
  timedAt: Micros = NEVER;

  /** Deadline of the timer of what is in flight, and what it is set for: one of RTO, PERSIST, PROBE, REORDER. */
  rtxAt: Micros = NEVER;
  rtxMode = 0;
  /** Deadline of the retransmission timer (RFC 6298 5), which the others of `rtxMode` only come before. */
  rtoAt: Micros = NEVER;
  delackAt: Micros = NEVER;
  /** TIME-WAIT, orphaned FIN-WAIT-2. */
  lifeAt: Micros = NEVER;
  /** Keepalive and idle timeout. */
  keepAt: Micros = NEVER;
  /** End of the time for which a cork holds data back, or a deferred connection is not accepted. */
  holdAt: Micros = NEVER;
  /** When the probing of a closed window began. */
  probeSince: Micros = NEVER;
  /** When an ACK of something invalid was last sent (RFC 5961 10). */
  invalidAckAt: Micros = -NEVER;
  /** When the neighbour was last known to be alive. */
  confirmedAt: Micros = -NEVER;
  /** When it was given a block again (dormancy.ts). */
  wokenAt: Micros = -NEVER;
  /** How often the time between two probes has doubled, answered or not. */
  probeBackoff = 0;

  constructor(index: number, row: number = index) {
    this.index = index;
    this.row = row;
  }

  /** Puts every field back to its first value, so that the block can serve another connection. Buffers must be empty. */
  reset(config: StackConfig): void {
    this.owner = -1;
    this.state = CLOSED;
    this.isEntered = false;
    this.nextHop = 0;
    this.localMss = 0;
    this.pathMtu = 0;
    this.pathMtuAt = NEVER;
    this.mtuSearch = null;
    this.attached = true;
    this.isOrphan = false;
    this.passive = false;
    this.listener = null;
    this.reassembly = null;
    this.congestion = null;
    this.error = 0;
    this.softError = 0;
    this.news = 0;
    // `queued` and `outputQueued` stay: a block that is used again may still stand in a queue from its last life, and a
    // queue holds each block once.
    this.scaling = false;
    this.timestamps = false;
    this.sack = false;
    this.tsOffset = 0;
    this.tsRecent = 0;
    this.tsRecentAt = NEVER;
    this.tuning = UNTUNED;
    this.more = false;
    this.unpushed = false;
    this.flush = false;
    this.synDataAcked = false;
    this.cookie = false;
    this.deferred = false;
    this.synPending = false;
    this.finQueued = false;
    this.finSent = false;
    this.readShut = false;
    this.ackNow = false;
    this.quickAcks = 0;
    this.sendBlocked = false;
    this.retransmits = 0;
    this.probes = 0;
    this.heardAt = -NEVER;
    this.probeBackoff = 0;
    this.retransmitSince = NEVER;
    this.timing = false;
    this.timedAt = NEVER;
    this.rtxAt = NEVER;
    this.rtxMode = RTO;
    this.rtoAt = NEVER;
    this.board = null;
    this.records = null;
    this.repairs?.clear();
    this.delackAt = NEVER;
    this.lifeAt = NEVER;
    this.keepAt = NEVER;
    this.holdAt = NEVER;
    this.probeSince = NEVER;
    this.invalidAckAt = -NEVER;
    this.confirmedAt = -NEVER;
    this.wokenAt = -NEVER;
    this.rtt.reset(config);
    this.autoReceive.reset();
    resetSend(this.snd);
    resetReceive(this.rcv);
    resetCongestion(this.cc);
    this.sendBuffer.limit = config.wmem[1];
    this.recvBuffer.limit = config.rmem[1] >> 1;
  }
}

function resetSend(snd: SendSequence): void {
  snd.una = 0;
  snd.nxt = 0;
  snd.wnd = 0;
  snd.wl1 = 0;
  snd.wl2 = 0;
  snd.iss = 0;
  snd.wscale = 0;
  snd.wndMax = 0;
  snd.mss = 0;
  snd.mssMax = 0;
  snd.base = 0;
  snd.small = 0;
  snd.up = 0;
}

function resetReceive(rcv: ReceiveSequence): void {
  rcv.nxt = 0;
  rcv.wnd = 0;
  rcv.edge = 0;
  rcv.irs = 0;
  rcv.wscale = 0;
  rcv.lastAck = 0;
  rcv.mss = 0;
  rcv.finSeq = 0;
  rcv.finSeen = false;
  rcv.up = 0;
  rcv.urgent = 0;
  rcv.urgentByte = 0;
  rcv.dsackLeft = 0;
  rcv.dsackRight = 0;
}

function resetCongestion(cc: CongestionState): void {
  cc.cwnd = 0;
  cc.ssthresh = 0x7fffffff;
  cc.credit = 0;
  cc.phase = 0;
  cc.recover = 0;
  cc.dupAcks = 0;
  cc.dupFlight = 0;
  cc.renoSacked = 0;
  cc.recoverFlight = 0;
  cc.prrDelivered = 0;
  cc.prrOut = 0;
  cc.undoPossible = false;
  cc.undoCwnd = 0;
  cc.undoSsthresh = 0;
  cc.undoResent = 0;
  cc.undoUna = 0;
  cc.repairTime = 0;
  cc.hasRepairTime = false;
  cc.tlpPending = false;
  cc.tlpEnd = 0;
  cc.tlpResent = false;
  cc.frto = 0;
  cc.wasLimited = false;
  cc.usedFlight = 0;
  cc.usageEnd = 0;
  cc.pipeUsed = 0;
  cc.pipeUsedAt = -NEVER;
  cc.unusedSince = NEVER;
  cc.lastSentAt = NEVER;
}
