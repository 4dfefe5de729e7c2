// The frame that moves when packets are counted.

const FRAME = 64;

/** A TCP segment without data, which is what the XDP program lets through; MAC addresses with colons, IPv4 ones with dots. */
export function frameFor(srcMac: string, dstMac: string, src: string, dst: string): Buffer {
  const bytes = Buffer.alloc(FRAME);
  bytes.set(Buffer.from(dstMac.replaceAll(':', ''), 'hex'), 0);
  bytes.set(Buffer.from(srcMac.replaceAll(':', ''), 'hex'), 6);
  bytes.writeUInt16BE(0x0800, 12);
  bytes[14] = 0x45;
  bytes.writeUInt16BE(FRAME - 14, 16);
  bytes[22] = 64;
  bytes[23] = 6;
  bytes.set(src.split('.').map(Number), 26);
  bytes.set(dst.split('.').map(Number), 30);
  let sum = 0;
  for (let at = 14; at < 34; at += 2) sum += bytes.readUInt16BE(at);
  sum = (sum & 0xffff) + (sum >>> 16);
  bytes.writeUInt16BE(~(sum + (sum >>> 16)) & 0xffff, 24);
  bytes.writeUInt16BE(1000, 34);
  bytes.writeUInt16BE(2000, 36);
  bytes[46] = 0x50;
  return bytes;
}
