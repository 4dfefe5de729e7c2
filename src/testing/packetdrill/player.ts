// Plays a script against a virtual host: injects what the script sends, compares what the host sends, makes the calls, checks the
// assertions, and moves virtual time in between.

import { mtcp_getsockopt, SOL_TCP, TCP_INFO, type TcpInfo } from '../../api/index.js';
import { createHost, type Host } from '../host.js';
import { type Attempt, Calls, type Outcome } from './calls.js';
import { Flow } from './flow.js';
import { codeName } from './names.js';
import { runCode } from './python.js';
import {
  ANYTHING,
  type CallText,
  type EventTime,
  PacketdrillError,
  type PacketdrillScript,
  type ScriptEvent,
  type SegmentText,
} from './script.js';
import { Shell } from './shell.js';
import {
  buildIcmp,
  buildSegment,
  describeSegment,
  readSegment,
  type Segment,
  type SentSegment,
} from './wire.js';

const LOCAL_IP = '192.168.0.1';
const REMOTE_IP = '192.0.2.1';
/** Port of the side that listens: packetdrill's default. */
const PORT = 8080;
const FIRST_REMOTE_PORT = 40_000;
/** How far a packet may be from its time, in µs: packetdrill's default. */
const TOLERANCE_US = 4_000;
/** How long `*` waits. */
const PATIENCE_US = 600_000_000;
const SYN = 2;
const PSH = 8;
const ACK = 16;

/** What a script is played with. */
export interface PlayOptions {
  /** Gives the text of a file that the script's commands name, undefined when there is none. */
  readonly include?: (path: string) => string | undefined;
  /** Takes each packet that passes, in the script's terms. */
  readonly trace?: (timeUs: number, direction: 'in' | 'out', packet: string) => void;
}

interface Pending {
  readonly timeUs: number;
  readonly segment: SentSegment;
}

/** A call that blocks, until it is done. */
interface Blocked {
  readonly event: ScriptEvent;
  readonly call: CallText;
  readonly attempt: Attempt;
  readonly untilUs: number;
}

/** Something is not as the script says. */
class Mismatch extends Error {}

/**
 * Plays a script. Returns what is not as the script says, with its line; undefined when all is.
 * @throws PacketdrillError when the script cannot be played
 */
export function play(script: PacketdrillScript, options: PlayOptions): string | undefined {
  return new Player(script, options).play();
}

class Player {
  private readonly script: PacketdrillScript;
  private readonly options: PlayOptions;
  private readonly host: Host;
  private readonly calls: Calls;
  private readonly shell: Shell;
  private readonly toleranceUs: number;
  private readonly flows: Flow[] = [];
  private readonly pending: Pending[] = [];
  private blocked: Blocked | undefined = undefined;
  /** The descriptor that code asks about. */
  private current = -1;
  /** When the last event was due. */
  private baseUs = 0;

  constructor(script: PacketdrillScript, options: PlayOptions) {
    this.script = script;
    this.options = options;
    this.toleranceUs = Number(script.options.get('tolerance_usecs') ?? TOLERANCE_US);
    const version = script.options.get('ip_version') ?? 'ipv4';
    if (version === 'ipv6') throw new PacketdrillError(1, 'IPv6', true);
    this.host = createHost({
      addresses: [`${LOCAL_IP}/16`],
      gateway: '192.168.0.2',
      link: 'ip',
      mtu: mtuOf(script),
    });
    this.calls = new Calls(this.host, REMOTE_IP, PORT);
    this.shell = new Shell({
      sysctl: (name, value) => this.sysctl(name, value),
      counter: (name) => (this.host.stack.counters as unknown as Record<string, number>)[name],
      include: (path) => options.include?.(path),
    });
  }

  play(): string | undefined {
    try {
      for (const event of this.script.events) {
        try {
          this.one(event);
        } catch (error) {
          if (error instanceof Mismatch) return `line ${event.line}: ${error.message}`;
          throw error;
        }
      }
      return undefined;
    } finally {
      this.host.close();
    }
  }

