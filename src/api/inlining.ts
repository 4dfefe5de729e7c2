// How much V8 inlines. A message goes through some hundred small functions, and V8 stops inlining them into each other after so many
// bytes of their bytecode: with its own limit, which is meant for pages of the web, most of the calls remain.

import { setFlagsFromString } from 'node:v8';

const FLAG = '--max-inlined-bytecode-size-cumulative';
/** Bytes of bytecode inlined into one function at most; V8's own limit is 920. */
const LIMIT = 4000;

/** Lets V8 inline more in this process, from now on; does nothing when the command line of the process says how much. */
export function widenInlining(
  words: readonly string[] = process.execArgv,
  setFlags: (flags: string) => void = setFlagsFromString,
): void {
  // V8 takes a word with underscores for the same.
  if (words.some((word) => word.replaceAll('_', '-').startsWith(FLAG))) return;
  setFlags(`${FLAG}=${LIMIT}`);
}
