// The public face of the stack room: the pure stack itself, for programs that bring their own Nic and loop.

export { Clock, type Micros, NEVER } from './clock.js';
export { StackConfig } from './config.js';
export { Counters } from './counters.js';
export { createRandom } from './random.js';
export { type RxChecksumPolicy, Stack, type StackOptions } from './stack.js';
export { stateName } from './tcp/state.js';
export { Address, Endpoint, formatAddress, formatMac, parseAddress, parseMac } from './wire/address.js';
export { formatPacket } from './wire/print.js';
