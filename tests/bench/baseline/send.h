/*
 * Sending a batch with one sendmmsg: each packet its own message, or, with max_segments > 1, packets to one peer
 * grouped into UDP_SEGMENT messages. A message takes segments of one length and may end with a shorter one; one message is
 * open per peer, so that no packet overtakes another to the same peer.
 */
#pragma once
#include "l2tp.h"
#include "net.h"

#define TX_MESSAGES 1024 /* the most that sendmmsg takes */
#define TX_IOVECS 8192
#define MAX_TUNNELS 16

static struct sender {
  int fd, max_segments;
  struct sockaddr_in peers[MAX_TUNNELS]; /* by tunnel */
  uint64_t messages_sent;
  uint32_t messages, iovecs;
  struct mmsghdr message[TX_MESSAGES];
  union control control[TX_MESSAGES];
  struct { uint32_t segments, size, bytes; } fill[TX_MESSAGES];
  /* By message: the iovecs of its packets; in groups they must be contiguous, so they are gathered in a list first. */
  struct { uint32_t first, last; } chain[TX_MESSAGES];
  struct { uint8_t *base; uint32_t length, next; } link[TX_IOVECS];
  struct iovec iovec[TX_IOVECS];
  int open[MAX_TUNNELS]; /* by tunnel: the message that may still grow, or -1 */
} tx;

/* Fills the arrays that sendmmsg reads. */
static void lay_out(void) {
  uint32_t used = 0;
  for (uint32_t i = 0; i < tx.messages; i++) {
    struct msghdr *m = &tx.message[i].msg_hdr;
    m->msg_iov = &tx.iovec[used];
    for (uint32_t l = tx.chain[i].first;; l = tx.link[l].next) {
      tx.iovec[used++] = (struct iovec){tx.link[l].base, tx.link[l].length};
      if (l == tx.chain[i].last) break;
    }
    m->msg_iovlen = &tx.iovec[used] - m->msg_iov;
    if (tx.fill[i].segments > 1) set_segment(m, &tx.control[i], tx.fill[i].size);
  }
}

/* What was laid out has left. */
static void start_anew(void) {
  tx.messages = tx.iovecs = 0;
  memset(tx.open, 0xff, sizeof tx.open);
}

static void flush(void) {
  uint32_t sent = 0;
  lay_out();
  while (sent < tx.messages) {
    int n = sendmmsg(tx.fd, tx.message + sent, tx.messages - sent, 0);
    if (n < 0) die("sendmmsg");
    sent += n;
  }
  tx.messages_sent += tx.messages;
  start_anew();
}

static void start_message(const struct packet *p) {
  uint32_t i = tx.messages++;
  tx.message[i].msg_hdr = (struct msghdr){.msg_name = &tx.peers[p->tunnel], .msg_namelen = sizeof(struct sockaddr_in)};
  tx.fill[i].segments = 0, tx.fill[i].size = p->length, tx.fill[i].bytes = 0;
  tx.open[p->tunnel] = tx.max_segments > 1 ? (int)i : -1;
  tx.chain[i].first = tx.chain[i].last = tx.iovecs;
}

static void send_later(const struct packet *p) {
  if (tx.messages == TX_MESSAGES || tx.iovecs == TX_IOVECS) flush();
  int i = tx.open[p->tunnel];
  if (i < 0 || p->length > tx.fill[i].size || tx.fill[i].bytes + p->length > MAX_PAYLOAD) {
    start_message(p);
    i = tx.messages - 1;
  }
  uint32_t last = tx.chain[i].last;
  if (tx.fill[i].segments && tx.link[last].base + tx.link[last].length == p->data) {
    tx.link[last].length += p->length; /* follows in memory too: one iovec carries both */
  } else {
    tx.link[tx.iovecs].base = p->data, tx.link[tx.iovecs].length = p->length;
    tx.link[last].next = tx.iovecs, tx.chain[i].last = tx.iovecs++;
  }
  tx.fill[i].bytes += p->length;
  if (++tx.fill[i].segments == (uint32_t)tx.max_segments || p->length < tx.fill[i].size) tx.open[p->tunnel] = -1;
}

/* A message of its own, of a head, which is copied, and a body, which is not. */
static inline void send_parts(const uint8_t *head, uint32_t head_length, uint8_t *body, uint32_t length, uint16_t tunnel) {
  static uint8_t heads[TX_MESSAGES][64];
  if (tx.messages == TX_MESSAGES || tx.iovecs + 2 > TX_IOVECS) flush();
  start_message(&(struct packet){.length = head_length + length, .tunnel = tunnel});
  uint32_t i = tx.messages - 1, at = tx.iovecs;
  tx.open[tunnel] = -1, tx.fill[i].segments = 1;
  memcpy(heads[i], head, head_length);
  tx.link[at].base = heads[i], tx.link[at].length = head_length, tx.link[at].next = at + 1;
  tx.link[at + 1].base = body, tx.link[at + 1].length = length;
  tx.chain[i].last = at + 1, tx.iovecs += 2;
}

static void sender_init(int fd, int max_segments, const char *remote, uint32_t sinks) {
  tx.fd = fd, tx.max_segments = max_segments;
  tx.peers[0] = endpoint(remote, PEER_PORT);
  for (uint32_t k = 0; k < sinks; k++) tx.peers[1 + k] = endpoint(remote, SINK_PORT + k);
  memset(tx.open, 0xff, sizeof tx.open);
}
