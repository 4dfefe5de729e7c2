// A stack on a Nic in memory, with nothing beside it that would allocate or wait.

import type { Context } from '../../src/index.js';
import { makeContext } from '../../src/index.js';
import { MemoryNic } from '../../src/nic/memory-nic.js';
import { createRandom } from '../../src/stack/random.js';
import { CLIENT_ADDRESS, CLIENT_MAC, type Peer, SERVER_ADDRESS, TCP } from './peer.js';

/** For socket buffers, as a Nic on a wire has it. */
const SPARE_BYTES = 1 << 20;
/** µs between two rounds. */
const ROUND_US = 50;

export class Stage {
  readonly nic = new MemoryNic({ mtu: 1500, spareBytes: SPARE_BYTES });
  readonly mctx: Context;
  private readonly peers: (Peer | undefined)[] = Array.from({ length: 65_536 });
  private nowUs = 0;

  constructor() {
    const options = {
      addresses: [{ address: SERVER_ADDRESS, prefix: 24 }],
      neighbours: [{ address: CLIENT_ADDRESS, mac: CLIENT_MAC }],
    };
    this.mctx = makeContext(this.nic, options, () => this.nowUs, createRandom(1), 0);
    this.nic.onTransmit = (_memory, offset, length) => {
      this.peers[this.nic.view.getUint16(offset + TCP + 2)]?.take(offset, length);
    };
  }

  /** What is sent to the peer's port comes to it from now on. */
  place(peer: Peer): void {
    this.peers[peer.port] = peer;
  }

  /** The peer has another port from now on. */
  move(peer: Peer, port: number): void {
    this.peers[peer.port] = undefined;
    peer.port = port;
    this.peers[port] = peer;
  }

  /** Segments so far, both ways. */
  get segments(): number {
    const { TcpInSegs, TcpOutSegs } = this.mctx.stack.counters;
    return TcpInSegs + TcpOutSegs;
  }

  /** Lets the time go on. */
  tick(): void {
    this.nowUs += ROUND_US;
  }
}

/** What a round of work makes and takes. */
export interface Rounds {
  /** Does one round, which is so many messages or connections. */
  readonly round: () => void;
  readonly unitsPerRound: number;
  /** Throws when not everything has come. */
  readonly check: (rounds: number) => void;
  readonly stage: Stage;
}
