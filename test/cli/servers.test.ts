// The servers and the clients' stream on two stacks in memory, in virtual time: what each service says, and how it behaves
// with slow, fast, rude and half-closing peers.

import type { Test } from 'tap';
import t from 'tap';
import type { Patience } from '../../src/cli/clients/stream.js';
import { Stream } from '../../src/cli/clients/stream.js';
import { memoryDemo } from '../../src/cli/demo/memory-demo.js';
import { run } from '../../src/cli/main.js';
import { MemoryOutput } from '../../src/cli/output.js';
import { ChargenService, chargenBytes } from '../../src/cli/servers/chargen.js';
import { DiscardService } from '../../src/cli/servers/discard.js';
import { EchoService } from '../../src/cli/servers/echo.js';
import { FixedService } from '../../src/cli/servers/fixed.js';
import { HttpService } from '../../src/cli/servers/http.js';
import type { Body, Site } from '../../src/cli/servers/http-content.js';
import { BuiltInSite, FileSite } from '../../src/cli/servers/http-content.js';
import { findDifference, patternBytes } from '../../src/cli/servers/pattern.js';
import { Server } from '../../src/cli/servers/server.js';
import type { Service, Session } from '../../src/cli/servers/session.js';
import { KEEP } from '../../src/cli/servers/session.js';
import {
  AF_INET,
  errno,
  errnoName,
  MTCP_EPOLL_CTL_ADD,
  MTCP_EPOLLET,
  MTCP_EPOLLIN,
  mtcp_abort,
  mtcp_close,
  mtcp_connect,
  mtcp_epoll_ctl,
  mtcp_read,
  mtcp_setsock_nonblock,
  mtcp_shutdown,
  mtcp_socket,
  mtcp_write,
  SHUT_WR,
  SOCK_STREAM,
  sockaddr_in,
} from '../../src/index.js';
import type { Host } from '../../src/testing/index.js';
import { createHost, joinHosts } from '../../src/testing/index.js';

const PORT = 80;

/** A server on one host, a client on the other. */
class Stage {
  readonly server: Server;
  readonly client: Host;
  readonly host: Host;
  private readonly buffer = Buffer.alloc(65_536);

  constructor(service: Service, loss = 0) {
    this.host = createHost({ addresses: ['10.0.0.2/24'], seed: 2 });
    this.client = createHost({ addresses: ['10.0.0.1/24'], world: this.host.world });
    joinHosts(this.client, this.host, { delayUs: 100, loss });
    this.server = new Server(this.host.mctx, service, { port: PORT });
    this.host.onTurn = () => {
      while (this.server.poll(0) > 0);
    };
  }

  connect(): number {
    const id = mtcp_socket(this.client.mctx, AF_INET, SOCK_STREAM, 0);
    if (mtcp_connect(this.client.mctx, id, sockaddr_in('10.0.0.2', PORT)) < 0)
      throw new Error(errnoName(errno));
    return id;
  }

  write(id: number, bytes: Uint8Array | string): void {
    const data = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
    if (mtcp_write(this.client.mctx, id, data, data.length) !== data.length)
      throw new Error(errnoName(errno));
  }

  /** Reads until `length` bytes or the end. */
  read(id: number, length = Number.POSITIVE_INFINITY): Buffer {
    const parts: Buffer[] = [];
    for (let left = length; left > 0; ) {
      const received = mtcp_read(this.client.mctx, id, this.buffer, Math.min(left, this.buffer.length));
      if (received < 0) throw new Error(errnoName(errno));
      if (received === 0) break;
      parts.push(Buffer.from(this.buffer.subarray(0, received)));
      left -= received;
    }
    return Buffer.concat(parts);
  }

  finish(id: number): void {
    mtcp_shutdown(this.client.mctx, id, SHUT_WR);
  }

  close(id: number): void {
    mtcp_close(this.client.mctx, id);
    this.pass();
  }

  abort(id: number): void {
    mtcp_abort(this.client.mctx, id);
    this.pass();
  }

