// A queue of an interface by AF_XDP, as src/nic/xdp-nic.ts has it: the same frames, rings, kicks and counters, without the
// checks of who owns a frame. What moves frames is here, so that it is compiled into its users; nic.c opens and closes.

#ifndef RAW_NIC_H
#define RAW_NIC_H

#include <linux/if_xdp.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

enum {
  FRAME_SIZE = 2048,
  FRAMES = 8192,
  RX_RING = 2048,
  FILL_RING = 2048,
  // Rings in which every frame fits cannot overflow.
  TX_RING = FRAMES,
  COMP_RING = FRAMES,
  HEADROOM = 6,
  TX_HEADROOM = 64 + HEADROOM,
  REFILL_BATCH = 64,
  KICK_GROUP = 64,
};

struct ring {
  uint32_t *producer, *consumer, *flags;
  void *entries;
  uint32_t mask;
  uint32_t index; // the own end of it, which the kernel does not move
};

struct program {
  int addresses, sockets, counters, link;
  const char *mode;
};

struct counts {
  uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes, tx_ring_full, tx_kicks, tx_kicks_refused, rx_wakeups;
};

struct nic {
  int fd;
  uint8_t *memory;
  struct ring fill, comp, rx, tx;
  uint32_t free[FRAMES];
  uint32_t free_count, fill_count, tx_count, pending, kick_group;
  int kick_wanted;
  struct counts counts;
  struct program program;
  uint8_t mac[6];
  int mtu;
};

// Opens queue 0. MODE is auto, native or skb; NETNS is a path. Ends the process when that fails.
void nic_open(struct nic *nic, const char *iface, const char *netns, const char *mode, uint32_t address);
void nic_close(struct nic *nic);
// Writes the counters as the members of a JSON object.
void nic_print_statistics(struct nic *nic);

// Attaches the XDP program, by a link: it goes with the process, however that ends.
void program_attach(struct program *program, int ifindex, const char *mode);
void program_add_address(struct program *program, uint32_t address);
void program_set_socket(struct program *program, uint32_t queue, int fd);
void program_counts(struct program *program, uint64_t *redirected, uint64_t *passed);

// Set when the process is to end.
extern volatile int is_over;

// Says what went wrong, with errno, and ends the process.
__attribute__((noreturn)) void die(const char *what);

static inline uint32_t load(uint32_t *at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }
static inline void store(uint32_t *at, uint32_t value) { __atomic_store_n(at, value, __ATOMIC_RELEASE); }

static inline void nic_refill(struct nic *nic) {
  uint32_t wanted = FILL_RING - nic->fill_count;
  if (wanted > nic->free_count) wanted = nic->free_count;
  struct ring *fill = &nic->fill;
  uint32_t room = FILL_RING - (fill->index - load(fill->consumer));
  if (wanted > room) wanted = room;
  uint64_t *entries = fill->entries;
  for (uint32_t i = 0; i < wanted; i++)
    entries[(fill->index + i) & fill->mask] = nic->free[--nic->free_count];
  fill->index += wanted;
  store(fill->producer, fill->index);
  nic->fill_count += wanted;
}

// Takes what has come, `most` at the most, into `batch`: a frame belongs to the caller until it is released or submitted.
static inline int nic_receive(struct nic *nic, struct xdp_desc *batch, uint32_t most) {
  if (FILL_RING - nic->fill_count >= REFILL_BATCH) nic_refill(nic);
  struct ring *rx = &nic->rx;
  uint32_t count = load(rx->producer) - rx->index;
  if (count == 0) {
    if (*(volatile uint32_t *)nic->fill.flags & XDP_RING_NEED_WAKEUP) {
      nic->counts.rx_wakeups++;
      recvfrom(nic->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
    }
    return 0;
  }
  if (count > most) count = most;
  struct xdp_desc *entries = rx->entries;
  for (uint32_t i = 0; i < count; i++) {
    batch[i] = entries[(rx->index + i) & rx->mask];
    nic->counts.rx_bytes += batch[i].len;
  }
  rx->index += count;
  store(rx->consumer, rx->index);
  nic->fill_count -= count;
  nic->counts.rx_packets += count;
  return count;
}

static inline void nic_release(struct nic *nic, uint64_t address) {
  nic->free[nic->free_count++] = address & ~(uint64_t)(FRAME_SIZE - 1);
}

// Takes back what the kernel has sent.
static inline void nic_reap(struct nic *nic) {
  struct ring *comp = &nic->comp;
  uint32_t count = load(comp->producer) - comp->index;
  if (count == 0) return;
  uint64_t *entries = comp->entries;
  for (uint32_t i = 0; i < count; i++) nic_release(nic, entries[(comp->index + i) & comp->mask]);
  comp->index += count;
  store(comp->consumer, comp->index);
  nic->tx_count -= count;
}

static inline void nic_hand_over(struct nic *nic) {
  store(nic->tx.producer, nic->tx.index);
  nic->pending = 0;
  nic->kick_wanted = 0;
  nic->counts.tx_kicks++;
  // In copy mode nothing is sent without a call, whatever the flag of the ring says.
  if (sendto(nic->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0) return;
  nic->counts.tx_kicks_refused++;
  nic->kick_wanted = load(nic->tx.consumer) != nic->tx.index;
}

// A frame to fill, as an offset into the memory; -1 when there is none.
static inline int64_t nic_reserve(struct nic *nic) {
  // What the fill ring lacks is spoken for: a sender must not be able to stop the receiver.
  if (nic->free_count <= FILL_RING - nic->fill_count) {
    nic_reap(nic);
    if (nic->free_count <= FILL_RING - nic->fill_count) return -1;
  }
  return (int64_t)nic->free[--nic->free_count] + TX_HEADROOM;
}

static inline void nic_submit(struct nic *nic, uint64_t address, uint32_t length) {
  struct ring *tx = &nic->tx;
  if (tx->index - load(tx->consumer) == TX_RING) {
    nic->counts.tx_ring_full++;
    nic_release(nic, address);
    nic_hand_over(nic);
    return;
  }
  struct xdp_desc *entries = tx->entries;
  entries[tx->index++ & tx->mask] = (struct xdp_desc){.addr = address, .len = length};
  nic->tx_count++;
  nic->counts.tx_packets++;
  nic->counts.tx_bytes += length;
  if (++nic->pending >= nic->kick_group) nic_hand_over(nic);
}

static inline void nic_flush(struct nic *nic) {
  if (nic->pending > 0 || nic->kick_wanted) nic_hand_over(nic);
  if (nic->tx_count > 0) nic_reap(nic);
}

#endif
