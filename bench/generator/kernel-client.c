// The load generator on the kernel's TCP: one thread, epoll, no allocation, beside the generator of frames. It pays for the kernel on its
// own side, and most of what is measured may be that; but it asks as programs on Linux do. Modes: `conn`, a connection for each request,
// and `rpc`, one request under way on each of the connections. Checks every byte of every reply.
// Usage: kernel-client MODE SERVER PORT FIRST_ADDRESS ADDRESSES CONNECTIONS REQUEST REPLY_FILE WARMUP_MS DURATION_MS. Prints a line of
// JSON as in job.ts.
//
// Who closes first keeps the connection in TIME-WAIT for a minute: here the client, as its request is answered then. A reset would end
// it at once, but would spare both sides the handshake of the end, which the other generator goes through. tcp_tw_reuse takes a port
// again after a second only, which is as long as a run. So there are several source addresses, each with ports of its own, which are
// taken in turn by bind: a run does not come around, and the kernel does not have to look for a port that is free.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, MAX_CONNECTIONS = 1 << 14, MAX_REPLY = 1 << 16, FIRST_PORT = 1024, PORTS = 65536 };
enum { OPENING_MS = 10000 };
// As in histogram.ts: powers of two of tenths of a microsecond in 32 parts each.
enum { PART_BITS = 5, PARTS = 1 << PART_BITS, POWERS = 26, BUCKETS = (POWERS - PART_BITS + 1) * PARTS };

struct connection {
  int fd;
  int asks;          // whether it is open and has sent its request
  unsigned received; // bytes of the reply
  double asked;      // when, in ms
};

static struct connection connections[MAX_CONNECTIONS];
static char input[MAX_REPLY + 1], reply[MAX_REPLY + 1];
static unsigned reply_bytes, request_bytes, count, addresses, first_address, next_origin;
static const char *request;
static int epoll_fd, closes;
static struct sockaddr_in server;
static unsigned long replies, bytes, errors;
static unsigned open_now, buckets[BUCKETS];
static double largest_us;

static void die(const char *what) {
  perror(what);
  exit(1);
}

static double clock_ms(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

static double now_ms(void) { return clock_ms(CLOCK_MONOTONIC); }

static void add_time(double us) {
  double tenths = us * 10 + 0.5;
  unsigned n = tenths >= (1u << POWERS) ? (1u << POWERS) - 1 : (unsigned)tenths;
  unsigned shift = n < PARTS ? 0 : 31 - __builtin_clz(n) - PART_BITS;
  buckets[n < PARTS ? n : (shift + 1) * PARTS + (n >> shift) - PARTS]++;
  if (us > largest_us) largest_us = us;
}

static double quantile(double q) {
  double left = q * replies;
  for (unsigned i = 0; i < BUCKETS; i++) {
    left -= buckets[i];
    if (left > 0 || buckets[i] == 0) continue;
    double edge = i / 10.0;
    if (i >= PARTS) edge = ((double)(i % PARTS + PARTS + 1) * (1u << (i / PARTS - 1)) - 1) / 10;
    return edge < largest_us ? edge : largest_us;
  }
  return largest_us;
}

// Segments that this namespace has sent again so far.
static unsigned long resent(void) {
  char names[2048], values[2048];
  unsigned long found = 0;
  FILE *file = fopen("/proc/self/net/snmp", "r");
  if (!file) return 0;
  while (fgets(names, sizeof names, file) && fgets(values, sizeof values, file)) {
    if (strncmp(names, "Tcp:", 4) != 0) continue;
    char *name_at, *value_at;
    char *name = strtok_r(names, " \n", &name_at), *value = strtok_r(values, " \n", &value_at);
    for (; name && value; name = strtok_r(NULL, " \n", &name_at), value = strtok_r(NULL, " \n", &value_at))
      if (strcmp(name, "RetransSegs") == 0) found = strtoul(value, NULL, 10);
  }
  fclose(file);
  return found;
}

// Binds to the next address and port that nobody has.
static void bind_next(int fd) {
  for (unsigned tries = 0; tries < addresses * (PORTS - FIRST_PORT); tries++) {
    unsigned origin = next_origin++;
    struct sockaddr_in own = {.sin_family = AF_INET};
    own.sin_addr.s_addr = htonl(first_address + origin % addresses);
    own.sin_port = htons(FIRST_PORT + origin / addresses % (PORTS - FIRST_PORT));
    if (bind(fd, (struct sockaddr *)&own, sizeof own) == 0) return;
    if (errno != EADDRINUSE) die("bind");
  }
  die("no port is free");
}

static void start(unsigned slot) {
  struct connection *c = &connections[slot];
  int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (fd < 0) die("socket");
  *c = (struct connection){.fd = fd};
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  bind_next(fd);
  if (connect(fd, (struct sockaddr *)&server, sizeof server) < 0 && errno != EINPROGRESS) die("connect");
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.u32 = slot};
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) die("epoll_ctl");
}

static void end(unsigned slot) {
  if (connections[slot].asks) open_now--;
  close(connections[slot].fd);
  start(slot);
}

// Asks. Returns 0 when that failed: a request is smaller than any send buffer.
static int ask(struct connection *c) {
  c->received = 0;
  c->asked = now_ms();
  return send(c->fd, request, request_bytes, MSG_NOSIGNAL) == (ssize_t)request_bytes;
}

