// Packets per second of the queue alone, turn by turn as bench/packets/turns.ts has them.

#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "jobs.h"

enum { BATCH = 64, TURNS = 256, WARMUP_MS = 1000 };

static const uint8_t *sent;
static uint32_t sent_bytes;

static int drop(struct nic *nic) {
  struct xdp_desc batch[BATCH];
  int count = nic_receive(nic, batch, BATCH);
  for (int i = 0; i < count; i++) nic_release(nic, batch[i].addr);
  return count;
}

// Swaps MAC and IP addresses in place and sends the received frame itself.
static int forward(struct nic *nic) {
  struct xdp_desc batch[BATCH];
  int count = nic_receive(nic, batch, BATCH);
  for (int i = 0; i < count; i++) {
    uint8_t *at = nic->memory + batch[i].addr;
    uint8_t mac[6], address[4];
    memcpy(mac, at, 6);
    memcpy(at, at + 6, 6);
    memcpy(at + 6, mac, 6);
    memcpy(address, at + 26, 4);
    memcpy(at + 26, at + 30, 4);
    memcpy(at + 30, address, 4);
    nic_submit(nic, batch[i].addr, batch[i].len);
  }
  nic_flush(nic);
  return count;
}

static int send_burst(struct nic *nic) {
  int count = 0;
  for (; count < BATCH; count++) {
    int64_t at = nic_reserve(nic);
    if (at < 0) break;
    memcpy(nic->memory + at, sent, sent_bytes);
    nic_submit(nic, at, sent_bytes);
  }
  nic_flush(nic);
  return count;
}

static double now_ms(void) { return now_ns() / 1e6; }

struct run {
  double packets, ms, turns, empty;
};

static inline __attribute__((always_inline)) struct run run(struct nic *nic, double ms, int (*turn)(struct nic *)) {
  struct run done = {0};
  double start = now_ms();
  while (done.ms < ms && !is_over) {
    for (int i = 0; i < TURNS; i++) {
      int count = turn(nic);
      done.packets += count;
      done.empty += count == 0;
    }
    done.turns += TURNS;
    done.ms = now_ms() - start;
  }
  return done;
}

static struct run run_named(struct nic *nic, const char *name, double ms) {
  if (strcmp(name, "rxdrop") == 0) return run(nic, ms, drop);
  if (strcmp(name, "l2fwd") == 0) return run(nic, ms, forward);
  return run(nic, ms, send_burst);
}

void measure_packets(struct nic *nic, const char *name, double seconds, const uint8_t *frame, uint32_t length) {
  sent = frame;
  sent_bytes = length;
  run_named(nic, name, WARMUP_MS);
  struct run done = run_named(nic, name, seconds * 1000);
  printf("{\"case\":\"%s\",\"mode\":\"%s\",\"mpps\":%.6f,\"empty\":%.4f,\"bytesPerPacket\":0,\"statistics\":{", name,
         nic->program.mode, done.packets / done.ms / 1000, done.empty / done.turns);
  nic_print_statistics(nic);
  puts("}}");
}

void generate(struct nic *nic, const uint8_t *frame, uint32_t length) {
  sent = frame;
  sent_bytes = length;
  while (!is_over) {
    send_burst(nic);
    while (drop(nic) > 0) continue;
  }
}
