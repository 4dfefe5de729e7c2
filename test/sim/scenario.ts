// A simulation as plain data, made from a seed: the wire with its faults, both hosts, and what their programs do. Printed when
// a run fails, so that one sees at a glance what was special about it.

import type { PathOptions } from '../../src/nic/path.js';
import { below, chance, createRandom, type Random } from '../../src/stack/random.js';

/** How one end of a connection behaves once it has written everything. */
export type Ending =
  /** Closes its side, reads to the end, lets go. */
  | 'polite'
  /** Reads to the end of the stream before it closes its own side. */
  | 'late'
  /** Lets go at once, whatever may still arrive. */
  | 'vanish'
  /** Resets the connection on the way. */
  | 'abort';

export interface EndPlan {
  /** Bytes to write. */
  bytes: number;
  /** Bytes per call, at most. */
  writeSize: number;
  readSize: number;
  /** Probability of a pause after a call, and its longest time in µs. */
  pause: number;
  pauseUs: number;
  ending: Ending;
}

export interface ConnectionPlan {
  /** Which host connects, 0 or 1. */
  from: number;
  startUs: number;
  /** Both ends connect to each other, at times that differ by this many µs; -1 for client and server. */
  simultaneousUs: number;
  nodelay: boolean;
  /** SO_MAX_PACING_RATE of the client, in bytes per second; 0 for none. */
  pacingRate: number;
  client: EndPlan;
  server: EndPlan;
}

export interface HostPlan {
  mtu: number;
  frames: number;
  sysctl: Record<string, number | string>;
}

export interface Scenario {
  seed: number;
  link: 'ethernet' | 'ip';
  aToB: PathOptions;
  bToA: PathOptions;
  /** Nothing passes in this time; length 0 for never. */
  blackout: { startUs: number; lengthUs: number };
  backlog: number;
  /** How programs learn that there is something to do: by trying, or by level- or edge-triggered epoll. */
  notice: 'poll' | 'level' | 'edge';
  hosts: [HostPlan, HostPlan];
  connections: ConnectionPlan[];
}

const CONTROLS = ['cubic', 'reno', 'bbr'];
/** How much an end writes at most, when there are few connections. */
const SIZES = [0, 1, 200, 8_000, 60_000, 400_000];

/** Makes the scenario of a seed. */
export function makeScenario(seed: number): Scenario {
  const random = createRandom(seed);
  const choice = createRandom(~seed);
  const pick = <T>(...choices: T[]): T => choices[below(random, choices.length)];
  const link = pick('ethernet' as const, 'ip' as const);
  const mtu = pick(576, 1500, 1500, 9000);
  const clean = chance(random, 0.2);
  const path = (): PathOptions => ({
    loss: clean ? 0 : pick(0, 0, 0.001, 0.01, 0.05, 0.15),
    duplicate: clean ? 0 : pick(0, 0, 0.01, 0.1),
    reorder: clean ? 0 : pick(0, 0, 0.01, 0.1, 0.3),
    reorderDelayUs: pick(100, 1_000, 30_000),
    corrupt: clean ? 0 : pick(0, 0, 0.001, 0.02),
    delayUs: pick(0, 50, 1_000, 20_000, 150_000),
    jitterUs: pick(0, 0, 100, 5_000),
    bandwidthBps: pick(Number.POSITIVE_INFINITY, 1e6, 1e7, 1e8, 1e9),
    queueFrames: clean ? 1000 : pick(4, 20, 100, 1000),
  });
  const host = (): HostPlan => ({
    mtu: chance(random, 0.2) ? pick(576, 1500, 9000) : mtu,
    frames: link === 'ethernet' ? pick(256, 1024) : pick(8, 64, 1024),
    sysctl: {
      tcp_timestamps: pick(0, 1, 1, 2),
      tcp_sack: pick(0, 1),
      tcp_window_scaling: pick(0, 1, 1),
      tcp_rmem: pick(
        '1024 2048 6291456',
        '4096 4096 6291456',
        '4096 16384 262144',
        '4096 131072 6291456',
        '4096 1048576 6291456',
        '4096 8192 1073741824',
      ),
      tcp_wmem: pick('1024 1024 1024', '4096 4096 65536', '4096 16384 4194304', '4096 65536 4194304'),
      tcp_delack_ms: pick(0, 40, 40, 200),
      tcp_initial_cwnd: pick(1, 4, 10),
      tcp_slow_start_after_idle: pick(0, 1),
      tcp_rto_min_us: pick(1_000, 200_000, 200_000),
      tcp_min_snd_mss: pick(48, 536),
      tcp_congestion_control: CONTROLS[below(choice, CONTROLS.length)],
      tcp_dsack: pick(0, 1, 1),
      tcp_frto: pick(0, 2, 2),
      tcp_early_retrans: pick(0, 3, 3),
      tcp_moderate_rcvbuf: pick(0, 1),
      // Not drawn, so that the scenarios of seeds that are known stay as they are.
      tcp_uto: seed % 3 === 0 ? 1 : 0,
      tcp_dormant_threshold: seed % 2 === 0 ? 0 : 1024,
      tcp_dormant_after_ms: 1,
    },
  });
  const blackout = {
    startUs: below(random, 3_000_000),
    lengthUs: !clean && chance(random, 0.15) ? below(random, 20_000_000) : 0,
  };
  const hosts: [HostPlan, HostPlan] = [host(), host()];
  const count = pick(1, 2, 4, 8, 16);
  return {
    seed,
    link,
    aToB: path(),
    bToA: path(),
    blackout,
    backlog: pick(1, 4, 64),
    notice: pick('poll' as const, 'level' as const, 'edge' as const),
    hosts,
    connections: Array.from({ length: count }, () => makeConnection(random, choice, count, SIZES)),
  };
}

