// Reads a packetdrill script: its options, then events, each a time and a packet, a call, a shell command or a piece of code.

import { parseCall, type Symbols } from './call-text.js';
import { Scanner } from './scanner.js';
import type { Action, EventTime, PacketdrillScript, ScriptEvent } from './script.js';
import { parsePacket } from './segment-text.js';

const OPTION = /--([\w]+)(?:=(\S*))?[^\n]*/y;
const SECONDS = /\d+(?:\.\d+)?|\.\d+/y;

/** Reads a script. @throws PacketdrillError that names the line */
export function parseScript(
  name: string,
  text: string,
  symbols: Symbols,
  defined: ReadonlyMap<string, string>,
): PacketdrillScript {
  const scanner = new Scanner(text);
  const options = new Map<string, string>();
  const events: ScriptEvent[] = [];
  scanner.skip();
  for (let found = scanner.match(OPTION); found !== undefined; found = scanner.match(OPTION)) {
    options.set(found[1], found[2] ?? '');
    scanner.skip();
  }
  while (!scanner.isAtEnd) {
    const { line } = scanner;
    // A command without a time stands in front of the events, and behind them.
    const time: EventTime =
      scanner.text[scanner.at] === '`' ? { kind: 'relative', us: 0 } : parseTime(scanner);
    scanner.skipInLine();
    events.push({ line, time, action: parseAction(scanner, line, symbols, defined) });
  }
  return { name, options, events };
}

function parseAction(
  scanner: Scanner,
  line: number,
  symbols: Symbols,
  defined: ReadonlyMap<string, string>,
): Action {
  if (scanner.take('`')) return { kind: 'shell', text: scanner.until('`') };
  if (scanner.take('%{')) return { kind: 'code', text: scanner.until('}%') };
  const isInjected = scanner.take('<');
  if (!isInjected && !scanner.take('>')) return { kind: 'call', call: parseCall(scanner, symbols) };
  scanner.skipInLine();
  return {
    kind: isInjected ? 'inject' : 'expect',
    packet: parsePacket(scanner.restOfLine(), line, defined),
  };
}

function parseTime(scanner: Scanner): EventTime {
  if (scanner.take('*')) return { kind: 'any', us: 0 };
  const kind = scanner.take('+') ? 'relative' : 'absolute';
  const us = parseSeconds(scanner);
  scanner.skipInLine();
  if (scanner.take('...')) {
    scanner.skipInLine();
    scanner.take('+');
    return { kind, us, blocksUntilUs: parseSeconds(scanner) };
  }
  if (!scanner.take('~')) return { kind, us };
  scanner.skipInLine();
  scanner.take('+');
  return { kind, us, untilUs: parseSeconds(scanner) };
}

function parseSeconds(scanner: Scanner): number {
  scanner.skipInLine();
  const found = scanner.match(SECONDS);
  if (found === undefined) scanner.fail('an event must begin with a time such as +0.1');
  return Math.round(Number(found[0]) * 1e6);
}
