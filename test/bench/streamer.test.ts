// Long replies without a stack, in memory and virtual time: every byte of them arrives, whatever the wire loses, and no more is under
// way than there is room for.

import t from 'tap';
import { Client, type Exchange } from '../../bench/generator/client.js';
import { Segment } from '../../bench/generator/wire.js';
import { replyBytes } from '../../bench/peers/reply.js';
import { Streamer } from '../../bench/peers/streamer.js';
import { PATTERN_PERIOD } from '../../src/cli/servers/pattern.js';
import { MemoryNic } from '../../src/nic/memory-nic.js';
import { CLIENT_MAC, ENDS, PORT, SERVER, SERVER_MAC } from './wired.js';

const REPLY = 200_000;
const WINDOW = 100_000;

/** A Streamer, and a Client that asks it, with a wire between them. */
class Wired {
  readonly client: Client;
  readonly streamer: Streamer;
  /** The most bytes that one flow had under way. */
  most = 0;
  private nowMs = 0;
  private readonly segment = new Segment();
  private readonly acked = new Map<number, number>();

  constructor(flows: number, loses: (frame: number) => boolean = () => false) {
    const near = new MemoryNic({ mac: SERVER_MAC, strict: true });
    const far = new MemoryNic({ mac: CLIENT_MAC, strict: true });
    let frames = 0;
    const join = (from: MemoryNic, to: MemoryNic): void => {
      from.onTransmit = (memory, offset, length) => {
        const frame = memory.slice(offset, offset + length);
        this.look(frame);
        if (!loses(frames++)) to.inject(frame);
      };
    };
    join(near, far);
    join(far, near);
    const pattern = replyBytes(PATTERN_PERIOD + ENDS.mss);
    const streams = { requestBytes: 64, replyBytes: REPLY, pattern, period: PATTERN_PERIOD };
    this.streamer = new Streamer(near, SERVER, PORT, streams);
    const exchange: Exchange = {
      request: new Uint8Array(64).fill(0x78),
      reply: Int16Array.from(replyBytes(REPLY)),
      pipeline: 2,
      closes: false,
      silent: false,
    };
    this.client = new Client(far, { ...ENDS, windowBytes: WINDOW }, PORT, flows, exchange);
  }

  private look(frame: Uint8Array): void {
    const { segment } = this;
    if (!segment.read(new DataView(frame.buffer), 0, frame.length)) return;
    if (segment.to === PORT) this.acked.set(segment.from, segment.ack);
    else if (segment.dataLength > 0) {
      const end = segment.seq + segment.dataLength;
      this.most = Math.max(this.most, (end - (this.acked.get(segment.to) ?? end)) | 0);
    }
  }

  run(ms: number): void {
    for (const end = this.nowMs + ms; this.nowMs < end; this.nowMs += 0.1) {
      this.client.turn(this.nowMs);
      this.streamer.turn(this.nowMs);
    }
  }

  /** Resets what is open; how many flows the streamer has then. */
  end(): number {
    this.client.abort();
    this.run(1);
    return this.streamer.open;
  }
}

t.test('replies of many segments, as much under way as the client has room for', async (t) => {
  for (const flows of [1, 8]) {
    const wired = new Wired(flows);
    wired.run(100);
    const { client, streamer } = wired;
    t.same([client.open, client.errors, client.resent, streamer.resent], [flows, 0, 0, 0]);
    t.ok(client.replies > 20 * flows, `${client.replies} replies`);
    t.ok(wired.most <= WINDOW && wired.most > WINDOW - ENDS.mss, `${wired.most} bytes under way`);
    t.equal(wired.end(), 0, 'no flow is left');
  }
});

t.test('what is lost is sent again, requests too', async (t) => {
  const wired = new Wired(2, (frame) => frame % 97 === 96);
  wired.run(2000);
  const { client, streamer } = wired;
  t.same([client.open, client.errors], [2, 0]);
  t.ok(streamer.resent > 0);
  t.ok(client.replies > 20, `${client.replies} replies`);
  t.equal(wired.end(), 0);
});

t.test('a silence ends, however long it was', async (t) => {
  let isCut = false;
  const wired = new Wired(1, () => isCut);
  wired.run(20);
  isCut = true;
  wired.run(500);
  const before = wired.client.replies;
  isCut = false;
  wired.run(500);
  t.ok(wired.client.replies > before + 20, `${wired.client.replies - before} replies afterwards`);
  t.equal(wired.client.errors, 0);
});

t.test('a pattern without a segment more than its period is refused', async (t) => {
  const nic = new MemoryNic({ mac: SERVER_MAC, strict: true });
  const streams = { requestBytes: 64, replyBytes: REPLY, pattern: replyBytes(100), period: 100 };
  t.throws(() => new Streamer(nic, SERVER, PORT, streams), /shorter/);
});
