// The XDP program of src/nic/xdp-bytecode.ts for IPv4, assembled by hand: ARP, TCP and ICMP for an address in a map go to
// the socket of their queue, all else to the kernel. The same maps, so that a packet costs what it costs there.

#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "nic.h"

enum { KEY_BYTES = 16, COUNTERS = 2, MAX_CPUS = 1024, QUEUES = 256, ADDRESSES = 1024 };
// Keys are IPv6 addresses, of which IPv4's are a part (RFC 4291 2.5.5.2), as a little-endian load sees them.
enum { V4_MAPPED = (int)0xffff0000 };

static int call_bpf(int command, union bpf_attr *attr) { return syscall(SYS_bpf, command, attr, sizeof *attr); }

static int make_map(int type, int key, int value, int entries) {
  union bpf_attr attr = {.map_type = type, .key_size = key, .value_size = value, .max_entries = entries};
  int fd = call_bpf(BPF_MAP_CREATE, &attr);
  if (fd < 0) die("BPF_MAP_CREATE");
  return fd;
}

static void update(int map, const void *key, const void *value) {
  union bpf_attr attr = {.map_fd = map, .key = (uintptr_t)key, .value = (uintptr_t)value};
  if (call_bpf(BPF_MAP_UPDATE_ELEM, &attr) < 0) die("BPF_MAP_UPDATE_ELEM");
}

#define MOVE(to, from) {.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = to, .src_reg = from}
#define SET(to, value) {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = to, .imm = value}
#define ADD(to, value) {.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = to, .imm = value}
#define SHIFT(to, by) {.code = BPF_ALU64 | BPF_RSH | BPF_K, .dst_reg = to, .imm = by}
#define LOAD(size, to, from, at) {.code = BPF_LDX | BPF_MEM | size, .dst_reg = to, .src_reg = from, .off = at}
#define STORE(size, to, at, from) {.code = BPF_STX | BPF_MEM | size, .dst_reg = to, .src_reg = from, .off = at}
#define STORE_NUMBER(size, to, at, value) {.code = BPF_ST | BPF_MEM | size, .dst_reg = to, .off = at, .imm = value}
// An instruction of two words.
#define MAP(to, fd) {.code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = to, .src_reg = BPF_PSEUDO_MAP_FD, .imm = fd}
#define CALL(helper) {.code = BPF_JMP | BPF_CALL, .imm = helper}
#define EXIT {.code = BPF_JMP | BPF_EXIT}
#define GO(here, to) {.code = BPF_JMP | BPF_JA, .off = (to) - (here) - 1}
#define IF(here, reg, test, value, to) \
  {.code = BPF_JMP32 | test | BPF_K, .dst_reg = reg, .imm = value, .off = (to) - (here) - 1}
#define IF_NULL(here, reg, to) {.code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = reg, .off = (to) - (here) - 1}
#define IF_BEYOND(here, reg, end, to) \
  {.code = BPF_JMP | BPF_JGT | BPF_X, .dst_reg = reg, .src_reg = end, .off = (to) - (here) - 1}

// Places in the program, and below its frame.
enum { ADDRESS = 15, ARP = 17, LOOKUP = 25, PASS = 41, COUNT = 42, SLOT_IS_SET = 45, DONE = 55 };
enum { KEY = -16, SLOT = -24 };

