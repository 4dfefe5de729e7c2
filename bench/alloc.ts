// Bytes allocated per packet in steady state on the echo path: a peer that allocates nothing sends data segments through a Nic in
// memory, an epoll echo server answers them, and the growth of the heap between two points without a garbage collection is
// divided by the packets. Run by `npm run bench:alloc`; needs `--expose-gc` and a young generation that holds the whole run.

import { writeSync } from 'node:fs';
import { PerformanceObserver } from 'node:perf_hooks';
import { widenInlining } from '../src/api/inlining.js';
import {
  AF_INET,
  type Context,
  MTCP_EPOLL_CTL_ADD,
  MTCP_EPOLLIN,
  makeContext,
  mtcp_accept,
  mtcp_bind,
  mtcp_epoll_create,
  mtcp_epoll_ctl,
  mtcp_epoll_events,
  mtcp_epoll_wait,
  mtcp_listen,
  mtcp_read,
  mtcp_setsock_nonblock,
  mtcp_socket,
  mtcp_write,
  SOCK_STREAM,
  sockaddr_in,
} from '../src/index.js';
import { MemoryNic } from '../src/nic/memory-nic.js';
import { RX_CHECKSUM_GOOD } from '../src/nic/nic.js';
import { createRandom } from '../src/stack/random.js';
import { parseV4 } from '../src/stack/wire/address.js';
import { IPV4_HEADER, PROTOCOL_TCP, writeIpv4 } from '../src/stack/wire/ipv4.js';
import { ACK, PSH, SYN, TCP_HEADER, writeTcpHeader } from '../src/stack/wire/tcp-header.js';
import { TIMESTAMPS_LENGTH, writeSynOptions, writeTimestamps } from '../src/stack/wire/tcp-options.js';

const SERVER = parseV4('10.0.0.1')!;
const CLIENT = parseV4('10.0.0.2')!;
const PORT = 7;
/** For socket buffers, as a Nic on a wire has it. */
const SPARE_BYTES = 1 << 20;

/** The other end of one connection: writes its segments into one buffer and reads what it must know from what is sent. */
class Peer {
  readonly #nic: MemoryNic;
  readonly #port: number;
  /** As long as the packets with data, so that the Nic copies it whole and makes no view of it. */
  readonly #packet: Uint8Array;
  readonly #view: DataView;
  #seq = 1000;
  #ack = 0;
  #time = 1;
  #tsEcr = 0;
  received = 0;

  constructor(nic: MemoryNic, port: number, payload: number) {
    this.#nic = nic;
    this.#port = port;
    this.#packet = new Uint8Array(IPV4_HEADER + TCP_HEADER + TIMESTAMPS_LENGTH + payload);
    this.#view = new DataView(this.#packet.buffer);
  }

  get port(): number {
    return this.#port;
  }

