// How fast the machine is while a load runs. A hypervisor or the hardware may slow all CPUs down for some ms, and nothing tells of it but
// work that takes longer than it usually does: the same piece of arithmetic, in registers alone, over and over.

#ifndef RAW_PACE_H
#define RAW_PACE_H

#include <stdint.h>

struct pace {
  // When it was begun, and when the last piece was done; 0 before that.
  uint64_t from, last;
  // The least that a piece took in each ms, in ns; 0 where none was done.
  uint32_t *ns, length;
};

// Begins anew; `pace` is zero before the first time.
void pace_begin(struct pace *pace, uint64_t now, double ms);
// To be called again and again; does a piece when it is time for one.
void pace_take(struct pace *pace, uint64_t now);
// As a property of an object of JSON.
void pace_print(const struct pace *pace);

#endif
