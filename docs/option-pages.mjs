// The pages docs/api/options.md (the keys of mtcp_init) and docs/api/sysctls.md (the options of a stack): what the comments of
// src/api/options.ts, src/stack/config.ts and the neighbour cache say, with the defaults and bounds that stand beside them. Tags in
// the comments: `@default`, `@unit` and `@conf` (the key of mtcp.conf), `@linux` (what is otherwise there; nothing: the same).

const FIELD = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n {2}(?:readonly )?(\w+)\??(?:: ([^=;]+?))?(?: = ([^;]+))?;/g;
const ROW =
  /\[\s*'(net\.[\w.]+)',\s*'([\w.]+)',\s*'(\w+)',\s*([\w ]+),\s*([\w ]+),\s*([\w <]+?),?\s*\](?: as const)?,?/g;

/** By field of a class or an interface: comment, tags, type and the expression of the default. */
function fieldsOf(source, opening) {
  const from = source.indexOf(opening);
  const body = source.slice(from, source.indexOf('\n}', from));
  return new Map(
    [...body.matchAll(FIELD)].map(([, comment, name, type, value]) => {
      const [meaning, ...tags] = text(comment).split(/ ?@(?=default|unit|conf|linux)/);
      const named = tags.map((tag) => [tag.split(' ')[0], tag.slice(tag.indexOf(' ') + 1)]);
      return [name, { meaning, type, value, ...Object.fromEntries(named) }];
    }),
  );
}

export function optionsPage(read) {
  const source = read('src/api/options.ts');
  const words = new Map(
    [...source.matchAll(/export type (\w+) = ([^;]+);/g)].map(([, name, type]) => [name, type]),
  );
  const checks = source.slice(source.indexOf('const CHECKS'), source.indexOf('\n};'));
  const page = [
    '# Options of mtcp_init',
    '',
    '<!-- Generated from src/api/options.ts by `node docs/generate.mjs`: edit there. -->',
    '',
    '`mtcp_init` takes an object with these keys, or the path of an mtcp.conf and such an object to put over it. `iface` or `nic` is',
    'needed, and `address` or `addresses`. An unknown key or a value of another kind is an error that names the key. The last column',
    'has the key of [mtcp.conf](../guides/programs-of-mtcp.md#configuration) that does the same, or the file beside it.',
    '',
    '| key | type | must be | default | unit | meaning | mtcp.conf |',
    '|---|---|---|---|---|---|---|',
  ];
  for (const [name, { meaning, type, ...tags }] of fieldsOf(source, 'export interface MtcpOptions')) {
    const entry = checks
      .slice(checks.search(new RegExp(`^ {2}${name}: \\[`, 'm')))
      .split(/\],?\n {2}(?=\w)/)[0];
    const must = text(
      entry
        .match(/(?:'([^'\n]+)'|"([^"\n]+)"),?\s*(?:\],?)?\s*$/)
        ?.slice(1)
        .join('') ?? '',
    );
    const conf = (tags.conf ?? '').split(', ').map((key) => (key === '' ? '' : quoted(key)));
    const cells = [
      quoted(name),
      quoted(words.get(type) ?? type),
      must,
      tags.default ?? '',
      tags.unit ?? '',
      sentence(meaning),
      conf.join(', '),
    ];
    page.push(`| ${cells.map(cell).join(' | ')} |`);
  }
  return `${page.join('\n')}\n`;
}

export function sysctlsPage(read) {
  const source = read('src/stack/config.ts');
  const stack = fieldsOf(source, 'export class StackConfig');
  const neighbours = fieldsOf(read('src/stack/link/neighbours.ts'), 'export class NeighbourConfig');
  const noKey = source.match(/const NO_KEY = '([^']+)'/)[1];
  const controls = source.match(/CONGESTION_CONTROLS = \[([^\]]+)\]/)[1].replaceAll("'", '');
  const page = [
    '# Stack options',
    '',
    '<!-- Generated from src/stack/config.ts by `node docs/generate.mjs`: edit there. -->',
    '',
    'Each stack has its own. They are given to `mtcp_init` as `sysctl` ([options.md](options.md)) and changed later by `mtcp_sysctl`, on a',
    'virtual host by `createHost` and `host.sysctl`; `net.ipv4.` and `net.core.` may be left out. Names and units are those of Linux, or',
    'in its style where Linux has no such sysctl. An unknown name or a value out of its bounds is an error that names the option. The',
    'last column has what is otherwise on Linux: another default, or "none" where there is no such sysctl. "as here" is the same sysctl',
    'with the same default.',
    '',
    '| sysctl | default | unit | bounds | meaning | on Linux |',
    '|---|---|---|---|---|---|',
  ];
  const rows = [...source.slice(source.indexOf('const OPTIONS')).matchAll(ROW)];
  for (const [, name, field, kind, scaleText, minText, maxText] of rows) {
    const [first, second] = field.split('.');
    const found = second === undefined ? stack.get(first) : neighbours.get(second);
    const { meaning = '', value = '', linux } = found ?? {};
    const scale = number(scaleText);
    const bounds =
      kind === 'congestion'
        ? controls
        : kind === 'key'
          ? 'one key or two'
          : `${number(minText)} to ${number(maxText)}${{ triple: ', three rising', pair: ', two rising' }[kind] ?? ''}`;
    const cells = [
      quoted(name),
      defaultOf(kind, value, scale, noKey),
      unitOf(name, scale, meaning),
      bounds,
      sentence(meaning.replace(/, in µs\b/, '')),
      linux ?? 'as here',
    ];
    page.push(`| ${cells.map(cell).join(' | ')} |`);
  }
  return `${page.join('\n')}\n`;
}

function defaultOf(kind, value, scale, noKey) {
  if (kind === 'key') return quoted(value === 'NO_KEY' ? noKey : value);
  if (kind === 'congestion') return value.replaceAll("'", '');
  if (kind === 'triple' || kind === 'pair') return value.replace(/[[\],_]/g, '');
  return String(number(value) / scale);
}

/** The unit of the sysctl: of time by its scale, else what the comment says. */
function unitOf(name, scale, meaning) {
  if (scale === 1_000_000) return 's';
  if (scale === 1000) return 'ms';
  if (name.endsWith('_us')) return 'µs';
  return meaning.match(/\bin (bytes|segments|pages of 4 KiB|per cent)\b/)?.[1] ?? '';
}

/** The value of a number as the source writes it. */
function number(expression) {
  if (expression === 'INT_MAX') return 0x7fffffff;
  const [base, shift = '0'] = expression.replaceAll('_', '').split(' << ');
  return Number(base) * 2 ** Number(shift);
}

const text = (comment) =>
  comment
    .replace(/^\s*\*\s?/gm, ' ')
    .replace(/\s+/g, ' ')
    .trim();
const sentence = (words) => words.replace(/\.$/, '');
const cell = (words) => words.replaceAll('|', '\\|');
const quoted = (words) => `\`${words}\``;
