// A server of frames that sends the second segment of each reply after the others, as when it was lost and sent again.

import { ACK, FIN, PSH, RST, SYN } from '../../bench/generator/wire.js';
import { FrameServer } from '../../bench/peers/frame-server.js';
import type { Nic } from '../../src/nic/nic.js';

const REQUEST_BYTES = 64;
const SEGMENTS = 4;
const SEGMENT_BYTES = 1000;
/** Bytes of each reply. */
export const DISORDERED_BYTES: number = SEGMENTS * SEGMENT_BYTES;

export class Disordered extends FrameServer {
  constructor(nic: Nic, own: number, port: number, reply: Uint8Array) {
    super(nic, { own, port, payload: reply });
  }

  protected onSegment(): void {
    const { flags, seq, ack, dataLength, from } = this.segment;
    const send = (kind: number, at: number, acked: number, start: number, length: number): void => {
      this.writer.send(this.port, from, kind, at | 0, acked | 0, start, length);
    };
    if ((flags & RST) !== 0) return;
    if ((flags & SYN) !== 0) send(SYN | ACK, 0, seq + 1, 0, 0);
    else if ((flags & FIN) !== 0) send(FIN | ACK, ack, seq + dataLength + 1, 0, 0);
    else if (dataLength === REQUEST_BYTES) {
      for (const i of [0, 2, 3, 1]) {
        const start = i * SEGMENT_BYTES;
        send(PSH | ACK, ack + start, seq + dataLength, start, SEGMENT_BYTES);
      }
    }
  }

  protected afterBatch(): number {
    return 0;
  }
}
