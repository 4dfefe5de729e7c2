// Flows that share a bottleneck, each with a congestion control of its own: bulk senders in virtual time, and what each of them got
// in every interval. `fairness.test.ts` asks about convergence; `flows-main.ts` prints the series for plots.

import {
  AF_INET,
  mtcp_accept,
  mtcp_bind,
  mtcp_connect,
  mtcp_listen,
  mtcp_read,
  mtcp_setsock_nonblock,
  mtcp_setsockopt,
  mtcp_socket,
  mtcp_write,
  SOCK_STREAM,
  SOL_TCP,
  sockaddr_in,
  TCP_CONGESTION,
} from '../../src/index.js';
import type { PathOptions } from '../../src/nic/path.js';
import { below, createRandom } from '../../src/stack/random.js';
import { diff } from '../../src/stack/tcp/seq.js';
import { createHost, type Host, joinHosts, World } from '../../src/testing/index.js';

/** One sender: which congestion control it uses, and when it begins. */
export interface FlowPlan {
  control: string;
  startUs?: number;
  /** Writes so many bytes at the beginning of every interval, instead of without end. */
  burstBytes?: number;
}

export interface FlowsPlan {
  /** The bottleneck, from the senders to the receiver; ACKs come back over a path of the same delay and rate that loses none. */
  path: PathOptions;
  flows: readonly FlowPlan[];
  lengthUs: number;
  /** How the bottleneck changes on the way. */
  changes?: readonly { readonly atUs: number; readonly path: PathOptions }[];
  /** Length of an interval of the series. Default 100 ms. */
  intervalUs?: number;
  /** The sender's thread has its CPU for so long, then not for so long, in µs on average. Default: always. */
  naps?: { readonly awakeUs: number; readonly asleepUs: number };
  sysctl?: Readonly<Record<string, number | string>>;
  seed?: number;
}

/** What a flow did in one interval. */
export interface FlowPoint {
  /** End of the interval in µs. */
  timeUs: number;
  /** Payload that reached the receiving program, in bits per second. */
  goodputBps: number;
  /** At the end of the interval: bytes, µs, and bytes per second (0 for a flow that is not paced). */
  cwnd: number;
  flight: number;
  srttUs: number;
  pacingRate: number;
  /** Smallest round trip that the congestion control goes by; 0 where it has none of its own. */
  modelRttUs: number;
}

export interface FlowSeries {
  control: string;
  points: FlowPoint[];
}

export interface FlowsOutcome {
  flows: FlowSeries[];
  /** Frames that the bottleneck dropped because its queue was full. */
  dropped: number;
  retransmitted: number;
  timeouts: number;
}

const PORT = 80;
const CHUNK = new Uint8Array(1 << 18);
const UNLIMITED_QUEUE = 1_000_000;

/** Runs flows over one bottleneck. */
export function runFlows(plan: FlowsPlan): FlowsOutcome {
  const { intervalUs = 100_000, seed = 1, sysctl = {}, path, changes = [] } = plan;
  const world = new World();
  const nic = { frames: 65_536, bigFrames: 16 };
  const sender = createHost({ addresses: ['10.0.0.1/24'], link: 'ip', sysctl, seed, world, nic });
  if (plan.naps !== undefined) letNap(sender, plan.naps, seed + 3);
  const receiver = createHost({ addresses: ['10.0.0.2/24'], link: 'ip', sysctl, seed: seed + 1, world, nic });
  const { delayUs = 0, bandwidthBps = Number.POSITIVE_INFINITY } = path;
  const bToA = { delayUs, bandwidthBps, queueFrames: UNLIMITED_QUEUE };
  const wire = joinHosts(sender, receiver, { seed: seed + 2, aToB: path, bToA });
  const flows = plan.flows.map((flow, i) => new Flow(sender, receiver, PORT + i, flow));
  receiver.onTurn = () => {
    for (const flow of flows) flow.receive();
  };
  sender.onTurn = () => {
    for (const flow of flows) flow.send();
  };
  const instants = [...flows.map(({ startUs }) => startUs), ...changes.map(({ atUs }) => atUs)];
  for (let now = 0; now < plan.lengthUs; ) {
    for (const flow of flows) if (flow.startUs === now) flow.connect();
    for (const change of changes) if (change.atUs === now) wire.aToB.configure(change.path);
    const mark = (Math.floor(now / intervalUs) + 1) * intervalUs;
    const until = Math.min(mark, plan.lengthUs, ...instants.filter((instant) => instant > now));
    while (world.now < until) world.step(until);
    now = until;
    if (now !== mark) continue;
    for (const flow of flows) flow.record(now, intervalUs);
    for (const flow of flows) flow.beginBurst();
  }
  const { TcpExtTCPTimeouts, TcpRetransSegs } = sender.stack.counters;
  return {
    flows: flows.map(({ series }) => series),
    dropped: wire.aToB.counts.overflowed,
    retransmitted: TcpRetransSegs,
    timeouts: TcpExtTCPTimeouts,
  };
}