  private one({ line, time, action }: ScriptEvent): void {
    if (action.kind === 'expect') {
      if (action.packet.kind === 'icmp')
        throw new PacketdrillError(line, 'an ICMP message that is sent', true);
      this.expect(time, action.packet);
      return;
    }
    this.advance(this.due(time));
    this.baseUs = time.kind === 'any' ? this.host.now : this.due(time);
    switch (action.kind) {
      case 'inject':
        if (action.packet.kind === 'tcp') this.inject(action.packet);
        else {
          const flow = this.flowNow();
          this.host.inject(buildIcmp(flow, action.packet, flow.hostNumber(action.packet.start, false)));
        }
        break;
      case 'call':
        this.call({ line, time, action }, action.call);
        break;
      case 'shell': {
        const wrong = this.shell.run(action.text, line);
        if (wrong !== undefined) throw new Mismatch(wrong);
        break;
      }
      case 'code': {
        const wrong = runCode(action.text, codeName(this.info()), line);
        if (wrong !== undefined) throw new Mismatch(wrong);
        break;
      }
    }
    this.collect();
  }

  // Time

  private due(time: EventTime): number {
    if (time.kind === 'any') return this.host.now;
    return time.kind === 'absolute' ? time.us : this.baseUs + time.us;
  }

  /** Moves time on, and lets what blocks go on as soon as it can. */
  private advance(toUs: number): void {
    this.collect();
    while (this.blocked !== undefined && this.host.now < toUs) {
      const next = this.host.world.nextEvent();
      if (next > toUs) break;
      this.host.advance(Math.max(Math.ceil(next), this.host.now));
      this.collect();
    }
    if (toUs > this.host.now) this.host.advance(toUs);
    this.collect();
  }

  /** Takes what the host has sent, and tries again what blocks. */
  private collect(): void {
    this.unblock();
    for (const { timeUs, bytes } of this.host.take()) {
      const segment = readSegment(bytes);
      if (segment !== undefined) this.pending.push({ timeUs, segment });
    }
  }

  private unblock(): void {
    const { blocked } = this;
    if (blocked === undefined) return;
    const result = blocked.attempt();
    if (result === undefined) {
      if (this.host.now <= blocked.untilUs + this.toleranceUs) return;
      throw new Mismatch(
        `${blocked.call.name} of line ${blocked.event.line} still blocks at ${seconds(this.host.now)}`,
      );
    }
    this.blocked = undefined;
    if (Math.abs(this.host.now - blocked.untilUs) > this.toleranceUs) {
      const line = `${blocked.call.name} of line ${blocked.event.line}`;
      throw new Mismatch(`${line} returns at ${seconds(this.host.now)}, not ${seconds(blocked.untilUs)}`);
    }
    this.compareResult(blocked.call, result);
  }

  // Packets

  private inject(text: SegmentText): void {
    const flow = this.flowOf(text);
    const segment = flow.toWire(text);
    this.host.inject(buildSegment(flow, segment));
    this.options.trace?.(
      this.host.now,
      'in',
      describeSegment({ ...segment, seq: text.start, ack: text.ack ?? 0 }),
    );
  }

  /** The connection that a segment to the host belongs to: a SYN that nobody has answered yet begins another one. */
  private flowOf(text: SegmentText): Flow {
    const last = this.flows.at(-1);
    const isNew = (text.flags & (SYN | ACK)) === SYN && this.awaitsPeer;
    if (last !== undefined && !isNew) return last;
    this.awaitsPeer = false;
    const flow = new Flow(LOCAL_IP, PORT, REMOTE_IP, FIRST_REMOTE_PORT + this.flows.length);
    this.flows.push(flow);
    return flow;
  }

  /** A listener has been made since the last SYN. */
  private awaitsPeer = false;

