// The command line on the real thing: labs, servers and clients of the stack against a kernel, over AF_XDP on a veth pair,
// each command in a process of its own as a user would run it. Needs root; skips with the reason where that is missing.

import type { ChildProcess } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { Child } from '../../src/cli/demo/child.js';
import type { CheckResult } from '../../src/cli/demo/kernel-client.js';
import { checkBytes } from '../../src/cli/demo/kernel-client.js';
import { missingPrivileges } from '../../src/cli/doctor.js';
import { run } from '../../src/cli/main.js';
import { MemoryOutput } from '../../src/cli/output.js';
import { patternBytes } from '../../src/cli/servers/pattern.js';
import {
  LabError,
  labDown,
  labExists,
  labStatus,
  labUp,
  peerNamespace,
  stackNamespace,
} from '../../src/nic/os/lab.js';
import {
  createNamespace,
  listNamespaces,
  removeNamespace,
  tidyFolder,
} from '../../src/nic/os/named-namespaces.js';
import { Netlink } from '../../src/nic/os/netlink.js';
import { netnsPath } from '../../src/nic/os/netns.js';

const missing = missingPrivileges();
const skip = missing.length > 0 ? `labs need root: ${missing.join(', ')} missing` : false;
if (skip !== false) t.comment(`skipped: ${skip}`);

const BIN = fileURLToPath(new URL('../../../bin/mtcp.js', import.meta.url));
const NAME = `mtcp-t-cli-${process.pid}`;
const OTHER = `mtcp-t-cli2-${process.pid}`;
const STACK = '10.77.0.10';
const PEER = '10.77.0.1';

t.teardown(() => {
  if (skip !== false) return;
  labDown(NAME);
  labDown(OTHER);
});

async function mtcp(...words: string[]): Promise<{ code: number; out: MemoryOutput; said: string }> {
  const out = new MemoryOutput();
  let said = '';
  const code = await run(words, out, (sentence) => {
    said += sentence;
  });
  return { code, out, said };
}

/** A command in a process of its own. */
class Program {
  stdout = Buffer.alloc(0);
  stderr = '';
  readonly ended: Promise<number | null>;
  readonly process: ChildProcess;
  private onOutput: () => void = () => {};

  constructor(words: string[], input = '') {
    this.process = spawn(process.execPath, [BIN, ...words], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.process.stdin?.on('error', () => {}).end(input);
    this.process.stdout?.on('data', (chunk: Buffer) => {
      this.stdout = Buffer.concat([this.stdout, chunk]);
      this.onOutput();
    });
    this.process.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString();
    });
    this.ended = new Promise((resolve) => this.process.once('close', (code) => resolve(code)));
  }

  /** The first line of JSON; rejects when the program ends before it. */
  async ready(): Promise<Record<string, unknown>> {
    const line = new Promise<string>((resolve) => {
      this.onOutput = () => {
        const end = this.stdout.indexOf(10);
        if (end >= 0) resolve(this.stdout.toString('utf8', 0, end));
      };
      this.onOutput();
    });
    const dead = this.ended.then(() => {
      throw new Error(`it ended: ${this.stderr}`);
    });
    return JSON.parse(await Promise.race([line, dead]));
  }

  /** The last line of JSON. */
  get last(): Record<string, unknown> {
    return JSON.parse(this.stdout.toString().trim().split('\n').at(-1) ?? '');
  }
}

t.test('a lab with several queues spreads over them as it was told', { skip }, async (t) => {
  const refusals: [string[], number, RegExp][] = [
    [['--rss-key', '6d5a'], 1, /ask for at least 2 with --queues/],
    [['--queues', '2', '--rss-key', '6d5'], 1, /a key is bytes in hex digits/],
    [['--queues', '2', '--rss-table', '0,2'], 1, /the table names queue 2/],
    [['--queues', '2', '--rss-table', '0;1'], 2, /--rss-table is queues with commas/],
  ];
  for (const [words, code, sentence] of refusals) {
    const refused = await mtcp('lab', 'up', '--name', NAME, ...words);
    t.equal(refused.code, code);
    t.match(refused.said, sentence);
    t.notOk(labExists(NAME));
  }
  const spread = ['--queues', '2', '--rss-key', '6d:5a', '--rss-table', '0,0,0,1'];
  const up = await mtcp('lab', 'up', '--name', NAME, ...spread);
  t.match(up.out.text, /RSS: Toeplitz, key 6d5a6d5a…, entries of 128 for queue 0: 96, 1: 32\n/);
  const { out } = await mtcp('lab', 'status', '--name', NAME, '--json');
  t.match(out.values[0], { rss: { key: '6d5a'.repeat(20), table: [0, 0, 0, 1, 0] } });
  t.equal((await mtcp('lab', 'down', '--name', NAME)).code, 0);
});

