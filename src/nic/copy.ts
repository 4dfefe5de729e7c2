// Copies a stretch of bytes between two arrays. Where both are one array, `copyWithin` serves better.
//
// The stack has a `copy` of its own (src/stack/wire/span.ts). That one moves payload once per segment on the path of every Nic, mostly
// within one ArrayBuffer, and may leave no garbage, so it asks for spans, which hold the views that a loop of words needs. Here whole
// frames go between two arenas or their pooled copies, off the data path of a device (wires in memory, relays, mailboxes of cores): a
// span for each of those would be more than the one short view that `set` takes.

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
