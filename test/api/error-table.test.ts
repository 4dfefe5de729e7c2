// docs/api/table.md against the package: every export has a row, every row an export, and each error of a call is provoked here.

import { readFileSync } from 'node:fs';
import { constants as os } from 'node:os';
import t from 'tap';
import * as api from '../../src/index.js';
import { BEGINNINGS } from './provocations/beginnings.js';
import { DATA } from './provocations/data.js';
import { EVENTS } from './provocations/events.js';
import type { Provocation, Provocations } from './provocations/scenes.js';
import { SOCKETS } from './provocations/sockets.js';
import { failure } from './support.js';

const FILES: Record<string, Record<string, Provocations>> = {
  beginnings: BEGINNINGS,
  sockets: SOCKETS,
  data: DATA,
  events: EVENTS,
};

/** Rows of the tables of the page, by the first cell, without its backticks. */
function rowsOf(page: string): Map<string, string[]> {
  const rows = page
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.slice(2, -2).split(' | '));
  return new Map(rows.map(([name = '', ...cells]) => [name.replaceAll('`', ''), cells]));
}

const rows = rowsOf(readFileSync(new URL('../../../docs/api/table.md', import.meta.url), 'utf8'));
const exported = api as Readonly<Record<string, unknown>>;
const isCall = (name: string): boolean => typeof exported[name] === 'function';

t.test('every export is in docs/api/table.md, and nothing else', async (t) => {
  t.same([...rows.keys()].sort(), Object.keys(exported).sort());
});

t.test("every function and event of mTCP's headers is there, the events with its numbers", async (t) => {
  const calls =
    'init destroy getconf setconf core_affinitize create_context destroy_context register_signal pipe getsockopt setsockopt ' +
    'setsock_nonblock socket_ioctl socket bind listen accept init_rss connect close getsockname getpeername read recv readv ' +
    'write writev abort epoll_create epoll_create1 epoll_ctl epoll_wait';
  const functions = [...calls.split(' ').map((name) => `mtcp_${name}`), 'EventToString', 'GetRSSCPUCore'];
  for (const name of functions) {
    t.type(exported[name], 'function', name);
    t.equal(rows.get(name)?.[0], 'mTCP', name);
  }
  const events = {
    NONE: 0,
    IN: 1,
    PRI: 2,
    OUT: 4,
    ERR: 8,
    HUP: 16,
    RDNORM: 64,
    RDBAND: 128,
    WRNORM: 256,
    WRBAND: 512,
  };
  const rare = { MSG: 0x400, RDHUP: 0x2000, ONESHOT: 2 ** 30, ET: 2 ** 31 };
  for (const [name, value] of Object.entries({ ...events, ...rare }))
    t.equal(exported[`MTCP_EPOLL${name}`], value, name);
});

t.test('the values of the constants are those of the table', async (t) => {
  for (const [name, [value]] of rows) {
    if (isCall(name) || name === 'errno') continue;
    t.equal(value, `\`${String(exported[name])}\``, name);
  }
});

t.test('errors have the numbers of the system', async (t) => {
  for (const [name, number] of Object.entries(os.errno)) {
    if (name in exported) t.equal(exported[name], number, name);
  }
});

for (const [file, calls] of Object.entries(FILES)) {
  for (const [name, provocations] of Object.entries(calls)) {
    t.test(`${name}: each error of its row is provoked`, async (t) => {
      const [, , errors = '', proof = ''] = rows.get(name) ?? [];
      t.same(Object.keys(provocations).sort(), errors.replaceAll('`', '').split(', ').sort());
      t.equal(proof, `\`test/api/provocations/${file}.ts\``);
      for (const [word, provocation] of Object.entries(provocations)) {
        const ways: readonly Provocation[] = typeof provocation === 'function' ? [provocation] : provocation;
        for (const [i, way] of ways.entries()) {
          api.setErrno(0);
          t.equal(failure(way()), word, `${word}, way ${i + 1}`);
        }
      }
    });
  }
}

t.test('a call without provocations has no errors', async (t) => {
  const proven = Object.values(FILES).flatMap((calls) => Object.keys(calls));
  for (const [name, [, , errors = '', proof = '']] of rows) {
    if (name.startsWith('mtcp_') && !proven.includes(name)) t.same([errors, proof], ['none', 'none'], name);
  }
});
