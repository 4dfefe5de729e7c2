// What a connection knows of explicit congestion notification. Only connections that offer it or have agreed on it have such a record,
// so that all others pay a comparison with null.

// What both ends have agreed on, or what our SYN offers.
/** Our SYN offers classic feedback (RFC 3168 6.1.1). */
export const ASKED_CLASSIC = 0;
/** Our SYN offers accurate feedback (RFC 9768 3.1.1). */
export const ASKED_ACCURATE = 1;
/** ECE until CWR (RFC 3168 6.1). */
export const CLASSIC = 2;
/** Counters of packets and bytes (RFC 9768). */
export const ACCURATE = 3;

// The ECN field of an IP header (RFC 3168 5).
export const NOT_ECT = 0;
export const ECT_1 = 1;
export const ECT_0 = 2;
export const CE = 3;

// What has been seen of the peer's AccECN options (RFC 9768 3.2.3.2.2 to 3.2.3.2.4).
export const OPTION_NEVER = 0;
export const OPTION_EMPTY = 1;
export const OPTION_COUNTERS = 2;
/** Its counters were zeroed on the way: nothing in it is believed. */
export const OPTION_MANGLED = 3;

export class EcnState {
  mode = ASKED_CLASSIC;

  /** Classic: congestion was met on the way here, and the peer is told until it answers with CWR. */
  echoing = false;
  /** Classic: the next new data tells the peer that the window has been reduced. */
  cwrDue = false;
  /** Data that ECT or CE was set on has arrived (TCPI_OPT_ECN_SEEN). */
  seen = false;

  /** ECN field of the peer's SYN or SYN-ACK, and of what came last. */
  synField = NOT_ECT;
  lastField = NOT_ECT;
  /** The ECN field has changed since an ACK was sent for its sake; the next data is acknowledged at once. */
  hasChanged = false;
  /** The next segment reflects `synField` instead of counting (RFC 9768 3.2.2.1). */
  reflects = false;
  /**
   * The path lets no ACE or no ECN field through, or seems so, since a SYN or SYN-ACK went without flags: nothing is marked ECT, and
   * counters of the peer are not believed.
   */
  failed = false;
  /** Our AccECN options do not arrive: none is sent any more (RFC 9768 3.2.3.2.1). */
  optionFailed = false;

  // As the receiver of data: packets that came with CE, and bytes by their field (r.cep, r.ceb, r.e0b, r.e1b in RFC 9768 3.2).
  receivedCe = 0;
  /** Of those, how many no ACK has told of. */
  untoldCe = 0;
  receivedCeBytes = 0;
  receivedEct0Bytes = 0;
  receivedEct1Bytes = 0;
  /** Counters that the next option must hold at least: 1 ECT(1), 2 CE too, 3 ECT(0) too. */
  fieldsDue = 0;
  /** Options that are still to be sent after a change (RFC 9768 3.2.3.3). */
  optionsDue = 0;
  optionSentAt = 0;
  /** The last segment had an option beside a D-SACK. */
  optionWithDsack = false;
  /** Where the duplicate began that was told last. */
  dsackStart = 0;

  // As the sender of data: what the peer has told (s.cep, s.ceb, s.e0b, s.e1b).
  deliveredCe = 0;
  deliveredCeBytes = 0;
  deliveredEct0Bytes = 0;
  deliveredEct1Bytes = 0;
  /** The counter that grows, while only one does; 0 for none. Bytes without an option are counted there. */
  growing = NOT_ECT;
  optionSeen = OPTION_NEVER;

  /** Packets that an acknowledgment delivers, on average; 0 before the first. */
  averageDelivery = 0;

  /** DCTCP (RFC 8257): alpha in 1/1024, and what was delivered and marked since the window began. */
  alpha = 1024;
  windowEnd = 0;
  windowBytes = 0;
  windowMarked = 0;

  reset(mode: number): void {
    this.mode = mode;
    this.echoing = false;
    this.cwrDue = false;
    this.seen = false;
    this.synField = NOT_ECT;
    this.lastField = NOT_ECT;
    this.hasChanged = false;
    this.reflects = false;
    this.failed = false;
    this.optionFailed = false;
    this.receivedCe = 0;
    this.untoldCe = 0;
    this.receivedCeBytes = 0;
    this.receivedEct0Bytes = 0;
    this.receivedEct1Bytes = 0;
    this.fieldsDue = 0;
    this.optionsDue = 0;
    this.optionSentAt = 0;
    this.optionWithDsack = false;
    this.dsackStart = 0;
    this.deliveredCe = 0;
    this.deliveredCeBytes = 0;
    this.deliveredEct0Bytes = 0;
    this.deliveredEct1Bytes = 0;
    this.growing = NOT_ECT;
    this.optionSeen = OPTION_NEVER;
    this.averageDelivery = 0;
    this.alpha = 1024;
    this.windowEnd = 0;
    this.windowBytes = 0;
    this.windowMarked = 0;
  }
}
