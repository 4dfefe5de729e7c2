// Runs a scenario: two virtual hosts, a wire with faults, programs at both ends of every connection, and the invariants checked
// at every turn. What a run leaves is the proof that it went well: counts, and a hash over every packet and its time.

import { createHash } from 'node:crypto';
import {
  type EpollEvent,
  errno,
  errnoName,
  MTCP_EPOLL_CTL_ADD,
  MTCP_EPOLLET,
  MTCP_EPOLLIN,
  MTCP_EPOLLOUT,
  mtcp_accept,
  mtcp_bind,
  mtcp_close,
  mtcp_connect,
  mtcp_epoll_create,
  mtcp_epoll_ctl,
  mtcp_listen,
  mtcp_setsock_nonblock,
  sockaddr_in,
} from '../../src/index.js';
import { below, createRandom, type Random } from '../../src/stack/random.js';
import { SYN_SENT } from '../../src/stack/tcp/state.js';
import { createHost, type Host, joinHosts, type SimulatedWire, World } from '../../src/testing/index.js';
import { describe, Invariants } from './invariants.js';
import { End, nonblockingSocket } from './programs.js';
import { type ConnectionPlan, isLossy, makeScenario, type Scenario } from './scenario.js';

/** What a run did. */
export interface RunResult {
  connections: number;
  /** Connections that came about and ended as planned at both ends. */
  complete: number;
  /** Connections lost to the network: the handshake or everything later had no answer. */
  lost: number;
  /** Those by what both ends were told. */
  errors: Record<string, number>;
  bytes: number;
  packets: number;
  retransmitted: number;
  virtualUs: number;
  turns: number;
  /** Over all packets of both hosts and their times. */
  hash: string;
}

const ADDRESSES = ['10.0.0.1', '10.0.0.2'];
const PORT = 80;
/** A connection on which nothing has happened for so long is stuck: R2 is 924.6 s with the defaults. */
const STUCK_US = 40 * 60_000_000;
/** Everything must be over by then. */
const END_US = 24 * 3_600_000_000;
const MAX_TURNS = 20_000_000;

interface Connection {
  plan: ConnectionPlan;
  /** Place in the scenario. */
  index: number;
  /** The end that connects, and the other one. */
  client: End;
  server: End;
  started: boolean;
  serverStarted: boolean;
}

class Simulation {
  readonly scenario: Scenario;
  readonly world = new World();
  readonly hosts: [Host, Host];
  readonly wire: SimulatedWire;
  readonly invariants: Invariants[];
  readonly connections: Connection[];
  private readonly random: Random;
  private readonly listeners: number[] = [];
  /** Epoll sets by host, and the ends by host and socket. */
  private readonly sets: number[] = [];
  private readonly waiting: Map<number, End>[] = [new Map(), new Map()];
  private readonly events: EpollEvent[] = [];
  /** Connections by the client's host and port. */
  private readonly byPort = new Map<string, Connection>();
  private readonly hash = createHash('sha256');
  private turns = 0;
  /** When the invariants were last checked, how many segments had passed by then, and whether a program has acted since. */
  private checkedAt = -1;
  private checkedSegments = 0;
  private acted = false;
  /** Connections that have not begun, the next one last; those that have and are not over. */
  private readonly coming: Connection[];
  private live: Connection[] = [];

  constructor(scenario: Scenario, traced: boolean) {
    this.scenario = scenario;
    this.random = createRandom(scenario.seed ^ 0x0a11);
    this.hosts = [this.makeHost(0), this.makeHost(1)];
    const [a, b] = this.hosts;
    this.wire = joinHosts(a, b, { seed: scenario.seed, aToB: scenario.aToB, bToA: scenario.bToA });
    if (traced)
      for (const [i, host] of this.hosts.entries())
        host.trace((way, time, bytes) => this.record(i, way, time, bytes));
    this.invariants = this.hosts.map((host, i) => new Invariants(host.stack, `host ${i}`));
    this.connections = scenario.connections.map((plan, i) => this.makeConnection(plan, i));
    this.coming = [...this.connections].sort((a, b) => b.plan.startUs - a.plan.startUs || b.index - a.index);
    this.listeners = this.hosts.map((host) => this.listen(host));
    this.sets = this.hosts.map((host) => mtcp_epoll_create(host.mctx, 1));
    this.world.add({ turn: () => this.turn(), deadline: () => this.deadline() });
    this.planBlackout();
  }

