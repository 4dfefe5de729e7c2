// Runs a load: opens, warms up until the rate is steady, measures, and prints a line of JSON as bench/generator/job.ts has it.
// Connections that are idle are opened, and asked when standard input says so; it goes when that ends.

#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "jobs.h"
#include "load.h"
#include "pace.h"
#include "segments.h"
#include "steady.h"

enum { OPENING_MS = 20000, KEEP_MS = 20 };

static struct load all;
static turn *take_turn;
// Taken while a load is measured that is to tell it.
static struct pace pace;

static double epoch_ms(void) { return clock_ns(CLOCK_REALTIME) / 1e6; }

// What is enough before the time is over.
enum until { TIME, ALL_OPEN, ALL_ANSWERED };

static int is_enough(enum until until) {
  if (until == TIME) return 0;
  return (until == ALL_OPEN ? all.open : all.replies - all.replies_before) >= all.job->connections;
}

// Spins for some time; the share of it that went into looks that found nothing.
static double spin(double ms, enum until until) {
  const uint64_t start = now_ns(), end = start + (uint64_t)(ms * 1e6);
  uint64_t now = start, empty = 0;
  while (now < end && !is_over) {
    const int frames = take_turn(&all, now);
    const uint64_t then = now;
    now = now_ns();
    if (frames == 0) {
      empty += now - then;
#ifdef __x86_64__
      // Another thread of the same core may have it meanwhile.
      __builtin_ia32_pause();
#endif
    }
    pace_take(&pace, now);
    if (is_enough(until)) break;
  }
  return now == start ? 0 : (double)empty / (now - start);
}

static uint64_t progress(void) { return all.job->mode == SINK ? all.bytes : all.replies; }

// Warms up; how long that took in ms.
static double warm_up(void) {
  const struct job *job = all.job;
  struct steady steady = {.least_ms = job->warmup_ms, .most_ms = job->longest_warmup_ms};
  const uint64_t start = now_ns();
  while (!is_over) {
    const uint64_t before = progress(), from = now_ns();
    spin(STEADY_WINDOW_MS, TIME);
    const double ms = (now_ns() - from) / 1e6;
    if (is_steady(&steady, (progress() - before) / ms, (now_ns() - start) / 1e6)) break;
  }
  return (now_ns() - start) / 1e6;
}

// Measures what some work makes of a count.
static void measure(double ms, enum until until, double warmup_ms) {
  const uint64_t errors = all.errors, resent = all.resent, replies = all.replies, bytes = all.bytes;
  const uint32_t open = all.open;
  histogram_clear(&all.latency);
  if (all.job->tells_pace) pace_begin(&pace, now_ns(), ms);
  const double from = epoch_ms(), idle = spin(ms, until), to = epoch_ms();
  const uint64_t count = until == ALL_OPEN ? all.open - open : all.replies - replies;
  const struct histogram *h = &all.latency;
  printf("{\"perSecond\":%.3f,\"from\":%.3f,\"to\":%.3f,\"replies\":%llu,\"bytes\":%llu,\"errors\":%llu,\"resent\":%llu,",
         count * 1e3 / (to - from), from, to, (unsigned long long)count, (unsigned long long)(all.bytes - bytes),
         (unsigned long long)(all.errors - errors), (unsigned long long)(all.resent - resent));
  if (all.job->tells_pace) pace_print(&pace);
  printf("\"idle\":%.4f,\"open\":%u,\"warmupMs\":%.0f,", idle, all.open, warmup_ms);
  printf("\"latencyUs\":{\"p50\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f}}\n", histogram_quantile(h, 0.5),
         histogram_quantile(h, 0.99), histogram_quantile(h, 0.999), h->largest / 1e3);
  fflush(stdout);
}

// Keeps idle connections until standard input ends.
static void hold_idle(void) {
  const struct job *job = all.job;
  measure(job->duration_ms, ALL_OPEN, 0);
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  while (!is_over) {
    spin(1, TIME);
    if (poll(&input, 1, KEEP_MS) <= 0) continue;
    char text[64];
    const ssize_t length = read(STDIN_FILENO, text, sizeof text);
    if (length <= 0) return;
    if (!memmem(text, length, "ask", 3)) continue;
    client_ask_all(&all);
    measure(job->duration_ms, ALL_ANSWERED, 0);
  }
}

void run_load(struct nic *nic, const struct job *job) {
  all.nic = nic;
  all.job = job;
  const int is_sink = job->mode == SINK;
  take_turn = is_sink ? sender_turn : client_turn;
  (is_sink ? sender_start : client_start)(&all);
  if (job->mode == IDLE) {
    hold_idle();
  } else {
    if (job->mode == RPC) spin(OPENING_MS, ALL_OPEN);
    const double warmup_ms = warm_up();
    measure(job->duration_ms, TIME, warmup_ms);
  }
  (is_sink ? sender_abort : client_abort)(&all);
}
