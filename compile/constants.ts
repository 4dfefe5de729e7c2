// Which constants the compiled modules have, and their values: `export const` with a number that can be worked out from literals and
// other such constants, as names of protocol fields and states are.

import { dirname, resolve } from 'node:path';
import type { Expression, Program } from 'acorn';

/** A module as the compiler has left it. */
export interface Module {
  readonly path: string;
  readonly text: string;
  readonly program: Program;
}

/** Names that a module can use, each with its value: its own exported constants, and those that it imports. */
export type Values = ReadonlyMap<string, number>;

/** Works out constants of modules, across their imports. */
export class Constants {
  readonly #modules: ReadonlyMap<string, Module>;
  /** By path: what a module declares at its top, and what it imports and from where. */
  readonly #declared = new Map<string, Map<string, Expression>>();
  /** By path: what is exported, under which name the module itself has it. */
  readonly #exported = new Map<string, Map<string, string>>();
  readonly #imported = new Map<string, Map<string, { path: string; name: string }>>();

  constructor(modules: readonly Module[]) {
    this.#modules = new Map(modules.map((module) => [module.path, module]));
    for (const module of modules) this.#read(module);
  }

  /** The constants of a module that are no constants for V8: what it exports and what it imports. */
  of(path: string): Values {
    const values = new Map<string, number>();
    const names = [
      ...(this.#exported.get(path)?.values() ?? []),
      ...(this.#imported.get(path)?.keys() ?? []),
    ];
    for (const name of names) {
      const value = this.#valueOf(path, name, 0);
      if (value !== undefined) values.set(name, value);
    }
    return values;
  }

  #read({ path, program }: Module): void {
    const declared = new Map<string, Expression>();
    const exported = new Map<string, string>();
    const imported = new Map<string, { path: string; name: string }>();
    for (const node of program.body) {
      if (node.type === 'ImportDeclaration' && typeof node.source.value === 'string') {
        const from = resolve(dirname(path), node.source.value);
        for (const specifier of node.specifiers) {
          if (specifier.type !== 'ImportSpecifier' || specifier.imported.type !== 'Identifier') continue;
          imported.set(specifier.local.name, { path: from, name: specifier.imported.name });
        }
      }
      const isExport = node.type === 'ExportNamedDeclaration';
      if (isExport && !node.source) {
        for (const { local, exported: as } of node.specifiers) {
          if (local.type === 'Identifier' && as.type === 'Identifier') exported.set(as.name, local.name);
        }
      }
      const declaration = isExport ? node.declaration : node;
      if (declaration?.type !== 'VariableDeclaration' || declaration.kind !== 'const') continue;
      for (const { id, init } of declaration.declarations) {
        if (id.type !== 'Identifier' || !init) continue;
        declared.set(id.name, init);
        if (isExport) exported.set(id.name, id.name);
      }
    }
    this.#declared.set(path, declared);
    this.#exported.set(path, exported);
    this.#imported.set(path, imported);
  }

  #valueOf(path: string, name: string, depth: number): number | undefined {
    // A circle of modules that cannot be worked out is none of ours.
    if (!this.#modules.has(path) || depth > 100) return undefined;
    const init = this.#declared.get(path)?.get(name);
    if (init !== undefined) return this.#evaluate(path, init, depth + 1);
    const from = this.#imported.get(path)?.get(name);
    const local = from === undefined ? undefined : this.#exported.get(from.path)?.get(from.name);
    return from === undefined || local === undefined ? undefined : this.#valueOf(from.path, local, depth + 1);
  }

  #evaluate(path: string, node: Expression, depth: number): number | undefined {
    switch (node.type) {
      case 'Literal':
        return typeof node.value === 'number' ? node.value : undefined;
      case 'Identifier':
        return this.#valueOf(path, node.name, depth);
      case 'ParenthesizedExpression':
        return this.#evaluate(path, node.expression, depth);
      case 'MemberExpression':
        return isInfinity(node) ? Number.POSITIVE_INFINITY : undefined;
      case 'UnaryExpression': {
        const value = this.#evaluate(path, node.argument, depth);
        if (value === undefined) return undefined;
        return node.operator === '-' ? -value : node.operator === '~' ? ~value : undefined;
      }
      case 'BinaryExpression': {
        if (node.left.type === 'PrivateIdentifier') return undefined;
        const left = this.#evaluate(path, node.left, depth);
        const right = this.#evaluate(path, node.right, depth);
        return left === undefined || right === undefined ? undefined : combine(node.operator, left, right);
      }
      default:
        return undefined;
    }
  }
}

/** `Number.POSITIVE_INFINITY` */
function isInfinity(node: Expression): boolean {
  return (
    node.type === 'MemberExpression' &&
    !node.computed &&
    node.object.type === 'Identifier' &&
    node.object.name === 'Number' &&
    node.property.type === 'Identifier' &&
    node.property.name === 'POSITIVE_INFINITY'
  );
}

function combine(operator: string, left: number, right: number): number | undefined {
  switch (operator) {
    case '+':
      return left + right;
    case '-':
      return left - right;
    case '*':
      return left * right;
    case '/':
      return left / right;
    case '**':
      return left ** right;
    case '<<':
      return left << right;
    case '>>':
      return left >> right;
    case '>>>':
      return left >>> right;
    case '|':
      return left | right;
    case '&':
      return left & right;
    default:
      return undefined;
  }
}