/** Lets a host's thread lose its CPU now and then: meanwhile nothing turns, and what arrives waits. Times are uniform up to twice the mean. */
function letNap(host: Host, { awakeUs, asleepUs }: NonNullable<FlowsPlan['naps']>, seed: number): void {
  const random = createRandom(seed);
  const turn = host.turn.bind(host);
  const deadline = host.deadline.bind(host);
  let asleepAt = 0;
  let awakeAt = 0;
  host.turn = () => {
    if (host.now < awakeAt) return false;
    if (host.now >= asleepAt) {
      awakeAt = host.now + below(random, 2 * asleepUs);
      asleepAt = awakeAt + 1 + below(random, 2 * awakeUs + 1);
      if (awakeAt > host.now) return false;
    }
    return turn();
  };
  host.deadline = () => (host.now < awakeAt ? awakeAt : deadline());
}

/** One flow under way, both of its ends. */
class Flow {
  readonly startUs: number;
  readonly series: FlowSeries;
  readonly #sender: Host;
  readonly #receiver: Host;
  readonly #port: number;
  readonly #listening: number;
  #socket = -1;
  #accepted = -1;
  #read = 0;
  readonly #burstBytes: number;
  /** What it may write now. */
  #allowance = 0;

  constructor(sender: Host, receiver: Host, port: number, plan: FlowPlan) {
    this.startUs = plan.startUs ?? 0;
    this.series = { control: plan.control, points: [] };
    this.#sender = sender;
    this.#receiver = receiver;
    this.#port = port;
    this.#burstBytes = plan.burstBytes ?? Number.POSITIVE_INFINITY;
    this.#allowance = this.#burstBytes;
    const { mctx } = receiver;
    this.#listening = mtcp_socket(mctx, AF_INET, SOCK_STREAM, 0);
    mtcp_bind(mctx, this.#listening, sockaddr_in('10.0.0.2', port));
    mtcp_listen(mctx, this.#listening, 1);
    mtcp_setsock_nonblock(mctx, this.#listening);
  }

  connect(): void {
    const { mctx } = this.#sender;
    const { control } = this.series;
    this.#socket = mtcp_socket(mctx, AF_INET, SOCK_STREAM, 0);
    mtcp_setsock_nonblock(mctx, this.#socket);
    if (mtcp_setsockopt(mctx, this.#socket, SOL_TCP, TCP_CONGESTION, control) !== 0) {
      throw new Error(`no congestion control '${control}'`);
    }
    mtcp_connect(mctx, this.#socket, sockaddr_in('10.0.0.2', this.#port));
  }

  /** Writes all that fits and that it may; EAGAIN until it is connected. */
  send(): void {
    if (this.#socket < 0) return;
    while (this.#allowance > 0) {
      const length = Math.min(CHUNK.length, this.#allowance);
      const result = mtcp_write(this.#sender.mctx, this.#socket, CHUNK, length);
      if (result <= 0) return;
      this.#allowance -= result;
    }
  }

  beginBurst(): void {
    this.#allowance = this.#burstBytes;
    this.send();
  }

  receive(): void {
    const { mctx } = this.#receiver;
    if (this.#accepted < 0) {
      this.#accepted = mtcp_accept(mctx, this.#listening);
      if (this.#accepted < 0) return;
      mtcp_setsock_nonblock(mctx, this.#accepted);
    }
    let count = 0;
    while ((count = mtcp_read(mctx, this.#accepted, CHUNK)) > 0) this.#read += count;
  }

  record(timeUs: number, intervalUs: number): void {
    const tcb = this.#sender.mctx.sockets.get(this.#socket)?.tcb;
    const goodputBps = (this.#read * 8e6) / intervalUs;
    this.#read = 0;
    this.series.points.push({
      timeUs,
      goodputBps,
      cwnd: tcb?.cc.cwnd ?? 0,
      flight: tcb === undefined ? 0 : diff(tcb.snd.nxt, tcb.snd.una),
      srttUs: tcb?.rtt.srttUs ?? 0,
      pacingRate: Math.round((tcb?.pacer?.rate ?? 0) * 1e6),
      modelRttUs: tcb?.bbr?.minRttUs ?? 0,
    });
  }
}

/** Mean goodput of a flow between two times, in bits per second. */
export function meanGoodput({ points }: FlowSeries, fromUs: number, toUs: number): number {
  const inside = points.filter(({ timeUs }) => timeUs > fromUs && timeUs <= toUs);
  return inside.reduce((sum, { goodputBps }) => sum + goodputBps, 0) / Math.max(1, inside.length);
}

/** Jain's index of fairness: 1 when all have the same, 1/n when one has everything. */
export function jainIndex(values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + value, 0);
  const squares = values.reduce((total, value) => total + value * value, 0);
  return squares === 0 ? 1 : (sum * sum) / (values.length * squares);
}