t.test('a lab comes up, can be looked at, and goes down', { skip }, async (t) => {
  const up = await mtcp('lab', 'up', '--name', NAME, '--queues', '2', '--mtu', '1400');
  t.equal(up.code, 0);
  t.match(up.out.text, new RegExp(`lab "${NAME}" is up\n`));
  t.match(up.out.text, /mtcp0 +up +10\.77\.0\.2\/24 +\S+ +1400 +2 +none/);
  const again = await mtcp('lab', 'up', '--name', NAME);
  t.equal(again.code, 1);
  t.match(again.said, /is up already: take it down first with npx mtcp lab down --name/);
  const status = await mtcp('lab', 'status', '--name', NAME, '--json');
  t.match(status.out.values[0], {
    state: 'up',
    address: '10.77.0.10/24',
    stack: {
      netns: stackNamespace(NAME),
      iface: 'mtcp0',
      addresses: ['10.77.0.2/24'],
      up: true,
      mtu: 1400,
      queues: 2,
    },
    peer: { netns: peerNamespace(NAME), iface: 'peer0', addresses: ['10.77.0.1/24'], xdp: 'none' },
  });
  const doctor = await mtcp('doctor', '--netns', stackNamespace(NAME), 'mtcp0');
  t.equal(doctor.code, 0, doctor.out.text);
  t.match(doctor.out.text, /mtcp0 address +10\.77\.0\.2\/24\n/);
  const down = await mtcp('lab', 'down', '--name', NAME);
  t.equal(down.out.text, `lab "${NAME}" is down\n`);
  t.equal((await mtcp('lab', 'down', '--name', NAME)).out.text, `there was no lab "${NAME}"\n`);
  t.notOk(labExists(NAME));
});

t.test('half of a lab is seen, and removed', { skip }, async (t) => {
  createNamespace(stackNamespace(OTHER));
  t.throws(() => createNamespace(stackNamespace(OTHER)), { code: 'EEXIST' });
  t.ok(listNamespaces().includes(stackNamespace(OTHER)));
  // What an attempt leaves that was cut short between making the file and mounting the namespace.
  closeSync(openSync(netnsPath(peerNamespace(OTHER)), 'wx'));
  const status = await mtcp('lab', 'status', '--name', OTHER);
  t.equal(status.code, 1);
  t.match(status.out.text, /is incomplete/);
  t.match(status.out.text, /remove the rest with: npx mtcp lab down --name/);
  t.throws(() => labUp({ name: OTHER, queues: 1, mtu: 1500 }), /half there/);
  t.match(
    (await mtcp('ping', `--lab=${OTHER}`, PEER)).said,
    /is incomplete: make it with npx mtcp lab down .* && npx mtcp lab up/,
  );
  t.ok(labDown(OTHER));
  t.equal(removeNamespace(stackNamespace(OTHER)), false);
  t.notOk(existsSync(netnsPath(peerNamespace(OTHER))));
  tidyFolder();
});

t.test('a lab that cannot be made leaves nothing', { skip }, async (t) => {
  t.throws(() => labUp({ name: OTHER, queues: 5000, mtu: 1500 }), LabError);
  t.notOk(labExists(OTHER));
  t.equal(labStatus(OTHER).state, 'down');
});

