// What the load generator is asked to do and what it answers: JSON, one line each way.

/** One run of the generator. */
export interface Job {
  /** Namespace and interface on which it sits, and the server's MAC address. */
  readonly netns: string;
  readonly iface: string;
  readonly serverMac: string;
  readonly client: string;
  readonly server: string;
  readonly port: number;
  /** `conn`: a connection for each request. `rpc`: connections stay open. `idle`: they are opened, and nothing is asked. */
  readonly mode: 'conn' | 'rpc' | 'idle';
  readonly connections: number;
  /** Requests under way per connection. */
  readonly pipeline: number;
  /** The request, as Latin-1. */
  readonly request: string;
  /** Bytes of the reply; 0 for HTTP, where the first reply says how long all are and what body they have. */
  readonly replyBytes: number;
  readonly warmupMs: number;
  /** How long to measure; `idle`: the longest that opening may take. */
  readonly durationMs: number;
  readonly mtu: number;
}

/** What came of it. */
export interface JobResult {
  /** Replies, which in mode `conn` are connections, per second. */
  readonly perSecond: number;
  readonly replies: number;
  /** Replies that were wrong, connections that were refused or reset. */
  readonly errors: number;
  /** Segments sent again because nothing came for a quarter of a second. */
  readonly resent: number;
  /** Share of the looks at the ring that found nothing: near 0, the generator was the limit and not the server. */
  readonly idle: number;
  /** Connections open at the end. */
  readonly open: number;
  readonly latencyUs: {
    readonly p50: number;
    readonly p99: number;
    readonly p999: number;
    readonly max: number;
  };
}
