// Plays a script against a virtual host: injects what stands behind `<`, compares what the host sends with what stands behind
// `>`, makes the calls, and moves virtual time in between. What does not fit ends the script with a ScriptError that shows both
// packets and everything that passed.

import { errno, errnoName } from '../../src/index.js';
import { stateName } from '../../src/stack/tcp/state.js';
import type { Tcb } from '../../src/stack/tcp/tcb.js';
import { Endpoint, parseAddress } from '../../src/stack/wire/address.js';
import { createHost, type Host } from '../../src/testing/index.js';
import { CALLS, CREATING_CALLS, defaultResult, PASSIVE_CALLS, REMOTE_IP, type SocketState } from './calls.js';
import type { IcmpText, OptionText, Result, Script, SegmentText, Step, When } from './notation.js';
import type { Flow, SentIcmp, SentSegment } from './wire-text.js';
import { buildIcmp, buildSegment, printOption, readSent, streamBytes } from './wire-text.js';

const LOCAL_IP = '10.0.0.1';
/** The peer's ISN: so close to 2^32 that every script of some length crosses the end of the sequence space. */
const PEER_ISN = 4_294_964_000;
/** How long `*` waits for a packet. */
const PATIENCE_US = 3_600_000_000;

/** What went wrong in a script, and where. */
export class ScriptError extends Error {
  constructor(step: Step, why: string, log: readonly string[]) {
    const packets = log.length === 0 ? ['(none)'] : log;
    super(`${step.file}:${step.line}: ${why}\npackets until then:\n  ${packets.join('\n  ')}`);
    this.name = 'ScriptError';
  }
}

/** What a script did to connections, for the test that all states and edges are reached. */
export type EdgeListener = (from: number, to: number) => void;

/** Plays a script to its end. @throws ScriptError at the first line that does not come true */
export function runScript(script: Script, onEdge: EdgeListener = () => {}): void {
  new Runner(script, onEdge).run();
}

interface Pending {
  timeUs: number;
  packet: SentSegment | SentIcmp;
  flow: Flow;
}

class Runner {
  readonly #script: Script;
  readonly #host: Host;
  readonly #flows = new Map<string, Flow>();
  readonly #sockets = new Map<string, SocketState>();
  readonly #pending: Pending[] = [];
  readonly #log: string[] = [];
  /** The flow of lines that name none. */
  #flow: Flow;
  /** ISN of the connection before, where a tuple is used again. */
  readonly #earlierIss = new Map<Flow, number>();
  #step: Step;

