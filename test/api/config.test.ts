// mTCP's configuration: the files with all their keys, defaults, units and errors; mtcp_getconf and mtcp_setconf; and what a thread
// is told (affinity, signals).

import { constants, cpus } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import t from 'tap';
import { readConfigFile } from '../../src/api/config-file.js';
import * as api from '../../src/index.js';
import { mtcp_destroy, mtcp_getconf, mtcp_init, mtcp_last_error, mtcp_setconf } from '../../src/index.js';
import { MemoryNic } from '../../src/nic/memory-nic.js';
import { failure } from './support.js';

const any = (value: unknown): never => value as never;

/** Every key of mTCP's parser, and those that are ours. */
const FULL = `
# a comment
io = dpdk
num_cores = 1
core_mask 2
num_mem_ch = 4
port = dpdk0        # the interface
stat_print = dpdk0
max_concurrency = 5000
max_num_buffers	= 6000
rcvbuf = 16384
sndbuf = 32768
tcp_timeout = 20
tcp_timewait = 1
multiprocess = 1
onvm_serv = 1
onvm_inst = 2
onvm_dest = 3
cc = reno beta=0.5
address = 10.0.0.5/24
gateway = 10.0.0.1
netns = lab
`;

t.test('every key is read, in its unit', async (t) => {
  const dir = t.testdir({ 'mtcp.conf': FULL });
  const { options, warnings, maxNumBuffers, coreMask } = readConfigFile(join(dir, 'mtcp.conf'));
  t.same(options, {
    iface: 'dpdk0',
    netns: 'lab',
    addresses: ['10.0.0.5/24'],
    gateway: '10.0.0.1',
    cores: 1,
    maxConcurrency: 5000,
    sysctl: {
      'net.ipv4.tcp_rmem': '4096 32768 32768',
      'net.ipv4.tcp_wmem': '4096 32768 32768',
      'net.ipv4.tcp_timewait_ms': 1000,
      'net.ipv4.tcp_idle_timeout_ms': 20_000,
      'net.ipv4.tcp_congestion_control': 'reno',
    },
  });
  t.same([maxNumBuffers, coreMask], [6000, 2n]);
  const warned = warnings.map((warning) => warning.replace(dir, '').split(': ').slice(0, 2));
  t.same(warned, [
    ['/mtcp.conf:3', 'io'],
    ['/mtcp.conf:6', 'num_mem_ch'],
    ['/mtcp.conf:8', 'stat_print'],
    ['/mtcp.conf:10', 'max_num_buffers'],
    ['/mtcp.conf:15', 'multiprocess'],
    ['/mtcp.conf:16', 'onvm_serv'],
    ['/mtcp.conf:17', 'onvm_inst'],
    ['/mtcp.conf:18', 'onvm_dest'],
    ['/mtcp.conf:19', 'cc'],
  ]);
});

t.test("what a file leaves out has mTCP's default", async (t) => {
  const dir = t.testdir({ empty: '', snd: 'sndbuf 1000', rcv: 'rcvbuf 64\ntcp_timeout -1' });
  const { options, warnings, maxNumBuffers } = readConfigFile(join(dir, 'empty'));
  t.same([maxNumBuffers, warnings], [10_000, []]);
  t.same(options, {
    cores: cpus().length,
    maxConcurrency: 10_000,
    sysctl: {
      'net.ipv4.tcp_rmem': '4096 16384 16384',
      'net.ipv4.tcp_wmem': '4096 8192 8192',
      'net.ipv4.tcp_timewait_ms': 0,
      'net.ipv4.tcp_idle_timeout_ms': 30_000,
    },
  });
  t.match(readConfigFile(join(dir, 'snd')).options.sysctl, {
    'net.ipv4.tcp_rmem': '2000 2000 2000',
    'net.ipv4.tcp_wmem': '1024 1024 1024',
  });
  t.match(readConfigFile(join(dir, 'rcv')).options.sysctl, {
    'net.ipv4.tcp_rmem': '1024 1024 1024',
    'net.ipv4.tcp_idle_timeout_ms': 0,
  });
});

