// Requests of HTTP/1.0 and 1.1 (RFC 9112) as far as a server of files needs them: finds the end of a head, checks it and
// says what a body would be. Pure functions over bytes; the connection in http.ts feeds them.

/** Longest head (request line and fields) that is accepted, in bytes. */
export const MAX_HEAD = 16_384;
/** Longest request line that is accepted, in bytes. */
export const MAX_REQUEST_LINE = 8_192;

const TAB = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;
const ZERO = 48;
const COLON = 58;
const DEL = 127;

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
  // A loop: a head is short, and a call for each line takes longer.
  for (let at = start; at < end; at++) {
    if (bytes[at] !== LF) continue;
    if (at + 1 < end && bytes[at + 1] === LF) return at + 2;
    if (at + 2 < end && bytes[at + 1] === CR && bytes[at + 2] === LF) return at + 3;
  }
  return -1;
}

const CHARACTERS = 128;
/** Which characters a token may have (RFC 9110 5.6.2). */
const IS_TOKEN = Uint8Array.from({ length: CHARACTERS }, (_, code) =>
  /[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(String.fromCharCode(code)) ? 1 : 0,
);

/** Where the token that begins at `start` ends, at most at `end`. */
function tokenEnd(text: string, start: number, end: number): number {
  let at = start;
  while (at < end) {
    const code = text.charCodeAt(at);
    if (code >= CHARACTERS || IS_TOKEN[code] === 0) break;
    at++;
  }
  return at;
}

/** Where the line ends that goes to `lf`, without a CR in front of that. */
function lineEnd(text: string, start: number, lf: number): number {
  return lf > start && lf < text.length && text.charCodeAt(lf - 1) === CR ? lf - 1 : lf;
}

/** Where the next LF is, or the end of the text. */
function nextLf(text: string, from: number): number {
  const at = text.indexOf('\n', from);
  return at < 0 ? text.length : at;
}

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB;
}

/** What follows the target of a request: ` HTTP/1.1`. */
const VERSION_LENGTH = 9;

/** The target between two spaces is visible ASCII (RFC 9112 3); where it ends, -1 when the line is no request line. */
function targetEnd(text: string, start: number, end: number): number {
  let at = start;
  for (let code = text.charCodeAt(at); at < end && code > SPACE && code < DEL; code = text.charCodeAt(++at));
  const hasVersion =
    at > start &&
    end === at + VERSION_LENGTH &&
    text.startsWith(' HTTP/', at) &&
    isDigit(text.charCodeAt(at + 6)) &&
    text[at + 7] === '.' &&
    isDigit(text.charCodeAt(at + 8));
  return hasVersion ? at : -1;
}

function isDigit(code: number): boolean {
  return code >= ZERO && code < ZERO + 10;
}

/** Parses a whole head, its empty line included. */
export function parseRequest(head: string): Request | BadRequest {
  let lf = nextLf(head, 0);
  const end = lineEnd(head, 0, lf);
  const methodEnd = tokenEnd(head, 0, end);
  const versionAt =
    methodEnd === 0 || head.charCodeAt(methodEnd) !== SPACE ? -1 : targetEnd(head, methodEnd + 1, end);
  if (end > MAX_REQUEST_LINE) return { status: 414 };
  if (versionAt < 0) return { status: 400 };
  if (head[versionAt + 6] !== '1') return { status: 505 };
  const minor = head[versionAt + 8] === '0' ? 0 : 1;
  let hosts = 0;
  let contentLength = '';
  let chunked = false;
  let connection = '';
  for (let start = lf + 1; start < head.length; start = lf + 1) {
    lf = nextLf(head, start);
    const stop = lineEnd(head, start, lf);
    if (stop === start) break;
    // RFC 9112 5.1 and 5.2: no space before the colon, no folded lines.
    const nameEnd = tokenEnd(head, start, stop);
    if (nameEnd === start || nameEnd === stop || head.charCodeAt(nameEnd) !== COLON) return { status: 400 };
    for (let at = nameEnd + 1; at < stop; at++) if (head.charCodeAt(at) === CR) return { status: 400 };
    switch (nameEnd - start) {
      case 'host'.length:
        if (fieldName(head, start, nameEnd) === 'host') hosts++;
        break;
      case 'connection'.length:
        if (fieldName(head, start, nameEnd) !== 'connection') break;
        connection += `,${fieldValue(head, nameEnd + 1, stop).toLowerCase()}`;
        break;
      case 'content-length'.length: {
        if (fieldName(head, start, nameEnd) !== 'content-length') break;
        const value = fieldValue(head, nameEnd + 1, stop);
        if (!/^\d{1,15}$/.test(value) || (contentLength !== '' && contentLength !== value))
          return { status: 400 };
        contentLength = value;
        break;
      }
      case 'transfer-encoding'.length:
        if (fieldName(head, start, nameEnd) !== 'transfer-encoding') break;
        if (fieldValue(head, nameEnd + 1, stop).toLowerCase() !== 'chunked' || chunked)
          return { status: 501 };
        chunked = true;
        break;
    }
  }
  // RFC 9112 3.2: exactly one Host in HTTP/1.1; 6.3: a length told twice smells of smuggling.
  if (hosts > 1 || (minor !== 0 && hosts === 0) || (chunked && contentLength !== '')) return { status: 400 };
  return {
    method: head.slice(0, methodEnd),
    target: head.slice(methodEnd + 1, versionAt),
    minor,
    keepAlive: minor === 0 ? hasOption(connection, 'keep-alive') : !hasOption(connection, 'close'),
    bodyLength: chunked ? -1 : Number(contentLength === '' ? 0 : contentLength),
  };
}

function fieldName(head: string, start: number, end: number): string {
  return head.slice(start, end).toLowerCase();
}

/** A field's value without the blanks around it. */
function fieldValue(head: string, from: number, to: number): string {
  let start = from;
  let end = to;
  while (start < end && isBlank(head.charCodeAt(start))) start++;
  while (end > start && isBlank(head.charCodeAt(end - 1))) end--;
  return head.slice(start, end);
}

function hasOption(connection: string, option: string): boolean {
  return connection !== '' && connection.split(',').some((word) => word.trim() === option);
}
