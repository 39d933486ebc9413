/* Sockets of the bench's programs. */
#pragma once
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#define UDP_GRO 104
#endif

#define MAX_SEGMENTS 64 /* in one UDP_SEGMENT message: every kernel that has it takes this many */
#define MAX_PAYLOAD 65507

static void die(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

static struct sockaddr_in endpoint(const char *address, int port) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
  if (inet_pton(AF_INET, address, &a.sin_addr) != 1) errno = EINVAL, die(address);
  return a;
}

static int udp_socket(const char *address, int port, int gro) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), size = 8 << 20;
  struct sockaddr_in a = endpoint(address, port);
  if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a)) die("bind");
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size)) die("SO_RCVBUFFORCE");
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size)) die("SO_SNDBUFFORCE");
  if (gro && setsockopt(fd, IPPROTO_UDP, UDP_GRO, &gro, sizeof gro)) die("UDP_GRO");
  return fd;
}

/* Space for the one control message that UDP_GRO gives and UDP_SEGMENT takes. */
union control {
  char bytes[CMSG_SPACE(sizeof(int))];
  struct cmsghdr align;
};

static inline void set_segment(struct msghdr *m, union control *c, uint16_t size) {
  m->msg_control = c->bytes, m->msg_controllen = CMSG_SPACE(sizeof size);
  struct cmsghdr *h = CMSG_FIRSTHDR(m);
  h->cmsg_level = IPPROTO_UDP, h->cmsg_type = UDP_SEGMENT, h->cmsg_len = CMSG_LEN(sizeof size);
  memcpy(CMSG_DATA(h), &size, sizeof size);
}

/* The segment size of a received super-packet; `length` where it is a single one. */
static inline uint32_t segment_of(struct msghdr *m, uint32_t length) {
  for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
    if (h->cmsg_level == IPPROTO_UDP && h->cmsg_type == UDP_GRO) {
      int size;
      memcpy(&size, CMSG_DATA(h), sizeof size);
      return size;
    }
  }
  return length;
}

/* Attaches to an existing TAP without packet information. */
__attribute__((unused)) static int tap_open(const char *name) {
  struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI};
  int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) die("/dev/net/tun");
  strncpy(r.ifr_name, name, IFNAMSIZ - 1);
  if (ioctl(fd, TUNSETIFF, &r)) die(name);
  return fd;
}
