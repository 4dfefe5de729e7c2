// `mtcp serve`: a server on the stack until a signal, a number of requests or a time ends it.

import type { Command, Environment } from './command.js';
import { CliError, messageOf, usageError } from './failure.js';
import type { Args } from './options.js';
import { formatBytes } from './output.js';
import type { OpenStack, Placement } from './placement.js';
import { openStack, readPlacement, STACK_OPTIONS } from './placement.js';
import { MAX_WAIT_MS, SignalWatch, Yielder } from './runner.js';
import { ServingCores } from './serve-cores.js';
import { makeService, type ServiceChoice } from './servers/choice.js';
import { Server } from './servers/server.js';
import type { Service, Totals } from './servers/session.js';

/** The ports that the services have by custom. */
const PORTS: Readonly<Record<ServiceChoice['name'], number>> = {
  echo: 7,
  discard: 9,
  chargen: 19,
  fixed: 7000,
  http: 80,
};
const DEFAULT_REPLY = 64;
const SWEEP_MS = 1000;

/** The `serve` subcommand. */
export const serve: Command = {
  name: 'serve',
  summary: 'run a server on the stack: echo, discard, chargen, fixed or http',
  usage: ['echo|discard|chargen|fixed|http [OPTION…]'],
  details: [
    'echo sends back what comes (port 7), discard throws it away (9), chargen sends lines without end (19), fixed',
    'answers each request with --reply bytes (7000), http serves --root, or a page and /bytes/N (80). Ctrl-C ends it.',
  ],
  positionals: [1, 1],
  wanted: ['the service, echo, discard, chargen, fixed or http'],
  options: [
    { name: 'port', short: 'p', value: 'N', help: "the port to listen on (the service's own)" },
    { name: 'reply', value: 'N', help: `fixed: bytes of a reply (${DEFAULT_REPLY})` },
    { name: 'request-bytes', value: 'N', help: 'fixed: bytes of a request (0: whatever arrives at once)' },
    { name: 'root', value: 'DIR', help: 'http: the folder to serve' },
    { name: 'requests', value: 'N', help: 'end after so many requests' },
    { name: 'duration', value: 'S', help: 'end after so many seconds' },
    ...STACK_OPTIONS,
  ],
  async run(args: Args, environment: Environment): Promise<number> {
    const choice = readChoice(args);
    const service = makeService(choice);
    const limits = {
      requests: args.integer('requests', 1, Number.MAX_SAFE_INTEGER) ?? Number.POSITIVE_INFINITY,
      durationMs: (args.decimal('duration', 0, Number.MAX_VALUE) ?? Number.POSITIVE_INFINITY) * 1000,
    };
    const placement = readPlacement(args, 'several cores');
    const signals = new SignalWatch();
    try {
      if (placement.cores > 1) return await serveOnCores(placement, choice, limits, signals, environment);
      return await serveOnOne(placement, choice, service, limits, signals, environment);
    } finally {
      signals.close();
    }
  },
};

interface Limits {
  requests: number;
  durationMs: number;
}

async function serveOnOne(
  placement: Placement,
  choice: ServiceChoice,
  service: Service,
  limits: Limits,
  signals: SignalWatch,
  environment: Environment,
): Promise<number> {
  const stack = openStack(placement, environment.log);
  try {
    const server = listen(stack, service, choice.port);
    announce(choice, placement, stack.mode, environment);
    const startMs = performance.now();
    await runServer(server, signals, limits);
    server.close();
    environment.log.debug({ nic: stack.mctx.nic.statistics() }, 'counters of the device');
    report(server.totals, [], performance.now() - startMs, environment);
    return 0;
  } finally {
    stack.close();
  }
}

async function serveOnCores(
  placement: Placement,
  choice: ServiceChoice,
  limits: Limits,
  signals: SignalWatch,
  environment: Environment,
): Promise<number> {
  const cores = await ServingCores.start(placement, choice, environment.log);
  announce(choice, placement, `${cores.mode}, ${cores.count} cores`, environment);
  const startMs = performance.now();
  await cores.run(signals, limits);
  report(cores.totals, cores.shares, performance.now() - startMs, environment);
  return 0;
}

