// One connection of a script: its ports, and what the script's sequence numbers and timestamps are relative to. The peer's numbers go
// on the wire as they stand in the script; the host's are translated.

import type { OptionText, SegmentText } from './script.js';
import type { Addresses, Segment } from './wire.js';

const SYN = 2;
const ACK = 16;
/** Whose numbers an option holds. */
type Side = 'host' | 'peer';

export class Flow implements Addresses {
  readonly localIp: string;
  localPort: number;
  readonly remoteIp: string;
  readonly remotePort: number;
  /** The peer's initial sequence number. */
  irs = 0;
  /** The host's, in the script and on the wire. */
  private scriptIss = 0;
  private iss = 0;
  /** Whether the host's SYN has been seen. */
  isKnown = false;
  /** The host's timestamps by those that stand in the script for them. */
  private readonly timestamps = new Map<number, number>();

  constructor(localIp: string, localPort: number, remoteIp: string, remotePort: number) {
    this.localIp = localIp;
    this.localPort = localPort;
    this.remoteIp = remoteIp;
    this.remotePort = remotePort;
  }

  /** Numbers of a segment to the host as they go on the wire. */
  toWire(text: SegmentText): Segment {
    const isSyn = (text.flags & SYN) !== 0;
    if (isSyn) this.irs = text.start;
    const seq = isSyn ? text.start : text.start + this.irs;
    // The acknowledgment in a SYN is absolute in a script.
    const ack = text.ack === undefined ? 0 : this.hostNumber(text.ack, isSyn);
    return {
      ecn: text.ecn ?? 'noecn',
      flags: text.flags,
      seq,
      ack: (text.flags & ACK) !== 0 ? ack : 0,
      win: text.win ?? 0,
      urgent: text.urgent ?? 0,
      length: text.length,
      options: text.options === 'any' ? [] : text.options.map((option) => this.optionToWire(option)),
    };
  }

  /** The host's number on the wire for one of the script. */
  hostNumber(number: number, isAbsolute: boolean): number {
    return (number - (isAbsolute ? this.scriptIss : 0) + this.iss) >>> 0;
  }

  /** Learns from a segment of the host what the script calls its numbers. */
  learn(text: SegmentText, sent: Segment): void {
    if ((sent.flags & SYN) !== 0 && !this.isKnown) {
      this.isKnown = true;
      this.scriptIss = text.start;
      this.iss = sent.seq;
    }
    if (text.options === 'any') return;
    const inScript = text.options.find(({ name }) => name === 'TS');
    const onWire = sent.options.find(({ name }) => name === 'TS');
    if (inScript !== undefined && onWire !== undefined) {
      this.timestamps.set(inScript.values[0], onWire.values[0]);
    }
  }

  /** A segment of the host in the terms of the script, for the comparison and for people. */
  fromWire(sent: Segment): Segment {
    const isSyn = (sent.flags & SYN) !== 0;
    const hasAck = (sent.flags & ACK) !== 0;
    const isBare = (sent.flags & 4) !== 0 && !this.isKnown;
    return {
      ...sent,
      seq: isBare ? sent.seq : this.scriptNumber(sent.seq, isSyn),
      ack: hasAck ? (sent.ack - (isSyn ? 0 : this.irs)) >>> 0 : 0,
      options: sent.options.map((option) => this.optionFromWire(option)),
    };
  }

  private scriptNumber(number: number, isAbsolute: boolean): number {
    return (number - this.iss + (isAbsolute ? this.scriptIss : 0)) >>> 0;
  }

  private optionToWire(option: OptionText): OptionText {
    if (option.name === 'sack') return this.sack(option, 'host');
    if (option.name !== 'TS') return option;
    const [value, echo] = option.values;
    return { ...option, values: [value, this.timestamps.get(echo) ?? echo] };
  }

  private optionFromWire(option: OptionText): OptionText {
    return option.name === 'sack' ? this.sack(option, 'peer') : option;
  }

  private sack(option: OptionText, side: Side): OptionText {
    const values = option.values.map((edge) =>
      side === 'host' ? this.hostNumber(edge, false) : (edge - this.irs) >>> 0,
    );
    return { ...option, values };
  }
}
