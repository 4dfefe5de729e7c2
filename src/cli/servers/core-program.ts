// The program of each core of `mtcp serve --cores N`: the service in a loop that owns the thread, and its totals now and then to the
// thread that started it.

import type { Core } from '../../api/index.js';
import { MAX_WAIT_MS } from '../runner.js';
import { makeService, type ServiceChoice } from './choice.js';
import { Server } from './server.js';

const REPORT_MS = 100;
const SWEEP_MS = 1000;

export default function serveOnCore(core: Core): void {
  const choice = core.data as ServiceChoice;
  const server = new Server(core.mctx, makeService(choice), { port: choice.port });
  let reportMs = 0;
  let sweepMs = performance.now() + SWEEP_MS;
  while (!core.stopping) {
    server.poll(MAX_WAIT_MS);
    const nowMs = performance.now();
    if (nowMs >= reportMs) {
      core.post({ ...server.totals });
      reportMs = nowMs + REPORT_MS;
    }
    if (nowMs >= sweepMs) {
      server.sweep();
      sweepMs = nowMs + SWEEP_MS;
    }
  }
  server.close();
  core.post({ ...server.totals });
}
