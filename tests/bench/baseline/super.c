/*
 * super LOCAL PORT REMOTE TAP: one Ethernet pseudowire between a TAP with vnet headers and a peer at the same port, both
 * ways: TCP super-frames are cut into UDP_SEGMENT messages, and segments from UDP_GRO are joined to super-frames. As
 * little as does that for one TCP flow over IPv4 without loss; what else comes passes one by one.
 * Says "ready"; ends on SIGTERM.
 */
#include <linux/virtio_net.h>
#include <poll.h>
#include <signal.h>
#include <sys/uio.h>
#include "net.h"

#define BATCH 64
#define READS 32 /* super-frames at once: more would not stay in the cache */
#define ROOM (65536 + 128)
#define L2TP 16 /* version and reserved, session id, cookie of 8 bytes */
#define VNET 10
#define IP 14
#define HEAD 160

static const uint8_t l2tp[L2TP] = {0, 3, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8};
static volatile sig_atomic_t stop;
static void on_term(int signal) { stop = signal; }

static uint8_t frames[BATCH][ROOM];

static uint64_t sum(const uint8_t *p, uint32_t n, uint64_t s) {
  for (; n >= 4; p += 4, n -= 4) {
    uint32_t w;
    memcpy(&w, p, 4), s += w;
  }
  uint32_t w = 0;
  memcpy(&w, p, n);
  return s + w;
}
static uint16_t fold(uint64_t s) {
  while (s >> 16) s = (s & 0xffff) + (s >> 16);
  return s;
}
static void put16(uint8_t *p, uint16_t v) { p[0] = v >> 8, p[1] = v; }
static uint16_t get16(const uint8_t *p) { return p[0] << 8 | p[1]; }
static uint32_t get32(const uint8_t *p) { return (uint32_t)get16(p) << 16 | get16(p + 2); }
/* The sum of TCP's pseudo header (RFC 9293 §3.1). */
static uint64_t pseudo(const uint8_t *ip, uint32_t length) {
  return sum(ip + 12, 8, htons(6) + (uint64_t)htons(length));
}

/* Messages being made for the peer. */
static struct sockaddr_in peer;
static struct mmsghdr out[1024];
static union control control[1024];
static struct iovec iov[16384];
static uint8_t heads[8192][L2TP + HEAD];
static uint32_t messages, iovecs, used_heads;

static void send_all(int fd) {
  for (uint32_t sent = 0; sent < messages;) {
    int n = sendmmsg(fd, out + sent, messages - sent, 0);
    if (n < 0) die("sendmmsg");
    sent += n;
  }
  messages = iovecs = used_heads = 0;
}

static void begin(uint32_t size) {
  struct msghdr *m = &out[messages].msg_hdr;
  *m = (struct msghdr){.msg_name = &peer, .msg_namelen = sizeof peer, .msg_iov = &iov[iovecs]};
  if (size) set_segment(m, &control[messages], size);
  messages++;
}
static uint8_t *add(uint32_t head, uint8_t *body, uint32_t length) {
  uint8_t *h = heads[used_heads++];
  memcpy(h, l2tp, L2TP);
  iov[iovecs++] = (struct iovec){h, L2TP + head};
  if (length) iov[iovecs++] = (struct iovec){body, length};
  out[messages - 1].msg_hdr.msg_iovlen = &iov[iovecs] - out[messages - 1].msg_hdr.msg_iov;
  return h + L2TP;
}

