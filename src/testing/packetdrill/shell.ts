// The commands of scripts, as far as they set the stack up or ask for its counters. Nothing is run.

import { PacketdrillError } from './script.js';

/** What commands work on. */
export interface ShellTarget {
  /** Sets an option by its sysctl name; false when there is none. */
  sysctl(name: string, value: string): boolean;
  /** Value of a counter by its nstat name; undefined when there is none. */
  counter(name: string): number | undefined;
  /** Text of a file beside the script; undefined when it cannot be read. */
  include(path: string): string | undefined;
}

/** Commands without meaning here: they tune the sender's queueing, undo what ends with the virtual host, or are done already. */
const WITHOUT_EFFECT =
  /^(?:#.*|ip tcp_metrics .*|tc qdisc .*|.*sysctl_restore.*|source .*|sleep .*|true|:|ethtool .*|ip link set .* mtu .*|modprobe .*)$/;

/** Interprets commands, and remembers the counters for `nstat`, which tells what came since it was last called. */
export class Shell {
  private readonly target: ShellTarget;
  private readonly counted = new Map<string, number>();

  constructor(target: ShellTarget) {
    this.target = target;
  }

  /** Returns why the commands fail; undefined when they succeed. @throws PacketdrillError for what is not known */
  run(text: string, line: number): string | undefined {
    for (const command of commands(text)) {
      const wrong = this.runOne(command, line);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  }

  private runOne(command: string, line: number): string | undefined {
    if (WITHOUT_EFFECT.test(command)) return undefined;
    const [program, ...words] = command.split(/\s+/);
    if (program === 'nstat') return this.nstat(command, line);
    if (program === 'sysctl') {
      for (const pair of pairs(command)) this.set(pair);
      return undefined;
    }
    if (program.endsWith('set_sysctls.py')) {
      for (const word of words) this.set(word.replace(/^\/proc\/sys\//, ''));
      return undefined;
    }
    if (program.endsWith('.sh')) {
      const included = this.target.include(program);
      if (included === undefined) throw new PacketdrillError(line, `the file ${program}`, true);
      return this.run(included, line);
    }
    throw new PacketdrillError(line, `the command '${command}'`, true);
  }

  /** An option that this stack does not have changes nothing. */
  private set(pair: string): void {
    const [name, value = ''] = pair.split('=', 2);
    this.target.sysctl(name.replaceAll('/', '.'), arithmetic(value.replace(/["']/g, '')));
  }

  /** `nstat | grep NAME | grep " N "`: so often since the last time. */
  private nstat(command: string, line: number): string | undefined {
    const name = /grep\s+(?:-q\s+)?"?(\w+)"?/.exec(command)?.[1];
    if (name === undefined) return undefined;
    const value = this.target.counter(name);
    if (value === undefined) throw new PacketdrillError(line, `the counter ${name}`, true);
    const since = value - (this.counted.get(name) ?? 0);
    this.counted.set(name, value);
    const wanted = /"\s*(\d+)\s*"/.exec(command)?.[1];
    if (wanted === undefined ? since > 0 : since === Number(wanted)) return undefined;
    return `${name} is ${since}, not ${wanted ?? 'more than 0'}`;
  }
}

function commands(text: string): string[] {
  return text
    .replaceAll('\\\n', ' ')
    .split(/[\n;]/)
    .map((command) => command.replace(/\s*(?:2?>\s*\/dev\/null|2>&1)/g, '').trim())
    .filter((command) => command !== '' && !command.startsWith('#'));
}

/** `name=value` words, where a value in quotes may hold spaces. */
function pairs(command: string): string[] {
  return command.match(/[\w./]+=(?:"[^"]*"|'[^']*'|\S+)/g) ?? [];
}

/** Products in `$((…))` as numbers. */
function arithmetic(value: string): string {
  return value.replace(/\$\(\(([\d*\s]+)\)\)/g, (_, product: string) =>
    String(product.split('*').reduce((left, right) => left * Number(right), 1)),
  );
}
