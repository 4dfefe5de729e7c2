// Walks over the text of a script: white space, both kinds of comments, words, numbers and lines.

import { PacketdrillError } from './script.js';

const SPACE = /(?:[\s]|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*/y;
const SPACE_IN_LINE = /[ \t]*/y;

export class Scanner {
  readonly text: string;
  at = 0;

  constructor(text: string) {
    this.text = text;
  }

  /** Number of the line that comes next, from 1. */
  get line(): number {
    let line = 1;
    for (let i = this.text.indexOf('\n'); i >= 0 && i < this.at; i = this.text.indexOf('\n', i + 1)) line++;
    return line;
  }

  get isAtEnd(): boolean {
    this.skip();
    return this.at >= this.text.length;
  }

  /** Passes over white space, line feeds and comments. */
  skip(): void {
    this.match(SPACE);
  }

  /** Passes over white space within the line. */
  skipInLine(): void {
    this.match(SPACE_IN_LINE);
  }

  /** What a sticky pattern finds here, which is then passed over; undefined when it does not fit. */
  match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found === null) return undefined;
    this.at = pattern.lastIndex;
    return found;
  }

  /** True when `word` stands here, which is then passed over. */
  take(word: string): boolean {
    if (!this.text.startsWith(word, this.at)) return false;
    this.at += word.length;
    return true;
  }

  /** Passes over `word`, white space in front of it included. @throws PacketdrillError when something else stands here */
  expect(word: string): void {
    this.skip();
    if (!this.take(word)) this.fail(`'${word}' is missing before '${this.rest()}'`);
  }

  /** The text up to `end`, which is passed over as well. */
  until(end: string): string {
    const to = this.text.indexOf(end, this.at);
    if (to < 0) this.fail(`'${end}' is missing`);
    const text = this.text.slice(this.at, to);
    this.at = to + end.length;
    return text;
  }

  /** The rest of the line, without a comment at its end. */
  restOfLine(): string {
    const to = this.text.indexOf('\n', this.at);
    const text = this.text.slice(this.at, to < 0 ? this.text.length : to);
    this.at += text.length;
    return text.replace(/\/\/.*$/, '').trim();
  }

  fail(why: string): never {
    throw new PacketdrillError(this.line, why);
  }

  private rest(): string {
    return this.text.slice(this.at, this.at + 20).split('\n')[0];
  }
}