  /** Lets a second of virtual time pass. */
  pass(seconds = 1): void {
    this.client.advance(this.client.now + seconds * 1_000_000);
  }

  end(): void {
    this.server.close();
    this.server.close();
    this.client.close();
    this.host.close();
  }
}

function stage(t: Test, service: Service, loss = 0): Stage {
  const made = new Stage(service, loss);
  t.teardown(() => made.end());
  return made;
}

t.test('echo sends everything back, also to a peer that writes first and reads later', async (t) => {
  const s = stage(t, new EchoService());
  const id = s.connect();
  s.write(id, 'hello');
  t.equal(s.read(id, 5).toString(), 'hello');
  // More than both ends buffer: the server has to stop reading until the client reads.
  const bytes = patternBytes(3_000_000);
  mtcp_setsock_nonblock(s.client.mctx, id);
  let written = 0;
  let read = 0;
  const part = Buffer.alloc(65_536);
  while (read < bytes.length) {
    if (written < bytes.length) {
      const sent = mtcp_write(s.client.mctx, id, bytes.subarray(written), bytes.length - written);
      if (sent > 0) written += sent;
      // Writes as long as it can before it reads at all.
      if (sent > 0) continue;
    }
    s.pass(0.01);
    const received = mtcp_read(s.client.mctx, id, part, part.length);
    if (received <= 0) continue;
    if (findDifference(part, 0, received, read) >= 0) t.fail(`wrong after ${read} bytes`);
    read += received;
  }
  s.finish(id);
  s.pass();
  t.equal(mtcp_read(s.client.mctx, id, part, part.length), 0);
  t.match(s.server.totals, {
    connections: 1,
    open: 0,
    requests: 1,
    bytesIn: 3_000_005,
    bytesOut: 3_000_005,
    failed: 0,
  });
});

/** Counts the sessions that a service begins, and those of them that are not released. */
class Counting implements Service {
  readonly want: number;
  begun = 0;
  held = 0;
  private readonly service: Service;

  constructor(service: Service) {
    this.service = service;
    this.want = service.want;
  }

  open(...[mctx, sockid, totals]: Parameters<Service['open']>): Session {
    const session = this.service.open(mctx, sockid, totals);
    this.begun++;
    this.held++;
    return {
      get want() {
        return session.want;
      },
      get rests() {
        return session.rests === true;
      },
      onEvents: (events) => session.onEvents(events),
      sweep: () => session.sweep?.() ?? KEEP,
      release: () => {
        this.held--;
        session.release?.();
      },
    };
  }
}

t.test('a connection that only waits has no session', async (t) => {
  const http = new HttpService(new BuiltInSite());
  const request = 'GET /bytes/100 HTTP/1.1\r\nHost: a\r\n\r\n';
  const cases: [string, Service, string, string][] = [
    ['echo', new EchoService(), 'abc', 'def'],
    ['discard', new DiscardService(), 'abc', 'def'],
    ['fixed', new FixedService(10), 'abc', 'def'],
    ['http', http, request, request],
    ['http in two halves', http, request + request.slice(0, 20), request.slice(20)],
  ];
  for (const [name, inner, first, second] of cases) {
    await t.test(name, async (t) => {
      const service = new Counting(inner);
      const s = stage(t, service);
      const silent = s.connect();
      const id = s.connect();
      s.pass();
      t.equal(service.begun, 0, 'before anything has come');
      s.write(id, first);
      s.pass();
      s.server.sweep();
      const isHalf = name.endsWith('halves');
      t.match(service, { begun: 1, held: isHalf ? 1 : 0 }, isHalf ? 'in a request' : 'between two requests');
      s.write(id, second);
      s.pass();
      t.equal(service.begun, isHalf ? 1 : 2);
      s.server.sweep();
      t.equal(service.held, 0);
      t.match(s.server.totals, { bytesIn: first.length + second.length, open: 2 });
      s.finish(id);
      s.pass();
      s.close(silent);
      t.match(s.server.totals, { open: 0, failed: 0 });
      t.equal(service.held, 0, 'all sessions are released');
    });
  }
});

