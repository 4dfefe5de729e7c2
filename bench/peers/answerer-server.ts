// The Answerer as a process, in the stack's place in the lab. Usage: answerer-server PORT REQUEST_BYTES REPLY_BYTES LAB.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { openXdpNic } from '../../src/nic/open-xdp-nic.js';
import { LAB_STACK_ADDRESS, LAB_STACK_INTERFACE, stackNamespace } from '../../src/nic/os/lab.js';
import { addressNumber } from '../generator/wire.js';
import { Answerer } from './answerer.js';
import { replyBytes } from './reply.js';

/** Turns between two looks at whether the process is to end. */
const TURNS = 4096;

const [port, request, reply, lab] = process.argv.slice(2);
const nic = openXdpNic({
  iface: LAB_STACK_INTERFACE,
  netns: stackNamespace(lab),
  addresses: [LAB_STACK_ADDRESS],
});
const own = addressNumber(LAB_STACK_ADDRESS);
const answerer = new Answerer(nic, own, Number(port), Number(request), replyBytes(Number(reply)));
let isOver = false;
process.once('SIGTERM', () => {
  isOver = true;
});
process.stdout.write('ready\n');
while (!isOver) {
  for (let i = 0; i < TURNS; i++) if (answerer.turn() === 0) nic.wait(50);
  await nextTurn();
}
nic.close();
process.exit(0);
