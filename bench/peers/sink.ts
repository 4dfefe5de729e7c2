// Takes in streams of the pattern and compares every byte, on mtcp_* calls: a wrong one resets the connection.

import { findDifference, PATTERN_PERIOD } from '../../src/cli/servers/pattern.js';
import {
  ABORT,
  CHUNK,
  CLOSE,
  KEEP,
  type Service,
  type Session,
  type Totals,
  TURNS,
} from '../../src/cli/servers/session.js';
import { errno, type Mctx, MTCP_EPOLLIN, mtcp_read } from '../../src/index.js';
import { EAGAIN } from '../../src/stack/errors.js';

/** Makes sessions that take in a stream each. */
export class SinkService implements Service {
  readonly want = MTCP_EPOLLIN;
  private readonly buffer = Buffer.alloc(CHUNK);

  open(mctx: Mctx, sockid: number, totals: Totals): Session {
    const { buffer } = this;
    let position = 0;
    return {
      want: MTCP_EPOLLIN,
      onEvents(): number {
        for (let turn = 0; turn < TURNS; turn++) {
          const received = mtcp_read(mctx, sockid, buffer, CHUNK);
          if (received < 0) return errno === EAGAIN ? KEEP : ABORT;
          if (received === 0) return CLOSE;
          if (findDifference(buffer, 0, received, position) >= 0) return ABORT;
          position = (position + received) % PATTERN_PERIOD;
          totals.bytesIn += received;
        }
        return KEEP;
      },
    };
  }
}
