// Reads a load from words such as `mode=rpc connections=64`: those of bench/generator/raw-words.ts. The bytes of the request are in
// hexadecimal, those of the reply, or of the pattern of a stream, in a file; without one the reply is HTTP's.

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "jobs.h"
#include "load.h"

static const char *const MODES[] = {[CONN] = "conn", [RPC] = "rpc", [IDLE] = "idle", [SINK] = "sink"};

static uint32_t read_address(const char *text) {
  struct in_addr address;
  return inet_pton(AF_INET, text, &address) == 1 ? ntohl(address.s_addr) : 0;
}

// Sets what a word says; 0 when it says nothing that is known.
static int set(struct job *job, const char *key, const char *value) {
  static uint8_t request[FRAME_SIZE];
  const struct {
    const char *key;
    uint32_t *number;
  } numbers[] = {
      {"addresses", &job->addresses}, {"port", &job->port},           {"connections", &job->connections},
      {"pipeline", &job->pipeline},   {"underWay", &job->under_way}, {"window", &job->window},
      {"pace", &job->tells_pace},
  };
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    if (strcmp(key, numbers[i].key) != 0) continue;
    char *end;
    const unsigned long number = strtoul(value, &end, 10);
    *numbers[i].number = number;
    return *value >= '0' && *value <= '9' && *end == 0 && number <= INT32_MAX;
  }
  if (strcmp(key, "mode") == 0) {
    for (size_t i = 0; i < sizeof MODES / sizeof *MODES; i++) {
      if (strcmp(value, MODES[i]) != 0) continue;
      job->mode = i;
      return 1;
    }
    return 0;
  }
  if (strcmp(key, "server") == 0) return (job->server = read_address(value)) != 0;
  if (strcmp(key, "mac") == 0) return read_hex(value, job->server_mac, sizeof job->server_mac) == 6;
  if (strcmp(key, "request") == 0) {
    job->request = request;
    return (job->request_bytes = read_hex(value, request, sizeof request)) > 0;
  }
  if (strcmp(key, "reply") == 0) return (job->reply = read_file(value, &job->reply_bytes)) != NULL;
  if (strcmp(key, "warmupMs") == 0) return (job->warmup_ms = atof(value)) >= 0;
  if (strcmp(key, "longestWarmupMs") == 0) return (job->longest_warmup_ms = atof(value)) >= 0;
  if (strcmp(key, "durationMs") == 0) return (job->duration_ms = atof(value)) > 0;
  return 0;
}

int read_load(struct job *job, uint32_t client, char **words) {
  memset(job, 0, sizeof *job);
  job->client = client;
  job->addresses = job->pipeline = 1;
  for (; *words; words++) {
    char *equals = strchr(*words, '=');
    if (equals) *equals = 0;
    if (equals && set(job, *words, equals + 1)) continue;
    fprintf(stderr, "a load has no word %s%s%s\n", *words, equals ? "=" : "", equals ? equals + 1 : "");
    return 0;
  }
  // What a packet of 1,500 bytes takes.
  const uint32_t longest = 1460, ports = 65536 - 1024;
  const int asks = job->request && job->pipeline > 0 && job->pipeline <= longest / job->request_bytes;
  const int fits = job->mode == SINK ? job->reply && job->connections < ports / 2 : asks;
  if (fits && job->server && job->port && job->port <= 65535 && job->connections && job->addresses &&
      job->addresses <= 256 && job->connections <= job->addresses * ports && job->duration_ms > 0)
    return 1;
  fputs("a load needs a server, a port, connections that have a port each, a time, and a request that fits into a segment\n",
        stderr);
  return 0;
}
