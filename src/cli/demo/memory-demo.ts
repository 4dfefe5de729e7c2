// The demo without privileges: the same server on the stack, and a client on the stack too, on two NICs in memory joined by
// a wire with a delay and some loss. Time is virtual, so seconds on the wire pass in milliseconds here.

import { closeSync, openSync, statSync, writeSync } from 'node:fs';
import type { Mctx } from '../../api/index.js';
import {
  AF_INET,
  mtcp_close,
  mtcp_connect,
  mtcp_last_error,
  mtcp_read,
  mtcp_socket,
  mtcp_write,
  SOCK_STREAM,
  sockaddr_in,
} from '../../api/index.js';
import { PcapngWriter } from '../../nic/pcapng.js';
import type { Host } from '../../testing/index.js';
import { createHost, joinHosts } from '../../testing/index.js';
import { ResponseReader } from '../clients/http-response.js';
import { CliError } from '../failure.js';
import { formatBytes } from '../output.js';
import { HttpService } from '../servers/http.js';
import { BuiltInSite } from '../servers/http-content.js';
import { findDifference } from '../servers/pattern.js';
import { Server } from '../servers/server.js';
import type { DemoReport } from './report.js';

const SERVER = '10.77.0.10';
const CLIENT = '10.77.0.1';
const PORT = 80;
const SIZES = [0, 1, 1000, 1447, 1448, 1449, 65_535, 65_536, 1_000_000, 1_000_000];
const SEPARATE_CONNECTIONS = 200;
const RATE_REQUESTS = 5000;
const DELAY_US = 500;
const LOSS = 0.005;

/** What a memory demo is told. */
export interface MemoryDemoOptions {
  /** Why there is no lab. */
  readonly reason: string;
  /** File for the capture. */
  readonly pcap: string;
  /** Says what is going on. */
  readonly say: (label: string, text: string) => void;
}

/** Runs the demo. Throws when something is wrong with the answers. */
export function memoryDemo({ reason, pcap, say }: MemoryDemoOptions): DemoReport {
  const startMs = performance.now();
  const near = createHost({ addresses: [`${SERVER}/24`], seed: 1 });
  const far = createHost({ addresses: [`${CLIENT}/24`], seed: 2, world: near.world });
  const wire = joinHosts(near, far, { delayUs: DELAY_US, loss: LOSS, seed: 3 });
  const server = new Server(near.mctx, new HttpService(new BuiltInSite()), { port: PORT });
  near.onTurn = () => {
    while (server.poll(0) > 0);
  };
  say(
    'hosts',
    `two stacks on NICs in memory, ${DELAY_US / 1000} ms and ${LOSS * 100} % loss each way, virtual time`,
  );
  say('server', `HTTP on the stack at ${SERVER}:${PORT}, with a capture`);

  const fd = openSync(pcap, 'w');
  const originUs = Date.now() * 1000;
  const writer = new PcapngWriter((bytes, length) => void writeSync(fd, bytes, 0, length), {
    linkType: 'ethernet',
    name: 'memory',
    application: 'mtcp demo',
  });
  near.trace((direction, timeUs, bytes) => {
    const at = writer.reserve(bytes.length);
    writer.block.set(bytes, at);
    writer.writePacket(bytes.length, originUs + timeUs, direction === 'out');
  });
  try {
    const client = new MemoryClient(far.mctx);
    const verifiedBytes = client.checkBytes(SIZES);
    say(
      'kept',
      `${SIZES.length} requests on one connection, ${formatBytes(verifiedBytes)}, every byte right`,
    );
    client.openAndClose(SEPARATE_CONNECTIONS);
    say('separate', `${SEPARATE_CONNECTIONS} requests on as many connections`);
    near.trace(undefined);
    wire.aToB.configure({ loss: 0 });
    wire.bToA.configure({ loss: 0 });
    const rate = client.measureRate(RATE_REQUESTS);
    say('time', `${(near.now / 1e6).toFixed(1)} s of virtual time`);
    return {
      kind: 'memory',
      reason,
      mode: near.nic.capabilities.mode,
      requests: server.totals.requests,
      connections: server.totals.connections,
      verifiedBytes,
      rates: { 'two stacks in one thread': rate },
      counters: nonZero(near),
      capture: { file: pcap, bytes: statSync(pcap).size },
      seconds: (performance.now() - startMs) / 1000,
    };
  } finally {
    near.trace(undefined);
    closeSync(fd);
    server.close();
    near.close();
    far.close();
  }
}

function nonZero(host: Host): Record<string, number> {
  return Object.fromEntries(Object.entries({ ...host.stack.counters }).filter(([, value]) => value !== 0));
}

/** An HTTP client of blocking calls; each moves virtual time until it is done. */
class MemoryClient {
  private readonly mctx: Mctx;
  private readonly buffer: Buffer = Buffer.alloc(65_536);

  constructor(mctx: Mctx) {
    this.mctx = mctx;
  }

  checkBytes(sizes: readonly number[]): number {
    const sockid = this.connect();
    let bytes = 0;
    for (const size of sizes) {
      let position = 0;
      this.ask(sockid, `/bytes/${size}`, false, (part) => {
        const wrong = findDifference(part, 0, part.length, position);
        if (wrong >= 0) throw new CliError(`byte ${position + wrong} of /bytes/${size} is wrong`);
        position += part.length;
      });
      if (position !== size) throw new CliError(`/bytes/${size} gave ${position} bytes`);
      bytes += position;
    }
    mtcp_close(this.mctx, sockid);
    return bytes;
  }

  openAndClose(count: number): void {
    for (let i = 0; i < count; i++) {
      const sockid = this.connect();
      this.ask(sockid, '/', true, () => {});
      this.check(mtcp_read(this.mctx, sockid, this.buffer, this.buffer.length));
      mtcp_close(this.mctx, sockid);
    }
  }

  /** Requests per second of real time, one at a time. */
  measureRate(count: number): number {
    const sockid = this.connect();
    const startMs = performance.now();
    for (let i = 0; i < count; i++) this.ask(sockid, '/', false, () => {});
    const seconds = (performance.now() - startMs) / 1000;
    mtcp_close(this.mctx, sockid);
    return count / seconds;
  }

  private connect(): number {
    const sockid = this.check(mtcp_socket(this.mctx, AF_INET, SOCK_STREAM, 0));
    this.check(mtcp_connect(this.mctx, sockid, sockaddr_in(SERVER, PORT)));
    return sockid;
  }

  private ask(sockid: number, path: string, close: boolean, onBody: (part: Buffer) => void): void {
    const fields = close ? 'Connection: close\r\n' : '';
    const request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: ${SERVER}\r\n${fields}\r\n`);
    this.check(mtcp_write(this.mctx, sockid, request, request.length));
    const reader = new ResponseReader('GET', onBody);
    while (!reader.done) {
      const received = this.check(mtcp_read(this.mctx, sockid, this.buffer, this.buffer.length));
      if (received === 0) reader.finish();
      else reader.feed(this.buffer.subarray(0, received));
    }
    if (reader.head?.status !== 200) throw new CliError(`the server answered ${reader.head?.status}`);
  }

  private check(result: number): number {
    if (result < 0) throw new CliError(`the client on the stack failed (${mtcp_last_error()})`);
    return result;
  }
}