t.test('the kernel says why it refuses', { skip }, async (t) => {
  const netlink = new Netlink();
  t.teardown(() => netlink.close());
  t.throws(() => netlink.deleteLink(0x7fffffff), { code: 'ENODEV', errno: 19 });
  t.throws(() => netlink.setUp(0x7fffffff), /bringing a link up: ENODEV/);
  t.throws(() => netlink.addAddress(0x7fffffff, Uint8Array.of(10, 0, 0, 1), 24), /adding an address/);
  t.equal(netlink.link('lo')?.name, 'lo');
});

t.test('serve on two cores', { skip }, async (t) => {
  labUp({ name: OTHER, queues: 2, mtu: 1500 });
  const lab = `--lab=${OTHER}`;
  const peer = new Child(new URL('../../src/cli/demo/kernel-helper.js', import.meta.url), [
    peerNamespace(OTHER),
  ]);
  t.teardown(async () => {
    await peer.end();
    labDown(OTHER);
  });
  const server = new Program(['serve', 'http', lab, '--cores', '2', '--json', '--requests', '60']);
  t.match(await server.ready(), { ready: true, mode: /^xdp-\w+, 2 cores$/ });
  await peer.call('openAndClose', { address: STACK, port: 80, count: 60 });
  t.equal(await server.ended, 0, server.stderr);
  const { connections, requests, failed, shares } = server.last;
  t.same({ connections, requests, failed }, { connections: 60, requests: 60, failed: 0 });
  t.ok(
    (shares as number[]).every((share) => share > 0),
    `both cores have their share: ${shares}`,
  );
  const three = new Program(['serve', 'http', lab, '--cores', '3']);
  t.equal(await three.ended, 1);
  t.match(three.stderr, /has 2 queues and 3 cores are asked for/);
  const one = new Program(['serve', 'http', lab, '--duration', '0.1']);
  t.equal(await one.ended, 0);
  t.match(one.stderr, /has 2 queues.*--cores 2/, 'one core on two queues warns');
  t.match(one.stderr, / warn {2}mtcp0 has 2 queues/, 'in words, although stderr is no terminal');
});

