// Reads the project's own sources for the architecture test: lists files, finds imports, and blanks comments and strings
// so that a rule looks at code only. No parser: TypeScript 7 has no JavaScript API, and the rules need lines, not types.

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The repository's root, seen from the compiled test. */
export const root: string = fileURLToPath(new URL('../../../', import.meta.url));

/** One source file: its path from the root, its text, and its code with comments and strings blanked (same lines). */
export interface Source {
  readonly path: string;
  readonly text: string;
  readonly code: string;
  readonly imports: readonly Import[];
}

/** One import or re-export. `target` is a path from the root for a relative import, else the bare specifier. */
export interface Import {
  readonly line: number;
  readonly target: string;
  readonly typeOnly: boolean;
}

/** Lists the files below a folder of the repository, as paths from the root, sorted. */
export function listFiles(folder: string): string[] {
  let entries: string[];
  try {
    entries = readdirSync(root + folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => `${entry.parentPath}/${entry.name}`.slice(root.length).replaceAll('//', '/'));
  } catch {
    return [];
  }
  return entries.sort();
}

/** Reads the TypeScript files below some folders. */
export function readSources(...folders: string[]): Source[] {
  return folders
    .flatMap(listFiles)
    .filter((path) => path.endsWith('.ts'))
    .map((path) => parseSource(path, readFileSync(root + path, 'utf8')));
}

/** Makes a Source of a text. Exported so that the rules can be tried on made-up sources. */
export function parseSource(path: string, text: string): Source {
  const code = blank(text, true);
  return { path, text, code, imports: findImports(path, blank(text, false)) };
}

/** The line number, from 1, of a position in a text. */
export function lineAt(text: string, position: number): number {
  let line = 1;
  for (let i = text.indexOf('\n'); i !== -1 && i < position; i = text.indexOf('\n', i + 1)) line++;
  return line;
}

/** Reports each match of a pattern in code as `path:line: matched text`. */
export function report(
  source: Source,
  pattern: RegExp,
  accept?: (match: RegExpExecArray) => boolean,
): string[] {
  const found: string[] = [];
  for (const match of source.code.matchAll(pattern)) {
    if (accept !== undefined && !accept(match)) continue;
    found.push(`${source.path}:${lineAt(source.code, match.index)}: ${match[0].trim()}`);
  }
  return found;
}

function findImports(path: string, text: string): Import[] {
  const found: Import[] = [];
  const statement =
    /^\s*(?:import|export)\b(\s+type\b)?[^;'"]*?\bfrom\s*['"]([^'"]+)['"]|^\s*import\s*['"]([^'"]+)['"]/gm;
  const call = /\bimport\(\s*['"]([^'"]+)['"]\s*\)/g;
  for (const match of text.matchAll(statement)) {
    const names = match[0];
    const allTypes = /\{/.test(names) && /^[^{]*\{(?:\s*type\s+[\w\s]+,?)*\s*\}/.test(names);
    const target = resolve(path, (match[2] ?? match[3]) as string);
    const start = match.index + match[0].length - match[0].trimStart().length;
    found.push({ line: lineAt(text, start), target, typeOnly: match[1] !== undefined || allTypes });
  }
  for (const match of text.matchAll(call)) {
    found.push({
      line: lineAt(text, match.index),
      target: resolve(path, match[1] as string),
      typeOnly: false,
    });
  }
  return found;
}

function resolve(from: string, specifier: string): string {
  if (!specifier.startsWith('.')) return specifier;
  const base = new URL(from, 'file:///');
  return new URL(specifier, base).pathname.slice(1).replace(/\.js$/, '.ts');
}

/** Replaces comments (and with `strings` the contents of string literals too) by spaces, line breaks kept. */
function blank(text: string, strings: boolean): string {
  let out = '';
  let i = 0;
  const erase = (end: number): void => {
    out += text.slice(i, end).replace(/[^\n]/g, ' ');
    i = end;
  };
  const keepOrErase = (end: number): void => {
    if (strings) {
      out += text[i];
      i++;
      erase(end - 1);
      out += text[i] ?? '';
      i++;
    } else {
      out += text.slice(i, end);
      i = end;
    }
  };
  while (i < text.length) {
    const two = text.slice(i, i + 2);
    const char = text[i] as string;
    if (two === '//') {
      const end = text.indexOf('\n', i);
      erase(end === -1 ? text.length : end);
    } else if (two === '/*') {
      const end = text.indexOf('*/', i + 2);
      erase(end === -1 ? text.length : end + 2);
    } else if (char === "'" || char === '"') {
      keepOrErase(endOfQuoted(text, i, char));
    } else if (char === '`') {
      keepOrErase(endOfTemplate(text, i));
    } else if (char === '/' && /(?:[(,=:[!&|?{};\n]|\breturn|=>)\s*$/.test(out.slice(-20))) {
      keepOrErase(endOfRegExp(text, i));
    } else {
      out += char;
      i++;
    }
  }
  return out;
}

function endOfQuoted(text: string, start: number, quote: string): number {
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === quote || text[i] === '\n') return i + 1;
  }
  return text.length;
}

function endOfRegExp(text: string, start: number): number {
  let inClass = false;
  for (let i = start + 1; i < text.length; i++) {
    const char = text[i];
    if (char === '\\') i++;
    else if (char === '[') inClass = true;
    else if (char === ']') inClass = false;
    else if ((char === '/' && !inClass) || char === '\n') return i + 1;
  }
  return text.length;
}

// What is between ${ and } is blanked with the rest of the template: no rule needs to look inside.
function endOfTemplate(text: string, start: number): number {
  let depth = 0;
  for (let i = start + 1; i < text.length; i++) {
    const char = text[i];
    if (char === '\\') i++;
    else if (depth === 0 && char === '`') return i + 1;
    else if (char === '$' && text[i + 1] === '{') {
      depth++;
      i++;
    } else if (depth > 0 && char === '{') depth++;
    else if (depth > 0 && char === '}') depth--;
    else if (depth > 0 && char === '`') i = endOfTemplate(text, i) - 1;
  }
  return text.length;
}
