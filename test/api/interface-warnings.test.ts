// What mtcp_warnings tells of an interface that a context has got. The last part needs root; it skips with the reason where that is
// missing.

import t from 'tap';
import { interfaceWarnings } from '../../src/api/interface-warnings.js';
import {
  mtcp_create_context,
  mtcp_destroy,
  mtcp_init,
  mtcp_last_error,
  mtcp_warnings,
} from '../../src/index.js';
import type { InterfaceInfo } from '../../src/nic/os/interface-info.js';
import { labReason, makeLab } from '../support/netns.js';

const reason = labReason();
const skip = reason === undefined ? false : reason;
if (reason !== undefined) t.comment(`skipped: ${reason}`);

t.test('an address in no network of the interface is told, for it may be routed', async (t) => {
  const tell = (address: string, addresses: { address: string; prefix: number; family: 4 | 6 }[]): string[] =>
    interfaceWarnings({ iface: 'eth0', address }, {
      name: 'eth0',
      queues: 1,
      addresses,
    } as unknown as InterfaceInfo);
  const own = [{ address: '192.0.2.7', prefix: 24, family: 4 as const }];
  t.same(tell('192.0.2.10/24', own), []);
  t.match(tell('198.51.100.9/32', own), [
    /^198\.51\.100\.9 is in no network that the kernel has on eth0 \(192/,
  ]);
  t.same(tell('10.0.0.1/24', []), [], 'the interface is the stack alone');
  t.same(tell('10.0.0.1/24', [{ address: '10.9.9.9', prefix: 0, family: 4 }]), []);
});

t.test('queues that no context will serve are told, and no others', { skip }, async (t) => {
  const lab = makeLab('warn', { queues: 2 });
  t.teardown(() => lab.close());
  const { netns, iface } = lab.near;
  const place = { iface, netns, address: `${lab.stackAddress}/24` };
  t.equal(mtcp_init(place), 0);
  t.same(mtcp_warnings(), [], 'nothing is attached yet');
  t.not(mtcp_create_context(0), null, mtcp_last_error());
  t.match(mtcp_warnings(), [
    /^veth0 has 2 queues, .*: serve with --cores 2 .*, or `ip netns exec .* rx 1 tx 1`$/,
  ]);
  mtcp_destroy();
  t.same(mtcp_warnings(), []);
  t.equal(mtcp_init({ ...place, cores: 2 }), 0);
  for (const cpu of [0, 1]) t.not(mtcp_create_context(cpu), null, mtcp_last_error());
  t.same(mtcp_warnings(), []);
  mtcp_destroy();
  t.equal(mtcp_init({ ...place, address: lab.near.address.concat('/24') }), 0);
  t.equal(mtcp_create_context(0), null);
  t.match(mtcp_last_error(), /the kernel has the address/);
  mtcp_destroy();
});
