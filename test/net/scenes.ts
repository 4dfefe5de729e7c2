// Small programs on `node:net`, to be run on the kernel's loopback and on the stack: each logs, per party, what it is told.

import type * as NodeNet from 'node:net';

/** Where a scene plays. */
export interface Stage {
  readonly net: typeof NodeNet;
  /** Address on which a server can listen. */
  readonly host: string;
  /** Notes that `party` has been told something. The order counts per party only. */
  log(party: string, ...what: unknown[]): void;
}

export type Scene = (stage: Stage) => Promise<void>;

let patience = 1;

/** Makes all times so many times as long: those of the scenes are short, and a machine may be busy. */
export function setPatience(factor: number): void {
  patience = factor;
}

export const ms = (time: number): number => time * patience;
export const sleep = (time: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms(time)));

const EVENTS = ['connect', 'ready', 'end', 'finish', 'drain', 'timeout'];

/** Logs the events of a socket, and those of its data that matter. */
export function watch<T extends NodeNet.Socket>(stage: Stage, party: string, socket: T): T {
  for (const name of EVENTS) socket.on(name, () => stage.log(party, name));
  socket.on('error', (error: NodeJS.ErrnoException) => stage.log(party, 'error', error.code, error.syscall));
  socket.on('close', (hadError) => stage.log(party, 'close', hadError));
  return socket;
}

/** Logs the outcome of a callback. */
export function outcome(stage: Stage, party: string, name: string): (error?: unknown) => void {
  return (error) =>
    stage.log(party, name, (error as NodeJS.ErrnoException | null | undefined)?.code ?? 'done');
}

/** Starts a server; its port. */
export async function serve(
  stage: Stage,
  onSocket: (socket: NodeNet.Socket) => void,
  options: NodeNet.ServerOpts = {},
): Promise<{ server: NodeNet.Server; port: number }> {
  const server = stage.net.createServer(options, onSocket);
  await new Promise<void>((resolve) => server.listen(0, stage.host, resolve));
  return { server, port: (server.address() as NodeNet.AddressInfo).port };
}

/** Waits for an event of a party, and for what comes right after it. */
export async function told(
  emitter: { once(name: string, listener: () => void): unknown },
  name: string,
): Promise<void> {
  await new Promise<void>((resolve) => emitter.once(name, resolve));
  await sleep(5);
}

/** Waits until both sides are closed. */
export const both = (a: NodeNet.Socket, b: NodeNet.Socket): Promise<unknown> =>
  Promise.all([told(a, 'close'), told(b, 'close')]);

/** Plays with one client and one accepted socket. */
export function withPair(
  play: (stage: Stage, client: NodeNet.Socket, accepted: NodeNet.Socket) => Promise<void>,
  serverOptions: NodeNet.ServerOpts = {},
  clientOptions: Partial<NodeNet.TcpSocketConnectOpts> = {},
): Scene {
  return async (stage) => {
    let accepted: NodeNet.Socket | undefined;
    let tell = (): void => {};
    const come = new Promise<void>((resolve) => {
      tell = resolve;
    });
    const { server, port } = await serve(
      stage,
      (socket) => {
        accepted = watch(stage, 'server', socket);
        tell();
      },
      serverOptions,
    );
    const client = watch(stage, 'client', stage.net.connect({ port, host: stage.host, ...clientOptions }));
    await Promise.all([told(client, 'connect'), come]);
    await play(stage, client, accepted!);
    client.destroy();
    accepted!.destroy();
    server.close();
    await sleep(5);
  };
}
