// Reads a system call of a script: `write(4, ..., 1000) = 1000`, `connect(3, ..., ...) = -1 EINPROGRESS (…)`. Arguments are
// numbers, names (joined by `|`), texts, lists in brackets and structures in braces.

import type { Scanner } from './scanner.js';
import { ANYTHING, type CallText, PacketdrillError, type Value } from './script.js';

const NAME = /[A-Za-z_][A-Za-z_0-9]*/y;
const NUMBER = /-?(?:0[xX][0-9a-fA-F]+|\d+)/y;
const STRING = /"((?:[^"\\]|\\[\s\S])*)"/y;
/** A remark behind the result, such as `(Operation now in progress)` or `(flags O_RDWR)`. */
const REMARK = /\([^)]*\)/y;

/** Gives a name its number; undefined when there is no such name. */
export type Symbols = (name: string) => number | undefined;

/** Reads a call whose name comes next. */
export function parseCall(scanner: Scanner, symbols: Symbols): CallText {
  const name = scanner.match(NAME)?.[0];
  if (name === undefined) scanner.fail('an event must be a packet, a call, a command or a piece of code');
  scanner.expect('(');
  const args = list(scanner, symbols, ')');
  scanner.expect('=');
  scanner.skip();
  const result = scanner.take('...') ? ANYTHING : expression(scanner, symbols);
  if (typeof result !== 'number' && result !== ANYTHING) scanner.fail(`the result of ${name} is no number`);
  scanner.skipInLine();
  const errno = scanner.match(/E[A-Z0-9]+/y)?.[0];
  scanner.skipInLine();
  scanner.match(REMARK);
  return { name, args, result, ...(errno === undefined ? {} : { errno }) };
}

function list(scanner: Scanner, symbols: Symbols, end: string): Value[] {
  const values: Value[] = [];
  scanner.skip();
  while (!scanner.take(end)) {
    values.push(expression(scanner, symbols));
    scanner.skip();
    scanner.take(',');
    scanner.skip();
  }
  return values;
}

function expression(scanner: Scanner, symbols: Symbols): Value {
  let value = term(scanner, symbols);
  for (;;) {
    scanner.skip();
    if (!scanner.take('|')) return value;
    const other = term(scanner, symbols);
    if (typeof value !== 'number' || typeof other !== 'number')
      scanner.fail("only numbers can be joined by '|'");
    value = (value | other) >>> 0;
  }
}

function term(scanner: Scanner, symbols: Symbols): Value {
  scanner.skip();
  if (scanner.take('...')) return ANYTHING;
  if (scanner.take('[')) return list(scanner, symbols, ']');
  if (scanner.take('{')) return structure(scanner, symbols);
  const text = scanner.match(STRING);
  if (text !== undefined) return unescaped(text[1]);
  const number = scanner.match(NUMBER);
  if (number !== undefined) return Number(number[0]);
  const name = scanner.match(NAME)?.[0];
  if (name === undefined) scanner.fail('an argument is missing');
  if (scanner.take('(')) {
    const [inner] = list(scanner, symbols, ')');
    // What is already as the host has it: ports are numbers, addresses are texts.
    if (name === 'htons' || name === 'htonl' || name === 'inet_addr') return inner;
    throw new PacketdrillError(scanner.line, `${name}(…) as an argument`, true);
  }
  const value = symbols(name);
  if (value === undefined) throw new PacketdrillError(scanner.line, `the name ${name}`, true);
  return value;
}

/** `{field=value, …}`, or `{value, value}`, whose fields are then called 0 and 1. */
function structure(scanner: Scanner, symbols: Symbols): Value {
  const fields: Record<string, Value> = {};
  for (let index = 0; ; index++) {
    scanner.skip();
    if (scanner.take('}')) return fields;
    // `msg_iov(1)=` tells a length that the list tells as well.
    const field = scanner.match(/([A-Za-z_]\w*)\s*(?:\([^)]*\))?\s*=(?!=)/y);
    fields[field?.[1] ?? String(index)] = expression(scanner, symbols);
    scanner.skip();
    scanner.take(',');
  }
}

function unescaped(text: string): string {
  return text.replace(/\\(?:x([0-9a-fA-F]{2})|([0-7]{1,3})|([\s\S]))/g, (_, hex, octal, other) => {
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
    if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8) & 255);
    return { n: '\n', r: '\r', t: '\t' }[other as string] ?? (other as string);
  });
}
