// The kernel's side of the interop tests: a program of its own, run inside the peer's namespace. It speaks one small protocol on
// `node:net`: the client sends SIZE bytes of the pattern and half-closes; the server answers with the SHA-256 of what it got, a
// newline and SIZE bytes of the pattern, and closes. `many` opens COUNT connections, all before the first one ends, and has each
// echo its own message; `greet` says hello to whoever connects; `hold` keeps COUNT
// connections open over a time in which the other side may lose some; `doom` tells the other side to die.

import { createHash } from 'node:crypto';
import { connect, createServer, type Socket } from 'node:net';
import { patternAt } from './pattern.js';

const [role = '', host = '', portText = '', sizeText = ''] = process.argv.slice(2);
const port = Number(portText);
const size = Number(sizeText);

const report = (result: object): void => {
  process.stdout.write(`${JSON.stringify(result)}\n`);
};

/** Writes SIZE bytes of the pattern, as fast as the socket takes them. */
function pour(socket: Socket, total: number, done: () => void): void {
  let at = 0;
  const more = (): void => {
    while (at < total) {
      const piece = patternAt(at, Math.min(32_768, total - at));
      at += piece.length;
      if (!socket.write(piece)) {
        socket.once('drain', more);
        return;
      }
    }
    done();
  };
  more();
}

function serve(): void {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const hash = createHash('sha256');
    let received = 0;
    socket.on('data', (bytes) => {
      hash.update(bytes);
      received += bytes.length;
    });
    socket.on('end', () => {
      socket.write(`${hash.digest('hex')}\n`);
      pour(socket, size, () => socket.end());
    });
    socket.on('close', () => {
      report({ received });
      server.close();
    });
    socket.on('error', (error) => report({ error: error.message }));
  });
  server.listen(port, host, () => report({ listening: true }));
}

function client(): void {
  const hash = createHash('sha256');
  const head: Buffer[] = [];
  let headLength = 0;
  let received = 0;
  const socket = connect({ host, port, allowHalfOpen: true }, () => pour(socket, size, () => socket.end()));
  socket.on('data', (bytes) => {
    let body = bytes;
    if (headLength < 65) {
      const part = bytes.subarray(0, 65 - headLength);
      head.push(part);
      headLength += part.length;
      body = bytes.subarray(part.length);
    }
    hash.update(body);
    received += body.length;
  });
  socket.on('close', () => {
    report({ received, hash: hash.digest('hex'), echoed: Buffer.concat(head).toString().trim() });
  });
  socket.on('error', (error) => report({ error: error.message }));
}

function many(): void {
  const sockets: Socket[] = [];
  const got = new Map<number, string>();
  let open = 0;
  let closed = 0;
  const errors: string[] = [];
  const speak = (): void =>
    sockets.forEach((socket, i) => socket.write(`message ${i} ${'.'.repeat(i % 300)}`));
  for (let i = 0; i < size; i++) {
    const expected = `message ${i} ${'.'.repeat(i % 300)}`;
    const socket = connect({ host, port }, () => {
      if (++open === size) speak();
    });
    socket.on('data', (bytes) => {
      got.set(i, (got.get(i) ?? '') + bytes.toString());
      if (got.get(i) === expected) socket.end();
    });
    socket.on('error', (error) => errors.push(error.message));
    socket.on('close', () => {
      if (++closed < size) return;
      const right = sockets.filter((_, k) => got.get(k) === `message ${k} ${'.'.repeat(k % 300)}`).length;
      report({ open, right, errors: errors.slice(0, 5) });
    });
    sockets.push(socket);
  }
}

/** Greets everybody, and closes. */
function greet(): void {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.end('hello\n');
  });
  server.listen(port, host, () => report({ listening: true }));
}

/**
 * Holds COUNT connections open and tells so; when the first of them echoes again after a second, tells how many still echo, how many
 * have been reset, and how many that are opened anew in the place of those echo.
 */
function hold(): void {
  const sockets: Socket[] = [];
  let open = 0;
  let echoed = 0;
  let reset = 0;
  let again = 0;
  const isDone = (): void => {
    if (echoed + reset < size) return;
    for (let i = 0; i < size; i++) {
      const socket = connect({ host, port }, () => socket.write('again'));
      socket.on('error', () => undefined);
      socket.once('data', () => {
        socket.end();
        if (++again === size) report({ echoed, reset, again });
      });
    }
  };
  const speak = (): void => {
    for (const socket of sockets) {
      socket.once('data', () => {
        echoed++;
        socket.end();
        isDone();
      });
      socket.write('are you there?');
    }
  };
  for (let i = 0; i < size; i++) {
    const socket = connect({ host, port }, () => {
      if (++open < size) return;
      report({ open });
      setTimeout(speak, 3000);
    });
    socket.on('error', () => {
      reset++;
      isDone();
    });
    sockets.push(socket);
  }
}

/** Tells the server to die, and tells how the connection ends. */
function doom(): void {
  const socket = connect({ host, port }, () => socket.write('die'));
  socket.on('error', (error: NodeJS.ErrnoException) => report({ error: error.code }));
  socket.on('close', (hadError) => hadError || report({ error: 'none' }));
}

const roles: Record<string, () => void> = { serve, client, many, greet, hold, doom };
roles[role]?.();
