/*
 * traffic LOCAL REMOTE PAIRS SINKS FRAME BURST WINDOW [flows|ppp|flood|MACS]: sends to a subject and counts what comes out of it.
 *
 * A line on standard input asks for a run, a line on standard output answers it:
 *   switch  PORT COUNT        UDP to REMOTE:PORT, back to the sinks
 *   tap-udp PORT COUNT TAP NS  frames out of TAP in namespace NS, back to the sending peer's port
 *   udp-tap PORT COUNT TAP NS  UDP to REMOTE:PORT, frames counted as received by TAP
 *   check-switch, check-tap-udp, check-udp-tap: the same, comparing every byte of what comes out
 *   lone PORT COUNT           as switch, but one packet at a time: each waits until the one before has come out
 *   -> "sent N forwarded N lost N wrong N ns T"; lone: "p50 NS p99 NS", from send to receive
 *
 * With flows, frames are UDP over IPv4, and each of a burst is of another flow. With MACS, a number, frames are for stations
 * chosen at random of so many. With ppp, frames are PPP's, each with the number of its session; at a TAP they are PPPoE's.
 * With flood, frames are broadcasts of the first session, and each comes out once for each of PAIRS; runs count copies then.
 *
 * At most WINDOW packets are between here and the sinks, so a subject that keeps its queue loses nothing and always has work;
 * BURST packets go out in one system call, as one UDP_SEGMENT message where they are UDP.
 */
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sched.h>
#include <time.h>
#include "net.h"
#include "plan.h"

#define MAX_SINKS 8
#define MAX_FRAME 9000
#define LOST_AFTER_NS 1e9

static uint32_t pairs, sinks, frame_len, burst, window, macs, seed = 1;
static int sockets[1 + MAX_SINKS]; /* the sending peer's, then the sinks' */
static uint8_t frame[MAX_FRAME];
static int flows, ppp;
static uint32_t copies = 1; /* that come out for each frame */
static uint64_t wrong;
static const uint8_t version[4] = {0, VERSION}; /* what a data packet begins with */

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

/* A descriptor opened in another network namespace. */
static int in_netns(const char *ns, int (*open_it)(const char *), const char *argument) {
  char path[256];
  snprintf(path, sizeof path, "/var/run/netns/%s", ns);
  int here = open("/proc/self/ns/net", O_RDONLY), there = open(path, O_RDONLY);
  if (there < 0 || setns(there, CLONE_NEWNET)) die(path);
  int fd = open_it(argument);
  if (setns(here, CLONE_NEWNET)) die("setns");
  close(here), close(there);
  return fd;
}

/* ---- sources ---- */

static uint8_t datagrams[BATCH * (HEADER_LEN + MAX_FRAME)];

/* The MAC address of station `i`, who is behind session pairs + i % pairs. */
static void put_mac(uint8_t *to, uint32_t i) { to[0] = 2, to[1] = 1, i = htonl(i), memcpy(to + 2, &i, 4); }

/* A PPP frame, IPv4 by its protocol field, has its session's number behind that. */
static void put_number(uint8_t *ppp_frame, uint32_t i) { i = htonl(i), memcpy(ppp_frame + 2, &i, 4); }

static uint32_t number_of(const uint8_t *ppp_frame) {
  uint32_t i;
  memcpy(&i, ppp_frame + 2, 4);
  return ntohl(i);
}

/* Ethernet's and PPPoE's header of a frame of session `i`. */
static void put_pppoe(uint8_t *p, const uint8_t *to, const uint8_t *from, uint32_t i) {
  uint8_t rest[8] = {0x88, 0x64, 0x11, 0, (i + 1) >> 8, i + 1, frame_len >> 8, frame_len};
  memcpy(p, to, 6), memcpy(p + 6, from, 6), memcpy(p + 12, rest, 8);
}

