/*
 * lac LOCAL REMOTE NETNS SERVER TUNNELS: an LAC with many PPP clients, in one process that costs little.
 *
 * L2TPv2 without a secret, LCP, PAP and IPCP; a line on standard input asks, a line on standard output answers:
 *   up COUNT STARTING          sets up so many sessions in all, at most STARTING at a time
 *   -> "up N failed N ns T"
 *   send COUNT SIZE BURST WINDOW   IP packets of SIZE octets from sessions at random to SERVER, counted in NETNS
 *   receive COUNT SIZE BURST WINDOW  the same from SERVER to sessions at random, counted here
 *   -> "sent N forwarded N lost N ns T"
 *
 * At most WINDOW packets are on their way. Each leaves by itself: none is joined to another by the sender.
 */
#include <poll.h>
#include <sched.h>
#include <time.h>
#include "net.h"
#include "plan.h"

#define MAX_SESSIONS 65535
#define MAX_TUNNELS 64
#define QUEUE (1 << 15) /* those that wait are few */
#define LOST_AFTER_NS 1e9
#define AGAIN_AFTER_NS 2e9

enum { IDLE, CALLED, LCP, AUTH, IPCP, UP, FAILED };
struct session { uint16_t peer; uint8_t state, ours, theirs; uint32_t address; double since; };
struct message { uint16_t len; uint8_t bytes[96]; };
struct tunnel {
  uint16_t peer, nr, window; /* peer's id, the number expected next, the peer's window */
  uint32_t queued, sent, acked;
  int up, must_ack;
  double since;
  uint32_t sessions, started;
  struct session *session;
  struct message *queue;
};

static struct tunnel tunnels[MAX_TUNNELS];
static uint32_t tunnel_count, up, failed, starting;
static int wire, sink;
static uint32_t server;
static struct sockaddr_in lns;
static uint32_t seed = 7;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

/* ---- what leaves, many at a time ---- */

static uint8_t out_bytes[BATCH][256];
static struct iovec out_iov[BATCH];
static struct mmsghdr out[BATCH];
static int out_count;

static void flush(void) {
  for (int done = 0; done < out_count;) {
    int n = sendmmsg(wire, out + done, out_count - done, 0);
    if (n < 0 && errno != ENOBUFS && errno != ECONNREFUSED) die("sendmmsg");
    done += n > 0 ? n : 1;
  }
  out_count = 0;
}

static void leave(const uint8_t *bytes, size_t len) {
  memcpy(out_bytes[out_count], bytes, len);
  out_iov[out_count] = (struct iovec){out_bytes[out_count], len};
  out[out_count].msg_hdr = (struct msghdr){.msg_iov = &out_iov[out_count], .msg_iovlen = 1};
  if (++out_count == BATCH) flush();
}

static void put16(uint8_t *p, uint16_t v) { p[0] = v >> 8, p[1] = v; }
static uint16_t get16(const uint8_t *p) { return p[0] << 8 | p[1]; }

/* ---- control messages (RFC 2661 §4, §5) ---- */

static void transmit(struct tunnel *t, uint32_t at) {
  struct message *m = &t->queue[at % QUEUE];
  put16(m->bytes + 8, at), put16(m->bytes + 10, t->nr);
  leave(m->bytes, m->len);
  t->must_ack = 0;
}

static void send_window(struct tunnel *t) {
  for (; t->sent < t->queued && t->sent - t->acked < t->window; t->sent++) {
    if (t->sent == t->acked) t->since = now();
    transmit(t, t->sent);
  }
}

static struct message *begin(struct tunnel *t, uint16_t session, uint16_t type) {
  struct message *m = &t->queue[t->queued % QUEUE];
  put16(m->bytes, 0xc802), put16(m->bytes + 4, t->peer), put16(m->bytes + 6, session);
  m->len = 12;
  uint8_t avp[8] = {0x80, 8, 0, 0, 0, 0, type >> 8, type};
  memcpy(m->bytes + m->len, avp, 8), m->len += 8;
  return m;
}

static void avp(struct message *m, uint16_t type, const void *value, size_t len) {
  uint8_t *p = m->bytes + m->len;
  put16(p, 0x8000 | (6 + len)), put16(p + 2, 0), put16(p + 4, type);
  memcpy(p + 6, value, len), m->len += 6 + len;
}

