// What TCP_INFO tells (tcp(7), linux/tcp.h): the fields of `struct tcp_info` under Linux's names and in its units.

import { NEVER } from '../clock.js';
import type { TcpCore } from './core.js';
import { ACCURATE, CLASSIC } from './ecn-state.js';
import {
  BUSY_US,
  BYTES_ACKED,
  BYTES_RECEIVED,
  BYTES_RETRANS,
  BYTES_SENT,
  DATA_SEGS_IN,
  DATA_SEGS_OUT,
  DELIVERED,
  DELIVERED_CE,
  DSACK_DUPS,
  LAST_ACK_SENT,
  LAST_DATA_RECEIVED,
  RATE_APP_LIMITED,
  RATE_BYTES,
  RATE_INTERVAL_US,
  RCV_OOOPACK,
  REORD_SEEN,
  REORDERING,
  RTO_RECOVERIES,
  RTO_SINCE,
  RTO_US,
  RWND_LIMITED_US,
  SEGS_IN,
  SEGS_OUT,
  SNDBUF_LIMITED_US,
  TOTAL_RETRANS,
  TOTAL_RTO,
} from './ledger.js';
import { CWR, LOSS, RECOVERY } from './loss-phases.js';
import { windowRate } from './pacing.js';
import { LOST, REPAIRED, SACKED } from './scoreboard.js';
import { limitedUs } from './send-limits.js';
import { diff } from './seq.js';
import * as State from './state.js';
import type { Tcb } from './tcb.js';

/** Linux's numbers of the states (TCP_ESTABLISHED is 1), by ours. */
const LINUX_STATES: readonly number[] = [];
{
  const states = LINUX_STATES as number[];
  states[State.CLOSED] = 7;
  states[State.LISTEN] = 10;
  states[State.SYN_SENT] = 2;
  states[State.SYN_RCVD] = 3;
  states[State.ESTABLISHED] = 1;
  states[State.FIN_WAIT_1] = 4;
  states[State.FIN_WAIT_2] = 5;
  states[State.CLOSE_WAIT] = 8;
  states[State.CLOSING] = 11;
  states[State.LAST_ACK] = 9;
  states[State.TIME_WAIT] = 6;
}

const TCPI_OPT_TIMESTAMPS = 1;
const TCPI_OPT_SACK = 2;
const TCPI_OPT_WSCALE = 4;
const TCPI_OPT_ECN = 8;
const TCPI_OPT_ECN_SEEN = 16;
const TCPI_OPT_SYN_DATA = 32;

/** Linux's tp->reordering before any reordering was seen, in segments. */
const FIRST_REORDERING = 3;
/** What a pacing rate without limit reads as: the largest unsigned number of 64 bits. */
const UNLIMITED_RATE = 2 ** 64 - 1;
/** TCP_CA_Open, TCP_CA_Disorder, TCP_CA_Recovery and TCP_CA_Loss. */
const CA_OPEN = 0;
const CA_DISORDER = 1;
const CA_CWR = 2;
const CA_RECOVERY = 3;
const CA_LOSS = 4;

/**
 * Fields of Linux's `struct tcp_info`. Times are in µs, but `tcpi_last_*` and `tcpi_total_rto_time` in ms; rates are in bytes per
 * second; `unacked`, `sacked`, `lost`, `retrans`, `snd_cwnd` and `snd_ssthresh` are in segments.
 */
