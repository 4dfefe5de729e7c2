// Reads one HTTP/1 response (RFC 9112) from the bytes of a connection, in whatever pieces they come: head, then a body
// framed by its length, by chunks or by the end of the connection. Pure.

/** Longest head that is accepted, in bytes; also the longest line of a chunk. */
const MAX_HEAD = 65_536;

/** The first lines of a response. */
export interface ResponseHead {
  readonly status: number;
  readonly reason: string;
  /** The head as it came, without its empty line. */
  readonly text: string;
  /** Fields by lower-case name; several of the same name are joined by commas. */
  readonly fields: ReadonlyMap<string, string>;
}

const HEAD = 0;
const LENGTH = 1;
const UNTIL_CLOSE = 2;
const CHUNK_LINE = 3;
const CHUNK_DATA = 4;
const CHUNK_END = 5;
const TRAILERS = 6;
const DONE = 7;

/** A response that breaks the rules. */
export class ResponseError extends Error {}

/** Feed it bytes until `done`. */
export class ResponseReader {
  head: ResponseHead | undefined = undefined;
  /** Bytes of body so far. */
  bodyBytes = 0;
  private readonly onBody: (part: Buffer) => void;
  private readonly method: string;
  private state = HEAD;
  private left = 0;
  private line = '';

  /**
   * @param method of the request: the answer to HEAD has no body
   * @param onBody gets the body piece by piece; the bytes are only valid during the call
   */
  constructor(method: string, onBody: (part: Buffer) => void) {
    this.method = method;
    this.onBody = onBody;
  }

  /** True when the response is whole. */
  get done(): boolean {
    return this.state === DONE;
  }

  /** Takes bytes; returns how many belong to this response. Throws ResponseError. */
  feed(bytes: Buffer): number {
    let at = 0;
    while (at < bytes.length && this.state !== DONE) {
      if (this.state === LENGTH || this.state === CHUNK_DATA || this.state === UNTIL_CLOSE) {
        at += this.takeBody(bytes.subarray(at));
      } else {
        at += this.takeLine(bytes, at);
      }
    }
    return at;
  }

  /** The connection has ended. Throws ResponseError when something is missing. */
  finish(): void {
    if (this.state === UNTIL_CLOSE) this.state = DONE;
    if (this.state === DONE) return;
    if (this.state === HEAD) throw new ResponseError('the connection ended before an answer');
    throw new ResponseError(`the connection ended in the middle of the body, after ${this.bodyBytes} bytes`);
  }

  private takeBody(bytes: Buffer): number {
    const part = this.state === UNTIL_CLOSE ? bytes : bytes.subarray(0, this.left);
    this.bodyBytes += part.length;
    this.onBody(part);
    if (this.state !== UNTIL_CLOSE) {
      this.left -= part.length;
      if (this.left === 0) this.state = this.state === LENGTH ? DONE : CHUNK_END;
    }
    return part.length;
  }

  /** Collects a line (or, in the head, all lines up to the empty one) and acts on it. */
  private takeLine(bytes: Buffer, at: number): number {
    const newline = bytes.indexOf(10, at);
    const end = newline < 0 ? bytes.length : newline + 1;
    this.line += bytes.toString('latin1', at, end);
    if (this.line.length > MAX_HEAD) throw new ResponseError('a head or a chunk line is too long');
    if (newline < 0) return end - at;
    if (this.state === HEAD) {
      if (/(^|\n)\r?\n$/.test(this.line)) this.endHead();
    } else {
      const line = this.line.replace(/\r?\n$/, '');
      this.line = '';
      this.endLine(line);
    }
    return end - at;
  }

  private endLine(line: string): void {
    if (this.state === CHUNK_LINE) {
      const size = /^([0-9a-fA-F]{1,12})[ \t]*(;.*)?$/.exec(line);
      if (size === null) throw new ResponseError(`"${line}" is not the size of a chunk`);
      this.left = Number.parseInt(size[1], 16);
      this.state = this.left === 0 ? TRAILERS : CHUNK_DATA;
    } else if (this.state === CHUNK_END) {
      if (line !== '') throw new ResponseError('a chunk is longer than it says');
      this.state = CHUNK_LINE;
    } else if (line === '') {
      this.state = DONE;
    }
  }

  private endHead(): void {
    const text = this.line.replace(/(\r?\n)+$/, '');
    this.line = '';
    const [first, ...lines] = text.split(/\r?\n/);
    const match = /^HTTP\/1\.\d (\d{3})(?: (.*))?$/.exec(first);
    if (match === null)
      throw new ResponseError(`"${first.slice(0, 60)}" is not the beginning of an HTTP/1 response`);
    const fields = new Map<string, string>();
    for (const line of lines) {
      const field = /^([^\s:]+):[ \t]*(.*?)[ \t]*$/.exec(line);
      if (field === null) throw new ResponseError(`"${line.slice(0, 60)}" is not a header field`);
      const name = field[1].toLowerCase();
      const before = fields.get(name);
      fields.set(name, before === undefined ? field[2] : `${before}, ${field[2]}`);
    }
    const status = Number(match[1]);
    // RFC 9110 15.2: an interim response; the real one follows.
    if (status < 200 && status !== 101) return;
    this.head = { status, reason: match[2] ?? '', text, fields };
    this.state = this.frame(status, fields);
    if (this.state === LENGTH && this.left === 0) this.state = DONE;
  }

  /** How the body is framed: RFC 9112 6.3. */
  private frame(status: number, fields: ReadonlyMap<string, string>): number {
    if (this.method === 'HEAD' || status === 204 || status === 304) return DONE;
    const coding = fields.get('transfer-encoding');
    if (coding !== undefined) return /(^|,)\s*chunked$/i.test(coding) ? CHUNK_LINE : UNTIL_CLOSE;
    const length = fields.get('content-length');
    if (length === undefined) return UNTIL_CLOSE;
    const values = new Set(length.split(',').map((value) => value.trim()));
    const [value] = values;
    if (values.size !== 1 || !/^\d{1,15}$/.test(value))
      throw new ResponseError(`"${length}" is not a length`);
    this.left = Number(value);
    return LENGTH;
  }
}