  constructor(script: Script, onEdge: EdgeListener) {
    this.#script = script;
    this.#step = script.steps[0];
    const mtu = script.host.get('mtu');
    this.#host = createHost({
      addresses: [`${LOCAL_IP}/24`],
      link: 'ip',
      seed: Number(script.host.get('seed') ?? 1),
      ...(mtu === undefined ? {} : { mtu: Number(mtu) }),
    });
    this.#flow = this.#flowOf(80, REMOTE_IP, 40_000);
    const { core } = this.#host.stack.tcp;
    const enter = core.enter.bind(core);
    core.enter = (tcb, state) => {
      const from = tcb.state;
      enter(tcb, state);
      onEdge(from, state);
    };
  }

  run(): void {
    for (const step of this.#script.steps) {
      this.#step = step;
      try {
        this.#play(step);
      } catch (error) {
        if (error instanceof ScriptError) throw error;
        throw new ScriptError(step, `${(error as Error).stack}`, this.#log);
      }
    }
    this.#nothingPending(Number.POSITIVE_INFINITY);
    const account = this.#host.nic.check();
    if (account.txReserved !== 0 || account.rxHeld !== 0) this.#fail('frames are not given back');
    const { core } = this.#host.stack.tcp;
    if (core.demux.size === 0 && core.listeners.find(80, core.addresses.list()[0]) === undefined) {
      if (core.buffers.inUse !== 0) this.#fail(`${core.buffers.inUse} bytes of buffers are not given back`);
    }
    this.#host.close();
  }

  #play(step: Step): void {
    const { action } = step;
    if (action.kind === 'expect' || action.kind === 'expect-icmp') {
      const pending = this.#nextPacket(step.when);
      if (action.kind === 'expect') this.#compareSegment(pending, action.segment);
      else this.#compareIcmp(pending, action.icmp);
      return;
    }
    if (!step.chained) this.#advance(this.#time(step.when));
    switch (action.kind) {
      case 'inject':
        this.#nothingPending(this.#host.now);
        this.#injectSegment(action.segment);
        break;
      case 'inject-icmp':
        this.#nothingPending(this.#host.now);
        this.#injectIcmp(action.icmp);
        break;
      case 'silence':
        this.#advance(action.untilUs ?? this.#host.now + (action.forUs ?? 0));
        this.#nothingPending(Number.POSITIVE_INFINITY);
        break;
      case 'sysctl':
        this.#host.sysctl(action.name, action.value);
        break;
      case 'state':
        this.#expectValue('state', this.#state(action.socket), action.name);
        break;
      case 'counter': {
        const counters = this.#host.stack.counters as unknown as Record<string, number>;
        if (!(action.name in counters)) this.#fail(`there is no counter ${action.name}`);
        this.#expectValue(`counter ${action.name}`, counters[action.name], action.value);
        break;
      }
      case 'field':
        this.#expectValue(`tcb ${action.path}`, this.#field(action.path), action.value);
        break;
      case 'info':
        this.#expectValue(`tcpi_${action.name}`, this.#info(action.name), action.value);
        break;
      case 'call':
        if (!step.chained) this.#nothingPending(this.#host.now);
        this.#call(action.socket, action.name, action.args, action.result);
        break;
    }
  }

  // Time and packets

  #time(when: When | undefined): number {
    if (when === undefined || when.kind === 'any') return this.#host.now;
    const us = when.kind === 'at' ? when.us : this.#host.now + when.us;
    if (us < this.#host.now) this.#fail(`time goes back from ${format(this.#host.now)} to ${format(us)}`);
    return us;
  }

  #advance(toUs: number): void {
    this.#host.advance(toUs);
    this.#collect();
  }

  /** Takes what the host has sent, and learns our sequence numbers and timestamps from it. */
  #collect(): void {
    for (const { timeUs, bytes } of this.#host.take()) {
      const packet = readSent(bytes);
      const flow =
        packet.kind === 'tcp'
          ? this.#flowOf(packet.localPort, packet.remoteIp, packet.remotePort)
          : this.#flow;
      if (packet.kind === 'tcp') this.#learn(packet, flow, timeUs);
      this.#pending.push({ timeUs, packet, flow });
      this.#log.push(`${format(timeUs)} > ${this.#print(packet, flow)}`);
    }
  }

  #learn(packet: SentSegment, flow: Flow, timeUs: number): void {
    if (packet.flags.includes('S') && flow.iss !== packet.seq) {
      if (flow.iss !== undefined) this.#earlierIss.set(flow, flow.iss);
      flow.iss = packet.seq;
    }
    const timestamp = packet.options.find(({ name }) => name === 'TS');
    if (timestamp !== undefined) flow.tsBase ??= Number(timestamp.values[0]) - Math.floor(timeUs / 1000);
  }

  /** The next packet that the host sends, which must come when the line says. */
  #nextPacket(when: When | undefined): Pending {
    if (when?.kind === 'any') {
      const limit = this.#host.now + PATIENCE_US;
      this.#collect();
      while (this.#pending.length === 0) {
        const next = this.#host.nextDeadline();
        if (next > limit) this.#fail(`expected\n    ${this.#step.text}\n  but nothing will ever come`);
        this.#advance(next);
      }
      return this.#pending.shift()!;
    }
    const base = this.#host.now;
    const tolerance = when?.tolerance ?? 0;
    const us = when === undefined ? base : when.kind === 'at' ? when.us : base + when.us;
    this.#advance(Math.max(base, us + tolerance));
    const pending = this.#pending.shift();
    const wanted = `${format(us)}${tolerance > 0 ? `~${format(tolerance)}` : ''} ${this.#step.text}`;
    if (pending === undefined) this.#fail(`expected\n    ${wanted}\n  but nothing came`);
    if (Math.abs(pending.timeUs - us) > tolerance) {
      const got = `${format(pending.timeUs)} > ${this.#print(pending.packet, pending.flow)}`;
      this.#fail(`expected\n    ${wanted}\n  but at another time came\n    ${got}`);
    }
    return pending;
  }

  /** Fails when a packet that no line expects was sent before `beforeUs`. */
  #nothingPending(beforeUs: number): void {
    this.#collect();
    const [first] = this.#pending;
    if (first === undefined || first.timeUs >= beforeUs) return;
    this.#fail(`not expected:\n    ${format(first.timeUs)} > ${this.#print(first.packet, first.flow)}`);
  }

  #injectSegment(text: SegmentText): void {
    const flow = this.#flowFor(text.extras);
    const iss = flow.iss ?? 0;
    const ack = typeof text.ack === 'number' ? iss + text.ack : 0;
    const options = text.options === '*' ? [] : text.options;
    const absolute = options.map(({ name, values }) => ({
      name,
      values: values.map((value, i) => {
        if (name === 'sack') return (iss + Number(value)) >>> 0;
        // `none` is the zero on the wire; otherwise TSecr counts in ms of the script.
        if (name === 'TS' && i === 1) {
          return Number.isNaN(value) || flow.tsBase === undefined ? 0 : (flow.tsBase + Number(value)) >>> 0;
        }
        return value;
      }),
    }));
    const bytes = buildSegment(flow, text, { seq: flow.irs + text.seq, ack, options: absolute });
    this.#log.push(`${format(this.#host.now)} ${this.#step.text}`);
    if (!this.#host.inject(bytes)) this.#fail('the Nic has no frame for this packet');
    this.#collect();
  }

  #injectIcmp(text: IcmpText): void {
    const flow = this.#flowFor(text.extras);
    this.#log.push(`${format(this.#host.now)} ${this.#step.text}`);
    this.#host.inject(buildIcmp(flow, text, (flow.iss ?? 0) + (text.fields.get('quoting') ?? 0)));
    this.#collect();
  }

  #compareSegment({ packet, flow }: Pending, text: SegmentText): void {
    const actual = `> ${this.#print(packet, flow)}`;
    const differs = (what: string): never =>
      this.#fail(`expected\n    ${this.#step.text}\n  got (${what} differs)\n    ${actual}`);
    if (packet.kind !== 'tcp') return differs('protocol');
    if (flow !== this.#flowFor(text.extras)) return differs('connection');
    if (!packet.checksumOk) return differs('checksum');
    if (packet.flags !== text.flags) return differs('flags');
    const seq = relative(packet.seq, flow.iss);
    if (seq !== text.seq) return differs('seq');
    if (packet.payload.length !== text.length) return differs('length');
    if (packet.urgent !== Number(text.extras.get('urg') ?? 0)) return differs('the urgent pointer');
    const hasAck = packet.flags.includes('.');
    const ack = hasAck || packet.ack !== 0 ? relative(packet.ack, flow.irs) : undefined;
    if (text.ack !== '*' && ack !== text.ack) return differs('ack');
    if (text.win !== undefined && text.win !== '*' && text.win !== packet.win) return differs('win');
    if (text.options !== '*' && !this.#sameOptions(packet.options, text.options, flow))
      return differs('options');
    const expected = streamBytes(seq, packet.payload.length);
    if (!packet.payload.every((byte, i) => byte === expected[i])) return differs('payload');
  }

  #sameOptions(actual: readonly OptionText[], expected: readonly OptionText[], flow: Flow): boolean {
    const own = actual.map((option) => this.#relativeOption(option, flow));
    return (
      own.length === expected.length &&
      own.every(({ name, values }, i) => {
        const other = expected[i];
        if (other.name !== name || other.values.length !== values.length) return false;
        return values.every((value, j) => other.values[j] === '*' || other.values[j] === value);
      })
    );
  }

  #compareIcmp({ packet, flow }: Pending, text: IcmpText): void {
    const same =
      packet.kind === 'icmp' &&
      packet.name === text.name &&
      [...text.fields].every(([key, value]) => packet.fields.get(key) === value);
    if (!same) this.#fail(`expected\n    ${this.#step.text}\n  got\n    > ${this.#print(packet, flow)}`);
  }

  /** Options of a segment of ours, relative: acknowledged ranges to the peer's ISN, TSval to our clock, TSecr as it is. */
  #relativeOption({ name, values }: OptionText, flow: Flow): OptionText {
    if (name === 'sack') return { name, values: values.map((value) => relative(Number(value), flow.irs)) };
    if (name === 'TS') return { name, values: [relative(Number(values[0]), flow.tsBase), values[1]] };
    return { name, values };
  }

  #print(packet: SentSegment | SentIcmp, flow: Flow): string {
    if (packet.kind === 'icmp') {
      return ['icmp', packet.name, ...[...packet.fields].map((pair) => pair.join(' '))].join(' ');
    }
    const seq = relative(packet.seq, flow.iss);
    const length = packet.payload.length;
    let text = `${packet.flags || '-'} ${seq}:${seq + length}(${length})`;
    if (packet.flags.includes('.')) text += ` ack ${relative(packet.ack, flow.irs)}`;
    text += ` win ${packet.win}`;
    if (packet.urgent > 0) text += ` urg ${packet.urgent}`;
    const options = packet.options.map((option) => printOption(this.#relativeOption(option, flow)));
    if (options.length > 0) text += ` <${options.join(',')}>`;
    return flow === this.#flow ? text : `${text} [port ${flow.remotePort}]`;
  }

  // Flows

  #flowOf(localPort: number, remoteIp: string, remotePort: number): Flow {
    const key = `${localPort} ${remoteIp} ${remotePort}`;
    let flow = this.#flows.get(key);
    if (flow === undefined) {
      flow = {
        localIp: LOCAL_IP,
        localPort,
        remoteIp,
        remotePort,
        iss: undefined,
        irs: PEER_ISN,
        tsBase: undefined,
      };
      this.#flows.set(key, flow);
    }
    return flow;
  }

  /** The flow that `[port N, from A, to N]` names. */
  #flowFor(extras: Map<string, string>): Flow {
    const { localPort, remoteIp, remotePort } = this.#flow;
    return this.#flowOf(
      Number(extras.get('to') ?? localPort),
      extras.get('from') ?? remoteIp,
      Number(extras.get('port') ?? remotePort),
    );
  }

  // What lies behind

  #tcb(): Tcb | undefined {
    const { localIp, localPort, remoteIp, remotePort } = this.#flow;
    return this.#host.stack.tcp.core.demux.find(endpoint(localIp, localPort), endpoint(remoteIp, remotePort));
  }

  #state(socket: string | undefined): string {
    const named =
      socket === undefined ? undefined : this.#host.mctx.sockets.get(this.#socket(socket).id)?.tcb;
    const tcb = named ?? this.#tcb();
    if (tcb !== undefined) return stateName(tcb.state);
    const { listeners } = this.#host.stack.tcp.core;
    return listeners.find(this.#flow.localPort, endpoint(LOCAL_IP, 0)) === undefined ? 'CLOSED' : 'LISTEN';
  }

  #field(path: string): unknown {
    let value: unknown = this.#tcb();
    for (const key of path.split('.')) value = (value as Record<string, unknown> | undefined)?.[key];
    return typeof value === 'boolean' ? Number(value) : value;
  }

  /** A field of TCP_INFO, without the `tcpi_` in front. */
  #info(name: string): number {
    const tcb = this.#tcb() ?? this.#fail('no connection');
    const info = this.#host.stack.tcp.info(tcb) as unknown as Record<string, number>;
    return info[`tcpi_${name}`] ?? this.#fail(`there is no field tcpi_${name}`);
  }

  // Calls

  #socket(name: string): SocketState {
    const socket = this.#sockets.get(name);
    if (socket === undefined) this.#fail(`there is no socket '${name}'`);
    return socket;
  }

  #call(socket: string | undefined, name: string, args: string[], expected: Result | undefined): void {
    const call = CALLS[name];
    if (call === undefined) this.#fail(`there is no call '${name}'`);
    const forConnection = this.#sockets.has('c') && !PASSIVE_CALLS.has(name);
    const target = socket ?? (forConnection ? 'c' : 's');
    const value = call({
      host: this.#host,
      args,
      name: target,
      socket: (of = target) => this.#socket(of),
      keep: (of, id) => this.#sockets.set(of, { id, written: 0, read: 0 }),
      setFlow: (localPort, remoteIp, remotePort) => {
        this.#flow = this.#flowOf(localPort, remoteIp, remotePort);
      },
      tcb: () => this.#tcb(),
      isnBeyond: (position) => this.#isnBeyond(position),
      fail: (why) => this.#fail(why),
    });
    const failure = value === -1 ? errnoName(errno) : undefined;
    const got = failure === undefined ? String(value) : `-1 ${failure}`;
    const wanted = expected ?? { value: defaultResult(name, args), errno: undefined };
    const isCreation = expected === undefined && CREATING_CALLS.has(name);
    const same = isCreation ? value >= 0 : value === wanted.value && wanted.errno === failure;
    if (!same) {
      const text = wanted.errno === undefined ? String(wanted.value) : `${wanted.value} ${wanted.errno}`;
      this.#fail(`${this.#step.text}: expected ${isCreation ? 'a socket' : text}, got ${got}`);
    }
  }

  #isnBeyond(position: number): boolean {
    const earlier = this.#earlierIss.get(this.#flow);
    if (earlier === undefined || this.#flow.iss === undefined) return false;
    return ((this.#flow.iss - earlier - position) | 0) > 0;
  }

  #expectValue(what: string, actual: unknown, expected: unknown): void {
    if (actual !== expected) this.#fail(`${what}: expected ${String(expected)}, got ${String(actual)}`);
  }

  #fail(why: string): never {
    this.#collectQuietly();
    throw new ScriptError(this.#step, why, this.#log);
  }

  /** Packets that came meanwhile belong into the message. */
  #collectQuietly(): void {
    try {
      this.#collect();
    } catch {
      // The failure that is being told matters more.
    }
  }
}

function endpoint(ip: string, port: number): Endpoint {
  const to = new Endpoint();
  to.copy(parseAddress(ip)!);
  to.port = port;
  return to;
}

/** The distance from a base in the sequence space; 0 stands for a base not known yet. */
function relative(value: number, base: number | undefined): number {
  return (value - (base ?? 0)) >>> 0;
}

function format(us: number): string {
  return (us / 1e6).toFixed(6);
}
