// The peer on Deno's own calls, Deno.listen and Deno.serve.
// Usage: deno-server SERVICE PORT REQUEST_BYTES REPLY_FILE. Says "ready" when it listens.

const [service, port, size, file] = Deno.args;
const requestBytes = Number(size);
const reply = await Deno.readFile(file);
const where = { hostname: '0.0.0.0', port: Number(port) };
const ready = () => console.log('ready');

async function serveFixed(connection) {
  const buffer = new Uint8Array(65_536);
  let received = 0;
  try {
    connection.setNoDelay(true);
    for (let n = await connection.read(buffer); n !== null; n = await connection.read(buffer)) {
      received += n;
      for (; received >= requestBytes; received -= requestBytes) {
        let sent = await connection.write(reply);
        while (sent < reply.length) sent += await connection.write(reply.subarray(sent));
      }
    }
  } catch {
    // The other end has reset it.
  }
  try {
    connection.close();
  } catch {
    // It is closed already: an error that nobody takes would end the server.
  }
}

if (service === 'http') {
  Deno.serve({ ...where, onListen: ready }, () => new Response(reply));
} else {
  const listener = Deno.listen(where);
  ready();
  for await (const connection of listener) void serveFixed(connection);
}
