// Packetdrill scripts (https://github.com/google/packetdrill) on a virtual host in virtual time: no packets, no privileges, no
// waiting. See docs/guides/packetdrill.md.

import { symbol } from './names.js';
import { parseScript } from './parse-script.js';
import { type PlayOptions, play } from './player.js';
import { PacketdrillError } from './script.js';

/** How a script ended. */
export interface PacketdrillResult {
  /** `unsupported`: it needs something that is not there, which `reason` names. */
  readonly outcome: 'passed' | 'failed' | 'unsupported';
  /** What is not as the script says, with its line; undefined when it passed. */
  readonly reason?: string;
}

/** How a script is played. */
export interface PacketdrillOptions extends PlayOptions {
  /** For messages. */
  readonly name?: string;
  /** Words that stand for others in options, as `-D WORD=TEXT` of packetdrill. */
  readonly defined?: Readonly<Record<string, string>>;
}

/**
 * Plays a packetdrill script against a stack of its own. Times are virtual, so that an hour of silence takes no time and
 * equal scripts end alike. Throws nothing on account of the script.
 */
export function runPacketdrill(text: string, options: PacketdrillOptions = {}): PacketdrillResult {
  try {
    const defined = new Map(Object.entries(options.defined ?? {}));
    const script = parseScript(options.name ?? 'script', text, symbol, defined);
    const reason = play(script, options);
    return reason === undefined ? { outcome: 'passed' } : { outcome: 'failed', reason };
  } catch (error) {
    if (!(error instanceof PacketdrillError)) throw error;
    const outcome = error.unsupported ? 'unsupported' : 'failed';
    return { outcome, reason: `line ${error.line}: ${error.message}` };
  }
}
