// Request and reply of fixed sizes, the shape of most benchmarks: for each request of `requestBytes` bytes (or, with 0, for
// whatever arrives at once) a reply of `replyBytes` bytes of the pattern. The connection stays until the peer closes it.

import type { Mctx } from '../../api/index.js';
import { errno, MTCP_EPOLLIN, MTCP_EPOLLOUT, mtcp_read, mtcp_write } from '../../api/index.js';
import { EAGAIN } from '../../stack/errors.js';
import { PATTERN_PERIOD, patternBytes } from './pattern.js';
import type { Service, Session, Totals } from './session.js';
import { ABORT, CHUNK, CLOSE, KEEP, TURNS } from './session.js';

/** Sessions that are kept for use again. */
const SPARE = 1024;

/** Makes request and reply sessions. */
export class FixedService implements Service {
  readonly requestBytes: number;
  readonly want = MTCP_EPOLLIN;
  readonly replyBytes: number;
  readonly input: Buffer = Buffer.alloc(CHUNK);
  readonly output: Buffer;
  private readonly spare: FixedSession[] = [];

  constructor(replyBytes: number, requestBytes: number = 0) {
    this.replyBytes = replyBytes;
    this.requestBytes = requestBytes;
    this.output = patternBytes(Math.min(replyBytes, PATTERN_PERIOD) + CHUNK);
  }

  open(mctx: Mctx, sockid: number, totals: Totals): Session {
    const session = this.spare.pop() ?? new FixedSession(this, mctx, totals);
    session.begin(sockid);
    return session;
  }

  /** Keeps a session that is over for use again. */
  keep(session: FixedSession): void {
    if (this.spare.length < SPARE) this.spare.push(session);
  }
}

class FixedSession implements Session {
  want = MTCP_EPOLLIN;
  private readonly service: FixedService;
  private readonly mctx: Mctx;
  private sockid = -1;
  private readonly totals: Totals;
  /** Bytes of a request that has not come whole. */
  private received = 0;
  /** Replies owed, the one under way included. */
  private owed = 0;
  /** Bytes of the reply under way that are sent. */
  private position = 0;
  private ended = false;

  constructor(service: FixedService, mctx: Mctx, totals: Totals) {
    this.service = service;
    this.mctx = mctx;
    this.totals = totals;
  }

  /** Starts anew on another socket. */
  begin(sockid: number): void {
    this.sockid = sockid;
    this.want = MTCP_EPOLLIN;
    this.received = 0;
    this.owed = 0;
    this.position = 0;
    this.ended = false;
  }

  release(): void {
    this.service.keep(this);
  }

  get rests(): boolean {
    return this.received === 0 && this.owed === 0 && !this.ended && this.want === MTCP_EPOLLIN;
  }

  onEvents(): number {
    let isDrained = false;
    for (let turn = 0; turn < TURNS; turn++) {
      if (this.owed > 0) {
        const written = this.reply();
        if (written !== KEEP) return written;
        if (this.owed > 0) {
          this.want = MTCP_EPOLLOUT;
          return KEEP;
        }
      }
      if (this.ended) return CLOSE;
      this.want = MTCP_EPOLLIN;
      if (isDrained) return KEEP;
      const received = mtcp_read(this.mctx, this.sockid, this.service.input, CHUNK);
      if (received < 0) return errno === EAGAIN ? KEEP : ABORT;
      if (received === 0) {
        this.ended = true;
      } else {
        this.totals.bytesIn += received;
        this.count(received);
        // What comes after less than there was room for is another event.
        isDrained = received < CHUNK;
      }
    }
    // Busy still: OUT, which is ready, brings it back after the others.
    if (this.owed > 0) this.want = MTCP_EPOLLIN | MTCP_EPOLLOUT;
    return KEEP;
  }

  private count(received: number): void {
    const size = this.service.requestBytes;
    if (size === 0) {
      this.owed++;
    } else {
      this.received += received;
      const whole = Math.floor(this.received / size);
      this.owed += whole;
      this.received -= whole * size;
    }
  }

  /** Sends replies until none is owed or the send buffer is full. */
  private reply(): number {
    const { replyBytes, output } = this.service;
    while (this.owed > 0) {
      const length = Math.min(replyBytes - this.position, CHUNK);
      if (length > 0) {
        const start = this.position % PATTERN_PERIOD;
        const part = start === 0 ? output : output.subarray(start);
        const sent = mtcp_write(this.mctx, this.sockid, part, length);
        if (sent < 0) return errno === EAGAIN ? KEEP : ABORT;
        this.position += sent;
        this.totals.bytesOut += sent;
        if (sent < length) return KEEP;
      }
      if (this.position >= replyBytes) {
        this.position = 0;
        this.owed--;
        this.totals.requests++;
      }
    }
    return KEEP;
  }
}
