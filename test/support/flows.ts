// A program of its own for tests: flows of this kernel's TCP and UDP from known source ports, and the server for them. Run it
// inside a namespace: `serve HOST PORT`, or `tcp|udp|syn HOST PORT FIRST COUNT`. `syn` opens connections and waits for no answer.

import { createSocket } from 'node:dgram';
import { connect, createServer, isIPv6 } from 'node:net';

const [role = '', host = '', portText = '', firstText = '', countText = ''] = process.argv.slice(2);
const port = Number(portText);
const ports = Array.from({ length: Number(countText) }, (_, i) => Number(firstText) + i);

/** One connection with a few segments each way. */
function tcpFlow(localPort: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, localPort, noDelay: true });
    let left = 3;
    socket.on('error', reject);
    socket.on('connect', () => socket.write('x'));
    socket.on('data', () => (--left > 0 ? socket.write('x') : socket.end()));
    socket.on('close', () => resolve());
  });
}

/** Three datagrams, for which nobody waits. */
function udpFlow(localPort: number): Promise<void> {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
  socket.on('error', () => {});
  return new Promise((resolve) => {
    socket.bind(localPort, () => {
      let sent = 0;
      for (let i = 0; i < 3; i++) {
        socket.send('x', port, host, () => {
          if (++sent === 3) socket.close(() => resolve());
        });
      }
    });
  });
}

if (role === 'serve') {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  server.listen(port, host, () => process.stdout.write('ready\n'));
} else if (role === 'syn') {
  for (const localPort of ports) connect({ host, port, localPort }).on('error', () => {});
} else {
  await Promise.all(ports.map(role === 'udp' ? udpFlow : tcpFlow));
  process.stdout.write('done\n');
}
