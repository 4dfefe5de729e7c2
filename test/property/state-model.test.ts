// The state machine of a connection against a small model of figure 5 of RFC 9293: random user calls and random segments of a peer,
// after each of which the stack must be in the state that the model says. FC_SEED replays another seed, MODEL_RUNS makes it long.

import fc from 'fast-check';
import t from 'tap';
import {
  AF_INET,
  errno,
  errnoName,
  mtcp_abort,
  mtcp_accept,
  mtcp_bind,
  mtcp_close,
  mtcp_connect,
  mtcp_listen,
  mtcp_read,
  mtcp_setsock_nonblock,
  mtcp_shutdown,
  mtcp_socket,
  mtcp_write,
  SHUT_WR,
  SOCK_STREAM,
  sockaddr_in,
} from '../../src/index.js';
import { stateName } from '../../src/stack/tcp/state.js';
import type { Tcb } from '../../src/stack/tcp/tcb.js';
import { finish, sum } from '../../src/stack/wire/checksum.js';
import { buildIpv4, buildTcp, createHost, type Host } from '../../src/testing/index.js';
import { Invariants } from '../sim/invariants.js';
import { HOST_IP, PEER_IP, Peer, type PeerConnection } from './peer.js';

const seed = Number(process.env.FC_SEED ?? 9293);
const numRuns = Number(process.env.MODEL_RUNS ?? 1500);
t.comment(`seed ${seed}, ${numRuns} runs`);
t.setTimeout(0);

const PORT = 80;
const PEER_PORT = 5000;
const TIME_WAIT_US = 60_000_000;

/** What the model knows: the state, and the little that decides about the next one. */
interface Model {
  state: string;
  /** A program still holds the socket. */
  attached: boolean;
  /** The peer has acknowledged everything, a FIN of ours included. */
  acked: boolean;
  /** The program has closed its side before the handshake was over. */
  closeLater: boolean;
  /** Bytes that the program has not read. */
  unread: number;
  /** Something sent by the program is not acknowledged. */
  timeWaitUntil: number;
}

/** The stack, a peer made by hand, and the model beside them. */
class Pair {
  readonly host: Host;
  readonly peer: Peer;
  readonly connection: PeerConnection;
  readonly model: Model;
  private readonly invariants: Invariants;
  private readonly listening: number = -1;
  private socket = -1;

  constructor(passive: boolean) {
    this.host = createHost({
      addresses: [`${HOST_IP}/24`],
      link: 'ip',
      nic: { frames: 32, bigFrames: 1, strict: true },
      sysctl: { tcp_timestamps: 0, tcp_invalid_ratelimit: 0, tcp_timewait_ms: TIME_WAIT_US / 1000 },
    });
    this.peer = new Peer(this.host);
    this.invariants = new Invariants(this.host.stack);
    const { mctx } = this.host;
    this.connection = this.peer.connection(PORT, PEER_PORT, 7_000_000);
    const id = mtcp_socket(mctx, AF_INET, SOCK_STREAM, 0);
    mtcp_setsock_nonblock(mctx, id);
    mtcp_bind(mctx, id, sockaddr_in(HOST_IP, PORT));
    this.model = {
      state: 'CLOSED',
      attached: !passive,
      acked: false,
      closeLater: false,
      unread: 0,
      timeWaitUntil: 0,
    };
    if (passive) {
      this.listening = id;
      mtcp_listen(mctx, id, 4);
      this.peer.send(this.connection, 'S', { ack: 0, options: { mss: 1000 } });
      this.model.state = 'SYN-RECEIVED';
      // Held by the listener until it is accepted.
      this.model.attached = true;
    } else {
      this.socket = id;
      mtcp_connect(mctx, id, sockaddr_in(PEER_IP, PEER_PORT));
      this.peer.listen();
      this.model.state = 'SYN-SENT';
    }
  }

  /** The block of the connection; undefined when the stack knows none. */
  private find(): Tcb | undefined {
    let found: Tcb | undefined;
    this.host.stack.tcp.core.demux.forEach((tcb) => {
      found = tcb;
    });
    return found;
  }