  run(): RunResult {
    const { world } = this;
    this.go(() => this.live.length + this.coming.length === 0);
    for (const [i, host] of this.hosts.entries()) {
      mtcp_close(host.mctx, this.listeners[i]);
      mtcp_close(host.mctx, this.sets[i]);
    }
    this.go(() => false);
    for (const connection of this.live) this.abandon(connection);
    this.go(() => false);
    // A server of which nobody has heard: its client has gone before the handshake was over.
    const waiting = this.live.filter(({ client, server }) => !client.done || server.socket >= 0);
    if (waiting.length > 0) this.fail('nothing happens any more, but programs wait', waiting[0]);
    for (const [i, host] of this.hosts.entries()) this.invariants[i].checkEmpty(host);
    const { aToB, bToA } = this.wire;
    if (aToB.inFlight + bToA.inFlight > 0) throw new Error('packets are still on their way');
    let complete = 0;
    for (const connection of this.connections) if (this.judge(connection)) complete++;
    const counters = this.hosts.map((host) => host.stack.counters);
    return {
      connections: this.connections.length,
      complete,
      lost: this.connections.filter((c) => this.wasLost(c)).length,
      errors: this.errors(),
      bytes: this.connections.reduce((sum, c) => sum + c.client.read + c.server.read, 0),
      packets: aToB.counts.frames + bToA.counts.frames,
      retransmitted: counters.reduce((sum, c) => sum + c.TcpRetransSegs, 0),
      virtualUs: world.now,
      turns: this.turns,
      hash: this.hash.digest('hex'),
    };
  }

  /**
   * Lets an end go that waits for a peer whose reset, or whose last retransmission, was lost, or that was never accepted because
   * all ACKs of the handshake were. Returns whether it did.
   */
  private abandon({ client, server }: Connection): boolean {
    const isServerGone = server.done || server.socket < 0;
    if (!(isLossy(this.scenario) || this.hasGivenUp()) || client.done === isServerGone) return false;
    const end = client.done ? server : client;
    return end.socket >= 0 && end.giveUp('abandoned');
  }

  /**
   * True when a stack has given something up: on a good network that is what a program had let go and its peer did not read, for
   * a closed window is not probed for ever without an owner.
   */
  private hasGivenUp(): boolean {
    return this.hosts.some(({ stack }) => stack.counters.TcpExtTCPAbortOnTimeout > 0);
  }

  /** Lets time pass until `isOver`, or until nothing will ever happen. */
  private go(isOver: () => boolean): void {
    const { world } = this;
    for (;;) {
      world.settle();
      if (isOver()) return;
      const next = world.nextEvent();
      if (next === Number.POSITIVE_INFINITY) return;
      if (next > END_US) this.fail('it does not end', this.live[0]);
      world.advance(Math.ceil(next));
    }
  }

  private makeHost(index: number): Host {
    const { link, hosts, seed } = this.scenario;
    const { mtu, frames, sysctl } = hosts[index];
    return createHost({
      addresses: [`${ADDRESSES[index]}/24`],
      link,
      mtu,
      sysctl,
      seed: seed * 2 + index,
      world: this.world,
      // Socket buffers beside the frames, as on a wire, or apart from them.
      nic: { frames, bigFrames: 64, strict: true, spareBytes: seed % 2 === 0 ? 0 : 1 << 18 },
    });
  }

  private makeConnection(plan: ConnectionPlan, index: number): Connection {
    const { seed } = this.scenario;
    const polls = this.scenario.notice === 'poll';
    const [from, to] = [this.hosts[plan.from], this.hosts[1 - plan.from]];
    return {
      plan,
      index,
      client: new End(from, plan.client, createRandom(seed + index * 2 + 1), index * 2, index * 2 + 1, polls),
      server: new End(to, plan.server, createRandom(~seed - index * 2), index * 2 + 1, index * 2, polls),
      started: false,
      serverStarted: false,
    };
  }

  private listen(host: Host): number {
    const socket = nonblockingSocket(host);
    const result =
      mtcp_bind(host.mctx, socket, sockaddr_in('0.0.0.0', PORT)) ||
      mtcp_listen(host.mctx, socket, this.scenario.backlog);
    if (result !== 0) throw new Error(`no listener: ${errnoName(errno)}`);
    return socket;
  }

  private planBlackout(): void {
    const { blackout, aToB, bToA } = this.scenario;
    if (blackout.lengthUs === 0) return;
    const set = (atUs: number, a: number, b: number): void => {
      this.world.clock.schedule(atUs, () => {
        this.wire.aToB.configure({ loss: a });
        this.wire.bToA.configure({ loss: b });
      });
    };
    set(blackout.startUs, 1, 1);
    set(blackout.startUs + blackout.lengthUs, aToB.loss ?? 0, bToA.loss ?? 0);
  }

