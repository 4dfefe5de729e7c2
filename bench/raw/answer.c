// Answers requests without a stack, as bench/peers/answerer.ts does: every frame from what is in it, nothing is remembered.

#include <stdlib.h>

#include "jobs.h"
#include "segments.h"

enum { BATCH = 256 };

static struct nic *nic;
static struct ends ends;
static uint32_t request_bytes, reply_bytes;
static uint16_t port;
static const uint8_t *reply;
// Of the segments of the reply, which begin every MSS.
static uint32_t *part_sums;

static void send_to(const struct segment *s, uint16_t flags, uint32_t seq, uint32_t ack, struct text text) {
  send_segment(nic, &ends, port, s->from, flags, seq, ack, text);
}

static void send_replies(const struct segment *s) {
  uint32_t seq = s->ack;
  const uint32_t mss = ends.mss;
  for (uint32_t count = s->length / request_bytes; count > 0; count--) {
    for (uint32_t part = 0; part * mss < reply_bytes; part++) {
      uint32_t left = reply_bytes - part * mss, length = left < mss ? left : mss;
      send_to(s, PSH | ACK, seq, s->seq + s->length, (struct text){reply + part * mss, length, part_sums[part]});
      seq += length;
    }
  }
}

static void answer_segment(const struct segment *s) {
  if (s->flags & RST) return;
  if (s->flags & SYN) send_to(s, SYN | ACK, 0, s->seq + 1, (struct text){0});
  else if (s->flags & FIN) send_to(s, FIN | ACK, s->ack, s->seq + s->length + 1, (struct text){0});
  else if (s->length > 0) send_replies(s);
}

void answer(struct nic *on, uint32_t address, uint16_t listens, uint32_t request, const uint8_t *bytes,
            uint32_t length) {
  nic = on;
  ends = (struct ends){.own = address, .mss = nic->mtu - 40, .window = WINDOW, .scale = -1};
  port = listens;
  request_bytes = request;
  reply = bytes;
  reply_bytes = length;
  const uint32_t mss = ends.mss;
  part_sums = calloc(length / mss + 1, sizeof *part_sums);
  if (!part_sums) die("sums of the reply");
  for (uint32_t part = 0; part * mss < length; part++) {
    uint32_t left = length - part * mss;
    part_sums[part] = sum_of(reply + part * mss, left < mss ? left : mss);
  }
  struct xdp_desc batch[BATCH];
  while (!is_over) {
    int count = nic_receive(nic, batch, BATCH);
    for (int i = 0; i < count; i++) {
      const uint8_t *frame = nic->memory + batch[i].addr;
      struct segment s;
      if (!read_segment(&s, frame, batch[i].len)) answer_arp(nic, address, frame, batch[i].len);
      else if (s.to == port) {
        // Who asked last: one load generator is all there is.
        if (get32(frame + ETHERNET + 12) != ends.peer) {
          ends.peer = get32(frame + ETHERNET + 12);
          ends_set(&ends, nic->mac, frame + 6);
        }
        answer_segment(&s);
      }
      nic_release(nic, batch[i].addr);
    }
    nic_flush(nic);
  }
}
