// The program between the two ends of an impaired path: two AF_XDP Nics with faults, joined by a relay, in real time. Its argument
// is a RelayJob as JSON; it prints a line when it carries, and runs until it is killed.

import { FaultNic } from '../../src/nic/fault-nic.js';
import { openXdpNic } from '../../src/nic/open-xdp-nic.js';
import { POLLIN, Poller } from '../../src/nic/os/syscalls.js';
import { Relay } from '../../src/nic/relay.js';
import type { RelayJob } from './impaired-path.js';

const {
  netns,
  left,
  right,
  leftToRight,
  rightToLeft,
  seed = 1,
} = JSON.parse(process.argv[2] ?? '{}') as RelayJob;

/** Frames that wait on a long path stay in the memory of the Nic that received them. */
const FRAMES = 16_384;
/** Longest time without a look at the rings, in µs. */
const LONGEST_US = 1_000;

const clock = (): number => Math.floor(performance.now() * 1000);
const inner = [left, right].map((side) => openXdpNic({ netns, frames: FRAMES, ...side }));
const a = new FaultNic(inner[0]!, { seed, rx: leftToRight }, clock);
const b = new FaultNic(inner[1]!, { seed: seed + 1, rx: rightToLeft }, clock);
const relay = new Relay(a, b);
const poller = new Poller(
  inner.map(({ fd }) => fd),
  POLLIN,
);

process.stdout.write('ready\n');
for (;;) {
  while (relay.turn() > 0);
  for (const nic of inner) nic.wait(0);
  const untilDue = Math.min(a.nextEvent(), b.nextEvent()) - clock();
  if (untilDue > 0) poller.wait(Math.min(untilDue, LONGEST_US));
}
