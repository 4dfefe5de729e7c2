// Requests of HTTP/1.0 and 1.1 (RFC 9112) as far as a server of files needs them: finds the end of a head, checks it and
// says what a body would be. Pure functions over bytes; the connection in http.ts feeds them.

/** Longest head (request line and fields) that is accepted, in bytes. */
export const MAX_HEAD = 16_384;
/** Longest request line that is accepted, in bytes. */
export const MAX_REQUEST_LINE = 8_192;

const LF = 10;
const CR = 13;
const TAB = 9;
const SPACE = 32;
const COLON = 58;
const GET = 'GET';

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
  for (let at = start; at < end - 1; at++) {
    if (bytes[at] !== LF) continue;
    if (bytes[at + 1] === LF) return at + 2;
    if (at + 2 < end && bytes[at + 1] === CR && bytes[at + 2] === LF) return at + 3;
  }
  return -1;
}

/** The bytes of which a token is made (RFC 9110 5.6.2): methods and names of fields. */
const TOKEN = new Uint8Array(256);
for (const char of "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
  TOKEN[char.charCodeAt(0)] = 1;

/**
 * Parses a whole head, `bytes[start, end)` with its empty line. Byte by byte: a regular expression for each line, and a string for each
 * field, took a third of the time of an answer.
 */
export function parseRequest(bytes: Buffer, start: number, end: number): Request | BadRequest {
  const lineEnd = endOfLine(bytes, start, end);
  const methodEnd = endOfToken(bytes, start, lineEnd);
  const targetEnd = endOfTarget(bytes, methodEnd + 1, lineEnd);
  const isTooLong = lineEnd - start > MAX_REQUEST_LINE;
  if (
    methodEnd === start ||
    bytes[methodEnd] !== SPACE ||
    targetEnd === methodEnd + 1 ||
    !endsInVersion(bytes, targetEnd, lineEnd) ||
    isTooLong
  )
    return { status: isTooLong ? 414 : 400 };
  if (bytes[lineEnd - 3] !== 0x31) return { status: 505 };
  const isOld = bytes[lineEnd - 1] === 0x30;
  const fields = new FieldReader();
  let at = afterLine(bytes, lineEnd);
  while (at < end && bytes[at] !== LF && !(bytes[at] === CR && bytes[at + 1] === LF)) {
    const fieldEnd = endOfLine(bytes, at, end);
    const status = fields.read(bytes, at, fieldEnd);
    if (status !== 0) return { status };
    at = afterLine(bytes, fieldEnd);
  }
  const { hosts, contentLength, chunked, connection } = fields;
  // RFC 9112 3.2: exactly one Host in HTTP/1.1; 6.3: a length told twice smells of smuggling.
  if (hosts > 1 || (!isOld && hosts === 0) || (chunked && contentLength !== '')) return { status: 400 };
  return {
    method: isGet(bytes, start, methodEnd) ? GET : bytes.toString('latin1', start, methodEnd),
    target: bytes.toString('latin1', methodEnd + 1, targetEnd),
    minor: isOld ? 0 : 1,
    keepAlive: isOld ? hasOption(connection, 'keep-alive') : !hasOption(connection, 'close'),
    bodyLength: chunked ? -1 : Number(contentLength === '' ? 0 : contentLength),
  };
}

/** What the fields of a head say, as far as it matters here. */
class FieldReader {
  hosts = 0;
  contentLength = '';
  chunked = false;
  connection = '';

  /** Reads a line; returns 0, or the status of what is no field. */
  read(bytes: Buffer, start: number, end: number): number {
    const nameEnd = endOfToken(bytes, start, end);
    // RFC 9112 5.1 and 5.2: no space before the colon, no folded lines.
    if (nameEnd === start || nameEnd === end || bytes[nameEnd] !== COLON) return 400;
    for (let at = nameEnd + 1; at < end; at++) if (bytes[at] === CR) return 400;
    // By length first: most fields are of no interest.
    switch (nameEnd - start) {
      case 4:
        if (isNamed(bytes, start, 'host')) this.hosts++;
        return 0;
      case 10:
        if (isNamed(bytes, start, 'connection')) {
          this.connection += `,${fieldValue(bytes, nameEnd + 1, end).toLowerCase()}`;
        }
        return 0;
      case 14:
        return isNamed(bytes, start, 'content-length')
          ? this.#setLength(fieldValue(bytes, nameEnd + 1, end))
          : 0;
      case 17:
        return isNamed(bytes, start, 'transfer-encoding')
          ? this.#setCoding(fieldValue(bytes, nameEnd + 1, end))
          : 0;
      default:
        return 0;
    }
  }

  #setLength(value: string): number {
    const isTold = this.contentLength !== '' && this.contentLength !== value;
    if (!/^\d{1,15}$/.test(value) || isTold) return 400;
    this.contentLength = value;
    return 0;
  }

  #setCoding(value: string): number {
    if (value.toLowerCase() !== 'chunked' || this.chunked) return 501;
    this.chunked = true;
    return 0;
  }
}

/** Where the line that begins at `at` ends, without its CR LF, or LF alone. */
function endOfLine(bytes: Buffer, at: number, end: number): number {
  let lineEnd = at;
  while (lineEnd < end && bytes[lineEnd] !== LF) lineEnd++;
  return lineEnd > at && bytes[lineEnd - 1] === CR ? lineEnd - 1 : lineEnd;
}

function afterLine(bytes: Buffer, lineEnd: number): number {
  return bytes[lineEnd] === CR ? lineEnd + 2 : lineEnd + 1;
}

function endOfToken(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && TOKEN[bytes[at]] !== 0) at++;
  return at;
}

/** A target is anything that can be seen. */
function endOfTarget(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] > SPACE && bytes[at] < 0x7f) at++;
  return at;
}

/** ` HTTP/`, a digit, a point and a digit, and nothing behind it. */
function endsInVersion(bytes: Buffer, at: number, end: number): boolean {
  return (
    end - at === 9 &&
    bytes[at] === SPACE &&
    bytes[at + 1] === 0x48 &&
    bytes[at + 2] === 0x54 &&
    bytes[at + 3] === 0x54 &&
    bytes[at + 4] === 0x50 &&
    bytes[at + 5] === 0x2f &&
    isDigit(bytes[at + 6]) &&
    bytes[at + 7] === 0x2e &&
    isDigit(bytes[at + 8])
  );
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function isGet(bytes: Buffer, start: number, end: number): boolean {
  return end - start === 3 && bytes[start] === 0x47 && bytes[start + 1] === 0x45 && bytes[start + 2] === 0x54;
}

/** Compares with a name in small letters, of the same length; capitals differ in one bit from them, and `-` has that bit. */
function isNamed(bytes: Buffer, start: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) if ((bytes[start + i] | 0x20) !== name.charCodeAt(i)) return false;
  return true;
}

function fieldValue(bytes: Buffer, start: number, end: number): string {
  let from = start;
  let to = end;
  while (from < to && isBlank(bytes[from])) from++;
  while (to > from && isBlank(bytes[to - 1])) to--;
  return bytes.toString('latin1', from, to);
}

function isBlank(byte: number): boolean {
  return byte === SPACE || byte === TAB;
}

function hasOption(connection: string, wanted: string): boolean {
  return connection !== '' && connection.split(',').some((option) => option.trim() === wanted);
}