t.test('an event of a socket that is no connection of the server begins nothing', async (t) => {
  const service = new Counting(new EchoService());
  const s = stage(t, service);
  const { mctx } = s.host;
  const stranger = mtcp_socket(mctx, AF_INET, SOCK_STREAM, 0);
  mtcp_setsock_nonblock(mctx, stranger);
  const { epoll } = s.server as unknown as { epoll: number };
  const event = { events: MTCP_EPOLLIN | MTCP_EPOLLET, data: { sockid: stranger } };
  t.equal(mtcp_epoll_ctl(mctx, epoll, MTCP_EPOLL_CTL_ADD, stranger, event), 0);
  mtcp_connect(mctx, stranger, sockaddr_in('10.0.0.1', 9));
  s.pass();
  t.equal(service.begun, 0);
  t.match(s.server.totals, { connections: 0, open: 0, failed: 0 });
  const id = s.connect();
  s.write(id, 'abc');
  t.equal(String(s.read(id, 3)), 'abc', 'and those that are go on');
});

t.test('echo survives loss, resets and many connections', async (t) => {
  const s = stage(t, new EchoService(), 0.01);
  const ids = Array.from({ length: 50 }, () => s.connect());
  for (const [i, id] of ids.entries()) s.write(id, `connection ${i}`);
  for (const [i, id] of ids.entries())
    t.equal(s.read(id, `connection ${i}`.length).toString(), `connection ${i}`);
  t.equal(s.server.totals.peak, 50);
  s.abort(ids[0]);
  for (const id of ids.slice(1)) s.close(id);
  s.pass(70);
  t.match(s.server.totals, { connections: 50, open: 0, requests: 49, failed: 1 });
});

t.test('discard takes everything and says nothing', async (t) => {
  const s = stage(t, new DiscardService());
  const id = s.connect();
  s.write(id, patternBytes(1_000_000));
  s.finish(id);
  t.equal(s.read(id).length, 0);
  t.match(s.server.totals, { requests: 1, bytesIn: 1_000_000, bytesOut: 0 });
  const rude = s.connect();
  s.pass(0.1);
  s.abort(rude);
  t.equal(s.server.totals.failed, 1);
});

t.test('chargen turns its wheel until the peer has had enough', async (t) => {
  const s = stage(t, new ChargenService());
  const id = s.connect();
  const lines = s.read(id, 300_000);
  t.ok(lines.equals(chargenBytes(300_000)));
  t.equal(
    lines.subarray(0, 74).toString(),
    ' !"#$%&\'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefg\r\n',
  );
  s.write(id, 'ignored');
  s.finish(id);
  t.ok(s.read(id).length > 0);
  const rude = s.connect();
  s.read(rude, 10);
  s.abort(rude);
  s.pass();
  t.match(s.server.totals, { connections: 2, open: 0, requests: 2, failed: 0 });
});

t.test('fixed: a request that takes all reads of one event is answered', async (t) => {
  const size = 8 * 65_536;
  const service = new FixedService(4, size);
  const sysctl = { tcp_rmem: '4096 4194304 8388608', tcp_wmem: '4096 4194304 8388608' };
  const host = createHost({ addresses: ['10.0.0.2/24'], sysctl });
  const client = createHost({ addresses: ['10.0.0.1/24'], sysctl, world: host.world });
  joinHosts(client, host, { delayUs: 100 });
  const server = new Server(host.mctx, service, { port: PORT });
  const id = mtcp_socket(client.mctx, AF_INET, SOCK_STREAM, 0);
  t.equal(mtcp_connect(client.mctx, id, sockaddr_in('10.0.0.2', PORT)), 0);
  mtcp_setsock_nonblock(client.mctx, id);
  t.equal(mtcp_write(client.mctx, id, new Uint8Array(size), size), size);
  client.advance(client.now + 1_000_000);
  // All of it has come before the server looks.
  for (let i = 0; i < 10; i++) server.poll(0);
  client.advance(client.now + 1_000_000);
  t.equal(mtcp_read(client.mctx, id, new Uint8Array(10)), 4);
  server.close();
});

