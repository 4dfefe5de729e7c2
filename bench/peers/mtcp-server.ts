// The stack's own servers (those of `mtcp serve`), with room for as many connections as the benchmark opens. Its words are in
// options.ts. Prints "ready" when it listens, and what it has watched at the end.

import { SignalWatch, Yielder } from '../../src/cli/runner.js';
import { FixedService } from '../../src/cli/servers/fixed.js';
import { HttpService } from '../../src/cli/servers/http.js';
import { BuiltInSite } from '../../src/cli/servers/http-content.js';
import { Server } from '../../src/cli/servers/server.js';
import type { Service } from '../../src/cli/servers/session.js';
import { mtcp_core_affinitize, mtcp_last_error } from '../../src/index.js';
import { openContext } from './context.js';
import { serveOnCores } from './cores.js';
import { LoopWatch } from './loop-watch.js';
import { collectOnSignal, readServerOptions, type ServerOptions } from './options.js';
import { SinkService } from './sink.js';

function makeService({ service, requestBytes, replyBytes }: ServerOptions): Service {
  if (service === 'sink') return new SinkService();
  return service === 'http' ? new HttpService(new BuiltInSite()) : new FixedService(replyBytes, requestBytes);
}

async function serve(options: ServerOptions): Promise<void> {
  if (options.cpu >= 0 && mtcp_core_affinitize(options.cpu) < 0) throw new Error(mtcp_last_error());
  const mctx = openContext(options.lab, options.connections);
  const server = new Server(mctx, makeService(options), { port: options.port });
  const watch = options.watches ? new LoopWatch(mctx.nic) : undefined;
  const signals = new SignalWatch();
  const yielder = new Yielder();
  collectOnSignal();
  process.stdout.write('ready\n');
  while (signals.signal === undefined) {
    const idle = server.poll(options.waitMs) === 0;
    if (idle || yielder.due) await yielder.yield(idle);
    watch?.turn();
  }
  if (watch !== undefined) process.stdout.write(`${JSON.stringify(watch.samples())}\n`);
  server.close();
}

const options = readServerOptions(process.argv.slice(2));
await (options.cores > 0 ? serveOnCores(options) : serve(options));
process.exit(0);
