// The rules of docs/architecture.md as functions from sources to findings, each finding `path:line: what`. Kept apart from
// the test so that every rule can be shown to catch what it is there for.

import type { Source } from './source.js';
import { lineAt, report } from './source.js';

/** What each room may import, by path prefix. The first room whose prefix fits a file is that file's room. */
const ROOMS: readonly { readonly room: string; readonly may: readonly string[] }[] = [
  { room: 'src/nic/os/', may: ['src/nic/os/', 'src/nic/nic.ts', 'node:', 'ffi-rs'] },
  { room: 'src/nic/', may: ['src/nic/', 'node:'] },
  { room: 'src/stack/', may: ['src/stack/', 'src/nic/nic.ts'] },
  { room: 'src/api/', may: ['src/api/', 'src/stack/', 'src/nic/', 'node:', 'pino'] },
  { room: 'src/net/', may: ['src/net/', 'src/api/', 'src/stack/', 'node:'] },
  { room: 'src/testing/', may: ['src/testing/', 'src/api/', 'src/stack/', 'src/nic/', 'node:'] },
  {
    room: 'src/cli/',
    may: [
      'src/cli/',
      'src/net/',
      'src/api/',
      'src/stack/',
      'src/nic/',
      'src/testing/',
      'src/index.ts',
      'node:',
      'pino',
    ],
  },
  { room: 'src/index.ts', may: ['src/api/', 'src/stack/', 'src/nic/', 'src/testing/'] },
];

/** Files of the stack that import nothing themselves and that a Nic may use as well. */
export const SHARED_LEAVES: readonly string[] = ['src/stack/random.ts'];

/** Files of the per-packet path, where nothing may be allocated. */
export const HOT_FILES: readonly string[] = [
  'src/api/loop.ts',
  'src/api/stream-calls.ts',
  'src/api/transfer.ts',
  'src/nic/assembly.ts',
  'src/nic/checksum-offload.ts',
  'src/nic/frame-pool.ts',
  'src/nic/ring.ts',
  'src/nic/xdp-nic.ts',
  'src/stack/link/arp-service.ts',
  'src/stack/link/icmp-service.ts',
  'src/stack/link/ip-output.ts',
  'src/stack/link/local-addresses.ts',
  'src/stack/link/neighbours.ts',
  'src/stack/link/routes.ts',
  'src/stack/stack.ts',
  'src/stack/tcp/ack.ts',
  'src/stack/tcp/bbr-cycle.ts',
  'src/stack/tcp/bbr-loss.ts',
  'src/stack/tcp/bbr-model.ts',
  'src/stack/tcp/bbr-phases.ts',
  'src/stack/tcp/bbr-probe-rtt.ts',
  'src/stack/tcp/bbr-state.ts',
  'src/stack/tcp/bbr-volume.ts',
  'src/stack/tcp/bbr.ts',
  'src/stack/tcp/delivery.ts',
  'src/stack/tcp/demux.ts',
  'src/stack/tcp/ecn-output.ts',
  'src/stack/tcp/ecn.ts',
  'src/stack/tcp/fast-open-server.ts',
  'src/stack/tcp/input-listen.ts',
  'src/stack/tcp/input-syn-sent.ts',
  'src/stack/tcp/input-synchronized.ts',
  'src/stack/tcp/input-text.ts',
  'src/stack/tcp/input.ts',
  'src/stack/tcp/isn.ts',
  'src/stack/tcp/keepalive.ts',
  'src/stack/tcp/keyed-hash.ts',
  'src/stack/tcp/ledger.ts',
  'src/stack/tcp/output.ts',
  'src/stack/tcp/pacing.ts',
  'src/stack/tcp/reassembly.ts',
  'src/stack/tcp/recovery.ts',
  'src/stack/tcp/recv-buffer.ts',
  'src/stack/tcp/reno.ts',
  'src/stack/tcp/ring-bytes.ts',
  'src/stack/tcp/rtt.ts',
  'src/stack/tcp/segment-rows.ts',
  'src/stack/tcp/send-buffer.ts',
  'src/stack/tcp/seq.ts',
  'src/stack/tcp/siphash.ts',
  'src/stack/tcp/state.ts',
  'src/stack/tcp/syn-cookies.ts',
  'src/stack/tcp/throttle.ts',
  'src/stack/tcp/timer-wheel.ts',
  'src/stack/tcp/timers.ts',
  'src/stack/tcp/transmit.ts',
  'src/stack/tcp/window.ts',
  'src/stack/tcp/writability.ts',
  'src/stack/tcp/zero-copy.ts',
  'src/stack/wire/arp.ts',
  'src/stack/wire/checksum.ts',
  'src/stack/wire/ethernet.ts',
  'src/stack/wire/icmp.ts',
  'src/stack/wire/ipv4.ts',
  'src/stack/wire/tcp-header.ts',
  'src/stack/wire/tcp-options.ts',
];

