// An echo server on every queue of an interface, one thread each. Needs root: `npx mtcp lab up --queues 2`, then
// `node build/examples/cores.js mtcp-stack mtcp0 10.77.0.10/24`.

import process from 'node:process';
import { isMainThread } from 'node:worker_threads';
import * as mtcp from 'mtcp-node';

// [readme]
export default function echo({ mctx, cpu }: mtcp.Core) {
  const listener = mtcp.mtcp_socket(mctx, mtcp.AF_INET, mtcp.SOCK_STREAM);
  mtcp.mtcp_bind(mctx, listener, mtcp.sockaddr_in('0.0.0.0', 7));
  mtcp.mtcp_listen(mctx, listener, 128);
  console.log(`core ${cpu} listens`);
  const buffer = new Uint8Array(65_536);
  for (let id = 0; (id = mtcp.mtcp_accept(mctx, listener)) >= 0; mtcp.mtcp_close(mctx, id)) {
    for (let n = 1; n > 0; )
      if ((n = mtcp.mtcp_read(mctx, id, buffer)) > 0) mtcp.mtcp_write(mctx, id, buffer, n);
  }
}

if (isMainThread) {
  const [netns = 'mtcp-stack', iface = 'mtcp0', address = '10.77.0.10/24'] = process.argv.slice(2);
  try {
    const cores = await mtcp.startCores(import.meta.url, { iface, netns, address });
    process.once('SIGINT', () => void cores.stop());
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  }
}
// [/readme]
