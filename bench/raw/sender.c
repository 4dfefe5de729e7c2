// Streams without an end: bench/generator/sender.ts in C. It goes back to the first byte that is missing when something was lost.

#include <stdlib.h>

#include "load.h"
#include "segments.h"

enum {
  BATCH = 256,
  FIRST_PORT = 2000,
  ISS = 1000,
  // Segments of all flows under way at most, fewer than the server has places to receive into.
  UNDER_WAY = 1024,
  // Segments of a flow per turn, so that what the server says is soon heard.
  BURST = 32,
  DUPLICATES = 3,
};
static const uint64_t PATIENCE_NS = 20000000;

// A flow that has failed has been reset, or has ended: that is told, and not tried again.
enum state { CLOSED, SYN_SENT, OPEN, FAILED };

struct flow {
  enum state state;
  // `most` is as far as has ever been sent; `position` are the bytes of the stream before `una`, modulo the period.
  uint32_t una, next, most, position, window, received, recover;
  int shift, duplicates;
  uint64_t moved_at;
};

static const struct job *job;
static struct load *load_of_all;
static struct nic *nic;
static struct ends ends;
static struct flow *flows;
static uint32_t limit, period;
// Sums of a whole segment that begins at each byte of the period; 0 is not known yet.
static uint32_t *sums;

static int send_part(const struct flow *f, uint16_t flags, uint32_t seq, uint32_t start, uint32_t length) {
  struct text text = {job->reply + start, length, 0};
  if (length == ends.mss) {
    if (sums[start] == 0) sums[start] = sum_of(text.data, length);
    text.sum = sums[start];
  } else {
    text.sum = sum_of(text.data, length);
  }
  return send_segment(nic, &ends, FIRST_PORT + (f - flows), job->port, flags, seq, f->received, text);
}

static void open_flow(struct flow *f, uint64_t now) {
  if (f->state == SYN_SENT && now < f->moved_at + PATIENCE_NS) return;
  if (f->state == SYN_SENT) load_of_all->resent++;
  f->state = SYN_SENT;
  f->moved_at = now;
  send_part(f, SYN, ISS, 0, 0);
}

static void go_back(struct flow *f, uint64_t now) {
  f->next = f->una;
  f->recover = f->most;
  f->moved_at = now;
  load_of_all->resent++;
}

static void on_ack(struct flow *f, const struct segment *s, uint64_t now) {
  const uint32_t progress = s->ack - f->una, window = (uint32_t)s->window << f->shift;
  if ((int32_t)progress < 0 || (int32_t)(s->ack - f->most) > 0) return;
  if (progress > 0) {
    f->una = s->ack;
    f->position = (f->position + progress) % period;
    if ((int32_t)(f->next - f->una) < 0) f->next = f->una;
    f->duplicates = 0;
    f->moved_at = now;
    load_of_all->bytes += progress;
  } else if (window == f->window && f->most != f->una) {
    if (++f->duplicates == DUPLICATES && (int32_t)(f->una - f->recover) >= 0) go_back(f, now);
  }
  f->window = window;
}

static void on_segment(const struct segment *s, uint64_t now) {
  const uint32_t which = s->to - FIRST_PORT;
  if (which >= job->connections || s->from != job->port || s->local != ends.own) return;
  struct flow *f = &flows[which];
  if (f->state == CLOSED || f->state == FAILED) return;
  if (s->flags & (RST | FIN)) {
    load_of_all->errors++;
    if (f->state == OPEN) load_of_all->open--;
    f->state = FAILED;
  } else if (f->state == OPEN) {
    on_ack(f, s, now);
  } else if ((s->flags & (SYN | ACK)) == (SYN | ACK) && s->ack == ISS + 1) {
    f->state = OPEN;
    load_of_all->open++;
    f->una = f->next = f->most = f->recover = ISS + 1;
    f->received = s->seq + 1;
    f->shift = scale_of(s);
    f->window = s->window;
    f->moved_at = now;
    send_part(f, ACK, f->next, 0, 0);
  }
}

static void send_more(struct flow *f, uint64_t now) {
  const uint32_t mss = ends.mss, room = f->window < limit ? f->window : limit;
  if (now > f->moved_at + PATIENCE_NS) {
    if (f->most != f->una) go_back(f, now);
    // A window that has closed is asked about with a byte.
    else if (room == 0) {
      f->moved_at = now;
      if (f->most == f->una) f->most++;
      send_part(f, ACK, f->una, f->position, 1);
      return;
    }
  }
  for (int i = 0; i < BURST; i++) {
    const uint32_t ahead = f->next - f->una;
    // Whole segments only, unless the window never has room for one.
    const uint32_t length = room < mss ? (ahead == 0 ? room : 0) : mss;
    if (length == 0 || ahead + length > room) return;
    if (!send_part(f, PSH | ACK, f->next, (f->position + ahead) % period, length)) return;
    if (f->most == f->una) f->moved_at = now;
    f->next += length;
    if ((int32_t)(f->next - f->most) > 0) f->most = f->next;
  }
}

int sender_turn(struct load *load, uint64_t now) {
  (void)load;
  struct xdp_desc batch[BATCH];
  const int count = nic_receive(nic, batch, BATCH);
  for (int i = 0; i < count; i++) {
    const uint8_t *frame = nic->memory + batch[i].addr;
    struct segment s;
    if (read_segment(&s, frame, batch[i].len)) on_segment(&s, now);
    else answer_arp(nic, ends.own, frame, batch[i].len);
    nic_release(nic, batch[i].addr);
  }
  for (uint32_t i = 0; i < job->connections; i++) {
    if (flows[i].state == OPEN) send_more(&flows[i], now);
    else if (flows[i].state != FAILED) open_flow(&flows[i], now);
  }
  nic_flush(nic);
  return count;
}

void sender_abort(struct load *load) {
  for (uint32_t i = 0; i < job->connections; i++) {
    for (int tries = 0; flows[i].state == OPEN && tries < 100; tries++) {
      if (send_part(&flows[i], RST | ACK, flows[i].most, 0, 0)) break;
      nic_flush(nic);
    }
    flows[i].state = FAILED;
  }
  load->open = 0;
  nic_flush(nic);
}

void sender_start(struct load *load) {
  load_of_all = load;
  job = load->job;
  nic = load->nic;
  ends = (struct ends){.own = job->client, .peer = job->server, .mss = nic->mtu - 40, .window = WINDOW, .scale = 0};
  ends_set(&ends, nic->mac, job->server_mac);
  // The pattern repeats itself, and ends with a segment more than that.
  if (job->reply_bytes <= ends.mss) die("the pattern is shorter than a segment");
  period = job->reply_bytes - ends.mss;
  const uint32_t share = UNDER_WAY / job->connections;
  limit = (share > 2 ? share : 2) * ends.mss;
  flows = calloc(job->connections, sizeof *flows);
  sums = calloc(period, sizeof *sums);
  if (!flows || !sums) die("memory of the flows");
}