/** Imports that point up or sideways. */
export function importsPointDown(sources: readonly Source[]): string[] {
  const found: string[] = [];
  for (const source of sources) {
    const rule = ROOMS.find(({ room }) => source.path.startsWith(room));
    if (rule === undefined) {
      found.push(`${source.path}:1: belongs to no room`);
      continue;
    }
    for (const { line, target } of source.imports) {
      const allowed =
        rule.may.some((prefix) => target.startsWith(prefix)) ||
        (rule.room.startsWith('src/nic/') && SHARED_LEAVES.includes(target));
      if (!allowed) found.push(`${source.path}:${line}: ${rule.room} may not import ${target}`);
    }
  }
  return found;
}

/** Circles of imports that exist at run time, each named once. */
export function importCycles(sources: readonly Source[]): string[] {
  const graph = new Map<string, string[]>();
  for (const { path, imports } of sources) {
    graph.set(
      path,
      imports.filter(({ typeOnly }) => !typeOnly).map(({ target }) => target),
    );
  }
  const done = new Set<string>();
  const stack: string[] = [];
  const found: string[] = [];
  const visit = (path: string): void => {
    const at = stack.indexOf(path);
    if (at !== -1) {
      found.push(`${path}:1: ${[...stack.slice(at), path].join(' -> ')}`);
      return;
    }
    if (done.has(path)) return;
    stack.push(path);
    for (const target of graph.get(path) ?? []) visit(target);
    stack.pop();
    done.add(path);
  };
  for (const path of graph.keys()) visit(path);
  return found;
}

/** What makes src/stack depend on something that was not handed to it. */
export function impurities(source: Source): string[] {
  const found = source.imports
    .filter(({ target }) => !target.startsWith('src/'))
    .map(({ line, target }) => `${source.path}:${line}: imports ${target}`);
  const outside =
    /(?<![\w$.#])(?:Date|performance|process|console|globalThis|crypto|fetch|Buffer|require|set(?:Timeout|Interval|Immediate)|queueMicrotask|structuredClone)\s*[.([]|\bMath\.random\b|\bnew\s+Date\b/g;
  return [...found, ...report(source, outside)];
}

/** Relational operators on sequence numbers. `(a - b) | 0) < 0` is the accepted form, and belongs into seq.ts. */
export function rawSequenceComparisons(source: Source): string[] {
  const name = String.raw`(?:seq|ack|una|nxt|wl1|wl2|iss|irs|[a-z]\w*(?:Seq|Ack|Una|Nxt))`;
  const before = new RegExp(String.raw`(?<![\w$])(?:[\w$]+[.?!]*\.)*${name}\s*(?:<=?|>=?)(?![<>=])`, 'g');
  const after = new RegExp(String.raw`(?<![<>=])(?:<=?|>=?)\s*(?:[\w$]+[.?!]*\.)*${name}(?![\w$(.])`, 'g');
  const code = source.code.replaceAll('=>', '  ');
  return report({ ...source, code }, new RegExp(`${before.source}|${after.source}`, 'g'));
}

/** Assignments to a connection's state that do not go through the one function for it. */
export function stateAssignments(source: Source): string[] {
  return report(source, /(?<![\w$])(?!this\b)[\w$]+(?:\.[\w$]+)*\.state\s*=(?!=)/g);
}

/**
 * Expressions that allocate, outside constructors, class fields, module level and `throw`. One that is not on the path of
 * every packet (a set-up call, a table that grows) says so in a comment `alloc: why` on its line, on the line above, or
 * above its function.
 */
export function allocations(source: Source): string[] {
  const blocks = functionBlocks(source.code);
  const lines = source.text.split('\n');
  const pattern = /(?<!\bthrow\s+)(?:\.(?:subarray|slice)\(|(?<![\w$.])new\s+[\w$.]+)/g;
  return report(source, pattern, (match) => {
    const inside = blocks.filter(({ start, end }) => start < match.index && match.index < end);
    if (inside.length === 0) return false;
    const line = lineAt(source.code, match.index);
    const near = `${lines[line - 1]}\n${lines[line - 2] ?? ''}`;
    const heads = inside.map(({ headStart, start }) => source.text.slice(headStart, start));
    if (heads.some((head) => /\bconstructor\s*\(/.test(head))) return false;
    return ![near, ...heads].some((text) => /\balloc: \w/.test(text));
  });
}

interface Block {
  readonly headStart: number;
  readonly start: number;
  readonly end: number;
}

/** The bodies of functions and control statements, with where their heads begin; classes and object literals are none. */
function functionBlocks(code: string): Block[] {
  const found: Block[] = [];
  const open: { headStart: number; start: number }[] = [];
  let headStart = 0;
  for (let i = 0; i < code.length; i++) {
    const char = code[i];
    if (char === ';') headStart = i + 1;
    else if (char === '{') {
      open.push({ headStart, start: i });
      headStart = i + 1;
    } else if (char === '}') {
      const block = open.pop();
      if (
        block !== undefined &&
        /\)\s*(?::[^;{}]*)?$|=>\s*$/.test(code.slice(block.headStart, block.start))
      ) {
        found.push({ ...block, end: i });
      }
      headStart = i + 1;
    }
  }
  return found;
}
