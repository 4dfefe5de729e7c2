// How many packets per second the Nic itself moves, without a stack: receive and drop, swap and send back,
// send only. Over a veth pair between two namespaces that it makes and removes. Needs root.
//
//     node build/bench/packets.js [rxdrop|l2fwd|txonly …] [--seconds N] [--mode native|skb] [--json]

import { parseArgs } from 'node:util';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { RX_STRIDE } from '../src/nic/nic.js';
import { openXdpNic, type XdpMode } from '../src/nic/open-xdp-nic.js';
import type { XdpNic } from '../src/nic/xdp-nic.js';
import { labReason, makeLab } from '../test/support/netns.js';

const FRAME = 64;
const BATCH = 64;

/** A TCP segment without data, which is what the XDP program lets through. */
function frameFor(srcMac: string, dstMac: string, src: string, dst: string): Uint8Array {
  const bytes = Buffer.alloc(FRAME);
  bytes.set(Buffer.from(dstMac.replaceAll(':', ''), 'hex'), 0);
  bytes.set(Buffer.from(srcMac.replaceAll(':', ''), 'hex'), 6);
  bytes.writeUInt16BE(0x0800, 12);
  bytes[14] = 0x45;
  bytes.writeUInt16BE(FRAME - 14, 16);
  bytes[22] = 64;
  bytes[23] = 6;
  bytes.set(src.split('.').map(Number), 26);
  bytes.set(dst.split('.').map(Number), 30);
  let sum = 0;
  for (let at = 14; at < 34; at += 2) sum += bytes.readUInt16BE(at);
  sum = (sum & 0xffff) + (sum >>> 16);
  bytes.writeUInt16BE(~(sum + (sum >>> 16)) & 0xffff, 24);
  bytes.writeUInt16BE(1000, 34);
  bytes.writeUInt16BE(2000, 36);
  bytes[46] = 0x50;
  return bytes;
}

/** Fills the tx ring once with a frame; how many frames went. */
function sendBurst(nic: XdpNic, frame: Uint8Array): number {
  for (let i = 0; i < BATCH; i++) {
    const offset = nic.reserve();
    if (offset < 0) return i;
    // Element by element: `set` of a typed array is no cheaper for 64 bytes, and this is the generator.
    for (let at = 0; at < FRAME; at++) nic.memory[offset + at] = frame[at]!;
    nic.submit(offset, FRAME, 0, 0);
  }
  return BATCH;
}

function drop(nic: XdpNic, batch: Int32Array): number {
  const count = nic.receive(batch);
  for (let i = 0; i < count; i++) nic.release(batch[i * RX_STRIDE]!);
  return count;
}

/** Swaps MAC and IP addresses in place and sends the received frame itself. */
function forward(nic: XdpNic, batch: Int32Array): number {
  const count = nic.receive(batch);
  const { view } = nic;
  for (let i = 0; i < count; i++) {
    const offset = batch[i * RX_STRIDE]!;
    const high = view.getInt16(offset);
    const low = view.getInt32(offset + 2);
    view.setInt16(offset, view.getInt16(offset + 6));
    view.setInt32(offset + 2, view.getInt32(offset + 8));
    view.setInt16(offset + 6, high);
    view.setInt32(offset + 8, low);
    const src = view.getInt32(offset + 26);
    view.setInt32(offset + 26, view.getInt32(offset + 30));
    view.setInt32(offset + 30, src);
    nic.submit(offset, batch[i * RX_STRIDE + 1]!, 0, 0);
  }
  nic.flush();
  return count;
}

interface Generator {
  readonly netns: string;
  readonly address: string;
  readonly frame: Uint8Array;
  readonly stop: Int32Array;
}

/** The other end: sends as fast as it can and drops what comes back. */
function generate({ netns, address, frame, stop }: Generator): void {
  const nic = openXdpNic({ iface: 'veth0', netns, addresses: [address] });
  const batch = new Int32Array(BATCH * RX_STRIDE);
  while (Atomics.load(stop, 0) === 0) {
    sendBurst(nic, frame);
    nic.flush();
    while (drop(nic, batch) > 0);
  }
  nic.close();
}

interface Result {
  readonly case: string;
  readonly mode: string;
  readonly mpps: number;
  readonly bytesPerPacket: number;
  readonly statistics: Record<string, number>;
}

/**
 * Runs one turn function over and over for some seconds: packets per second and bytes of garbage per packet.
 */
function measure(name: string, nic: XdpNic, seconds: number, turn: () => number): Result {
  const run = (ms: number): [packets: number, elapsedMs: number] => {
    const start = performance.now();
    let packets = 0;
    let elapsed = 0;
    while (elapsed < ms) {
      for (let i = 0; i < 256; i++) packets += turn();
      elapsed = performance.now() - start;
    }
    return [packets, elapsed];
  };
  run(1000);
  const collect = globalThis.gc;
  collect?.();
  const heap = process.memoryUsage().heapUsed;
  const [packets, elapsed] = run(seconds * 1000);
  // Without a collection in between (give --max-semi-space-size), what the heap grew by is what was
  // allocated.
  const grown = process.memoryUsage().heapUsed - heap;
  return {
    case: name,
    mode: nic.capabilities.mode,
    mpps: packets / elapsed / 1000,
    bytesPerPacket: grown / packets,
    statistics: nic.statistics(),
  };
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: '3' },
      mode: { type: 'string', default: 'auto' },
      json: { type: 'boolean', default: false },
    },
  });
  const reason = labReason();
  if (reason !== undefined) throw new Error(reason);
  const seconds = Number(values.seconds);
  const peerAddress = '10.77.0.20';
  for (const name of positionals.length > 0 ? positionals : ['rxdrop', 'l2fwd', 'txonly']) {
    const lab = makeLab('bench');
    const stop = new Int32Array(new SharedArrayBuffer(4));
    const nic = openXdpNic({
      iface: lab.near.iface,
      netns: lab.near.netns,
      mode: values.mode as XdpMode,
      addresses: [lab.stackAddress],
    });
    let ended: Promise<unknown> = Promise.resolve();
    if (name !== 'txonly') {
      const frame = frameFor(lab.far.mac, lab.near.mac, peerAddress, lab.stackAddress);
      const data: Generator = { netns: lab.far.netns, address: peerAddress, frame, stop };
      const worker = new Worker(new URL(import.meta.url), { workerData: data });
      ended = new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject));
      await new Promise((resolve) => worker.once('online', resolve));
    }
    const batch = new Int32Array(BATCH * RX_STRIDE);
    const frame = frameFor(lab.near.mac, '02:00:00:00:00:01', lab.stackAddress, peerAddress);
    const turns: Record<string, () => number> = {
      rxdrop: () => drop(nic, batch),
      l2fwd: () => forward(nic, batch),
      txonly: () => {
        const count = sendBurst(nic, frame);
        nic.flush();
        return count;
      },
    };
    const turn = turns[name];
    if (turn === undefined) throw new Error(`no case ${name}; there are ${Object.keys(turns).join(', ')}`);
    const result = measure(name, nic, seconds, turn);
    Atomics.store(stop, 0, 1);
    await ended;
    nic.close();
    lab.close();
    if (values.json) console.log(JSON.stringify(result));
    else {
      const { mpps, bytesPerPacket, mode } = result;
      console.log(
        `${name}: ${mpps.toFixed(3)} Mpps (${mode}), ${bytesPerPacket.toFixed(2)} bytes allocated per packet`,
      );
    }
  }
}

if (isMainThread) await main();
else generate(workerData as Generator);
