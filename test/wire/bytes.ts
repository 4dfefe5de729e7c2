// Helpers of the wire tests: bytes from hex text, and a view in which a packet stands at an odd place with nothing behind it,
// so that reading beyond its end throws.

import { type Address, parseAddress } from '../../src/stack/wire/address.js';

/** Reads hex digits; whitespace is ignored. */
export function hex(text: string): Uint8Array {
  const digits = text.replace(/\s+/g, '');
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) =>
    Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16),
  );
}

/** Writes bytes as hex digits without spaces. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Where `place` puts a packet: bytes ahead of it must not matter. */
export const AT = 6;

/** A view that ends exactly where the packet does. */
export function place(packet: Uint8Array): DataView {
  const memory = new Uint8Array(AT + packet.length).fill(0xa5);
  memory.set(packet, AT);
  return new DataView(memory.buffer);
}

/** A view of `length` bytes to write into, and what was written from `from` on. */
export function blank(length: number): {
  view: DataView;
  memory: Uint8Array;
  written: (from: number, count: number) => string;
} {
  const memory = new Uint8Array(length).fill(0xee);
  return {
    view: new DataView(memory.buffer),
    memory,
    written: (from, count) => toHex(memory.subarray(from, from + count)),
  };
}

/** Reads an address of either family. */
export function address(text: string): Address {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new Error(`not an address: ${text}`);
  return parsed;
}

/** Reads an IPv4 address to a word. */
export function word(text: string): number {
  return address(text).w3;
}
