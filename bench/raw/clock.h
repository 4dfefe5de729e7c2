// The clocks. CLOCK_MONOTONIC is that of process.hrtime, which a server watches itself by.

#ifndef RAW_CLOCK_H
#define RAW_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_ns(clockid_t which) {
  struct timespec now;
  clock_gettime(which, &now);
  return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static inline uint64_t now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

#endif
