// A server of the stack and a load generator with a wire between them, in memory and virtual time.

import type { Endpoints } from '../../bench/generator/wire.js';
import { Server } from '../../src/cli/servers/server.js';
import type { Service } from '../../src/cli/servers/session.js';
import { makeContext } from '../../src/index.js';
import { MemoryNic } from '../../src/nic/memory-nic.js';
import type { Nic } from '../../src/nic/nic.js';
import { createRandom } from '../../src/stack/random.js';

export const PORT = 7000;
export const CLIENT = 0x0a00_0002;
export const SERVER = 0x0a00_0001;
export const SERVER_MAC: Uint8Array = Uint8Array.of(2, 0, 0, 0, 0, 1);
export const CLIENT_MAC: Uint8Array = Uint8Array.of(2, 0, 0, 0, 0, 2);
export const ENDS: Endpoints = {
  ownMac: CLIENT_MAC,
  peerMac: SERVER_MAC,
  own: CLIENT,
  peer: SERVER,
  mss: 1460,
};

/** What loads: a Client or a Sender. */
interface Load {
  turn(nowMs: number): number;
  abort(): void;
}

/** What the wire does. */
export interface Wire {
  /** Loses every n-th frame; none when left out. */
  readonly loseEvery?: number;
  /** Connections that the server may have. */
  readonly connections?: number;
}

/** A server and a generator with a wire between them. */
export class Bench<T extends Load> {
  readonly client: T;
  readonly server: Server;
  private readonly mctx;
  private nowUs = 0;
  private passed = 0;

  constructor(service: Service, load: (nic: Nic) => T, { loseEvery = 0, connections = 1000 }: Wire = {}) {
    const near = new MemoryNic({ mac: SERVER_MAC, strict: true });
    const far = new MemoryNic({ mac: CLIENT_MAC, strict: true });
    const join = (from: MemoryNic, to: MemoryNic): void => {
      from.onTransmit = (memory, offset, length) => {
        this.passed++;
        if (loseEvery > 0 && this.passed % loseEvery === 0) return;
        to.inject(memory.slice(offset, offset + length));
      };
    };
    join(near, far);
    join(far, near);
    const addresses = [{ address: '10.0.0.1', prefix: 24 }];
    // Every checksum of the generator is looked at.
    const options = { addresses, peerChecksum: 'verify' as const, maxConcurrency: connections };
    this.mctx = makeContext(near, options, () => this.nowUs, createRandom(1), 0);
    this.server = new Server(this.mctx, service, { port: PORT });
    this.client = load(far);
  }

  run(ms: number): void {
    for (const end = this.nowUs + ms * 1000; this.nowUs < end; this.nowUs += 100) {
      this.client.turn(this.nowUs / 1000);
      this.server.poll(0);
    }
  }

  /** Resets what is open; how many connections the stack has then. */
  end(): number {
    this.client.abort();
    this.run(5);
    return this.stop();
  }

  /** Ends the server; how many connections the stack has then. */
  stop(): number {
    this.server.poll(0);
    this.server.close();
    for (let turn = 0; turn < 10; turn++) {
      this.mctx.turn();
      this.client.turn(this.nowUs / 1000);
    }
    const { size } = this.mctx.stack.tcp.core.demux;
    this.mctx.destroy();
    return size;
  }
}