static void avp16(struct message *m, uint16_t type, uint16_t v) {
  uint8_t b[2] = {v >> 8, v};
  avp(m, type, b, 2);
}

static void avp32(struct message *m, uint16_t type, uint32_t v) {
  uint8_t b[4] = {v >> 24, v >> 16, v >> 8, v};
  avp(m, type, b, 4);
}

static void end(struct tunnel *t, struct message *m) {
  put16(m->bytes + 2, m->len);
  t->queued++;
  send_window(t);
}

static void start_tunnel(struct tunnel *t) {
  t->window = 1;
  struct message *m = begin(t, 0, 1);
  avp16(m, 2, 0x0100), avp(m, 7, "lac", 3), avp32(m, 3, 3), avp16(m, 9, t - tunnels + 1), avp16(m, 10, 1024);
  end(t, m);
}

static void start_call(struct tunnel *t) {
  uint32_t id = ++t->started;
  struct session *s = &t->session[id];
  s->state = CALLED, s->since = now();
  starting++;
  struct message *m = begin(t, 0, 10);
  char caller[16];
  int len = snprintf(caller, sizeof caller, "%u", id);
  avp16(m, 14, id), avp32(m, 15, id), avp(m, 22, caller, len);
  end(t, m);
}

/* ---- PPP (RFC 1661, 1334, 1332) ---- */

static void ppp(struct tunnel *t, struct session *s, uint16_t protocol, uint8_t code, uint8_t id, const void *data, size_t len) {
  uint8_t b[256] = {0, 2};
  if (len > 200) len = 200;
  put16(b + 2, t->peer), put16(b + 4, s->peer), put16(b + 6, 0xff03), put16(b + 8, protocol);
  b[10] = code, b[11] = id, put16(b + 12, 4 + len);
  memcpy(b + 14, data, len);
  leave(b, 14 + len);
}

static void ask(struct tunnel *t, struct session *s) {
  uint32_t id = s - t->session;
  s->since = now();
  if (s->state == LCP && !s->ours) {
    uint8_t options[] = {1, 4, 0x05, 0xd4, 5, 6, 0x11, 0x22, id >> 8, id};
    ppp(t, s, 0xc021, 1, 1, options, sizeof options);
  } else if (s->state == AUTH) {
    char b[64];
    int n = snprintf(b + 1, 40, "user%u-%u", (unsigned)(t - tunnels), id);
    b[0] = n, b[1 + n] = 6, memcpy(b + 2 + n, "secret", 6);
    ppp(t, s, 0xc023, 1, 1, b, 8 + n);
  } else if (s->state == IPCP && !s->ours) {
    uint8_t options[6] = {3, 6};
    memcpy(options + 2, &s->address, 4);
    ppp(t, s, 0x8021, 1, s->address ? 2 : 1, options, 6);
  }
}

static void enter(struct tunnel *t, struct session *s, uint8_t state) {
  s->state = state, s->ours = s->theirs = 0;
  if (state == UP || state == FAILED) {
    starting--, *(state == UP ? &up : &failed) += 1;
  } else ask(t, s);
}

static void advance(struct tunnel *t, struct session *s) {
  if (s->ours && s->theirs && s->state == LCP) enter(t, s, AUTH);
  else if (s->ours && s->theirs && s->state == IPCP) enter(t, s, UP);
}

static void configure(struct tunnel *t, struct session *s, uint16_t protocol, uint8_t state, const uint8_t *p, size_t len) {
  if (p[0] == 1) { /* whatever it asks for will do */
    ppp(t, s, protocol, 2, p[1], p + 4, len - 4);
    if (s->state == state) s->theirs = 1;
  } else if (p[0] == 2 && s->state == state) {
    s->ours = 1;
  } else if (p[0] == 3 && s->state == state && state == IPCP && len >= 10 && p[4] == 3) {
    memcpy(&s->address, p + 6, 4);
    ask(t, s);
  }
  advance(t, s);
}

static void lcp(struct tunnel *t, struct session *s, const uint8_t *p, size_t len) {
  uint8_t magic[4] = {0};
  if (p[0] == 9) ppp(t, s, 0xc021, 10, p[1], magic, 4);
  else if (p[0] == 5) {
    ppp(t, s, 0xc021, 6, p[1], "", 0);
    if (s->state != UP) enter(t, s, FAILED);
  } else configure(t, s, 0xc021, LCP, p, len);
}