  /** One round of all programs, and the checks. */
  private turn(): boolean {
    if (this.hasMoved()) for (const invariants of this.invariants) invariants.check();
    if (++this.turns % 4096 === 0) for (const host of this.hosts) host.nic.check();
    if (this.turns > MAX_TURNS) this.fail('it goes on and on', this.live[0]);
    for (const { stack } of this.hosts) stack.tcp.core.dormancy.look();
    let any = this.accept(0) || this.accept(1);
    let done = false;
    this.wake();
    while ((this.coming.at(-1)?.plan.startUs ?? Number.POSITIVE_INFINITY) <= this.world.now) {
      this.live.push(this.coming.pop()!);
    }
    for (const connection of this.live) {
      any = this.start(connection) || any;
      any = this.connected(connection.client) || any;
      any = this.connected(connection.server) || any;
      any = connection.client.act() || any;
      any = connection.server.act() || any;
      const { client, server } = connection;
      done ||= client.done && server.done;
      this.watch(connection);
    }
    if (done) this.live = this.live.filter(({ client, server }) => !(client.done && server.done));
    this.acted = any;
    return any;
  }

  /** False in a second round of one instant in which no segment came or went and no program has done anything. */
  private hasMoved(): boolean {
    let segments = 0;
    for (const { stack } of this.hosts) {
      const { TcpInSegs, TcpOutSegs, TcpRetransSegs } = stack.counters;
      segments += TcpInSegs + TcpOutSegs + TcpRetransSegs;
    }
    const { now } = this.world;
    const same = now === this.checkedAt && segments === this.checkedSegments && !this.acted;
    this.checkedAt = now;
    this.checkedSegments = segments;
    return !same;
  }

  private deadline(): number {
    let next = Number.POSITIVE_INFINITY;
    const { now } = this.world;
    const at = (time: number): void => {
      if (time > now && time < next) next = time;
    };
    at(this.coming.at(-1)?.plan.startUs ?? next);
    for (const { plan, client, server } of this.live) {
      if (plan.simultaneousUs >= 0) at(plan.startUs + plan.simultaneousUs);
      if (!client.done) at(client.sleepUntil);
      if (!server.done) at(server.sleepUntil);
    }
    return next;
  }

  private start(connection: Connection): boolean {
    const { plan, client, server, index } = connection;
    const { now } = this.world;
    let any = false;
    const isBoth = plan.simultaneousUs >= 0;
    if (!connection.started) {
      connection.started = true;
      const port = this.open(client, plan, isBoth ? 10_000 + index : 0, isBoth ? 20_000 + index : PORT);
      if (!isBoth) this.byPort.set(`${plan.from}:${port}`, connection);
      any = true;
    }
    if (isBoth && !connection.serverStarted && now >= plan.startUs + plan.simultaneousUs) {
      connection.serverStarted = true;
      this.open(server, plan, 20_000 + index, 10_000 + index);
      any = true;
    }
    return any;
  }

  private open(end: End, plan: ConnectionPlan, localPort: number, remotePort: number): number {
    const { host } = end;
    const socket = nonblockingSocket(host);
    if (localPort > 0 && mtcp_bind(host.mctx, socket, sockaddr_in('0.0.0.0', localPort)) !== 0) {
      throw new Error(`mtcp_bind: ${errnoName(errno)}`);
    }
    const to = ADDRESSES[1 - this.hosts.indexOf(host)];
    mtcp_connect(host.mctx, socket, sockaddr_in(to, remotePort));
    if (errnoName(errno) !== 'EINPROGRESS') throw new Error(`mtcp_connect: ${errnoName(errno)}`);
    end.open(socket);
    this.attend(end);
    const tcb = end.connection!;
    const { nodelay, pacingRate } = plan;
    if (nodelay || pacingRate > 0) {
      host.stack.tcp.tune(tcb, { ...tcb.tuning, nodelay, maxPacingRate: pacingRate });
    }
    return tcb.local.port;
  }

  /** Looks at the outcome of an end's connect. Returns whether it has failed just now. */
  private connected(end: End): boolean {
    if (end.read + end.written > 0) return false;
    const tcb = end.connection;
    if (tcb === undefined || tcb.state >= SYN_SENT || tcb.error === 0) return false;
    if (tcb.snd.una !== tcb.snd.iss) return false;
    return end.giveUp(`connect: ${errnoName(tcb.error)}`);
  }

  /** Has an end told by events, when that is the way of this run. */
  private attend(end: End): void {
    const index = this.hosts.indexOf(end.host);
    const { notice } = this.scenario;
    if (notice === 'poll') return;
    this.waiting[index].set(end.socket, end);
    const events = MTCP_EPOLLIN | MTCP_EPOLLOUT | (notice === 'edge' ? MTCP_EPOLLET : 0);
    const result = mtcp_epoll_ctl(end.host.mctx, this.sets[index], MTCP_EPOLL_CTL_ADD, end.socket, {
      events,
    });
    if (result !== 0) throw new Error(`mtcp_epoll_ctl: ${errnoName(errno)}`);
  }