  /** Compares the stack with the model. */
  compare(step: string): void {
    this.invariants.check();
    const tcb = this.find();
    const state = tcb === undefined ? 'CLOSED' : stateName(tcb.state);
    if (state !== this.model.state)
      throw new Error(`after ${step}: ${state}, RFC 9293 says ${this.model.state}`);
  }

  run(step: string): void {
    const { model, host } = this;
    if (model.state === 'CLOSED') return;
    // What was accepted is held by a socket from now on.
    if (this.listening >= 0 && this.socket < 0) {
      this.socket = mtcp_accept(host.mctx, this.listening);
      if (this.socket >= 0) mtcp_setsock_nonblock(host.mctx, this.socket);
    }
    if (step.startsWith('user')) this.user(step);
    else if (step.startsWith('peer') || step.startsWith('the network')) this.arrives(step);
    else this.wait(step);
    this.peer.listen();
    this.compare(step);
  }

  private user(step: string): void {
    const { model, host, socket } = this;
    if (socket < 0) return;
    const { mctx } = host;
    switch (step) {
      case 'user writes': {
        const result = mtcp_write(mctx, socket, new Uint8Array(50));
        const may = model.state === 'ESTABLISHED' || model.state === 'CLOSE-WAIT';
        const connecting = model.state === 'SYN-SENT' || model.state === 'SYN-RECEIVED';
        const expected = may ? 'ok' : connecting ? 'EAGAIN' : 'EPIPE';
        const got = result >= 0 ? 'ok' : errnoName(errno);
        if (got !== expected) throw new Error(`write in ${model.state}: ${got}, not ${expected}`);
        if (result > 0) model.acked = false;
        return;
      }
      case 'user reads':
        if (mtcp_read(mctx, socket, new Uint8Array(70_000)) > 0) model.unread = 0;
        return;
      case 'user shuts down':
        if (model.state === 'SYN-SENT') return;
        mtcp_shutdown(mctx, socket, SHUT_WR);
        this.closes();
        return;
      case 'user closes':
        mtcp_close(mctx, socket);
        this.socket = -1;
        model.attached = false;
        if (model.state === 'SYN-SENT') model.state = 'CLOSED';
        // RFC 2525 2.17: what nobody has read makes it a reset.
        else if (model.unread > 0 && model.state !== 'TIME-WAIT') model.state = 'CLOSED';
        else this.closes();
        return;
      default:
        mtcp_abort(mctx, socket);
        this.socket = -1;
        model.attached = false;
        model.state = 'CLOSED';
    }
  }

  /** CLOSE (3.10.4). */
  private closes(): void {
    const { model } = this;
    if (model.state === 'SYN-RECEIVED') model.closeLater = true;
    else if (model.state === 'ESTABLISHED') this.sendsFin('FIN-WAIT-1');
    else if (model.state === 'CLOSE-WAIT') this.sendsFin('LAST-ACK');
  }

  private sendsFin(state: string): void {
    this.model.state = state;
    this.model.acked = false;
  }

