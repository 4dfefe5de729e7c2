// What the command line understands and how it refuses: options, help, exit codes, the log and the shape of the output. Needs
// no privileges and no network.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { readPort, resolveHost } from '../../src/cli/clients/address.js';
import { describeCommand } from '../../src/cli/command.js';
import { atLeast, doctor, examine } from '../../src/cli/doctor.js';
import { judgeInterface } from '../../src/cli/doctor-interface.js';
import { type CliError, messageOf } from '../../src/cli/failure.js';
import { createLog, humanLine } from '../../src/cli/log.js';
import { run } from '../../src/cli/main.js';
import type { OptionSpec } from '../../src/cli/options.js';
import { parseOptions } from '../../src/cli/options.js';
import type { Output } from '../../src/cli/output.js';
import { columns, formatBytes, MemoryOutput, paintFor } from '../../src/cli/output.js';
import { readPlacement, STACK_OPTIONS } from '../../src/cli/placement.js';

/** Runs a command line in this process. */
async function mtcp(...words: string[]): Promise<{ code: number; out: MemoryOutput; said: string }> {
  const out = new MemoryOutput();
  let said = '';
  const code = await run(words, out, (sentence) => {
    said += sentence;
  });
  return { code, out, said };
}

const SPECS: OptionSpec[] = [
  { name: 'port', short: 'p', value: 'N', help: 'a port' },
  { name: 'lab', value: 'PREFIX', optional: (word) => word === 'there', help: 'a lab' },
  { name: 'verbose', short: 'v', help: 'more' },
];

t.test('options are parsed into words, numbers, choices and counts', async (t) => {
  const args = parseOptions(['-vv', 'a', '--port', '80', '--lab', 'b', '--', '--lab'], SPECS, [0, 9]);
  t.same(args.words, ['a', 'b', '--lab']);
  t.equal(args.integer('port', 1, 100), 80);
  t.equal(args.count('verbose'), 2);
  t.equal(args.count('port'), 1);
  t.equal(args.text('lab'), '');
  t.equal(args.text('nothing'), undefined);
  t.equal(args.integer('nothing', 0, 1), undefined);
  t.equal(args.choice('nothing', ['a']), undefined);
  t.equal(parseOptions(['--lab', 'there'], SPECS, [0, 0]).text('lab'), 'there');
  t.equal(parseOptions(['--lab=other'], SPECS, [0, 0]).text('lab'), 'other');
  t.equal(parseOptions(['-p1', '-p', '0.5'], SPECS, [0, 0]).decimal('port', 0, 1), 0.5);
});

t.test('what cannot be parsed is named', async (t) => {
  const refusal = (words: string[], use?: (args: ReturnType<typeof parseOptions>) => unknown): string => {
    try {
      const args = parseOptions(words, SPECS, [1, 1]);
      use?.(args);
    } catch (error) {
      t.equal((error as CliError).exitCode, 2);
      return messageOf(error);
    }
    return 'no refusal';
  };
  t.equal(refusal(['x', '--bogus']), 'unknown option --bogus');
  t.equal(refusal(['x', '-z']), 'unknown option -z');
  t.equal(refusal(['x', '--prot', '80']), 'unknown option --prot, did you mean --port?');
  t.equal(refusal(['x', '--ports=80']), 'unknown option --ports, did you mean --port?');
  t.equal(refusal(['x', '--verb']), 'unknown option --verb, did you mean --verbose?');
  t.equal(refusal(['x', '--port']), 'option --port needs a value');
  t.equal(refusal(['x', '--port', '--lab']), 'option --port needs a value');
  t.equal(refusal(['x', '--verbose=1']), 'option --verbose takes no value');
  t.equal(refusal(['x', 'y']), 'unexpected argument "y"');
  t.equal(refusal([]), 'an argument is missing');
  t.match(
    refusal(['x', '--port', 'ten'], (args) => args.integer('port', 1, 9)),
    /--port is a whole number \(1 to 9\), not "ten"/,
  );
  t.match(
    refusal(['x', '--port', '1.5'], (args) => args.integer('port', 1, 9)),
    /whole number/,
  );
  const most = Number.MAX_SAFE_INTEGER;
  t.match(
    refusal(['x', '--port', '0'], (args) => args.integer('port', 1, most)),
    /at least 1/,
  );
  t.match(
    refusal(['x', '--port', 'c'], (args) => args.choice('port', ['a', 'b'])),
    /--port is one of a, b, not "c"/,
  );
});

