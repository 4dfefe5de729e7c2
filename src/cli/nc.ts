// `mtcp nc`: stdin to a TCP connection of the stack, the connection to stdout; half-closes at the end of stdin.

import { MTCP_EPOLLIN, MTCP_EPOLLOUT } from '../api/index.js';
import { readPort, resolveHost } from './clients/address.js';
import { Stream } from './clients/stream.js';
import type { Command, Environment } from './command.js';
import { usageError } from './failure.js';
import type { Args } from './options.js';
import type { Output } from './output.js';
import { ONE_CORE_OPTIONS, openStack, readPlacement } from './placement.js';
import { exitCodeOf, MAX_WAIT_MS, SignalWatch } from './runner.js';

const READ_BYTES = 65_536;
/** Bytes of stdin that may wait for room in the send buffer. */
const MAX_PENDING = 262_144;
/** The longest that stdin waits to be looked at while the connection is silent, in ms. */
const STDIN_WAIT_MS = 5;
/** Turns without anything to do before the stack may sleep. */
const BUSY_TURNS = 20;
/** The longest that the end waits for the peer's acknowledgement, in ms. */
const FLUSH_MS = 10_000;

/** The `nc` subcommand. */
export const nc: Command = {
  name: 'nc',
  summary: 'connect stdin and stdout to a TCP connection of the stack',
  usage: ['[OPTION…] HOST PORT', '-l [OPTION…] PORT'],
  details: ['At the end of stdin the sending side is closed; the end of the connection ends the command.'],
  positionals: [1, 2],
  wanted: ['HOST', 'PORT'],
  options: [
    { name: 'listen', short: 'l', help: 'wait for one connection to PORT instead' },
    { name: 'timeout', short: 'w', value: 'S', help: 'give up connecting after so many seconds (no limit)' },
    ...ONE_CORE_OPTIONS,
  ],
  async run(args: Args, environment: Environment): Promise<number> {
    const listen = args.has('listen');
    if (args.words.length !== (listen ? 1 : 2)) {
      throw usageError(listen ? 'nc -l takes a port and nothing else' : 'nc takes a host and a port');
    }
    const port = readPort(args.words[args.words.length - 1]);
    const timeoutMs = (args.decimal('timeout', 0.001, 1e6) ?? Number.POSITIVE_INFINITY) * 1000;
    const placement = readPlacement(args);
    const address = listen ? '' : await resolveHost(args.words[0]);
    const stack = openStack(placement, environment.log);
    const signals = new SignalWatch();
    try {
      const patience = { timeoutMs, cancelled: () => signals.signal !== undefined };
      const stream = listen
        ? await Stream.accept(stack.mctx, port, patience)
        : await Stream.connect(stack.mctx, address, port, patience);
      environment.log.info({ address, port }, 'connected');
      try {
        const moved = await pump(stream, process.stdin, environment.out, listen, patience.cancelled);
        if (environment.json) process.stderr.write(`${JSON.stringify(moved)}\n`);
      } finally {
        stream.close();
      }
      return signals.signal === undefined ? 0 : exitCodeOf(signals.signal);
    } catch (error) {
      if (signals.signal !== undefined) return exitCodeOf(signals.signal);
      throw error;
    } finally {
      process.stdin.destroy();
      stack.close();
      signals.close();
    }
  },
};

/** Moves bytes both ways until both ends have ended, or the peer's has and nobody listens on this side. */
async function pump(
  stream: Stream,
  stdin: NodeJS.ReadStream,
  out: Output,
  endWithPeer: boolean,
  cancelled: () => boolean,
): Promise<{ sent: number; received: number }> {
  const pending: Buffer[] = [];
  let pendingBytes = 0;
  let stdinEnded = false;
  stdin.on('data', (chunk: Buffer) => {
    pending.push(chunk);
    pendingBytes += chunk.length;
    if (pendingBytes > MAX_PENDING) stdin.pause();
  });
  const endStdin = (): void => {
    stdinEnded = true;
  };
  stdin.on('end', endStdin).on('error', endStdin).on('close', endStdin);
  const buffer = Buffer.alloc(READ_BYTES);
  const moved = { sent: 0, received: 0 };
  let peerEnded = false;
  let shut = false;
  let idleTurns = 0;
  while (!cancelled()) {
    let busy = false;
    while (pending.length > 0) {
      const sent = stream.tryWrite(pending[0]);
      moved.sent += sent;
      pendingBytes -= sent;
      if (sent > 0) busy = true;
      if (sent < pending[0].length) {
        pending[0] = pending[0].subarray(sent);
        break;
      }
      pending.shift();
    }
    if (pendingBytes <= MAX_PENDING && stdin.isPaused()) stdin.resume();
    if (stdinEnded && pending.length === 0 && !shut) {
      shut = true;
      stream.shutdownWrite();
    }
    if (!peerEnded) {
      const received = stream.tryRead(buffer);
      if (received === 0) peerEnded = true;
      if (received > 0) {
        busy = true;
        moved.received += received;
        out.bytes(buffer.subarray(0, received));
      }
    }
    if (peerEnded && (shut || endWithPeer || stdin.isTTY)) break;
    idleTurns = busy ? 0 : idleTurns + 1;
    const interest = (peerEnded ? 0 : MTCP_EPOLLIN) | (pending.length > 0 ? MTCP_EPOLLOUT : 0);
    const patientMs = shut || pending.length > 0 ? MAX_WAIT_MS : STDIN_WAIT_MS;
    await stream.turn(interest, idleTurns < BUSY_TURNS ? 0 : patientMs);
  }
  await stream.flush(FLUSH_MS);
  return moved;
}
