// The peer on Bun's own calls, Bun.listen and Bun.serve.
// Usage: bun-server SERVICE PORT REQUEST_BYTES REPLY_FILE. Says "ready" when it listens.

const [service, port, size, file] = process.argv.slice(2);
const requestBytes = Number(size);
const reply = await Bun.file(file).bytes();
const where = { hostname: '0.0.0.0', port: Number(port) };

/** Sends what is owed, as far as there is room: `drain` goes on with the rest. */
function answer(socket) {
  const { data } = socket;
  while (data.owed > 0) {
    const written = socket.write(data.sent === 0 ? reply : reply.subarray(data.sent));
    if (written < 0) return;
    data.sent += written;
    if (data.sent < reply.length) return;
    data.sent = 0;
    data.owed--;
  }
}

if (service === 'http') {
  Bun.serve({ ...where, fetch: () => new Response(reply) });
} else {
  Bun.listen({
    ...where,
    socket: {
      open(socket) {
        socket.data = { received: 0, owed: 0, sent: 0 };
        socket.setNoDelay(true);
      },
      data(socket, chunk) {
        const { data } = socket;
        data.received += chunk.length;
        for (; data.received >= requestBytes; data.received -= requestBytes) data.owed++;
        answer(socket);
      },
      drain: answer,
      error() {},
    },
  });
}
console.log('ready');
