// Who keeps an XDP program on an interface: a BPF link, which lives as long as a process (or a file of a bpffs) holds it and which
// `ip link` cannot take away, or nobody, when the program was attached through netlink. For the sentence of a refusal only.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { linkPrograms } from './bpf.js';
import { Netlink } from './netlink.js';

/** What keeps a program on an interface. */
export interface XdpHolder {
  /** How it is attached; `unknown` when this process may not look. */
  readonly kind: 'link' | 'netlink' | 'unknown';
  /** `native`, `skb`, `offload` or `multi`. */
  readonly mode: string;
  /** The process that holds the link, when it can be seen. */
  readonly pid?: number;
  /** Its name. */
  readonly process?: string;
}

/** Finds who keeps a program on an interface of the calling thread's namespace; undefined when none is there. */
export function xdpHolder(ifindex: number): XdpHolder | undefined {
  const netlink = new Netlink();
  try {
    const link = netlink.links().find(({ index }) => index === ifindex);
    if (link === undefined || link.xdp === 'none') return undefined;
    return holderOf(link.xdpProgram, link.xdp);
  } finally {
    netlink.close();
  }
}

/** As `xdpHolder`, by the number of the program. */
export function holderOf(program: number, mode: string): XdpHolder {
  if (program === 0) return { kind: 'unknown', mode };
  const pid = holdingProcess(program);
  if (pid !== undefined) return { kind: 'link', mode, pid, process: nameOf(pid) };
  const programs = linkPrograms();
  if (programs === undefined) return { kind: 'unknown', mode };
  return { kind: programs.has(program) ? 'link' : 'netlink', mode };
}

/** The kernel tells of each descriptor of a link, in its fdinfo, which program it is for. */
function holdingProcess(program: number): number | undefined {
  const sign = new RegExp(`^prog_id:\\s*${program}$`, 'm');
  for (const pid of list('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    for (const fd of list(`/proc/${pid}/fd`)) {
      if (!/bpf[-_]link/.test(attempt(() => readlinkSync(`/proc/${pid}/fd/${fd}`)))) continue;
      if (sign.test(attempt(() => readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'latin1')))) return Number(pid);
    }
  }
  return undefined;
}

function nameOf(pid: number): string {
  return attempt(() => readFileSync(`/proc/${pid}/comm`, 'latin1').trim()) || 'unknown';
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    // It has ended, or it is somebody else's.
    return [];
  }
}

function attempt(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}
