// TCP options on the wire: one parser for every segment and the writers in Linux's byte layout. Which option means something
// in which state is the state machine's business. RFC 9293 3.1-3.2, RFC 7323, RFC 2018, RFC 7413, RFC 5482, RFC 2385, RFC 5925.

export const TCPOPT_EOL = 0;
export const TCPOPT_NOP = 1;
export const TCPOPT_MSS = 2;
export const TCPOPT_WSCALE = 3;
export const TCPOPT_SACK_PERMITTED = 4;
export const TCPOPT_SACK = 5;
export const TCPOPT_TIMESTAMPS = 8;
export const TCPOPT_MD5 = 19;
export const TCPOPT_USER_TIMEOUT = 28;
export const TCPOPT_AO = 29;
export const TCPOPT_FAST_OPEN = 34;
export const TCPOPT_ACCECN0 = 172;
export const TCPOPT_ACCECN1 = 174;
export const TCPOPT_EXPERIMENT = 254;

/** Experiment identifier of Fast Open in option 254 (RFC 7413 appendix A, RFC 6994). */
export const FAST_OPEN_MAGIC = 0xf989;

/** Bytes of an AccECN option with all three counters (RFC 9768 3.2.3). */
export const ACCECN_FULL_LENGTH = 11;

/** Bytes of the timestamps option with its two leading NOPs. */
export const TIMESTAMPS_LENGTH = 12;

/** Bytes of the user timeout option (RFC 5482 3.4). */
export const USER_TIMEOUT_LENGTH = 4;

/** Largest shift that RFC 7323 2.3 allows; a larger one on the wire is read as this. */
export const MAX_WSCALE = 14;

/** Four blocks of eight bytes are all that 40 bytes of options can hold (RFC 2018 3). */
export const MAX_SACK_BLOCKS = 4;

// NOP, NOP, timestamps, 10: how practically every sender lays out the option of a data segment.
const NOP_NOP_TIMESTAMPS = 0x0101080a;

/** The options of one segment. One object serves all segments: the parser resets it. */
export class TcpOptions {
  /** Maximum segment size; 0 = absent. */
  mss = 0;
  /** Window scale shift, at most 14; -1 = absent. */
  wscale = -1;
  sackPermitted = false;
  /** Whether the timestamps option was there. */
  timestamps = false;
  tsVal = 0;
  tsEcr = 0;
  /** Number of SACK blocks in `sackLeft` and `sackRight`, in wire order. */
  sackCount = 0;
  readonly sackLeft: Int32Array = new Int32Array(MAX_SACK_BLOCKS);
  readonly sackRight: Int32Array = new Int32Array(MAX_SACK_BLOCKS);
  /** A TCP-MD5 signature (RFC 2385) was there. */
  md5 = false;
  /** A TCP-AO option (RFC 5925) was there. */
  ao = false;
  /** User timeout as on the wire: granularity bit and 15 bits (RFC 5482 3); -1 = absent. */
  userTimeout = -1;
  /** Length of the Fast Open cookie in bytes; 0 = a cookie is asked for, -1 = absent or of a length that is not allowed. */
  fastOpenLength = -1;
  /** Offset of the cookie in the view that was parsed. */
  fastOpenOffset = 0;
  /** The cookie came in option 254, not 34, and the answer must come the same way. */
  fastOpenExperimental = false;
  /** Kind of the AccECN option, 172 or 174; 0 = absent. Where its counters begin in the view, and their bytes. */
  accEcnKind = 0;
  accEcnOffset = 0;
  accEcnLength = 0;
  /** An option had length 0 or 1 or ran over the header's end; what stood before it is valid. */
  malformed = false;
}

function reset(out: TcpOptions): void {
  out.mss = 0;
  out.wscale = -1;
  out.sackPermitted = false;
  out.timestamps = false;
  out.tsVal = 0;
  out.tsEcr = 0;
  out.sackCount = 0;
  out.md5 = false;
  out.ao = false;
  out.userTimeout = -1;
  out.fastOpenLength = -1;
  out.fastOpenOffset = 0;
  out.fastOpenExperimental = false;
  out.accEcnKind = 0;
  out.accEcnLength = 0;
  out.malformed = false;
}

/**
 * Reads the `length` bytes of options at `offset`, which the caller knows to lie within the view. Known options of a wrong
 * length and unknown ones are skipped (RFC 9293 MUST-6, MUST-7); a length of 0, of 1 or beyond the end stops the parser and
 * sets `malformed`. Of an option that occurs twice the last counts.
 */
