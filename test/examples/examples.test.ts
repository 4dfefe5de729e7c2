// The sample programs: epserver, epwget and the proxy against each other on virtual hosts, and as programs of their own in the lab
// (as root) against the kernel.

import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { echoServer } from '../../examples/epoll-echo.js';
import { FileServer, loadFiles, statistics } from '../../examples/epserver.js';
import { LoadGenerator, line } from '../../examples/epwget.js';
import { TcpProxy } from '../../examples/proxy.js';
import { missingPrivileges } from '../../src/cli/doctor.js';
import * as api from '../../src/index.js';
import { labDown, labUp, peerNamespace, stackNamespace } from '../../src/nic/os/lab.js';
import { createHost, type Host, joinHosts, World } from '../../src/testing/index.js';
import { failure, pattern, socket } from '../api/support.js';

const big = pattern(300_000);

/** A client at 10.0.0.1 and a server at 10.0.0.2, both programs driven by virtual time. */
function hosts(): [Host, Host] {
  const world = new World();
  const client = createHost({ addresses: ['10.0.0.1/24'], world });
  const server = createHost({ addresses: ['10.0.0.2/24'], world });
  joinHosts(client, server, { delayUs: 200, bandwidthBps: 1e9 });
  return [client, server];
}

t.test('epwget fetches from epserver, many at a time', async (t) => {
  const dir = t.testdir({ 'index.html': '<h1>Hello</h1>', 'big.bin': Buffer.from(big), folder: {} });
  const [client, server] = hosts();
  const files = loadFiles(dir);
  t.same([...files.keys()], ['/big.bin', '/index.html']);
  const program = new FileServer(server.mctx, files);
  server.onTurn = () => program.poll(0) > 0;
  const fetch = (path: string, requests: number, concurrency: number): [LoadGenerator, Buffer] => {
    const pieces: Buffer[] = [];
    const load = { address: '10.0.0.2', port: 80, path, requests, concurrency };
    const generator = new LoadGenerator(client.mctx, {
      ...load,
      onBody: (bytes) => pieces.push(Buffer.from(bytes)),
    });
    while (!generator.isDone) generator.poll(-1);
    return [generator, Buffer.concat(pieces)];
  };
  const [small, text] = fetch('/', 500, 100);
  t.equal(text.toString(), '<h1>Hello</h1>');
  t.equal(small.summary(), '[CPU 0] Completed 500 connections, errors: 0 incompletes: 0');
  t.match(
    line([small.sample()]),
    /^\[ ALL \] connect: {5}500, read: +\d+ MB, write: +\d+ MB, completes: {5}500 \(resp_time avg: +\d+, max: +\d+ us\)$/,
  );
  t.match(line([small.sample()]), /connect: {7}0, .* completes: {7}0 \(resp_time avg: {4}0, max: {6}0 us\)/);
  t.same(fetch('/big.bin', 20, 7)[1], Buffer.from(big));
  const [missing] = fetch('/none', 3, 3);
  t.same([missing.completed, missing.errors], [3, 3], '404 is an error');
  t.equal(program.requests, 523);
  t.match(statistics(server.mctx, { rx: 0, tx: 0 }), /^\[CPU 0\] flows: +\d+, RX: +\d+\(pps\)/);
  client.advance(client.now + 120_000_000);
  t.equal(program.open, 0);
  t.equal(client.stack.tcp.core.demux.allocated, 0);
});

t.test('200,000 connections one after another leave nothing behind', async (t) => {
  const [client, server] = hosts();
  const program = new FileServer(
    server.mctx,
    new Map([
      ['/', pattern(0)],
      ['/a', pattern(64)],
    ]),
  );
  server.onTurn = () => program.poll(0) > 0;
  const load = { address: '10.0.0.2', port: 80, path: '/a', requests: 200_000, concurrency: 1 };
  const generator = new LoadGenerator(client.mctx, load);
  while (!generator.isDone) generator.poll(-1);
  t.equal(generator.summary(), '[CPU 0] Completed 200000 connections, errors: 0 incompletes: 0');
  client.advance(client.now + 120_000_000);
  for (const [name, host, sockets] of [
    ['client', client, 1],
    ['server', server, 2],
  ] as const) {
    const { demux, buffers } = host.stack.tcp.core;
    t.same([demux.allocated, demux.size, buffers.inUse], [0, 0, 0], `${name}: blocks, ports, buffers`);
    t.equal(host.mctx.sockets.used, sockets, `${name}: epoll set and listener are the only sockets`);
    t.equal(host.nextDeadline(), Number.POSITIVE_INFINITY, `${name}: no timer runs`);
    t.match(host.nic.statistics(), { rx_dropped: 0, tx_no_frames: 0, frame_misuse: 0 });
  }
});

