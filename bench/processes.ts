// Server and generator as processes, each on a CPU of its own.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { netnsPath } from '../src/nic/os/netns.js';
import { ASK, type Job, type JobResult } from './generator/job.js';
import { isForRaw, rawWords } from './generator/raw-words.js';
import type { Workplace } from './peers.js';

/** The CPU of what is measured, and that of what loads it. */
export const SERVER_CPU = 0;
export const GENERATOR_CPU = 1;
const START_MS = 10_000;
/** How long a generator may take beyond its own times: it opens connections first. */
const GRACE_MS = 40_000;

/** What runs now: it ends with this process, unless that is killed. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Keeps what a process says on stderr, for the sentence of its failure. */
function complaintOf(child: ChildProcess): () => string {
  let text = '';
  child.stderr?.setEncoding('utf8').on('data', (part: string) => {
    text = (text + part).slice(-2000);
  });
  return () => text.trim();
}

/** Descriptors that a server on the kernel may be given: what is allowed here, a million at most. */
const FILES = 1_000_000;
export const allowedFiles: number = ((): number => {
  const { status } = spawnSync('prlimit', [`--nofile=${FILES}:${FILES}`, 'true']);
  if (status === 0) return FILES;
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1];
  return hard === 'unlimited' ? FILES : Number(hard ?? 1024);
})();

function launch(command: readonly string[], cpu: number, netns?: string): ChildProcess {
  const inside = netns === undefined ? [] : ['nsenter', `--net=${netnsPath(netns)}`];
  const many = netns === undefined ? [] : ['prlimit', `--nofile=${allowedFiles}:${allowedFiles}`];
  const pinned = cpus().length > 1 ? ['taskset', '-c', `${cpu}`] : [];
  const [program, ...words] = [...inside, ...many, ...pinned, ...command];
  const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'pipe'] });
  running.add(child);
  child.once('close', () => running.delete(child));
  return child;
}

/** Waits for text on stdout; rejects when the process ends or the time is over. */
function output(
  child: ChildProcess,
  what: string,
  isWhole: (text: string) => boolean,
  limitMs: number,
): Promise<string> {
  const complaint = complaintOf(child);
  return new Promise((resolve, reject) => {
    let text = '';
    const timer = setTimeout(() => fail(`says nothing for ${limitMs / 1000} s`), limitMs);
    const fail = (reason: string): void => {
      clearTimeout(timer);
      reject(new Error(`${what} ${reason}${complaint() === '' ? '' : `: ${complaint()}`}`));
    };
    child.stdout?.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      if (!isWhole(text)) return;
      clearTimeout(timer);
      resolve(text);
    });
    child.once('error', (error) => fail(`cannot be started (${error.message})`));
    child.once('close', (code, signal) => fail(`has ended (${code ?? signal})`));
  });
}

/** Ends a process and waits until it is gone. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  // With all that it has printed.
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
  child.stdin?.end();
  child.kill('SIGTERM');
  // One that is stopped would not hear of it.
  child.kill('SIGCONT');
  const timer = setTimeout(() => child.kill('SIGKILL'), 3000);
  await gone;
  clearTimeout(timer);
}

/** A server that listens. */
export interface RunningServer {
  readonly pid: number;
  /** Whatever it has printed so far. */
  said(): string;
  /** From its start until it listened. */
  readonly startMs: number;
  /** Stops it, so that it takes no time of what is measured meanwhile, and lets it go on. */
  pause(): void;
  resume(): void;
  end(): Promise<void>;
}

/** Starts a server and waits until it says that it listens, or is seen to. */
export async function startServer(
  name: string,
  command: readonly string[],
  netns: string | undefined,
  saysReady: boolean,
  cpu = SERVER_CPU,
): Promise<RunningServer> {
  const start = performance.now();
  const child = launch(command, cpu, netns);
  let said = '';
  child.stdout?.setEncoding('utf8').on('data', (part: string) => {
    said += part;
  });
  try {
    const ready = output(child, name, (text) => text.includes('ready'), saysReady ? START_MS : 2 ** 31 - 1);
    // One that says nothing listens as soon as it has read its configuration.
    if (saysReady) await ready;
    else await Promise.race([ready, new Promise((resolve) => setTimeout(resolve, 500))]);
    ready.catch(() => {});
  } catch (error) {
    await end(child);
    throw error;
  }
  const startMs = performance.now() - start;
  return {
    pid: child.pid ?? 0,
    startMs,
    said: () => said,
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    end: () => end(child),
  };
}

/** A generator at work. */
export interface RunningJob {
  readonly result: Promise<JobResult>;
  /** Has it ask on connections that have been idle; what comes of it. */
  ask(): Promise<JobResult>;
  end(): Promise<void>;
}

type Tools = Pick<Workplace, 'folder' | 'generator'>;

/** The command of a load generator: that in C where there is one that can do the job. */
function generatorCommand(job: Job, { folder, generator }: Tools): string[] {
  if (generator !== undefined && isForRaw(job)) return [generator, ...rawWords(job, folder)];
  const program = fileURLToPath(new URL('generator/main.js', import.meta.url));
  return [process.execPath, program, JSON.stringify(job)];
}

/** Starts the load generator. */
export function startJob(job: Job, tools: Tools): RunningJob {
  const child = launch(generatorCommand(job, tools), GENERATOR_CPU);
  const limit = job.longestWarmupMs + job.durationMs + GRACE_MS;
  const nextLine = (): Promise<JobResult> => {
    const line = output(child, 'the load generator', (text) => text.includes('\n'), limit);
    return line.then((text) => JSON.parse(text) as JobResult);
  };
  return {
    result: nextLine(),
    ask() {
      const answer = nextLine();
      child.stdin?.write(ASK);
      return answer;
    },
    async end() {
      // At the end of its input it closes its connections and goes by itself.
      if (child.exitCode === null && child.signalCode === null) {
        const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
        child.stdin?.end();
        await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, 3000))]);
      }
      await end(child);
    },
  };
}

/** Runs a program that loads or measures by itself, where the generator would run; what it prints. Throws when it is not installed. */
export async function runTool(command: readonly string[], netns: string, limitMs = 20_000): Promise<string> {
  const [name] = command;
  if (spawnSync(name, ['--version']).error !== undefined)
    throw new Error(`left out: ${name} is not installed`);
  return runProgram(name, command, GENERATOR_CPU, limitMs, netns);
}

/** Runs a program to its end on one CPU; what it prints. */
export async function runProgram(
  name: string,
  command: readonly string[],
  cpu: number,
  limitMs: number,
  netns?: string,
): Promise<string> {
  const child = launch(command, cpu, netns);
  let text = '';
  child.stdout?.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  const complaint = complaintOf(child);
  const timer = setTimeout(() => child.kill('SIGKILL'), limitMs);
  const code = await new Promise((resolve) =>
    child.once('close', (status, signal) => resolve(status ?? signal)),
  );
  clearTimeout(timer);
  if (code !== 0) throw new Error(`${name} has ended (${code}): ${complaint()}`);
  return text;
}
