// Line charts as self-contained SVG: panels below each other over one axis of time. What a benchmark has to show, without a library.

/** One line of a panel. */
export interface Line {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Panel {
  /** What the vertical axis is, with its unit. */
  readonly axis: string;
  readonly lines: readonly Line[];
}

export interface Chart {
  readonly title: string;
  readonly subtitle: string;
  readonly panels: readonly Panel[];
}

const WIDTH = 900;
const LEFT = 70;
const RIGHT = 130;
const TOP = 70;
const PANEL = 220;
const GAP = 50;
/** Colours that differ in lightness too. */
const COLOURS = ['#1b6ca8', '#d1495b', '#5a9e3a', '#8a5fbf', '#e09f1f', '#444444'];
const TICKS = 6;

/** A step of 1, 2 or 5 times a power of ten that divides `span` into at most TICKS parts. */
function stepOf(span: number): number {
  const raw = span / TICKS;
  const power = 10 ** Math.floor(Math.log10(raw));
  return power * ([1, 2, 5].find((factor) => factor * power >= raw) ?? 10);
}

function ticks(largest: number): number[] {
  const step = stepOf(Math.max(largest, 1e-9));
  const count = Math.ceil(largest / step);
  return Array.from({ length: count + 1 }, (_, i) => Number((i * step).toPrecision(6)));
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

function text(x: number, y: number, what: string, attributes = ''): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${escaped(what)}</text>`;
}

function drawPanel({ axis, lines }: Panel, top: number, times: readonly number[], isLast: boolean): string {
  const values = ticks(Math.max(...lines.flatMap(({ points }) => points.map(([, y]) => y))));
  const [lastTime, highest] = [times.at(-1) ?? 1, values.at(-1) ?? 1];
  const bottom = top + PANEL;
  const right = WIDTH - RIGHT;
  const x = (value: number): number => LEFT + (value / lastTime) * (right - LEFT);
  const y = (value: number): number => bottom - (value / highest) * PANEL;
  const parts: string[] = [];
  for (const value of values) {
    parts.push(`<line x1="${LEFT}" x2="${right}" y1="${y(value)}" y2="${y(value)}" stroke="#ddd"/>`);
    parts.push(text(LEFT - 8, y(value) + 4, String(value), 'text-anchor="end"'));
  }
  for (const time of times) {
    parts.push(`<line x1="${x(time)}" x2="${x(time)}" y1="${bottom}" y2="${bottom + 5}" stroke="#888"/>`);
    if (isLast) parts.push(text(x(time), bottom + 20, String(time), 'text-anchor="middle"'));
  }
  if (isLast) parts.push(text((LEFT + right) / 2, bottom + 40, 'seconds', 'text-anchor="middle"'));
  const middle = top + PANEL / 2;
  parts.push(text(18, middle, axis, `text-anchor="middle" transform="rotate(-90 18 ${middle})"`));
  lines.forEach(({ name, points }, i) => {
    const colour = COLOURS[i % COLOURS.length];
    const path = points.map(([time, value]) => `${x(time).toFixed(1)},${y(value).toFixed(1)}`).join(' ');
    parts.push(`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="1.5"/>`);
    const row = top + 12 + i * 18;
    parts.push(
      `<line x1="${right + 12}" x2="${right + 32}" y1="${row}" y2="${row}" stroke="${colour}" stroke-width="3"/>`,
    );
    parts.push(text(right + 38, row + 4, name));
  });
  parts.push(`<line x1="${LEFT}" x2="${right}" y1="${bottom}" y2="${bottom}" stroke="#888"/>`);
  return parts.join('\n');
}

/** The chart as an SVG document. */
export function drawChart({ title, subtitle, panels }: Chart): string {
  const height = TOP + panels.length * (PANEL + GAP) + 10;
  const lastTime = Math.max(
    ...panels.flatMap(({ lines }) => lines.flatMap(({ points }) => points.map(([x]) => x))),
  );
  const times = ticks(lastTime).filter((time) => time <= lastTime);
  if (times.at(-1) !== lastTime) times.push(lastTime);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${height}" fill="white"/>`,
    text(LEFT, 28, title, 'font-size="18" font-weight="bold"'),
    text(LEFT, 50, subtitle, 'fill="#555"'),
    ...panels.map((panel, i) => drawPanel(panel, TOP + i * (PANEL + GAP), times, i === panels.length - 1)),
    '</svg>',
    '',
  ].join('\n');
}