/* `burst` data packets of random sessions as one UDP_SEGMENT message. */
static void send_udp(struct sockaddr_in *to) {
  uint32_t size = HEADER_LEN + frame_len;
  for (uint32_t i = 0; i < burst; i++) {
    uint32_t index = copies > 1 ? 0 : next_random(&seed) % pairs, id = htonl(session_id(0, index));
    memcpy(datagrams + i * size + ID_AT, &id, 4);
    if (ppp) put_number(datagrams + i * size + HEADER_LEN, index);
    if (macs) put_mac(datagrams + i * size + HEADER_LEN, next_random(&seed) % macs);
  }
  union control control;
  struct iovec iov = {datagrams, burst * size};
  struct msghdr m = {.msg_name = to, .msg_namelen = sizeof *to, .msg_iov = &iov, .msg_iovlen = 1};
  if (burst > 1) set_segment(&m, &control, size);
  if (sendmsg(sockets[0], &m, 0) < 0 && errno != ENOBUFS) die("sendmsg");
}

static uint32_t ones(uint32_t sum, const uint8_t *p, uint32_t length) {
  for (uint32_t i = 0; i < length; i++) sum += i & 1 ? p[i] : p[i] << 8;
  return sum;
}

static void put_sum(uint8_t *at, uint32_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  at[0] = ~sum >> 8, at[1] = ~sum;
}

/* Makes a frame a UDP datagram over IPv4, of flow `i`. */
static void make_flow(uint8_t *f, uint32_t i) {
  uint32_t total = frame_len - 14, udp = total - 20;
  uint8_t ip[20] = {0x45, 0, total >> 8, total, 0, 1, 0x40, 0, 64, 17, 0, 0, 10, 9, 0, 1, 10, 9, 0, 2};
  uint8_t header[8] = {0x40, i, 0x50, 0, udp >> 8, udp, 0, 0};
  put_sum(ip + 10, ones(0, ip, 20));
  f[12] = 8, f[13] = 0;
  memcpy(f + 14, ip, 20), memcpy(f + 34, header, 8);
  put_sum(f + 40, ones(ones(17 + udp, ip + 12, 8), f + 34, udp));
}

/* Whether a frame is the one that was sent, whichever of the flows it is of. */
static int is_frame(const uint8_t *p) {
  if (ppp) return number_of(p) < pairs && !memcmp(p, frame, 2) && !memcmp(p + 6, frame + 6, frame_len - 6);
  if (macs) return !memcmp(p + 12, frame + 12, frame_len - 12);
  return !memcmp(p, frame, flows ? 35 : frame_len) && (!flows || !memcmp(p + 42, frame + 42, frame_len - 42));
}

static void fill_datagrams(void) {
  uint32_t size = HEADER_LEN + frame_len;
  for (uint32_t i = 0; i < burst; i++) {
    uint8_t *p = datagrams + i * size;
    memcpy(p, version, ID_AT), memcpy(p + ID_AT + 4, cookie_in, COOKIE_LEN), memcpy(p + HEADER_LEN, frame, frame_len);
    if (flows) make_flow(p + HEADER_LEN, i);
  }
}

static int packet_socket(const char *tap) {
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), yes = 1;
  struct sockaddr_ll a = {.sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(tap)};
  if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a)) die(tap);
  if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof yes)) die("PACKET_QDISC_BYPASS");
  return fd;
}

