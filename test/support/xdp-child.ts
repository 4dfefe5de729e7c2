// A process that opens an interface and then ends in the way it is told to: what a test kills, or lets crash.
// Arguments: namespace, interface, address, and the ending: `hang`, `return`, `throw`, `unprivileged`,
// `worker`, `worker-throw`.

import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { openXdpNic } from '../../src/nic/open-xdp-nic.js';

const [netns = '', iface = '', address = '', ending = ''] = isMainThread
  ? process.argv.slice(2)
  : (workerData as string[]);

function open(): void {
  openXdpNic({ iface, addresses: [address], ...(netns === '-' ? {} : { netns }) });
}

if (isMainThread && ending.startsWith('worker')) {
  const worker = new Worker(new URL(import.meta.url), { workerData: [netns, iface, address, ending] });
  worker.on('error', () => {});
  // The process stays when the worker has ended, so what the worker left open would show.
  worker.on('exit', () => {
    process.stdout.write('ready\n');
    setInterval(() => {}, 1000);
  });
} else if (ending === 'unprivileged') {
  process.setgroups?.([]);
  process.setgid?.(65534);
  process.setuid?.(65534);
  try {
    open();
    process.stdout.write('opened\n');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    process.stdout.write(`${code}: ${message}\n`);
  }
} else {
  open();
  if (isMainThread) process.stdout.write('ready\n');
  if (ending === 'hang') setInterval(() => {}, 1000);
  if (ending.endsWith('throw')) throw new Error('on purpose');
}
