// What an XdpNic counts, in the words of `ethtool -S` where it has one.

// Slots of the statistics. A Float64Array counts far beyond 2^31 without allocating.
export const RX_PACKETS = 0;
export const RX_BYTES = 1;
export const TX_PACKETS = 2;
export const TX_BYTES = 3;
export const TX_RING_FULL = 4;
export const TX_KICKS = 5;
export const TX_KICKS_REFUSED = 6;
export const RX_WAKEUPS = 7;
export const RX_LINEARIZED = 8;
export const RX_TOO_LONG = 9;
export const SLEEPS = 10;
export const STATISTIC_NAMES = [
  'rx_packets',
  'rx_bytes',
  'tx_packets',
  'tx_bytes',
  'tx_ring_full',
  'tx_kicks',
  'tx_kicks_refused',
  'rx_wakeups',
  'rx_linearized',
  'rx_too_long',
  'sleeps',
] as const;

/** Slots that count from 0. */
export function makeStatistics(): Float64Array {
  return new Float64Array(STATISTIC_NAMES.length);
}

/** The slots by name. */
export function namedStatistics(slots: Float64Array): Record<string, number> {
  return Object.fromEntries(STATISTIC_NAMES.map((name, i) => [name, slots[i]!]));
}
