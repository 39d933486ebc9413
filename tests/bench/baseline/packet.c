/*
 * packet LOCAL PORT REMOTE INTERFACE [SESSIONS]: one Ethernet pseudowire between an interface, by a packet socket, and the
 * sending peer, both ways, in batches; with SESSIONS, so many PPPoE sessions on the interface, each with a PPP pseudowire. Says "ready"; ends on SIGTERM, then says how many batches and packets there were.
 */
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <signal.h>
#include "pppoe.h"
#include "send.h"

#define ROOM 2048

static volatile sig_atomic_t stop;
static uint64_t batches, packets_received;

static void on_term(int signal) { stop = signal; }

static uint8_t buffer[BATCH][HEADROOM + ROOM + 192];
static struct mmsghdr rx[BATCH];
static struct iovec iov[BATCH];

/* What is told beside each frame: the tag that was taken off. */
union aux {
  char bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
  struct cmsghdr align;
};

static int packet_open(const char *name) {
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), yes = 1, size = 8 << 20;
  struct sockaddr_ll a = {
      .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = if_nametoindex(name)};
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size)) die(name);
  if (setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &yes, sizeof yes)) die("PACKET_AUXDATA");
  if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof yes)) die("PACKET_IGNORE_OUTGOING");
  if (bind(fd, (struct sockaddr *)&a, sizeof a)) die(name);
  return fd;
}

/* Whether the kernel took a VLAN tag off. */
static int tagged(struct msghdr *m) {
  struct cmsghdr *h = CMSG_FIRSTHDR(m);
  struct tpacket_auxdata told;
  if (!h || h->cmsg_level != SOL_PACKET || h->cmsg_type != PACKET_AUXDATA) return 0;
  memcpy(&told, CMSG_DATA(h), sizeof told);
  return told.tp_status & TP_STATUS_VLAN_VALID && told.tp_vlan_tci & 0xfff;
}

static void wire_to_udp(int wire, struct session *whole) {
  static union aux aux[BATCH];
  for (int i = 0; i < BATCH; i++) {
    iov[i] = (struct iovec){buffer[i] + HEADROOM, ROOM};
    rx[i].msg_hdr = (struct msghdr){
        .msg_iov = &iov[i], .msg_iovlen = 1, .msg_control = aux[i].bytes, .msg_controllen = sizeof aux[i]};
  }
  int received = recvmmsg(wire, rx, BATCH, MSG_DONTWAIT, NULL);
  if (received <= 0) return;
  batches++, packets_received += received;
  for (int i = 0; i < received; i++) {
    struct packet p = {.data = iov[i].iov_base, .length = rx[i].msg_len};
    struct session *s = whole ? whole : tagged(&rx[i].msg_hdr) ? NULL : take_pppoe(&p);
    if (!s) { dropped++; continue; }
    encapsulate(&p, s);
    send_later(&p);
  }
  flush();
}

static void udp_to_wire(int fd, int wire, const struct table *t, int whole) {
  static struct sockaddr_in from[BATCH];
  static struct packet packet[BATCH];
  for (int i = 0; i < BATCH; i++) {
    iov[i] = (struct iovec){buffer[i] + HEADROOM, ROOM};
    rx[i].msg_hdr = (struct msghdr){
        .msg_name = &from[i], .msg_namelen = sizeof from[i], .msg_iov = &iov[i], .msg_iovlen = 1};
  }
  int received = recvmmsg(fd, rx, BATCH, MSG_DONTWAIT, NULL);
  uint32_t n = 0, leaving = 0;
  for (int i = 0; i < received; i++) {
    if (from[i].sin_addr.s_addr != tx.peers[0].sin_addr.s_addr || from[i].sin_port != tx.peers[0].sin_port) dropped++;
    else packet[n++] = (struct packet){.data = iov[i].iov_base, .length = rx[i].msg_len};
  }
  batches++, packets_received += n;
  classify(t, packet, n);
  for (uint32_t i = 0; i < n; i++) {
    struct packet *p = &packet[i];
    if (!p->session || !decapsulate(p, p->session)) { dropped++; continue; }
    if (!whole) put_pppoe(p);
    iov[leaving] = (struct iovec){p->data, p->length};
    rx[leaving].msg_hdr = (struct msghdr){.msg_iov = &iov[leaving], .msg_iovlen = 1};
    leaving++;
  }
  for (uint32_t sent = 0; sent < leaving;) {
    int done = sendmmsg(wire, rx + sent, leaving - sent, 0);
    if (done < 0) die("sendmmsg");
    sent += done;
  }
}

int main(int argc, char **argv) {
  if (argc != 5 && argc != 6) return fprintf(stderr, "usage: packet LOCAL PORT REMOTE INTERFACE [SESSIONS]\n"), 2;
  uint32_t sessions = argc == 6 ? atoi(argv[5]) : 0;
  int fd = udp_socket(argv[1], atoi(argv[2]), 0), wire = packet_open(argv[4]);
  struct table table = make_table(sessions ? sessions : 1, 1);
  struct session *session = sessions ? NULL : find(&table, htonl(session_id(0, 0)));
  if (sessions) make_pppoe(&table, sessions);
  sender_init(fd, 1, argv[3], 1);
  sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_term}, NULL);
  puts("ready"), fflush(stdout);
  struct pollfd ready[2] = {{fd, POLLIN, 0}, {wire, POLLIN, 0}};
  while (!stop) {
    if (poll(ready, 2, -1) < 0) continue;
    if (ready[0].revents) udp_to_wire(fd, wire, &table, session != NULL);
    if (ready[1].revents) wire_to_udp(wire, session);
  }
  printf("batches %llu packets %llu messages %llu dropped %llu\n", (unsigned long long)batches,
         (unsigned long long)packets_received, (unsigned long long)tx.messages_sent, (unsigned long long)dropped);
  return 0;
}