export function parseTcpOptions(view: DataView, offset: number, length: number, out: TcpOptions): void {
  reset(out);
  if (length <= 0) return;
  if (length === TIMESTAMPS_LENGTH && view.getInt32(offset) === NOP_NOP_TIMESTAMPS) {
    out.timestamps = true;
    out.tsVal = view.getInt32(offset + 4);
    out.tsEcr = view.getInt32(offset + 8);
    return;
  }
  const end = offset + length;
  let at = offset;
  while (at < end) {
    const kind = view.getUint8(at);
    if (kind === TCPOPT_EOL) return;
    if (kind === TCPOPT_NOP) {
      at++;
      continue;
    }
    const size = at + 1 < end ? view.getUint8(at + 1) : 0;
    if (size < 2 || at + size > end) {
      out.malformed = true;
      return;
    }
    parseOption(view, at, kind, size, out);
    at += size;
  }
}

/** One option of `size` bytes, which lie within the header. */
function parseOption(view: DataView, at: number, kind: number, size: number, out: TcpOptions): void {
  switch (kind) {
    case TCPOPT_MSS:
      if (size === 4) out.mss = view.getUint16(at + 2);
      break;
    case TCPOPT_WSCALE:
      if (size === 3) out.wscale = Math.min(view.getUint8(at + 2), MAX_WSCALE);
      break;
    case TCPOPT_SACK_PERMITTED:
      if (size === 2) out.sackPermitted = true;
      break;
    case TCPOPT_SACK:
      if (size >= 10 && (size - 2) % 8 === 0) parseSackBlocks(view, at + 2, (size - 2) / 8, out);
      break;
    case TCPOPT_TIMESTAMPS:
      if (size === 10) {
        out.timestamps = true;
        out.tsVal = view.getInt32(at + 2);
        out.tsEcr = view.getInt32(at + 6);
      }
      break;
    case TCPOPT_MD5:
      if (size === 18) out.md5 = true;
      break;
    case TCPOPT_AO:
      if (size >= 4) out.ao = true;
      break;
    case TCPOPT_USER_TIMEOUT:
      if (size === 4) out.userTimeout = view.getUint16(at + 2);
      break;
    case TCPOPT_FAST_OPEN:
      parseFastOpen(at + 2, size - 2, false, out);
      break;
    case TCPOPT_ACCECN0:
    case TCPOPT_ACCECN1:
      // RFC 9768 3.2.3: what is beyond the counters that fit is not looked at.
      out.accEcnKind = kind;
      out.accEcnOffset = at + 2;
      out.accEcnLength = Math.min(size, ACCECN_FULL_LENGTH) - 2;
      break;
    case TCPOPT_EXPERIMENT:
      if (size >= 4 && view.getUint16(at + 2) === FAST_OPEN_MAGIC) parseFastOpen(at + 4, size - 4, true, out);
      break;
  }
}

function parseSackBlocks(view: DataView, at: number, count: number, out: TcpOptions): void {
  // 40 bytes hold no fifth block, but the parser must not depend on its caller for the size of its arrays.
  const blocks = Math.min(count, MAX_SACK_BLOCKS);
  for (let i = 0; i < blocks; i++) {
    out.sackLeft[i] = view.getInt32(at + i * 8);
    out.sackRight[i] = view.getInt32(at + i * 8 + 4);
  }
  out.sackCount = blocks;
}

/** RFC 7413 4.1.1: no cookie (a request), or 4 to 16 bytes and an even number of them. */
function parseFastOpen(offset: number, length: number, experimental: boolean, out: TcpOptions): void {
  if (length !== 0 && (length < 4 || length > 16 || (length & 1) === 1)) return;
  out.fastOpenLength = length;
  out.fastOpenOffset = offset;
  out.fastOpenExperimental = experimental;
}

/** Returns how many bytes `writeSynOptions` would write; always a multiple of 4. */
export function synOptionsLength(
  mss: number,
  wscale: number,
  sackPermitted: boolean,
  timestamps: boolean,
): number {
  let length = mss > 0 ? 4 : 0;
  if (timestamps) length += TIMESTAMPS_LENGTH;
  else if (sackPermitted) length += 4;
  return wscale >= 0 ? length + 4 : length;
}

/**
 * Writes the options of a SYN in Linux's order: `mss`, `sackOK,TS` (or `nop,nop,TS`, or `nop,nop,sackOK`), `nop,wscale`.
 * `mss` 0 and `wscale` -1 leave the option out. `accEcn` adds an AccECN option with its first values behind the timestamps. Returns the bytes written.
 */
export function writeSynOptions(
  view: DataView,
  offset: number,
  mss: number,
  wscale: number,
  sackPermitted: boolean,
  timestamps: boolean,
  tsVal: number,
  tsEcr: number,
  accEcn = false,
): number {
  let at = offset;
  if (mss > 0) {
    view.setInt32(at, (TCPOPT_MSS << 24) | (4 << 16) | (mss & 0xffff));
    at += 4;
  }
  if (timestamps) {
    // Linux spends the two bytes in front of the timestamps on SACK-permitted when it offers that, on NOPs otherwise.
    view.setInt32(at, sackPermitted ? 0x0402080a : NOP_NOP_TIMESTAMPS);
    view.setInt32(at + 4, tsVal);
    view.setInt32(at + 8, tsEcr);
    at += TIMESTAMPS_LENGTH;
  }
  if (accEcn) at += writeAccEcn(view, at, 3, 1, 0, 1);
  if (!timestamps && sackPermitted) {
    view.setInt32(at, 0x01010402);
    at += 4;
  }
  if (wscale >= 0) {
    view.setInt32(at, (TCPOPT_NOP << 24) | (TCPOPT_WSCALE << 16) | (3 << 8) | (wscale & 0xff));
    at += 4;
  }
  return at - offset;
}