static uint64_t packets_in; /* IP packets that came */

static void frame(struct tunnel *t, struct session *s, const uint8_t *p, size_t len) {
  if (len >= 2 && p[0] == 0xff && p[1] == 3) p += 2, len -= 2;
  if (len >= 1 && p[0] & 1) {
    packets_in += p[0] == 0x21;
    return;
  }
  if (len < 6 || get16(p) == 0x21) {
    packets_in += len >= 6;
    return;
  }
  uint16_t protocol = get16(p);
  size_t length = get16(p + 4);
  if (length < 4 || length > len - 2) return;
  p += 2;
  if (protocol == 0xc021) lcp(t, s, p, length);
  else if (protocol == 0x8021) configure(t, s, protocol, IPCP, p, length);
  else if (protocol == 0xc023 && s->state == AUTH) enter(t, s, p[0] == 2 ? IPCP : FAILED);
  else if (protocol != 0xc023 && p[0] == 1) { /* Protocol-Reject */
    uint8_t b[64];
    size_t n = length < 60 ? length : 60;
    put16(b, protocol), memcpy(b + 2, p, n);
    ppp(t, s, 0xc021, 8, p[1], b, 2 + n);
  }
}

/* ---- what comes ---- */

static void call_message(struct tunnel *t, uint16_t session, uint16_t type, uint16_t assigned) {
  struct session *s = &t->session[session];
  if (session == 0 || session > t->sessions) return;
  if (type == 14 && s->state != FAILED) {
    if (s->state == UP) up--, starting++;
    enter(t, s, FAILED);
  } else if (type == 11 && s->state == CALLED) {
    s->peer = assigned;
    struct message *m = begin(t, s->peer, 12);
    avp32(m, 24, 100000000), avp32(m, 19, 1);
    end(t, m);
    enter(t, s, LCP);
  }
}

static void control(struct tunnel *t, const uint8_t *p, size_t len) {
  uint16_t ns = get16(p + 8), nr = get16(p + 10), type = 0, assigned = 0;
  uint16_t newly = nr - (uint16_t)t->acked;
  if (newly && newly <= t->sent - t->acked) t->acked += newly, t->since = now();
  if (len == 12) {
    send_window(t);
    return;
  }
  t->must_ack = 1;
  if (ns != t->nr) return;
  t->nr++;
  for (size_t at = 12; at + 6 <= len;) {
    size_t l = get16(p + at) & 0x3ff;
    uint16_t kind = get16(p + at + 4);
    if (l < 6 || at + l > len) break;
    if (get16(p + at + 2) == 0 && l == 8) {
      uint16_t v = get16(p + at + 6);
      if (kind == 0) type = v;
      if (kind == 9) t->peer = v;
      if (kind == 10) t->window = v;
      if (kind == 14) assigned = v;
    }
    at += l;
  }
  if (type == 2 && !t->up) {
    t->up = 1;
    if (t->window < 4) t->window = 4;
    if (t->window > 512) t->window = 512;
    struct message *m = begin(t, 0, 3);
    end(t, m);
  } else if (type == 4) {
    fprintf(stderr, "lac: the LNS ended a tunnel\n"), exit(1);
  } else call_message(t, get16(p + 6), type, assigned);
  send_window(t);
}

static void datagram(const uint8_t *p, size_t len) {
  if (len < 6 || (p[1] & 15) != 2) return;
  size_t at = 2, end = len;
  if (p[0] & 0x40) {
    if (get16(p + 2) > len) return;
    end = get16(p + 2), at = 4;
  }
  uint16_t tunnel = get16(p + at), session = get16(p + at + 2);
  if (tunnel == 0 || tunnel > tunnel_count) return;
  struct tunnel *t = &tunnels[tunnel - 1];
  at += 4;
  if (p[0] & 0x80) {
    if (end >= 12) control(t, p, end);
    return;
  }
  if (p[0] & 0x08) at += 4;
  if (p[0] & 0x02) at += 2 + get16(p + at);
  if (at < end && session && session <= t->sessions) frame(t, &t->session[session], p + at, end - at);
}