// R6 is the context, r7 the start of the packet, r8 its end, r9 the verdict.
static int load_program(const struct program *p) {
  const struct bpf_insn code[] = {
      [0] = MOVE(6, 1),
      [1] = LOAD(BPF_W, 7, 6, offsetof(struct xdp_md, data)),
      [2] = LOAD(BPF_W, 8, 6, offsetof(struct xdp_md, data_end)),
      [3] = MOVE(1, 7),
      [4] = ADD(1, 34),
      [5] = IF_BEYOND(5, 1, 8, PASS),
      [6] = LOAD(BPF_H, 1, 7, 12),
      [7] = IF(7, 1, BPF_JEQ, 0x0608, ARP),
      [8] = IF(8, 1, BPF_JNE, 0x0008, PASS),
      // IPv4: version, then TCP or ICMP.
      [9] = LOAD(BPF_B, 1, 7, 14),
      [10] = SHIFT(1, 4),
      [11] = IF(11, 1, BPF_JNE, 4, PASS),
      [12] = LOAD(BPF_B, 1, 7, 23),
      [13] = IF(13, 1, BPF_JEQ, 6, ADDRESS),
      [14] = IF(14, 1, BPF_JNE, 1, PASS),
      [ADDRESS] = LOAD(BPF_W, 1, 7, 30),
      [16] = GO(16, LOOKUP),
      // ARP for IPv4 on Ethernet: the target's address.
      [ARP] = MOVE(1, 7),
      [18] = ADD(1, 42),
      [19] = IF_BEYOND(19, 1, 8, PASS),
      [20] = LOAD(BPF_W, 1, 7, 14),
      [21] = IF(21, 1, BPF_JNE, 0x00080100, PASS),
      [22] = LOAD(BPF_H, 1, 7, 18),
      [23] = IF(23, 1, BPF_JNE, 0x0406, PASS),
      [24] = LOAD(BPF_W, 1, 7, 38),
      [LOOKUP] = STORE_NUMBER(BPF_DW, 10, KEY, 0),
      [26] = STORE_NUMBER(BPF_W, 10, KEY + 8, V4_MAPPED),
      [27] = STORE(BPF_W, 10, KEY + 12, 1),
      [28] = MAP(1, p->addresses),
      [30] = MOVE(2, 10),
      [31] = ADD(2, KEY),
      [32] = CALL(BPF_FUNC_map_lookup_elem),
      [33] = IF_NULL(33, 0, PASS),
      [34] = MAP(1, p->sockets),
      [36] = LOAD(BPF_W, 2, 6, offsetof(struct xdp_md, rx_queue_index)),
      [37] = SET(3, XDP_PASS),
      [38] = CALL(BPF_FUNC_redirect_map),
      [39] = MOVE(9, 0),
      [40] = GO(40, COUNT),
      [PASS] = SET(9, XDP_PASS),
      [COUNT] = SET(1, 1),
      [43] = IF(43, 9, BPF_JNE, XDP_REDIRECT, SLOT_IS_SET),
      [44] = SET(1, 0),
      [SLOT_IS_SET] = STORE(BPF_W, 10, SLOT, 1),
      [46] = MAP(1, p->counters),
      [48] = MOVE(2, 10),
      [49] = ADD(2, SLOT),
      [50] = CALL(BPF_FUNC_map_lookup_elem),
      [51] = IF_NULL(51, 0, DONE),
      [52] = LOAD(BPF_DW, 1, 0, 0),
      [53] = ADD(1, 1),
      [54] = STORE(BPF_DW, 0, 0, 1),
      [DONE] = MOVE(0, 9),
      [56] = EXIT,
  };
  static char log[65536];
  union bpf_attr attr = {
      .prog_type = BPF_PROG_TYPE_XDP,
      .expected_attach_type = BPF_XDP,
      .insns = (uintptr_t)code,
      .insn_cnt = sizeof code / sizeof *code,
      .license = (uintptr_t) "MIT",
      .log_buf = (uintptr_t)log,
      .log_size = sizeof log,
      .log_level = 1,
  };
  int fd = call_bpf(BPF_PROG_LOAD, &attr);
  if (fd < 0) {
    fputs(log, stderr);
    die("BPF_PROG_LOAD");
  }
  return fd;
}

static int link_to(int program, int ifindex, int flags) {
  union bpf_attr attr = {0};
  attr.link_create.prog_fd = program;
  attr.link_create.target_ifindex = ifindex;
  attr.link_create.attach_type = BPF_XDP;
  attr.link_create.flags = flags;
  return call_bpf(BPF_LINK_CREATE, &attr);
}

void program_attach(struct program *p, int ifindex, const char *mode) {
  p->addresses = make_map(BPF_MAP_TYPE_HASH, KEY_BYTES, 4, ADDRESSES);
  p->sockets = make_map(BPF_MAP_TYPE_XSKMAP, 4, 4, QUEUES);
  p->counters = make_map(BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, COUNTERS);
  int program = load_program(p);
  p->link = -1;
  if (strcmp(mode, "skb") != 0) {
    p->mode = "xdp-native";
    p->link = link_to(program, ifindex, XDP_FLAGS_DRV_MODE);
    // Another program on the interface is in the way of either mode.
    if (p->link < 0 && (strcmp(mode, "native") == 0 || errno == EBUSY || errno == EEXIST)) die("BPF_LINK_CREATE");
  }
  if (p->link < 0) {
    p->mode = "xdp-skb";
    p->link = link_to(program, ifindex, XDP_FLAGS_SKB_MODE);
    if (p->link < 0) die("BPF_LINK_CREATE");
  }
  close(program);
}

void program_add_address(struct program *p, uint32_t address) {
  uint8_t key[KEY_BYTES] = {[10] = 0xff, [11] = 0xff};
  memcpy(key + 12, &address, 4);
  update(p->addresses, key, &(uint32_t){1});
}

void program_set_socket(struct program *p, uint32_t queue, int fd) { update(p->sockets, &queue, &fd); }

static uint64_t count(struct program *p, uint32_t slot) {
  uint64_t values[MAX_CPUS] = {0}, sum = 0;
  union bpf_attr attr = {.map_fd = p->counters, .key = (uintptr_t)&slot, .value = (uintptr_t)values};
  if (call_bpf(BPF_MAP_LOOKUP_ELEM, &attr) < 0) die("BPF_MAP_LOOKUP_ELEM");
  for (int cpu = 0; cpu < MAX_CPUS; cpu++) sum += values[cpu];
  return sum;
}

void program_counts(struct program *p, uint64_t *redirected, uint64_t *passed) {
  *redirected = count(p, 0);
  *passed = count(p, 1);
}
