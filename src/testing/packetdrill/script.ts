// What a packetdrill script consists of, once it has been read. Times are in µs, sequence numbers as they stand in the script.

/** When an event is due. What is relative counts from the event before. */
export interface EventTime {
  /** `any`: whenever it comes (`*`). */
  readonly kind: 'absolute' | 'relative' | 'any';
  readonly us: number;
  /** End of a range `a~b` in which a packet may come, relative or absolute as `kind` says. */
  readonly untilUs?: number;
  /** End of a call that blocks, `a...b`, relative or absolute as `kind` says. */
  readonly blocksUntilUs?: number;
}

/** An option of a segment as it is written: `mss 1460`, `TS val 100 ecr 0`, `sack 1:1001 2001:3001`. */
export interface OptionText {
  readonly name:
    | 'mss'
    | 'wscale'
    | 'sackOK'
    | 'sack'
    | 'TS'
    | 'nop'
    | 'eol'
    | 'FO'
    | 'FOEXP'
    | 'ECN'
    | 'md5'
    | 'uto';
  readonly values: readonly number[];
  /** A cookie or a digest in hexadecimal digits. */
  readonly hex?: string;
  /** Counters of an AccECN option in wire order, such as `['e0b', 'ceb', 'e1b']`. */
  readonly fields?: readonly string[];
}

/** A TCP segment. */
export interface SegmentText {
  readonly kind: 'tcp';
  /** What the IP header says of congestion: `noecn`, `ect0`, `ect1` or `ce`. */
  readonly ecn?: string;
  /** Bits of the TCP flags, AE (256) included. */
  readonly flags: number;
  readonly start: number;
  readonly length: number;
  readonly ack?: number;
  readonly win?: number;
  readonly urgent?: number;
  /** Left out: none; `any` stands for `<...>`. */
  readonly options: readonly OptionText[] | 'any';
}

/** An ICMP error about a segment of the host under test. */
export interface IcmpText {
  readonly kind: 'icmp';
  readonly type: number;
  readonly code: number;
  readonly mtu: number;
  /** Sequence number and length of the segment that it quotes. */
  readonly start: number;
  readonly length: number;
}

/** `...` as an argument: whatever suits. */
export const ANYTHING: unique symbol = Symbol('...');

/** An argument of a call. */
export type Value =
  | number
  | string
  | typeof ANYTHING
  | readonly Value[]
  | { readonly [field: string]: Value };

/** A system call with what it has to return. */
export interface CallText {
  readonly name: string;
  readonly args: readonly Value[];
  readonly result: number | typeof ANYTHING;
  /** Name of the errno that it fails with; undefined when the script does not say. */
  readonly errno?: string;
}

/** What an event does. */
export type Action =
  | { readonly kind: 'inject' | 'expect'; readonly packet: SegmentText | IcmpText }
  | { readonly kind: 'call'; readonly call: CallText }
  | { readonly kind: 'shell' | 'code'; readonly text: string };

export interface ScriptEvent {
  readonly line: number;
  readonly time: EventTime;
  readonly action: Action;
}

export interface PacketdrillScript {
  readonly name: string;
  /** Lines such as `--tolerance_usecs=10000`, by their name. */
  readonly options: ReadonlyMap<string, string>;
  readonly events: readonly ScriptEvent[];
}

/** The script cannot be played: it makes no sense, or wants what a stack in virtual time does not have. */
export class PacketdrillError extends Error {
  readonly line: number;
  /** True when the script may be right, and needs something that is not there (a call, a program, IPv6). */
  readonly unsupported: boolean;

  constructor(line: number, why: string, unsupported = false) {
    super(why);
    this.name = 'PacketdrillError';
    this.line = line;
    this.unsupported = unsupported;
  }
}
