// Open connections whose messages an epoll server sends back.

import {
  AF_INET,
  MTCP_EPOLL_CTL_ADD,
  MTCP_EPOLLIN,
  mtcp_accept,
  mtcp_bind,
  mtcp_epoll_create,
  mtcp_epoll_ctl,
  mtcp_epoll_events,
  mtcp_epoll_wait,
  mtcp_listen,
  mtcp_read,
  mtcp_setsock_nonblock,
  mtcp_socket,
  mtcp_write,
  SOCK_STREAM,
  sockaddr_in,
} from '../../src/index.js';
import { ACK, PSH, SYN } from '../../src/stack/wire/tcp-header.js';
import { Packet, Peer, SERVER_PORT } from './peer.js';
import { type Rounds, Stage } from './stage.js';

const FIRST_PORT = 10_000;

const MAX_EVENTS = 256;
/** Messages under way at a time. */
const UNDER_WAY = 64;
/** Distance of one connection that speaks from the next: a prime, so that none follows its neighbour in memory. */
const STRIDE = 7919;

/**
 * One round is a message of `payload` bytes and its echo on each of up to 64 of `connections` connections, and the next round is the
 * turn of others.
 */
export function echoRounds(connections: number, payload: number): Rounds {
  const stage = new Stage();
  const { mctx, nic } = stage;
  const packet = new Packet(nic, payload);
  const peers = Array.from({ length: connections }, (_, i) => new Peer(packet, FIRST_PORT + i));
  const listener = mtcp_socket(mctx, AF_INET, SOCK_STREAM, 0);
  mtcp_bind(mctx, listener, sockaddr_in('0.0.0.0', SERVER_PORT));
  mtcp_listen(mctx, listener, connections);
  mtcp_setsock_nonblock(mctx, listener);
  const epoll = mtcp_epoll_create(mctx, MAX_EVENTS);
  const events = mtcp_epoll_events(MAX_EVENTS);
  for (const peer of peers) {
    stage.place(peer);
    peer.send(SYN, 0);
    mctx.turn();
    mctx.turn();
    peer.send(ACK, 0);
    mctx.turn();
    const socket = mtcp_accept(mctx, listener, null);
    mtcp_setsock_nonblock(mctx, socket);
    mtcp_epoll_ctl(mctx, epoll, MTCP_EPOLL_CTL_ADD, socket, {
      events: MTCP_EPOLLIN,
      data: { sockid: socket },
    });
  }
  const buffer = new Uint8Array(16_384);
  const perRound = Math.min(connections, UNDER_WAY);
  let speaker = 0;
  const round = (): void => {
    stage.tick();
    for (let i = 0; i < perRound; i++) {
      speaker = (speaker + STRIDE) % connections;
      peers[speaker].send(ACK | PSH, payload);
    }
    let answered = 0;
    while (answered < perRound) {
      const ready = mtcp_epoll_wait(mctx, epoll, events, MAX_EVENTS, 0);
      if (ready <= 0) break;
      for (let i = 0; i < ready; i++) {
        const socket = events[i].data.sockid;
        const got = mtcp_read(mctx, socket, buffer);
        mtcp_write(mctx, socket, buffer, got);
        answered++;
      }
    }
    mctx.turn();
  };
  const check = (rounds: number): void => {
    const received = peers.reduce((sum, peer) => sum + peer.received, 0);
    const expected = rounds * perRound * payload;
    if (received !== expected) throw new Error(`${received} bytes, not ${expected}`);
  };
  return { round, unitsPerRound: perRound, check, stage };
}
