// The kernel as a target: a TUN device in a namespace of its own carries the packets, a Python program makes the calls. Everything
// is synchronous and in real time.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inNetns } from '../../../src/nic/os/netns.js';
import { ioctl, POLLIN, Poller } from '../../../src/nic/os/syscalls.js';
import { ip } from '../../support/netns.js';
import { type CallResult, LOCAL_IP, type Target } from './player.js';

const APP = fileURLToPath(new URL('../../../../test/interop/differential/kernel-app.py', import.meta.url));
const TUNSETIFF = 0x400454ca;
const IFF_TUN = 0x0001;
const IFF_NO_PI = 0x1000;
/** The kernel deals with a packet within this time. */
const SETTLE_US = 4_000;

/** Why this machine cannot do it; undefined when it can. */
export function kernelTargetReason(): string | undefined {
  try {
    closeSync(openSync('/dev/net/tun', 'r+'));
  } catch {
    return 'needs /dev/net/tun';
  }
  return spawnSync('python3', ['--version']).status === 0 ? undefined : 'needs python3';
}

export class KernelTarget implements Target {
  readonly name = 'kernel';
  readonly #netns: string;
  readonly #folder: string;
  readonly #app: ChildProcess;
  readonly #toApp: number;
  readonly #fromApp: number;
  readonly #tun: number;
  readonly #poller: Poller;
  readonly #buffer = Buffer.alloc(65_536);
  #sent: { timeUs: number; bytes: Uint8Array }[] = [];
  #startMs = performance.now();

  constructor(netns: string) {
    this.#netns = netns;
    ip('netns', 'add', netns);
    ip('-n', netns, 'link', 'set', 'lo', 'up');
    this.#tun = inNetns(netns, () => {
      const fd = openSync('/dev/net/tun', constants.O_RDWR | constants.O_NONBLOCK);
      const request = Buffer.alloc(40);
      request.write('tun0');
      request.writeUInt16LE(IFF_TUN | IFF_NO_PI, 16);
      ioctl(fd, TUNSETIFF, request, 'TUNSETIFF');
      return fd;
    });
    ip('-n', netns, 'link', 'set', 'tun0', 'addrgenmode', 'none');
    ip('-n', netns, 'addr', 'add', `${LOCAL_IP}/24`, 'broadcast', '10.0.0.255', 'dev', 'tun0');
    ip('-n', netns, 'link', 'set', 'tun0', 'up');
    // The stack's default, from which the window scale follows.
    ip('netns', 'exec', netns, 'sysctl', '-qw', 'net.ipv4.tcp_rmem=4096 131072 6291456');
    this.#poller = new Poller([this.#tun], POLLIN);
    // Named pipes, for reading from a child's ordinary ones cannot wait.
    this.#folder = mkdtempSync(join(tmpdir(), 'mtcp-differential-'));
    const [there, back] = ['there', 'back'].map((name) => join(this.#folder, name)) as [string, string];
    spawnSync('mkfifo', [there, back]);
    this.#toApp = openSync(there, 'r+');
    this.#fromApp = openSync(back, 'r+');
    this.#app = spawn('ip', ['netns', 'exec', netns, 'python3', '-u', APP], {
      stdio: [this.#toApp, this.#fromApp, 'inherit'],
    });
  }

  inject(packet: Uint8Array): void {
    writeSync(this.#tun, packet);
  }

  advance(toUs: number): void {
    const untilUs = Math.max(toUs, this.#now() + SETTLE_US);
    for (let left = untilUs - this.#now(); left > 0; left = untilUs - this.#now()) {
      if (this.#poller.wait(left) > 0) this.#drain();
    }
  }

  take(): { timeUs: number; bytes: Uint8Array }[] {
    const sent = this.#sent;
    this.#sent = [];
    return sent;
  }

  call(socket: string, name: string, args: string[]): CallResult {
    writeSync(this.#toApp, `${JSON.stringify([socket, name, args])}\n`);
    let line = '';
    while (!line.endsWith('\n'))
      line += this.#buffer.toString('utf8', 0, readSync(this.#fromApp, this.#buffer));
    const [value, errno] = JSON.parse(line) as [number, string | null];
    if (value === -2) throw new Error(`${name}: ${errno}`);
    return { value, errno: errno ?? undefined };
  }

  sysctl(): void {
    // What scripts set is the stack's; the kernel has its defaults.
  }

  reset(): void {
    this.call('', 'forget', []);
    this.advance(0);
    this.take();
    this.#startMs = performance.now();
  }

  /** Begins the time of a script. */
  begin(): void {
    this.#startMs = performance.now();
  }

  close(): void {
    this.#app.kill('SIGKILL');
    for (const fd of [this.#tun, this.#toApp, this.#fromApp]) closeSync(fd);
    rmSync(this.#folder, { recursive: true });
    spawnSync('ip', ['netns', 'del', this.#netns]);
  }

  #now(): number {
    return Math.round((performance.now() - this.#startMs) * 1000);
  }

  #drain(): void {
    for (;;) {
      let length: number;
      try {
        length = readSync(this.#tun, this.#buffer);
      } catch {
        return;
      }
      // IPv6 announces itself unasked.
      if (this.#buffer[0]! >> 4 === 4) {
        this.#sent.push({ timeUs: this.#now(), bytes: Uint8Array.from(this.#buffer.subarray(0, length)) });
      }
    }
  }
}
