// What IP and ARP put into packets, and believe of them: identification, TTL, and a neighbour that claims our address.

import t from 'tap';
import { buildArp, buildEthernet, buildTcp, createHost, parsePacket } from '../../src/testing/index.js';

const LOCAL = '10.0.0.1';
const PEER = '10.0.0.2';
const SYN = { src: PEER, dst: LOCAL, srcPort: 5000, dstPort: 80, seq: 0, flags: 'S' } as const;

t.test(
  'what may not be fragmented has identification 0, again when it is sent again (RFC 6864 4.1)',
  async (t) => {
    const host = createHost({ addresses: [`${LOCAL}/24`], link: 'ip' });
    t.teardown(() => host.close());
    for (let i = 0; i < 2; i++) {
      host.inject(buildTcp(SYN));
      const { bytes } = host.take()[0]!;
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      t.equal(view.getUint16(4), 0, 'identification');
      t.equal(view.getUint16(6), 0x4000, "don't fragment");
    }
  },
);

t.test('the TTL is that of ip_default_ttl (RFC 9293 MUST-49)', async (t) => {
  const host = createHost({ addresses: [`${LOCAL}/24`], link: 'ip', sysctl: { ip_default_ttl: 7 } });
  t.teardown(() => host.close());
  host.inject(buildTcp(SYN));
  t.equal(parsePacket(host.take()[0]!.bytes, 'ip').ip?.ttl, 7);
});

t.test(
  'one that claims our own address is not answered, and nothing is learned of it (RFC 5227 2.4)',
  async (t) => {
    const host = createHost({ addresses: [`${LOCAL}/24`] });
    t.teardown(() => host.close());
    const OWN = '02:00:00:00:00:01';
    const senderMac = '02:00:00:00:00:99';
    host.inject(buildArp({ operation: 1, senderMac, senderIp: LOCAL, targetIp: LOCAL }));
    host.inject(buildArp({ operation: 2, senderMac, senderIp: LOCAL, targetMac: OWN, targetIp: LOCAL }));
    t.equal(host.stack.counters.ArpInPackets, 2);
    t.same(host.take(), []);
    // A SYN that only seems to come from there is not sent back to it.
    host.inject(buildEthernet(OWN, senderMac, buildTcp(SYN)));
    const { bytes } = host.take()[0]!;
    t.match(parsePacket(bytes, 'ethernet'), { arp: { operation: 1, targetIp: PEER } });
  },
);
