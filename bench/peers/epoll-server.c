// The peer to compare with on the kernel's TCP: one thread, epoll, no allocation, replies of a fixed size for requests of a
// fixed size. With requests of 0 bytes it takes in streams instead, and compares every byte with the file, which they repeat.
// Usage: epoll-server PORT REQUEST_BYTES REPLY_FILE. Prints "ready" when it listens.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, INPUT = 65536, MAX_FDS = 1 << 20 };

struct connection {
  unsigned received; // bytes of a request that has not come whole; of a stream: where it is in the file
  unsigned owed;     // replies owed, the one under way included
  unsigned sent;     // bytes of the one under way that are sent
  int waits;         // whether room in the send buffer is waited for
};

static struct connection connections[MAX_FDS];
static char input[INPUT];
static char *reply;
static unsigned reply_bytes, request_bytes;
static int epoll_fd;

static void die(const char *what) {
  perror(what);
  exit(1);
}

static void watch(int fd, int operation, unsigned events) {
  struct epoll_event event = {.events = events, .data.fd = fd};
  if (epoll_ctl(epoll_fd, operation, fd, &event) < 0) die("epoll_ctl");
}

// Sends what is owed. Returns 0 when the connection is gone.
static int answer(int fd) {
  struct connection *c = &connections[fd];
  while (c->owed > 0) {
    ssize_t n = send(fd, reply + c->sent, reply_bytes - c->sent, MSG_NOSIGNAL);
    if (n < 0) {
      if (errno != EAGAIN) return 0;
      if (!c->waits) watch(fd, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
      c->waits = 1;
      return 1;
    }
    c->sent += n;
    if (c->sent == reply_bytes) {
      c->sent = 0;
      c->owed--;
    }
  }
  if (c->waits) watch(fd, EPOLL_CTL_MOD, EPOLLIN);
  c->waits = 0;
  return 1;
}

// Compares what has come of a stream. Returns 0 when a byte is wrong.
static int is_right(struct connection *c, unsigned n) {
  for (unsigned done = 0; done < n;) {
    unsigned part = reply_bytes - c->received < n - done ? reply_bytes - c->received : n - done;
    if (memcmp(input + done, reply + c->received, part) != 0) return 0;
    done += part;
    c->received = (c->received + part) % reply_bytes;
  }
  return 1;
}

static int serve(int fd) {
  struct connection *c = &connections[fd];
  ssize_t n = recv(fd, input, INPUT, 0);
  if (n == 0) return 0;
  if (n < 0) return errno == EAGAIN;
  if (request_bytes == 0) return is_right(c, n);
  c->received += n;
  c->owed += c->received / request_bytes;
  c->received %= request_bytes;
  return answer(fd);
}

int main(int count, char **words) {
  if (count != 4) {
    fprintf(stderr, "usage: %s PORT REQUEST_BYTES REPLY_FILE\n", words[0]);
    return 2;
  }
  request_bytes = atoi(words[2]);
  FILE *file = fopen(words[3], "rb");
  if (!file) die(words[3]);
  fseek(file, 0, SEEK_END);
  reply_bytes = ftell(file);
  rewind(file);
  reply = malloc(reply_bytes);
  if (!reply || fread(reply, 1, reply_bytes, file) != reply_bytes) die("reply");
  fclose(file);

  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) die("getrlimit");
  limit.rlim_cur = limit.rlim_max < MAX_FDS ? limit.rlim_max : MAX_FDS;
  if (setrlimit(RLIMIT_NOFILE, &limit) < 0) die("setrlimit");
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(words[1]))};
  if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0) die("bind");
  if (listen(listener, 4096) < 0) die("listen");
  epoll_fd = epoll_create1(0);
  watch(listener, EPOLL_CTL_ADD, EPOLLIN);
  puts("ready");
  fflush(stdout);

  struct epoll_event events[EVENTS];
  for (;;) {
    int ready = epoll_wait(epoll_fd, events, EVENTS, -1);
    for (int i = 0; i < ready; i++) {
      int fd = events[i].data.fd;
      if (fd == listener) {
        int accepted;
        while ((accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
          if (accepted >= MAX_FDS) die("too many connections");
          connections[accepted] = (struct connection){0};
          setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
          watch(accepted, EPOLL_CTL_ADD, EPOLLIN);
        }
        continue;
      }
      int alive = 1;
      if (events[i].events & EPOLLOUT) alive = answer(fd);
      if (alive && (events[i].events & ~EPOLLOUT)) alive = serve(fd);
      if (!alive) close(fd);
    }
  }
}
