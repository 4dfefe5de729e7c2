// An echo server on the stack, as the README shows it. Needs root and an interface with an address for the stack:
// `npx mtcp lab up`, then `node build/examples/ten-line-server.js mtcp-stack mtcp0 10.77.0.10/24`.

import process from 'node:process';
import * as mtcp from 'mtcp-node';

const [netns = 'mtcp-stack', iface = 'mtcp0', address = '10.77.0.10/24'] = process.argv.slice(2);
// [readme]
const fail = () => {
  throw new Error(mtcp.mtcp_last_error());
};
if (mtcp.mtcp_init({ iface, netns, address }) < 0) fail();
const mctx = mtcp.mtcp_create_context(0) ?? fail();
const listener = mtcp.mtcp_socket(mctx, mtcp.AF_INET, mtcp.SOCK_STREAM);
mtcp.mtcp_bind(mctx, listener, mtcp.sockaddr_in('0.0.0.0', 7));
if (mtcp.mtcp_listen(mctx, listener, 128) < 0) fail();
for (const buffer = new Uint8Array(65536); ; ) {
  const socket = mtcp.mtcp_accept(mctx, listener);
  for (let n = 1; n > 0; ) {
    n = mtcp.mtcp_read(mctx, socket, buffer);
    if (n > 0) mtcp.mtcp_write(mctx, socket, buffer, n);
  }
  mtcp.mtcp_close(mctx, socket);
}
// [/readme]
