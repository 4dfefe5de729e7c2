// mTCP's static tables: route.conf (`ROUTES n` and n lines `ip/prefix device`) and arp.conf (`ARP_ENTRY n` and n lines
// `ip/prefix mac`). Both are optional and lie in a folder `config` beside mtcp.conf, or where the program was started.

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseMac } from '../stack/wire/address.js';
import type { ConfLine } from './conf-lines.js';
import { ConfigError, readLines } from './conf-lines.js';
import { parseCidr } from './options.js';

/** mTCP's limits, one of the routes being the interface's own. */
const MAX_ROUTES = 64;
const MAX_ARP = 1024;

/** Finds `config/NAME` beside the file `path`, or else under the working folder; undefined when there is none. */
export function findTable(path: string, name: string): string | undefined {
  return [join(dirname(path), 'config', name), join('config', name)].find((candidate) =>
    existsSync(candidate),
  );
}

/** The lines of a table after its heading, which says how many there are. */
function rows(path: string, heading: string, limit: number): ConfLine[] {
  const [head, ...rest] = readLines(path);
  if (head === undefined) throw new ConfigError(`${path}:1: ${heading}: the file is empty`);
  if (head.key !== heading) head.fail(`the file begins with "${heading}" and the number of entries`);
  const count = head.integer(0, limit);
  if (rest.length < count) head.fail(`${count} entries are announced, and ${rest.length} there`);
  if (rest.length > count) rest[count].fail(`${count} entries are announced, and this is one more`);
  for (const row of rest) if (row.words.length !== 2) row.fail('an entry is two words');
  return rest;
}

/** Reads route.conf. `device` is the interface, if it is known. @throws ConfigError */
export function readRoutes(
  path: string,
  device: string | undefined,
): { routes: Record<string, string>; gateway?: string } {
  const routes: Record<string, string> = {};
  const entries = rows(path, 'ROUTES', MAX_ROUTES);
  for (const [index, row] of entries.entries()) {
    const cidr = parseCidr(row.key) ?? row.fail('no address with a prefix length, such as 10.0.0.0/8');
    if (device !== undefined && row.words[1] !== device) {
      row.fail(`there is no device "${row.words[1]}" here: the interface is ${device}`);
    }
    if (cidr.prefix > 0) {
      routes[row.key] = 'link';
      continue;
    }
    if (index < entries.length - 1) row.fail('the default gateway comes last');
    // "0.0.0.0/0" names no gateway: everything is reached directly.
    if (cidr.address !== '0.0.0.0') return { routes, gateway: cidr.address };
    routes['0.0.0.0/0'] = 'link';
  }
  return { routes };
}

/** Reads arp.conf. @throws ConfigError */
export function readNeighbours(path: string): Record<string, string> {
  const neighbours: Record<string, string> = {};
  for (const row of rows(path, 'ARP_ENTRY', MAX_ARP)) {
    const cidr = parseCidr(row.key) ?? row.fail('no address with a prefix length, such as 10.0.0.1/32');
    if (cidr.prefix !== 32) row.fail('a MAC address belongs to one address, with the prefix length 32');
    if (parseMac(row.words[1]) === undefined) row.fail(`"${row.words[1]}" is no MAC address`);
    neighbours[cidr.address] = row.words[1];
  }
  return neighbours;
}
