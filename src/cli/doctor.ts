// `mtcp doctor [IFACE]`: what this machine, user and interface allow. Looks only; nothing is attached or changed. Each line
// that is not well comes with its remedy.

import { closeSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import type { InterfaceInfo } from '../nic/os/interface-info.js';
import type { Command, Environment } from './command.js';
import { type Check, fail, ok, warn } from './doctor-check.js';
import { messageOf } from './failure.js';
import type { Args } from './options.js';
import { paintFor } from './output.js';

/** The `doctor` subcommand. */
export const doctor: Command = {
  name: 'doctor',
  summary: 'say what kernel, user and interface allow, and how to mend the rest',
  usage: ['[--netns NAME] [IFACE]'],
  details: ['The exit code is 1 when something essential is missing. Nothing is attached or changed.'],
  positionals: [0, 1],
  options: [{ name: 'netns', value: 'NAME', help: 'the network namespace in which IFACE is' }],
  async run(args: Args, environment: Environment): Promise<number> {
    const checks = await examine(args.words[0], args.text('netns'));
    const healthy = checks.every(({ status }) => status !== 'fail');
    if (environment.json) environment.out.json({ ok: healthy, checks });
    else print(checks, healthy, environment);
    return healthy ? 0 : 1;
  },
};

/** Looks at everything; with an interface, at that as well. */
export async function examine(iface: string | undefined, netns: string | undefined): Promise<Check[]> {
  const checks = [checkNode(process.versions.node), checkPlatform(), checkKernel(release())];
  const library = await checkLibrary();
  checks.push(library);
  const capabilities = readCapabilities();
  checks.push(...checkCapabilities(capabilities), checkMemlock(capabilities), checkJit());
  // Without the library nothing below can be asked.
  if (library.status === 'fail') return checks;
  checks.push(await checkSocket(), await checkProgram());
  if (iface !== undefined) checks.push(...(await checkInterface(iface, netns)));
  return checks;
}

/** Compares dotted versions: true when `version` is at least `wanted`. */
export function atLeast(version: string, wanted: string): boolean {
  const have = version.split(/[.-]/).map(Number);
  for (const [i, part] of wanted.split('.').map(Number).entries()) {
    if ((have[i] || 0) !== part) return (have[i] || 0) > part;
  }
  return true;
}

function checkNode(version: string): Check {
  if (atLeast(version, '20.19')) return ok('node', version);
  return fail('node', version, 'install Node 20.19 or later');
}

function checkPlatform(): Check {
  const found = `${process.platform} ${process.arch}`;
  if (process.platform !== 'linux') return fail('platform', found, 'AF_XDP is in Linux only: run it there');
  if (process.arch === 'x64' || process.arch === 'arm64') return ok('platform', found);
  return fail('platform', found, 'use an x64 or arm64 machine');
}

/** BPF links for XDP came with Linux 5.9, TX checksums through metadata with 6.8. */
function checkKernel(version: string): Check {
  if (!atLeast(version, '5.9'))
    return fail('kernel', version, 'XDP links need Linux 5.9: boot a newer kernel');
  if (atLeast(version, '6.8')) return ok('kernel', version);
  return warn('kernel', version, 'it works; with Linux 6.8 or later checksums can be left to the device');
}

async function checkLibrary(): Promise<Check> {
  try {
    const { addressOf } = await import('../nic/os/syscalls.js');
    if (addressOf(new Uint8Array(8)) > 0) return ok('ffi', 'the C library can be called');
    return fail('ffi', 'calls return nothing', 'reinstall the package: npm ci');
  } catch (error) {
    return fail(
      'ffi',
      messageOf(error).split('\n')[0],
      'install the package again, with optional dependencies: npm ci',
    );
  }
}

const CAPABILITIES = { CAP_NET_ADMIN: 12, CAP_NET_RAW: 13, CAP_IPC_LOCK: 14, CAP_SYS_ADMIN: 21, CAP_BPF: 39 };
type Capability = keyof typeof CAPABILITIES;

/** The effective capabilities of this process. */
function readCapabilities(): ReadonlySet<Capability> {
  let bits = 0n;
  try {
    const mask = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1];
    bits = BigInt(`0x${mask ?? '0'}`);
  } catch {
    // Without /proc there is nothing to go by: say that all are missing.
  }
  const names = Object.keys(CAPABILITIES) as Capability[];
  return new Set(names.filter((name) => ((bits >> BigInt(CAPABILITIES[name])) & 1n) === 1n));
}

/** The capabilities that a lab with a stack in it needs and this process lacks. */
export function missingPrivileges(): string[] {
  const have = readCapabilities();
  const needed: Capability[] = ['CAP_SYS_ADMIN', 'CAP_NET_ADMIN', 'CAP_NET_RAW'];
  return needed.filter((name) => !have.has(name));
}

