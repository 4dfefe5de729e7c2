// What TCP_INFO tells (tcp(7), linux/tcp.h): the fields of `struct tcp_info` under Linux's names and in its units, those only
// that this stack knows to be true.

import { NEVER } from '../clock.js';
import type { TcpCore } from './core.js';
import { LOSS, RECOVERY } from './loss-phases.js';
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

/** Fields of Linux's `struct tcp_info`. Times are in µs where no `_ms` says otherwise; `tcpi_last_*` are in ms. */
export interface TcpInfo {
  /** State: TCP_ESTABLISHED is 1, as on Linux. */
  tcpi_state: number;
  /** 0 open, 3 recovery, 4 loss. */
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
  tcpi_rto: number;
  tcpi_snd_mss: number;
  tcpi_rcv_mss: number;
  tcpi_advmss: number;
  /** Segments (not bytes) that are sent and not acknowledged. */
  tcpi_unacked: number;
  tcpi_last_data_sent: number;
  tcpi_last_ack_recv: number;
  tcpi_rtt: number;
  tcpi_rttvar: number;
  /** In segments; 0x7fffffff while there is no threshold. */
  tcpi_snd_ssthresh: number;
  /** In segments. */
  tcpi_snd_cwnd: number;
  tcpi_rcv_space: number;
  /** Bytes written and not yet sent. */
  tcpi_notsent_bytes: number;
  tcpi_min_rtt: number;
  /** Window of the peer, in bytes. */
  tcpi_snd_wnd: number;
  /** Window that we offer, in bytes. */
  tcpi_rcv_wnd: number;
}

/** Tells what is known of a connection. */
export function tcpInfo(core: TcpCore, tcb: Tcb): TcpInfo {
  const { snd, rcv, cc, rtt } = tcb;
  const now = core.clock.now;
  const mss = Math.max(1, snd.mss);
  const sentAt = cc.lastSentAt;
  const isOpen = State.isSynchronized(tcb.state);
  return {
    tcpi_state: LINUX_STATES[tcb.state],
    tcpi_ca_state: cc.phase === RECOVERY ? 3 : cc.phase === LOSS ? 4 : 0,
    tcpi_retransmits: tcb.retransmits,
    tcpi_probes: tcb.probes,
    tcpi_backoff: rtt.backoff,
    tcpi_options:
      (tcb.timestamps ? TCPI_OPT_TIMESTAMPS : 0) |
      (tcb.sack ? TCPI_OPT_SACK : 0) |
      (tcb.scaling ? TCPI_OPT_WSCALE : 0),
    tcpi_snd_wscale: snd.wscale,
    tcpi_rcv_wscale: rcv.wscale,
    tcpi_rto: rtt.timeoutUs(core.config),
    tcpi_snd_mss: snd.mss,
    tcpi_rcv_mss: rcv.mss,
    tcpi_advmss: tcb.localMss,
    tcpi_unacked: isOpen ? Math.ceil(diff(snd.nxt, snd.una) / mss) : 0,
    tcpi_last_data_sent: sentAt === NEVER ? 0 : Math.floor((now - sentAt) / 1000),
    tcpi_last_ack_recv: tcb.heardAt === -NEVER ? 0 : Math.floor((now - tcb.heardAt) / 1000),
    tcpi_rtt: rtt.srttUs,
    tcpi_rttvar: rtt.rttvarUs,
    tcpi_snd_ssthresh: cc.ssthresh >= 0x7fffffff ? 0x7fffffff : Math.floor(cc.ssthresh / mss),
    tcpi_snd_cwnd: Math.floor(cc.cwnd / mss),
    tcpi_rcv_space: tcb.recvBuffer.limit,
    tcpi_notsent_bytes: isOpen ? Math.max(0, tcb.sendBuffer.length - diff(snd.nxt, snd.base)) : 0,
    tcpi_min_rtt: rtt.minRttUs,
    tcpi_snd_wnd: snd.wnd,
    tcpi_rcv_wnd: rcv.wnd,
  };
}
