// Stack options by their sysctl names: what they begin with, what they take and what they refuse.

import t from 'tap';
import { StackConfig } from '../../src/stack/config.js';

/** Defaults of Linux, where it has the option and this stack has no reason for another. */
const LINUX: Record<string, number | string> = {
  'net.ipv4.tcp_timestamps': 1,
  'net.ipv4.tcp_window_scaling': 1,
  'net.ipv4.tcp_sack': 1,
  'net.ipv4.tcp_synack_retries': 5,
  'net.ipv4.tcp_retries1': 3,
  'net.ipv4.tcp_retries2': 15,
  'net.ipv4.tcp_orphan_retries': 0,
  'net.ipv4.tcp_max_orphans': 65_536,
  'net.ipv4.tcp_fin_timeout': 60,
  'net.ipv4.tcp_max_syn_backlog': 4096,
  'net.core.somaxconn': 4096,
  'net.ipv4.tcp_abort_on_overflow': 0,
  'net.ipv4.tcp_rmem': '4096 131072 6291456',
  'net.ipv4.tcp_wmem': '4096 65536 4194304',
  'net.ipv4.tcp_rto_min_us': 200_000,
  'net.ipv4.tcp_rto_max_ms': 120_000,
  'net.ipv4.tcp_slow_start_after_idle': 1,
  'net.ipv4.tcp_min_snd_mss': 48,
  'net.ipv4.tcp_invalid_ratelimit': 500,
  'net.ipv4.ip_local_port_range': '32768 60999',
  'net.ipv4.ip_default_ttl': 64,
  'net.ipv4.icmp_echo_ignore_all': 0,
};

t.test('options begin with what Linux begins with', async (t) => {
  const config = new StackConfig();
  for (const [name, value] of Object.entries(LINUX)) t.equal(config.get(name), value, name);
  t.equal(config.get('tcp_syn_retries'), 7, 'one more than Linux: RFC 9293 MUST-23, three minutes at least');
});

t.test('a name works with and without its beginning', async (t) => {
  const config = new StackConfig({ tcp_sack: 0, somaxconn: 10 });
  t.equal(config.get('net.ipv4.tcp_sack'), 0);
  t.equal(config.get('net.core.somaxconn'), 10);
  config.set('net.ipv4.tcp_sack', 1);
  t.equal(config.get('tcp_sack'), 1);
});

t.test('every option takes its bounds and refuses what lies beyond, by name', async (t) => {
  for (const name of StackConfig.names()) {
    const config = new StackConfig();
    const before = config.get(name);
    config.set(name, before);
    t.equal(config.get(name), before, `${name} takes its own value`);
    t.throws(() => config.set(name, 'many'), { name: 'RangeError', message: new RegExp(name) });
    t.throws(() => config.set(name, -1), RangeError, `${name} is not negative`);
    t.throws(() => config.set(name, 1.5), RangeError, `${name} is whole`);
    t.throws(() => config.set(name, ''), RangeError, `${name} is something`);
    t.throws(() => config.set(name, Number.NaN), RangeError, `${name} is a number`);
    t.throws(() => config.set(name, Number.POSITIVE_INFINITY), RangeError, `${name} is finite`);
    t.equal(config.get(name), before, `${name} is unchanged by a refusal`);
    const bounds = /from (\d+) to (\d+)/.exec(refusal(config, name, 'x'));
    if (bounds === null || /\s/.test(String(before))) continue;
    const [lowest, highest] = [Number(bounds[1]), Number(bounds[2])];
    for (const value of [lowest, highest]) {
      config.set(name, value);
      t.equal(config.get(name), value, `${name} = ${value}`);
    }
    t.throws(() => config.set(name, highest + 1), RangeError, `${name} ends at ${highest}`);
    if (lowest > 0) t.throws(() => config.set(name, lowest - 1), RangeError, `${name} begins at ${lowest}`);
  }
});

function refusal(config: StackConfig, name: string, value: string): string {
  try {
    config.set(name, value);
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

t.test('lists have their number of rising values', async (t) => {
  const config = new StackConfig();
  config.set('tcp_rmem', ' 2048\t4096   8192 ');
  t.equal(config.get('tcp_rmem'), '2048 4096 8192');
  t.throws(() => config.set('tcp_rmem', '4096 2048 8192'), /rising/);
  t.throws(() => config.set('tcp_rmem', '4096 8192'), /3 rising integers/);
  t.throws(() => config.set('tcp_rmem', 4096), RangeError);
  config.set('ip_local_port_range', '5000 5000');
  t.throws(() => config.set('ip_local_port_range', '5001 5000'), RangeError);
  t.throws(() => config.set('ip_local_port_range', '0 5000'), RangeError);
});

t.test('an unknown option is refused by name, in the constructor as well', async (t) => {
  const config = new StackConfig();
  t.throws(() => config.get('tcp_magic'), { name: 'RangeError', message: /tcp_magic/ });
  t.throws(() => config.set('net.ipv4.tcp_magic', 1), /tcp_magic/);
  t.throws(() => new StackConfig({ tcp_magic: 1 }), /tcp_magic/);
  t.throws(() => config.get('constructor'), RangeError);
});

t.test('a congestion control that is not there is refused with those that are', async (t) => {
  const config = new StackConfig();
  t.throws(() => config.set('tcp_congestion_control', 'vegas'), /vegas.*reno/);
});
