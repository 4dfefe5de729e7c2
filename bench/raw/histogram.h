// Counts of times, as bench/generator/histogram.ts has them: every power of two of tenths of a microsecond in 32 equal parts.

#ifndef RAW_HISTOGRAM_H
#define RAW_HISTOGRAM_H

#include <stdint.h>
#include <string.h>

enum { PART_BITS = 5, PARTS = 1 << PART_BITS, POWERS = 26 };

struct histogram {
  uint32_t counts[(POWERS - PART_BITS + 1) * PARTS];
  uint64_t total, largest;
};

static inline void histogram_add(struct histogram *h, uint64_t ns) {
  uint64_t tenths = (ns + 50) / 100;
  if (tenths >= 1u << POWERS) tenths = (1u << POWERS) - 1;
  uint32_t index = tenths;
  if (tenths >= PARTS) {
    uint32_t shift = 31 - __builtin_clz(index) - PART_BITS;
    index = (shift + 1) * PARTS + (index >> shift) - PARTS;
  }
  h->counts[index]++;
  h->total++;
  if (ns > h->largest) h->largest = ns;
}

// The time in µs that the share of all did not exceed; 0 when there are none.
static inline double histogram_quantile(const struct histogram *h, double share) {
  const double largest = h->largest / 1e3;
  if (h->total == 0) return 0;
  double left = share * h->total;
  if (left < 1) left = 1;
  for (uint32_t index = 0; index < sizeof h->counts / sizeof *h->counts; index++) {
    left -= h->counts[index];
    if (left > 0) continue;
    const uint32_t shift = index < PARTS ? 0 : index / PARTS - 1;
    const double tenths = index < PARTS ? index : (double)(((uint64_t)(index % PARTS) + PARTS + 1) << shift) - 1;
    return tenths / 10 < largest ? tenths / 10 : largest;
  }
  return largest;
}

static inline void histogram_clear(struct histogram *h) { memset(h, 0, sizeof *h); }

#endif