// Takes what has come; `ended` says that the server has ended the stream, of which there is no other event. Returns 0 when the connection
// is of no more use.
static int take(struct connection *c, int ended) {
  for (;;) {
    // With a byte more than there may be, so that one too many shows.
    unsigned wanted = reply_bytes - c->received + 1;
    ssize_t n = recv(c->fd, input, wanted, 0);
    if (n < 0 && errno == EAGAIN) return 1;
    if (n <= 0 || (size_t)n == wanted || memcmp(input, reply + c->received, n) != 0) {
      errors++;
      return 0;
    }
    c->received += n;
    bytes += n;
    // It gave less than it was asked for: there is no more, and what comes is another event.
    if (c->received < reply_bytes) {
      if (ended) continue;
      return 1;
    }
    replies++;
    add_time((now_ms() - c->asked) * 1e3);
    if (closes) return 0;
    if (!ask(c)) {
      errors++;
      return 0;
    }
    if (!ended) return 1;
  }
}

static void serve(unsigned slot, unsigned events) {
  struct connection *c = &connections[slot];
  int alive = 1;
  if (!c->asks) {
    int failure = 0;
    socklen_t size = sizeof failure;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &failure, &size);
    if (failure == 0 && !(events & (EPOLLOUT | EPOLLERR | EPOLLHUP))) return;
    alive = failure == 0 && !(events & (EPOLLERR | EPOLLHUP));
    if (alive) {
      c->asks = 1;
      open_now++;
      alive = ask(c);
    }
    if (!alive) errors++;
  }
  // Also of one that has just opened: what came with that has no other event.
  if (alive && (events & ~EPOLLOUT)) alive = take(c, (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
  if (!alive) end(slot);
}

// Works for some time, or until so many connections are open. Returns the time in ms that went into waiting: the kernel may have
// worked for the connections meanwhile.
static double work(double ms, unsigned until_open) {
  struct epoll_event events[EVENTS];
  double limit = now_ms() + ms, slept = 0;
  while (now_ms() < limit && open_now < until_open) {
    int ready = epoll_wait(epoll_fd, events, EVENTS, 0);
    if (ready == 0) {
      double before = now_ms();
      ready = epoll_wait(epoll_fd, events, EVENTS, 10);
      slept += now_ms() - before;
    }
    if (ready < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < ready; i++) serve(events[i].data.u32, events[i].events);
  }
  return slept;
}

static unsigned number(const char *word, unsigned least, unsigned most) {
  char *rest;
  unsigned long value = strtoul(word, &rest, 10);
  if (*word != '\0' && *rest == '\0' && value >= least && value <= most) return value;
  fprintf(stderr, "%s is not from %u to %u\n", word, least, most);
  exit(2);
}

int main(int words_count, char **words) {
  struct in_addr first;
  server.sin_family = AF_INET;
  if (words_count != 11 || inet_aton(words[2], &server.sin_addr) == 0 || inet_aton(words[4], &first) == 0) {
    fprintf(stderr,
            "usage: %s conn|rpc SERVER PORT FIRST_ADDRESS ADDRESSES CONNECTIONS REQUEST REPLY_FILE WARMUP_MS DURATION_MS\n",
            words[0]);
    return 2;
  }
  closes = strcmp(words[1], "conn") == 0;
  server.sin_port = htons(number(words[3], 1, 65535));
  first_address = ntohl(first.s_addr);
  addresses = number(words[5], 1, 250);
  count = number(words[6], 1, MAX_CONNECTIONS);
  request = words[7];
  request_bytes = strlen(request);
  unsigned warmup_ms = number(words[9], 0, 60000), duration_ms = number(words[10], 1, 600000);
  FILE *file = fopen(words[8], "rb");
  if (!file) die(words[8]);
  reply_bytes = fread(reply, 1, sizeof reply, file);
  fclose(file);
  if (request_bytes == 0 || reply_bytes == 0 || reply_bytes > MAX_REPLY) {
    fprintf(stderr, "a request has at least 1 byte, a reply 1 to %d\n", MAX_REPLY);
    return 2;
  }
  // Whatever happens, it does not stay.
  alarm((OPENING_MS + warmup_ms + duration_ms) / 1000 + 5);

  epoll_fd = epoll_create1(0);
  if (epoll_fd < 0) die("epoll_create1");
  for (unsigned slot = 0; slot < count; slot++) start(slot);
  if (!closes) work(OPENING_MS, count);
  work(warmup_ms, count + 1);
  replies = bytes = errors = 0;
  largest_us = 0;
  memset(buckets, 0, sizeof buckets);
  unsigned long resent_before = resent();
  double from = clock_ms(CLOCK_REALTIME);
  double slept = work(duration_ms, count + 1);
  double to = clock_ms(CLOCK_REALTIME);
  printf("{\"perSecond\":%.3f,\"from\":%.3f,\"to\":%.3f,\"replies\":%lu,\"bytes\":%lu,\"errors\":%lu,\"resent\":%lu,"
         "\"idle\":%.4f,\"open\":%u,\"latencyUs\":{\"p50\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f}}\n",
         replies * 1000 / (to - from), from, to, replies, bytes, errors, resent() - resent_before, slept / (to - from),
         open_now, quantile(0.5), quantile(0.99), quantile(0.999), largest_us);
  return 0;
}
