// A TCP client for load, as small as it can be: bench/generator/client.ts in C, the same in all that goes over the wire. It acknowledges
// once per batch, puts the first request on the last segment of the handshake, checks every byte of every reply (of HTTP those of
// the body in the first segment, whose head may be any), and sends again what was not answered in time.

#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "load.h"
#include "segments.h"

enum {
  BATCH = 256,
  FIRST_PORT = 1024,
  PORTS = 65536,
  // Between the initial sequence numbers of one connection and the next: the ports have gone round before it reaches 2^31.
  ISS_STEP = 16384,
  // The most that is under way while connections are opened, or silent ones are asked: no queue on the way overflows.
  OPENING = 256,
  // The same before the first one is open.
  FIRST_OPENING = 64,
  // New ones per turn, and connections looked at for what has to be sent again.
  NEW = 8,
  LOOKS = 64,
  // Connections that are reset before the server is asked whether it has come so far, how often it is asked on one of them, and on how
  // many it may be silent: a server without a stack always is, others where a request was lost.
  RESETS = 256,
  PROBES = 30,
  SILENT = 2,
};
static const uint64_t PATIENCE_NS = 250000000, PROBE_NS = 10000000;

enum state { FREE, SYN_SENT, OPEN, FIN_SENT };

struct connection {
  uint8_t state, is_dirty, owes_ack, peer_ended, is_queued, is_under_way;
  uint16_t port, address;
  uint32_t iss, next, una, expected, received, outstanding;
  // What has come behind a hole, from and to; nothing where they are the same.
  uint32_t ahead, ahead_end;
  uint64_t asked_at, moved_at;
};

static const struct job *job;
static struct load *load_of_all;
static struct nic *nic;
static struct ends *ends;
static struct connection *connections;
// By address and port: the number of a connection, or -1.
static int32_t *slot_of;
static uint16_t *next_port;
static uint32_t *dirty, dirty_count, *queue, queue_head, queued;
static uint32_t next_iss = 1, looked, started, asked, to_ask, under_way;
// The requests of a segment, and the sums of its first 1, 2, … of them.
static uint8_t *requests;
static uint32_t *request_sums;
// What a reply is; -1 where any byte will do. Of HTTP the first one tells.
static int16_t *expected_reply;
static uint32_t reply_length;
static int is_exact;
static const uint8_t *exact_reply;

static void *allocate(size_t count, size_t size) {
  void *memory = calloc(count ? count : 1, size);
  if (!memory) die("memory of the load");
  return memory;
}

static uint32_t key_of(const struct connection *c) { return c->address * PORTS + c->port; }

static int send_text(const struct connection *c, uint16_t flags, uint32_t seq, struct text text) {
  return send_segment(nic, &ends[c->address], c->port, job->port, flags, seq, c->expected, text);
}

static void mark(uint32_t slot, int owes_ack) {
  struct connection *c = &connections[slot];
  if (owes_ack) c->owes_ack = 1;
  if (c->is_dirty) return;
  c->is_dirty = 1;
  dirty[dirty_count++] = slot;
}

static int may_ask(void) { return job->under_way == 0 || under_way < job->under_way; }

static struct text text_of(uint32_t count) {
  return (struct text){requests, count * job->request_bytes, request_sums[count]};
}

static void ask(struct connection *c, uint32_t count, uint64_t now) {
  under_way += 1 - c->is_under_way;
  c->is_under_way = 1;
  c->asked_at = c->moved_at = now;
  c->owes_ack = 0;
  send_text(c, PSH | ACK, c->next, text_of(count));
  c->next += count * job->request_bytes;
  c->outstanding += count;
}

static void answer_with(struct connection *c, uint16_t flags) {
  c->owes_ack = 0;
  send_text(c, flags, c->next, (struct text){0});
}

static void start(uint32_t slot, uint64_t now) {
  struct connection *c = &connections[slot];
  const uint16_t address = slot % job->addresses;
  uint32_t port = next_port[address];
  do port = port == PORTS - 1 ? FIRST_PORT : port + 1;
  while (slot_of[address * PORTS + port] >= 0);
  next_port[address] = port;
  slot_of[address * PORTS + port] = slot;
  next_iss += ISS_STEP;
  // What stands in a list stays there.
  const uint8_t is_dirty = c->is_dirty, is_queued = c->is_queued;
  *c = (struct connection){.state = SYN_SENT, .port = port, .address = address, .iss = next_iss};
  c->is_dirty = is_dirty;
  c->is_queued = is_queued;
  c->una = next_iss;
  c->next = next_iss + 1;
  c->asked_at = c->moved_at = now;
  send_text(c, SYN, c->iss, (struct text){0});
}

