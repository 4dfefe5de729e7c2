// The stack's own servers (those of `mtcp serve`), with room for as many connections as the benchmark opens.
// Usage: mtcp-server fixed|http PORT REQUEST_BYTES REPLY_BYTES LAB. Prints "ready" when it listens.

import { MAX_WAIT_MS, SignalWatch, Yielder } from '../../src/cli/runner.js';
import { FixedService } from '../../src/cli/servers/fixed.js';
import { HttpService } from '../../src/cli/servers/http.js';
import { BuiltInSite } from '../../src/cli/servers/http-content.js';
import { Server } from '../../src/cli/servers/server.js';
import { openContext } from './context.js';

const [what, port, request, reply, lab] = process.argv.slice(2);
const service =
  what === 'http' ? new HttpService(new BuiltInSite()) : new FixedService(Number(reply), Number(request));
const server = new Server(openContext(lab), service, { port: Number(port) });
const signals = new SignalWatch();
const yielder = new Yielder();
process.stdout.write('ready\n');
while (signals.signal === undefined) {
  const idle = server.poll(MAX_WAIT_MS) === 0;
  if (idle || yielder.due) await yielder.yield(idle);
}
server.close();
process.exit(0);
