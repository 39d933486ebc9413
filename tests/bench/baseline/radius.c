/*
 * radius ADDRESS SECRET: lets everybody in, acknowledges all accounting (RFC 2865, RFC 2866), and costs little.
 * A line on standard input is answered by "accepted N started N interim N stopped N".
 */
#include <poll.h>
#include "net.h"

#define BATCH 64

/* ---- MD5 (RFC 1321) ---- */

static uint32_t rotate(uint32_t x, int n) { return x << n | x >> (32 - n); }

static void md5_block(uint32_t h[4], const uint8_t *p) {
  static const uint32_t k[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501, 0x698098d8, 0x8b44f7af,
    0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821, 0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa,
    0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8, 0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8,
    0x676f02d9, 0x8d2a4c8a, 0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665, 0xf4292244, 0x432aff97,
    0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1, 0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1,
    0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};
  static const uint8_t r[16] = {7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21};
  uint32_t w[16], a = h[0], b = h[1], c = h[2], d = h[3];
  memcpy(w, p, 64);
  for (int i = 0; i < 64; i++) {
    uint32_t f = i < 16 ? (b & c) | (~b & d) : i < 32 ? (d & b) | (~d & c) : i < 48 ? b ^ c ^ d : c ^ (b | ~d);
    int g = i < 16 ? i : i < 32 ? (5 * i + 1) & 15 : i < 48 ? (3 * i + 5) & 15 : (7 * i) & 15;
    f += a + k[i] + w[g];
    a = d, d = c, c = b, b += rotate(f, r[i / 16 * 4 + i % 4]);
  }
  h[0] += a, h[1] += b, h[2] += c, h[3] += d;
}

static void md5(const uint8_t *p, size_t len, uint8_t out[16]) {
  uint32_t h[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
  size_t at = 0;
  for (; at + 64 <= len; at += 64) md5_block(h, p + at);
  uint8_t tail[128] = {0};
  size_t rest = len - at, padded = rest < 56 ? 64 : 128;
  uint64_t bits = len * 8;
  memcpy(tail, p + at, rest), tail[rest] = 0x80, memcpy(tail + padded - 8, &bits, 8);
  md5_block(h, tail);
  if (padded == 128) md5_block(h, tail + 64);
  memcpy(out, h, 16);
}

/* ---- answers ---- */

static uint64_t accepted, accounted[4];
static const char *secret;

/* Writes the answer to a request to `out`; gives its length. */
static size_t answer(const uint8_t *p, size_t len, uint8_t *out) {
  if (len < 20 || (size_t)(p[2] << 8 | p[3]) > len) return 0;
  size_t length = 20;
  if (p[0] == 1) {
    static const uint8_t framed[] = {6, 6, 0, 0, 0, 2, 7, 6, 0, 0, 0, 1}; /* Service-Type, Framed-Protocol */
    memcpy(out + 20, framed, sizeof framed), length += sizeof framed;
    out[0] = 2, accepted++;
  } else if (p[0] == 4) {
    out[0] = 5;
    for (size_t at = 20; at + 2 <= len && p[at + 1] >= 2; at += p[at + 1])
      if (p[at] == 40 && at + 6 <= len) accounted[p[at + 5] & 3]++;
  } else return 0;
  out[1] = p[1], out[2] = length >> 8, out[3] = length;
  memcpy(out + 4, p + 4, 16); /* the request's authenticator, then its secret */
  size_t n = strlen(secret);
  memcpy(out + length, secret, n);
  md5(out, length + n, out + 4);
  return length;
}

static void serve(int fd) {
  static uint8_t in[BATCH][4096], out[BATCH][256];
  static struct sockaddr_in from[BATCH];
  static struct iovec iov[BATCH];
  static struct mmsghdr m[BATCH];
  for (int i = 0; i < BATCH; i++) {
    iov[i] = (struct iovec){in[i], sizeof in[i]};
    m[i].msg_hdr = (struct msghdr){.msg_name = &from[i], .msg_namelen = sizeof from[i], .msg_iov = &iov[i], .msg_iovlen = 1};
  }
  int n = recvmmsg(fd, m, BATCH, MSG_DONTWAIT, NULL), answers = 0;
  for (int i = 0; i < n; i++) {
    size_t length = answer(in[i], m[i].msg_len, out[i]);
    if (!length) continue;
    iov[i] = (struct iovec){out[i], length};
    struct msghdr h = m[i].msg_hdr;
    m[answers++].msg_hdr = h;
  }
  if (answers > 0 && sendmmsg(fd, m, answers, 0) < 0) die("sendmmsg");
}

int main(int argc, char **argv) {
  if (argc != 3) return fprintf(stderr, "usage: radius ADDRESS SECRET\n"), 2;
  secret = argv[2];
  struct pollfd p[3] = {{.fd = 0, .events = POLLIN}, {.events = POLLIN}, {.events = POLLIN}};
  for (int i = 0; i < 2; i++) p[1 + i].fd = udp_socket(argv[1], 1812 + i, 0);
  setlinebuf(stdout);
  printf("ready\n");
  for (;;) {
    poll(p, 3, -1);
    for (int i = 1; i < 3; i++) if (p[i].revents) serve(p[i].fd);
    if (!p[0].revents) continue;
    char line[64];
    if (!fgets(line, sizeof line, stdin)) return 0;
    printf("accepted %lu started %lu interim %lu stopped %lu\n", accepted, accounted[1], accounted[3], accounted[2]);
  }
}