static void is_done(struct connection *c) {
  under_way -= c->is_under_way;
  c->is_under_way = 0;
}

static void end(uint32_t slot, uint64_t now) {
  struct connection *c = &connections[slot];
  if (c->state != SYN_SENT) load_of_all->open--;
  is_done(c);
  slot_of[key_of(c)] = -1;
  start(slot, now);
}

static void fail(uint32_t slot, uint64_t now) {
  load_of_all->errors++;
  send_text(&connections[slot], RST | ACK, connections[slot].next, (struct text){0});
  end(slot, now);
}

// What HTTP replies look like, from the first bytes of one: any header of that length, and the body as it came.
static int learn_reply(const uint8_t *bytes, uint32_t length) {
  char text[2048];
  if (length >= sizeof text || length < 12 || memcmp(bytes, "HTTP/1.1 200", 12) != 0) return 0;
  memcpy(text, bytes, length);
  text[length] = 0;
  const char *body = strstr(text, "\r\n\r\n");
  const char *field = strcasestr(text, "\r\ncontent-length:");
  if (!body || !field || field > body) return 0;
  const uint32_t header = body + 4 - text;
  const unsigned long content = strtoul(field + 17, NULL, 10);
  if (content > 1 << 30) return 0;
  reply_length = header + content;
  expected_reply = allocate(reply_length, sizeof *expected_reply);
  for (uint32_t i = 0; i < reply_length; i++) expected_reply[i] = i < header || i >= length ? -1 : bytes[i];
  return 1;
}

// Compares the data of a segment with what the reply has at this place, `distance` bytes behind what is expected.
static int is_right(const struct connection *c, const struct segment *s, uint32_t distance) {
  if (reply_length == 0 && !learn_reply(s->data, s->length)) return 0;
  uint32_t at = (c->received + distance) % reply_length;
  for (uint32_t done = 0; done < s->length; at = 0) {
    const uint32_t rest = reply_length - at, part = s->length - done < rest ? s->length - done : rest;
    if (is_exact) {
      if (memcmp(exact_reply + at, s->data + done, part) != 0) return 0;
    } else {
      for (uint32_t i = 0; i < part; i++)
        if (expected_reply[at + i] >= 0 && expected_reply[at + i] != s->data[done + i]) return 0;
    }
    done += part;
  }
  return 1;
}

// Counts data that is right, and with it what had come before behind it.
static void take(struct connection *c, uint32_t length) {
  uint32_t end = c->expected + length;
  if (c->ahead != c->ahead_end && (int32_t)(c->ahead - end) <= 0) {
    if ((int32_t)(c->ahead_end - end) > 0) end = c->ahead_end;
    c->ahead = c->ahead_end;
  }
  c->received += end - c->expected;
  load_of_all->bytes += end - c->expected;
  c->expected = end;
}

// Remembers that data behind a hole has come; what lies behind a second hole comes again. Whether it was right.
static int keep(struct connection *c, const struct segment *s) {
  // Before the first reply nobody knows what is right.
  if (reply_length == 0) return 1;
  if (c->ahead == c->ahead_end) c->ahead = c->ahead_end = s->seq;
  if (s->seq != c->ahead_end) return 1;
  if (!is_right(c, s, s->seq - c->expected)) return 0;
  c->ahead_end += s->length;
  return 1;
}

static void on_segment(const struct segment *s, uint64_t now) {
  const uint32_t address = s->local - job->client;
  if (address >= job->addresses || s->from != job->port) return;
  const int32_t slot = slot_of[address * PORTS + s->to];
  if (slot < 0) return;
  struct connection *c = &connections[slot];
  if (s->flags & RST) {
    fail(slot, now);
    return;
  }
  c->moved_at = now;
  if (c->state == SYN_SENT) {
    if ((s->flags & (SYN | ACK)) != (SYN | ACK) || s->ack != c->next) return;
    c->expected = s->seq + 1;
    c->una = s->ack;
    c->state = OPEN;
    load_of_all->open++;
    mark(slot, 1);
    return;
  }
  if ((int32_t)(s->ack - c->next) > 0) {
    fail(slot, now);
    return;
  }
  if ((int32_t)(s->ack - c->una) > 0) c->una = s->ack;
  const int has_end = (s->flags & FIN) != 0;
  if (s->seq != c->expected) {
    const int is_ahead = (int32_t)(s->seq - c->expected) > 0 && s->length > 0;
    if (is_ahead && !keep(c, s)) fail(slot, now);
    // Each is told at once what is next, as the sender counts that (RFC 5681 4.2). What comes again is answered with the others.
    else if (is_ahead) answer_with(c, ACK);
    else if (s->length > 0 || has_end || s->flags & SYN) mark(slot, 1);
    return;
  }
  if (s->length > 0) {
    if (!is_right(c, s, 0)) {
      fail(slot, now);
      return;
    }
    take(c, s->length);
  }
  if (has_end) {
    c->expected++;
    c->peer_ended = 1;
  }
  mark(slot, s->length > 0 || has_end);
}

