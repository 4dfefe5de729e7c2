// AF_XDP in C without a library: what the packet driver of this package and the stack are measured by. It ends on SIGTERM,
// and leaves nothing attached. Usage, MODE being auto, native or skb and NETNS a path:
//
//     raw answer IFACE NETNS MODE ADDRESS PORT REQUEST_BYTES REPLY_FILE     prints "ready" when it answers
//     raw rxdrop|l2fwd|txonly IFACE NETNS MODE ADDRESS SECONDS FRAME        prints a line of JSON at the end
//     raw generate IFACE NETNS MODE ADDRESS FRAME                           prints "ready"; FRAME is in hexadecimal
//     raw load IFACE NETNS MODE ADDRESS WORD…                               prints a line of JSON; see load-words.c

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "jobs.h"
#include "load.h"

volatile int is_over;

void die(const char *what) {
  perror(what);
  exit(1);
}

static void on_signal(int number) {
  (void)number;
  is_over = 1;
}

static int usage(void) {
  fputs("usage: raw answer|rxdrop|l2fwd|txonly|generate|load IFACE NETNS MODE ADDRESS …\n", stderr);
  return 2;
}

static void say_ready(void) {
  puts("ready");
  fflush(stdout);
}

// Opens the queue of a load, with all of its addresses.
static int start_load(char **words, struct in_addr address) {
  static struct nic nic;
  struct job job;
  if (!read_load(&job, ntohl(address.s_addr), words + 6)) return 2;
  nic_open(&nic, words[2], words[3], words[4], address.s_addr);
  for (uint32_t i = 1; i < job.addresses; i++) program_add_address(&nic.program, htonl(job.client + i));
  run_load(&nic, &job);
  nic_close(&nic);
  return 0;
}

int main(int count, char **words) {
  if (count < 7) return usage();
  const char *job = words[1];
  const int answers = strcmp(job, "answer") == 0, generates = strcmp(job, "generate") == 0;
  const int measures = strcmp(job, "rxdrop") == 0 || strcmp(job, "l2fwd") == 0 || strcmp(job, "txonly") == 0;
  const int loads = strcmp(job, "load") == 0;
  struct in_addr address;
  if (!loads && !(answers && count == 9) && !(generates && count == 7) && !(measures && count == 8)) return usage();
  if (inet_pton(AF_INET, words[5], &address) != 1) return usage();
  signal(SIGTERM, on_signal);
  signal(SIGINT, on_signal);
  if (loads) return start_load(words, address);
  uint8_t frame[FRAME_SIZE];
  const uint32_t length = answers ? 0 : read_hex(words[count - 1], frame, FRAME_SIZE - TX_HEADROOM);
  if (!answers && length == 0) return usage();
  static struct nic nic;
  nic_open(&nic, words[2], words[3], words[4], address.s_addr);
  if (answers) {
    uint32_t reply_bytes;
    const uint32_t request_bytes = atoi(words[7]);
    const uint8_t *reply = read_file(words[8], &reply_bytes);
    if (request_bytes == 0) return usage();
    say_ready();
    answer(&nic, ntohl(address.s_addr), atoi(words[6]), request_bytes, reply, reply_bytes);
  } else if (generates) {
    say_ready();
    generate(&nic, frame, length);
  } else {
    measure_packets(&nic, job, atof(words[6]), frame, length);
  }
  nic_close(&nic);
  return 0;
}
