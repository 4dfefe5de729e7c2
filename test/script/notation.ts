// The notation of the scripts: packetdrill's habits in a smaller language. README.md beside this file describes it to whoever
// writes a script; this file turns the text into steps and knows nothing of a stack.

/** When a step happens, in µs. */
export type When =
  /** At a time, or up to `tolerance` away from it. */
  | { kind: 'at'; us: number; tolerance: number }
  /** So long after the step before. */
  | { kind: 'after'; us: number; tolerance: number }
  /** Whenever it comes. */
  | { kind: 'any' };

/** One TCP option as it is written; numbers are the script's, relative where sequence numbers are. */
export interface OptionText {
  name: string;
  /** `*` stands for any number. */
  values: (number | '*')[];
}

/** A TCP segment as it is written. Sequence numbers are relative to the SYN of their side. */
export interface SegmentText {
  /** Letters as tcpdump prints them, sorted; empty for none. */
  flags: string;
  seq: number;
  length: number;
  ack: number | '*' | undefined;
  win: number | '*' | undefined;
  /** In wire order; `*` for whatever they are. */
  options: OptionText[] | '*';
  /** What stands in brackets: ports, addresses, and what is wrong with the packet. */
  extras: Map<string, string>;
}

/** An ICMP message as it is written, such as `port-unreachable quoting 0` or `echo id 1 seq 2 length 8`. */
export interface IcmpText {
  name: string;
  fields: Map<string, number>;
  extras: Map<string, string>;
}

export type Action =
  | { kind: 'inject'; segment: SegmentText }
  | { kind: 'expect'; segment: SegmentText }
  | { kind: 'inject-icmp'; icmp: IcmpText }
  | { kind: 'expect-icmp'; icmp: IcmpText }
  | { kind: 'silence'; forUs: number | undefined; untilUs: number | undefined }
  | { kind: 'sysctl'; name: string; value: string }
  | { kind: 'state'; socket: string | undefined; name: string }
  | { kind: 'counter'; name: string; value: number }
  | { kind: 'field'; path: string; value: number }
  | { kind: 'info'; name: string; value: number }
  | { kind: 'call'; socket: string | undefined; name: string; args: string[]; result: Result | undefined };

/** What a call is to return. */
export interface Result {
  value: number;
  errno: string | undefined;
}

export interface Step {
  /** Where it stands, for messages. */
  file: string;
  line: number;
  /** undefined: at the time of the step before. */
  when: When | undefined;
  action: Action;
  text: string;
  /** It stands behind a ` / `, and the host was not turned in between. */
  chained: boolean;
}

export interface Script {
  /** A sentence: what the script shows. */
  name: string;
  file: string;
  line: number;
  steps: Step[];
  /** Options of the host, set before it exists. */
  host: Map<string, string>;
}

/** The steps that `use NAME` stands for. */
export type Preludes = ReadonlyMap<string, Script>;

/** Where a script cannot be understood. */
export class NotationError extends Error {
  constructor(file: string, line: number, why: string) {
    super(`${file}:${line}: ${why}`);
    this.name = 'NotationError';
  }
}

