// What runs on each core in cores-lifecycle.test.ts: a module that does what a word in shared memory says when it is loaded, and a program
// that does the same when it begins.

import { workerData } from 'node:worker_threads';
import * as mtcp from '../../src/index.js';
import {
  FAIL_TO_LOAD,
  LINGER,
  LOAD_FOR_EVER,
  REPEAT,
  RETURN,
  THROW,
  TRESPASS,
} from './core-lifecycle-acts.js';

/** `data` of the cores. */
export interface LifecycleTask {
  readonly words: SharedArrayBuffer;
}

const { cpu, data } = workerData as { cpu: number; data: LifecycleTask };
const words = new Int32Array(data.words);
if (words[cpu] === FAIL_TO_LOAD) throw new Error('cannot be loaded');
if (words[cpu] === LOAD_FOR_EVER) await new Promise((resolve) => setTimeout(resolve, 2 ** 30));

export default async function program(core: mtcp.Core): Promise<void> {
  const { mctx } = core;
  switch (words[cpu]) {
    case RETURN:
      // A core ends when its program does, whatever that leaves behind.
      setInterval(() => {}, 1000);
      return;
    case THROW:
      throw new Error('has had enough');
    case REPEAT:
      core.onMessage = (value) => core.post(value);
      await new Promise((resolve) => core.signal.addEventListener('abort', resolve));
      return;
    case LINGER:
      await new Promise((resolve) => core.signal.addEventListener('abort', resolve));
      await new Promise((resolve) => setTimeout(resolve, 300));
      core.post('farewell');
      return;
    case TRESPASS: {
      const other = mtcp.mtcp_create_context((core.cpu + 1) % core.cores);
      core.post([other, mtcp.errnoName(mtcp.errno), mtcp.mtcp_last_error()]);
    }
  }
  const epoll = mtcp.mtcp_epoll_create(mctx, 1);
  while (!core.stopping) mtcp.mtcp_epoll_wait(mctx, epoll, [], 1, -1);
}