/* `burst` frames into the TAP's queue, for its reader. */
static void send_frames(int fd) {
  static struct mmsghdr m[BATCH];
  static struct iovec iov[BATCH];
  static uint8_t sessions[BATCH][PPPOE_LEN + MAX_FRAME];
  for (uint32_t i = 0; i < burst; i++) {
    iov[i] = (struct iovec){frame, frame_len};
    m[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
    if (!ppp) continue;
    uint32_t index = next_random(&seed) % pairs;
    put_pppoe(sessions[i], concentrator_mac, client_mac, index);
    memcpy(sessions[i] + PPPOE_LEN, frame, frame_len), put_number(sessions[i] + PPPOE_LEN, index);
    iov[i] = (struct iovec){sessions[i], PPPOE_LEN + frame_len};
  }
  if (sendmmsg(fd, m, burst, 0) < 0 && errno != ENOBUFS) die("sendmmsg");
}

/* ---- sinks ---- */

/* Counts what waits at the sockets; its bytes are not even copied. */
static uint64_t drain_udp(void) {
  static struct mmsghdr m[BATCH];
  static union control control[BATCH];
  uint64_t count = 0;
  for (uint32_t s = 0; s <= sinks; s++) {
    for (int i = 0; i < BATCH; i++)
      m[i].msg_hdr = (struct msghdr){.msg_control = control[i].bytes, .msg_controllen = sizeof control[i]};
    int n = recvmmsg(sockets[s], m, BATCH, MSG_DONTWAIT | MSG_TRUNC, NULL);
    for (int i = 0; i < n; i++) {
      uint32_t size = segment_of(&m[i].msg_hdr, m[i].msg_len);
      count += (m[i].msg_len + size - 1) / size;
    }
  }
  return count;
}

static int is_right(uint32_t socket_index, const uint8_t *p, uint32_t length) {
  uint32_t id;
  if (length != HEADER_LEN + frame_len || memcmp(p, version, ID_AT) || memcmp(p + ID_AT + 4, cookie_out, COOKIE_LEN)) return 0;
  if (!is_frame(p + HEADER_LEN)) return 0;
  memcpy(&id, p + ID_AT, 4);
  if (VERSION == 2 && ntohl(id) >> 16 != 1 + socket_index) return 0;
  uint32_t i = index_of_peer_id(ntohl(id)), station;
  memcpy(&station, p + HEADER_LEN + 2, 4);
  if (macs && i != pairs + ntohl(station) % pairs) return 0;
  if (ppp && i % pairs != number_of(p + HEADER_LEN)) return 0;
  return socket_index == 0 ? i < pairs : i >= pairs && i < 2 * pairs && (i - pairs) % sinks == socket_index - 1;
}

static uint64_t check_udp(void) {
  static uint8_t data[65536];
  uint64_t count = 0;
  for (uint32_t s = 0; s <= sinks; s++) {
    union control control;
    struct iovec iov = {data, sizeof data};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control};
    ssize_t length = recvmsg(sockets[s], &m, MSG_DONTWAIT);
    if (length <= 0) continue;
    uint32_t size = segment_of(&m, length);
    for (uint32_t at = 0; at < length; at += size, count++) {
      uint32_t l = length - at < size ? length - at : size;
      wrong += !is_right(s, data + at, l);
    }
  }
  return count;
}

static char counted_tap[IFNAMSIZ + 1];

static int open_counters(const char *path) { return open(path, O_RDONLY | O_CLOEXEC); }

/* rx_packets of the TAP, as /proc/net/dev of its namespace says. */
static uint64_t read_counter(int fd) {
  char text[4096];
  ssize_t n = pread(fd, text, sizeof text - 1, 0);
  if (n < 0) die("/proc/thread-self/net/dev");
  text[n] = 0;
  char *line = strstr(text, counted_tap);
  unsigned long long bytes, packets;
  if (!line || sscanf(line + strlen(counted_tap), "%llu %llu", &bytes, &packets) != 2) die(counted_tap);
  return packets;
}

static int receiving_packet_socket(const char *tap) {
  int fd = packet_socket(tap), size = 8 << 20;
  struct sockaddr_ll a = {
      .sll_family = AF_PACKET, .sll_protocol = htons(ppp ? ETH_P_PPP_SES : flows ? ETH_P_IP : FRAME_TYPE), .sll_ifindex = if_nametoindex(tap)};
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size)) die("SO_RCVBUFFORCE");
  if (bind(fd, (struct sockaddr *)&a, sizeof a)) die("bind");
  return fd;
}

static uint64_t check_frame(int fd) {
  uint8_t data[PPPOE_LEN + MAX_FRAME], header[PPPOE_LEN];
  ssize_t length = recv(fd, data, sizeof data, MSG_DONTWAIT), before = ppp ? PPPOE_LEN : 0;
  if (length < 0) return 0;
  int right = length == before + frame_len && is_frame(data + before);
  if (right && ppp) put_pppoe(header, client_mac, concentrator_mac, number_of(data + before));
  wrong += !right || memcmp(data, header, before);
  return 1;
}

/* ---- a run ---- */

