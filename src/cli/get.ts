// `mtcp get URL`: an HTTP client on the stack.

import { createHash } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import type { Mctx } from '../api/index.js';
import { resolveHost } from './clients/address.js';
import type { ResponseHead } from './clients/http-response.js';
import { ResponseError, ResponseReader } from './clients/http-response.js';
import type { Patience } from './clients/stream.js';
import { Stream } from './clients/stream.js';
import type { Command, Environment } from './command.js';
import { CliError, usageError } from './failure.js';
import type { Args } from './options.js';
import { ONE_CORE_OPTIONS, openStack, readPlacement } from './placement.js';
import { exitCodeOf, SignalWatch } from './runner.js';

const DEFAULT_TIMEOUT_S = 30;
const READ_BYTES = 65_536;

/** The `get` subcommand. */
export const get: Command = {
  name: 'get',
  summary: 'fetch a URL over the stack',
  usage: ['[OPTION…] http://HOST[:PORT]/PATH'],
  details: [
    'Writes the body to stdout, or with -o to a file. The exit code is 0 for a 2xx answer and 1 for anything else.',
    'With --json the summary goes to stdout, and the body only to -o. Host names are resolved by the system.',
  ],
  positionals: [1, 1],
  wanted: ['a URL, such as http://10.0.0.1/'],
  options: [
    { name: 'output', short: 'o', value: 'FILE', help: 'write the body there' },
    { name: 'include', short: 'i', help: 'show the head of the response before the body' },
    { name: 'head', short: 'I', help: 'ask for the head only, and show it' },
    {
      name: 'timeout',
      value: 'S',
      help: `give up after so many seconds without progress (${DEFAULT_TIMEOUT_S})`,
    },
    ...ONE_CORE_OPTIONS,
  ],
  async run(args: Args, environment: Environment): Promise<number> {
    const url = parseUrl(args.words[0]);
    const timeoutMs = (args.decimal('timeout', 0.001, 1e6) ?? DEFAULT_TIMEOUT_S) * 1000;
    const placement = readPlacement(args);
    const address = await resolveHost(url.hostname);
    const stack = openStack(placement, environment.log);
    const signals = new SignalWatch();
    try {
      const patience = { timeoutMs, cancelled: () => signals.signal !== undefined };
      return await fetchUrl(stack.mctx, url, address, patience, args, environment);
    } catch (error) {
      if (signals.signal !== undefined) return exitCodeOf(signals.signal);
      throw error;
    } finally {
      stack.close();
      signals.close();
    }
  },
};

function parseUrl(text: string): URL {
  const whole = text.includes('://') ? text : `http://${text}`;
  if (!URL.canParse(whole)) throw usageError(`"${text}" is not a URL`);
  const url = new URL(whole);
  if (url.protocol !== 'http:')
    throw usageError(`${url.protocol}// is not spoken here: the URL begins with http://`);
  return url;
}

async function fetchUrl(
  mctx: Mctx,
  url: URL,
  address: string,
  patience: Patience,
  args: Args,
  { out, json, log }: Environment,
): Promise<number> {
  const startMs = performance.now();
  const method = args.has('head') ? 'HEAD' : 'GET';
  const body = openBody(args.text('output'), json, out.bytes.bind(out));
  const hash = createHash('sha256');
  const reader = new ResponseReader(method, (part) => {
    hash.update(part);
    body.write(part);
  });
  try {
    const stream = await Stream.connect(mctx, address, Number(url.port || 80), patience);
    log.info({ address, port: Number(url.port || 80) }, 'connected');
    try {
      await stream.write(Buffer.from(requestHead(method, url), 'latin1'));
      const showHead = (args.has('include') || method === 'HEAD') && !json;
      await receive(stream, reader, (head) => {
        if (showHead) out.write(`${head.text}\n\n`);
      });
      await stream.flush(Math.min(1000, patience.timeoutMs));
    } finally {
      stream.close();
    }
  } finally {
    body.close();
  }
  const head = reader.head!;
  const seconds = (performance.now() - startMs) / 1000;
  if (json) {
    out.json({
      url: url.href,
      address,
      status: head.status,
      bytes: reader.bodyBytes,
      sha256: hash.digest('hex'),
      seconds: Number(seconds.toFixed(6)),
      headers: Object.fromEntries(head.fields),
    });
  }
  if (head.status < 200 || head.status > 299) {
    const location = head.fields.get('location');
    const where = location === undefined ? '' : `, which points to ${location}`;
    throw new CliError(`the server answered ${head.status} ${head.reason}${where}`);
  }
  return 0;
}

function requestHead(method: string, url: URL): string {
  return (
    `${method} ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.host}\r\nUser-Agent: mtcp\r\nAccept: */*\r\n` +
    'Connection: close\r\n\r\n'
  );
}

async function receive(
  stream: Stream,
  reader: ResponseReader,
  onHead: (head: ResponseHead) => void,
): Promise<void> {
  const buffer = Buffer.alloc(READ_BYTES);
  let shown = false;
  try {
    while (!reader.done) {
      const received = await stream.read(buffer);
      // The head and the first bytes of the body may come together: the head is shown before the body is written.
      if (received === 0) reader.finish();
      else feed(buffer.subarray(0, received));
    }
  } catch (error) {
    if (error instanceof ResponseError) throw new CliError(error.message);
    throw error;
  }

  function feed(bytes: Buffer): void {
    if (shown) {
      reader.feed(bytes);
      return;
    }
    for (let at = 0; at < bytes.length && !reader.done; ) {
      const newline = bytes.indexOf(10, at);
      const end = newline < 0 ? bytes.length : newline + 1;
      reader.feed(bytes.subarray(at, end));
      at = end;
      if (reader.head !== undefined) {
        shown = true;
        onHead(reader.head);
        if (at < bytes.length) reader.feed(bytes.subarray(at));
        return;
      }
    }
  }
}

interface Sink {
  write(part: Buffer): void;
  close(): void;
}

/** Where the body goes: a file, stdout, or with --json and without a file nowhere. */
function openBody(file: string | undefined, json: boolean, toStdout: (bytes: Uint8Array) => void): Sink {
  if (file === undefined) return { write: json ? () => {} : toStdout, close() {} };
  let fd: number;
  try {
    fd = openSync(file, 'w');
  } catch (error) {
    throw new CliError(`${file} cannot be written (${(error as NodeJS.ErrnoException).code})`);
  }
  return {
    write(part) {
      for (let done = 0; done < part.length; ) done += writeSync(fd, part, done);
    },
    close() {
      closeSync(fd);
    },
  };
}
