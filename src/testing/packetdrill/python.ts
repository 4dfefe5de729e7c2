// The code of scripts: `assert` statements over the fields of TCP_INFO, in the part of Python that they use.

import { PacketdrillError } from './script.js';

const TOKEN =
  /\s*(?:(0x[0-9a-fA-F]+|\d+(?:\.\d+)?)|([A-Za-z_]\w*)|('[^']*'|"[^"]*")|(==|!=|<=|>=|<<|>>|[-+*/%&|^~<>(),]))/y;
const COMPARISONS = new Set(['==', '!=', '<', '<=', '>', '>=']);
/** Operators of two sides, from those that bind least on; what stands in one row binds alike. */
const LEVELS: readonly (readonly string[])[] = [
  ['|'],
  ['^'],
  ['&'],
  ['<<', '>>'],
  ['+', '-'],
  ['*', '/', '%'],
];

/** Gives a name its value; undefined when there is none. */
export type Names = (name: string) => number | undefined;

/**
 * Runs a piece of code. Returns the first assertion that does not hold, as text with the values of its names; undefined when all do.
 * @throws PacketdrillError for what is no assertion
 */
export function runCode(code: string, names: Names, line: number): string | undefined {
  for (const statement of statements(code)) {
    const assertion = /^assert\b([\s\S]*)$/.exec(statement);
    if (assertion === null) throw new PacketdrillError(line, `code such as '${statement}'`, true);
    const seen = new Map<string, number>();
    const parser = new Parser(assertion[1], line, (name) => {
      const value = names(name);
      if (value !== undefined) seen.set(name, value);
      return value;
    });
    if (parser.expression() !== 0) continue;
    const values = [...seen].map(([name, value]) => `${name} = ${value}`);
    return `${statement.replace(/\s+/g, ' ')} does not hold: ${values.join(', ')}`;
  }
  return undefined;
}

function statements(code: string): string[] {
  return code
    .replaceAll('\\\n', ' ')
    .split('\n')
    .map((text) => text.replace(/#.*$/, ''))
    .flatMap((text) => text.split(';'))
    .map((text) => text.trim())
    .filter((text) => text !== '');
}

/** Evaluates as it reads: truth is 1 and 0. What stands behind a comma is the message of the assertion. */
class Parser {
  private readonly tokens: string[] = [];
  private at = 0;
  private readonly names: Names;
  private readonly line: number;

  constructor(text: string, line: number, names: Names) {
    this.names = names;
    this.line = line;
    TOKEN.lastIndex = 0;
    for (let found = TOKEN.exec(text); found !== null; found = TOKEN.exec(text)) {
      if (found[0].trim() === ',') break;
      this.tokens.push(found[0].trim());
    }
  }

  expression(): number {
    let value = this.conjunction();
    while (this.take('or')) {
      const other = this.conjunction();
      value = value !== 0 ? value : other;
    }
    return value;
  }

  private conjunction(): number {
    let value = this.negation();
    while (this.take('and')) {
      const other = this.negation();
      value = value === 0 ? value : other;
    }
    return value;
  }

  private negation(): number {
    return this.take('not') ? Number(this.negation() === 0) : this.comparison();
  }

  /** `a <= b <= c` holds when both halves do. */
  private comparison(): number {
    let left = this.arithmetic(0);
    if (!COMPARISONS.has(this.tokens[this.at])) return left;
    let holds = true;
    while (COMPARISONS.has(this.tokens[this.at])) {
      const operator = this.tokens[this.at++];
      const right = this.arithmetic(0);
      holds &&= compare(operator, left, right);
      left = right;
    }
    return Number(holds);
  }

  private arithmetic(level: number): number {
    if (level === LEVELS.length) return this.factor();
    let value = this.arithmetic(level + 1);
    while (LEVELS[level].includes(this.tokens[this.at])) {
      const operator = this.tokens[this.at++];
      value = calculate(operator, value, this.arithmetic(level + 1));
    }
    return value;
  }

  private factor(): number {
    const token = this.tokens[this.at++];
    if (token === '(') {
      const value = this.expression();
      this.at++;
      return value;
    }
    if (token === '-') return -this.factor();
    if (token === '~') return ~this.factor();
    if (token === undefined || /^['"]/.test(token))
      throw new PacketdrillError(this.line, 'an assertion is cut short');
    if (/^\d/.test(token)) return Number(token);
    const value = this.names(token);
    if (value === undefined) throw new PacketdrillError(this.line, `the name ${token} in code`, true);
    return value;
  }

  private take(word: string): boolean {
    if (this.tokens[this.at] !== word) return false;
    this.at++;
    return true;
  }
}

function compare(operator: string, a: number, b: number): boolean {
  switch (operator) {
    case '==':
      return a === b;
    case '!=':
      return a !== b;
    case '<':
      return a < b;
    case '<=':
      return a <= b;
    case '>':
      return a > b;
    default:
      return a >= b;
  }
}

function calculate(operator: string, a: number, b: number): number {
  switch (operator) {
    case '|':
      return (a | b) >>> 0;
    case '^':
      return (a ^ b) >>> 0;
    case '&':
      return (a & b) >>> 0;
    case '<<':
      return a << b;
    case '>>':
      return a >> b;
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return a / b;
    default:
      return a % b;
  }
}
