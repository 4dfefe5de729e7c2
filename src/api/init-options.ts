// What `mtcp_init` and `startCores` are given: an object of options, or a configuration file and what comes over it.

import { withCores } from './conf-calls.js';
import { type ConfigFile, readConfigFile } from './config-file.js';
import { checkOptions, type MtcpOptions } from './options.js';

/** Options that have been checked, and the file that they come from. */
export interface InitOptions {
  readonly options: MtcpOptions;
  readonly file: ConfigFile | undefined;
}

/**
 * Reads and checks options.
 * @throws Error with `code` EINVAL that names the option or the file, line and key; or Node's error of a file that cannot be read
 */
export function readOptions(config: MtcpOptions | string, overrides: MtcpOptions): InitOptions {
  const file = typeof config === 'string' ? readConfigFile(config, ifaceOf(overrides)) : undefined;
  const options = file === undefined ? config : merge(file.options, overrides);
  const checked = checkOptions(
    typeof options === 'object' && options !== null ? withCores(options as MtcpOptions) : options,
  );
  if (typeof checked === 'string') throw Object.assign(new Error(checked), { code: 'EINVAL' });
  return { options: checked, file };
}

function ifaceOf(options: MtcpOptions): { iface?: string } {
  return typeof options?.iface === 'string' ? { iface: options.iface } : {};
}

/** Options of a file under those of the program. */
function merge(file: MtcpOptions, over: MtcpOptions): MtcpOptions {
  const { iface, cores, addresses, ...rest } = file;
  const isOwnNic = over?.nic !== undefined;
  const hasAddress = over?.address !== undefined || over?.addresses !== undefined;
  return {
    ...rest,
    ...(isOwnNic || iface === undefined ? {} : { iface }),
    ...(isOwnNic || over?.queues !== undefined || cores === undefined ? {} : { cores }),
    ...(hasAddress || addresses === undefined ? {} : { addresses }),
    ...over,
    sysctl: { ...file.sysctl, ...over?.sysctl },
  };
}
