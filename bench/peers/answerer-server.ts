// A server without a stack as a process, in the stack's place in the lab. Usage: answerer-server PORT REQUEST_BYTES REPLY_BYTES LAB.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { PATTERN_PERIOD } from '../../src/cli/servers/pattern.js';
import { openXdpNic } from '../../src/nic/open-xdp-nic.js';
import { LAB_STACK_ADDRESS, LAB_STACK_INTERFACE, stackNamespace } from '../../src/nic/os/lab.js';
import { addressNumber } from '../generator/wire.js';
import { Answerer, LONGEST_ANSWER } from './answerer.js';
import type { FrameServer } from './frame-server.js';
import { replyBytes } from './reply.js';
import { Streamer } from './streamer.js';

/** Turns between two looks at whether the process is to end. */
const TURNS = 4096;

const [port, request, reply, lab] = process.argv.slice(2);
const nic = openXdpNic({
  iface: LAB_STACK_INTERFACE,
  netns: stackNamespace(lab),
  addresses: [LAB_STACK_ADDRESS],
});

function makeServer(): FrameServer {
  const own = addressNumber(LAB_STACK_ADDRESS);
  const [requestBytes, length] = [Number(request), Number(reply)];
  if (length <= LONGEST_ANSWER) return new Answerer(nic, own, Number(port), requestBytes, replyBytes(length));
  const pattern = replyBytes(PATTERN_PERIOD + nic.capabilities.mtu);
  return new Streamer(nic, own, Number(port), {
    requestBytes,
    replyBytes: length,
    pattern,
    period: PATTERN_PERIOD,
  });
}

const server = makeServer();
let isOver = false;
process.once('SIGTERM', () => {
  isOver = true;
});
process.stdout.write('ready\n');
while (!isOver) {
  for (let i = 0; i < TURNS; i++) if (server.turn(performance.now()) === 0) nic.wait(50);
  await nextTurn();
}
nic.close();
process.exit(0);
