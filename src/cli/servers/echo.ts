// The echo service (RFC 862): what comes in goes out, until the peer has closed its side and got everything back.

import type { Mctx } from '../../api/index.js';
import { errno, MTCP_EPOLLIN, MTCP_EPOLLOUT, mtcp_read, mtcp_write } from '../../api/index.js';
import { EAGAIN } from '../../stack/errors.js';
import type { Service, Session, Totals } from './session.js';
import { ABORT, CHUNK, CLOSE, KEEP, TURNS } from './session.js';

/** Makes echo sessions; all share one buffer, and only one that has to wait for its peer keeps bytes of its own. */
export class EchoService implements Service {
  readonly want = MTCP_EPOLLIN;
  readonly buffer: Buffer = Buffer.alloc(CHUNK);

  open(mctx: Mctx, sockid: number, totals: Totals): Session {
    return new EchoSession(this, mctx, sockid, totals);
  }
}

class EchoSession implements Session {
  want = MTCP_EPOLLIN;
  private readonly service: EchoService;
  private readonly mctx: Mctx;
  private readonly sockid: number;
  private readonly totals: Totals;
  /** What was read and does not fit into the send buffer yet. */
  private rest: Buffer | undefined = undefined;

  constructor(service: EchoService, mctx: Mctx, sockid: number, totals: Totals) {
    this.service = service;
    this.mctx = mctx;
    this.sockid = sockid;
    this.totals = totals;
  }

  get rests(): boolean {
    return this.rest === undefined;
  }

  onEvents(): number {
    if (this.rest !== undefined) {
      const sent = mtcp_write(this.mctx, this.sockid, this.rest, this.rest.length);
      if (sent < 0) return errno === EAGAIN ? KEEP : ABORT;
      this.totals.bytesOut += sent;
      if (sent < this.rest.length) {
        this.rest = this.rest.subarray(sent);
        return KEEP;
      }
      this.rest = undefined;
      this.want = MTCP_EPOLLIN;
    }
    const buffer = this.service.buffer;
    for (let turn = 0; turn < TURNS; turn++) {
      const received = mtcp_read(this.mctx, this.sockid, buffer, CHUNK);
      if (received < 0) return errno === EAGAIN ? KEEP : ABORT;
      if (received === 0) {
        this.totals.requests++;
        return CLOSE;
      }
      this.totals.bytesIn += received;
      let sent = mtcp_write(this.mctx, this.sockid, buffer, received);
      if (sent < 0) {
        if (errno !== EAGAIN) return ABORT;
        sent = 0;
      }
      this.totals.bytesOut += sent;
      if (sent < received) {
        this.rest = Buffer.from(buffer.subarray(sent, received));
        this.want = MTCP_EPOLLOUT;
        return KEEP;
      }
    }
    return KEEP;
  }
}
