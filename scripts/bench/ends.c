// ends: the two ends of a measured TCP connection, with as little time of their own as can be.
//   ends answer HOST            accepts connections on a free port, told on stdout; says a byte on each at once
//   ends connect HOST PORT N    N times the milliseconds from connect to the first byte, as one JSON list; those without one within a
//                               second are missing
// HOST is an IPv4 address. build: gcc -O2 -pthread -o ends ends.c
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

// Between connections: hyper-nat 1.1.3 loses most of those that are opened while another is closing.
static const useconds_t PAUSE_US = 20000;
static const struct timeval REPLY = {1, 0};

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static struct sockaddr_in address(const char *host, int port) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
  if (inet_pton(AF_INET, host, &a.sin_addr) != 1) {
    fprintf(stderr, "not an IPv4 address: %s\n", host);
    exit(2);
  }
  return a;
}

static void *one(void *socket) {
  int s = (int)(intptr_t)socket, on = 1;
  char bytes[256];
  setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (write(s, "!", 1) == 1)
    while (read(s, bytes, sizeof bytes) > 0) {
    }
  close(s);
  return NULL;
}

static int answer(const char *host) {
  struct sockaddr_in a = address(host, 0);
  socklen_t size = sizeof a;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr *)&a, sizeof a) || listen(listener, 512)) fail("listen");
  if (getsockname(listener, (struct sockaddr *)&a, &size)) fail("getsockname");
  printf("port %d\n", ntohs(a.sin_port));
  fflush(stdout);
  for (;;) {
    int s = accept(listener, NULL, NULL);
    if (s < 0) fail("accept");
    pthread_t thread;
    if (pthread_create(&thread, NULL, one, (void *)(intptr_t)s)) fail("pthread_create");
    pthread_detach(thread);
  }
}

static int connects(const char *host, int port, int count) {
  struct sockaddr_in a = address(host, port);
  const char *separator = "";
  printf("[");
  for (int i = 0; i < count; i++) {
    char byte;
    double from = now();
    int s = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &REPLY, sizeof REPLY);
    if (connect(s, (struct sockaddr *)&a, sizeof a)) fail("connect");
    if (recv(s, &byte, 1, 0) == 1) {
      printf("%s%.4f", separator, now() - from);
      separator = ",";
    }
    shutdown(s, SHUT_WR);
    usleep(PAUSE_US);
    close(s);
  }
  printf("]\n");
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 3 && !strcmp(argv[1], "answer")) return answer(argv[2]);
  if (argc == 5 && !strcmp(argv[1], "connect")) return connects(argv[2], atoi(argv[3]), atoi(argv[4]));
  fprintf(stderr, "usage: ends answer HOST | ends connect HOST PORT N\n");
  return 2;
}
