// A helper process of the demo and what its parent says to it: requests by name over Node's IPC channel, one answer each.
// A helper ends when its parent does, however that happens.

import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { CliError, messageOf } from '../failure.js';

interface Request {
  readonly id: number;
  readonly name: string;
  readonly argument: unknown;
}

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

/** Functions that a helper offers, by name. */
export type Handlers = Readonly<Record<string, (argument: never) => unknown>>;

/** The parent's end. */
export class Child {
  private readonly process: ChildProcess;
  private readonly waiting: Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }> =
    new Map();
  private complaint = '';
  private nextId = 1;

  /** Starts a module of this folder as a process. */
  constructor(module: URL, args: readonly string[]) {
    this.process = fork(module, [...args], { execArgv: [], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.complaint = (this.complaint + text).slice(-2000);
    });
    this.process.on('message', (message: unknown) => this.settle(message as Answer));
    this.process.on('error', (error) => this.fail(error.message));
    this.process.on('close', (code, signal) => {
      const reason = this.complaint.trim() || `exit code ${code ?? signal}`;
      this.fail(`a helper process has ended: ${reason}`);
    });
  }

  /** Calls one of the helper's handlers. Rejects with a CliError when that throws or the helper ends. */
  call<T>(name: string, argument: unknown = null): Promise<T> {
    const id = this.nextId++;
    return new Promise<T>((resolve, reject) => {
      this.waiting.set(id, { resolve: resolve as (value: never) => void, reject });
      const request: Request = { id, name, argument };
      if (!this.process.connected) this.fail('a helper process has ended');
      else this.process.send(request);
    });
  }

  /** Ends the helper, and waits until it is gone. Idempotent. */
  async end(): Promise<void> {
    const { process } = this;
    if (process.exitCode !== null || process.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => process.once('exit', () => resolve()));
    if (process.connected) process.disconnect();
    const timer = setTimeout(() => process.kill('SIGKILL'), 2000);
    await gone;
    clearTimeout(timer);
  }

  private settle({ id, result, error }: Answer): void {
    const waiter = this.waiting.get(id);
    this.waiting.delete(id);
    if (error === undefined) waiter?.resolve(result as never);
    else waiter?.reject(new CliError(error));
  }

  private fail(reason: string): void {
    for (const { reject } of this.waiting.values()) reject(new CliError(reason));
    this.waiting.clear();
  }
}

/**
 * The helper's end: answers requests with these handlers until the parent lets go.
 * @param atEnd called when the parent has let go or died, before the process ends
 */
export function offer(handlers: Handlers, atEnd: () => void): void {
  // Ctrl-C reaches the whole process group; the parent decides what it means.
  process.on('SIGINT', () => {});
  process.on('disconnect', () => {
    atEnd();
    process.exit(0);
  });
  process.on('message', (message: unknown) => {
    const { id, name, argument } = message as Request;
    const answer = (rest: Omit<Answer, 'id'>): void => {
      if (process.connected) process.send?.({ id, ...rest });
    };
    Promise.resolve()
      .then(() => handlers[name](argument as never))
      .then(
        (result) => answer({ result }),
        (error: unknown) => answer({ error: messageOf(error) }),
      );
  });
}
