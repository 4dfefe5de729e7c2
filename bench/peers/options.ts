// How the servers are started: SERVICE PORT REQUEST_BYTES REPLY_BYTES LAB, and options for cases that want more. A checkout of before
// that does not know an option does without it.

import { parseArgs } from 'node:util';

/** What a server is asked to do. */
export interface ServerOptions {
  readonly service: 'fixed' | 'http' | 'sink';
  readonly port: number;
  readonly requestBytes: number;
  readonly replyBytes: number;
  readonly lab: string;
  /** Connections there may be. */
  readonly connections: number;
  /** The longest that it sleeps when nothing comes, in ms. */
  readonly waitMs: number;
  /** Cores; 0 for none of `startCores`. */
  readonly cores: number;
  /** Watch memory and pauses, and tell them at the end. */
  readonly watches: boolean;
  /** The CPU of the thread that serves, where that is another one than that of V8's threads; -1 for none of its own. */
  readonly cpu: number;
}

/** Reads the words of a command line. */
export function readServerOptions(words: readonly string[]): ServerOptions {
  const { values, positionals } = parseArgs({
    args: [...words],
    allowPositionals: true,
    options: {
      connections: { type: 'string', default: '70000' },
      wait: { type: 'string', default: '50' },
      cores: { type: 'string', default: '0' },
      watch: { type: 'boolean', default: false },
      cpu: { type: 'string', default: '-1' },
    },
  });
  const [service, port, requestBytes, replyBytes, lab = ''] = positionals;
  return {
    service: service as ServerOptions['service'],
    port: Number(port),
    requestBytes: Number(requestBytes),
    replyBytes: Number(replyBytes),
    lab,
    connections: Number(values.connections),
    waitMs: Number(values.wait),
    cores: Number(values.cores),
    watches: values.watch,
    cpu: Number(values.cpu),
  };
}

/** Collects garbage when SIGUSR2 says so, so that memory can be read without it (needs --expose-gc). */
export function collectOnSignal(): void {
  process.on('SIGUSR2', () => globalThis.gc?.());
}