export interface TcpInfo {
  /** State: TCP_ESTABLISHED is 1, as on Linux. */
  tcpi_state: number;
  /** 0 open, 1 disorder, 3 recovery, 4 loss. */
  tcpi_ca_state: number;
  /** Retransmission timeouts in a row. */
  tcpi_retransmits: number;
  /** Probes without an answer. */
  tcpi_probes: number;
  tcpi_backoff: number;
  /** Options in use: 1 timestamps, 2 SACK, 4 window scale. */
  tcpi_options: number;
  tcpi_snd_wscale: number;
  tcpi_rcv_wscale: number;
  /** 1 when the application limited the sample that `tcpi_delivery_rate` is. */
  tcpi_delivery_rate_app_limited: number;
  tcpi_rto: number;
  /** Longest delay of an ACK. */
  tcpi_ato: number;
  tcpi_snd_mss: number;
  tcpi_rcv_mss: number;
  tcpi_unacked: number;
  tcpi_sacked: number;
  tcpi_lost: number;
  /** Segments that were sent again and are not known to have arrived. */
  tcpi_retrans: number;
  /** Not used any more, as on Linux. */
  tcpi_fackets: number;
  tcpi_last_data_sent: number;
  tcpi_last_ack_sent: number;
  tcpi_last_data_recv: number;
  tcpi_last_ack_recv: number;
  /** Largest packet that the path takes, in bytes. */
  tcpi_pmtu: number;
  /** Most that is offered as a window now, in bytes. */
  tcpi_rcv_ssthresh: number;
  tcpi_rtt: number;
  tcpi_rttvar: number;
  /** 0x7fffffff while there is no threshold. */
  tcpi_snd_ssthresh: number;
  tcpi_snd_cwnd: number;
  tcpi_advmss: number;
  /** By how many segments others were seen to overtake one; 3 before any did. */
  tcpi_reordering: number;
  /** Round trip as the receiver sees it; 0 before the first sample. */
  tcpi_rcv_rtt: number;
  /** Bytes that the application reads in a round trip. */
  tcpi_rcv_space: number;
  tcpi_total_retrans: number;
  /** What is sent at if the connection is paced. */
  tcpi_pacing_rate: number;
  /** SO_MAX_PACING_RATE; 2^64 - 1 for none. */
  tcpi_max_pacing_rate: number;
  /** SYN and FIN included, as on Linux. */
  tcpi_bytes_acked: number;
  tcpi_bytes_received: number;
  tcpi_segs_out: number;
  tcpi_segs_in: number;
  /** Bytes written and not yet sent. */
  tcpi_notsent_bytes: number;
  tcpi_min_rtt: number;
  tcpi_data_segs_in: number;
  tcpi_data_segs_out: number;
  tcpi_delivery_rate: number;
  /** For how long there was something to send, how long of it the peer's window and a full send buffer were what it waited for. */
  tcpi_busy_time: number;
  tcpi_rwnd_limited: number;
  tcpi_sndbuf_limited: number;
  /** Segments delivered, and those of them that met congestion by ECN. */
  tcpi_delivered: number;
  tcpi_delivered_ce: number;
  /** Bytes delivered, as AccECN options tell, with CE, ECT(0) and ECT(1) (RFC 9768). */
  tcpi_delivered_ce_bytes: number;
  tcpi_delivered_e0_bytes: number;
  tcpi_delivered_e1_bytes: number;
  /** Packets received with CE, and bytes by their ECN field; counted with accurate feedback only. */
  tcpi_received_ce: number;
  tcpi_received_ce_bytes: number;
  tcpi_received_e0_bytes: number;
  tcpi_received_e1_bytes: number;
  /** Bytes of data sent, those sent again included, and these alone. */
  tcpi_bytes_sent: number;
  tcpi_bytes_retrans: number;
  /** Segments of which D-SACK has told that they came twice. */
  tcpi_dsack_dups: number;
  /** ACKs that showed that segments had overtaken each other. */
  tcpi_reord_seen: number;
  /** Segments received beyond a hole. */
  tcpi_rcv_ooopack: number;
  /** Window of the peer, in bytes. */
  tcpi_snd_wnd: number;
  /** Window that we offer, in bytes. */
  tcpi_rcv_wnd: number;
  /** 0: there is no hash of a flow that a timeout could change. */
  tcpi_rehash: number;
  /** Retransmission timeouts, rows of them, and how long these took. */
  tcpi_total_rto: number;
  tcpi_total_rto_recoveries: number;
  tcpi_total_rto_time: number;
}

