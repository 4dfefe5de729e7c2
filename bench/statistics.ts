// Medians and their spread: single runs on a machine that does other things as well say little.

/** Several figures of the same thing. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** The median, the least and the largest of at least one figure. */
export function spreadOf(figures: readonly number[]): Spread {
  const sorted = [...figures].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, min: sorted[0], max: sorted[sorted.length - 1] };
}

/** Distance of the extremes in units of the median. */
export function noiseOf({ median, min, max }: Spread): number {
  return median === 0 ? 0 : (max - min) / median;
}

/** A figure in three digits or so, with K and M. */
export function shorten(figure: number): string {
  if (figure >= 1e6) return `${(figure / 1e6).toFixed(2)} M`;
  if (figure >= 1e4) return `${(figure / 1e3).toFixed(1)} K`;
  return figure >= 100 ? figure.toFixed(0) : figure.toFixed(figure >= 10 ? 1 : 2);
}