static void cut(int fd, uint8_t *frame, uint32_t length, const struct virtio_net_hdr *v) {
  uint32_t l4 = v->csum_start, head = l4 + (frame[l4 + 12] >> 4) * 4, size = v->gso_size, rest = length - head;
  uint32_t most = 65000 / (L2TP + head + size);
  if (most > MAX_SEGMENTS) most = MAX_SEGMENTS;
  for (uint32_t i = 0, at = 0; at < rest; i++, at += size) {
    if (messages == 1023 || iovecs > 16000 || used_heads == 8191) send_all(fd);
    if (i % most == 0) begin(rest - at > size ? L2TP + head + size : 0);
    uint32_t n = rest - at < size ? rest - at : size;
    uint8_t *h = add(head, frame + head + at, n), *ip = h + IP, *tcp = h + l4;
    memcpy(h, frame, head);
    put16(ip + 2, head - IP + n), put16(ip + 4, get16(ip + 4) + i), put16(ip + 10, 0);
    uint16_t check = ~fold(sum(ip, l4 - IP, 0));
    memcpy(ip + 10, &check, 2);
    uint32_t seq = htonl(get32(tcp + 4) + at);
    memcpy(tcp + 4, &seq, 4);
    if (at + n < rest) tcp[13] &= ~9;
    if (i) tcp[13] &= ~0x80;
    put16(tcp + 16, 0);
    check = ~fold(sum(frame + head + at, n, sum(tcp, head - l4, pseudo(ip, head - l4 + n))));
    memcpy(tcp + 16, &check, 2);
  }
}

static void tap_to_udp(int tap, int fd) {
  int n = 0;
  for (; n < READS; n++) {
    ssize_t length = read(tap, frames[n], ROOM);
    if (length < 0) break;
    struct virtio_net_hdr v;
    memcpy(&v, frames[n], VNET);
    uint8_t *frame = frames[n] + VNET;
    length -= VNET;
    if ((v.gso_type & ~VIRTIO_NET_HDR_GSO_ECN) == VIRTIO_NET_HDR_GSO_TCPV4) {
      cut(fd, frame, length, &v);
      continue;
    }
    if (v.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
      uint16_t check = ~fold(sum(frame + v.csum_start, length - v.csum_start, 0));
      memcpy(frame + v.csum_start + v.csum_offset, &check, 2);
    }
    begin(0);
    add(0, frame, length);
  }
  send_all(fd);
}

/* The super-frame being made for the TAP. */
static struct iovec run[128];
static uint8_t run_head[VNET + HEAD];
static uint32_t run_count, run_head_length, run_size, run_bytes, run_next;
static const uint8_t *run_first;

static void flush_run(int tap) {
  if (run_count == 1) {
    static uint8_t none[VNET];
    struct iovec one[2] = {{none, VNET}, {(void *)run_first, run_head_length + run_bytes}};
    if (writev(tap, one, 2) < 0) die("writev");
  } else if (run_count) {
    uint8_t *h = run_head + VNET, *ip = h + IP;
    uint32_t l4 = IP + (ip[0] & 15) * 4, carried = run_head_length - l4 + run_bytes;
    put16(ip + 2, l4 - IP + carried), put16(ip + 10, 0);
    uint16_t check = ~fold(sum(ip, l4 - IP, 0));
    memcpy(ip + 10, &check, 2);
    check = fold(pseudo(ip, carried));
    memcpy(h + l4 + 16, &check, 2);
    struct virtio_net_hdr v = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
        .hdr_len = run_head_length, .gso_size = run_size, .csum_start = l4, .csum_offset = 16};
    memcpy(run_head, &v, VNET);
    run[0] = (struct iovec){run_head, VNET + run_head_length};
    if (writev(tap, run, 1 + run_count) < 0) die("writev");
  }
  run_count = 0;
}