/** Tells what is known of a connection. */
export function tcpInfo(core: TcpCore, tcb: Tcb): TcpInfo {
  const { snd, rcv, cc, rtt, row } = tcb;
  const { ledger } = core;
  const now = core.clock.now;
  const mss = Math.max(1, snd.mss);
  const isOpen = State.isSynchronized(tcb.state);
  const count = (which: number): number => ledger.countOf(row, which);
  const sum = (which: number): number => ledger.sumOf(row, which);
  const sinceMs = (then: number): number => (then > 0 && then < now ? Math.floor((now - then) / 1000) : 0);
  const board = countBoard(tcb);
  const limited = limitedUs(core, tcb, RWND_LIMITED_US) + limitedUs(core, tcb, SNDBUF_LIMITED_US);
  const timedOutUs = sum(RTO_US) + (tcb.retransmits > 0 ? now - sum(RTO_SINCE) : 0);
  return {
    tcpi_state: LINUX_STATES[tcb.state],
    tcpi_ca_state: caState(tcb),
    tcpi_retransmits: tcb.retransmits,
    tcpi_probes: tcb.probes,
    tcpi_backoff: rtt.backoff,
    tcpi_options:
      (tcb.timestamps ? TCPI_OPT_TIMESTAMPS : 0) |
      (tcb.sack ? TCPI_OPT_SACK : 0) |
      (tcb.scaling ? TCPI_OPT_WSCALE : 0) |
      (tcb.synDataAcked ? TCPI_OPT_SYN_DATA : 0) |
      ecnOptions(tcb),
    tcpi_snd_wscale: snd.wscale,
    tcpi_rcv_wscale: rcv.wscale,
    tcpi_delivery_rate_app_limited: count(RATE_APP_LIMITED),
    tcpi_rto: rtt.timeoutUs(core.config),
    tcpi_ato: core.config.delackUs,
    tcpi_snd_mss: snd.mss,
    tcpi_rcv_mss: rcv.mss,
    tcpi_unacked: board.unacked,
    tcpi_sacked: board.sacked,
    tcpi_lost: board.lost,
    tcpi_retrans: board.retrans,
    tcpi_fackets: 0,
    tcpi_last_data_sent: cc.lastSentAt === NEVER ? 0 : sinceMs(cc.lastSentAt),
    tcpi_last_ack_sent: sinceMs(sum(LAST_ACK_SENT)),
    tcpi_last_data_recv: sinceMs(sum(LAST_DATA_RECEIVED)),
    tcpi_last_ack_recv: sinceMs(tcb.heardAt),
    tcpi_pmtu: tcb.pathMtu > 0 ? tcb.pathMtu : core.ip.mtu,
    tcpi_rcv_ssthresh: tcb.recvBuffer.limit,
    tcpi_rtt: rtt.srttUs,
    tcpi_rttvar: rtt.rttvarUs,
    tcpi_snd_ssthresh: cc.ssthresh >= 0x7fffffff ? 0x7fffffff : Math.floor(cc.ssthresh / mss),
    tcpi_snd_cwnd: Math.floor(cc.cwnd / mss),
    tcpi_advmss: tcb.localMss,
    tcpi_reordering: Math.max(FIRST_REORDERING, count(REORDERING)),
    tcpi_rcv_rtt: Math.round(tcb.autoReceive.rttUs),
    tcpi_rcv_space: tcb.autoReceive.readBefore > 0 ? tcb.autoReceive.readBefore : firstSpace(tcb),
    tcpi_total_retrans: count(TOTAL_RETRANS),
    tcpi_pacing_rate: Math.round((tcb.pacer === null ? windowRate(core, tcb) : tcb.pacer.rate) * 1e6),
    tcpi_max_pacing_rate: tcb.tuning.maxPacingRate > 0 ? tcb.tuning.maxPacingRate : UNLIMITED_RATE,
    // The SYN-ACK of a passive open is not among them, as on Linux.
    tcpi_bytes_acked: Math.max(0, sum(BYTES_ACKED) - (tcb.passive ? 1 : 0)),
    tcpi_bytes_received: sum(BYTES_RECEIVED),
    tcpi_segs_out: count(SEGS_OUT),
    tcpi_segs_in: count(SEGS_IN),
    tcpi_notsent_bytes: isOpen ? Math.max(0, tcb.sendBuffer.length - diff(snd.nxt, snd.base)) : 0,
    tcpi_min_rtt: rtt.minRttUs,
    tcpi_data_segs_in: count(DATA_SEGS_IN),
    tcpi_data_segs_out: count(DATA_SEGS_OUT),
    tcpi_delivery_rate: Math.round((count(RATE_BYTES) * 1e6) / Math.max(1, count(RATE_INTERVAL_US))),
    tcpi_busy_time: limitedUs(core, tcb, BUSY_US) + limited,
    tcpi_rwnd_limited: limitedUs(core, tcb, RWND_LIMITED_US),
    tcpi_sndbuf_limited: limitedUs(core, tcb, SNDBUF_LIMITED_US),
    tcpi_delivered: count(DELIVERED),
    tcpi_delivered_ce: count(DELIVERED_CE),
    tcpi_delivered_ce_bytes: tcb.ecn?.deliveredCeBytes ?? 0,
    tcpi_delivered_e0_bytes: tcb.ecn?.deliveredEct0Bytes ?? 0,
    tcpi_delivered_e1_bytes: tcb.ecn?.deliveredEct1Bytes ?? 0,
    tcpi_received_ce: tcb.ecn?.receivedCe ?? 0,
    tcpi_received_ce_bytes: tcb.ecn?.receivedCeBytes ?? 0,
    tcpi_received_e0_bytes: tcb.ecn?.receivedEct0Bytes ?? 0,
    tcpi_received_e1_bytes: tcb.ecn?.receivedEct1Bytes ?? 0,
    tcpi_bytes_sent: sum(BYTES_SENT),
    tcpi_bytes_retrans: sum(BYTES_RETRANS),
    tcpi_dsack_dups: count(DSACK_DUPS),
    tcpi_reord_seen: count(REORD_SEEN),
    tcpi_rcv_ooopack: count(RCV_OOOPACK),
    tcpi_snd_wnd: snd.wnd,
    tcpi_rcv_wnd: rcv.wnd,
    tcpi_rehash: 0,
    tcpi_total_rto: count(TOTAL_RTO),
    tcpi_total_rto_recoveries: count(RTO_RECOVERIES),
    tcpi_total_rto_time: Math.floor(timedOutUs / 1000),
  };
}

