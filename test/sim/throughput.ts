// How fast one connection carries a megabyte, for every combination of buffer, loss and round trip, and how fast each congestion
// control carries eight: measured in virtual time, hence the same on every machine to the last byte. `throughput.test.ts` compares
// the tables with the committed ones.

import {
  AF_INET,
  mtcp_accept,
  mtcp_bind,
  mtcp_close,
  mtcp_connect,
  mtcp_listen,
  mtcp_read,
  mtcp_setsock_nonblock,
  mtcp_socket,
  mtcp_write,
  SOCK_STREAM,
  sockaddr_in,
} from '../../src/index.js';
import { createHost, joinHosts, World } from '../../src/testing/index.js';

/** Bytes of receive buffer, the window being half of them. */
const BUFFERS = [8_192, 65_536, 262_144, 1_048_576];
const LOSSES = [0, 0.001, 0.01, 0.05];
const ROUND_TRIPS_MS = [1, 20, 100];
const BANDWIDTH_BPS = 100_000_000;
const QUEUE_FRAMES = 100;
const BYTES = 1_000_000;
const SEEDS = [1, 2, 3];
/** Of the table of congestion controls, with room for several windows. */
const CONTROLS = ['reno', 'cubic', 'bbr', 'dctcp'];
const CONTROL_BYTES = 8_000_000;
const CONTROL_BUFFER = 4_194_304;

interface Cell {
  /** Payload bits per second of virtual time, from connect to the end of the stream, in Mbit/s. */
  mbps: number;
  retransmitted: number;
  timeouts: number;
}

/** What is carried, and how. */
interface Transfer {
  bytes: number;
  buffer: number;
  control: string;
}

/** Carries bytes from one host to another. */
function transfer(
  { bytes, buffer, control }: Transfer,
  loss: number,
  roundTripMs: number,
  seed: number,
): Cell {
  const world = new World();
  const sysctl = {
    tcp_rmem: `4096 ${buffer} 6291456`,
    tcp_wmem: `4096 ${buffer} 4194304`,
    // The table is about the window; goodput.test.ts lets it grow.
    tcp_moderate_rcvbuf: 0,
    tcp_congestion_control: control,
  };
  const sender = createHost({ addresses: ['10.0.0.1/24'], link: 'ip', sysctl, seed, world });
  const receiver = createHost({ addresses: ['10.0.0.2/24'], link: 'ip', sysctl, seed: seed + 100, world });
  joinHosts(sender, receiver, {
    seed,
    loss,
    delayUs: roundTripMs * 500,
    bandwidthBps: BANDWIDTH_BPS,
    queueFrames: QUEUE_FRAMES,
  });
  const listening = mtcp_socket(receiver.mctx, AF_INET, SOCK_STREAM, 0);
  mtcp_bind(receiver.mctx, listening, sockaddr_in('10.0.0.2', 80));
  mtcp_listen(receiver.mctx, listening, 1);
  mtcp_setsock_nonblock(receiver.mctx, listening);
  const data = new Uint8Array(65_536);
  let accepted = -1;
  let read = 0;
  let endedAt = -1;
  receiver.onTurn = () => {
    if (accepted < 0) {
      accepted = mtcp_accept(receiver.mctx, listening);
      if (accepted < 0) return;
      mtcp_setsock_nonblock(receiver.mctx, accepted);
    }
    let count = 0;
    while (endedAt < 0 && (count = mtcp_read(receiver.mctx, accepted, data)) > 0) read += count;
    if (count === 0 && endedAt < 0) {
      endedAt = world.now;
      mtcp_close(receiver.mctx, accepted);
    }
  };
  const socket = mtcp_socket(sender.mctx, AF_INET, SOCK_STREAM, 0);
  if (mtcp_connect(sender.mctx, socket, sockaddr_in('10.0.0.2', 80)) !== 0) throw new Error('not connected');
  const out = new Uint8Array(65_536);
  for (let sent = 0; sent < bytes; ) {
    const result = mtcp_write(sender.mctx, socket, out, Math.min(out.length, bytes - sent));
    if (result <= 0) throw new Error(`written ${sent} bytes, then ${result}`);
    sent += result;
  }
  mtcp_close(sender.mctx, socket);
  while (endedAt < 0) world.step(Number.POSITIVE_INFINITY);
  if (read !== bytes) throw new Error(`${read} bytes arrived`);
  const { TcpRetransSegs, TcpExtTCPTimeouts } = sender.stack.counters;
  return { mbps: (bytes * 8) / endedAt, retransmitted: TcpRetransSegs, timeouts: TcpExtTCPTimeouts };
}

/** The mean over all seeds. */
function cell(what: Transfer, loss: number, roundTripMs: number): string {
  const runs = SEEDS.map((seed) => transfer(what, loss, roundTripMs, seed));
  const mean = (of: (run: Cell) => number): number =>
    runs.reduce((sum, run) => sum + of(run), 0) / runs.length;
  const parts = [
    mean((run) => run.mbps).toFixed(2),
    mean((run) => run.retransmitted).toFixed(0),
    mean((run) => run.timeouts).toFixed(0),
  ];
  return `${parts[0].padStart(8)} ${`${parts[1]}/${parts[2]}`.padStart(7)}`;
}

/** Both tables as text. */
export function renderThroughput(): string {
  return `${renderBuffers()}\n${renderControls()}`;
}

function renderBuffers(): string {
  const lines = [
    'Throughput of one connection in virtual time, in Mbit/s of payload, then segments retransmitted / timeouts.',
    `${BYTES} bytes over ${BANDWIDTH_BPS / 1e6} Mbit/s with a queue of ${QUEUE_FRAMES} packets, MTU 1500; mean of ${SEEDS.length} seeds.`,
    'Loss in both directions. Made by test/sim/throughput.test.ts; UPDATE_SNAPSHOTS=1 writes it anew.',
    '',
    `${'buffer'.padStart(8)} ${'RTT ms'.padStart(7)} |${LOSSES.map((loss) => `${`loss ${loss * 100} %`.padStart(16)} `).join('|')}`,
  ];
  lines.push('-'.repeat(lines[4].length));
  for (const buffer of BUFFERS) {
    for (const roundTripMs of ROUND_TRIPS_MS) {
      const what = { bytes: BYTES, buffer, control: 'cubic' };
      const cells = LOSSES.map((loss) => `${cell(what, loss, roundTripMs)} `);
      lines.push(
        `${String(buffer).padStart(8)} ${String(roundTripMs).padStart(7)} |${cells.join('|')}`.trimEnd(),
      );
    }
  }
  return `${lines.join('\n')}\n`;
}

function renderControls(): string {
  const lines = [
    `The same with ${CONTROL_BYTES} bytes and a buffer of ${CONTROL_BUFFER}, by congestion control.`,
    '',
    `${'loss %'.padStart(8)} ${'RTT ms'.padStart(7)} |${CONTROLS.map((control) => `${control.padStart(16)} `).join('|')}`,
  ];
  lines.push('-'.repeat(lines[2].length));
  for (const loss of LOSSES) {
    for (const roundTripMs of ROUND_TRIPS_MS) {
      const cells = CONTROLS.map((control) => {
        const what = { bytes: CONTROL_BYTES, buffer: CONTROL_BUFFER, control };
        return `${cell(what, loss, roundTripMs)} `;
      });
      lines.push(
        `${String(loss * 100).padStart(8)} ${String(roundTripMs).padStart(7)} |${cells.join('|')}`.trimEnd(),
      );
    }
  }
  return `${lines.join('\n')}\n`;
}
