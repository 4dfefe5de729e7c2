// The character generator (RFC 864): lines of 72 printable characters, each beginning one further along the alphabet, for
// as long as the peer takes them. What the peer sends is thrown away; when it closes its side, it has had enough.

import type { Mctx } from '../../api/index.js';
import { errno, MTCP_EPOLLIN, MTCP_EPOLLOUT, mtcp_read, mtcp_write } from '../../api/index.js';
import { EAGAIN } from '../../stack/errors.js';
import type { Service, Session, Totals } from './session.js';
import { CHUNK, CLOSE, KEEP, TURNS } from './session.js';

/** Printable characters of ASCII, the space included. */
const ALPHABET = 95;
const LINE = 72;
/** Bytes after which the lines begin again. */
export const CHARGEN_PERIOD: number = ALPHABET * (LINE + 2);

/** Gives the first `length` bytes of what the service sends. */
export function chargenBytes(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) {
    const line = Math.floor(i / (LINE + 2)) % ALPHABET;
    const column = i % (LINE + 2);
    bytes[i] = column === LINE ? 13 : column === LINE + 1 ? 10 : 32 + ((line + column) % ALPHABET);
  }
  return bytes;
}

/** Makes chargen sessions. */
export class ChargenService implements Service {
  readonly want = MTCP_EPOLLIN | MTCP_EPOLLOUT;
  private readonly input: Buffer = Buffer.alloc(CHUNK);
  private readonly lines: Buffer = chargenBytes(CHARGEN_PERIOD + CHUNK);

  open(mctx: Mctx, sockid: number, totals: Totals): Session {
    const { input, lines } = this;
    let position = 0;
    // A reset is how most clients stop listening.
    const finish = (): number => {
      totals.requests++;
      return CLOSE;
    };
    return {
      want: this.want,
      onEvents(events: number): number {
        if ((events & ~MTCP_EPOLLOUT) !== 0) {
          const received = mtcp_read(mctx, sockid, input, CHUNK);
          if (received === 0 || (received < 0 && errno !== EAGAIN)) return finish();
          if (received > 0) totals.bytesIn += received;
        }
        for (let turn = 0; turn < TURNS; turn++) {
          const part = lines.subarray(position, position + CHUNK);
          const sent = mtcp_write(mctx, sockid, part, CHUNK);
          if (sent < 0) return errno === EAGAIN ? KEEP : finish();
          totals.bytesOut += sent;
          position = (position + sent) % CHARGEN_PERIOD;
          if (sent < CHUNK) return KEEP;
        }
        return KEEP;
      },
    };
  }
}