function caState({ cc, board }: Tcb): number {
  if (cc.phase === RECOVERY) return CA_RECOVERY;
  if (cc.phase === LOSS) return CA_LOSS;
  if (cc.phase === CWR) return CA_CWR;
  return cc.dupAcks > 0 || (board !== null && board.sackedCount > 0) ? CA_DISORDER : CA_OPEN;
}

/** Segments in flight by what is thought of them. */
function countBoard({ board, cc, snd }: Tcb): Record<'unacked' | 'sacked' | 'lost' | 'retrans', number> {
  const counts = { unacked: 0, sacked: 0, lost: 0, retrans: 0 };
  if (board === null) return counts;
  for (let number = board.first; number < board.next; number++) {
    const flags = board.flagsAt(number & board.mask);
    counts.unacked++;
    if ((flags & SACKED) !== 0) counts.sacked++;
    if ((flags & LOST) !== 0) counts.lost++;
    if ((flags & REPAIRED) !== 0) counts.retrans++;
  }
  // Without SACK duplicate ACKs tell how many have arrived.
  counts.sacked += Math.ceil(cc.renoSacked / Math.max(1, snd.mss));
  return counts;
}

/** What a program is taken to read in a round trip before that is known, as on Linux. */
function firstSpace({ rcv, localMss }: Tcb): number {
  return Math.min(rcv.wnd, 10 * localMss);
}

function ecnOptions({ ecn }: Tcb): number {
  if (ecn === null || (ecn.mode !== CLASSIC && ecn.mode !== ACCURATE)) return 0;
  return ecn.seen ? TCPI_OPT_ECN | TCPI_OPT_ECN_SEEN : TCPI_OPT_ECN;
}
