// Segments without a stack: Ethernet, IPv4 and TCP with no options but those of a SYN, between one end and one other. What all
// frames of a pair share is written once, and so are the sums of it (RFC 1071).

#ifndef RAW_SEGMENTS_H
#define RAW_SEGMENTS_H

#include <arpa/inet.h>

#include "nic.h"

enum { ETHERNET = 14, TCP = 34, HEADERS = 54, ARP_FRAME = 42, MSS_OPTION = 0x0204, WINDOW = 65535 };
enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

static inline uint16_t get16(const uint8_t *at) { return at[0] << 8 | at[1]; }
static inline uint32_t get32(const uint8_t *at) {
  uint32_t value;
  memcpy(&value, at, 4);
  return ntohl(value);
}
static inline void put16(uint8_t *at, uint16_t value) {
  at[0] = value >> 8;
  at[1] = value;
}
static inline void put32(uint8_t *at, uint32_t value) {
  value = htonl(value);
  memcpy(at, &value, 4);
}

static inline uint32_t sum_of(const uint8_t *at, uint32_t length) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i + 1 < length; i += 2) sum += get16(at + i);
  return length & 1 ? sum + (at[length - 1] << 8) : sum;
}

static inline uint16_t finish(uint32_t sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return ~sum;
}

// Who talks to whom, by IPv4 addresses as numbers, and what a SYN says: `scale` is the shift of the window, -1 for no such option.
struct ends {
  uint32_t own, peer;
  uint16_t mss, window;
  int scale;
  uint8_t headers[HEADERS];
  uint32_t ip_sum, tcp_sum;
};

static inline void ends_set(struct ends *ends, const uint8_t *own_mac, const uint8_t *peer_mac) {
  uint8_t *headers = ends->headers;
  memset(headers, 0, HEADERS);
  memcpy(headers, peer_mac, 6);
  memcpy(headers + 6, own_mac, 6);
  put16(headers + 12, 0x0800);
  headers[ETHERNET] = 0x45;
  put16(headers + ETHERNET + 6, 0x4000);
  headers[ETHERNET + 8] = 64;
  headers[ETHERNET + 9] = IPPROTO_TCP;
  put32(headers + ETHERNET + 12, ends->own);
  put32(headers + ETHERNET + 16, ends->peer);
  put16(headers + TCP + 14, ends->window);
  ends->ip_sum = sum_of(headers + ETHERNET, 20);
  // With the pseudo-header (RFC 9293 3.1), but for the length.
  ends->tcp_sum = sum_of(headers + ETHERNET + 12, 8) + IPPROTO_TCP + sum_of(headers + TCP, 20);
}

// What goes into a segment beside what its ends are; `sum` is that of the data.
struct text {
  const uint8_t *data;
  uint32_t length, sum;
};

// Sends a segment; 0 when no frame is free.
static inline int send_segment(struct nic *nic, const struct ends *ends, uint16_t from, uint16_t to, uint16_t flags,
                               uint32_t seq, uint32_t ack, struct text text) {
  int64_t offset = nic_reserve(nic);
  if (offset < 0) return 0;
  uint8_t *at = nic->memory + offset;
  const uint32_t options = flags & SYN ? (ends->scale < 0 ? 4 : 8) : 0, tcp_length = 20 + options + text.length;
  const uint16_t offset_and_flags = (5 + options / 4) << 12 | flags;
  memcpy(at, ends->headers, HEADERS);
  put16(at + ETHERNET + 2, 20 + tcp_length);
  put16(at + ETHERNET + 10, finish(ends->ip_sum + 20 + tcp_length));
  put16(at + TCP, from);
  put16(at + TCP + 2, to);
  put32(at + TCP + 4, seq);
  put32(at + TCP + 8, ack);
  put16(at + TCP + 12, offset_and_flags);
  uint32_t sum = ends->tcp_sum + tcp_length + from + to + offset_and_flags + text.sum;
  sum += (seq >> 16) + (seq & 0xffff) + (ack >> 16) + (ack & 0xffff);
  if (options > 0) {
    put16(at + HEADERS, MSS_OPTION);
    put16(at + HEADERS + 2, ends->mss);
    // No-operation, then kind 3 and length 3.
    if (options > 4) put32(at + HEADERS + 4, 0x01030300 | ends->scale);
    sum += sum_of(at + HEADERS, options);
  }
  if (text.length > 0) memcpy(at + HEADERS + options, text.data, text.length);
  put16(at + TCP + 16, finish(sum));
  nic_submit(nic, offset, HEADERS + options + text.length);
  return 1;
}

// What a segment says. Its options lie before its data.
struct segment {
  uint32_t local, seq, ack, length;
  uint16_t from, to, flags, window;
  const uint8_t *options, *data;
};

// Reads a frame; 0 when it is no TCP segment.
static inline int read_segment(struct segment *s, const uint8_t *at, uint32_t length) {
  if (length < HEADERS || get16(at + 12) != 0x0800) return 0;
  if (at[ETHERNET] != 0x45 || at[ETHERNET + 9] != IPPROTO_TCP) return 0;
  const uint16_t offset_and_flags = get16(at + TCP + 12);
  const uint32_t header = offset_and_flags >> 12 << 2, end = get16(at + ETHERNET + 2) + ETHERNET;
  if (header < 20 || end > length || TCP + header > end) return 0;
  *s = (struct segment){
      .local = get32(at + ETHERNET + 16),
      .from = get16(at + TCP),
      .to = get16(at + TCP + 2),
      .flags = offset_and_flags & 0x3f,
      .seq = get32(at + TCP + 4),
      .ack = get32(at + TCP + 8),
      .window = get16(at + TCP + 14),
      .options = at + HEADERS,
      .data = at + TCP + header,
      .length = end - TCP - header,
  };
  return 1;
}

// The shift that the options of a SYN say (RFC 7323 2.2); 0 when they say none.
static inline int scale_of(const struct segment *s) {
  for (const uint8_t *at = s->options; at < s->data && *at != 0;) {
    if (*at == 1) {
      at++;
      continue;
    }
    if (at + 2 < s->data && *at == 3) return at[2] < 14 ? at[2] : 14;
    at += at + 1 < s->data && at[1] > 2 ? at[1] : 2;
  }
  return 0;
}

// Answers an ARP request for an own address (RFC 826); 0 when it is none.
static inline int answer_arp(struct nic *nic, uint32_t own, const uint8_t *frame, uint32_t length) {
  if (length < ARP_FRAME || get16(frame + 12) != 0x0806 || get16(frame + 20) != 1 || get32(frame + 38) != own) return 0;
  int64_t offset = nic_reserve(nic);
  if (offset < 0) return 1;
  uint8_t *at = nic->memory + offset;
  memcpy(at, frame, ARP_FRAME);
  memcpy(at, frame + 22, 6);
  memcpy(at + 6, nic->mac, 6);
  put16(at + 20, 2);
  memcpy(at + 22, nic->mac, 6);
  put32(at + 28, own);
  memcpy(at + 32, frame + 22, 10);
  nic_submit(nic, offset, ARP_FRAME);
  return 1;
}

#endif