t.test('an error names file, line and key', async (t) => {
  const cases: [string, string][] = [
    ['speed = 1', 'speed: there is no such key'],
    ['constructor = 1', 'constructor: there is no such key'],
    ['rcvbuf', 'rcvbuf: needs a value'],
    ['rcvbuf = 1 2', 'rcvbuf: takes one value, not "1 2"'],
    ['rcvbuf = 63', 'rcvbuf: "63" is no whole number from 64'],
    ['sndbuf = 8k', 'sndbuf: "8k"'],
    ['num_cores = 0', 'num_cores: "0"'],
    [`num_cores = ${cpus().length + 1}`, 'num_cores:'],
    ['core_mask = xyz', 'core_mask: "xyz" is no hexadecimal'],
    ['core_mask = 0', 'core_mask: no core'],
    ['io = pcap', 'io: "pcap" is none of xdp, psio'],
    ['port = all', 'port: name the interface'],
    ['port = a b', 'port: name one interface'],
    ['max_concurrency = 0', 'max_concurrency: "0"'],
    ['tcp_timeout = -2', 'tcp_timeout: "-2"'],
    ['tcp_timewait = -1', 'tcp_timewait: "-1"'],
    ['tcp_timewait = 1.5', 'tcp_timewait: "1.5"'],
    ['multiprocess = 2', 'multiprocess: "2"'],
    ['num_mem_ch = x', 'num_mem_ch: "x"'],
    ['stat_print', 'stat_print: needs a value'],
    ['cc = warp', 'cc: there is no congestion control "warp"'],
    ['cc', 'cc: needs a value'],
    ['address = 10.0.0.5', 'address: "10.0.0.5"'],
    ['address', 'address: needs a value'],
    ['gateway = x', 'gateway: "x"'],
    ['netns', 'netns: needs a value'],
  ];
  for (const [line, message] of cases) {
    const path = join(t.testdir({ 'mtcp.conf': `\n# first\n${line}\n` }), 'mtcp.conf');
    t.equal(failure(mtcp_init(path)), 'EINVAL', line);
    t.ok(mtcp_last_error().startsWith(`${path}:3: ${message}`), mtcp_last_error());
  }
  const long = join(t.testdir({ 'mtcp.conf': `# ${'x'.repeat(1023)}` }), 'mtcp.conf');
  t.equal(failure(mtcp_init(long)), 'EINVAL');
  t.match(mtcp_last_error(), /mtcp\.conf:1: the line is longer/);
  t.equal(failure(mtcp_init(join(long, '..', 'none.conf'))), 'ENOENT');
  t.match(mtcp_last_error(), /none\.conf/);
});

t.test('route.conf and arp.conf beside it', async (t) => {
  const read = (config: Record<string, string>, conf = 'port = veth0') =>
    readConfigFile(join(t.testdir({ 'mtcp.conf': conf, config }), 'mtcp.conf')).options;
  t.match(
    read({
      'route.conf': 'ROUTES 3\n10.1.0.0/16 veth0\n10.2.0.0/16 veth0 # two\n10.0.0.254/0 veth0\n',
      'arp.conf': 'ARP_ENTRY 1\n10.0.0.9/32 02:00:00:00:00:09\n',
    }),
    {
      routes: { '10.1.0.0/16': 'link', '10.2.0.0/16': 'link' },
      gateway: '10.0.0.254',
      neighbours: { '10.0.0.9': '02:00:00:00:00:09' },
    },
  );
  t.match(read({ 'route.conf': 'ROUTES 1\n0.0.0.0/0 veth0' }), { routes: { '0.0.0.0/0': 'link' } });
  t.equal(read({ 'route.conf': 'ROUTES 1\n10.9.9.9/0 veth0' }, 'gateway 10.0.0.1').gateway, '10.0.0.1');
  const cases: [string, string, RegExp][] = [
    ['route.conf', '', /route\.conf:1: ROUTES: the file is empty/],
    ['route.conf', '10.0.0.0/8 veth0', /route\.conf:1: 10\.0\.0\.0\/8: the file begins with "ROUTES"/],
    ['route.conf', 'ROUTES', /route\.conf:1: ROUTES: needs a value/],
    ['route.conf', 'ROUTES 65', /route\.conf:1: ROUTES: "65"/],
    ['route.conf', 'ROUTES 2\n10.1.0.0/16 veth0', /route\.conf:1: ROUTES: 2 entries are announced, and 1/],
    ['route.conf', 'ROUTES 0\n10.1.0.0/16 veth0', /route\.conf:2: 10\.1\.0\.0\/16: .* one more/],
    ['route.conf', 'ROUTES 1\n10.1.0.0/33 veth0', /route\.conf:2: 10\.1\.0\.0\/33: no address/],
    ['route.conf', 'ROUTES 1\n10.1.0.0/16', /route\.conf:2: .* two words/],
    ['route.conf', 'ROUTES 1\n10.1.0.0/16 eth9', /route\.conf:2: .* no device "eth9"/],
    ['route.conf', 'ROUTES 2\n10.0.0.1/0 veth0\n10.1.0.0/16 veth0', /route\.conf:2: .* comes last/],
    ['arp.conf', 'ARP_ENTRY 1\n10.0.0.9/24 02:00:00:00:00:09', /arp\.conf:2: .* prefix length 32/],
    ['arp.conf', 'ARP_ENTRY 1\n10.0.0.9/32 02:00', /arp\.conf:2: .* no MAC address/],
    ['arp.conf', 'ARP_ENTRY 1\nx/32 02:00:00:00:00:09', /arp\.conf:2: x\/32: no address/],
  ];
  for (const [name, text, message] of cases) t.throws(() => read({ [name]: text }), message, text);
});

