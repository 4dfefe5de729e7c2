// A report as one HTML file without anything from elsewhere: the goals, and a bar with its spread for each peer and case.

import { standings } from '../goals.js';
import { shorten } from '../statistics.js';
import { loadSentence } from './markdown.js';
import { type CaseResult, generatorText, type Report, type ReportTable } from './report.js';
import { tablesOf } from './tables.js';

const WIDTH = 720;
const LABEL = 220;
const BAR = 22;
const GAP = 8;
/** Characters of why a server failed, for which there is room. */
const LONGEST_REASON = 75;

const STYLE = `body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}
table{border-collapse:collapse}td,th{padding:.2rem .8rem .2rem 0;text-align:left;border-bottom:1px solid #ddd}
.met{color:#116329}.not-met{color:#a40e26}.not-measured,.not-known,.too-noisy{color:#6e7781}svg{max-width:100%}`;

function escapeText(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

/** Writes a report as a page. */
export function toHtml(report: Report): string {
  const { machine, date, rounds, missing } = report;
  const facts = `${machine.cpu}, ${machine.cpus} CPUs, ${machine.memoryGiB} GiB, Linux ${machine.kernel} (${machine.congestion}), Node.js ${machine.node}; ${generatorText(report)} on CPU 1`;
  const left = Object.entries(missing).map(([name, reason]) => `${name} was left out: ${reason}.`);
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>mtcp-node: benchmarks</title><style>${STYLE}</style>
<h1>Benchmarks</h1><p>${escapeText(date)}. ${escapeText(facts)}.</p>
<p>Medians of ${rounds} rounds, the peers interleaved; the line through a bar is from the least to the largest figure. ${escapeText([loadSentence(report), ...left].join(' '))}</p>
${goalTable(report)}
${report.cases.map(chart).join('\n')}
${tablesOf(report).map(plainTable).join('\n')}
</html>
`;
}

function goalTable(report: Report): string {
  const rows = standings(report).map(({ what, wanted, moonshot, figure, state, why }) => {
    const cells = [what, wanted, moonshot, figure].map((cell) => `<td>${escapeText(cell)}</td>`).join('');
    return `<tr>${cells}<td class="${state.replace(' ', '-')}">${state}</td><td>${escapeText(why)}</td></tr>`;
  });
  const head = ['case', 'goal', 'moonshot', 'measured', '', 'why'].map((cell) => `<th>${cell}</th>`).join('');
  return `<h2>Goals</h2><table><tr>${head}</tr>${rows.join('')}</table>`;
}

function plainTable({ name, title, head, rows }: ReportTable): string {
  const line = (cells: readonly string[], tag: string): string => {
    return `<tr>${cells.map((cell) => `<${tag}>${escapeText(cell)}</${tag}>`).join('')}</tr>`;
  };
  const body = rows.map((cells) => line(cells, 'td')).join('');
  return `<h2>${escapeText(name)}</h2><p>${escapeText(title)}.</p><table>${line(head, 'th')}${body}</table>`;
}

/** Horizontal bars, one per peer. */
function chart({ name, title, unit, peers }: CaseResult): string {
  const largest = Math.max(...peers.map(({ spread }) => spread?.max ?? 0), Number.MIN_VALUE);
  const scale = (figure: number): number => LABEL + (figure / largest) * (WIDTH - LABEL - 90);
  const bars = peers.map(({ title: peer, spread, failures }, i) => {
    const y = i * (BAR + GAP);
    const middle = y + BAR / 2;
    const label = `<text x="${LABEL - 8}" y="${middle + 5}" text-anchor="end">${escapeText(peer)}</text>`;
    if (spread === undefined) {
      const reason = escapeText((failures[0] ?? '').slice(0, LONGEST_REASON));
      return `${label}<text x="${LABEL}" y="${middle + 5}">failed: ${reason}</text>`;
    }
    const { median, min, max } = spread;
    const color = i === 0 ? '#0969da' : '#afb8c1';
    const bar = `<rect x="${LABEL}" y="${y}" width="${(scale(median) - LABEL).toFixed(1)}" height="${BAR}" fill="${color}"/>`;
    const line = `<path d="M${scale(min).toFixed(1)} ${middle}H${scale(max).toFixed(1)}" stroke="#1b1f24" stroke-width="2"/>`;
    return `${label}${bar}${line}<text x="${(scale(max) + 6).toFixed(1)}" y="${middle + 5}">${shorten(median)}</text>`;
  });
  const height = peers.length * (BAR + GAP);
  return `<h2>${escapeText(name)}</h2><p>${escapeText(title)}, ${escapeText(unit)}</p>
<svg viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-size="13" role="img">${bars.join('')}</svg>`;
}