t.test('epserver keeps connections alive that want it', async (t) => {
  const [client, server] = hosts();
  const program = new FileServer(server.mctx, new Map([['/a', pattern(5)]]));
  server.onTurn = () => program.poll(0) > 0;
  const { mctx } = client;
  const id = socket(mctx);
  t.equal(api.mtcp_connect(mctx, id, api.sockaddr_in('10.0.0.2', 80)), 0);
  const buf = new Uint8Array(1000);
  for (let i = 0; i < 3; i++) {
    api.mtcp_write(mctx, id, Buffer.from('GET /a HTTP/1.1\r\n\r\n'));
    t.match(
      Buffer.from(buf.subarray(0, api.mtcp_read(mctx, id, buf))).toString('latin1'),
      /200 OK.*Keep-Alive/s,
    );
  }
  api.mtcp_write(mctx, id, Buffer.from('POST /a HTTP/1.1\r\nConnection: close\r\n\r\n'));
  t.match(
    Buffer.from(buf.subarray(0, api.mtcp_read(mctx, id, buf))).toString('latin1'),
    /404 Not Found.*Close/s,
  );
  t.equal(api.mtcp_read(mctx, id, buf), 0);
});

t.test('epwget counts what goes wrong', async (t) => {
  const [client] = hosts();
  const load = { address: '10.0.0.2', port: 80, path: '/', requests: 5, concurrency: 2 };
  const refused = new LoadGenerator(client.mctx, load);
  while (!refused.isDone) refused.poll(-1);
  t.equal(refused.summary(), '[CPU 0] Completed 0 connections, errors: 5 (ECONNREFUSED: 5) incompletes: 0');
  const nowhere = new LoadGenerator(client.mctx, { ...load, address: '192.0.2.1' });
  while (!nowhere.isDone) nowhere.poll(-1);
  t.equal(nowhere.errors, 5);
  t.match(nowhere.summary(), /errors: 5 \(ENETUNREACH: 5\)/);
  const [asking, answering] = hosts();
  const server = new FileServer(answering.mctx, new Map());
  const missing = new LoadGenerator(asking.mctx, load);
  while (!missing.isDone) {
    missing.poll(1);
    server.poll(0);
  }
  t.match(missing.summary(), /Completed 5 connections, errors: 5 \(HTTP 404: 5\) incompletes: 0/);
});

t.test(
  'the echo server of one epoll set serves many, and one that does not read keeps it from nothing',
  async (t) => {
    const [client, server] = hosts();
    const poll = echoServer(server.mctx, 7);
    server.onTurn = () => poll(0) > 0;
    const { mctx } = client;
    const connect = (): number => {
      const id = socket(mctx);
      t.equal(api.mtcp_connect(mctx, id, api.sockaddr_in('10.0.0.2', 7)), 0);
      return id;
    };
    const lazy = connect();
    api.mtcp_setsock_nonblock(mctx, lazy);
    // More than the buffers of both sides hold.
    let written = 0;
    for (let sent = 1, quiet = 0; quiet < 3; ) {
      sent = api.mtcp_write(mctx, lazy, big);
      if (sent > 0) written += sent;
      quiet = sent > 0 ? 0 : quiet + 1;
      client.advance(client.now + 10_000_000);
    }
    t.ok(written > 300_000, `${written} bytes`);
    for (const id of Array.from({ length: 20 }, connect)) {
      const buf = new Uint8Array(1000);
      api.mtcp_write(mctx, id, pattern(1000, id));
      t.equal(api.mtcp_recv(mctx, id, buf, 1000, api.MSG_WAITALL), 1000);
      t.same(Buffer.from(buf), Buffer.from(pattern(1000, id)));
      api.mtcp_close(mctx, id);
    }
    api.mtcp_shutdown(mctx, lazy, api.SHUT_WR);
    const buf = new Uint8Array(65_536);
    let received = 0;
    for (let n = 1; n !== 0; ) {
      n = api.mtcp_read(mctx, lazy, buf);
      if (n > 0) received += n;
      else client.advance(client.now + 1_000_000);
    }
    t.equal(received, written);
    api.mtcp_close(mctx, lazy);
    client.advance(client.now + 120_000_000);
    t.equal(server.mctx.sockets.used, 2, 'epoll set and listener are left');
  },
);

