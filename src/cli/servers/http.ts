// An HTTP/1.0 and 1.1 server (RFC 9110, RFC 9112) of files: GET and HEAD, kept connections, pipelining, bodies of any size
// read piece by piece. One answer at a time per connection; while it does not fit into the send buffer, nothing is read.

import type { Mctx } from '../../api/index.js';
import {
  errno,
  MTCP_EPOLLIN,
  MTCP_EPOLLOUT,
  mtcp_read,
  mtcp_shutdown,
  mtcp_write,
  SHUT_WR,
} from '../../api/index.js';
import { EAGAIN } from '../../stack/errors.js';
import type { Body, Content, Site } from './http-content.js';
import { statusContent } from './http-content.js';
import { Heads, REASONS } from './http-head.js';
import { HttpInput } from './http-input.js';
import type { Request } from './http-request.js';
import { MAX_HEAD, parseRequest } from './http-request.js';
import type { Service, Session, Totals } from './session.js';
import { ABORT, CHUNK, CLOSE, KEEP, TURNS } from './session.js';

/** Methods of RFC 9110 and RFC 5789 that files do not have; any other is not implemented. */
const REFUSED_METHODS = ['POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'];

/** A request body that nobody wants is read and thrown away up to this length, in bytes. */
const MAX_SKIP = 1 << 20;
/** Room that a head of an answer needs at most: a redirect repeats its target. */
const HEAD_ROOM = 3 * MAX_HEAD;
/** Sweeps (seconds) that a peer has to take an answer and go away before the connection is reset. */
const LINGER_SWEEPS = 5;

/** What `receive` says when there is something new to look at; no verdict. */
const GOT_SOME = -1;

/** Makes http sessions on a site; they share the buffers. */
export class HttpService implements Service {
  readonly want = MTCP_EPOLLIN;
  readonly site: Site;
  readonly received: Buffer = Buffer.alloc(CHUNK);
  readonly output: Buffer = Buffer.alloc(HEAD_ROOM + CHUNK);
  readonly heads: Heads;

  /** @param now the time for the Date field, in ms since 1970 */
  constructor(site: Site, now: () => number = Date.now) {
    this.site = site;
    this.heads = new Heads(now);
  }

  open(mctx: Mctx, sockid: number, totals: Totals): Session {
    return new HttpSession(this, mctx, sockid, totals);
  }
}

class HttpSession implements Session {
  want: number = MTCP_EPOLLIN;
  private readonly service: HttpService;
  private readonly mctx: Mctx;
  private readonly sockid: number;
  private readonly totals: Totals;
  private readonly input: HttpInput;
  /** Bytes of a request's body still to be thrown away. */
  private skip = 0;
  /** The body being sent, and how many of its bytes are still to be read. */
  private body: Body | undefined = undefined;
  private bodyLeft = 0;
  /** Bytes made and not accepted by the stack yet. */
  private rest: Buffer | undefined = undefined;
  /** No request is read any more; the connection ends after what is being sent. */
  private last = false;
  /** The peer may be sending still: take and drop that, so that a reset does not overtake the answer. */
  private unread = false;
  /** Sweeps since the answer was sent and the peer is waited for, 0 before that. */
  private lingering = 0;
  /** In this event everything was read that there was. */
  private drained = false;
  /** The peer has closed its side. */
  private ended = false;

  constructor(service: HttpService, mctx: Mctx, sockid: number, totals: Totals) {
    this.service = service;
    this.mctx = mctx;
    this.sockid = sockid;
    this.totals = totals;
    this.input = new HttpInput(service.received);
  }

  /** Between two requests. */
  get rests(): boolean {
    const isIdle = this.input.length === 0 && this.skip === 0 && this.body === undefined;
    return isIdle && this.rest === undefined && !this.last && !this.ended && this.want === MTCP_EPOLLIN;
  }

  onEvents(): number {
    if (this.lingering > 0) return this.drop();
    this.drained = false;
    for (let turn = 0; turn < TURNS; turn++) {
      let length = this.rest?.length ?? 0;
      if (length === 0) {
        length = this.fill();
        if (length < 0) return ABORT;
        if (length === 0) {
          if (this.last || this.ended) return this.finish();
          if (this.drained) return this.waitForInput();
          const verdict = this.receive();
          if (verdict !== GOT_SOME) return verdict;
          continue;
        }
      }
      const sent = mtcp_write(this.mctx, this.sockid, this.rest ?? this.service.output, length);
      if (sent < 0 && errno !== EAGAIN) return ABORT;
      if (sent > 0) this.totals.bytesOut += sent;
      if (sent !== length) return this.waitForRoom(Math.max(sent, 0), length);
      this.rest = undefined;
    }
    // Busy still: OUT, which is ready, brings it back after the others.
    this.input.keep();
    this.want = MTCP_EPOLLIN | MTCP_EPOLLOUT;
    return KEEP;
  }

  sweep(): number {
    if (this.lingering === 0) return KEEP;
    return ++this.lingering > LINGER_SWEEPS ? ABORT : KEEP;
  }

