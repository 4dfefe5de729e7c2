// Bytes on their way between the stack and the streams of Node.

/** Most bytes that are read at once. */
const CHUNK = 65_536;
/** A chunk of at least so many bytes is handed on where it lies, a smaller one is copied. */
const LARGE_CHUNK = 32_768;

let buffer = Buffer.allocUnsafeSlow(CHUNK);

/** Where to read to; `take` gives what was read. */
export function scratch(): Buffer {
  return buffer;
}

/** The first bytes of the scratch buffer as a buffer of their own. */
export function take(length: number): Buffer {
  if (length < LARGE_CHUNK) return Buffer.from(buffer.subarray(0, length));
  const chunk = buffer.subarray(0, length);
  buffer = Buffer.allocUnsafeSlow(CHUNK);
  return chunk;
}