t.test('a stack runs by a file', async (t) => {
  const dir = t.testdir({
    'mtcp.conf': 'io = dpdk\nport = veth0\nrcvbuf = 10000\ntcp_timewait = 2\nmax_concurrency = 3',
    config: {
      'route.conf': 'ROUTES 1\n10.7.0.0/16 veth0',
      'arp.conf': 'ARP_ENTRY 1\n10.7.0.1/32 02:00:00:00:00:09',
    },
  });
  const path = join(dir, 'mtcp.conf');
  t.equal(failure(mtcp_init(path)), 'EINVAL');
  t.match(mtcp_last_error(), /'address' is needed/);
  t.equal(mtcp_init(path, { nic: new MemoryNic(), address: '10.0.0.1/24', sysctl: { tcp_sack: 0 } }), 0);
  t.same(api.mtcp_warnings().length, 1);
  const conf: Partial<api.MtcpConf> = {};
  t.equal(mtcp_getconf(conf), 0);
  t.same(conf, {
    num_cores: 1,
    max_concurrency: 3,
    max_num_buffers: 10_000,
    rcvbuf_size: 10_000,
    sndbuf_size: 10_000,
    tcp_timewait: 2000,
    tcp_timeout: 30_000,
  });
  t.equal(mtcp_setconf({ rcvbuf_size: 20_000, tcp_timewait: 0, tcp_timeout: -1 }), 0);
  const mctx = api.mtcp_create_context(0)!;
  t.equal(mctx.stack.config.rmem[1], 40_000);
  t.equal(mctx.stack.config.timeWaitUs, 2_000_000, 'what is not above 0 changes nothing');
  t.equal(mctx.stack.config.idleTimeoutUs, 30_000_000);
  t.equal(mctx.stack.config.sack, 0);
  t.equal(mctx.sockets.limit, 3);
  const id = api.mtcp_socket(mctx, api.AF_INET, api.SOCK_STREAM);
  api.mtcp_setsock_nonblock(mctx, id);
  t.equal(failure(api.mtcp_connect(mctx, id, api.sockaddr_in('10.7.0.1', 80))), 'EINPROGRESS', 'a route');
  t.equal(mtcp_destroy(), 0);
  t.same(api.mtcp_warnings(), []);
});