/** Writes `nop,nop,TS` and returns its 12 bytes. */
export function writeTimestamps(view: DataView, offset: number, tsVal: number, tsEcr: number): number {
  view.setInt32(offset, NOP_NOP_TIMESTAMPS);
  view.setInt32(offset + 4, tsVal);
  view.setInt32(offset + 8, tsEcr);
  return TIMESTAMPS_LENGTH;
}

/** Writes a user timeout option: granularity bit and 15 bits (RFC 5482 3.4). Returns its 4 bytes. */
export function writeUserTimeout(view: DataView, offset: number, field: number): number {
  view.setInt32(offset, (TCPOPT_USER_TIMEOUT << 24) | (USER_TIMEOUT_LENGTH << 16) | field);
  return USER_TIMEOUT_LENGTH;
}

/** Returns how many bytes `writeSackBlocks` takes for `count` blocks. */
export function sackBlocksLength(count: number): number {
  return count > 0 ? 4 + count * 8 : 0;
}

/**
 * Writes `nop,nop,SACK` with the first `count` blocks and returns the bytes written (none for no block). The caller leaves
 * room: 4 blocks fit beside no other option, 3 beside timestamps.
 */
export function writeSackBlocks(
  view: DataView,
  offset: number,
  left: Int32Array,
  right: Int32Array,
  count: number,
): number {
  if (count <= 0) return 0;
  view.setInt32(offset, 0x01010500 | (2 + count * 8));
  for (let i = 0; i < count; i++) {
    view.setInt32(offset + 4 + i * 8, left[i]);
    view.setInt32(offset + 8 + i * 8, right[i]);
  }
  return 4 + count * 8;
}

/**
 * Writes an AccECN option of kind 174 with the first `fields` of its counters: bytes with ECT(1), with CE, with ECT(0) (RFC 9768 3.2.3).
 * Its last one or two bytes, where it does not end at a word, go to `spare`, in the place of two NOPs; returns the bytes written.
 */
export function writeAccEcn(
  view: DataView,
  offset: number,
  fields: number,
  ect1: number,
  ce: number,
  ect0: number,
): number {
  spareNops = NOP_NOP;
  if (fields === 0) {
    spareNops = (TCPOPT_ACCECN1 << 8) | 2;
    return 0;
  }
  view.setInt32(offset, (TCPOPT_ACCECN1 << 24) | ((2 + 3 * fields) << 16) | ((ect1 >>> 8) & 0xffff));
  if (fields === 1) {
    spareNops = ((ect1 & 0xff) << 8) | TCPOPT_NOP;
    return 4;
  }
  view.setInt32(offset + 4, ((ect1 & 0xff) << 24) | (ce & 0xffffff));
  if (fields === 2) return 8;
  view.setInt32(offset + 8, ((ect0 & 0xffffff) << 8) | TCPOPT_NOP);
  return 12;
}

const NOP_NOP = (TCPOPT_NOP << 8) | TCPOPT_NOP;
let spareNops = NOP_NOP;

/** Puts what `writeAccEcn` has left over into the two NOPs at `offset`, or into a word of its own. Returns the bytes added. */
export function writeSpare(view: DataView, offset: number, isInNops: boolean): number {
  if (spareNops === NOP_NOP) return 0;
  view.setUint16(offset, spareNops);
  if (!isInNops) view.setUint16(offset + 2, NOP_NOP);
  spareNops = NOP_NOP;
  return isInNops ? 0 : 4;
}

/** Writes a Fast Open option with a cookie of `length` bytes, padded by NOPs (RFC 7413 4.1.1, appendix A). Returns the bytes written. */
export function writeFastOpen(
  view: DataView,
  offset: number,
  cookie: Uint8Array,
  length: number,
  isExperimental: boolean,
): number {
  let at = offset;
  view.setUint8(at++, isExperimental ? TCPOPT_EXPERIMENT : TCPOPT_FAST_OPEN);
  view.setUint8(at++, length + (isExperimental ? 4 : 2));
  if (isExperimental) {
    view.setUint16(at, FAST_OPEN_MAGIC);
    at += 2;
  }
  for (let i = 0; i < length; i++) view.setUint8(at++, cookie[i]);
  while (((at - offset) & 3) !== 0) view.setUint8(at++, TCPOPT_NOP);
  return at - offset;
}
