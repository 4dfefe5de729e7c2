// The same server on several cores of one interface, as `mtcp serve --cores` has it.

import { once } from 'node:events';
import type { ServiceChoice } from '../../src/cli/servers/choice.js';
import { startCores } from '../../src/index.js';
import { placeIn } from './context.js';
import type { ServerOptions } from './options.js';

/** Serves until a signal comes. */
export async function serveOnCores(options: ServerOptions): Promise<void> {
  const { port, requestBytes, replyBytes, lab, connections, cores: count } = options;
  const choice: ServiceChoice = { name: 'fixed', port, requestBytes, replyBytes, root: undefined };
  const program = new URL('../../src/cli/servers/core-program.js', import.meta.url);
  const cores = await startCores(program, placeIn(lab, connections), { cores: count, data: choice });
  // Each core sends its totals now and then: here nobody wants them.
  cores.on('message', () => {});
  process.stdout.write('ready\n');
  await once(process, 'SIGTERM');
  await cores.stop();
}