  private flowNow(): Flow {
    const flow = this.flows.at(-1);
    if (flow === undefined) throw new Mismatch('there is no connection yet');
    return flow;
  }

  private expect(time: EventTime, text: SegmentText): void {
    const isAny = time.kind === 'any';
    const due = this.due(time);
    const latest = isAny
      ? this.host.now + PATIENCE_US
      : (time.untilUs === undefined ? due : due - time.us + time.untilUs) + this.toleranceUs;
    this.waitForPacket(latest, text);
    const { timeUs } = this.pending[0];
    const sent = this.takeSegment(text);
    const flow = this.senderOf(sent);
    flow.learn(text, sent);
    const seen = flow.fromWire(sent);
    this.options.trace?.(timeUs, 'out', describeSegment(seen));
    if (!isAny && (timeUs < due - this.toleranceUs || timeUs > latest)) {
      throw new Mismatch(`sent at ${seconds(timeUs)}, not ${seconds(due)}: ${describeSegment(seen)}`);
    }
    const wrong = compare(text, seen);
    if (wrong !== undefined) throw new Mismatch(`${wrong}: ${describeSegment(seen)}`);
    this.baseUs = isAny || time.untilUs !== undefined ? timeUs : due;
  }

  private waitForPacket(latestUs: number, text: SegmentText): void {
    this.collect();
    while (this.pending.length === 0) {
      const next = this.host.world.nextEvent();
      if (next > latestUs) {
        const wanted = describeSegment({ ...EMPTY, ...known(text) });
        throw new Mismatch(`nothing is sent until ${seconds(latestUs)}; expected ${wanted}`);
      }
      this.host.advance(Math.max(Math.ceil(next), this.host.now));
      this.collect();
    }
  }

  /** Takes the next segment, with those that follow it where the script sees one long one, as with segmentation offload. */
  private takeSegment(text: SegmentText): SentSegment {
    let { segment } = this.pending.shift()!;
    while (segment.length > 0 && segment.length < text.length && this.pending.length > 0) {
      const next = this.pending[0].segment;
      const isNext =
        next.seq === (segment.seq + segment.length) >>> 0 && next.localPort === segment.localPort;
      if (!isNext || next.length === 0 || segment.length + next.length > text.length) break;
      this.pending.shift();
      segment = { ...segment, length: segment.length + next.length, flags: segment.flags | next.flags };
    }
    return segment;
  }

  private senderOf(sent: SentSegment): Flow {
    const flow = this.flows.findLast(
      ({ localPort, remotePort }) => localPort === sent.localPort && remotePort === sent.remotePort,
    );
    if (flow !== undefined) return flow;
    // The host opens a connection.
    const opened = new Flow(LOCAL_IP, sent.localPort, REMOTE_IP, sent.remotePort);
    this.flows.push(opened);
    return opened;
  }

  // Calls

  private call(event: ScriptEvent, call: CallText): void {
    const attempt = this.calls.find(call.name, call.args, event.line);
    const until = event.time.blocksUntilUs;
    const startUs = this.host.now;
    const result = attempt();
    if (result === undefined) {
      const untilUs = until === undefined ? startUs : this.baseUs - event.time.us + until;
      this.blocked = {
        event,
        call,
        attempt,
        untilUs: event.time.kind === 'absolute' ? (until ?? 0) : untilUs,
      };
      return;
    }
    this.compareResult(call, result);
  }