static int receive(void) {
  static uint8_t bytes[BATCH][65536];
  static struct iovec iov[BATCH];
  static struct mmsghdr m[BATCH];
  static union control controls[BATCH];
  for (int i = 0; i < BATCH; i++) {
    iov[i] = (struct iovec){bytes[i], sizeof bytes[i]};
    m[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1, .msg_control = controls[i].bytes, .msg_controllen = sizeof controls[i]};
  }
  int n = recvmmsg(wire, m, BATCH, MSG_DONTWAIT, NULL);
  for (int i = 0; i < n; i++) {
    uint32_t size = segment_of(&m[i].msg_hdr, m[i].msg_len);
    for (uint32_t at = 0; size && at < m[i].msg_len; at += size)
      datagram(bytes[i] + at, m[i].msg_len - at < size ? m[i].msg_len - at : size);
  }
  for (uint32_t i = 0; i < tunnel_count; i++) {
    if (!tunnels[i].must_ack) continue;
    uint8_t zlb[12] = {0xc8, 2, 0, 12};
    put16(zlb + 4, tunnels[i].peer), put16(zlb + 8, tunnels[i].sent), put16(zlb + 10, tunnels[i].nr);
    leave(zlb, 12), tunnels[i].must_ack = 0;
  }
  return n > 0 ? n : 0;
}

/* Sends again what had no answer. */
static void again(void) {
  double t0 = now();
  for (uint32_t i = 0; i < tunnel_count; i++) {
    struct tunnel *t = &tunnels[i];
    if (t->sent > t->acked && t0 - t->since > AGAIN_AFTER_NS) {
      for (uint32_t at = t->acked; at < t->sent && at < t->acked + 8; at++) transmit(t, at);
      t->since = t0;
    }
    for (uint32_t id = 1; id <= t->started; id++) {
      struct session *s = &t->session[id];
      if (s->state >= LCP && s->state < UP && t0 - s->since > AGAIN_AFTER_NS) ask(t, s);
    }
  }
}

static void set_up(uint32_t count, uint32_t most) {
  double begin = now(), looked = begin;
  uint32_t started = up;
  while (up + failed < count) {
    /* One call a tunnel in turn, as long as any takes one. */
    for (int any = 1; any;) {
      any = 0;
      for (uint32_t i = 0; i < tunnel_count; i++) {
        struct tunnel *t = &tunnels[i];
        if (t->queued == 0) start_tunnel(t);
        if (!t->up || starting >= most || started >= count || t->started >= t->sessions || t->queued - t->sent >= 16) continue;
        start_call(t), started++, any = 1;
      }
    }
    flush();
    struct pollfd p = {.fd = wire, .events = POLLIN};
    poll(&p, 1, 20);
    while (receive() == BATCH) flush();
    if (now() - looked > 1e8) again(), looked = now();
    if (now() - begin > 300e9) break;
  }
  flush();
  printf("up %u failed %u ns %.0f\n", up, failed, now() - begin);
}

/* ---- data ---- */

static struct session *any_session(struct tunnel **of) {
  for (;;) {
    struct tunnel *t = *of = &tunnels[next_random(&seed) % tunnel_count];
    struct session *s = t->started ? &t->session[1 + next_random(&seed) % t->started] : NULL;
    if (s && s->state == UP) return s;
  }
}

static uint16_t ip_sum(const uint8_t *p) {
  uint32_t sum = 0;
  for (int i = 0; i < 20; i += 2) sum += get16(p + i);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum;
}

static void send_up(uint32_t size, uint32_t burst) {
  static uint8_t bytes[BATCH][10 + 1500];
  static struct iovec iov[BATCH];
  static struct mmsghdr m[BATCH];
  for (uint32_t i = 0; i < burst; i++) {
    struct tunnel *t;
    struct session *s = any_session(&t);
    uint8_t *p = bytes[i], *ip = p + 10;
    memcpy(p, "\0\2", 2), put16(p + 2, t->peer), put16(p + 4, s->peer), memcpy(p + 6, "\xff\3\0\x21", 4);
    memcpy(ip, "\x45\0\0\0\0\0\x40\0\x40\x11\0\0", 12), put16(ip + 2, size);
    memcpy(ip + 12, &s->address, 4), memcpy(ip + 16, &server, 4);
    put16(ip + 10, ip_sum(ip));
    put16(ip + 20, 9001), put16(ip + 22, 9000), put16(ip + 24, size - 20), put16(ip + 26, 0);
    iov[i] = (struct iovec){p, 10 + size};
    m[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
  }
  if (sendmmsg(wire, m, burst, 0) < 0 && errno != ENOBUFS) die("sendmmsg");
}

static void send_down(uint32_t size, uint32_t burst) {
  static uint8_t bytes[1500];
  static struct iovec iov;
  static struct mmsghdr m[BATCH];
  static struct sockaddr_in to[BATCH];
  iov = (struct iovec){bytes, size - 28};
  for (uint32_t i = 0; i < burst; i++) {
    struct tunnel *t;
    to[i] = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(9001), .sin_addr.s_addr = any_session(&t)->address};
    m[i].msg_hdr = (struct msghdr){.msg_name = &to[i], .msg_namelen = sizeof to[i], .msg_iov = &iov, .msg_iovlen = 1};
  }
  if (sendmmsg(sink, m, burst, 0) < 0 && errno != ENOBUFS) die("sendmmsg");
}