static void join(int tap, uint8_t *f, uint32_t length) {
  uint8_t *ip = f + IP;
  uint32_t l4 = IP + (ip[0] & 15) * 4, head = length > 54 ? l4 + (f[l4 + 12] >> 4) * 4 : 0;
  int good = length > 54 && get16(f + 12) == 0x800 && ip[9] == 6 && length > head && (f[l4 + 13] & ~8u) == 0x10 &&
      get16(ip + 2) == length - IP && !(get16(ip + 6) & 0x3fff) && fold(sum(ip, l4 - IP, 0)) == 0xffff &&
      fold(sum(f + l4, length - l4, pseudo(ip, length - l4))) == 0xffff;
  if (run_count && !(good && head == run_head_length && length - head <= run_size && get32(f + l4 + 4) == run_next &&
      run_bytes + length < 65000 && !memcmp(f, run_head + VNET, IP) && !memcmp(ip + 12, run_head + VNET + IP + 12, 12) &&
      !memcmp(f + l4 + 8, run_head + VNET + l4 + 8, 5) && !memcmp(f + l4 + 14, run_head + VNET + l4 + 14, 2) &&
      !memcmp(f + l4 + 20, run_head + VNET + l4 + 20, head - l4 - 20))) flush_run(tap);
  if (!good) {
    run_first = f, run_head_length = length, run_bytes = 0, run_count = 1;
    flush_run(tap);
    return;
  }
  if (!run_count) {
    memcpy(run_head + VNET, f, head);
    run_first = f, run_head_length = head, run_size = length - head, run_bytes = 0;
  }
  run[++run_count] = (struct iovec){f + head, length - head};
  run_bytes += length - head, run_next = get32(f + l4 + 4) + length - head;
  run_head[VNET + l4 + 13] |= f[l4 + 13];
  if (length - head < run_size || (f[l4 + 13] & 8) || run_count == 120) flush_run(tap);
}

static void udp_to_tap(int fd, int tap) {
  static struct mmsghdr rx[BATCH];
  static struct iovec slot[BATCH];
  static struct sockaddr_in from[BATCH];
  static union control told[BATCH];
  for (int i = 0; i < BATCH; i++) {
    slot[i] = (struct iovec){frames[i], ROOM};
    rx[i].msg_hdr = (struct msghdr){.msg_name = &from[i], .msg_namelen = sizeof from[i], .msg_iov = &slot[i],
        .msg_iovlen = 1, .msg_control = told[i].bytes, .msg_controllen = sizeof told[i].bytes};
  }
  int n = recvmmsg(fd, rx, BATCH, MSG_DONTWAIT, NULL);
  for (int i = 0; i < n; i++) {
    if (from[i].sin_addr.s_addr != peer.sin_addr.s_addr) continue;
    uint32_t size = segment_of(&rx[i].msg_hdr, rx[i].msg_len);
    for (uint32_t at = 0; at < rx[i].msg_len; at += size) {
      uint32_t length = rx[i].msg_len - at < size ? rx[i].msg_len - at : size;
      if (length >= L2TP + 14 && !memcmp(frames[i] + at, l2tp, L2TP)) join(tap, frames[i] + at + L2TP, length - L2TP);
    }
  }
  flush_run(tap);
}

static int open_vnet(const char *name) {
  struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
  int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), size = VNET;
  if (fd < 0) die("/dev/net/tun");
  strncpy(r.ifr_name, name, IFNAMSIZ - 1);
  if (ioctl(fd, TUNSETIFF, &r) || ioctl(fd, TUNSETVNETHDRSZ, &size)) die(name);
  if (ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN)) die("TUNSETOFFLOAD");
  return fd;
}

int main(int argc, char **argv) {
  if (argc != 5) return fprintf(stderr, "usage: super LOCAL PORT REMOTE TAP\n"), 2;
  int fd = udp_socket(argv[1], atoi(argv[2]), 1), tap = open_vnet(argv[4]);
  peer = endpoint(argv[3], atoi(argv[2]));
  sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_term}, NULL);
  puts("ready"), fflush(stdout);
  struct pollfd ready[2] = {{fd, POLLIN, 0}, {tap, POLLIN, 0}};
  while (!stop) {
    if (poll(ready, 2, -1) < 0) continue;
    if (ready[0].revents) udp_to_tap(fd, tap);
    if (ready[1].revents) tap_to_udp(tap, fd);
  }
  return 0;
}
