// Copies a stretch of bytes between two arrays. Where both are one array, `copyWithin` serves better.

/** Up to this length a loop is faster than `subarray`, and it leaves no garbage. An array that is copied whole needs no view. */
const SHORT = 192;

/** Copies `length` bytes of `source` from `start` to `target` at `offset`. The arrays must not overlap. */
export function copyBytes(
  target: Uint8Array,
  offset: number,
  source: Uint8Array,
  start: number,
  length: number,
): void {
  if (length > SHORT)
    target.set(length === source.length ? source : source.subarray(start, start + length), offset);
  else for (let i = 0; i < length; i++) target[offset + i] = source[start + i];
}
