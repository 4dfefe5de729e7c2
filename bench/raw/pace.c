// Pieces of arithmetic, each of some microseconds, and the quickest one of each millisecond: one that was interrupted says nothing.

#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "pace.h"

enum { STEPS = 2500, EVERY_NS = 100000, MS_NS = 1000000 };

static volatile uint32_t state = 1;

static void work(void) {
  uint32_t x = state;
  for (int i = 0; i < STEPS; i++) x = x * 1664525 + 1013904223;
  state = x;
}

void pace_begin(struct pace *pace, uint64_t now, double ms) {
  free(pace->ns);
  *pace = (struct pace){.from = now, .length = (uint32_t)ms + 1};
  // Without memory for it nothing is told.
  pace->ns = calloc(pace->length, sizeof *pace->ns);
  if (!pace->ns) pace->length = 0;
}

void pace_take(struct pace *pace, uint64_t now) {
  if (pace->length == 0 || now - pace->last < EVERY_NS) return;
  const uint64_t from = now_ns();
  work();
  pace->last = now_ns();
  const uint64_t ms = (from - pace->from) / MS_NS;
  if (ms >= pace->length) return;
  const uint32_t took = pace->last - from;
  if (pace->ns[ms] == 0 || took < pace->ns[ms]) pace->ns[ms] = took;
}

void pace_print(const struct pace *pace) {
  printf("\"pace\":{\"from\":%.3f,\"ns\":[", pace->from / 1e6);
  for (uint32_t i = 0; i < pace->length; i++) printf(i == 0 ? "%u" : ",%u", pace->ns[i]);
  printf("]},");
}