t.test('the program describes itself and its commands', async (t) => {
  const help = await mtcp('--help');
  t.equal(help.code, 0);
  t.equal((await mtcp()).code, 2, 'no command is not a success');
  t.match((await mtcp('--version')).out.text, /^\d+\.\d+\.\d+\n$/);
  for (const name of ['demo', 'serve', 'get', 'nc', 'ping', 'lab', 'packetdrill', 'doctor']) {
    t.match(help.out.text, new RegExp(`\\n  ${name} `));
    const command = await mtcp(name, '--help');
    t.equal(command.code, 0);
    t.match(command.out.text, new RegExp(`^Usage: mtcp ${name}`));
    t.match(command.out.text, '--json');
    t.equal((await mtcp('help', name)).out.text, command.out.text);
    for (const line of command.out.text.split('\n')) t.ok(line.length <= 120, line);
  }
  t.match(describeCommand(doctor), /-v, --verbose/);
  for (const name of ['get', 'nc', 'ping', 'serve']) {
    const { text } = (await mtcp(name, '--help')).out;
    t.equal(text.includes('--cores'), name === 'serve', `${name} does not offer what it refuses`);
    t.notMatch(text, '--shared');
  }
});

t.test('a command line without sense exits with 2 and says what is wrong', async (t) => {
  const cases: [words: string, sentence: RegExp][] = [
    ['frobnicate', /there is no command "frobnicate"/],
    ['toString', /there is no command/],
    ['--frob', /unknown option --frob/],
    ['ss', /"ss" is not there yet/],
    ['serve', /an argument is missing: the service, echo, discard, chargen, fixed or http \(see/],
    ['nc', /an argument is missing: HOST and PORT \(see/],
    ['ping', /an argument is missing: HOST \(see/],
    ['get --lab', /an argument is missing: a URL/],
    ['lab', /an argument is missing: up, down or status/],
    ['packetdrill', /an argument is missing: FILE/],
    ['serve echo --prot 80', /unknown option --prot, did you mean --port\?/],
    ['serve quote --iface x --address 10.0.0.1/24', /there is no service "quote"/],
    ['serve echo --root /tmp', /--root is for mtcp serve http/],
    ['serve http --reply 5', /--reply is for mtcp serve fixed/],
    ['serve fixed --reply none', /--reply is a whole number/],
    ['serve echo', /--iface is missing/],
    ['serve echo --iface x', /--address is missing/],
    ['serve echo --iface x --address 10.0.0.1', /--address is an IPv4 address with its prefix length/],
    [
      'serve echo --iface x --address 10.0.0.255/24',
      /--address 10\.0\.0\.255\/24 is the broadcast address of/,
    ],
    ['serve echo --iface x --address 10.0.0.1/33', /--address is an IPv4 address/],
    [
      'serve echo --iface x --address 10.0.0.1/24 --gateway there',
      /--gateway is an IPv4 address, not "there"/,
    ],
    ['get --iface x --address 10.0.0.1/24 --cores 2 http://10.0.0.2/', /--cores 2 is for mtcp serve/],
    ['serve echo --iface x --address 10.0.0.1/24 --cores 0', /--cores is a whole number/],
    ['serve echo --shared', /--shared comes later/],
    ['serve echo --lab --iface x', /--iface and --lab say the same/],
    [
      'serve echo --iface x --address 10.0.0.1/24 --xdp-mode fast',
      /--xdp-mode is one of auto, zerocopy, native, skb/,
    ],
    ['serve echo --iface x --address 10.0.0.1/24 --peer-checksum never', /--peer-checksum is one of/],
    ['serve echo --port 65536', /--port is a whole number \(1 to 65535\)/],
    ['get https://10.0.0.1/', /begins with http:\/\//],
    ['get http://', /is not a URL/],
    ['get http://10.0.0.1/ --timeout soon', /--timeout is a number/],
    ['nc 10.0.0.1', /nc takes a host and a port/],
    ['nc -l 10.0.0.1 80', /nc -l takes a port/],
    ['nc 10.0.0.1 0', /"0" is not a port/],
    ['ping 10.0.0.1 --count x', /--count is a whole number/],
    ['lab sideways', /lab does up, down or status/],
    ['lab up --queues 0', /--queues is a whole number/],
    ['demo now', /unexpected argument "now"/],
  ];
  for (const [words, sentence] of cases) {
    const { code, out, said } = await mtcp(...words.split(' '));
    t.equal(code, 2, words);
    t.match(said, sentence, words);
    t.match(said, /--help\)$/);
    t.equal(out.text, '');
  }
});

t.test('--config reads an mtcp.conf under the other options', async (t) => {
  const dir = t.testdir({
    good: 'io = dpdk\nport = veth7\naddress = 10.0.0.5/24\nnetns = lab\nrcvbuf = 9000\ngateway = 10.0.0.1\n',
    bad: 'port = veth7\nspeed = 1\n',
  });
  const read = (...words: string[]) => readPlacement(parseOptions(words, STACK_OPTIONS, [0, 0]));
  const { options, warnings, ...place } = read('--config', `${dir}/good`);
  t.same(place, { iface: 'veth7', netns: 'lab', address: '10.0.0.5/24', cores: 1 });
  t.match(options, {
    iface: 'veth7',
    address: '10.0.0.5/24',
    gateway: '10.0.0.1',
    maxConcurrency: 10_000,
    sysctl: { 'net.ipv4.tcp_rmem': '4096 18000 18000' },
  });
  t.match(warnings, [/good:1: io: dpdk is not used/]);
  t.notOk('addresses' in options || 'cores' in options);
  const over = read(
    '--config',
    `${dir}/good`,
    '--iface',
    'eth1',
    '--address',
    '10.1.0.1/16',
    '--gateway',
    '10.1.0.2',
  );
  t.match(over, { iface: 'eth1', address: '10.1.0.1/16', options: { gateway: '10.1.0.2' } });
  const wrong = await mtcp('serve', 'echo', '--config', `${dir}/bad`);
  t.equal(wrong.code, 2);
  t.match(wrong.said, /bad:2: speed: there is no such key/);
  const none = await mtcp('serve', 'echo', '--config', `${dir}/none`);
  t.equal(none.code, 1);
  t.match(none.said, /--config .*none cannot be read \(ENOENT\)/);
});

t.test('a lab that is not up is a failure with the remedy', async (t) => {
  const { code, said } = await mtcp('ping', '--lab=mtcp-t-none', '10.77.0.1');
  t.equal(code, 1);
  t.match(said, /mtcp ping: the lab "mtcp-t-none" is down: make it with npx mtcp lab up --name mtcp-t-none/);
  const named = await mtcp('lab', 'status', '--name', '../x');
  t.equal(named.code, 1);
  t.match(named.said, /cannot name a lab/);
  const status = await mtcp('lab', 'status', '--name', 'mtcp-t-none');
  t.equal(status.code, 1, 'a script can ask');
  t.match(status.out.text, /lab "mtcp-t-none" is down\nmake it with: npx mtcp lab up --name mtcp-t-none/);
  const down = await mtcp('lab', 'down', '--name', 'mtcp-t-none', '--json');
  t.same(down.out.values, [{ lab: 'mtcp-t-none', state: 'down', removed: false }]);
});

t.test('hosts and ports are read, and what is none is refused', async (t) => {
  t.equal(await resolveHost('10.1.2.3'), '10.1.2.3');
  t.equal(await resolveHost('localhost'), '127.0.0.1');
  await t.rejects(resolveHost('10.1.2'), /not an IPv4 address/);
  await t.rejects(resolveHost('::1'), /IPv6/);
  await t.rejects(resolveHost('nowhere.invalid'), /resolver can find/);
  t.equal(readPort('65535'), 65_535);
  for (const text of ['0', '65536', 'http', '']) t.throws(() => readPort(text), /is not a port/);
});

t.test('the log warns, is short, or JSON', async (t) => {
  const lines: string[] = [];
  createLog(0, true, (line) => lines.push(line)).info('nothing');
  t.same(lines, []);
  createLog(0, true, (line) => lines.push(line)).warn('careful');
  t.match(lines.pop(), / warn {2}careful\n$/);
  createLog(1, true, (line) => lines.push(line)).info({ port: 80, list: [1] }, 'listening');
  t.match(lines.pop(), /^\d\d:\d\d:\d\d\.\d\d\d info {2}listening port=80 list=\[1\]\n$/);
  createLog(2, false, (line) => lines.push(line)).debug('more');
  t.equal(JSON.parse(lines.pop() ?? '').msg, 'more');
  t.match(humanLine('{"level":35,"time":0}'), /^00:00:00.000 35 /);
});

t.test('output is plain unless it is a terminal', async (t) => {
  const out = new MemoryOutput();
  t.equal(paintFor(out).bold('x'), 'x');
  const terminal: Output = { isTerminal: true, write() {}, line() {}, json() {}, bytes() {} };
  t.equal(paintFor(terminal).bad('x'), '\x1b[31mx\x1b[39m');
  out.bytes(Buffer.from('a'));
  out.json({ a: 1 });
  t.equal(out.text, 'a{"a":1}\n');
  t.same(
    columns(
      [
        ['a', 'b'],
        ['ccc', 'd'],
      ],
      ' ',
    ),
    [' a    b', ' ccc  d'],
  );
  t.equal(formatBytes(999), '999 B');
  t.equal(formatBytes(104_857_600), '104.9 MB');
  t.equal(formatBytes(5e15), '5000.0 TB');
});

t.test('versions are compared by their numbers', async (t) => {
  t.ok(atLeast('6.18.44-generic', '6.8'));
  t.ok(atLeast('20.19.0', '20.19'));
  t.notOk(atLeast('5.4.0', '5.9'));
  t.notOk(atLeast('20.2', '20.19'));
});

t.test('the doctor gives each line a status, and a remedy unless it is well', async (t) => {
  const checks = await examine('mtcp-t-none', undefined);
  const names = checks.map(({ name }) => name);
  for (const name of [
    'node',
    'platform',
    'kernel',
    'ffi',
    'CAP_NET_ADMIN',
    'CAP_NET_RAW',
    'CAP_BPF',
    'memlock',
    'af-xdp',
    'bpf',
  ]) {
    t.ok(names.includes(name), name);
  }
  for (const { status, found, remedy, name } of checks) {
    t.ok(['ok', 'warn', 'fail'].includes(status));
    t.not(found, '');
    t.equal(remedy === '', status === 'ok', name);
  }
  t.match(checks.at(-1), { name: 'interface mtcp-t-none', status: 'fail' });
  const { code, out } = await mtcp('doctor', 'mtcp-t-none', '--json');
  t.equal(code, 1);
  t.equal(out.values[0]?.ok, false);
  t.match(
    (await mtcp('doctor', '--netns', 'mtcp-t-none', 'x')).out.text,
    /FAIL {2}interface x +no namespace mtcp-t-none\n +-> see/,
  );
  const bad = judgeInterface({
    name: 'x',
    index: 1,
    mac: new Uint8Array(6),
    mtu: 9000,
    up: false,
    kind: '',
    driver: '',
    queues: 2,
    maxQueues: 4,
    channels: undefined,
    addresses: [],
    namespaceAddresses: [],
    gateway: undefined,
    xdp: 'native',
    xdpProgram: 0,
    rss: undefined,
  });
  t.same(
    bad.map(({ status }) => status),
    ['fail', 'warn', 'warn', 'ok', 'warn', 'fail', 'ok'],
  );
});

t.test('the program starts by its own name, and says so when it is not built', async (t) => {
  const bin = fileURLToPath(new URL('../../../bin/mtcp.js', import.meta.url));
  const version = spawnSync(process.execPath, [bin, '--version'], { encoding: 'utf8' });
  t.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
  const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
  const usage = spawnSync(process.execPath, [main, 'nothing'], { encoding: 'utf8' });
  t.equal(usage.status, 2);
  t.match(usage.stderr, /^mtcp: there is no command "nothing" \(see mtcp --help\)\n$/);
  const folder = t.testdir({ 'package.json': '{"type":"module"}' });
  mkdirSync(`${folder}/bin`);
  cpSync(bin, `${folder}/bin/mtcp.js`);
  const bare = spawnSync(process.execPath, [`${folder}/bin/mtcp.js`, '--version'], { encoding: 'utf8' });
  t.equal(bare.status, 1);
  t.match(bare.stderr, /not built yet/);
});