function readChoice(args: Args): ServiceChoice {
  const name = args.words[0] as ServiceChoice['name'];
  if (!Object.hasOwn(PORTS, name)) {
    throw usageError(`there is no service "${name}": it is one of ${Object.keys(PORTS).join(', ')}`);
  }
  for (const [option, service] of [
    ['reply', 'fixed'],
    ['request-bytes', 'fixed'],
    ['root', 'http'],
  ]) {
    if (args.has(option) && name !== service) throw usageError(`--${option} is for mtcp serve ${service}`);
  }
  return {
    name,
    port: args.integer('port', 1, 65_535) ?? PORTS[name],
    replyBytes: args.integer('reply', 1, 1 << 30) ?? DEFAULT_REPLY,
    requestBytes: args.integer('request-bytes', 0, 1 << 30) ?? 0,
    root: args.text('root'),
  };
}

function listen(stack: OpenStack, service: Service, port: number): Server {
  try {
    return new Server(stack.mctx, service, { port });
  } catch (error) {
    throw new CliError(messageOf(error));
  }
}

function announce(
  { name, port }: ServiceChoice,
  { iface, netns, address }: Placement,
  mode: string,
  { out, json }: Environment,
): void {
  const ip = address.split('/')[0];
  if (json) {
    const where = { address: ip, port, iface, netns: netns ?? null, mode };
    out.json({ ready: true, service: name, ...where, pid: process.pid });
    return;
  }
  const where = netns === undefined ? iface : `${iface} in ${netns}`;
  const url = name === 'http' ? `http://${ip}${port === 80 ? '' : `:${port}`}/` : `${ip}:${port}`;
  out.line(`${name} on ${url} (${where}, ${mode}); Ctrl-C ends it`);
}

/** Serves until there is a reason to stop. */
async function runServer(
  server: Server,
  signals: SignalWatch,
  limits: { requests: number; durationMs: number },
): Promise<void> {
  const { totals } = server;
  const yielder = new Yielder();
  const endMs = performance.now() + limits.durationMs;
  let sweepMs = performance.now() + SWEEP_MS;
  while (signals.signal === undefined) {
    const idle = server.poll(MAX_WAIT_MS) === 0;
    if (idle || yielder.due) {
      await yielder.yield(true);
      const nowMs = performance.now();
      if (nowMs >= endMs) return;
      if (nowMs >= sweepMs) {
        server.sweep();
        sweepMs = nowMs + SWEEP_MS;
      }
    }
    if (totals.requests >= limits.requests) return finish(server, yielder);
  }
}

/** Lets what has been answered leave, and its clients close, for at most a second. */
async function finish(server: Server, yielder: Yielder): Promise<void> {
  const untilMs = performance.now() + SWEEP_MS;
  while (server.totals.open > 0 && performance.now() < untilMs) {
    server.poll(MAX_WAIT_MS);
    await yielder.yield(true);
  }
}

function report(
  totals: Totals,
  shares: readonly number[],
  elapsedMs: number,
  { out, json }: Environment,
): void {
  const seconds = elapsedMs / 1000;
  const { connections, peak, requests, bytesIn, bytesOut, failed } = totals;
  if (json) {
    out.json({
      done: true,
      seconds: Number(seconds.toFixed(3)),
      connections,
      peak,
      requests,
      bytesIn,
      bytesOut,
      failed,
      ...(shares.length === 0 ? {} : { shares }),
    });
    return;
  }
  out.line(
    `${connections} connections (${peak} at once), ${requests} requests, ${formatBytes(bytesIn)} in, ` +
      `${formatBytes(bytesOut)} out, ${failed} failed, in ${seconds.toFixed(1)} s` +
      (shares.length === 0 ? '' : `; connections by core: ${shares.join(', ')}`),
  );
}
