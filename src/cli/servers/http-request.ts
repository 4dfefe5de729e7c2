// Requests of HTTP/1.0 and 1.1 (RFC 9112) as far as a server of files needs them: finds the end of a head, checks it and
// says what a body would be. Pure functions over bytes; the connection in http.ts feeds them.

/** Longest head (request line and fields) that is accepted, in bytes. */
export const MAX_HEAD = 16_384;
/** Longest request line that is accepted, in bytes. */
export const MAX_REQUEST_LINE = 8_192;

/** What a head said. */
export interface Request {
  readonly method: string;
  /** The target as it was sent: path and query. */
  readonly target: string;
  /** 0 or 1: the minor version of HTTP/1. */
  readonly minor: number;
  /** True when the client wants to send another request on this connection (RFC 9112 9.3). */
  readonly keepAlive: boolean;
  /** Length of the body that follows, in bytes; -1 for a chunked one. */
  readonly bodyLength: number;
}

/** A head that is not one: the status to answer with. The connection cannot go on. */
export interface BadRequest {
  readonly status: number;
}

/**
 * Finds where the head in `bytes[start, end)` ends: the offset after its empty line, or -1 when it is not complete.
 * A line may end in LF alone (RFC 9112 2.2), so that a head typed by hand works.
 */
export function findHeadEnd(bytes: Buffer, start: number, end: number): number {
  let at = bytes.indexOf(10, start);
  while (at >= 0 && at < end) {
    if (at + 1 < end && bytes[at + 1] === 10) return at + 2;
    if (at + 2 < end && bytes[at + 1] === 13 && bytes[at + 2] === 10) return at + 3;
    at = bytes.indexOf(10, at + 1);
  }
  return -1;
}

const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e]+) HTTP\/(\d)\.(\d)$/;
const FIELD = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*$/;

/** Parses a whole head, its empty line included. */
export function parseRequest(head: string): Request | BadRequest {
  const lines = head.split(/\r?\n/);
  const match = REQUEST_LINE.exec(lines[0]);
  if (match === null) return { status: lines[0].length > MAX_REQUEST_LINE ? 414 : 400 };
  const [, method, target, major, minor] = match;
  if (lines[0].length > MAX_REQUEST_LINE) return { status: 414 };
  if (major !== '1') return { status: 505 };
  let hosts = 0;
  let contentLength = '';
  let chunked = false;
  let connection = '';
  for (let i = 1; i < lines.length && lines[i] !== ''; i++) {
    const field = FIELD.exec(lines[i]);
    // RFC 9112 5.1 and 5.2: no space before the colon, no folded lines.
    if (field === null) return { status: 400 };
    const value = field[2];
    switch (field[1].toLowerCase()) {
      case 'host':
        hosts++;
        break;
      case 'connection':
        connection += `,${value.toLowerCase()}`;
        break;
      case 'content-length':
        if (!/^\d{1,15}$/.test(value) || (contentLength !== '' && contentLength !== value))
          return { status: 400 };
        contentLength = value;
        break;
      case 'transfer-encoding':
        if (value.toLowerCase() !== 'chunked' || chunked) return { status: 501 };
        chunked = true;
        break;
    }
  }
  // RFC 9112 3.2: exactly one Host in HTTP/1.1; 6.3: a length told twice smells of smuggling.
  if (hosts > 1 || (minor !== '0' && hosts === 0) || (chunked && contentLength !== ''))
    return { status: 400 };
  const options = connection.split(',').map((option) => option.trim());
  return {
    method,
    target,
    minor: minor === '0' ? 0 : 1,
    keepAlive: minor === '0' ? options.includes('keep-alive') : !options.includes('close'),
    bodyLength: chunked ? -1 : Number(contentLength === '' ? 0 : contentLength),
  };
}