  send(flags: number, length: number): void {
    const view = this.#view;
    let end = IPV4_HEADER + TCP_HEADER;
    const isSyn = (flags & SYN) !== 0;
    if (isSyn) end += writeSynOptions(view, end, 1460, 7, true, true, this.#time, 0);
    else end += writeTimestamps(view, end, this.#time, this.#tsEcr);
    const header = end - IPV4_HEADER;
    writeTcpHeader(view, IPV4_HEADER, this.#port, PORT, this.#seq, this.#ack, header, flags, 0xffff, 0);
    writeIpv4(view, 0, end + length, PROTOCOL_TCP, CLIENT, SERVER, 64, 0, 0, true);
    this.#seq = (this.#seq + length + (isSyn ? 1 : 0)) | 0;
    this.#time++;
    this.#nic.injectFrom(this.#packet, 0, end + length, RX_CHECKSUM_GOOD);
  }

  /** Takes a packet of the server. */
  take(offset: number, length: number): void {
    const { view } = this.#nic;
    const header = (view.getUint16(offset + IPV4_HEADER + 12) >>> 12) << 2;
    const isSyn = (view.getUint8(offset + IPV4_HEADER + 13) & SYN) !== 0;
    const data = length - IPV4_HEADER - header;
    this.#ack = (view.getInt32(offset + IPV4_HEADER + 4) + data + (isSyn ? 1 : 0)) | 0;
    if (header >= TCP_HEADER + TIMESTAMPS_LENGTH && !isSyn) {
      this.#tsEcr = view.getInt32(offset + IPV4_HEADER + TCP_HEADER + 4);
    }
    this.received += data;
  }
}

interface Result {
  connections: number;
  payload: number;
  packets: number;
  bytesPerPacket: number;
  nsPerMessage: number;
}

/** Runs `messages` echoes of `payload` bytes over `connections` connections and measures the second half. */
function measure(connections: number, payload: number, messages: number): Result {
  let now = 0;
  const nic = new MemoryNic({ linkType: 'ip', mtu: 1500, spareBytes: SPARE_BYTES });
  const addresses = [{ address: '10.0.0.1', prefix: 24 }];
  const mctx: Context = makeContext(nic, { addresses }, () => now, createRandom(1), 0);
  const peers = Array.from({ length: connections }, (_, i) => new Peer(nic, 10_000 + i, payload));
  nic.onTransmit = (_memory, offset, length) => {
    peers[nic.view.getUint16(offset + IPV4_HEADER + 2) - 10_000]?.take(offset, length);
  };
  const listener = mtcp_socket(mctx, AF_INET, SOCK_STREAM, 0);
  mtcp_bind(mctx, listener, sockaddr_in('0.0.0.0', PORT));
  mtcp_listen(mctx, listener, connections);
  mtcp_setsock_nonblock(mctx, listener);
  const epoll = mtcp_epoll_create(mctx, 1024);
  const events = mtcp_epoll_events(1024);
  for (const peer of peers) {
    peer.send(SYN, 0);
    mctx.turn();
    mctx.turn();
    peer.send(ACK, 0);
    mctx.turn();
    const socket = mtcp_accept(mctx, listener, null);
    mtcp_setsock_nonblock(mctx, socket);
    mtcp_epoll_ctl(mctx, epoll, MTCP_EPOLL_CTL_ADD, socket, {
      events: MTCP_EPOLLIN,
      data: { sockid: socket },
    });
  }
  const buffer = new Uint8Array(16_384);
  const round = (): void => {
    now += 50;
    for (let i = 0; i < peers.length; i++) peers[i]!.send(ACK | PSH, payload);
    let answered = 0;
    while (answered < peers.length) {
      const ready = mtcp_epoll_wait(mctx, epoll, events, 1024, 0);
      if (ready <= 0) break;
      for (let i = 0; i < ready; i++) {
        const socket = events[i]!.data.sockid!;
        const got = mtcp_read(mctx, socket, buffer);
        mtcp_write(mctx, socket, buffer, got);
        answered++;
      }
    }
    mctx.turn();
  };
  const rounds = Math.ceil(messages / connections);
  for (let i = 0; i < rounds; i++) round();
  globalThis.gc?.();
  let collections = 0;
  const observer = new PerformanceObserver((list) => {
    collections += list.getEntries().length;
  });
  observer.observe({ entryTypes: ['gc'] });
  const before = process.memoryUsage().heapUsed;
  const start = performance.now();
  mark('steady');
  for (let i = 0; i < rounds; i++) round();
  mark('over');
  const elapsed = performance.now() - start;
  const grown = process.memoryUsage().heapUsed - before;
  observer.disconnect();
  if (collections > 0) throw new Error('a garbage collection ran: give --max-semi-space-size=256');
  const expected = 2 * rounds * payload;
  for (const peer of peers) {
    if (peer.received !== expected)
      throw new Error(`port ${peer.port}: ${peer.received} bytes, not ${expected}`);
  }
  const packets = 2 * rounds * connections;
  mctx.destroy();
  return {
    connections,
    payload,
    packets,
    bytesPerPacket: grown / packets,
    nsPerMessage: (elapsed * 1e6) / (rounds * connections),
  };
}

/** With --marks, says where the measured part begins and ends, among what V8 tells of itself (--trace-deopt). */
function mark(word: string): void {
  if (process.argv.includes('--marks')) writeSync(1, `\n[mark ${word}]\n`);
}

// As mtcp_init does.
widenInlining();
const results: Result[] = [];
for (const [connections, payload] of [
  [1, 64],
  [64, 64],
  [64, 1448],
] as const) {
  // The first run of a shape warms the code up.
  measure(connections, payload, 50_000);
  results.push(measure(connections, payload, 200_000));
}
if (process.argv.includes('--json')) console.log(JSON.stringify(results));
else console.table(results);
