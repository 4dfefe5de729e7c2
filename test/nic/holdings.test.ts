// What is given back of a thread that was killed is what it had, and nothing that has taken its number since.

import { readFileSync } from 'node:fs';
import t from 'tap';
import { closeLeft, holdingsOf, isLeft, unmapLeft } from '../../src/nic/holdings.js';
import { AF_INET, close, fcntl, mapAnonymous, SOCK_DGRAM, socket } from '../../src/nic/os/syscalls.js';

const F_GETFD = 1;
const isOpen = (fd: number): boolean => {
  try {
    return fcntl(fd, F_GETFD, 0) >= 0;
  } catch {
    return false;
  }
};

t.test('a descriptor that is left is known, also when its number is that of another', async (t) => {
  const fd = socket(AF_INET, SOCK_DGRAM, 0);
  const holdings = holdingsOf({ fd, mappings: [] });
  t.ok(isLeft(holdings));
  closeLeft(holdings);
  t.notOk(isOpen(fd));
  t.notOk(isLeft(holdings));
  const other = socket(AF_INET, SOCK_DGRAM, 0);
  t.equal(other, fd);
  t.notOk(isLeft(holdings));
  t.ok(isOpen(other));
  close(other);
});

t.test('memory that is left is told, and can be unmapped', async (t) => {
  const mapping = mapAnonymous(8192, true);
  const { mappings } = holdingsOf({ fd: -1, mappings: [mapping] });
  t.same(mappings, [{ address: mapping.address, length: 8192 }]);
  const isMapped = (): boolean =>
    readFileSync('/proc/self/maps', 'utf8')
      .split('\n')
      .map((line) => line.split(/[- ]/).map((word) => Number.parseInt(word, 16)))
      .some(([from, to]) => from <= mapping.address && mapping.address < to);
  t.ok(isMapped());
  unmapLeft(new Map([[mapping.address, 8192]]));
  t.notOk(isMapped());
});
