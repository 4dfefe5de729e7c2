// AF_XDP in C without a library: what the packet driver of this package and the stack are measured by. It ends on SIGTERM,
// and leaves nothing attached. Usage, MODE being auto, native or skb and NETNS a path:
//
//     raw answer IFACE NETNS MODE ADDRESS PORT REQUEST_BYTES REPLY_FILE     prints "ready" when it answers
//     raw rxdrop|l2fwd|txonly IFACE NETNS MODE ADDRESS SECONDS FRAME        prints a line of JSON at the end
//     raw generate IFACE NETNS MODE ADDRESS FRAME                           prints "ready"; FRAME is in hexadecimal

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "jobs.h"

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
  fputs("usage: raw answer|rxdrop|l2fwd|txonly|generate IFACE NETNS MODE ADDRESS …\n", stderr);
  return 2;
}

static void say_ready(void) {
  puts("ready");
  fflush(stdout);
}

// Reads a whole file, of which there may be nothing.
static uint8_t *read_file(const char *path, uint32_t *length) {
  FILE *file = fopen(path, "rb");
  if (!file) die(path);
  fseek(file, 0, SEEK_END);
  *length = ftell(file);
  rewind(file);
  uint8_t *bytes = malloc(*length + 1);
  if (!bytes || fread(bytes, 1, *length, file) != *length) die(path);
  fclose(file);
  return bytes;
}

// Reads hexadecimal digits; the number of bytes, 0 when it is none that fits.
static uint32_t read_frame(const char *text, uint8_t *frame) {
  uint32_t length = strlen(text) / 2;
  if (length * 2 != strlen(text) || length > FRAME_SIZE - TX_HEADROOM) return 0;
  for (uint32_t i = 0; i < length; i++)
    if (sscanf(text + 2 * i, "%2hhx", &frame[i]) != 1) return 0;
  return length;
}

int main(int count, char **words) {
  if (count < 7) return usage();
  const char *job = words[1];
  const int answers = strcmp(job, "answer") == 0, generates = strcmp(job, "generate") == 0;
  const int measures = strcmp(job, "rxdrop") == 0 || strcmp(job, "l2fwd") == 0 || strcmp(job, "txonly") == 0;
  struct in_addr address;
  if (!(answers && count == 9) && !(generates && count == 7) && !(measures && count == 8)) return usage();
  if (inet_pton(AF_INET, words[5], &address) != 1) return usage();
  uint8_t frame[FRAME_SIZE];
  const uint32_t length = answers ? 0 : read_frame(words[count - 1], frame);
  if (!answers && length == 0) return usage();
  signal(SIGTERM, on_signal);
  signal(SIGINT, on_signal);
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
