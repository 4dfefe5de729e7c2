// What the stack counts, spelled as `nstat` spells it; names that Linux does not have follow its style. Every dropped frame
// raises exactly one counter whose comment begins with "Drop:".

/** Counters of one stack. All count events since the stack was made; reading them is free. */
export class Counters {
  // Ethernet
  /** Frames received from the Nic. */
  EthInFrames = 0;
  /** Frames handed to the Nic. */
  EthOutFrames = 0;
  /** Drop: shorter than an Ethernet header. */
  EthInTruncated = 0;
  /** Drop: destination MAC is not ours, or a group's where the packet is for one host (RFC 1122 3.3.6). */
  EthInOtherHost = 0;
  /** Drop: an EtherType that this stack does not speak. */
  EthInUnknownProtos = 0;
  /** A frame could not be sent because the Nic had no free frame; it is sent or retransmitted later. */
  EthOutNoFrames = 0;

  // Other cores of the same host
  /** Frames handed over to another core, because the connection is there or because they concern everybody. */
  CoreOutFrames = 0;
  /** Frames that another core has handed over. */
  CoreInFrames = 0;
  /** Drop: a frame for another core that is not there, whose mailbox is full or that has no room for it, or one too many for all. */
  CoreOutDrops = 0;

  // ARP
  /** ARP packets received and well formed. */
  ArpInPackets = 0;
  /** ARP requests sent. */
  ArpOutRequests = 0;
  /** ARP replies sent. */
  ArpOutReplies = 0;
  /** Drop: truncated, or not Ethernet and IPv4. */
  ArpInErrors = 0;
  /** Drop: an outgoing packet found the waiting queue of its unresolved neighbour full. */
  ArpQueueDrops = 0;
  /** Drop: an outgoing packet whose neighbour did not answer. */
  ArpFailed = 0;

  // IP
  /** IP packets received, errors included. */
  IpInReceives = 0;
  /** Packets received by their ECN field (RFC 3168 5): not ECT, ECT(1), ECT(0), CE. */
  IpExtInNoECTPkts = 0;
  IpExtInECT1Pkts = 0;
  IpExtInECT0Pkts = 0;
  IpExtInCEPkts = 0;
  /** Drop: version, header length or total length is wrong. */
  IpInHdrErrors = 0;
  /** Drop: header checksum is wrong. */
  IpInCsumErrors = 0;
  /** Drop: the frame is shorter than the packet's total length. */
  IpInTruncatedPkts = 0;
  /** Drop: destination address is not ours. */
  IpInAddrErrors = 0;
  /** Drop: source address cannot be a source (own, multicast, broadcast, loopback, 0.0.0.0/8). */
  IpInMartians = 0;
  /** Drop: transport protocol is not supported (answered with ICMP protocol unreachable). */
  IpInUnknownProtos = 0;
  /** Drop: a fragment; reassembly is not done. */
  IpReasmFails = 0;
  /** Packets received that carry IP options; the options are skipped, never the packet. */
  IpInOptions = 0;
  /** Drop: a packet with a source-route option (RFC 7126 4.3). */
  IpInSourceRoutes = 0;
  /** IP packets handed up to a transport. */
  IpInDelivers = 0;
  /** IP packets sent. */
  IpOutRequests = 0;
  /** Drop: no route to the destination of an outgoing packet. */
  IpOutNoRoutes = 0;

  // ICMP
  /** ICMP messages received, errors included. */
  IcmpInMsgs = 0;
  /** Drop: truncated or otherwise malformed ICMP message. */
  IcmpInErrors = 0;
  /** Drop: ICMP checksum is wrong. */
  IcmpInCsumErrors = 0;
  /** Drop: an ICMP type that is not handled. */
  IcmpInUnknownTypes = 0;
  /** Echo requests received. */
  IcmpInEchos = 0;
  /** Echo replies received. */
  IcmpInEchoReps = 0;
  /** Destination-unreachable messages received. */
  IcmpInDestUnreachs = 0;
  /** Time-exceeded messages received. */
  IcmpInTimeExcds = 0;
  /** Drop: an ICMP error that quotes no connection of ours or a sequence number out of flight (RFC 5927 4.1). */
  TcpExtOutOfWindowIcmps = 0;
  /** ICMP messages sent. */
  IcmpOutMsgs = 0;
  /** Echo replies sent. */
  IcmpOutEchoReps = 0;
  /** Destination-unreachable messages sent. */
  IcmpOutDestUnreachs = 0;
  /** ICMP errors not sent because of the rate limit (RFC 1812 4.3.2.8). */
  IcmpOutRateLimited = 0;

