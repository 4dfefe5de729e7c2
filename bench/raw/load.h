// A load and what it counts. Two kinds: connections that ask (client.c), streams that only send (sender.c).

#ifndef RAW_LOAD_H
#define RAW_LOAD_H

#include "nic.h"
#include "histogram.h"

enum mode { CONN, RPC, IDLE, SINK };

// What bench/generator/job.ts says of each. Addresses are numbers; `under_way` is 0 for all, `window` is 0 for one without a scale.
struct job {
  enum mode mode;
  uint32_t client, addresses, server, port, connections, pipeline, under_way, window;
  uint32_t request_bytes, reply_bytes, tells_pace;
  const uint8_t *request, *reply;
  uint8_t server_mac[6];
  double warmup_ms, longest_warmup_ms, duration_ms;
};

struct load {
  struct nic *nic;
  const struct job *job;
  struct histogram latency;
  // `replies_before`: before the connections were last asked, all of them at once.
  uint64_t replies, replies_before, bytes, errors, resent;
  uint32_t open;
};

// Takes what has come, answers it, and sends; how many frames there were.
typedef int turn(struct load *load, uint64_t now);

void client_start(struct load *load);
turn client_turn;
// Asks once on each connection that is open and has been silent so far.
void client_ask_all(struct load *load);
// Resets what is open, so that the server has nothing left of it.
void client_abort(struct load *load);

void sender_start(struct load *load);
turn sender_turn;
void sender_abort(struct load *load);

#endif