t.test('mtcp_getconf and mtcp_setconf', async (t) => {
  const conf = {} as api.MtcpConf;
  t.equal(mtcp_getconf(conf), 0, 'before mtcp_init');
  t.match(conf, { num_cores: 1, max_concurrency: 100_000, tcp_timewait: 60_000, tcp_timeout: -1 });
  for (const none of [null, undefined]) {
    t.equal(failure(mtcp_getconf(any(none))), 'EINVAL');
    t.equal(failure(mtcp_setconf(any(none))), 'EINVAL');
  }
  t.equal(failure(mtcp_getconf(any(1))), 'EFAULT');
  t.equal(failure(mtcp_setconf(any(1))), 'EFAULT');
  const wrong: Partial<Record<keyof api.MtcpConf, unknown>>[] = [
    { num_cores: cpus().length + 1 },
    { num_cores: 1.5 },
    { max_concurrency: 2 ** 25 },
    { rcvbuf_size: 63 },
    { sndbuf_size: 2 ** 30 },
    { tcp_timewait: 3_600_001 },
    { tcp_timeout: 'x' },
    { max_num_buffers: Number.NaN },
  ];
  for (const change of wrong) t.equal(failure(mtcp_setconf(any(change))), 'EINVAL', JSON.stringify(change));
  t.equal(
    mtcp_setconf({
      num_cores: cpus().length,
      max_concurrency: 77,
      max_num_buffers: 78,
      rcvbuf_size: 100,
      sndbuf_size: 5000,
      tcp_timewait: 7000,
      tcp_timeout: 8000,
    }),
    0,
  );
  const iface = { iface: 'none', address: '10.0.0.1/24' };
  t.equal(mtcp_init(iface), 0);
  mtcp_getconf(conf);
  t.same(conf, {
    num_cores: cpus().length,
    max_concurrency: 77,
    max_num_buffers: 78,
    rcvbuf_size: 512,
    sndbuf_size: 5000,
    tcp_timewait: 7000,
    tcp_timeout: 8000,
  });
  mtcp_destroy();
  t.equal(mtcp_setconf({ num_cores: 1 }), 0);
  t.equal(mtcp_init({ ...iface, cores: 2 }), 0);
  mtcp_getconf(conf);
  t.equal(conf.num_cores, 2, 'options come first');
  mtcp_destroy();
});

t.test('mtcp_core_affinitize', async (t) => {
  for (const cpu of [-1, cpus().length, 0.5, any('0')]) {
    t.equal(failure(api.mtcp_core_affinitize(cpu)), 'EINVAL');
  }
  t.match(mtcp_last_error(), /CPUs, numbered from 0/);
  const pinned = api.mtcp_core_affinitize(0);
  t.ok(pinned === 0 || failure(pinned) === 'EINVAL', 'the first CPU, unless it is not ours');
  const dir = t.testdir({ 'mtcp.conf': 'core_mask = 1' });
  t.equal(mtcp_init(join(dir, 'mtcp.conf'), { nic: new MemoryNic(), address: '10.0.0.1/24' }), 0);
  t.equal(api.mtcp_core_affinitize(0), pinned);
  if (cpus().length > 1) {
    t.equal(failure(api.mtcp_core_affinitize(1)), 'EINVAL');
    t.match(mtcp_last_error(), /core_mask has no core/);
  }
  mtcp_destroy();
});

t.test('mtcp_register_signal', async (t) => {
  const { SIGUSR2, SIGINT, SIGKILL, SIGSTOP } = constants.signals;
  const { mtcp_register_signal, SIG_DFL, SIG_ERR, SIG_IGN } = api;
  const heard: number[] = [];
  const listeners = process.listenerCount('SIGUSR2');
  const handler = (signum: number): void => void heard.push(signum);
  const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));
  for (const signum of [0, 999, SIGKILL, SIGSTOP, any('SIGINT')]) {
    t.equal(mtcp_register_signal(signum, handler), SIG_ERR);
    t.equal(failure(-1), 'EINVAL');
  }
  t.equal(mtcp_register_signal(SIGUSR2, any('x')), SIG_ERR);
  t.equal(mtcp_register_signal(SIGUSR2, handler), SIG_DFL);
  process.kill(process.pid, 'SIGUSR2');
  await pause();
  t.same(heard, [SIGUSR2]);
  t.equal(mtcp_register_signal(SIGUSR2, SIG_IGN), handler);
  process.kill(process.pid, 'SIGUSR2');
  await pause();
  t.same(heard, [SIGUSR2]);
  t.equal(mtcp_register_signal(SIGUSR2, SIG_DFL), SIG_IGN);
  t.equal(process.listenerCount('SIGUSR2'), listeners);
  mtcp_init({ nic: new MemoryNic(), address: '10.0.0.1/24' });
  const mctx = api.mtcp_create_context(0)!;
  mtcp_register_signal(SIGINT, handler);
  const interrupt = async (): Promise<boolean> => {
    process.kill(process.pid, 'SIGINT');
    await pause();
    return mctx.destroyed;
  };
  t.notOk(await interrupt());
  await new Promise((resolve) => setTimeout(resolve, 1000));
  t.ok(await interrupt(), 'a second one ends the contexts');
  t.same(heard, [SIGUSR2, SIGINT, SIGINT]);
  mtcp_register_signal(SIGINT, SIG_DFL);
  mtcp_destroy();
});
