// Plays a script to a target, a kernel or a stack, and writes down what came of it: each packet that it sent and what each call
// returned, in the terms of the script. What the lines of a script expect is not looked at: two transcripts are compared.

import type { OptionText, Script, SegmentText, Step } from '../../script/notation.js';
import { buildIcmp, buildSegment, type Flow, readSent, type SentSegment } from '../../script/wire-text.js';

export const LOCAL_IP = '10.0.0.1';
export const REMOTE_IP = '10.0.0.2';

/** What a call returned: a number, and the name of the errno with -1. */
export interface CallResult {
  value: number;
  errno: string | undefined;
}

/** A TCP with a program on it, and a wire to it. Times are µs since the script began. */
export interface Target {
  readonly name: string;
  inject(packet: Uint8Array): void;
  /** Lets time pass, at least until what has been injected is dealt with. */
  advance(toUs: number): void;
  /** IP packets that it has sent since the last call. */
  take(): { timeUs: number; bytes: Uint8Array }[];
  call(socket: string, name: string, args: string[]): CallResult;
  sysctl(name: string, value: string): void;
  /** Forgets the connections of a script. */
  reset(): void;
}

/** One line of a transcript. */
export interface Entry {
  /** The step after which it came. */
  step: string;
  /** µs since that step. */
  afterUs: number;
  text: string;
}

/** The peer's ISN, near the end of the sequence space, as in test/script. */
const PEER_ISN = 4_294_964_000;
/** How long what a script leaves open is watched. */
const EPILOGUE_US = 50_000;

export class Player {
  readonly #target: Target;
  readonly #flows = new Map<string, Flow>();
  readonly #entries: Entry[] = [];
  readonly #sockets = new Set<string>();
  readonly #remotePort: number;
  #flow: Flow;
  #step = 'the beginning';
  #stepUs = 0;
  #now = 0;

  /** @param remotePort the peer's port, another one for each script, for a kernel remembers */
  constructor(target: Target, remotePort: number) {
    this.#target = target;
    this.#remotePort = remotePort;
    this.#flow = this.#flowOf(80, remotePort);
  }

  play(script: Script): Entry[] {
    for (const step of script.steps) this.#play(step);
    this.#advance(this.#now + EPILOGUE_US);
    this.#target.reset();
    return this.#entries;
  }

  #play({ action, when, text, chained }: Step): void {
    const isPlayed = ['inject', 'inject-icmp', 'call', 'sysctl'].includes(action.kind);
    if (!isPlayed) return;
    const us =
      when === undefined || when.kind === 'any'
        ? this.#now
        : when.kind === 'at'
          ? when.us
          : this.#now + when.us;
    if (!chained) this.#advance(us);
    this.#step = text;
    this.#stepUs = this.#now;
    if (action.kind === 'inject') this.#inject(action.segment);
    else if (action.kind === 'inject-icmp') {
      const quoted = (this.#flow.iss ?? 0) + (action.icmp.fields.get('quoting') ?? 0);
      this.#target.inject(buildIcmp(this.#flow, action.icmp, quoted));
    } else if (action.kind === 'call') this.#call(action.socket, action.name, action.args);
    else if (action.kind === 'sysctl') this.#target.sysctl(action.name, action.value);
    this.#advance(this.#now);
  }