static void run(const char *kind, int port, uint64_t count, const char *tap, const char *ns, const char *remote) {
  struct sockaddr_in to = endpoint(remote, port);
  int check = !strncmp(kind, "check-", 6), from_tap, to_tap, source = -1, sink = -1;
  if (check) kind += 6;
  from_tap = !strcmp(kind, "tap-udp"), to_tap = !strcmp(kind, "udp-tap");
  uint64_t sent = 0, forwarded = 0, lost = 0, base = 0;
  if (from_tap) source = in_netns(ns, packet_socket, tap);
  if (to_tap && check) sink = in_netns(ns, receiving_packet_socket, tap);
  if (to_tap && !check) {
    snprintf(counted_tap, sizeof counted_tap, "%s:", tap);
    sink = in_netns(ns, open_counters, "/proc/thread-self/net/dev");
    base = read_counter(sink);
  }
  wrong = 0;
  double start = now(), progress = start;
  while (forwarded + lost < count) {
    while (sent < count && sent + burst * copies <= forwarded + lost + window * copies) {
      if (from_tap) send_frames(source);
      else send_udp(&to);
      sent += burst * copies;
    }
    uint64_t before = forwarded;
    if (to_tap) {
      if (check) forwarded += check_frame(sink);
      else forwarded = read_counter(sink) - base;
    } else {
      forwarded += check ? check_udp() : drain_udp();
    }
    if (forwarded != before) progress = now();
    else if (now() - progress > LOST_AFTER_NS) lost = sent - forwarded, progress = now();
  }
  printf("sent %llu forwarded %llu lost %llu wrong %llu ns %.0f\n", (unsigned long long)sent,
         (unsigned long long)forwarded, (unsigned long long)lost, (unsigned long long)wrong, progress - start);
  fflush(stdout);
  if (source >= 0) close(source);
  if (sink >= 0) close(sink);
}

static int by_size(const void *a, const void *b) { return *(const double *)a < *(const double *)b ? -1 : 1; }

/* How long lone packets take; each waits a while, until the subject sleeps. */
static void lone(int port, uint64_t count, const char *remote) {
  struct sockaddr_in to = endpoint(remote, port);
  double *taken = malloc(count * sizeof *taken);
  uint32_t usual = burst;
  burst = 1;
  for (uint64_t i = 0; i < count; i++) {
    double start = now();
    send_udp(&to);
    while (!drain_udp() && now() - start < LOST_AFTER_NS) {}
    taken[i] = now() - start;
    usleep(200);
  }
  burst = usual;
  qsort(taken, count, sizeof *taken, by_size);
  printf("p50 %.0f p99 %.0f\n", taken[count / 2], taken[count * 99 / 100]);
  fflush(stdout);
  free(taken);
}

int main(int argc, char **argv) {
  if (argc != 8 && argc != 9) return fprintf(stderr, "usage: traffic LOCAL REMOTE PAIRS SINKS FRAME BURST WINDOW [flows|ppp|flood|MACS]\n"), 2;
  pairs = atoi(argv[3]), sinks = atoi(argv[4]), frame_len = atoi(argv[5]), burst = atoi(argv[6]), window = atoi(argv[7]);
  if (sinks > MAX_SINKS || frame_len > MAX_FRAME || frame_len < 60 || burst > BATCH || burst < 1 || window < burst)
    return fprintf(stderr, "traffic: out of range\n"), 2;
  for (uint32_t i = 0; i < frame_len; i++) frame[i] = i * 7;
  memcpy(frame, "\2\0\0\0\0\2\2\0\0\0\0\1\x88\xb5", 14);
  ppp = argc == 9 && !strcmp(argv[8], "ppp");
  macs = argc == 9 ? atoi(argv[8]) : 0;
  if (argc == 9 && !strcmp(argv[8], "flood")) copies = pairs, memset(frame, 0xff, 6);
  flows = argc == 9 && !macs && !ppp && copies == 1;
  if (ppp) frame[0] = 0, frame[1] = 0x21;
  if (flows) make_flow(frame, 0);
  fill_datagrams();
  for (uint32_t s = 0; s <= sinks; s++) sockets[s] = udp_socket(argv[1], s ? SINK_PORT + s - 1 : PEER_PORT, 1);
  puts("ready"), fflush(stdout);

  char line[256], kind[32], tap[IFNAMSIZ], ns[64];
  int port;
  unsigned long long count;
  while (fgets(line, sizeof line, stdin)) {
    tap[0] = ns[0] = 0;
    if (sscanf(line, "%31s %d %llu %15s %63s", kind, &port, &count, tap, ns) < 3) die(line);
    count -= count % (burst * copies);
    if (!strcmp(kind, "lone")) lone(port, count, argv[2]);
    else run(kind, port, count, tap, ns, argv[2]);
  }
  return 0;
}