t.test('fixed answers each request, however it is cut', async (t) => {
  const s = stage(t, new FixedService(1000, 10));
  const id = s.connect();
  s.write(id, '0123456789012345');
  t.ok(s.read(id, 1000).equals(patternBytes(1000)));
  s.write(id, '6789');
  t.ok(s.read(id, 1000).equals(patternBytes(1000)));
  s.write(id, '0'.repeat(100));
  t.equal(s.read(id, 10_000).length, 10_000);
  s.finish(id);
  t.equal(s.read(id).length, 0);
  t.match(s.server.totals, { requests: 12, failed: 0 });

  const any = stage(t, new FixedService(200_000));
  const other = any.connect();
  any.write(other, 'x');
  t.ok(any.read(other, 200_000).equals(patternBytes(200_000)), 'a reply of many segments');
  any.write(other, 'y');
  any.finish(other);
  t.equal(any.read(other).length, 200_000, 'a request is answered after the peer has closed its side');
  const rude = any.connect();
  any.pass(0.1);
  any.abort(rude);
  t.equal(any.server.totals.failed, 1);
});

const DATE = Date.UTC(2026, 0, 1);
const site = (): HttpService => new HttpService(new BuiltInSite(), () => DATE);

t.test('http answers requests one after the other on one connection', async (t) => {
  const s = stage(t, site());
  const id = s.connect();
  s.write(id, 'GET /bytes/3 HTTP/1.1\r\nHost: a\r\n\r\n');
  const head =
    'HTTP/1.1 200 OK\r\nServer: mtcp\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n' +
    'Content-Type: application/octet-stream\r\nContent-Length: 3\r\n\r\n';
  const expected = head + patternBytes(3).toString('latin1');
  t.equal(s.read(id, expected.length).toString('latin1'), expected);
  s.write(id, '\r\nHEAD /bytes/3 HTTP/1.1\r\nHo');
  s.pass(0.1);
  s.write(id, 'st: a\r\n\r');
  s.pass(0.1);
  s.write(id, '\n');
  t.equal(s.read(id, head.length).toString('latin1'), head);
  s.write(id, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  t.match(s.read(id).toString(), /Connection: close\r\n\r\n<!doctype html>[\s\S]*<\/html>\n$/);
  t.match(s.server.totals, { connections: 1, requests: 3, open: 0, failed: 0 });
});

t.test('http answers what was sent at once in order, and bodies of requests are skipped', async (t) => {
  const s = stage(t, site());
  const id = s.connect();
  let requests = '';
  for (let i = 0; i < 300; i++) requests += `GET /bytes/${i} HTTP/1.1\r\nHost: a\r\n\r\n`;
  requests += 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello';
  requests += 'GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
  s.write(id, requests);
  const answers = s.read(id).toString('latin1');
  const lengths = [...answers.matchAll(/HTTP\/1\.1 200 OK\r\n[\s\S]*?Content-Length: (\d+)\r\n/g)].map(
    (match) => Number(match[1]),
  );
  t.same(
    lengths,
    Array.from({ length: 300 }, (_, i) => i),
  );
  t.match(answers, /HTTP\/1\.1 405 Method Not Allowed\r\n[\s\S]*Allow: GET, HEAD\r\n/);
  t.match(answers, /HTTP\/1\.1 404 Not Found\r\n[\s\S]*404 Not Found\n$/);
  t.equal(s.server.totals.requests, 302);
});

t.test('http speaks 1.0, and keeps its connections only when asked', async (t) => {
  const s = stage(t, site());
  const id = s.connect();
  s.write(id, 'GET /bytes/1 HTTP/1.0\nConnection: keep-alive\n\nGET /bytes/1 HTTP/1.0\n\n');
  const text = s.read(id).toString('latin1');
  t.equal(text.match(/Connection: keep-alive\r\n/g)?.length, 1);
  t.equal(text.match(/Connection: close\r\n/g)?.length, 1);
});

t.test('http refuses what it cannot do, and the answer arrives before the end', async (t) => {
  const cases: [request: string, status: number][] = [
    ['nonsense\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\n\r\n', 400],
    ['GET / HTTP/3.0\r\nHost: a\r\n\r\n', 505],
    [`GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}`, 431],
    [`GET /${'x'.repeat(10_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414],
    ['BREW / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', 501],
    ['PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n', 405],
    [`PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n${'x'.repeat(200_000)}`, 405],
  ];
  for (const [request, status] of cases) {
    const s = stage(t, site());
    const id = s.connect();
    s.write(id, request);
    const text = s.read(id).toString('latin1');
    t.match(text, new RegExp(`^HTTP/1.1 ${status} `), request.slice(0, 40));
    t.match(text, /Connection: close\r\n/);
    s.close(id);
    t.match(s.server.totals, { open: 0, failed: 0 });
  }
});

t.test('http waits for a peer that goes on sending, but not for ever', async (t) => {
  const s = stage(t, site());
  const id = s.connect();
  s.write(id, 'nonsense\r\n\r\n');
  t.match(s.read(id).toString(), /400 Bad Request/);
  s.write(id, 'more');
  s.pass();
  t.equal(s.server.totals.open, 1);
  for (let i = 0; i < 5; i++) s.server.sweep();
  t.equal(s.server.totals.open, 0);
});

t.test('http sends a large file as it is, to a fast peer and to one that reads in drops', async (t) => {
  const bytes = patternBytes(2_000_000);
  const folder = t.testdir({ big: bytes });
  const s = stage(t, new HttpService(new FileSite(folder)), 0.002);
  const id = s.connect();
  for (const size of [65_536, 1000]) {
    s.write(id, 'GET /big HTTP/1.1\r\nHost: a\r\n\r\n');
    let head = '';
    while (!head.endsWith('\r\n\r\n')) head += s.read(id, 1).toString('latin1');
    t.match(head, /Content-Length: 2000000\r\n/);
    for (let at = 0; at < bytes.length; at += size) {
      const part = s.read(id, Math.min(size, bytes.length - at));
      if (findDifference(part, 0, part.length, at) >= 0) t.fail(`wrong near byte ${at}`);
    }
  }
  s.write(id, 'GET /big HTTP/1.1\r\nHost: a\r\n\r\n');
  s.read(id, 100_000);
  s.abort(id);
  t.match(s.server.totals, { open: 0, failed: 1 }, 'a peer that goes away in the middle');
});

t.test('http breaks off when a body is shorter than promised', async (t) => {
  let closed = 0;
  const body: Body = {
    read: () => 0,
    close: () => void closed++,
  };
  const broken: Site = { find: () => ({ status: 200, type: 'text/plain', length: 10, body }) };
  const s = stage(t, new HttpService(broken));
  const id = s.connect();
  s.write(id, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  t.throws(() => s.read(id), /ECONNRESET/);
  t.equal(closed, 1);
});

t.test('http forgets a peer that goes away between or in requests', async (t) => {
  const s = stage(t, site());
  const early = s.connect();
  s.pass(0.1);
  s.abort(early);
  t.equal(s.server.totals.failed, 0, 'between requests: it has had enough');
  const id = s.connect();
  s.write(id, 'GET / HT');
  s.pass(0.1);
  s.abort(id);
  t.equal(s.server.totals.failed, 1);
  const half = s.connect();
  s.write(half, 'GET / HT');
  s.finish(half);
  t.equal(s.read(half).length, 0);
  t.equal(s.server.totals.open, 0);
});

t.test('a server says why it cannot listen', async (t) => {
  const host = createHost({ addresses: ['10.0.0.2/24'] });
  const service = new EchoService();
  const first = new Server(host.mctx, service, { port: 7 });
  t.throws(() => new Server(host.mctx, service, { port: 7 }), /port 7 is in use: choose another --port/);
  t.throws(
    () => new Server(host.mctx, service, { port: 8, address: '10.0.0.9' }),
    /not an address of the stack/,
  );
  t.throws(() => new Server(host.mctx, service, { port: 8, backlog: 0 }), /cannot listen on port 8/);
  first.close();
  host.close();
  t.throws(() => new Server(host.mctx, service, { port: 7 }), /no socket/);
  t.throws(() => first.poll(0), /the stack has stopped/);
});

const patience: Patience = { timeoutMs: 5000, cancelled: () => false };

t.test('a stream connects, writes, reads to the end and flushes', async (t) => {
  const s = stage(t, new EchoService());
  const stream = await Stream.connect(s.client.mctx, '10.0.0.2', PORT, patience);
  const bytes = patternBytes(200_000);
  const buffer = Buffer.alloc(65_536);
  const writing = stream.write(bytes);
  let read = 0;
  while (read < bytes.length) {
    const received = await stream.read(buffer);
    t.equal(findDifference(buffer, 0, received, read), -1);
    read += received;
  }
  await writing;
  await stream.flush(1000);
  t.equal(await stream.read(buffer), 0);
  stream.close();
  stream.close();
  stream.abort();
});

t.test('a stream says why it failed', async (t) => {
  const s = stage(t, new EchoService());
  await t.rejects(
    Stream.connect(s.client.mctx, '10.0.0.2', 81, patience),
    /connecting to 10.0.0.2:81: connection refused \(ECONNREFUSED\)/,
  );
  await t.rejects(Stream.connect(s.client.mctx, '10.0.1.2', 80, patience), /ENETUNREACH/);
  const cancelled = { timeoutMs: 5000, cancelled: () => true };
  await t.rejects(Stream.accept(s.client.mctx, 9, cancelled), /interrupted/);
  const hasty = { timeoutMs: 1, cancelled: () => false };
  const stream = await Stream.connect(s.client.mctx, '10.0.0.2', PORT, patience);
  stream.abort();
  await t.rejects(Stream.accept(s.client.mctx, 9, hasty), /nothing happened for 0.001 s/);
  s.client.close();
  await t.rejects(Stream.connect(s.client.mctx, '10.0.0.2', PORT, patience), /no socket/);
});

t.test('a stream accepts one connection', async (t) => {
  const s = stage(t, new EchoService());
  const accepting = Stream.accept(s.client.mctx, 99, patience);
  const id = mtcp_socket(s.host.mctx, AF_INET, SOCK_STREAM, 0);
  mtcp_setsock_nonblock(s.host.mctx, id);
  mtcp_connect(s.host.mctx, id, sockaddr_in('10.0.0.1', 99));
  const stream = await accepting;
  mtcp_write(s.host.mctx, id, Buffer.from('hi'), 2);
  mtcp_close(s.host.mctx, id);
  const buffer = Buffer.alloc(10);
  t.equal(await stream.read(buffer), 2);
  t.equal(await stream.read(buffer), 0);
  stream.close();
  const taken = Stream.accept(s.host.mctx, PORT, patience);
  await t.rejects(taken, /listening on port 80: address in use \(EADDRINUSE\)/);
});

t.test('the demo in memory compares every byte and leaves a capture', async (t) => {
  const folder = t.testdir({});
  const out = new MemoryOutput();
  t.equal(await run(['demo', '--memory', '--json', '--pcap', `${folder}/a.pcapng`], out), 0);
  t.match(out.values[0], { kind: 'memory', mode: 'memory', connections: 202, reason: '--memory was given' });
  t.ok((out.values[0].verifiedBytes as number) > 2_000_000);
  const shown = new MemoryOutput();
  t.equal(await run(['demo', '--memory', '--pcap', `${folder}/b.pcapng`], shown), 0);
  t.match(shown.text, /in memory --memory was given; AF_XDP and the kernel are not used/);
  t.match(shown.text, /compared byte by byte/);
  let said = '';
  const complain = (sentence: string): void => {
    said = sentence;
  };
  t.equal(
    await run(['demo', '--memory', '--pcap', `${folder}/no/c.pcapng`], new MemoryOutput(), complain),
    1,
  );
  t.match(said, /cannot be written \(ENOENT\): name another with --pcap/);
  t.throws(() => memoryDemo({ reason: '', pcap: folder, say: () => {} }), { code: 'EISDIR' });
});
