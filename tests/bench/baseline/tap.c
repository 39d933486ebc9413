/*
 * tap LOCAL PORT REMOTE TAP: one Ethernet pseudowire between a TAP and the sending peer, both ways, frame by frame.
 * Says "ready"; ends on SIGTERM, then says how many batches and packets there were.
 */
#include <poll.h>
#include <signal.h>
#include "send.h"

#define ROOM 2048

static volatile sig_atomic_t stop;
static uint64_t batches, packets_received;

static void on_term(int signal) { stop = signal; }

static uint8_t buffer[BATCH][HEADROOM + ROOM + 192];

/* Everything that the TAP has, at most a batch, to the peer. */
static void tap_to_udp(int tap, struct session *s) {
  uint32_t n = 0;
  for (; n < BATCH; n++) {
    ssize_t length = read(tap, buffer[n] + HEADROOM, ROOM);
    if (length < 0) break;
    struct packet p = {.data = buffer[n] + HEADROOM, .length = length};
    encapsulate(&p, s);
    send_later(&p);
  }
  batches++, packets_received += n;
  if (n) flush();
}

static void udp_to_tap(int fd, int tap, const struct table *t) {
  static struct mmsghdr rx[BATCH];
  static struct iovec iov[BATCH];
  static struct sockaddr_in from[BATCH];
  static struct packet packet[BATCH];
  for (int i = 0; i < BATCH; i++) {
    iov[i] = (struct iovec){buffer[i] + HEADROOM, ROOM};
    rx[i].msg_hdr = (struct msghdr){
        .msg_name = &from[i], .msg_namelen = sizeof from[i], .msg_iov = &iov[i], .msg_iovlen = 1};
  }
  int received = recvmmsg(fd, rx, BATCH, MSG_DONTWAIT, NULL);
  uint32_t n = 0;
  for (int i = 0; i < received; i++) {
    if (from[i].sin_addr.s_addr != tx.peers[0].sin_addr.s_addr || from[i].sin_port != tx.peers[0].sin_port) dropped++;
    else packet[n++] = (struct packet){.data = iov[i].iov_base, .length = rx[i].msg_len};
  }
  batches++, packets_received += n;
  classify(t, packet, n);
  for (uint32_t i = 0; i < n; i++) {
    struct packet *p = &packet[i];
    if (!p->session || !decapsulate(p, p->session) || write(tap, p->data, p->length) < 0) dropped++;
  }
}

int main(int argc, char **argv) {
  if (argc != 5) return fprintf(stderr, "usage: tap LOCAL PORT REMOTE TAP\n"), 2;
  int fd = udp_socket(argv[1], atoi(argv[2]), 0), tap = tap_open(argv[4]);
  struct table table = make_table(1, 1);
  struct session *session = find(&table, htonl(session_id(0, 0)));
  sender_init(fd, 1, argv[3], 1);
  sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_term}, NULL);
  puts("ready"), fflush(stdout);
  struct pollfd ready[2] = {{fd, POLLIN, 0}, {tap, POLLIN, 0}};
  while (!stop) {
    if (poll(ready, 2, -1) < 0) continue;
    if (ready[0].revents) udp_to_tap(fd, tap, &table);
    if (ready[1].revents) tap_to_udp(tap, session);
  }
  printf("batches %llu packets %llu messages %llu dropped %llu\n", (unsigned long long)batches,
         (unsigned long long)packets_received, (unsigned long long)tx.messages_sent, (unsigned long long)dropped);
  return 0;
}
