// HTTP without a network: the parser of requests, the reader of responses, the sites and the byte pattern.

import { symlinkSync } from 'node:fs';
import t from 'tap';
import { ResponseReader } from '../../src/cli/clients/http-response.js';
import type { Content } from '../../src/cli/servers/http-content.js';
import { BuiltInSite, FileSite } from '../../src/cli/servers/http-content.js';
import { HttpInput } from '../../src/cli/servers/http-input.js';
import {
  type BadRequest,
  findHeadEnd,
  parseRequest as parseHead,
  type Request,
} from '../../src/cli/servers/http-request.js';
import { copyPattern, findDifference, PATTERN_PERIOD, patternBytes } from '../../src/cli/servers/pattern.js';

/** Parses a head that stands between other bytes. */
const parseRequest = (head: string): Request | BadRequest => {
  const bytes = Buffer.from(`x${head}GET`, 'latin1');
  return parseHead(bytes, 1, bytes.length - 3);
};

t.test('the end of a head is found, however its lines end', async (t) => {
  const end = (text: string): number => findHeadEnd(Buffer.from(text), 0, text.length);
  t.equal(end('GET / HTTP/1.1\r\n\r\nmore'), 18);
  t.equal(end('GET / HTTP/1.0\n\n'), 16);
  t.equal(end('GET / HTTP/1.1\r\nHost: a\r\n'), -1);
  t.equal(end('GET /'), -1);
  t.equal(findHeadEnd(Buffer.from('a\r\n\r\n'), 0, 4), -1, 'bytes behind the end do not count');
});

t.test('a head that comes byte by byte takes work in proportion to its length', async (t) => {
  const head = Buffer.from(`GET / HTTP/1.1\r\n${'X: y\r\n'.repeat(2700)}\r\n`);
  const shared = Buffer.alloc(16);
  const input = new HttpInput(shared);
  let looks = 0;
  let moved = 0;
  const counted = (bytes: Buffer): Buffer =>
    new Proxy(bytes, {
      get(target, at) {
        looks++;
        return Reflect.get(target, at, target);
      },
    });
  let headEnd = -1;
  for (const byte of head) {
    const { bytes, length } = input;
    shared[0] = byte;
    input.add(1);
    input.keep();
    const own = input.bytes;
    if (own !== bytes) moved += length;
    input.bytes = counted(own);
    headEnd = input.headEnd();
    input.bytes = own;
  }
  t.equal(headEnd, head.length);
  t.ok(input.bytes.subarray(input.start, headEnd).equals(head));
  t.ok(looks < 5 * head.length, `looked at ${looks} bytes of ${head.length}`);
  t.ok(moved < 2 * head.length, `moved ${moved} bytes`);
});

t.test('a request is read as RFC 9112 says', async (t) => {
  const get = (fields: string, line = 'GET / HTTP/1.1'): ReturnType<typeof parseRequest> =>
    parseRequest(`${line}\r\n${fields}\r\n`);
  t.same(get('Host: a\r\n'), { method: 'GET', target: '/', minor: 1, keepAlive: true, bodyLength: 0 });
  t.match(get('host:a\r\nconnection: Close\r\n'), { keepAlive: false });
  t.match(get('', 'GET /x?y HTTP/1.0'), { target: '/x?y', minor: 0, keepAlive: false });
  t.match(get('Connection: foo, Keep-Alive\r\n', 'GET / HTTP/1.0'), { keepAlive: true });
  t.match(get('Host: a\r\nContent-Length: 12\r\n', 'POST / HTTP/1.1'), { bodyLength: 12 });
  t.match(get('Host: a\r\nContent-Length: 12\r\nContent-Length: 12\r\n'), { bodyLength: 12 });
  t.match(get('Host: a\r\nTransfer-Encoding: chunked\r\n'), { bodyLength: -1 });
});