/**
 * Makes the crowd of a seed: the same hosts and faults, and some hundred connections one after the other, most of them short. It is
 * what a million connections are made of.
 */
export function makeCrowd(seed: number): Scenario {
  const scenario = makeScenario(seed);
  const random = createRandom(seed ^ 0xc404d);
  const choice = createRandom(~seed ^ 0xc404d);
  const pick = <T>(...choices: T[]): T => choices[below(random, choices.length)];
  const span = CROWD * pick(20_000, 100_000, 500_000);
  const connections = Array.from({ length: CROWD }, () => {
    const plan = makeConnection(random, choice, 1, CROWD_SIZES);
    return { ...plan, startUs: below(random, span) };
  });
  // What is over makes room soon, or every step would look at hundreds of connections in TIME-WAIT.
  for (const { sysctl } of scenario.hosts) sysctl.tcp_timewait_ms = pick(1, 200, 2_000);
  return { ...scenario, connections };
}

/** Connections of a crowd, and how much their ends write at most, one of these. */
export const CROWD = 256;
const CROWD_SIZES = [0, 1, 200, 200, 1_500, 1_500, 8_000, 40_000];

function makeConnection(
  random: Random,
  choice: Random,
  count: number,
  sizes: readonly number[],
): ConnectionPlan {
  const pick = <T>(...choices: T[]): T => choices[below(random, choices.length)];
  const client = makeEnd(random, count, sizes);
  const server = makeEnd(random, count, sizes);
  // Two that wait for each other's end would wait for ever.
  if (client.ending === 'late' && server.ending === 'late') server.ending = 'polite';
  return {
    from: below(random, 2),
    startUs: below(random, 2_000_000),
    simultaneousUs: chance(random, 0.15) ? below(random, 2) * below(random, pick(10, 300_000)) : -1,
    nodelay: chance(random, 0.3),
    pacingRate: chance(choice, 0.2) ? 1_000 * 10 ** below(choice, 5) : 0,
    client,
    server,
  };
}

function makeEnd(random: Random, count: number, sizes: readonly number[]): EndPlan {
  const pick = <T>(...choices: T[]): T => choices[below(random, choices.length)];
  const bytes = below(random, 1 + pick(...sizes) / Math.max(1, count >> 2));
  const size = (): number => 1 + below(random, pick(16, 1_000, 5_000, 65_000));
  return {
    bytes,
    writeSize: Math.max(size(), bytes >> 9),
    readSize: Math.max(size(), bytes >> 9),
    pause: pick(0, 0, 0.01, 0.2),
    pauseUs: pick(1_000, 60_000, 3_000_000),
    ending: pick('polite', 'polite', 'polite', 'late', 'vanish', 'abort'),
  };
}

/** True when frames may be missing, so that a connection may fail through no fault of its own. */
export function isLossy({ aToB, bToA, blackout, hosts }: Scenario): boolean {
  const loses = ({ loss = 0, corrupt = 0, queueFrames = 1000 }: PathOptions): boolean =>
    loss + corrupt > 0 || queueFrames < 1000;
  return loses(aToB) || loses(bToA) || blackout.lengthUs > 0 || hosts.some(({ frames }) => frames < 1024);
}
