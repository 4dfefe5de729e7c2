// node:http on the stack: any request handler, whatever it is made of, over AF_XDP. Takes the interface of `npx mtcp lab up`, or
// another one: node build/examples/http-server.js [NETNS IFACE ADDRESS/PREFIX [PORT]]

import { createServer } from 'node:http';
import * as mtcp from 'mtcp-node';
import { createNet } from 'mtcp-node/net';

const [netns = 'mtcp-stack', iface = 'mtcp0', address = '10.77.0.10/24', port = '80'] = process.argv.slice(2);
if (mtcp.mtcp_init({ netns, iface, address }) < 0) throw new Error(mtcp.mtcp_last_error());
const mctx = mtcp.mtcp_create_context(0);
if (mctx === null) throw new Error(mtcp.mtcp_last_error());

const server = createServer((request, response) => {
  if (request.method === 'POST') request.pipe(response);
  else response.end(`hello, ${request.socket.remoteAddress}\n`);
});
// As node:http makes its own sockets; told that somebody listens, it also watches over headersTimeout and requestTimeout.
const listener = createNet(mctx).createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
  server.emit('connection', socket),
);
listener.on('listening', () => server.emit('listening'));
listener.listen(Number(port), () => console.log(`http://${address.split('/')[0]}:${port}/`));
process.once('SIGINT', () => listener.close(() => process.exit(0)));
