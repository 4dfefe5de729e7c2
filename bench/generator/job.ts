// What the load generator is asked to do and what it answers: JSON, one line each way.

/** One run of the generator. */
export interface Job {
  /** Namespace and interface on which it sits, and the server's MAC address. */
  readonly netns: string;
  /** The lab they are part of. */
  readonly lab: string;
  readonly iface: string;
  readonly serverMac: string;
  /** The first of its addresses, and how many follow each other: a connection needs a port of one of them. */
  readonly client: string;
  readonly addresses: number;
  readonly server: string;
  readonly port: number;
  /**
   * `conn`: a connection for each request. `rpc`: connections stay open. `idle`: they are opened, and asked once when that is told.
   * `sink`: streams are sent that have no end.
   */
  readonly mode: 'conn' | 'rpc' | 'idle' | 'sink';
  /** Queues of the interface: each has a share of the connections. */
  readonly queues: number;
  readonly connections: number;
  /** Requests under way per connection. */
  readonly pipeline: number;
  /** Connections that may wait for a reply at once; undefined for all of them. */
  readonly underWay: number | undefined;
  /** The request, as Latin-1. */
  readonly request: string;
  /** Bytes of the reply; 0 for HTTP, where the first reply says how long all are and what body they have. */
  readonly replyBytes: number;
  /** Bytes of replies that may be under way on a connection; undefined for what an unscaled window says. */
  readonly windowBytes: number | undefined;
  /** The least that it warms up, and the most: it ends when the rate is steady (steady.ts). */
  readonly warmupMs: number;
  readonly longestWarmupMs: number;
  /** How long to measure; `idle`: the longest that opening may take, and the longest that asking may. */
  readonly durationMs: number;
  readonly mtu: number;
  /** Tell how fast the machine was meanwhile, which the generator in C can. */
  readonly tellsPace: boolean;
}

/** How fast the machine was: what the same piece of arithmetic took. */
export interface Pace {
  /** When the first millisecond began, as process.hrtime counts, in ms. */
  readonly from: number;
  /** The least that a piece took in each millisecond, in ns; 0 where none was done. */
  readonly ns: readonly number[];
}

/** What the generator of idle connections is told on its standard input when it is to ask on each of them. */
export const ASK = 'ask\n';

/** What came of it. */
export interface JobResult {
  /** Replies per second, which are connections in mode `conn`. */
  readonly perSecond: number;
  /** When measuring began and ended, in ms since 1970. */
  readonly from: number;
  readonly to: number;
  readonly replies: number;
  /** Bytes of replies, those included that have not come whole; in mode `sink` what the server has acknowledged. */
  readonly bytes: number;
  /** Replies that were wrong, connections that were refused or reset. */
  readonly errors: number;
  /** Segments sent again because nothing came for a quarter of a second. */
  readonly resent: number;
  /** Share of the time that went into looks that found nothing: near 0, the generator was the limit and not the server. */
  readonly idle: number;
  /** How long it warmed up; of a client on the kernel, that is not told. */
  readonly warmupMs?: number;
  /** When it was asked for. */
  readonly pace?: Pace;
  /** Connections open at the end. */
  readonly open: number;
  readonly latencyUs: {
    readonly p50: number;
    readonly p99: number;
    readonly p999: number;
    readonly max: number;
  };
}