  private compareResult(call: CallText, { result, errno, wrong }: Outcome): void {
    const got = result < 0 ? `${result} ${errno}` : String(result);
    const isDescriptor = Calls.returnsDescriptor(call.name) && result >= 0;
    const fits =
      call.result === ANYTHING ||
      (isDescriptor && call.result >= 0) ||
      (result === call.result && (call.errno === undefined || call.errno === errno));
    if (!fits) {
      const wanted = [String(call.result), call.errno].filter((word) => word !== undefined).join(' ');
      throw new Mismatch(`${call.name} returns ${got}, not ${wanted}`);
    }
    if (wrong !== undefined) throw new Mismatch(`${call.name}: ${wrong}`);
    if (isDescriptor && typeof call.result === 'number') this.calls.name(call.result, result);
    if (call.name === 'listen') this.awaitsPeer = true;
    const fd = isDescriptor ? call.result : call.args[0];
    if (typeof fd === 'number' && !call.name.startsWith('epoll')) this.current = fd;
  }

  private info(): Partial<TcpInfo> {
    const info: Partial<TcpInfo> = {};
    const id = this.calls.idOf(this.current);
    if (id !== undefined) mtcp_getsockopt(this.host.mctx, id, SOL_TCP, TCP_INFO, info);
    return info;
  }

  // The host

  private sysctl(name: string, value: string): boolean {
    const words = value.trim().split(/\s+/);
    try {
      this.host.sysctl(name, words.length === 1 && /^-?(0x)?[\da-f]+$/i.test(value) ? Number(value) : value);
      return true;
    } catch {
      return false;
    }
  }
}

/** The MTU of the link, which a script gives as an option, or sets by `ip link` before it begins. */
function mtuOf(script: PacketdrillScript): number {
  for (const { action } of script.events) {
    const found = action.kind === 'shell' ? /ip link set (?:dev )?\w+ mtu (\d+)/.exec(action.text) : null;
    if (found !== null) return Number(found[1]);
  }
  return Number(script.options.get('mtu') ?? 1500);
}

const EMPTY: Segment = {
  ecn: 'noecn',
  flags: 0,
  seq: 0,
  ack: 0,
  win: 0,
  urgent: 0,
  options: [],
  length: 0,
};

function known(text: SegmentText): Partial<Segment> {
  const { flags, start, length, ack = 0, win = 0, options } = text;
  return { flags, seq: start, length, ack, win, options: options === 'any' ? [] : options };
}

/** What is not as the script says; undefined when all is. Where PSH stands depends on segmentation, so it is not compared. */
function compare(text: SegmentText, seen: Segment): string | undefined {
  if ((text.flags & ~PSH) !== (seen.flags & ~PSH))
    return `flags of ${describeSegment({ ...EMPTY, ...known(text) })}`;
  if (text.start !== seen.seq) return `sequence number, not ${text.start}`;
  if (text.length !== seen.length) return `length, not ${text.length}`;
  if (text.ack !== undefined && text.ack !== seen.ack) return `acknowledgment, not ${text.ack}`;
  if (text.win !== undefined && text.win !== seen.win) return `window, not ${text.win}`;
  if (text.urgent !== undefined && text.urgent !== seen.urgent) return `urgent pointer, not ${text.urgent}`;
  if (
    text.ecn !== undefined &&
    !(text.ecn === 'ect01' ? seen.ecn.startsWith('ect') : text.ecn === seen.ecn)
  ) {
    return `ECN field, not ${text.ecn}`;
  }
  return text.options === 'any' ? undefined : compareOptions(text, seen);
}

/** Timestamps are compared by their presence only: the script's clock is another one. */
function compareOptions(text: SegmentText, seen: Segment): string | undefined {
  const wanted = text.options === 'any' ? [] : text.options;
  const fits =
    wanted.length === seen.options.length &&
    wanted.every(({ name, values, hex, fields }, i) => {
      const other = seen.options[i];
      if (name !== other.name || (hex ?? '') !== (other.hex ?? '')) return false;
      if (name === 'TS') return values[1] === other.values[1];
      if (fields !== undefined && String(fields) !== String(other.fields)) return false;
      return String(values) === String(other.values);
    });
  return fits ? undefined : `options of ${describeSegment({ ...EMPTY, ...known(text) })}`;
}

function seconds(us: number): string {
  return `${(us / 1e6).toFixed(6)} s`;
}