  /** Wakes the ends that have events. Collects without turning the loop, as mtcp_epoll_wait would. */
  private wake(): void {
    if (this.scenario.notice === 'poll') return;
    for (const [index, { mctx }] of this.hosts.entries()) {
      const set = mctx.sockets.get(this.sets[index])?.epoll;
      if (set === undefined) continue;
      const count = mctx.interests.collect(set, this.events, 1000);
      for (let i = 0; i < count; i++) {
        const end = this.waiting[index].get(this.events[i].data.sockid ?? -1);
        if (end !== undefined) end.asleep = false;
      }
    }
  }

  private accept(index: number): boolean {
    const host = this.hosts[index];
    let any = false;
    if (this.live.length === 0) return false;
    for (;;) {
      if (host.mctx.sockets.get(this.listeners[index])?.listener?.acceptQueue.length === 0) return any;
      const socket = mtcp_accept(host.mctx, this.listeners[index]);
      if (socket < 0) return any;
      any = true;
      mtcp_setsock_nonblock(host.mctx, socket);
      const { port } = host.mctx.sockets.get(socket)!.tcb!.remote;
      const connection = this.byPort.get(`${1 - index}:${port}`);
      if (connection === undefined || connection.server.socket >= 0 || connection.server.done) {
        throw new Error(`host ${index} accepts a connection from port ${port} that nobody has opened`);
      }
      connection.server.open(socket);
      this.attend(connection.server);
      if (below(this.random, 4) === 0) connection.server.sleepUntil = host.now + below(this.random, 50_000);
    }
  }

  /** Finds what does not go on although it should. */
  private watch(connection: Connection): void {
    const { client, server, plan } = connection;
    const last = Math.max(
      plan.startUs,
      client.activeAt,
      server.activeAt,
      client.sleepUntil,
      server.sleepUntil,
    );
    if (this.world.now - last <= STUCK_US || (client.done && server.socket < 0)) return;
    if (!this.abandon(connection)) this.fail('a connection is stuck', connection);
  }

  /** True when neither program wanted it to end as it did. */
  private wasLost({ client, server }: Connection): boolean {
    return (client.error !== '' || server.error !== '') && !isWild(client) && !isWild(server);
  }

  private errors(): Record<string, number> {
    const errors: Record<string, number> = {};
    for (const connection of this.connections) {
      if (!this.wasLost(connection)) continue;
      const { client, server } = connection;
      const text = `${client.error || '-'}/${server.error || '-'}${connection.plan.simultaneousUs >= 0 ? ' simultaneous' : ''}`;
      errors[text] = (errors[text] ?? 0) + 1;
    }
    return errors;
  }

  /** Compares both ends. Returns whether the connection is complete. */
  private judge(connection: Connection): boolean {
    const { client, server, plan } = connection;
    if (server.read > client.written || client.read > server.written)
      this.fail('more was read than written', connection);
    const wild = isWild(client) || isWild(server);
    const error = client.error || server.error;
    if (error !== '') {
      const mayBeRefused = plan.simultaneousUs >= 0 && error === 'connect: ECONNREFUSED';
      if (!wild && !mayBeRefused && !isLossy(this.scenario) && !this.hasGivenUp())
        this.fail(`failed with ${error} on a good network`, connection);
      return false;
    }
    if (wild) return true;
    const isWhole =
      server.read === client.written && client.read === server.written && client.sawEnd && server.sawEnd;
    if (!isWhole) this.fail('the streams are not whole', connection);
    return true;
  }

  private fail(problem: string, connection: Connection | undefined): never {
    let text = `${problem} at ${this.world.now} µs`;
    for (const end of connection === undefined ? [] : [connection.client, connection.server]) {
      const { written, read, sawEnd, done, error, plan } = end;
      text += `\n  ${JSON.stringify({ host: this.hosts.indexOf(end.host), written, read, sawEnd, done, error, ...plan })}`;
      if (end.connection !== undefined) text += `\n${describe(end.connection)}`;
    }
    throw new Error(text);
  }

  private record(host: number, way: string, timeUs: number, bytes: Uint8Array): void {
    this.hash.update(`${host} ${way} ${timeUs} ${bytes.length}\n`).update(bytes);
  }
}

/** True for an end that does not wait for the other one. */
function isWild({ plan }: End): boolean {
  return plan.ending === 'vanish' || plan.ending === 'abort';
}

/** Runs the scenario that `make` makes of a seed. @throws Error that says what went wrong, with the seed and the scenario */
export function simulate(
  seed: number,
  traced = false,
  make: (seed: number) => Scenario = makeScenario,
): RunResult {
  const scenario = make(seed);
  try {
    return new Simulation(scenario, traced).run();
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    throw new Error(
      `seed ${seed} (replay: SIM_SEED=${seed} SIM_RUNS=1)\n${text}\n${JSON.stringify(scenario, null, 1)}`,
    );
  }
}