// Lets a connection wait for its turn; what it has received is acknowledged then.
static void enqueue(uint32_t slot) {
  if (connections[slot].is_queued) return;
  connections[slot].is_queued = 1;
  queue[(queue_head + queued++) % job->connections] = slot;
}

static void ask_next(uint64_t now) {
  struct connection *c = &connections[queue[queue_head]];
  queue_head = (queue_head + 1) % job->connections;
  queued--;
  c->is_queued = 0;
  // One that has been opened again since asks when it is open.
  if (c->state == OPEN && c->outstanding < job->pipeline) ask(c, job->pipeline - c->outstanding, now);
}

static void count_replies(uint32_t slot, uint32_t whole, uint64_t now) {
  struct connection *c = &connections[slot];
  // Nobody has asked for more.
  if (whole > c->outstanding) {
    fail(slot, now);
    return;
  }
  c->outstanding -= whole;
  c->received -= whole * reply_length;
  load_of_all->replies += whole;
  histogram_add(&load_of_all->latency, now - c->asked_at);
  is_done(c);
  if (job->mode == IDLE) answer_with(c, ACK);
  else if (job->mode == CONN) {
    answer_with(c, FIN | ACK);
    c->next++;
    c->state = FIN_SENT;
  } else if (queued == 0 && may_ask()) ask(c, whole, now);
  else enqueue(slot);
}

// Does what the segments of this turn ask for on one connection: the next requests, the end, or just an ACK.
static void settle(uint32_t slot, uint64_t now) {
  struct connection *c = &connections[slot];
  c->is_dirty = 0;
  if (c->state == FIN_SENT) {
    if (c->owes_ack) answer_with(c, ACK);
    if (c->peer_ended && c->una == c->next) end(slot, now);
    return;
  }
  if (c->state != OPEN) return;
  if (c->next == c->iss + 1 && job->mode != IDLE && !c->is_queued) {
    if (may_ask()) {
      ask(c, job->pipeline, now);
      return;
    }
    answer_with(c, ACK);
    enqueue(slot);
    return;
  }
  const uint32_t whole = reply_length == 0 ? 0 : c->received / reply_length;
  if (whole > 0) count_replies(slot, whole, now);
  else if (c->peer_ended) fail(slot, now);
  else if (c->owes_ack) answer_with(c, ACK);
}

static void send_again(struct connection *c) {
  const uint32_t missing = c->next - c->una;
  if (c->state == SYN_SENT) send_text(c, SYN, c->iss, (struct text){0});
  else if (missing > 0) {
    const int is_ending = c->state == FIN_SENT;
    const uint32_t at = (c->una - c->iss - 1) % job->request_bytes, length = is_ending ? missing - 1 : missing;
    const struct text text = {requests + at, length, sum_of(requests + at, length)};
    send_text(c, is_ending ? FIN | ACK : PSH | ACK, c->una, text);
  } else if (c->is_queued) {
    // It waits for its turn, and the server for an ACK.
    if (c->owes_ack) answer_with(c, ACK);
    return;
  } else if (job->mode == IDLE) return;
  else answer_with(c, ACK);
  load_of_all->resent++;
}

// Sends again what has not been answered, for a few connections per turn.
static void look_after(uint64_t now) {
  for (uint32_t i = started < LOOKS ? started : LOOKS; i > 0; i--) {
    looked = looked + 1 < started ? looked + 1 : 0;
    struct connection *c = &connections[looked];
    if (c->state == FREE || now < c->moved_at + PATIENCE_NS) continue;
    c->moved_at = now;
    send_again(c);
  }
}

static void ask_some(uint64_t now) {
  for (uint32_t i = 0; i < NEW && asked < to_ask && asked < load_of_all->replies - load_of_all->replies_before + OPENING; i++, asked++) {
    // One that has failed meanwhile is an error, and stays without an answer.
    if (connections[asked].state == OPEN) ask(&connections[asked], job->pipeline, now);
  }
}

