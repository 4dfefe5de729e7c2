// Answers requests without a stack, as bench/peers/answerer.ts does: every frame from what is in it, nothing is remembered.

#include <arpa/inet.h>
#include <stdlib.h>

#include "jobs.h"

enum { BATCH = 256, ETHERNET = 14, TCP = 34, HEADERS = 54, ARP_FRAME = 42, MSS_OPTION = 0x0204 };
enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

// What a segment says.
struct segment {
  uint16_t from, to, flags;
  uint32_t seq, ack, length;
};

static struct nic *nic;
static uint32_t own, peer, request_bytes, reply_bytes, mss;
static uint16_t port;
static const uint8_t *reply;
// The headers of all frames to the peer, and the sums of what is the same in all of them (RFC 1071).
static uint8_t headers[HEADERS];
static uint32_t ip_sum, tcp_sum;
// Of the segments of the reply, which begin every `mss` bytes.
static uint32_t *part_sums;

static uint16_t get16(const uint8_t *at) { return at[0] << 8 | at[1]; }
static uint32_t get32(const uint8_t *at) {
  uint32_t value;
  memcpy(&value, at, 4);
  return ntohl(value);
}
static void put16(uint8_t *at, uint16_t value) {
  at[0] = value >> 8;
  at[1] = value;
}
static void put32(uint8_t *at, uint32_t value) {
  value = htonl(value);
  memcpy(at, &value, 4);
}

static uint32_t sum_of(const uint8_t *at, uint32_t length) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i + 1 < length; i += 2) sum += get16(at + i);
  return length & 1 ? sum + (at[length - 1] << 8) : sum;
}

static uint16_t finish(uint32_t sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return ~sum;
}

// Who asked last: one load generator is all there is.
static void turn_to(const uint8_t *frame) {
  memset(headers, 0, sizeof headers);
  memcpy(headers, frame + 6, 6);
  memcpy(headers + 6, nic->mac, 6);
  put16(headers + 12, 0x0800);
  headers[ETHERNET] = 0x45;
  put16(headers + ETHERNET + 6, 0x4000);
  headers[ETHERNET + 8] = 64;
  headers[ETHERNET + 9] = IPPROTO_TCP;
  put32(headers + ETHERNET + 12, own);
  put32(headers + ETHERNET + 16, peer);
  put16(headers + TCP + 14, 65535);
  ip_sum = sum_of(headers + ETHERNET, 20);
  // With the pseudo-header (RFC 9293 3.1), but for the length.
  tcp_sum = sum_of(headers + ETHERNET + 12, 8) + IPPROTO_TCP + sum_of(headers + TCP, 20);
}

// Sends a segment with `length` bytes of the reply from its n-th segment on.
static void send_segment(uint16_t to, uint16_t flags, uint32_t seq, uint32_t ack, uint32_t part, uint32_t length) {
  int64_t offset = nic_reserve(nic);
  if (offset < 0) return;
  uint8_t *at = nic->memory + offset;
  const uint32_t options = flags & SYN ? 4 : 0, tcp_length = 20 + options + length;
  const uint16_t offset_and_flags = (5 + options / 4) << 12 | flags;
  memcpy(at, headers, HEADERS);
  put16(at + ETHERNET + 2, 20 + tcp_length);
  put16(at + ETHERNET + 10, finish(ip_sum + 20 + tcp_length));
  put16(at + TCP, port);
  put16(at + TCP + 2, to);
  put32(at + TCP + 4, seq);
  put32(at + TCP + 8, ack);
  put16(at + TCP + 12, offset_and_flags);
  uint32_t sum = tcp_sum + tcp_length + port + to + offset_and_flags;
  sum += (seq >> 16) + (seq & 0xffff) + (ack >> 16) + (ack & 0xffff);
  if (options > 0) {
    put16(at + HEADERS, MSS_OPTION);
    put16(at + HEADERS + 2, mss);
    sum += MSS_OPTION + mss;
  }
  if (length > 0) {
    memcpy(at + HEADERS, reply + part * mss, length);
    sum += part_sums[part];
  }
  put16(at + TCP + 16, finish(sum));
  nic_submit(nic, offset, HEADERS + options + length);
}

static void send_replies(const struct segment *s) {
  uint32_t seq = s->ack;
  for (uint32_t count = s->length / request_bytes; count > 0; count--) {
    for (uint32_t part = 0; part * mss < reply_bytes; part++) {
      uint32_t left = reply_bytes - part * mss, length = left < mss ? left : mss;
      send_segment(s->from, PSH | ACK, seq, s->seq + s->length, part, length);
      seq += length;
    }
  }
}

// Reads a frame; 0 when it is no TCP segment.
static int read_segment(struct segment *s, const uint8_t *at, uint32_t length) {
  if (length < HEADERS || get16(at + 12) != 0x0800) return 0;
  if (at[ETHERNET] != 0x45 || at[ETHERNET + 9] != IPPROTO_TCP) return 0;
  const uint16_t offset_and_flags = get16(at + TCP + 12);
  const uint32_t header = offset_and_flags >> 12 << 2, end = get16(at + ETHERNET + 2) + ETHERNET;
  if (header < 20 || end > length || TCP + header > end) return 0;
  *s = (struct segment){
      .from = get16(at + TCP),
      .to = get16(at + TCP + 2),
      .flags = offset_and_flags & 0x3f,
      .seq = get32(at + TCP + 4),
      .ack = get32(at + TCP + 8),
      .length = end - TCP - header,
  };
  return 1;
}

static void answer_segment(const struct segment *s) {
  if (s->flags & RST) return;
  if (s->flags & SYN) send_segment(s->from, SYN | ACK, 0, s->seq + 1, 0, 0);
  else if (s->flags & FIN) send_segment(s->from, FIN | ACK, s->ack, s->seq + s->length + 1, 0, 0);
  else if (s->length > 0) send_replies(s);
}

// Answers an ARP request for the own address (RFC 826).
static void answer_arp(const uint8_t *frame, uint32_t length) {
  if (length < ARP_FRAME || get16(frame + 12) != 0x0806 || get16(frame + 20) != 1 || get32(frame + 38) != own) return;
  int64_t offset = nic_reserve(nic);
  if (offset < 0) return;
  uint8_t *at = nic->memory + offset;
  memcpy(at, frame, ARP_FRAME);
  memcpy(at, frame + 22, 6);
  memcpy(at + 6, nic->mac, 6);
  put16(at + 20, 2);
  memcpy(at + 22, nic->mac, 6);
  put32(at + 28, own);
  memcpy(at + 32, frame + 22, 10);
  nic_submit(nic, offset, ARP_FRAME);
}

void answer(struct nic *on, uint32_t address, uint16_t listens, uint32_t request, const uint8_t *bytes,
            uint32_t length) {
  nic = on;
  own = address;
  port = listens;
  request_bytes = request;
  reply = bytes;
  reply_bytes = length;
  mss = nic->mtu - 40;
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
      if (!read_segment(&s, frame, batch[i].len)) answer_arp(frame, batch[i].len);
      else if (s.to == port) {
        if (get32(frame + ETHERNET + 12) != peer) {
          peer = get32(frame + ETHERNET + 12);
          turn_to(frame);
        }
        answer_segment(&s);
      }
      nic_release(nic, batch[i].addr);
    }
    nic_flush(nic);
  }
}
