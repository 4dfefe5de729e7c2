// What the http server has to offer: a folder of files, or without one a page that says what this is and /bytes/N, N bytes
// of the pattern. A body is read piece by piece, so that a file of any size costs one buffer.

import { closeSync, constants, fstatSync, openSync, readSync, realpathSync } from 'node:fs';
import { extname, join, sep } from 'node:path';
import { copyPattern } from './pattern.js';

/** A response body that is read from its beginning to its end. */
export interface Body {
  /** Puts up to `length` bytes into `target` at `offset`; fewer only at the end, 0 when there are no more. */
  read(target: Uint8Array, offset: number, length: number): number;
  close(): void;
}

/** What a target leads to. */
export interface Content {
  readonly status: number;
  readonly type: string;
  /** Length of the body in bytes. */
  readonly length: number;
  readonly body: Body | undefined;
  /** Where a 301 points to. */
  readonly location?: string;
}

/** Answers targets. */
export interface Site {
  find(target: string): Content;
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.htm': 'text/html; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
  '.md': 'text/markdown; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.xml': 'application/xml',
  '.csv': 'text/csv; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.gif': 'image/gif',
  '.webp': 'image/webp',
  '.ico': 'image/x-icon',
  '.pdf': 'application/pdf',
  '.wasm': 'application/wasm',
  '.woff2': 'font/woff2',
  '.mp4': 'video/mp4',
  '.gz': 'application/gzip',
};

const TEXT = 'text/plain; charset=utf-8';
const HTML = 'text/html; charset=utf-8';
const BINARY = 'application/octet-stream';

/** Makes the content of a status without a document of its own. */
export function statusContent(status: number, reason: string): Content {
  return bytesContent(status, TEXT, Buffer.from(`${status} ${reason}\n`));
}

function bytesContent(status: number, type: string, bytes: Uint8Array): Content {
  return { status, type, length: bytes.length, body: new BytesBody(bytes) };
}

/** A body in memory. */
class BytesBody implements Body {
  private readonly bytes: Uint8Array;
  private position = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  read(target: Uint8Array, offset: number, length: number): number {
    const part = Math.min(length, this.bytes.length - this.position);
    target.set(this.bytes.subarray(this.position, this.position + part), offset);
    this.position += part;
    return part;
  }

  close(): void {}
}

/** `length` bytes of the pattern. */
class PatternBody implements Body {
  private readonly length: number;
  private position = 0;

  constructor(length: number) {
    this.length = length;
  }

  read(target: Uint8Array, offset: number, length: number): number {
    const part = Math.min(length, this.length - this.position, 65_536);
    copyPattern(target, offset, part, this.position);
    this.position += part;
    return part;
  }

  close(): void {}
}

/** A file as it was when it was opened; one that shrinks meanwhile ends early, and the server then breaks off. */
class FileBody implements Body {
  private readonly fd: number;
  private rest: number;

  constructor(fd: number, length: number) {
    this.fd = fd;
    this.rest = length;
  }

  read(target: Uint8Array, offset: number, length: number): number {
    const part = readSync(this.fd, target, offset, Math.min(length, this.rest), null);
    this.rest -= part;
    return part;
  }

  close(): void {
    closeSync(this.fd);
  }
}

const PAGE = Buffer.from(`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>mtcp</title></head>
<body>
<h1>It works</h1>
<p>This page left through a TCP stack in userspace, written in TypeScript, over AF_XDP.</p>
<p><a href="/bytes/1000000">/bytes/N</a> gives N bytes that can be checked; <code>--root DIR</code> serves files.</p>
</body>
</html>
`);

/** The site without files: a page, and /bytes/N. */
export class BuiltInSite implements Site {
  /** The target that was asked for last, when it was one of N bytes, and N: it is often asked for again. */
  private lastTarget: string | undefined = undefined;
  private lastLength = 0;

  find(target: string): Content {
    if (target === this.lastTarget) return patternContent(this.lastLength);
    const path = decodePath(target);
    if (path === undefined) return statusContent(400, 'Bad Request');
    if (path === '/' || path === '/index.html') return bytesContent(200, HTML, PAGE);
    const count = /^\/bytes\/(\d{1,15})$/.exec(path);
    if (count === null) return statusContent(404, 'Not Found');
    this.lastTarget = target;
    this.lastLength = Number(count[1]);
    return patternContent(this.lastLength);
  }
}

function patternContent(length: number): Content {
  return { status: 200, type: BINARY, length, body: new PatternBody(length) };
}

/** The files below a folder. Nothing outside of it is reachable, by `..` or by a symbolic link. */
export class FileSite implements Site {
  private readonly root: string;

  /** @throws the error of realpath(3) when the folder is not there. */
  constructor(root: string) {
    this.root = realpathSync(root);
  }

  find(target: string): Content {
    const path = decodePath(target);
    if (path === undefined) return statusContent(400, 'Bad Request');
    // A path that climbs out names nothing here, wherever it would lead.
    if (path.split('/').includes('..')) return statusContent(404, 'Not Found');
    return this.open(path) ?? statusContent(404, 'Not Found');
  }

  private open(path: string): Content | undefined {
    let fd = -1;
    try {
      const file = realpathSync(join(this.root, path));
      if (file !== this.root && !file.startsWith(this.root === sep ? sep : this.root + sep)) return undefined;
      // O_NONBLOCK: a FIFO in the folder must not stop the server.
      fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
      const stat = fstatSync(fd);
      if (stat.isFile()) {
        if (path.endsWith('/')) return undefined;
        const type = TYPES[extname(file).toLowerCase()] ?? BINARY;
        const content = { status: 200, type, length: stat.size, body: new FileBody(fd, stat.size) };
        fd = -1;
        return content;
      }
      if (!stat.isDirectory()) return undefined;
      if (path.endsWith('/')) return this.open(`${path}index.html`);
      // `//host/` would lead to another server, so a redirect begins with exactly one slash.
      const to = `/${encodeURI(path).replace(/^\/+/, '').replaceAll('?', '%3F').replaceAll('#', '%23')}/`;
      return { ...statusContent(301, 'Moved Permanently'), location: to };
    } catch {
      return undefined;
    } finally {
      if (fd >= 0) closeSync(fd);
    }
  }
}

/** The path of a request target in origin or absolute form (RFC 9112 3.2), decoded; undefined when it is not one. */
function decodePath(target: string): string | undefined {
  // Most are a path, with nothing in it to decode.
  if (/^\/[\w./-]*$/.test(target)) return target;
  const match = /^(?:https?:\/\/[^/?#]*)?(\/[^?#]*)?(?:\?.*)?$/i.exec(target);
  if (match === null || target === '' || (match[1] === undefined && !/^http/i.test(target))) return undefined;
  try {
    const path = decodeURIComponent(match[1] ?? '/');
    return path.includes('\0') ? undefined : path;
  } catch {
    return undefined;
  }
}