t.test('the proxy relays both directions, half-closes and resets', async (t) => {
  const world = new World();
  const client = createHost({ addresses: ['10.0.0.1/24'], world, gateway: '10.0.0.254' });
  const left = createHost({ addresses: ['10.0.0.254/24'], world });
  joinHosts(client, left, { delayUs: 200 });
  // The proxy and the origin are the same host: what is relayed goes out and comes back over the wire to the client's side.
  const origin = client;
  const proxy = new TcpProxy(left.mctx, 8080, api.sockaddr_in('10.0.0.1', 80));
  left.onTurn = () => proxy.poll(0) > 0;
  const listening = socket(origin.mctx);
  api.mtcp_bind(origin.mctx, listening, api.sockaddr_in('10.0.0.1', 80));
  api.mtcp_listen(origin.mctx, listening, 10);
  const { mctx } = client;
  const connect = (): [number, number] => {
    const id = socket(mctx);
    t.equal(api.mtcp_connect(mctx, id, api.sockaddr_in('10.0.0.254', 8080)), 0);
    return [id, api.mtcp_accept(origin.mctx, listening)];
  };
  const [id, far] = connect();
  const buf = new Uint8Array(100_000);
  const exchange = (from: number, to: number, bytes: Uint8Array): void => {
    t.equal(api.mtcp_write(mctx, from, bytes), bytes.length);
    t.equal(api.mtcp_recv(mctx, to, buf, bytes.length, api.MSG_WAITALL), bytes.length);
    t.same(Buffer.from(buf.subarray(0, bytes.length)), Buffer.from(bytes));
  };
  exchange(id, far, pattern(10));
  exchange(far, id, pattern(60_000));
  exchange(id, far, pattern(50_000, 5));
  api.mtcp_shutdown(mctx, id, api.SHUT_WR);
  t.equal(api.mtcp_read(mctx, far, buf), 0, 'half a close goes through');
  exchange(far, id, pattern(1000));
  api.mtcp_close(mctx, far);
  t.equal(api.mtcp_read(mctx, id, buf), 0);
  client.advance(client.now + 1000);
  t.equal(proxy.open, 0);
  t.equal(proxy.relayedBytes, 111_010);
  const [victim, reset] = connect();
  api.mtcp_abort(mctx, reset);
  t.equal(failure(api.mtcp_read(mctx, victim, buf)), 'ECONNRESET', 'a reset is passed on');
  api.mtcp_close(mctx, listening);
  const refused = socket(mctx);
  t.equal(api.mtcp_connect(mctx, refused, api.sockaddr_in('10.0.0.254', 8080)), 0);
  t.equal(failure(api.mtcp_read(mctx, refused, buf)), 'ECONNRESET', 'nobody listens there');
  t.equal(proxy.open, 0);
  t.equal(proxy.accepted, 3);
});

const missing = missingPrivileges();
const skip = missing.length > 0 ? `the lab needs root: ${missing.join(', ')} missing` : false;
if (skip !== false) t.comment(`skipped: ${skip}`);

