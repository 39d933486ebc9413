/*
 * udp sink LOCAL: takes datagrams, joined ones too (UDP_GRO), and tells their sender how many bytes have come. Says "ready".
 * udp send LOCAL REMOTE SECONDS: sends 44 datagrams of 1,400 bytes at a time (UDP_SEGMENT), with at most a window of them on
 * their way. Says "bytes N seconds S": what has come at the sink.
 */
#include <poll.h>
#include <time.h>
#include "net.h"

#define PORT 5301
#define SIZE 1400
#define COUNT 44
#define WINDOW (8 * SIZE * COUNT)
#define ACK_EVERY (2 * SIZE * COUNT)
#define LOST_AFTER_MS 20

static uint8_t data[65536];

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static int take(const char *local) {
  int fd = udp_socket(local, PORT, 1);
  uint64_t total = 0, told = 0;
  puts("ready"), fflush(stdout);
  for (;;) {
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    ssize_t n = recvfrom(fd, data, sizeof data, 0, (struct sockaddr *)&from, &length);
    if (n < 0) die("recvfrom");
    total += n;
    if (total - told < ACK_EVERY) continue;
    told = total;
    sendto(fd, &total, sizeof total, 0, (struct sockaddr *)&from, length);
  }
}

static int give(const char *local, const char *remote, double seconds) {
  int fd = udp_socket(local, 0, 0), size = SIZE;
  struct sockaddr_in to = endpoint(remote, PORT);
  if (connect(fd, (struct sockaddr *)&to, sizeof to)) die("connect");
  if (setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size)) die("UDP_SEGMENT");
  uint64_t sent = 0, first = 0, acked = 0, lost = 0;
  double start = now(), end = start + seconds;
  while (now() < end) {
    while (sent < acked + lost + WINDOW) {
      if (send(fd, data, SIZE * COUNT, 0) < 0 && errno != ENOBUFS && errno != EAGAIN) die("send");
      sent += SIZE * COUNT;
    }
    struct pollfd ready = {fd, POLLIN, 0};
    if (poll(&ready, 1, LOST_AFTER_MS) == 0) lost = sent - acked;
    uint64_t total;
    while (recv(fd, &total, sizeof total, MSG_DONTWAIT) == sizeof total) {
      if (!first) first = total;
      if (total - first > acked) acked = total - first;
      if (acked + lost > sent) lost = sent - acked;
    }
  }
  printf("bytes %llu seconds %.3f\n", (unsigned long long)acked, now() - start);
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 3 && !strcmp(argv[1], "sink")) return take(argv[2]);
  if (argc == 5 && !strcmp(argv[1], "send")) return give(argv[2], argv[3], atof(argv[4]));
  return fprintf(stderr, "usage: udp sink LOCAL | udp send LOCAL REMOTE SECONDS\n"), 2;
}
