/*
 * switch LOCAL PORT REMOTE PAIRS SINKS MODE [MACS|flood]: forwards between L2TPv3 sessions over UDP.
 * MODE plain: a recvmmsg, the header work, a sendmmsg. segment: sends grouped with UDP_SEGMENT. gro: that, and UDP_GRO.
 * With MACS: a switch that knows so many stations, and learns who sends. With flood: one that sends each frame to all PAIRS
 * sessions of the sinks.
 * Says "ready"; ends on SIGTERM, then says how many batches and packets there were.
 */
#include <signal.h>
#include "send.h"
#include "stations.h"

#define MAX_IN_BATCH (BATCH * 128) /* UDP_GRO joins at most 64 KiB, the kernel at most 128 segments */

static volatile sig_atomic_t stop;
static uint64_t batches, packets_received;

static void on_term(int signal) { stop = signal; }

static uint32_t split(struct packet *p, uint32_t n, uint8_t *data, uint32_t length, uint32_t size) {
  for (; length > 0 && n < MAX_IN_BATCH; n++) {
    uint32_t l = length < size ? length : size;
    p[n] = (struct packet){.data = data, .length = l};
    data += l, length -= l;
  }
  return n;
}

int main(int argc, char **argv) {
  static struct mmsghdr rx[BATCH];
  static struct iovec iov[BATCH];
  static struct sockaddr_in from[BATCH];
  static union control control[BATCH];
  static struct packet packet[MAX_IN_BATCH];
  if (argc != 7 && argc != 8) return fprintf(stderr, "usage: switch LOCAL PORT REMOTE PAIRS SINKS plain|segment|gro [MACS|flood]\n"), 2;
  int gro = !strcmp(argv[6], "gro"), fd = udp_socket(argv[1], atoi(argv[2]), gro);
  size_t room = gro ? 65536 : 2048, stride = HEADROOM + room + 192; /* not a power of two: no aliasing in L1 */
  uint8_t *buffers = aligned_alloc(64, BATCH * stride);
  struct table table = make_table(atoi(argv[4]), atoi(argv[5]));
  int floods = argc == 8 && !strcmp(argv[7], "flood");
  struct stations stations = {0};
  if (argc == 8) stations = make_stations(&table, atoi(argv[4]), floods ? 0 : atoi(argv[7]), floods ? 1024 : 0);
  if (floods) make_flood(&table, atoi(argv[4]));
  sender_init(fd, strcmp(argv[6], "plain") ? MAX_SEGMENTS : 1, argv[3], atoi(argv[5]));
  for (int i = 0; i < BATCH; i++) {
    iov[i] = (struct iovec){buffers + i * stride + HEADROOM, room};
    rx[i].msg_hdr = (struct msghdr){.msg_name = &from[i], .msg_iov = &iov[i], .msg_iovlen = 1};
  }
  sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_term}, NULL);
  puts("ready"), fflush(stdout);

  while (!stop) {
    for (int i = 0; i < BATCH; i++) {
      rx[i].msg_hdr.msg_namelen = sizeof from[i];
      if (!gro) continue;
      rx[i].msg_hdr.msg_control = control[i].bytes, rx[i].msg_hdr.msg_controllen = sizeof control[i];
    }
    int received = recvmmsg(fd, rx, BATCH, MSG_WAITFORONE, NULL);
    if (received < 0) {
      if (errno == EINTR) continue;
      die("recvmmsg");
    }
    uint32_t n = 0;
    for (int i = 0; i < received; i++) {
      if (from[i].sin_addr.s_addr != tx.peers[0].sin_addr.s_addr || from[i].sin_port != tx.peers[0].sin_port) {
        dropped++; /* only the sending peer sends */
        continue;
      }
      uint32_t length = rx[i].msg_len, size = gro ? segment_of(&rx[i].msg_hdr, length) : length;
      n = split(packet, n, iov[i].iov_base, length, size);
    }
    batches++, packets_received += n;
    if (floods) {
      if (n) flood(&table, &stations, packet, n), flush();
      continue;
    }
    n = argc == 8 ? forward_macs(&table, &stations, packet, n) : forward(&table, packet, n);
    for (uint32_t i = 0; i < n; i++) send_later(&packet[i]);
    if (n) flush();
  }
  printf("batches %llu packets %llu messages %llu dropped %llu\n", (unsigned long long)batches,
         (unsigned long long)packets_received, (unsigned long long)tx.messages_sent, (unsigned long long)dropped);
  return 0;
}
