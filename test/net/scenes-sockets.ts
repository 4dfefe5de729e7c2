// Scenes of sockets: ends, destruction, time, writes.

import type * as NodeNet from 'node:net';
import { both, ms, outcome, type Scene, serve, sleep, told, watch, withPair } from './scenes.js';

export const SOCKET_SCENES: Record<string, Scene> = {
  'an end of the client, read by the server': withPair(async (_stage, client, accepted) => {
    accepted.resume();
    client.resume();
    client.end('x');
    await both(client, accepted);
  }),

  'an end of the client that nobody reads': withPair(async (_stage, client) => {
    client.end();
    await sleep(30);
  }),

  'allowHalfOpen on both sides': withPair(
    async (stage, client, accepted) => {
      accepted.resume();
      client.resume();
      client.end('x');
      await told(accepted, 'end');
      stage.log('server', accepted.readyState, accepted.writable, accepted.readable);
      stage.log('client', client.readyState, client.writable, client.readable);
      accepted.end('y');
      await both(client, accepted);
    },
    { allowHalfOpen: true },
    { allowHalfOpen: true } as never,
  ),

  'destroy with an error': withPair(async (stage, client, accepted) => {
    accepted.resume();
    client.destroy(Object.assign(new Error('mine'), { code: 'MINE' }));
    stage.log('client', client.destroyed, client.readyState, client.pending, client.connecting);
    client.destroy(new Error('again'));
    await both(client, accepted);
  }),

  'destroy without': withPair(async (_stage, client, accepted) => {
    accepted.resume();
    client.destroy();
    await both(client, accepted);
  }),

  'destroySoon with data': withPair(async (stage, client, accepted) => {
    accepted.resume();
    client.write('x'.repeat(10_000), outcome(stage, 'client', 'write'));
    client.destroySoon();
    await both(client, accepted);
    stage.log('server', accepted.bytesRead);
  }),

  resetAndDestroy: withPair(async (stage, client, accepted) => {
    accepted.resume();
    stage.log('client', client.resetAndDestroy() === client);
    await both(client, accepted);
  }),

  'resetAndDestroy of a socket that is no more': withPair(async (_stage, client, accepted) => {
    accepted.resume();
    client.destroy();
    await both(client, accepted);
    client.resetAndDestroy();
    await sleep(5);
  }),

  'resetAndDestroy while it connects': async (stage) => {
    const { server, port } = await serve(stage, (socket) => watch(stage, 'server', socket).resume());
    const client = watch(stage, 'client', stage.net.connect(port, stage.host));
    client.resetAndDestroy();
    await told(client, 'close');
    await sleep(20);
    server.close();
  },

  'resetAndDestroy of one that never connected': async (stage) => {
    watch(stage, 'client', new stage.net.Socket()).resetAndDestroy();
    await sleep(5);
  },

  'write after end': withPair(async (stage, client, accepted) => {
    accepted.resume();
    client.end();
    client.write('x', outcome(stage, 'client', 'write'));
    await both(client, accepted);
  }),

  'end after end': withPair(async (stage, client, accepted) => {
    accepted.resume();
    client.end('x', outcome(stage, 'client', 'first'));
    client.end(outcome(stage, 'client', 'second'));
    await both(client, accepted);
    client.end(outcome(stage, 'client', 'third'));
    await sleep(5);
  }),

  'write after the peer has ended': withPair(async (stage, client, accepted) => {
    accepted.resume();
    accepted.end();
    client.resume();
    await new Promise((resolve) => client.once('end', resolve));
    setImmediate(() => client.write('x', outcome(stage, 'client', 'write')));
    await told(client, 'close');
  }),

  'write after the peer has ended, in its listener': withPair(async (stage, client, accepted) => {
    accepted.resume();
    client.resume();
    client.on('end', () => client.write('x', outcome(stage, 'client', 'write')));
    accepted.end();
    await both(client, accepted);
  }),

  'write after destroy': withPair(async (stage, client, accepted) => {
    accepted.resume();
    client.destroy();
    client.write('x', outcome(stage, 'client', 'write'));
    await both(client, accepted);
  }),

  'write without a connection': async (stage) => {
    const client = watch(stage, 'client', new stage.net.Socket());
    client.write('x', outcome(stage, 'client', 'write'));
    await sleep(10);
  },

  'no connection': async (stage) => {
    const client = watch(stage, 'client', new stage.net.Socket());
    stage.log(
      'client',
      client.readyState,
      client.pending,
      client.connecting,
      client.timeout,
      client.bytesWritten,
    );
    stage.log('client', client.address(), client.remoteAddress, client.localPort, client.bufferSize);
    client.destroy();
    await sleep(5);
  },

  'writes before the connection, and destroy': async (stage) => {
    const { server, port } = await serve(stage, (socket) => watch(stage, 'server', socket).resume());
    const client = watch(stage, 'client', stage.net.connect(port, stage.host));
    client.write('abc', outcome(stage, 'client', 'first'));
    client.write('def', outcome(stage, 'client', 'second'));
    stage.log('client', client.bytesWritten, client.writableLength, client.readyState, client.pending);
    client.destroy();
    await told(client, 'close');
    stage.log('client', client.bytesWritten);
    await sleep(20);
    server.close();
  },

  'writes before a connection that is refused': async (stage) => {
    const { server, port } = await serve(stage, () => {});
    await new Promise((resolve) => server.close(resolve));
    const client = watch(stage, 'client', stage.net.connect(port, stage.host));
    client.write('abc', outcome(stage, 'client', 'first'));
    client.end('def', outcome(stage, 'client', 'second'));
    await told(client, 'close');
  },

  'the order of write callbacks and finish': withPair(async (stage, client, accepted) => {
    accepted.resume();
    for (const name of ['a', 'b', 'c']) client.write(name, outcome(stage, 'client', name));
    stage.log('client', client.bytesWritten);
    client.cork();
    client.write('d', outcome(stage, 'client', 'd'));
    client.write('ü', 'latin1', outcome(stage, 'client', 'e'));
    client.uncork();
    client.end('f', outcome(stage, 'client', 'f'));
    stage.log('client', client.bytesWritten);
    await both(client, accepted);
    stage.log('server', accepted.bytesRead, accepted.bytesWritten);
    stage.log('client', client.bytesWritten, client.bytesRead);
  }),

  'a write that does not fit, and destroy': withPair(
    async (stage, client) => {
      // With what they are told, the versions of Node differ.
      client.write(Buffer.alloc(30_000_000), () => stage.log('client', 'large'));
      client.write('x', (error) => stage.log('client', 'small', error instanceof Error));
      await sleep(20);
      stage.log('client', client.bytesWritten, client.writableLength > 0, client.writableNeedDrain);
      client.destroy();
      await told(client, 'close');
      stage.log('client', client.bytesWritten);
    },
    { pauseOnConnect: true },
  ),

  'pause before data': withPair(
    async (stage, client, accepted) => {
      accepted.on('data', (chunk) => stage.log('server', 'data', String(chunk)));
      client.write('x');
      await sleep(20);
      stage.log('server', accepted.isPaused(), accepted.readableFlowing);
      accepted.resume();
      await told(accepted, 'data');
    },
    { pauseOnConnect: true },
  ),

  'pause in the middle': withPair(async (stage, client, accepted) => {
    accepted.on('data', (chunk) => {
      stage.log('server', 'data', String(chunk));
      accepted.pause();
    });
    client.write('one');
    await sleep(10);
    client.write('two');
    await sleep(10);
    client.end('three');
    await sleep(10);
    accepted.resume();
    await sleep(10);
    accepted.resume();
    await sleep(10);
  }),

  'setTimeout, activity and its end': withPair(async (stage, client, accepted) => {
    accepted.resume();
    stage.log('client', client.timeout);
    client.setTimeout(ms(60), () => stage.log('client', 'called'));
    stage.log('client', client.timeout === ms(60));
    await sleep(30);
    client.write('x');
    await sleep(40);
    stage.log('client', 'not yet');
    await told(client, 'timeout');
    await sleep(80);
    client.setTimeout(ms(20)).setTimeout(0);
    stage.log('client', client.timeout);
    await sleep(40);
  }),

  'a time that no timer has': withPair(async (stage, client) => {
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
    client.setTimeout(2 ** 31, () => stage.log('client', 'called'));
    stage.log('client', client.timeout, String(await warned));
    await sleep(30);
  }),

  'times that are none': withPair(async (stage, client) => {
    for (const time of [-1, Number.NaN, Number.POSITIVE_INFINITY, '5', undefined]) {
      try {
        client.setTimeout(time as number);
        stage.log('client', 'taken', client.timeout);
      } catch (error) {
        stage.log('client', (error as NodeJS.ErrnoException).code, (error as Error).name);
      }
    }
    client.destroy();
    client.setTimeout(5);
    stage.log('client', client.timeout);
  }),

  'names after the end': withPair(async (stage, client, accepted) => {
    stage.log(
      'client',
      client.remoteAddress === stage.host,
      client.remoteFamily,
      client.remotePort !== undefined,
    );
    stage.log('client', Object.keys(client.address()).sort(), client.localFamily);
    stage.log(
      'server',
      accepted.remotePort === client.localPort,
      (accepted as { server?: unknown }).server !== null,
    );
    client.resume();
    accepted.resume();
    client.end();
    await both(client, accepted);
    stage.log('client', client.remoteAddress === stage.host, client.remoteFamily);
  }),

  'a signal of a socket': async (stage) => {
    const { server, port } = await serve(stage, (socket) => watch(stage, 'server', socket).resume());
    const controller = new AbortController();
    const options = { port, host: stage.host, signal: controller.signal };
    const client = watch(stage, 'client', stage.net.connect(options as never));
    await told(client, 'connect');
    controller.abort();
    await told(client, 'close');
    await sleep(10);
    server.close();
  },

  'one iterates over a socket': withPair(async (stage, client, accepted) => {
    accepted.end('hello');
    for await (const chunk of client) stage.log('client', 'chunk', String(chunk));
    stage.log('client', client.destroyed);
    accepted.resume();
    await sleep(10);
  }),

  'setNoDelay, setKeepAlive, ref and unref return the socket': withPair(async (stage, client) => {
    stage.log('client', client.setNoDelay() === client, client.setKeepAlive(true, 1000) === client);
    stage.log('client', client.ref() === client, client.unref() === client, client.setTimeout(0) === client);
    stage.log('client', client.pause() === client, client.resume() === client, client.end() === client);
  }),

  "listeners of 'end' that throw leave the socket as Node does": withPair(async (stage, client, accepted) => {
    const caught: string[] = [];
    process.setUncaughtExceptionCaptureCallback((error) => caught.push(error.message));
    accepted.resume();
    client.resume();
    client.on('end', () => {
      throw new Error('end');
    });
    accepted.end();
    await sleep(20);
    process.setUncaughtExceptionCaptureCallback(null);
    stage.log('client', caught, client.destroyed, client.readyState);
  }),

  "listeners of 'data' that throw": withPair(async (stage, client, accepted) => {
    const caught: string[] = [];
    process.setUncaughtExceptionCaptureCallback((error) => caught.push(error.message));
    accepted.on('data', (chunk) => {
      throw new Error(String(chunk));
    });
    client.write('a');
    await sleep(10);
    client.end('b');
    await sleep(20);
    process.setUncaughtExceptionCaptureCallback(null);
    stage.log('server', caught, accepted.destroyed, accepted.readyState);
  }),

  'a look-up that comes to two ends': async (stage) => {
    const { server, port } = await serve(stage, (socket) => socket.resume());
    const lookup: NodeNet.LookupFunction = (_host, _options, callback) => {
      callback(null, stage.host, 4);
      callback(null, stage.host, 4);
    };
    const options = { port, host: 'twice', lookup, autoSelectFamily: false };
    const client = watch(stage, 'client', stage.net.connect(options));
    await told(client, 'close');
    server.close();
    await sleep(5);
  },

  'connect once more after the end': async (stage) => {
    const { server, port } = await serve(stage, (socket) => socket.end('x').resume());
    const client = watch(stage, 'client', stage.net.connect(port, stage.host)).resume();
    await told(client, 'close');
    client.connect(port, stage.host, () => stage.log('client', 'called'));
    stage.log('client', client.connecting, client.destroyed, client.bytesRead);
    await told(client, 'close');
    stage.log('client', client.bytesRead);
    server.close();
  },

  'from an address of somebody else': async (stage) => {
    const { server, port } = await serve(stage, () => {});
    for (const more of [{}, { localPort: 7778 }]) {
      const client = stage.net.connect({ port, host: stage.host, localAddress: '192.0.2.1', ...more });
      client.on('error', (error: NodeJS.ErrnoException) =>
        stage.log('client', error.message, error.code, error.errno, error.syscall, Object.keys(error).sort()),
      );
      await told(client, 'close');
    }
    server.close();
  },

  'drain, and what is read': withPair(async (stage, client, accepted) => {
    accepted.setEncoding('utf8');
    let letters = 0;
    accepted.on('data', (chunk) => {
      letters += chunk.length;
    });
    stage.log('client', client.write('ü'.repeat(10_000_000)), client.writableNeedDrain);
    await told(client, 'drain');
    client.end();
    await told(accepted, 'close');
    stage.log('server', letters, accepted.bytesRead, client.bytesWritten);
  }),

  'the option timeout': async (stage) => {
    const { server, port } = await serve(stage, (socket) => watch(stage, 'server', socket).resume());
    const client = watch(stage, 'client', stage.net.connect({ port, host: stage.host, timeout: ms(30) }));
    stage.log('client', client.timeout === ms(30));
    await told(client, 'timeout');
    client.end();
    client.resume();
    await told(client, 'close');
    server.close();
    await sleep(10);
  },

  'the peer resets while much is to be written': withPair(
    async (stage, client, accepted) => {
      client.write(Buffer.alloc(30_000_000), () => stage.log('client', 'write'));
      await sleep(20);
      accepted.resetAndDestroy();
      await told(client, 'close');
      stage.log('client', client.writable, client.readable, client.readyState, client.errored !== null);
    },
    { pauseOnConnect: true },
  ),

  'the peer resets one that is paused': withPair(
    async (_stage, client, accepted) => {
      client.resetAndDestroy();
      await sleep(30);
      accepted.resume();
      await sleep(30);
    },
    { pauseOnConnect: true },
  ),

  'callbacks of end and finish': withPair(async (stage, client, accepted) => {
    accepted.resume();
    client.resume();
    client.write('a', outcome(stage, 'client', 'write'));
    client.end('b', 'utf8', outcome(stage, 'client', 'end'));
    stage.log('client', client.writableEnded, client.writableFinished, client.readyState, client.destroyed);
    await both(client, accepted);
    stage.log('client', client.writableFinished, client.readableEnded, client.closed);
  }),

  'a server closes while one connects': async (stage) => {
    const { server, port } = await serve(stage, (socket) => watch(stage, 'server', socket).resume().end());
    server.on('close', () => stage.log('listener', 'close'));
    const client = watch(stage, 'client', stage.net.connect(port, stage.host)).resume();
    await told(client, 'close');
    server.close(() => stage.log('listener', 'called'));
    await sleep(20);
  },
};