static uint64_t drain_sink(void) {
  static struct mmsghdr m[BATCH];
  memset(m, 0, sizeof m);
  int n = recvmmsg(sink, m, BATCH, MSG_DONTWAIT | MSG_TRUNC, NULL);
  return n > 0 ? n : 0;
}

static uint64_t drain_wire(void) {
  uint64_t before = packets_in;
  receive(), flush();
  return packets_in - before;
}

static void run(int upwards, uint32_t count, uint32_t size, uint32_t burst, uint32_t window) {
  uint64_t sent = 0, came = 0, lost = 0;
  double begin = now(), last = begin;
  while (came + lost < count) {
    while (sent < count && sent - came - lost + burst <= window) {
      upwards ? send_up(size, burst) : send_down(size, burst);
      sent += burst;
    }
    uint64_t n = upwards ? drain_sink() : drain_wire();
    if (upwards) drain_wire();
    came += n;
    if (n) last = now();
    else if (now() - last > LOST_AFTER_NS) lost = sent - came, last = now();
  }
  printf("sent %lu forwarded %lu lost %lu ns %.0f\n", sent, came, lost, now() - begin);
}

static int socket_in(const char *netns, const char *address, int port) {
  char path[256];
  snprintf(path, sizeof path, "/var/run/netns/%s", netns);
  int here = open("/proc/self/ns/net", O_RDONLY), there = open(path, O_RDONLY);
  if (there < 0 || setns(there, CLONE_NEWNET)) die(path);
  int fd = udp_socket(address, port, 0);
  if (setns(here, CLONE_NEWNET)) die("setns");
  close(here), close(there);
  return fd;
}

int main(int argc, char **argv) {
  if (argc != 6) return fprintf(stderr, "usage: lac LOCAL REMOTE NETNS SERVER TUNNELS\n"), 2;
  lns = endpoint(argv[2], 1701);
  wire = udp_socket(argv[1], 1701, 1);
  if (connect(wire, (struct sockaddr *)&lns, sizeof lns)) die("connect");
  server = endpoint(argv[4], 0).sin_addr.s_addr;
  sink = socket_in(argv[3], argv[4], 9000);
  tunnel_count = atoi(argv[5]);
  for (uint32_t i = 0; i < tunnel_count; i++) {
    tunnels[i].sessions = MAX_SESSIONS - 1;
    tunnels[i].session = calloc(MAX_SESSIONS, sizeof(struct session));
    tunnels[i].queue = calloc(QUEUE, sizeof(struct message));
  }
  setlinebuf(stdout);
  printf("ready\n");
  for (;;) {
    /* Between runs, echoes and hellos are answered. */
    struct pollfd p[2] = {{.fd = 0, .events = POLLIN}, {.fd = wire, .events = POLLIN}};
    poll(p, 2, -1);
    if (p[1].revents) receive(), flush();
    if (!p[0].revents) continue;
    char line[128];
    uint32_t a, b, c, d;
    if (!fgets(line, sizeof line, stdin)) return 0;
    if (sscanf(line, "up %u %u", &a, &b) == 2) set_up(a, b);
    else if (sscanf(line, "send %u %u %u %u", &a, &b, &c, &d) == 4) run(1, a, b, c, d);
    else if (sscanf(line, "receive %u %u %u %u", &a, &b, &c, &d) == 4) run(0, a, b, c, d);
    else printf("what?\n");
  }
}
