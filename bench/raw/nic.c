// Opens a queue: memory, rings, the XDP program, and what is to be known of the interface.

#define _GNU_SOURCE
#include "nic.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
  SEND_BUFFER = 64 << 20,
  // Linux 6.17.
  MAX_TX_SKB_BUDGET = 9,
  TX_BUDGET = 256,
  TX_BUDGET_FIXED = 32,
  // The kernel frees the queue of a closed socket a little later.
  BUSY_RETRIES = 20,
  BUSY_RETRY_US = 10000,
  ETHERNET_BYTES = 14,
};

static void set(int fd, int level, int option, int value) {
  if (setsockopt(fd, level, option, &value, sizeof value) < 0) die("setsockopt");
}

static struct ring map_ring(int fd, struct xdp_ring_offset at, uint32_t size, size_t entry, off_t page) {
  void *map = mmap(NULL, at.desc + size * entry, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, page);
  if (map == MAP_FAILED) die("mmap of a ring");
  return (struct ring){
      .producer = (uint32_t *)((char *)map + at.producer),
      .consumer = (uint32_t *)((char *)map + at.consumer),
      .flags = (uint32_t *)((char *)map + at.flags),
      .entries = (char *)map + at.desc,
      .mask = size - 1,
  };
}

static void make_rings(struct nic *nic) {
  set(nic->fd, SOL_XDP, XDP_UMEM_FILL_RING, FILL_RING);
  set(nic->fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, COMP_RING);
  set(nic->fd, SOL_XDP, XDP_RX_RING, RX_RING);
  set(nic->fd, SOL_XDP, XDP_TX_RING, TX_RING);
  struct xdp_mmap_offsets at;
  socklen_t length = sizeof at;
  if (getsockopt(nic->fd, SOL_XDP, XDP_MMAP_OFFSETS, &at, &length) < 0) die("XDP_MMAP_OFFSETS");
  nic->fill = map_ring(nic->fd, at.fr, FILL_RING, 8, XDP_UMEM_PGOFF_FILL_RING);
  nic->comp = map_ring(nic->fd, at.cr, COMP_RING, 8, XDP_UMEM_PGOFF_COMPLETION_RING);
  nic->rx = map_ring(nic->fd, at.rx, RX_RING, sizeof(struct xdp_desc), XDP_PGOFF_RX_RING);
  nic->tx = map_ring(nic->fd, at.tx, TX_RING, sizeof(struct xdp_desc), XDP_PGOFF_TX_RING);
}

static void make_memory(struct nic *nic) {
  const size_t bytes = (size_t)FRAMES * FRAME_SIZE;
  nic->memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (nic->memory == MAP_FAILED) die("mmap of the frames");
  struct xdp_umem_reg memory = {
      .addr = (uintptr_t)nic->memory, .len = bytes, .chunk_size = FRAME_SIZE, .headroom = HEADROOM};
  if (setsockopt(nic->fd, SOL_XDP, XDP_UMEM_REG, &memory, sizeof memory) < 0) die("XDP_UMEM_REG");
  nic->free_count = FRAMES;
  for (uint32_t i = 0; i < FRAMES; i++) nic->free[i] = (FRAMES - 1 - i) * FRAME_SIZE;
}

static void bind_to(struct nic *nic, int ifindex) {
  struct sockaddr_xdp place = {
      .sxdp_family = AF_XDP, .sxdp_flags = XDP_COPY | XDP_USE_NEED_WAKEUP, .sxdp_ifindex = ifindex};
  for (int tries = 0; bind(nic->fd, (struct sockaddr *)&place, sizeof place) < 0; tries++) {
    if (errno != EBUSY || tries == BUSY_RETRIES) die("bind");
    usleep(BUSY_RETRY_US);
  }
}

static void read_interface(struct nic *nic, const char *iface) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  struct ifreq request = {0};
  strncpy(request.ifr_name, iface, IFNAMSIZ - 1);
  if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &request) < 0) die(iface);
  memcpy(nic->mac, request.ifr_hwaddr.sa_data, 6);
  if (ioctl(fd, SIOCGIFMTU, &request) < 0) die(iface);
  nic->mtu = request.ifr_mtu;
  close(fd);
}

void nic_open(struct nic *nic, const char *iface, const char *netns, const char *mode, uint32_t address) {
  int space = open(netns, O_RDONLY | O_CLOEXEC);
  if (space < 0 || setns(space, CLONE_NEWNET) < 0) die(netns);
  close(space);
  int ifindex = if_nametoindex(iface);
  if (ifindex == 0) die(iface);
  memset(nic, 0, sizeof *nic);
  read_interface(nic, iface);
  errno = EMSGSIZE;
  // A packet is one buffer here.
  if (nic->mtu + ETHERNET_BYTES > FRAME_SIZE - TX_HEADROOM) die(iface);
  program_attach(&nic->program, ifindex, mode);
  nic->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (nic->fd < 0) die("socket");
  make_memory(nic);
  make_rings(nic);
  int budget = TX_BUDGET;
  // In copy mode every frame under way is charged to the send buffer. The budget cannot be set everywhere.
  set(nic->fd, SOL_SOCKET, SO_SNDBUFFORCE, SEND_BUFFER);
  const int is_fixed = setsockopt(nic->fd, SOL_XDP, MAX_TX_SKB_BUDGET, &budget, sizeof budget) < 0;
  nic->kick_group = is_fixed ? TX_BUDGET_FIXED : KICK_GROUP;
  bind_to(nic, ifindex);
  nic_refill(nic);
  program_set_socket(&nic->program, 0, nic->fd);
  program_add_address(&nic->program, address);
}

void nic_close(struct nic *nic) {
  close(nic->program.link);
  close(nic->fd);
}

void nic_print_statistics(struct nic *nic) {
  struct counts *c = &nic->counts;
  struct xdp_statistics s = {0};
  socklen_t length = sizeof s;
  uint64_t redirected, passed;
  if (getsockopt(nic->fd, SOL_XDP, XDP_STATISTICS, &s, &length) < 0) die("XDP_STATISTICS");
  program_counts(&nic->program, &redirected, &passed);
  const struct {
    const char *name;
    uint64_t value;
  } all[] = {
      {"rx_packets", c->rx_packets},
      {"rx_bytes", c->rx_bytes},
      {"tx_packets", c->tx_packets},
      {"tx_bytes", c->tx_bytes},
      {"tx_ring_full", c->tx_ring_full},
      {"tx_kicks", c->tx_kicks},
      {"tx_kicks_refused", c->tx_kicks_refused},
      {"rx_wakeups", c->rx_wakeups},
      {"xdp_redirected", redirected},
      {"xdp_passed", passed},
      {"xsk_rx_dropped", s.rx_dropped},
      {"xsk_rx_invalid_descs", s.rx_invalid_descs},
      {"xsk_tx_invalid_descs", s.tx_invalid_descs},
      {"xsk_rx_ring_full", s.rx_ring_full},
      {"xsk_rx_fill_ring_empty_descs", s.rx_fill_ring_empty_descs},
      {"xsk_tx_ring_empty_descs", s.tx_ring_empty_descs},
  };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    printf("%s\"%s\":%" PRIu64, i == 0 ? "" : ",", all[i].name, all[i].value);
}
