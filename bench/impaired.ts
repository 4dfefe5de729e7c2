// Our TCP and the kernel's through one and the same bad network: every pair of kernel and stack as sender and receiver, in turn,
// several rounds. Needs root.
//
//     node build/bench/impaired.js [--loss 0.01] [--delay-ms 25] [--mbps 100] [--queue 417] [--reorder P] [--duplicate P]
//         [--reorder-ms 1] [--seconds 10 | --mb N] [--rounds 3] [--congestion cubic,reno] [--pairs stack-kernel,…] [--seed 1] [--json]

import { parseArgs } from 'node:util';
import type { PathOptions } from '../src/nic/path.js';
import { type FlowResult, runFlow, type Side } from '../test/support/flow.js';
import { makeImpairedPath } from '../test/support/impaired-path.js';
import { labReason } from '../test/support/netns.js';

const { values } = parseArgs({
  options: {
    loss: { type: 'string', default: '0.01' },
    'delay-ms': { type: 'string', default: '25' },
    mbps: { type: 'string', default: '100' },
    queue: { type: 'string', default: '417' },
    reorder: { type: 'string', default: '0' },
    'reorder-ms': { type: 'string', default: '1' },
    duplicate: { type: 'string', default: '0' },
    seconds: { type: 'string' },
    mb: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    congestion: { type: 'string', default: 'cubic' },
    pairs: { type: 'string', default: 'kernel-kernel,stack-kernel,kernel-stack,stack-stack' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});

const reason = labReason();
if (reason !== undefined) {
  console.error(`cannot run: ${reason}`);
  process.exit(77);
}

const mbps = Number(values.mbps);
const path: PathOptions = {
  loss: Number(values.loss),
  duplicate: Number(values.duplicate),
  reorder: Number(values.reorder),
  reorderDelayUs: Math.round(Number(values['reorder-ms']) * 1000),
  delayUs: Math.round(Number(values['delay-ms']) * 1000),
  ...(mbps > 0 ? { bandwidthBps: mbps * 1e6 } : {}),
  queueFrames: Number(values.queue),
};
const length =
  values.mb === undefined
    ? { seconds: Number(values.seconds ?? 10) }
    : { bytes: Math.round(Number(values.mb) * 1e6) };

function median(numbers: number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}

const results = new Map<string, FlowResult[]>();
for (let round = 0; round < Number(values.rounds); round++) {
  for (const congestion of values.congestion.split(',')) {
    for (const pair of values.pairs.split(',')) {
      const [sender, receiver] = pair.split('-') as [Side, Side];
      // A seed for each round: the same for every pair, so that all meet the same losses as far as they send alike.
      const seed = Number(values.seed) + round * 2;
      const net = await makeImpairedPath('mtcp-b', { seed, leftToRight: path, rightToLeft: path });
      try {
        const result = await runFlow(net, { sender, receiver, congestion, ...length });
        const key = `${congestion.padEnd(6)} ${sender.padEnd(6)} to ${receiver}`;
        results.set(key, [...(results.get(key) ?? []), result]);
        const { received, sent } = result;
        if (values.json)
          console.log(JSON.stringify({ pair, congestion, seed, ...received, mbps: result.mbps, sent }));
        else
          console.log(
            `${key.padEnd(26)} seed ${seed}  ${result.mbps.toFixed(2).padStart(8)} Mbit/s  stall ${received.stallMs.toFixed(0).padStart(5)} ms  ` +
              `sent again ${sent.TcpRetransSegs}/${sent.TcpOutSegs}, timeouts ${sent.TcpExtTCPTimeouts}, probes ${sent.TcpExtTCPLossProbes}, lost again ${sent.TcpExtTCPLostRetransmit}`,
          );
      } finally {
        net.close();
      }
    }
  }
}
for (const [key, runs] of results) {
  const rates = runs.map((run) => run.mbps);
  const stall = Math.max(...runs.map((run) => run.received.stallMs));
  console.log(
    `${key.padEnd(26)} median ${median(rates).toFixed(2)} Mbit/s of ${rates.length}, longest stall ${stall.toFixed(0)} ms`,
  );
}