t.test('servers and clients on the stack', { skip }, async (t) => {
  labUp({ name: NAME, queues: 1, mtu: 1500 });
  const lab = `--lab=${NAME}`;
  const peer = new Child(new URL('../../src/cli/demo/kernel-helper.js', import.meta.url), [
    peerNamespace(NAME),
  ]);
  t.teardown(async () => {
    await peer.end();
    labDown(NAME);
  });
  const http = { address: PEER, port: 8080 };
  await peer.call('listen', { kind: 'node:http', ...http });

  await t.test('serve http, until a signal', async (t) => {
    const folder = t.testdir({ bytes: { '300000': patternBytes(300_000), '7': patternBytes(7) } });
    const server = new Program([
      'serve',
      'http',
      lab,
      '--json',
      '--root',
      folder,
      '--pcap',
      `${folder}/c.pcapng`,
      '-v',
    ]);
    t.match(await server.ready(), {
      ready: true,
      address: STACK,
      port: 80,
      iface: 'mtcp0',
      netns: stackNamespace(NAME),
    });
    t.match(labStatus(NAME).stack.link, { xdp: /native|skb/ });
    const target = { address: STACK, port: 80 };
    t.match(await peer.call<CheckResult>('checkBytes', { ...target, sizes: [300_000, 7] }), {
      bytes: 300_007,
    });
    const second = await mtcp('serve', 'echo', lab);
    t.equal(second.code, 1, 'the queue is taken');
    t.match(second.said, /mtcp0 has an XDP program already/);
    server.process.kill('SIGTERM');
    server.process.kill('SIGTERM');
    t.equal(await server.ended, 0);
    t.match(server.last, { done: true, connections: 1, requests: 2, failed: 0 });
    t.match(server.stderr, /"msg":"attached"[\s\S]*"msg":"detached"/);
    t.equal(labStatus(NAME).stack.link?.xdp, 'none');
    t.equal(readFileSync(`${folder}/c.pcapng`).readUInt32LE(0), 0x0a0d0d0a);
  });

  await t.test('serve ends after a number of requests or seconds', async (t) => {
    const server = new Program(['serve', 'http', lab, '--json', '--requests', '20']);
    await server.ready();
    await peer.call('openAndClose', { address: STACK, port: 80, count: 20 });
    t.equal(await server.ended, 0);
    t.match(server.last, { connections: 20, requests: 20 });
    const brief = new Program(['serve', 'fixed', lab, '--duration', '0.1', '--port', '7777']);
    t.equal(await brief.ended, 0);
    t.match(
      brief.stdout.toString(),
      /fixed on 10\.77\.0\.10:7777 \(mtcp0 in [^,]+, xdp-\w+\); Ctrl-C ends it\n0 connections/,
    );
  });

  await t.test('get fetches from the kernel', async (t) => {
    const folder = t.testdir({});
    const url = `http://${PEER}:8080/bytes/300000`;
    const got = new Program(['get', lab, url]);
    t.equal(await got.ended, 0, got.stderr);
    t.ok(got.stdout.equals(patternBytes(300_000)));
    const file = new Program(['get', lab, '--json', '-o', `${folder}/out`, url]);
    t.equal(await file.ended, 0);
    const sha256 = createHash('sha256').update(patternBytes(300_000)).digest('hex');
    t.match(file.last, { status: 200, bytes: 300_000, sha256 });
    t.ok(readFileSync(`${folder}/out`).equals(patternBytes(300_000)));
    const head = new Program(['get', lab, '-i', `${PEER}:8080/bytes/0`]);
    await head.ended;
    t.match(head.stdout.toString(), /^HTTP\/1\.1 200 OK\r?\n[\s\S]*\n\n$/);
    const gone = new Program(['get', lab, '-I', `http://${PEER}:8080/nothing`]);
    t.equal(await gone.ended, 1);
    t.match(gone.stderr, /the server answered 404 Not Found\n$/);
    const refused = new Program(['get', lab, `http://${PEER}:8081/`]);
    t.equal(await refused.ended, 1);
    t.match(refused.stderr, /connecting to 10\.77\.0\.1:8081: connection refused \(ECONNREFUSED\)\n$/);
    const unwritable = new Program(['get', lab, '-o', `${folder}/no/out`, url]);
    t.equal(await unwritable.ended, 1);
    t.match(unwritable.stderr, /cannot be written \(ENOENT\)/);
  });

  await t.test('nc talks both ways', async (t) => {
    const request = 'GET /bytes/1000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
    const nc = new Program(['nc', lab, '--json', PEER, '8080'], request);
    t.equal(await nc.ended, 0, nc.stderr);
    t.ok(nc.stdout.subarray(-1000).equals(patternBytes(1000)));
    t.match(JSON.parse(nc.stderr), { sent: request.length });
    const listening = new Program(
      ['nc', lab, '-l', '99', '-v'],
      'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    );
    // It says nothing when it listens; the client's kernel asks again until it does.
    await t.resolves(retry(() => peer.call('checkBytes', { address: STACK, port: 99, sizes: [0] })));
    t.equal(await listening.ended, 0, listening.stderr);
    t.match(listening.stdout.toString(), /^GET \/bytes\/0 HTTP\/1\.1\r\n/);
    const refused = new Program(['nc', lab, PEER, '8081']);
    t.equal(await refused.ended, 1);
    t.match(refused.stderr, /ECONNREFUSED/);
  });

  await t.test('ping counts', async (t) => {
    const ping = await mtcp('ping', lab, '-c', '3', '-i', '0.01', PEER);
    t.equal(ping.code, 0);
    t.match(ping.out.text, /64 bytes from 10\.77\.0\.1: icmp_seq=3 ttl=64 time=[\d.]+ ms\n/);
    t.match(ping.out.text, /3 packets transmitted, 3 received, 0% packet loss/);
    const silent = await mtcp('ping', lab, '-c', '2', '-i', '0.01', '-W', '0.05', '--json', '10.77.0.99');
    t.equal(silent.code, 1);
    t.match(silent.out.values[0], { sent: 2, received: 0, lossPercent: 100, rttMs: null });
    const nobody = await mtcp('ping', lab, '-c', '2', '-i', '0.01', '10.77.0.99');
    t.equal(nobody.code, 1);
    t.match(nobody.out.text, /From 10\.77\.0\.10 icmp_seq=1 Destination Host Unreachable\n/);
    t.match(nobody.out.text, /2 packets transmitted, 0 received, \+2 errors, 100% packet loss/);
    const json = await mtcp('ping', lab, '-c', '1', '--json', PEER);
    t.match(json.out.values[0], { sent: 1, received: 1, lossPercent: 0 });
  });

  await t.test('what cannot be attached is a sentence', async (t) => {
    const netns = stackNamespace(NAME);
    const address = '10.77.0.10/24';
    const cases: [words: string[], sentence: RegExp][] = [
      [['--iface', 'nosuch', '--netns', netns, '--address', address], /there is no interface nosuch/],
      [
        ['--iface', 'mtcp0', '--netns', 'mtcp-t-none', '--address', address],
        /no network namespace mtcp-t-none/,
      ],
      [
        [lab, '--address', '10.77.0.2/24'],
        /the kernel has the address 10\.77\.0\.2, on mtcp0, .*nobody has$/,
      ],
      [
        [lab, '--address', '10.77.0.2/24', '--cores', '2'],
        /the kernel has the address 10\.77\.0\.2, on mtcp0/,
      ],
      [[lab, '--xdp-mode', 'zerocopy'], /zero-copy/],
      [[lab, '--root', '/nonexistent'], /--root \/nonexistent cannot be served \(ENOENT\)/],
      [[lab, '--pcap', '/nonexistent/c.pcapng'], /ENOENT/],
    ];
    for (const [words, sentence] of cases) {
      const { code, said } = await mtcp('serve', 'http', ...words);
      t.equal(code, 1);
      t.match(said, sentence);
      t.equal(said.split('\n').length, 1, 'one sentence');
    }
    t.equal(labStatus(NAME).stack.link?.xdp, 'none');
  });
});

t.test('a helper process reports what went wrong', { skip }, async (t) => {
  const module = new URL('../../src/cli/demo/kernel-helper.js', import.meta.url);
  const child = new Child(module, ['mtcp-t-none']);
  await t.rejects(child.call('checkBytes', {}), /a helper process has ended: .*ENOENT/s);
  await child.end();
  await t.rejects(child.call('checkBytes', {}), /a helper process has ended/);
  await t.rejects(checkBytes({ address: '127.0.0.1', port: 1, sizes: [] }), /ECONNREFUSED/);
});

t.test('the demo runs in a lab of its own and leaves nothing but its capture', { skip }, async (t) => {
  const folder = t.testdir({});
  const demo = new Program(['demo', '--json', '--duration', '0.2', '--pcap', `${folder}/demo.pcapng`]);
  t.equal(await demo.ended, 0, demo.stderr);
  t.match(demo.last, {
    kind: 'lab',
    mode: /^xdp-/,
    connections: 233,
    capture: { file: `${folder}/demo.pcapng` },
  });
  t.equal(labExists(`mtcp-demo-${demo.process.pid}`), false);
  const interrupted = new Program(['demo', '--pcap', `${folder}/interrupted.pcapng`]);
  const name = `mtcp-demo-${interrupted.process.pid}`;
  await retry(async () => {
    if (!labExists(name)) throw new Error('not yet');
  });
  interrupted.process.kill('SIGINT');
  t.equal(await interrupted.ended, 130, interrupted.stderr);
  t.equal(labExists(name), false);
  t.notOk(existsSync(`${folder}/interrupted.pcapng`));
});

t.test('without privileges the demo runs in memory and says why', { skip }, async (t) => {
  const folder = t.testdir({});
  const words = ['--reuid', '65534', '--clear-groups', process.execPath, BIN, 'demo', '--pcap', '/dev/null'];
  const { status, stdout, stderr, error } = spawnSync('setpriv', words, { encoding: 'utf8', cwd: folder });
  if (error !== undefined) {
    t.comment('no setpriv here');
    return;
  }
  t.equal(status, 0, stderr);
  t.match(stdout, /in memory a lab needs root: CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_NET_RAW missing/);
});

/** Tries again for up to ten seconds. */
async function retry<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (tries === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