  release(): void {
    this.body?.close();
    this.body = undefined;
  }

  /** Keeps what was not sent; the shared buffers are for others until this connection can send again. */
  private waitForRoom(sent: number, length: number): number {
    this.rest = this.rest?.subarray(sent) ?? Buffer.from(this.service.output.subarray(sent, length));
    this.input.keep();
    this.want = MTCP_EPOLLOUT;
    return KEEP;
  }

  private waitForInput(): number {
    this.input.keep();
    this.want = MTCP_EPOLLIN;
    return KEEP;
  }

  /** Reads what there is behind what is left of the input. */
  private receive(): number {
    this.input.keep();
    const received = mtcp_read(this.mctx, this.sockid, this.service.received, CHUNK);
    if (received < 0) {
      // A client that resets between two requests just has had enough.
      return errno === EAGAIN ? this.waitForInput() : this.input.length === 0 ? CLOSE : ABORT;
    }
    if (received === 0) {
      this.ended = true;
      return GOT_SOME;
    }
    this.totals.bytesIn += received;
    // What comes after less than there was room for is another event.
    this.drained = received < CHUNK;
    this.input.add(received);
    return GOT_SOME;
  }

  /**
   * Makes as much output as there is input for, at most about CHUNK bytes: the rest of an answer, then answers to further
   * requests that are there already. Returns its length, or -1 when a body has turned out shorter than promised.
   */
  private fill(): number {
    const { output } = this.service;
    let length = 0;
    while (length < CHUNK) {
      if (this.body !== undefined) {
        const part = this.body.read(output, length, Math.min(this.bodyLeft, output.length - length));
        length += part;
        this.bodyLeft -= part;
        if (part === 0 && this.bodyLeft > 0) return -1;
        if (this.bodyLeft === 0) this.release();
      } else {
        const head = this.last ? undefined : this.nextAnswer();
        if (head === undefined) break;
        output.set(head, length);
        length += head.length;
        this.totals.requests++;
      }
    }
    return length;
  }

  /** Takes the next request from the input and gives the head of its answer; undefined when there is none yet. */
  private nextAnswer(): Buffer | undefined {
    const { input } = this;
    this.skip -= input.skip(this.skip);
    input.skipEmptyLines();
    if (input.length === 0) return undefined;
    const headEnd = input.headEnd();
    if ((headEnd < 0 ? input.end : headEnd) - input.start > MAX_HEAD) return this.refuse(431);
    if (headEnd < 0) return undefined;
    const request = parseRequest(input.bytes, input.start, headEnd);
    input.start = headEnd;
    return 'status' in request ? this.refuse(request.status) : this.answer(request);
  }

  private answer(request: Request): Buffer {
    const { method, target, bodyLength } = request;
    this.last = !request.keepAlive;
    if (bodyLength < 0 || bodyLength > MAX_SKIP) {
      this.last = true;
      this.unread = true;
    } else {
      this.skip = bodyLength;
    }
    let content: Content;
    let fields = '';
    if (method === 'GET' || method === 'HEAD') {
      content = this.service.site.find(target);
      if (content.location !== undefined) fields = `Location: ${content.location}\r\n`;
    } else if (REFUSED_METHODS.includes(method)) {
      content = statusContent(405, REASONS[405]);
      fields = 'Allow: GET, HEAD\r\n';
    } else {
      content = statusContent(501, REASONS[501]);
    }
    if (this.last) fields += 'Connection: close\r\n';
    else if (request.minor === 0) fields += 'Connection: keep-alive\r\n';
    return this.begin(content, fields, method !== 'HEAD');
  }

  /** Answers what is no request; what follows it cannot be understood. */
  private refuse(status: number): Buffer {
    this.last = true;
    this.unread = true;
    return this.begin(statusContent(status, REASONS[status]), 'Connection: close\r\n', true);
  }

  private begin(content: Content, fields: string, withBody: boolean): Buffer {
    const { length, body } = content;
    if (withBody && length > 0) {
      this.body = body;
      this.bodyLeft = length;
    } else {
      body?.close();
    }
    return this.service.heads.of(content, fields);
  }

  /** Everything is sent: ends the connection, in two steps when the peer may be sending still. */
  private finish(): number {
    const idle = this.input.length === 0 && this.skip === 0 && !this.unread;
    if (this.ended || idle) return CLOSE;
    if (mtcp_shutdown(this.mctx, this.sockid, SHUT_WR) < 0) return ABORT;
    this.lingering = 1;
    this.want = MTCP_EPOLLIN;
    return this.drop();
  }

  private drop(): number {
    for (let turn = 0; turn < TURNS; turn++) {
      const received = mtcp_read(this.mctx, this.sockid, this.service.received, CHUNK);
      if (received < 0) return errno === EAGAIN ? KEEP : CLOSE;
      if (received === 0) return CLOSE;
      this.totals.bytesIn += received;
    }
    return KEEP;
  }
}