  private arrives(step: string): void {
    const { peer, connection, model } = this;
    const { ack, seq } = connection;
    const isSynced = !['SYN-SENT', 'SYN-RECEIVED'].includes(model.state);
    switch (step) {
      case 'peer sends SYN-ACK':
        if (model.state !== 'SYN-SENT') {
          // A copy of its own SYN, or one in the window: RFC 5961 4 lets neither change anything.
          if (isSynced) peer.send(connection, 'S.', { seq });
          return;
        }
        peer.send(connection, 'S.', { options: { mss: 1000 } });
        this.acknowledged('ESTABLISHED');
        return;
      case 'peer sends SYN':
        if (model.state === 'SYN-SENT') {
          peer.send(connection, 'S', { ack: 0, options: { mss: 1000 } });
          model.state = 'SYN-RECEIVED';
        } else if (isSynced && model.state !== 'TIME-WAIT') {
          peer.send(connection, 'S', { seq, ack: 0 });
        }
        return;
      case 'peer acknowledges':
        if (model.state === 'SYN-SENT') peer.send(connection, '.', { ack: ack + 1000 });
        else {
          peer.send(connection, '.');
          this.acknowledged();
        }
        return;
      case 'peer acknowledges too much':
        peer.send(connection, '.', { ack: ack + 5000 });
        return;
      case 'peer acknowledges nothing new':
        if (model.state !== 'SYN-SENT') peer.send(connection, '.', { ack: this.oldest() });
        return;
      case 'peer sends data':
        this.data();
        return;
      case 'peer sends FIN':
        this.fin(ack, true);
        return;
      case 'peer sends FIN without acknowledging':
        this.fin(this.oldest(), false);
        return;
      case 'peer repeats':
        if (isSynced) peer.send(connection, '.', { seq: seq - 1, payload: 'x' });
        return;
      case 'peer sends no flags':
        // RFC 9293 3.10.7: without ACK, RST and SYN nothing is done; in SYN-SENT neither.
        peer.send(connection, '', { seq, ack: 0, payload: 'x' });
        return;
      case 'peer sends SYN and FIN':
        if (isSynced && model.state !== 'TIME-WAIT') peer.send(connection, 'SF', { seq, ack: 0 });
        return;
      case 'peer sends data and FIN beyond the window':
        if (isSynced) peer.send(connection, 'F.', { seq: seq + 200_000, payload: 'far' });
        return;
      case 'the network says: port unreachable':
        this.unreachable();
        return;
      case 'peer resets':
        if (model.state === 'SYN-SENT') peer.send(connection, 'R.');
        else peer.send(connection, 'R', { ack: 0 });
        // RFC 1337: TIME-WAIT takes no notice.
        if (model.state !== 'TIME-WAIT') model.state = 'CLOSED';
        return;
      case 'peer resets within the window':
        peer.send(connection, 'R', { seq: seq + 10, ack: 0 });
        return;
      default:
        peer.send(connection, 'R', { seq: seq - 100_000, ack: 0 });
    }
  }

  /** RFC 1122 4.2.3.9: a hard error ends an attempt to connect, and nothing else. */
  private unreachable(): void {
    const { model, peer, connection } = this;
    const quoted = buildTcp({
      src: HOST_IP,
      dst: PEER_IP,
      srcPort: connection.hostPort,
      dstPort: connection.port,
      seq: this.oldest(),
      flags: '.',
    });
    const payload = new Uint8Array(8 + 28);
    payload.set([3, 3]);
    payload.set(quoted.subarray(0, 28), 8);
    const view = new DataView(payload.buffer);
    view.setUint16(2, finish(sum(view, 0, payload.length)));
    peer.deliver(peer.frame(buildIpv4({ src: PEER_IP, dst: HOST_IP, protocol: 1, payload })));
    if (model.state === 'SYN-SENT') model.state = 'CLOSED';
  }

  /** SND.UNA: acknowledges what is acknowledged already. */
  private oldest(): number {
    return (this.find()?.snd.una ?? 0) >>> 0;
  }

  /** Everything that was sent is acknowledged. */
  private acknowledged(next?: string): void {
    const { model } = this;
    if (next !== undefined) model.state = next;
    else if (model.state === 'SYN-RECEIVED') {
      model.state = 'ESTABLISHED';
      // "Queued for processing after entering ESTABLISHED state": its FIN leaves now, so it is not yet acknowledged.
      if (model.closeLater) {
        this.sendsFin('FIN-WAIT-1');
        return;
      }
    } else if (model.state === 'FIN-WAIT-1') model.state = 'FIN-WAIT-2';
    else if (model.state === 'CLOSING') this.timeWait();
    else if (model.state === 'LAST-ACK') model.state = 'CLOSED';
    model.acked = true;
  }

  private data(): void {
    const { model, connection, peer } = this;
    if (model.state === 'SYN-SENT') return;
    peer.send(connection, 'P.', { payload: 'hello', ...(this.mayReceive() ? {} : { seq: connection.seq }) });
    const before = model.state;
    this.acknowledged();
    if (!this.mayReceive(before) || before === 'CLOSED') return;
    // RFC 9293 3.6.1: nobody is left to read it.
    if (!model.attached) model.state = 'CLOSED';
    else model.unread += 5;
  }

  private mayReceive(state = this.model.state): boolean {
    return ['SYN-RECEIVED', 'ESTABLISHED', 'FIN-WAIT-1', 'FIN-WAIT-2'].includes(state);
  }

