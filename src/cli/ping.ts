// `mtcp ping`: ICMP echo requests from the stack, reported as ping(8) does.

import type { Mctx } from '../api/index.js';
import { mtcp_close, mtcp_epoll_create, mtcp_epoll_wait, strerror } from '../api/index.js';
import { EHOSTUNREACH } from '../stack/errors.js';
import { parseAddress } from '../stack/wire/address.js';
import { resolveHost } from './clients/address.js';
import type { Command, Environment } from './command.js';
import type { Args } from './options.js';
import { ONE_CORE_OPTIONS, openStack, readPlacement } from './placement.js';
import { MAX_WAIT_MS, SignalWatch, Yielder } from './runner.js';

const DEFAULT_SIZE = 56;
const ICMP_HEADER = 8;
const TIMEOUT_MS = 1000;
/** Where nobody has answered, as long as it takes to find out that there is nobody: three ARP requests, a second each. */
const SILENT_TIMEOUT_MS = 4000;
/** The stack counts identifiers and sequence numbers in 16 bits. */
const WORD = 0x10000;

/** The `ping` subcommand. */
export const ping: Command = {
  name: 'ping',
  summary: 'send ICMP echo requests from the stack',
  usage: ['[OPTION…] HOST'],
  details: ['Without -c it goes on until Ctrl-C. The exit code is 0 when at least one answer came.'],
  positionals: [1, 1],
  wanted: ['HOST'],
  options: [
    { name: 'count', short: 'c', value: 'N', help: 'send so many' },
    { name: 'interval', short: 'i', value: 'S', help: 'seconds between two (1)' },
    { name: 'size', short: 's', value: 'N', help: `bytes of payload (${DEFAULT_SIZE})` },
    {
      name: 'timeout',
      short: 'W',
      value: 'S',
      help: 'seconds to wait for the last answer (1; 4 when none has come)',
    },
    ...ONE_CORE_OPTIONS,
  ],
  async run(args: Args, environment: Environment): Promise<number> {
    const plan = {
      count: args.integer('count', 1, Number.MAX_SAFE_INTEGER) ?? Number.POSITIVE_INFINITY,
      intervalMs: (args.decimal('interval', 0.001, 1e6) ?? 1) * 1000,
      size: args.integer('size', 0, 1472) ?? DEFAULT_SIZE,
      timeoutMs: args.has('timeout') ? (args.decimal('timeout', 0, 1e6) ?? 0) * 1000 : undefined,
    };
    const placement = readPlacement(args);
    const host = args.words[0];
    const address = await resolveHost(host);
    const stack = openStack(placement, environment.log);
    const signals = new SignalWatch();
    try {
      if (!environment.json) environment.out.line(`PING ${host} (${address}) ${plan.size} bytes of data.`);
      const pinger = new Pinger(stack.mctx, address, plan.size, environment);
      await pinger.run(plan, () => signals.signal !== undefined);
      pinger.report(host);
      return pinger.received > 0 ? 0 : 1;
    } finally {
      stack.close();
      signals.close();
    }
  },
};

interface Plan {
  readonly count: number;
  readonly intervalMs: number;
  /** How long to wait for the last answer; undefined when nobody has said. */
  readonly timeoutMs: number | undefined;
}

class Pinger {
  received = 0;
  private readonly mctx: Mctx;
  private readonly address: string;
  private readonly size: number;
  private readonly environment: Environment;
  private readonly id = process.pid % WORD;
  /** When each request that has no answer yet was sent, by its sequence number. */
  private readonly sentMs: Map<number, number> = new Map();
  private readonly timesMs: number[] = [];
  private sent = 0;
  private errors = 0;
  private duplicates = 0;
  private startMs = 0;
  private endMs = 0;

  constructor(mctx: Mctx, address: string, size: number, environment: Environment) {
    this.mctx = mctx;
    this.address = address;
    this.size = size;
    this.environment = environment;
  }