  #advance(toUs: number): void {
    this.#target.advance(toUs);
    this.#now = toUs;
    for (const { timeUs, bytes } of this.#target.take()) {
      const packet = readSent(bytes);
      const text = packet.kind === 'tcp' ? this.#describe(packet) : `icmp ${packet.name}`;
      this.#entries.push({
        step: this.#step,
        afterUs: Math.max(0, timeUs - this.#stepUs),
        text: `> ${text}`,
      });
    }
  }

  #inject(text: SegmentText): void {
    const { extras } = text;
    const flow = this.#flowOf(
      Number(extras.get('to') ?? this.#flow.localPort),
      extras.has('port') ? this.#remotePort + Number(extras.get('port')) : this.#flow.remotePort,
    );
    const iss = flow.iss ?? 0;
    const options = text.options === '*' ? [] : text.options;
    const absolute = options.map(({ name, values }) => ({
      name,
      values: values.map((value, i) => {
        if (name === 'sack') return (iss + Number(value)) >>> 0;
        // What is echoed is the newest timestamp, whatever the line says: clocks of two targets cannot be told in advance.
        if (name === 'TS' && i === 1) return flow.tsBase ?? 0;
        return value;
      }),
    }));
    const ack = typeof text.ack === 'number' ? iss + text.ack : 0;
    this.#target.inject(buildSegment(flow, text, { seq: flow.irs + text.seq, ack, options: absolute }));
  }

  #call(socket: string | undefined, name: string, args: string[]): void {
    const forConnection =
      this.#sockets.has('c') && !['socket', 'bind', 'listen', 'accept', 'connect'].includes(name);
    const target = socket ?? (forConnection ? 'c' : 's');
    const { value, errno } = this.#target.call(target, name, args);
    const isCreation = name === 'socket' || name === 'accept';
    if (name === 'accept' && value >= 0) this.#sockets.add(args[0] ?? 'c');
    if (name === 'connect') {
      const port = Number((args[0] ?? '').split(':')[1]);
      this.#flow = this.#flowOf(this.#target.call(target, 'port', []).value, port);
    }
    const result = errno ?? (isCreation ? 'a socket' : String(value));
    this.#entries.push({ step: this.#step, afterUs: 0, text: `= ${result}` });
  }

  #flowOf(localPort: number, remotePort: number): Flow {
    const key = `${localPort} ${remotePort}`;
    let flow = this.#flows.get(key);
    if (flow === undefined) {
      const [localIp, remoteIp] = [LOCAL_IP, REMOTE_IP];
      flow = { localIp, localPort, remoteIp, remotePort, iss: undefined, irs: PEER_ISN, tsBase: undefined };
      this.#flows.set(key, flow);
    }
    return flow;
  }

  #describe(packet: SentSegment): string {
    const flow = this.#flowOf(packet.localPort, packet.remotePort);
    if (packet.flags.includes('S')) flow.iss = packet.seq;
    const timestamp = packet.options.find(({ name }) => name === 'TS');
    if (timestamp !== undefined) flow.tsBase = Number(timestamp.values[0]);
    // A reset of nothing carries the peer's numbers.
    const seq = flow.iss === undefined ? packet.seq : (packet.seq - flow.iss) >>> 0;
    const length = packet.payload.length;
    const parts = [packet.flags || '-', `${seq}:${seq + length}(${length})`];
    if (packet.flags.includes('.')) parts.push(`ack ${(packet.ack - flow.irs) >>> 0}`);
    if (packet.win === 0 && !packet.flags.includes('R')) parts.push('win 0');
    const options = packet.options.map((option) => describeOption(option, flow));
    if (options.length > 0) parts.push(`<${options.join(',')}>`);
    if (!packet.checksumOk) parts.push('with a wrong checksum');
    return parts.join(' ');
  }
}

/** Timestamps of a target are its own; what it echoes is the script's. */
function describeOption({ name, values }: OptionText, flow: Flow): string {
  if (name === 'TS') return `TS ecr ${values[1]}`;
  if (name !== 'sack') return [name, ...values].join(' ');
  return `sack ${values.map((value) => (Number(value) - flow.irs) >>> 0).join(' ')}`;
}

/** Times that two entries may lie apart, in µs: the kernel's clock ticks, and a busy machine is late. */
function mayDiffer(us: number): number {
  return 100_000 + us / 10;
}

/**
 * PSH within one write: the kernel sets it on the last segment of each packet that it has cut by itself (segmentation offload),
 * which says nothing of the data. Only that of the last segment in a row is compared.
 */
function withoutPush(entries: readonly Entry[]): Entry[] {
  const isData = (entry: Entry | undefined): boolean => /^> P?\.P? .*\([1-9]/.test(entry?.text ?? '');
  return entries.map((entry, i) =>
    isData(entry) && isData(entries[i + 1]) ? { ...entry, text: entry.text.replace('P', '') } : entry,
  );
}

/** What differs between two transcripts: lines as of diff(1), none when both are the same. */
export function differences(kernel: readonly Entry[], stack: readonly Entry[]): string[] {
  const found: string[] = [];
  const steps = [...new Set([...kernel, ...stack].map(({ step }) => step))];
  for (const step of steps) {
    const [theirs, ours] = [kernel, stack].map((entries) =>
      withoutPush(entries.filter((entry) => entry.step === step)),
    );
    const same =
      theirs!.length === ours!.length &&
      theirs!.every(({ text, afterUs }, i) => {
        const other = ours![i]!;
        return other.text === text && Math.abs(other.afterUs - afterUs) <= mayDiffer(afterUs);
      });
    if (same) continue;
    found.push(step);
    for (const [sign, entries] of [
      ['kernel', theirs],
      ['stack ', ours],
    ] as const) {
      if (entries!.length === 0) found.push(`  ${sign} nothing`);
      for (const { text, afterUs } of entries!)
        found.push(`  ${sign} +${Math.round(afterUs / 1000)} ms ${text}`);
    }
  }
  return found;
}