t.test('the programs run in the lab against the kernel', { skip }, async (t) => {
  const lab = `mtcp-t-ex-${process.pid}`;
  const dir = t.testdir({
    www: { 'index.html': 'from the stack', 'big.bin': Buffer.from(big) },
    'server.conf':
      `io = dpdk\nport = mtcp0\nnum_cores = 1\nrcvbuf = 65536\nsndbuf = 65536\n` +
      `address = 10.77.0.10/24\nnetns = ${stackNamespace(lab)}\n`,
    'serve.mjs': `import { createServer } from 'node:http';
      createServer((_, answer) => answer.end('x'.repeat(5000))).listen(80, '10.77.0.1', () => console.log('ready'));`,
  });
  labUp({ name: lab, queues: 1, mtu: 1500 });
  const program = (name: string): string =>
    fileURLToPath(new URL(`../../examples/${name}.js`, import.meta.url));
  const inPeer = (...words: string[]): string[] => ['netns', 'exec', peerNamespace(lab), ...words];
  const children: ReturnType<typeof spawn>[] = [];
  const start = async (command: string, words: string[], sign: RegExp) => {
    const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'pipe'] });
    children.push(child);
    let said = '';
    await new Promise<void>((resolve, reject) => {
      const hear = (chunk: Buffer): void => {
        said += chunk.toString();
        if (sign.test(said)) resolve();
      };
      child.stdout!.on('data', hear);
      child.stderr!.on('data', hear);
      child.once('close', () => reject(new Error(`it ended: ${said}`)));
    });
    return { child, said: () => said };
  };
  try {
    const server = await start(
      process.execPath,
      [program('epserver'), '-p', join(dir, 'www'), '-f', join(dir, 'server.conf')],
      /listens on port 80/,
    );
    t.match(server.said(), /server\.conf:1: io: dpdk is not used/);
    const script = `const r = await fetch('http://10.77.0.10/big.bin'); const b = Buffer.from(await r.arrayBuffer());
      const c = await import('node:crypto'); console.log(c.createHash('sha256').update(b).digest('hex'));
      for (let i = 0; i < 50; i++) if (await (await fetch('http://10.77.0.10/')).text() !== 'from the stack') throw new Error();`;
    const kernel = spawnSync('ip', inPeer(process.execPath, '--input-type=module', '-e', script), {
      encoding: 'utf8',
      timeout: 30_000,
    });
    t.equal(kernel.status, 0, kernel.stderr);
    t.equal(kernel.stdout.trim(), createHash('sha256').update(big).digest('hex'));
    const ended = new Promise((resolve) => server.child.once('close', resolve));
    server.child.kill('SIGINT');
    t.equal(await ended, 0, 'ends by SIGINT');

    await start('ip', inPeer(process.execPath, join(dir, 'serve.mjs')), /ready/);
    const out = join(dir, 'body');
    const words = ['10.77.0.1/', '2000', '-c', '50', '-o', out, '-f', join(dir, 'server.conf')];
    const client = spawnSync(process.execPath, [program('epwget'), ...words], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    t.equal(client.status, 0, client.stderr);
    t.match(client.stdout, /\[CPU 0\] Completed 2000 connections, errors: 0 incompletes: 0/);
    t.equal(readFileSync(out, 'utf8'), 'x'.repeat(5000));
  } finally {
    for (const child of children) child.kill('SIGKILL');
    labDown(lab);
  }
});

t.test('what the user can mend is a sentence with the remedy, and no trace', async (t) => {
  const dir = t.testdir({
    www: {},
    'unknown.conf': 'port = mtcp0\nspeed = 1\n',
    'none.conf': 'port = mtcp-t-none\nnum_cores = 1\naddress = 10.77.0.10/24\n',
  });
  const [www, none] = [join(dir, 'www'), join(dir, 'none.conf')];
  const cases: [words: string[], sentence: RegExp][] = [
    [
      ['epserver', '-p', '/nowhere', '-f', none],
      /^\/nowhere cannot be read \(ENOENT\): name another with -p\n$/,
    ],
    [
      ['epserver', '-p', www, '-f', '/none'],
      /^\S+ has no files: .*404\n\/none cannot be read \(ENOENT\): .*-f\n$/,
    ],
    [
      ['epserver', '-p', www, '-f', join(dir, 'unknown.conf')],
      /unknown\.conf:2: speed: there is no such key/,
    ],
    [['epserver', '-p', www, '-f', none], /there is no interface mtcp-t-none in .*; list them with/],
    [['epserver', '-x'], /Unknown option '-x'/],
    [
      ['epwget', '10.0.0.1/', '1', '-f', '/none'],
      /^\/none cannot be read \(ENOENT\): name another with -f\n$/,
    ],
    [['epwget', '10.0.0.1/', '1', '-f', none], /there is no interface mtcp-t-none/],
    [['proxy', '-l', '80', '-t', '10.0.0.1:80', '-f', join(dir, 'unknown.conf')], /there is no such key/],
    [
      ['cores', 'mtcp-t-none', 'mtcp0', '10.0.0.1/24'],
      /there is no network namespace mtcp-t-none; list them/,
    ],
  ];
  for (const [[name, ...words], sentence] of cases) {
    const path = fileURLToPath(new URL(`../../examples/${name}.js`, import.meta.url));
    const { status, stderr } = spawnSync(process.execPath, [path, ...words], { encoding: 'utf8' });
    t.equal(status, 1, stderr);
    t.match(stderr, sentence);
    t.notMatch(stderr, /\n {4}at /, 'no trace');
  }
});

t.test('the programs say how they are used', async (t) => {
  for (const name of ['epserver', 'epwget', 'proxy']) {
    const path = fileURLToPath(new URL(`../../examples/${name}.js`, import.meta.url));
    const help = spawnSync(process.execPath, [path, '-h'], { encoding: 'utf8' });
    t.equal(help.status, 0, help.stderr);
    t.match(help.stderr, new RegExp(`^${name} `, 'm'));
    t.equal(spawnSync(process.execPath, [path]).status, 1);
  }
});