/** Reads all scripts of a file. A script begins with `== ` and its name. */
export function parseScripts(file: string, text: string, preludes: Preludes = new Map()): Script[] {
  const scripts: Script[] = [];
  const lines = text.split('\n');
  for (let i = 0; i < lines.length; i++) {
    const line = i + 1;
    const source = lines[i].replace(/(^|\s)#.*$/, '').trimEnd();
    if (source.trim() === '') continue;
    const title = /^==\s+(.+)$/.exec(source);
    if (title !== null) {
      scripts.push({ name: title[1], file, line, steps: [], host: new Map() });
      continue;
    }
    const script = scripts.at(-1);
    if (script === undefined) throw new NotationError(file, line, 'a script begins with "== " and its name');
    parseLine(script, file, line, source.trim(), preludes);
  }
  return scripts;
}

function parseLine(script: Script, file: string, line: number, source: string, preludes: Preludes): void {
  const use = /^use\s+(.+)$/.exec(source);
  if (use !== null) {
    const prelude = preludes.get(use[1]);
    if (prelude === undefined) throw new NotationError(file, line, `there is no prelude '${use[1]}'`);
    for (const [key, value] of prelude.host) script.host.set(key, value);
    script.steps.push(...prelude.steps);
    return;
  }
  const host = /^host\s+(\w+)\s+(.+)$/.exec(source);
  if (host !== null) {
    script.host.set(host[1], host[2]);
    return;
  }
  try {
    const { when, rest } = parseWhen(source);
    // Calls that share a line are made before the host is turned; a packet has a line of its own.
    const parts = /^[<>]/.test(rest) ? [rest] : rest.split(/\s+\/\s+/);
    parts.forEach((part, i) => {
      const first = i === 0;
      const step = { file, line, when: first ? when : undefined, action: parseAction(part), text: part };
      script.steps.push({ ...step, chained: !first });
    });
  } catch (error) {
    if (error instanceof NotationError) throw error;
    throw new NotationError(file, line, (error as Error).message);
  }
}

const seconds = (text: string): number => {
  if (!/^\d+(\.\d{1,6})?$/.test(text)) throw new Error(`'${text}' is no time in seconds`);
  return Math.round(Number(text) * 1e6);
};

function parseWhen(source: string): { when: When | undefined; rest: string } {
  const match = /^(\*|\+?\d[\d.]*(?:~[\d.]+)?)\s+(.*)$/.exec(source);
  if (match === null) return { when: undefined, rest: source };
  const [, time, rest] = match;
  if (time === '*') return { when: { kind: 'any' }, rest };
  const [moment, slack] = time.split('~');
  const tolerance = slack === undefined ? 0 : seconds(slack);
  if (!moment.startsWith('+')) return { when: { kind: 'at', us: seconds(moment), tolerance }, rest };
  return { when: { kind: 'after', us: seconds(moment.slice(1)), tolerance }, rest };
}

function parseAction(text: string): Action {
  const packet = /^([<>])\s+(.+)$/.exec(text);
  if (packet !== null) return parsePacket(packet[1] === '<' ? 'inject' : 'expect', packet[2]);
  const state = /^(?:(\w+)\.)?state\s+([A-Z0-9-]+)$/.exec(text);
  if (state !== null) return { kind: 'state', socket: state[1], name: state[2] };
  const counter = /^counter\s+(\w+)\s*=\s*(\d+)$/.exec(text);
  if (counter !== null) return { kind: 'counter', name: counter[1], value: Number(counter[2]) };
  const field = /^tcb\s+([\w.]+)\s*=\s*(-?\d+)$/.exec(text);
  if (field !== null) return { kind: 'field', path: field[1], value: Number(field[2]) };
  const info = /^info\s+(\w+)\s*=\s*(-?\d+)$/.exec(text);
  if (info !== null) return { kind: 'info', name: info[1], value: Number(info[2]) };
  const sysctl = /^sysctl\s+([\w.]+)\s*=\s*(.+)$/.exec(text);
  if (sysctl !== null) return { kind: 'sysctl', name: sysctl[1], value: sysctl[2] };
  return parseCall(text);
}

function parseCall(text: string): Action {
  const match = /^(?:(\w+)\.)?(\w+)((?:\s+[\w.:-]+)*)(?:\s*=\s*(-?\d+)(?:\s+(E[A-Z]+))?)?$/.exec(text);
  if (match === null) throw new Error(`not understood: ${text}`);
  const [, socket, name, args, value, errno] = match;
  const result = value === undefined ? undefined : { value: Number(value), errno };
  return { kind: 'call', socket, name, args: args.trim() === '' ? [] : args.trim().split(/\s+/), result };
}

function parsePacket(direction: 'inject' | 'expect', text: string): Action {
  if (direction === 'expect') {
    const silence = /^nothing(?:\s+(until|for)\s+([\d.]+))?$/.exec(text);
    if (silence !== null) {
      const [, word, time] = silence;
      const us = time === undefined ? undefined : seconds(time);
      return {
        kind: 'silence',
        untilUs: word === 'until' ? us : undefined,
        forUs: word === 'for' ? us : undefined,
      };
    }
  }
  const { body, extras } = takeExtras(text);
  if (body.startsWith('icmp ')) {
    const icmp = parseIcmp(body.slice(5), extras);
    return { kind: direction === 'inject' ? 'inject-icmp' : 'expect-icmp', icmp };
  }
  return { kind: direction, segment: parseSegment(body, extras) };
}

/** Takes `[key value, key value]` off the end. */
function takeExtras(text: string): { body: string; extras: Map<string, string> } {
  const match = /^(.*?)\s*\[([^\]]*)\]$/.exec(text);
  if (match === null) return { body: text, extras: new Map() };
  const pairs = match[2].split(',').map((pair) => {
    const [key, ...value] = pair.trim().split(/\s+/);
    return [key, value.join(' ')] as const;
  });
  return { body: match[1], extras: new Map(pairs) };
}

function parseIcmp(text: string, extras: Map<string, string>): IcmpText {
  const [name, ...words] = text.split(/\s+/);
  const fields = new Map<string, number>();
  for (let i = 0; i < words.length; i += 2) fields.set(words[i], Number(words[i + 1]));
  return { name, fields, extras };
}

const SEGMENT =
  /^(-|[FSRPUEW.]+)\s+(\d+):(\d+)\((\d+)\)(?:\s+ack\s+(\d+|\*))?(?:\s+win\s+(\d+|\*))?(?:\s+<([^>]*)>)?$/;

function parseSegment(text: string, extras: Map<string, string>): SegmentText {
  const match = SEGMENT.exec(text);
  if (match === null) throw new Error(`no packet: ${text}`);
  const [, flags, first, end, count, ack, win, options] = match;
  const seq = Number(first);
  const length = Number(count);
  if (Number(end) !== seq + length) throw new Error(`${first}:${end} is not ${count} bytes long`);
  return {
    flags: flags === '-' ? '' : sortFlags(flags),
    seq,
    length,
    ack: numberOr(ack),
    win: numberOr(win),
    options: options === '*' ? '*' : parseOptions(options ?? ''),
    extras,
  };
}

/** `*`, a number, or undefined. */
function numberOr(text: string | undefined): number | '*' | undefined {
  return text === undefined || text === '*' ? text : Number(text);
}

/** The order of the bits, which is that of the letters here. */
export const FLAG_LETTERS = 'FSRP.UEW';

function sortFlags(flags: string): string {
  return [...FLAG_LETTERS].filter((letter) => flags.includes(letter)).join('');
}

function parseOptions(text: string): OptionText[] {
  if (text.trim() === '') return [];
  return text.split(',').map((option) => {
    const words = option.trim().split(/[\s:]+/);
    const name = words[0];
    const values = words.slice(1).filter((word) => word !== 'val' && word !== 'ecr');
    return { name, values: values.map((word) => (word === '*' ? '*' : Number(word))) };
  });
}