int client_turn(struct load *load, uint64_t now) {
  struct xdp_desc batch[BATCH];
  const int count = nic_receive(nic, batch, BATCH);
  for (int i = 0; i < count; i++) {
    const uint8_t *frame = nic->memory + batch[i].addr;
    struct segment s;
    if (read_segment(&s, frame, batch[i].len)) on_segment(&s, now);
    else
      for (uint32_t a = 0; a < job->addresses && !answer_arp(nic, job->client + a, frame, batch[i].len); a++)
        ;
    nic_release(nic, batch[i].addr);
  }
  for (uint32_t i = 0; i < dirty_count; i++) settle(dirty[i], now);
  dirty_count = 0;
  while (queued > 0 && may_ask()) ask_next(now);
  // Nor does the queue of frames that wait at the server for the client's address (ARP).
  const uint32_t limit = load->open == 0 ? FIRST_OPENING : OPENING;
  for (int i = 0; i < NEW && started < job->connections && started - load->open < limit; i++) start(started++, now);
  if (asked < to_ask) ask_some(now);
  look_after(now);
  nic_flush(nic);
  return count;
}

void client_ask_all(struct load *load) {
  load->replies_before = load->replies;
  asked = 0;
  to_ask = started;
}

// Whether the server answers a probe of a connection (RFC 9293 3.8.4), and so has dealt with all that was sent before.
static int has_caught_up(const struct connection *c) {
  struct xdp_desc batch[BATCH];
  for (int tries = 0; tries < PROBES; tries++) {
    send_text(c, ACK, c->next - 1, (struct text){0});
    nic_flush(nic);
    const uint64_t end = now_ns() + PROBE_NS;
    int is_answered = 0;
    while (!is_answered && now_ns() < end) {
      const int count = nic_receive(nic, batch, BATCH);
      for (int i = 0; i < count; i++) {
        struct segment s;
        if (read_segment(&s, nic->memory + batch[i].addr, batch[i].len) && s.to == c->port &&
            s.local == job->client + c->address && s.length == 0 && s.ack == c->next)
          is_answered = 1;
        nic_release(nic, batch[i].addr);
      }
    }
    if (is_answered) return 1;
  }
  return 0;
}

// Some at a time: what does not fit into the server's queue is lost, and the server sends to that connection for minutes.
void client_abort(struct load *load) {
  int silent = 0;
  for (uint32_t slot = 0, sent = 0; slot < started; slot++) {
    struct connection *c = &connections[slot];
    if (c->state == FREE) continue;
    if (silent < SILENT && sent >= RESETS && c->state == OPEN) {
      silent = has_caught_up(c) ? 0 : silent + 1;
      // Where it was silent the next one is asked.
      if (silent == 0 || silent == SILENT) sent = 0;
    }
    for (int tries = 0; tries < 100; tries++) {
      if (send_text(c, RST | ACK, c->next, (struct text){0})) break;
      nic_flush(nic);
    }
    c->state = FREE;
    if (++sent % 64 == 0) nic_flush(nic);
  }
  load->open = 0;
  nic_flush(nic);
}

void client_start(struct load *load) {
  load_of_all = load;
  job = load->job;
  nic = load->nic;
  const uint32_t all = job->connections;
  connections = allocate(all, sizeof *connections);
  dirty = allocate(all, sizeof *dirty);
  queue = allocate(all, sizeof *queue);
  next_port = allocate(job->addresses, sizeof *next_port);
  ends = allocate(job->addresses, sizeof *ends);
  slot_of = allocate((size_t)job->addresses * PORTS, sizeof *slot_of);
  memset(slot_of, -1, sizeof *slot_of * job->addresses * PORTS);
  const uint16_t mss = nic->mtu - 40;
  int scale = -1;
  if (job->window > 0)
    for (scale = 0; job->window >> scale > WINDOW; scale++)
      ;
  for (uint32_t i = 0; i < job->addresses; i++) {
    next_port[i] = FIRST_PORT;
    ends[i] = (struct ends){.own = job->client + i, .peer = job->server, .mss = mss, .scale = scale};
    ends[i].window = job->window > 0 ? job->window >> scale : WINDOW;
    ends_set(&ends[i], nic->mac, job->server_mac);
  }
  requests = allocate(job->pipeline + 1, job->request_bytes);
  request_sums = allocate(job->pipeline + 1, sizeof *request_sums);
  for (uint32_t i = 0; i <= job->pipeline; i++) {
    memcpy(requests + i * job->request_bytes, job->request, job->request_bytes);
    request_sums[i] = sum_of(requests, i * job->request_bytes);
  }
  is_exact = job->reply_bytes > 0;
  exact_reply = job->reply;
  reply_length = job->reply_bytes;
}
