// The reply that all servers give, so that the load generator can check every byte of it: what `mtcp serve fixed` sends.

import { patternBytes } from '../../src/cli/servers/pattern.js';

/** A reply of so many bytes. */
export function replyBytes(length: number): Buffer {
  return patternBytes(length);
}
