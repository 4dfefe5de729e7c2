// When a server that is warming up has become as fast as it will be: the rule of bench/generator/steady.ts.

#ifndef RAW_STEADY_H
#define RAW_STEADY_H

enum { STEADY_WINDOW_MS = 100, STEADY_WINDOWS = 3 };
#define STEADY_SHARE 0.95

struct steady {
  double least_ms, most_ms;
  double best;
  int in_a_row;
};

// Takes the rate of a window; whether the warm-up is over, `ms` after it began.
static inline int is_steady(struct steady *s, double rate, double ms) {
  const int is_near = rate >= s->best * STEADY_SHARE;
  // A rate that is much beyond the best one begins anew.
  s->in_a_row = !is_near || rate == 0 ? 0 : rate * STEADY_SHARE > s->best ? 1 : s->in_a_row + 1;
  if (rate > s->best) s->best = rate;
  return ms >= s->most_ms || (ms >= s->least_ms && s->in_a_row >= STEADY_WINDOWS);
}

#endif
