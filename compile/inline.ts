// Writes the values of constants where their names stand. A value takes the place of its name character by character, so that
// every line and column stays what the source map says; a name that is too short for its value is left as it is.

import { parse } from 'acorn';
import { fullAncestor } from 'acorn-walk';
import type { Module, Values } from './constants.js';

/** Reads a module. */
export function readModule(path: string, text: string): Module {
  return {
    path,
    text,
    program: parse(text, { ecmaVersion: 2023, sourceType: 'module', allowHashBang: true }),
  };
}

/** The text of a module with its constants written out. */
export function inline({ text, program }: Module, values: Values): string {
  /** Where names are used, and how often each is bound: by its import or declaration, and by whatever hides it. */
  const uses: { name: string; start: number; end: number }[] = [];
  const bindings = new Map<string, number>();
  fullAncestor(program, (node, _state, ancestors, type) => {
    if (node.type !== 'Identifier' || !values.has(node.name)) return;
    if (type === 'VariablePattern') bindings.set(node.name, (bindings.get(node.name) ?? 0) + 1);
    const parent = ancestors.at(-2);
    const isShorthand = parent?.type === 'Property' && parent.shorthand;
    if (type === 'Identifier' && !isShorthand) uses.push(node);
  });
  const own = ownNames(program);
  let result = '';
  let done = 0;
  for (const { name, start, end } of uses.sort((a, b) => a.start - b.start)) {
    const isHidden = (bindings.get(name) ?? 0) > (own.has(name) ? 1 : 0);
    const literal = literalOf(values.get(name)!);
    if (isHidden || literal.length > end - start || text[end] === '.') continue;
    result += text.slice(done, start) + literal.padEnd(end - start);
    done = end;
  }
  return result + text.slice(done);
}

/** Names of constants that a module declares itself. */
function ownNames({ body }: Module['program']): Set<string> {
  const names = new Set<string>();
  for (const node of body) {
    const declaration = node.type === 'ExportNamedDeclaration' ? node.declaration : node;
    if (declaration?.type !== 'VariableDeclaration') continue;
    for (const { id } of declaration.declarations) if (id.type === 'Identifier') names.add(id.name);
  }
  return names;
}

/** The shortest way to write a number. */
function literalOf(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '(1/0)';
  const plain = String(Math.abs(value));
  const exponential = Math.abs(value).toExponential().replace('e+', 'e');
  const shortest = exponential.length < plain.length ? exponential : plain;
  return value < 0 || Object.is(value, -0) ? `(-${shortest})` : shortest;
}
