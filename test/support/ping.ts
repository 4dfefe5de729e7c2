// Pings of the kernel at the near end of a lab, made by hand and sent from the far end, so that no program is needed for them.

import { ethernet, ipv4, onesSum } from './frames.js';
import type { Lab } from './netns.js';
import type { PacketSocket } from './packet-socket.js';

const ICMP = 1;
const ETHERNET_AND_IPV4 = 34;

/** Sends echo request `sequence` with `size` bytes of data, which the kernel of the near end answers (RFC 792). */
export function sendPing(peer: PacketSocket, { near, far }: Lab, sequence: number, size = 56): void {
  const echo = Buffer.alloc(8 + size, sequence & 255);
  echo.writeUInt32BE(0x08000000, 0);
  echo.writeUInt16BE(process.pid & 0xffff, 4);
  echo.writeUInt16BE(sequence, 6);
  echo.writeUInt16BE(~onesSum(echo) & 0xffff, 2);
  peer.send(ethernet(near.mac, far.mac, 0x0800, ipv4(far.address, near.address, ICMP, echo)));
}

/** Waits for one of our answers and gives its sequence number; -1 when none comes in `timeoutMs`. */
export function receivePing(peer: PacketSocket, timeoutMs?: number): number {
  const reply = peer.receive(isReply, timeoutMs);
  return reply === undefined ? -1 : reply.readUInt16BE(ETHERNET_AND_IPV4 + 6);
}

/** Pings `count` times, one after another, and tells how many were answered. */
export function ping(peer: PacketSocket, lab: Lab, count: number, size?: number): number {
  let answered = 0;
  for (let sequence = 1; sequence <= count; sequence++) {
    sendPing(peer, lab, sequence, size);
    if (receivePing(peer) === sequence) answered++;
  }
  return answered;
}

function isReply(frame: Buffer): boolean {
  return (
    frame.length >= ETHERNET_AND_IPV4 + 8 &&
    frame.readUInt16BE(12) === 0x0800 &&
    frame[23] === ICMP &&
    frame[ETHERNET_AND_IPV4] === 0 &&
    frame.readUInt16BE(ETHERNET_AND_IPV4 + 4) === (process.pid & 0xffff)
  );
}