t.test('what is no request has the status that says so', async (t) => {
  const cases: [head: string, status: number][] = [
    ['hello\r\n\r\n', 400],
    ['GET  / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['GET /\r\n\r\n', 400],
    ['GET / HTTP/2.0\r\nHost: a\r\n\r\n', 505],
    ['GET / HTTP/1.1\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\nHost : a\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n', 501],
    [`GET /${'x'.repeat(9000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414],
    [`${'x'.repeat(9000)}\r\n\r\n`, 414],
  ];
  for (const [head, status] of cases) t.same(parseRequest(head), { status }, head.slice(0, 60));
});

/** Reads a response in pieces of every size. */
function readAll(
  method: string,
  text: string,
  ended: boolean,
): { reader: ResponseReader; body: string; used: number }[] {
  return [1, 2, 3, 7, text.length].map((size) => {
    let body = '';
    const reader = new ResponseReader(method, (part) => {
      body += part.toString('latin1');
    });
    const bytes = Buffer.from(text, 'latin1');
    let used = 0;
    for (let at = 0; at < bytes.length && !reader.done; at += size)
      used += reader.feed(bytes.subarray(at, at + size));
    if (ended) reader.finish();
    return { reader, body, used };
  });
}

t.test('a response is framed by its length, by chunks or by the end', async (t) => {
  const cases: [method: string, text: string, body: string, ended: boolean][] = [
    ['GET', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', 'hello', false],
    ['GET', 'HTTP/1.1 200\r\nContent-Length: 5, 5\r\n\r\nhello', 'hello', false],
    ['GET', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', '', false],
    ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', '', false],
    ['GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n', '', false],
    ['GET', 'HTTP/1.0 200 OK\r\n\r\nto the end', 'to the end', true],
    ['GET', 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\nContent-Length: 2\n\nhi', 'hi', false],
    [
      'GET',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\nB\r\n, the world\r\n0\r\nTrailer: t\r\n\r\n',
      'hello, the world',
      false,
    ],
  ];
  for (const [method, text, body, ended] of cases) {
    for (const result of readAll(method, text, ended)) {
      t.ok(result.reader.done, text);
      t.equal(result.body, body);
      t.equal(result.reader.bodyBytes, body.length);
      t.equal(result.used, text.length);
    }
  }
  const [{ reader }] = readAll(
    'GET',
    'HTTP/1.1 404 Not Found\r\nX: a\r\nx: b\r\nContent-Length: 0\r\n\r\n',
    false,
  );
  t.match(reader.head, { status: 404, reason: 'Not Found' });
  t.equal(reader.head?.fields.get('x'), 'a, b');
});

t.test('bytes after a response are left alone', async (t) => {
  const reader = new ResponseReader('GET', () => {});
  t.equal(reader.feed(Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1')), 39);
});

t.test('a broken response says how it is broken', async (t) => {
  const cases: [text: string, reason: RegExp][] = [
    ['SSH-2.0-x\r\n\r\n', /not the beginning of an HTTP\/1 response/],
    ['HTTP/1.1 200 OK\r\nno field\r\n\r\n', /not a header field/],
    ['HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n', /not a length/],
    ['HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n', /not a length/],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', /not the size of a chunk/],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n', /longer than it says/],
    [`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(70_000)}`, /too long/],
    ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel', /in the middle of the body, after 3 bytes/],
    ['HTTP/1.1 200 OK\r\n', /before an answer/],
  ];
  for (const [text, reason] of cases) t.throws(() => readAll('GET', text, true), reason, text.slice(0, 50));
});

function bodyOf({ body, length }: Content): string {
  const bytes = Buffer.alloc(length);
  let at = 0;
  while (body !== undefined && at < length) {
    const part = body.read(bytes, at, Math.min(3, length - at));
    if (part === 0) break;
    at += part;
  }
  body?.close();
  return bytes.toString('latin1', 0, at);
}

t.test('the site without files has a page and bytes that can be checked', async (t) => {
  const site = new BuiltInSite();
  t.match(bodyOf(site.find('/')), /It works/);
  t.match(bodyOf(site.find('http://host:80/index.html?q')), /It works/);
  const content = site.find('/bytes/100');
  t.equal(content.length, 100);
  t.equal(bodyOf(content), patternBytes(100).toString('latin1'));
  for (const target of ['/bytes/', '/bytes/x', '/favicon.ico', '/bytes/9999999999999999']) {
    t.equal(site.find(target).status, 404, target);
  }
  for (const target of ['', '*', 'x', '/%zz', '/%00', 'ftp://x/'])
    t.equal(site.find(target).status, 400, target);
});

t.test('a folder is served, and nothing outside of it', async (t) => {
  const folder = t.testdir({
    secret: 'secret',
    site: {
      'index.html': 'home',
      'a b.txt': 'spaced',
      sub: { 'index.html': 'sub' },
      empty: {},
      'wh?t': { x: '' },
    },
  });
  symlinkSync('../secret', `${folder}/site/out`);
  symlinkSync('index.html', `${folder}/site/in`);
  const site = new FileSite(`${folder}/site`);
  t.equal(bodyOf(site.find('/')), 'home');
  t.equal(site.find('/').type, 'text/html; charset=utf-8');
  t.equal(bodyOf(site.find('/a%20b.txt')), 'spaced');
  t.equal(bodyOf(site.find('/in')), 'home', 'a link that stays inside');
  t.equal(bodyOf(site.find('/sub/')), 'sub');
  t.match(site.find('//sub'), { status: 301, location: '/sub/' });
  t.match(site.find('/wh%3Ft'), { status: 301, location: '/wh%3Ft/' });
  const outside = [
    '/out',
    '/../secret',
    '/%2e%2e/secret',
    '/sub/../../secret',
    '/..%2fsecret',
    '//../secret',
  ];
  for (const target of [...outside, '/nothing', '/empty/', '/index.html/', '/index.html/x']) {
    t.equal(site.find(target).status, 404, target);
  }
  t.equal(site.find('/%zz').status, 400);
  t.throws(() => new FileSite(`${folder}/nowhere`), { code: 'ENOENT' });
});

t.test('the pattern shows the first byte that is not where it belongs', async (t) => {
  const bytes = patternBytes(300_000);
  t.equal(findDifference(bytes, 0, bytes.length, 0), -1);
  t.equal(findDifference(bytes, 1000, 200_000, 1000), -1);
  t.equal(findDifference(bytes, 0, 1000, PATTERN_PERIOD), -1, 'it repeats after its period');
  t.ok(findDifference(bytes, 1, 1000, 0) >= 0, 'a byte was lost');
  t.ok(findDifference(bytes, 65_536, 65_536, 0) >= 0, 'a block is out of place');
  bytes[123_456] ^= 1;
  t.equal(findDifference(bytes, 0, bytes.length, 0), 123_456);
  const part = Buffer.alloc(10);
  copyPattern(part, 2, 8, 123);
  t.same(part.subarray(2), patternBytes(131).subarray(123));
});
