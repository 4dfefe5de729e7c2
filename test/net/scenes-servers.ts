// Scenes of servers: what they are told, whom they count and drop, when they close.

import type { Socket } from 'node:net';
import { outcome, type Scene, serve, sleep, told, watch } from './scenes.js';

const codeOf = (call: () => unknown): unknown => {
  try {
    call();
    return 'taken';
  } catch (error) {
    return [(error as NodeJS.ErrnoException).code, (error as Error).name];
  }
};

export const SERVER_SCENES: Record<string, Scene> = {
  'listen and close': async (stage) => {
    const server = stage.net.createServer();
    for (const name of ['listening', 'close', 'error']) server.on(name, () => stage.log('server', name));
    stage.log('server', server.listening, server.address());
    server.listen(0, stage.host, () => stage.log('server', 'called'));
    stage.log('server', server.listening, server.address());
    await told(server, 'listening');
    stage.log('server', server.listening, Object.keys(server.address() ?? {}));
    stage.log(
      'server',
      codeOf(() => server.listen(0)),
    );
    server.close(outcome(stage, 'server', 'first'));
    stage.log('server', server.listening, server.address());
    server.close(outcome(stage, 'server', 'second'));
    await sleep(10);
    server.close(outcome(stage, 'server', 'third'));
    await sleep(10);
    server.listen(0, stage.host);
    await told(server, 'listening');
    server.close();
    await sleep(10);
  },

  'listen without a host is told later too': async (stage) => {
    const server = stage.net.createServer().on('listening', () => stage.log('server', 'listening'));
    server.listen(0);
    stage.log('server', server.listening);
    await told(server, 'listening');
    server.close();
  },

  'close right after listen': async (stage) => {
    for (const args of [[0], [0, stage.host]] as [number, string?][]) {
      const server = stage.net.createServer();
      for (const name of ['listening', 'close', 'error']) server.on(name, () => stage.log('server', name));
      server.listen(...args);
      server.close(outcome(stage, 'server', 'closed'));
      await sleep(20);
    }
  },

  asyncDispose: async (stage) => {
    const { server } = await serve(stage, () => {});
    server.on('close', () => stage.log('server', 'close'));
    await server[Symbol.asyncDispose]();
    stage.log('server', server.listening);
    await server[Symbol.asyncDispose]();
    stage.log('server', 'twice');
  },

  'connections hold the close back, and are counted': async (stage) => {
    const sockets: Socket[] = [];
    const { server, port } = await serve(stage, (socket) => sockets.push(socket.resume()));
    server.on('close', () => stage.log('server', 'close'));
    const count = (): Promise<unknown> =>
      new Promise((resolve) => server.getConnections((error, n) => resolve([error, n])));
    const clients = [stage.net.connect(port, stage.host), stage.net.connect(port, stage.host)];
    await Promise.all(clients.map((client) => told(client, 'connect')));
    await sleep(10);
    stage.log('server', await count());
    server.close(outcome(stage, 'server', 'closed'));
    await sleep(10);
    sockets[0].removeAllListeners();
    sockets[0].destroy();
    await sleep(10);
    stage.log('server', await count());
    sockets[1].destroy();
    await sleep(10);
    stage.log('server', await count());
    for (const client of clients) client.destroy();
  },

  'maxConnections and drop': async (stage) => {
    const { server, port } = await serve(stage, () => stage.log('server', 'connection'));
    server.maxConnections = 1;
    server.on('drop', (data) => stage.log('server', 'drop', Object.keys(data ?? {}).sort()));
    const first = stage.net.connect(port, stage.host);
    await told(first, 'connect');
    const second = watch(stage, 'second', stage.net.connect(port, stage.host)).resume();
    await told(second, 'close');
    first.destroy();
    await sleep(10);
    const third = watch(stage, 'third', stage.net.connect(port, stage.host)).resume();
    await told(third, 'connect');
    await sleep(10);
    third.destroy();
    server.close();
    await sleep(10);
  },

  'a backlog of any size': async (stage) => {
    for (const backlog of [0, -1, 1.5, 100, 1e9]) {
      const server = stage.net.createServer();
      server.on('error', (error: NodeJS.ErrnoException) => stage.log('server', backlog, error.code));
      server.listen(0, stage.host, backlog, () => stage.log('server', backlog, 'listening'));
      await sleep(10);
      server.close();
    }
    await sleep(10);
  },

  'maxConnections of null is none': async (stage) => {
    const { server, port } = await serve(stage, (socket) => {
      stage.log('server', 'connection');
      socket.resume();
    });
    (server as { maxConnections: number | null }).maxConnections = null;
    const client = watch(stage, 'client', stage.net.connect(port, stage.host)).resume();
    await told(client, 'connect');
    await sleep(10);
    client.destroy();
    server.close();
    await sleep(10);
  },

  "a listener of 'connection' that throws": async (stage) => {
    const caught: string[] = [];
    process.setUncaughtExceptionCaptureCallback((error) => caught.push(error.message));
    const { server, port } = await serve(stage, (socket) => {
      socket.resume().end('x');
      throw new Error('connection');
    });
    const client = watch(stage, 'client', stage.net.connect(port, stage.host)).resume();
    await told(client, 'close');
    process.setUncaughtExceptionCaptureCallback(null);
    stage.log('server', caught);
    const count = await new Promise((resolve) => server.getConnections((_error, n) => resolve(n)));
    stage.log('server', count);
    server.close();
    await sleep(10);
  },

  'signals that close it': async (stage) => {
    for (const when of ['later', 'early', 'before']) {
      const controller = new AbortController();
      if (when === 'before') controller.abort();
      const server = stage.net.createServer();
      for (const name of ['listening', 'close', 'error'])
        server.on(name, () => stage.log('server', when, name));
      server.listen({ port: 0, host: stage.host, signal: controller.signal });
      if (when === 'later') await told(server, 'listening');
      controller.abort();
      await sleep(20);
    }
  },

  'an address of somebody else, and a port in use': async (stage) => {
    const server = stage.net.createServer();
    const log = (error: NodeJS.ErrnoException & { address?: string; port?: number }): void =>
      stage.log(
        'server',
        error.code,
        error.errno,
        error.syscall,
        error.address === stage.host ? 'ours' : error.address,
        error.port === undefined,
        error.message.replaceAll(stage.host, 'HOST').replace(/:\d+$/, ':PORT'),
        Object.keys(error).sort(),
      );
    server.on('error', log);
    server.listen(7777, '192.0.2.1');
    await told(server, 'error');
    const { server: other, port } = await serve(stage, () => {});
    server.listen(port, stage.host);
    await told(server, 'error');
    other.close();
    await sleep(5);
  },

  'a connection that is refused': async (stage) => {
    const { server, port } = await serve(stage, () => {});
    await new Promise((resolve) => server.close(resolve));
    const client = watch(stage, 'client', stage.net.connect(port, stage.host));
    client.on('error', (error: NodeJS.ErrnoException) => {
      stage.log(
        'client',
        error.errno,
        error.message.replace(`${stage.host}:${port}`, 'HOST:PORT'),
        Object.keys(error).sort(),
      );
      stage.log('client', client.destroyed, client.connecting, client.readyState);
    });
    await told(client, 'close');
  },

  'arguments of listen': async (stage) => {
    for (const args of [
      [{}],
      [{ port: 'x' }],
      [-1],
      [65_536],
      [{ port: 1.5 }],
      [true],
      [{ port: Number.NaN }],
    ]) {
      const server = stage.net.createServer().on('error', () => {});
      stage.log(
        'server',
        args,
        codeOf(() => (server.listen as (...args: unknown[]) => void)(...args)),
      );
      server.close();
    }
    for (const args of [
      [null],
      [undefined],
      ['0'],
      [{ port: null }],
      [{ port: undefined }],
      [],
      [{ port: '0' }],
    ]) {
      const server = stage.net.createServer();
      (server.listen as (...args: unknown[]) => void)(...args);
      await told(server, 'listening');
      stage.log('server', args.length, server.listening);
      server.close();
    }
  },

  'arguments of connect': async (stage) => {
    const connect = stage.net.connect as (...args: unknown[]) => unknown;
    for (const args of [
      [{}],
      [],
      [{ port: 'x' }],
      [null],
      [-1],
      [70_000],
      [undefined],
      [true],
      [{ port: 1, localAddress: 'x' }],
      [{ port: 1, localPort: 'x' }],
      [{ port: 1, lookup: 3 }],
      [{ port: 1, objectMode: true }],
    ]) {
      stage.log(
        'client',
        args,
        codeOf(() => connect(...args)),
      );
    }
    stage.log(
      'server',
      codeOf(() => new stage.net.Server('x' as never)),
    );
  },

  lookups: async (stage) => {
    const { server, port } = await serve(stage, (socket) => socket.end().resume());
    const ways: Record<string, (callback: (...args: unknown[]) => void) => void> = {
      found: (callback) => setImmediate(callback, null, stage.host, 4),
      'at once': (callback) => callback(null, stage.host, 4),
      failed: (callback) => setImmediate(callback, Object.assign(new Error('no'), { code: 'ENOTFOUND' })),
      nonsense: (callback) => setImmediate(callback, null, 'nonsense', 4),
    };
    for (const [name, way] of Object.entries(ways)) {
      const client = watch(
        stage,
        name,
        stage.net.connect({
          port,
          host: 'name',
          family: 4,
          lookup: (host, options, callback) => {
            stage.log(name, host, options.family, options.all);
            way(callback as never);
          },
        }),
      ).resume();
      client.on('lookup', (error, address, family, host) =>
        stage.log(name, 'lookup', error?.message, address === stage.host ? 'ours' : address, family, host),
      );
      await told(client, 'close');
    }
    server.close();
  },
};
