// The heads of answers (RFC 9112 4), as bytes. One head is often that of the answer before: it is made once a second then.

import type { Content } from './http-content.js';

export const REASONS: Readonly<Record<number, string>> = {
  200: 'OK',
  301: 'Moved Permanently',
  400: 'Bad Request',
  404: 'Not Found',
  405: 'Method Not Allowed',
  413: 'Content Too Large',
  414: 'URI Too Long',
  431: 'Request Header Fields Too Large',
  501: 'Not Implemented',
  505: 'HTTP Version Not Supported',
};

/** Makes heads. */
export class Heads {
  private readonly now: () => number;
  private date = '';
  private dateMs = Number.NEGATIVE_INFINITY;
  /** The head that was made last, and of what. */
  private last: Buffer = Buffer.alloc(0);
  private status = 0;
  private type = '';
  private length = 0;
  private fields = '';

  /** @param now the time for the Date field, in ms since 1970 */
  constructor(now: () => number) {
    this.now = now;
  }

  /** The head of an answer with such content; `fields` are further lines. It is to be copied before the next call. */
  of({ status, type, length }: Content, fields: string): Buffer {
    const isNew = this.renewDate();
    if (
      isNew ||
      status !== this.status ||
      length !== this.length ||
      type !== this.type ||
      fields !== this.fields
    ) {
      this.status = status;
      this.type = type;
      this.length = length;
      this.fields = fields;
      this.last = Buffer.from(
        `HTTP/1.1 ${status} ${REASONS[status]}\r\nServer: mtcp\r\nDate: ${this.date}\r\n` +
          `Content-Type: ${type}\r\nContent-Length: ${length}\r\n${fields}\r\n`,
        'latin1',
      );
    }
    return this.last;
  }

  /** Makes the value of the Date field (RFC 9110 6.6.1) anew when a second has passed: whether it did. */
  private renewDate(): boolean {
    const ms = this.now();
    // The clock may have been set back.
    if (ms >= this.dateMs && ms - this.dateMs < 1000) return false;
    this.dateMs = ms - (ms % 1000);
    this.date = new Date(ms).toUTCString();
    return true;
  }
}