  async run(plan: Plan, cancelled: () => boolean): Promise<void> {
    const { icmp } = this.mctx.stack;
    icmp.onEchoReply = (from, id, sequence, length, ttl) => {
      if (id === this.id) this.onReply(from.toString(), sequence, length, ttl);
    };
    icmp.onEchoError = (from, id, sequence) => {
      if (id === this.id)
        this.onError(`From ${from.toString()} icmp_seq=${sequence} Destination Unreachable`, sequence);
    };
    // The only address asked for on the link is the next hop to the only host that is pinged.
    icmp.onHostUnreachable = () => {
      const from = String(this.mctx.stack.addresses.list()[0]);
      for (const sequence of [...this.sentMs.keys()])
        this.onError(`From ${from} icmp_seq=${sequence} Destination Host Unreachable`, sequence);
    };
    const epoll = mtcp_epoll_create(this.mctx, 1);
    const yielder = new Yielder();
    this.startMs = performance.now();
    let nextMs = this.startMs;
    let lastMs = Number.POSITIVE_INFINITY;
    while (!cancelled()) {
      const nowMs = performance.now();
      if (this.sent < plan.count && nowMs >= nextMs) {
        this.send();
        nextMs += plan.intervalMs;
        if (this.sent === plan.count) lastMs = performance.now();
      }
      const endMs = lastMs + (plan.timeoutMs ?? (this.received > 0 ? TIMEOUT_MS : SILENT_TIMEOUT_MS));
      if (nowMs >= endMs || (this.sent === plan.count && this.sentMs.size === 0)) break;
      const untilMs = this.sent < plan.count ? nextMs : endMs;
      mtcp_epoll_wait(
        this.mctx,
        epoll,
        [],
        1,
        Math.max(0, Math.min(MAX_WAIT_MS, untilMs - performance.now())),
      );
      await yielder.yield(true);
    }
    this.endMs = performance.now();
    mtcp_close(this.mctx, epoll);
  }

  private send(): void {
    const { stack } = this.mctx;
    const sequence = ++this.sent % WORD;
    this.sentMs.set(sequence, performance.now());
    this.mctx.touch();
    const result = stack.icmp.sendEcho(parseAddress(this.address)!, this.id, sequence, this.size);
    if (result === -EHOSTUNREACH) this.onError(`icmp_seq=${sequence} Destination Host Unreachable`, sequence);
    else if (result < 0) this.onError(`icmp_seq=${sequence} not sent: ${strerror(-result)}`, sequence);
  }

  private onReply(from: string, sequence: number, length: number, ttl: number): void {
    const { out, json } = this.environment;
    const sentMs = this.sentMs.get(sequence);
    const bytes = length + ICMP_HEADER;
    if (sentMs === undefined) {
      this.duplicates++;
      if (!json) out.line(`${bytes} bytes from ${from}: icmp_seq=${sequence} ttl=${ttl} (DUP!)`);
      return;
    }
    const timeMs = performance.now() - sentMs;
    this.sentMs.delete(sequence);
    this.received++;
    this.timesMs.push(timeMs);
    if (!json)
      out.line(`${bytes} bytes from ${from}: icmp_seq=${sequence} ttl=${ttl} time=${timeMs.toFixed(3)} ms`);
  }

  private onError(line: string, sequence: number): void {
    this.errors++;
    this.sentMs.delete(sequence);
    if (!this.environment.json) this.environment.out.line(line);
  }

  report(host: string): void {
    const { out, json } = this.environment;
    const { sent, received, errors, duplicates, timesMs } = this;
    const lossPercent = sent === 0 ? 0 : Number((((sent - received) / sent) * 100).toFixed(2));
    const elapsedMs = Math.round(this.endMs - this.startMs);
    const min = Math.min(...timesMs);
    const max = Math.max(...timesMs);
    const average = timesMs.reduce((sum, time) => sum + time, 0) / timesMs.length;
    const deviation = timesMs.reduce((sum, time) => sum + Math.abs(time - average), 0) / timesMs.length;
    const round = (value: number): number => Number(value.toFixed(3));
    if (json) {
      const summary = {
        host,
        address: this.address,
        sent,
        received,
        errors,
        duplicates,
        lossPercent,
        elapsedMs,
      };
      const rttMs =
        received === 0
          ? null
          : { min: round(min), average: round(average), max: round(max), deviation: round(deviation) };
      out.json({ ...summary, rttMs });
      return;
    }
    out.line();
    out.line(`--- ${host} ping statistics ---`);
    const failed = errors > 0 ? `+${errors} errors, ` : '';
    out.line(
      `${sent} packets transmitted, ${received} received, ${failed}${lossPercent}% packet loss, time ${elapsedMs}ms`,
    );
    if (received > 0) {
      const times = [min, average, max, deviation].map((time) => time.toFixed(3)).join('/');
      out.line(`rtt min/avg/max/mdev = ${times} ms`);
    }
  }
}