  // TCP
  /** Segments received, errors included. */
  TcpInSegs = 0;
  /** Segments sent, retransmissions excluded. */
  TcpOutSegs = 0;
  /** Segments that carry at least one byte or flag sent before. */
  TcpRetransSegs = 0;
  /** Drop: data offset below 5 or beyond the segment, or a segment shorter than 20 bytes. */
  TcpInErrs = 0;
  /** Drop: TCP checksum is wrong. */
  TcpInCsumErrors = 0;
  /** Segments accepted on their pseudo-header sum alone (see `NicCapabilities.rxPartialChecksum`). */
  TcpInCsumPartial = 0;
  /** RST segments sent. */
  TcpOutRsts = 0;
  /** Connections opened actively: CLOSED to SYN-SENT. */
  TcpActiveOpens = 0;
  /** Connections opened passively: LISTEN to SYN-RECEIVED. */
  TcpPassiveOpens = 0;
  /** Connections that failed before they were established. */
  TcpAttemptFails = 0;
  /** Connections reset after they were established. */
  TcpEstabResets = 0;
  /** Connections now in ESTABLISHED or CLOSE-WAIT (a gauge). */
  TcpCurrEstab = 0;
  /** Connections that their programs have closed and that have something to send yet (a gauge; `orphan` in /proc/net/sockstat). */
  TcpOrphans = 0;
  /** User timeouts told to peers, taken from peers, and passed over: not enabled, or zero (RFC 5482). */
  TcpExtTCPUTOSent = 0;
  TcpExtTCPUTORecv = 0;
  TcpExtTCPUTOIgnored = 0;
  /** Retransmission timeouts of data or FIN. */
  TcpExtTCPTimeouts = 0;
  /** Fast retransmissions. */
  TcpExtTCPFastRetrans = 0;
  /** Tail loss probes sent (RFC 8985 7). */
  TcpExtTCPLossProbes = 0;
  /** Losses that a tail loss probe repaired. */
  TcpExtTCPLossProbeRecovery = 0;
  /** Retransmission timeouts that turned out to be spurious (RFC 3522, RFC 5682, RFC 3708). */
  TcpExtTCPSpuriousRTOs = 0;
  /** Timeouts at which the peer had taken back what it said it held (RFC 2018 8). */
  TcpExtTCPSACKReneging = 0;
  /** Retransmissions that were lost themselves. */
  TcpExtTCPLostRetransmit = 0;
  /** Segments delivered of which the peer has told that they met congestion (RFC 3168, RFC 9768). */
  TcpExtTCPDeliveredCE = 0;
  /** Fast Open (RFC 7413): data on SYNs that was acknowledged or not, ours; taken or not, the peers'; cookies asked for; queue full. */
  TcpExtTCPFastOpenActive = 0;
  TcpExtTCPFastOpenActiveFail = 0;
  TcpExtTCPFastOpenPassive = 0;
  TcpExtTCPFastOpenPassiveFail = 0;
  TcpExtTCPFastOpenCookieReqd = 0;
  TcpExtTCPFastOpenListenOverflow = 0;
  /** SYN cookies sent, brought back, and ACKs that brought none (RFC 4987 3.6). */
  TcpExtSyncookiesSent = 0;
  TcpExtSyncookiesRecv = 0;
  TcpExtSyncookiesFailed = 0;
  /** D-SACK blocks received (RFC 2883). */
  TcpExtTCPDSACKRecv = 0;
  /** D-SACK blocks sent, of old segments and of segments beyond a hole (RFC 2883). */
  TcpExtTCPDSACKOldSent = 0;
  TcpExtTCPDSACKOfoSent = 0;
  /** SYN and SYN-ACK retransmissions. */
  TcpExtTCPSynRetrans = 0;
  /** Drop: a segment that PAWS rejects (RFC 7323 5.3). */
  TcpExtPAWSEstabRejected = 0;
  /** ACKs sent late by the delayed-ACK timer. */
  TcpExtDelayedACKs = 0;
  /** Segments queued out of order. */
  TcpExtTCPOFOQueue = 0;
  /** Drop: out-of-order data beyond the receive window or the limit of ranges. */
  TcpExtTCPOFODrop = 0;
  /** Drop: in-order data for which tcp_mem leaves no room. */
  TcpExtTCPRcvQDrop = 0;
  /** Duplicate segments received below RCV.NXT. */
  TcpExtTCPDuplicateSegs = 0;
  /** Segments whose data went beyond the offered window and was cut off there. */
  TcpExtTCPOutOfWindow = 0;
  /** Drop: a segment wholly outside of the window, old duplicates included (RFC 9293 3.10.7.4, first check). */
  TcpExtTCPUnacceptable = 0;
  /** Drop: a SYN for which the SYN queue or accept queue had no room. */
  TcpExtListenDrops = 0;
  /** Drop: the final ACK of a handshake that found the accept queue full. */
  TcpExtListenOverflows = 0;
  /** Challenge ACKs sent (RFC 5961). */
  TcpExtTCPChallengeACK = 0;
  /** Challenge and out-of-window ACKs not sent because of the rate limit. */
  TcpExtTCPACKSkipped = 0;
  /** Drop: a RST in the window but not at RCV.NXT, answered by a challenge ACK (RFC 5961 3.2). */
  TcpExtTCPRstChallenged = 0;
  /** Drop: a SYN in a synchronized state, answered by a challenge ACK (RFC 5961 4.2). */
  TcpExtTCPSYNChallenge = 0;
  /** Drop: an ACK of something never sent, or older than the largest window (RFC 5961 5.2). */
  TcpExtTCPAckInvalid = 0;
  /** Probes of the path MTU that have arrived (RFC 4821 7.6.1). */
  TcpExtTCPMTUPSuccess = 0;
  /** Probes of the path MTU that were lost, alone. */
  TcpExtTCPMTUPFail = 0;
  /** Times that segments became smaller because the path seems to swallow larger ones (RFC 4821 7.7). */
  TcpExtTCPMTUPBlackHole = 0;
  /** Steps of the retransmission back-off taken back because of an ICMP error (RFC 6069). */
  TcpExtTCPBackoffReverted = 0;
  /** Drop: a segment with a TCP-MD5 signature (RFC 2385), for which there is no key. */
  TcpExtTCPMD5Unexpected = 0;
  /** Drop: a segment with a TCP-AO signature (RFC 5925), for which there is no key. */
  TcpExtTCPAOKeyNotFound = 0;
  /** Drop: a segment without ACK, RST or SYN in a synchronized state. */
  TcpExtTCPNoAck = 0;
  /** Drop: a segment for no connection and no listener (answered by RST unless it is one). */
  TcpExtTCPNoPort = 0;
  /** Drop: a segment whose flags make no sense in its state: SYN+FIN to a listener, a RST in TIME-WAIT (RFC 1337). */
  TcpExtTCPBadFlags = 0;
  /** Drop: data that arrived after the application had closed (answered by RST). */
  TcpExtTCPAbortOnData = 0;
  /** Connections aborted by close with unread data (RFC 2525 2.17). */
  TcpExtTCPAbortOnClose = 0;
  /** Closed connections aborted because there are too many of them (tcp_max_orphans), or too little memory (tcp_mem). */
  TcpExtTCPAbortOnMemory = 0;
  /** Connections aborted by close in FIN-WAIT-2 because TCP_LINGER2 is negative. */
  TcpExtTCPAbortOnLinger = 0;
  /** Connections aborted because a timer ran out. */
  TcpExtTCPAbortOnTimeout = 0;
  /** Connections that went through TIME-WAIT. */
  TcpExtTW = 0;
  /** Connections opened by a SYN that reused a TIME-WAIT tuple (RFC 6191). */
  TcpExtTWRecycled = 0;
  /** Zero-window probes sent. */
  TcpExtTCPWinProbe = 0;
  /** Times the receive window was advertised as zero. */
  TcpExtTCPToZeroWindowAdv = 0;
  /** Times it was opened again from zero. */
  TcpExtTCPFromZeroWindowAdv = 0;
  /** Keepalive probes sent. */
  TcpExtTCPKeepAlive = 0;
}