  private fin(ack: number, acknowledges: boolean): void {
    const { model, connection, peer } = this;
    if (model.state === 'SYN-SENT') return;
    const again = !this.mayReceive();
    peer.send(connection, 'F.', { ack, ...(again ? { seq: connection.seq - 1 } : {}) });
    if (again) {
      // The FIN again: it lies before the window, so that not even its ACK counts; TIME-WAIT begins anew.
      if (model.state === 'TIME-WAIT') this.timeWait();
      return;
    }
    // In SYN-RECEIVED nothing counts before our SYN is acknowledged; the answer is a reset.
    if (model.state === 'SYN-RECEIVED' && !acknowledges) {
      connection.seq--;
      return;
    }
    const isNew = acknowledges;
    if (isNew) this.acknowledged();
    switch (model.state) {
      case 'ESTABLISHED':
        model.state = 'CLOSE-WAIT';
        break;
      case 'FIN-WAIT-1':
        model.state = 'CLOSING';
        break;
      case 'FIN-WAIT-2':
        this.timeWait();
        break;
      default:
    }
  }

  private timeWait(): void {
    this.model.state = 'TIME-WAIT';
    this.model.timeWaitUntil = this.host.now + TIME_WAIT_US;
  }

  private wait(step: string): void {
    const { host, model } = this;
    const us = step === 'time passes' ? 300_000 : TIME_WAIT_US;
    // Long waits only where nothing but 2 MSL runs: retransmission gives up after minutes.
    if (us > 1_000_000 && model.state !== 'TIME-WAIT') return;
    host.advance(host.now + us);
    if (model.state === 'TIME-WAIT' && host.now >= model.timeWaitUntil) model.state = 'CLOSED';
  }

  /** Lets go of everything; nothing may be left. */
  end(): void {
    const { mctx } = this.host;
    if (this.socket >= 0) mtcp_abort(mctx, this.socket);
    if (this.listening >= 0) mtcp_close(mctx, this.listening);
    while (this.host.nextDeadline() < Number.POSITIVE_INFINITY)
      this.host.advance(Math.ceil(this.host.nextDeadline()));
    this.invariants.checkEmpty(this.host);
  }
}

const STEPS = [
  'user writes',
  'user reads',
  'user shuts down',
  'user closes',
  'user aborts',
  'peer sends SYN-ACK',
  'peer sends SYN',
  'peer acknowledges',
  'peer acknowledges too much',
  'peer acknowledges nothing new',
  'peer sends data',
  'peer sends FIN',
  'peer sends FIN without acknowledging',
  'peer repeats',
  'peer sends no flags',
  'peer sends SYN and FIN',
  'peer sends data and FIN beyond the window',
  'the network says: port unreachable',
  'peer resets',
  'peer resets within the window',
  'peer resets far outside',
  'time passes',
  '2 MSL pass',
];
/** What ends a connection is asked for less often. */
const RARE = ['user aborts', 'peer resets', 'the network says: port unreachable'];

const visited = new Set<string>();
const edges = new Set<string>();

t.test('user calls and segments in any order move a connection along figure 5', async (t) => {
  const step = fc.oneof(
    { weight: 20, arbitrary: fc.constantFrom(...STEPS.filter((name) => !RARE.includes(name))) },
    { weight: 1, arbitrary: fc.constantFrom(...RARE) },
  );
  fc.assert(
    fc.property(fc.boolean(), fc.array(step, { maxLength: 25, size: 'max' }), (passive, steps) => {
      const pair = new Pair(passive);
      pair.compare('the beginning');
      for (const name of steps) {
        const before = pair.model.state;
        pair.run(name);
        visited.add(pair.model.state);
        if (before !== pair.model.state) edges.add(`${before} > ${pair.model.state}`);
      }
      pair.end();
    }),
    { seed, numRuns },
  );
  t.same(
    [...visited].sort(),
    [
      'CLOSE-WAIT',
      'CLOSED',
      'CLOSING',
      'ESTABLISHED',
      'FIN-WAIT-1',
      'FIN-WAIT-2',
      'LAST-ACK',
      'SYN-RECEIVED',
      'SYN-SENT',
      'TIME-WAIT',
    ],
    'every state was visited',
  );
  t.comment([...edges].sort().join(', '));
});
