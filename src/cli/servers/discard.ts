// The discard service (RFC 863): what comes in is thrown away.

import type { Mctx } from '../../api/index.js';
import { errno, MTCP_EPOLLIN, mtcp_read } from '../../api/index.js';
import { EAGAIN } from '../../stack/errors.js';
import type { Service, Session, Totals } from './session.js';
import { ABORT, CHUNK, CLOSE, KEEP, TURNS } from './session.js';

/** Makes discard sessions. */
export class DiscardService implements Service {
  readonly want = MTCP_EPOLLIN;
  private readonly buffer: Buffer = Buffer.alloc(CHUNK);

  open(mctx: Mctx, sockid: number, totals: Totals): Session {
    const buffer = this.buffer;
    return {
      want: this.want,
      rests: true,
      onEvents(): number {
        for (let turn = 0; turn < TURNS; turn++) {
          const received = mtcp_read(mctx, sockid, buffer, CHUNK);
          if (received < 0) return errno === EAGAIN ? KEEP : ABORT;
          if (received === 0) {
            totals.requests++;
            return CLOSE;
          }
          totals.bytesIn += received;
        }
        return KEEP;
      },
    };
  }
}