function checkCapabilities(have: ReadonlySet<Capability>): Check[] {
  const remedy =
    'run as root, or grant it to the process (setpriv, systemd AmbientCapabilities, docker --cap-add)';
  const need = (name: Capability, why: string, instead?: Capability): Check => {
    if (have.has(name)) return ok(name, 'yes');
    if (instead !== undefined && have.has(instead)) return ok(name, `no, but ${instead}`);
    return fail(name, `missing: ${why}`, remedy);
  };
  const checks = [
    need('CAP_NET_RAW', 'no AF_XDP socket without it'),
    need('CAP_NET_ADMIN', 'no XDP program can be attached without it'),
    need('CAP_BPF', 'no BPF program can be loaded without it', 'CAP_SYS_ADMIN'),
  ];
  if (have.has('CAP_SYS_ADMIN')) checks.push(ok('CAP_SYS_ADMIN', 'yes'));
  else checks.push(warn('CAP_SYS_ADMIN', 'missing: no lab, no --netns', `for those, ${remedy}`));
  return checks;
}

/** What the frames of one queue take, in bytes. */
const FRAME_MEMORY = 8192 * 2048;

function checkMemlock(have: ReadonlySet<Capability>): Check {
  const name = 'memlock';
  const limit = /^Max locked memory\s+(\S+)/m.exec(readOr('/proc/self/limits', ''))?.[1] ?? 'unknown';
  const found = limit === 'unlimited' || limit === 'unknown' ? limit : `${Number(limit) / 1048576} MiB`;
  if (have.has('CAP_IPC_LOCK')) return ok(name, `${found}, without effect because of CAP_IPC_LOCK`);
  if (limit === 'unlimited' || Number(limit) >= FRAME_MEMORY) return ok(name, found);
  return warn(
    name,
    found,
    `one queue locks ${FRAME_MEMORY / 1048576} MiB: raise it with ulimit -l, or grant CAP_IPC_LOCK`,
  );
}

function checkJit(): Check {
  const value = readOr('/proc/sys/net/core/bpf_jit_enable', '').trim();
  if (value === '0') {
    return warn('bpf-jit', 'off', 'the XDP program is interpreted: sysctl net.core.bpf_jit_enable=1');
  }
  return ok('bpf-jit', value === '' ? 'not told' : 'on');
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return otherwise;
  }
}

async function checkSocket(): Promise<Check> {
  const { AF_XDP, SOCK_RAW, socket } = await import('../nic/os/syscalls.js');
  try {
    closeSync(socket(AF_XDP, SOCK_RAW, 0));
    return ok('af-xdp', 'a socket can be made');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EAFNOSUPPORT')
      return fail('af-xdp', 'not in this kernel', 'boot a kernel with CONFIG_XDP_SOCKETS=y');
    if (code === 'EPERM') return fail('af-xdp', 'not permitted', 'run as root, or grant CAP_NET_RAW');
    return fail('af-xdp', messageOf(error), 'try as root');
  }
}

/** `return XDP_PASS`, in eBPF: r0 = 2; exit. */
const PASS = Buffer.from([0xb7, 0, 0, 0, 2, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]);

async function checkProgram(): Promise<Check> {
  const { ATTACH_XDP, loadProgram, PROG_TYPE_XDP } = await import('../nic/os/bpf.js');
  try {
    closeSync(loadProgram(PASS, { name: 'mtcp_doctor', type: PROG_TYPE_XDP, attachType: ATTACH_XDP }));
    return ok('bpf', 'an XDP program can be loaded');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EPERM')
      return fail('bpf', 'not permitted', 'run as root, or grant CAP_BPF and CAP_NET_ADMIN');
    if (code === 'ENOSYS')
      return fail('bpf', 'not in this kernel', 'boot a kernel with CONFIG_BPF_SYSCALL=y');
    return fail('bpf', messageOf(error), 'try as root');
  }
}

async function checkInterface(iface: string, netns: string | undefined): Promise<Check[]> {
  const { interfaceInfo } = await import('../nic/os/interface-info.js');
  const { judgeInterface } = await import('./doctor-interface.js');
  const { holderOf } = await import('../nic/os/xdp-holder.js');
  const { inNetns } = await import('../nic/os/netns.js');
  const name = `interface ${iface}`;
  let info: InterfaceInfo;
  try {
    info = inNetns(netns, () => interfaceInfo(iface));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENODEV')
      return [fail(name, 'not there', 'see the names with ip link, and name its namespace by --netns')];
    if (code === 'ENOENT') return [fail(name, `no namespace ${netns}`, 'see the names with ip netns list')];
    if (code === 'EPERM')
      return [fail(name, `namespace ${netns} cannot be entered`, 'run as root, or grant CAP_SYS_ADMIN')];
    return [fail(name, messageOf(error), 'check the name')];
  }
  // Found out here: who holds a program is asked of the whole machine.
  const holder = info.xdp === 'none' ? undefined : holderOf(info.xdpProgram, info.xdp);
  return judgeInterface(info, netns, holder);
}

function print(checks: readonly Check[], healthy: boolean, { out }: Environment): void {
  const paint = paintFor(out);
  const marks = { ok: paint.good('ok  '), warn: paint.warn('warn'), fail: paint.bad('FAIL') };
  const width = Math.max(...checks.map(({ name }) => name.length));
  for (const { name, status, found, remedy } of checks) {
    const line = `${marks[status]}  ${name.padEnd(width)}  ${found}`;
    out.line(remedy === '' ? line : `${line}\n      ${' '.repeat(width)}  -> ${remedy}`);
  }
  out.line(
    healthy ? paint.good('The stack can run here.') : paint.bad('The stack cannot run here as things are.'),
  );
}
