// What is given back of a thread that was killed is what it had, and nothing that has taken its number since.

import t from 'tap';
import { holdingsOf, releaseHoldings } from '../../src/nic/holdings.js';
import { AF_INET, close, fcntl, mapAnonymous, SOCK_DGRAM, socket } from '../../src/nic/os/syscalls.js';

const F_GETFD = 1;
const isOpen = (fd: number): boolean => {
  try {
    return fcntl(fd, F_GETFD, 0) >= 0;
  } catch {
    return false;
  }
};

t.test('a descriptor that is left is closed, once', async (t) => {
  const fd = socket(AF_INET, SOCK_DGRAM, 0);
  const holdings = holdingsOf({ fd, mappings: [] });
  releaseHoldings(holdings);
  t.notOk(isOpen(fd));
  const other = socket(AF_INET, SOCK_DGRAM, 0);
  t.equal(other, fd, 'its number is another socket now');
  releaseHoldings(holdings);
  t.ok(isOpen(other), 'which stays open');
  close(other);
  releaseHoldings(holdings);
});

t.test('memory is told as it is held', async (t) => {
  const mapping = mapAnonymous(8192);
  const { mappings } = holdingsOf({ fd: -1, mappings: [mapping] });
  t.same(mappings, [{ address: mapping.address, length: 8192 }]);
});
