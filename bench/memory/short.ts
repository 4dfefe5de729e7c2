// Short connections to the server of `mtcp serve fixed`: opened, one request, one reply, closed by the client first. Seven segments
// each: four of the client, three of the server.

import { FixedService } from '../../src/cli/servers/fixed.js';
import { Server } from '../../src/cli/servers/server.js';
import { ACK, FIN, PSH, SYN } from '../../src/stack/wire/tcp-header.js';
import { Packet, Peer, SERVER_PORT } from './peer.js';
import { type Rounds, Stage } from './stage.js';

const FIRST_PORT = 10_000;
const PORTS = 50_000;
/** Steps of a connection, and what the server has said before each: its end, its SYN-ACK, its reply. */
const STEPS = 3;
const SAID = [FIN | ACK, SYN | ACK, PSH | ACK];

/** One round is a step of each of `peers` connections that are open at a time: every third is at the same. */
export function shortRounds(peers: number, payload: number): Rounds {
  const stage = new Stage();
  const { mctx, nic } = stage;
  const server = new Server(mctx, new FixedService(payload, payload), { port: SERVER_PORT });
  const packet = new Packet(nic, payload);
  const clients = Array.from({ length: peers }, (_, i) => new Peer(packet, FIRST_PORT + i));
  for (const client of clients) stage.place(client);
  let step = 0;
  let nextPort = FIRST_PORT + peers;
  const act = (client: Peer, at: number): void => {
    if (client.flags !== SAID[at] && client.flags !== 0)
      throw new Error(`port ${client.port}: flags ${client.flags} before step ${at}`);
    if (at === 0) {
      if (client.flags !== 0) client.send(ACK, 0);
      stage.move(client, nextPort);
      nextPort = nextPort === FIRST_PORT + PORTS - 1 ? FIRST_PORT : nextPort + 1;
      client.send(SYN, 0);
    } else if (at === 1) {
      client.send(ACK | PSH, payload);
    } else {
      client.send(ACK | FIN, 0);
    }
  };
  const round = (): void => {
    stage.tick();
    for (let i = 0; i < clients.length; i++) {
      // The first ones wait until it is their turn to begin.
      if (step >= i % STEPS) act(clients[i], (step - (i % STEPS)) % STEPS);
    }
    step++;
    // What is answered leaves with the next turn, which one without events has as well.
    let idle = 0;
    while (idle < 2) idle = server.poll(0) > 0 ? 0 : idle + 1;
  };
  const check = (rounds: number): void => {
    const { requests, failed } = server.totals;
    const least = Math.floor((rounds - STEPS) / STEPS) * peers;
    if (failed > 0 || requests < least) throw new Error(`${requests} requests answered, ${failed} failed`);
  };
  return { round, unitsPerRound: peers / STEPS, check, stage };
}
