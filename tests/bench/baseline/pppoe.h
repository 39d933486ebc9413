/* PPPoE sessions of the baselines (RFC 2516): the id is the index, all else that a frame begins with is compared. */
#pragma once
#include "l2tp.h"

static struct pppoe { /* 64 bytes: one cache line */
  struct session *session; /* L2TP's; NULL: there is none */
  uint8_t header[18]; /* of what is sent, up to the length */
  uint8_t code[4]; /* EtherType, version and type, code, of what comes */
  uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
} __attribute__((aligned(64))) pppoe[65536];

static void make_pppoe(const struct table *t, uint32_t sessions) {
  static const uint8_t data[4] = {0x88, 0x64, 0x11, 0};
  for (uint32_t i = 0; i < sessions; i++) {
    struct pppoe *e = &pppoe[i + 1];
    uint16_t id = htons(i + 1);
    e->session = find(t, htonl(session_id(0, i)));
    e->session->partner = i + 1; /* not a slot of the table: the PPPoE session's id */
    memcpy(e->header, client_mac, 6), memcpy(e->header + 6, concentrator_mac, 6);
    memcpy(e->header + 12, data, 4), memcpy(e->header + 16, &id, 2), memcpy(e->code, data, 4);
  }
}

/* Takes Ethernet's and PPPoE's header off, and padding, and counts; NULL: not data of a session. */
static inline struct session *take_pppoe(struct packet *p) {
  if (p->length < PPPOE_LEN) return NULL;
  struct pppoe *e = &pppoe[p->data[16] << 8 | p->data[17]];
  uint32_t length = p->data[18] << 8 | p->data[19];
  if (!e->session || PPPOE_LEN + length > p->length || length < 2) return NULL;
  if (memcmp(p->data, e->header + 6, 6) || memcmp(p->data + 6, e->header, 6) || memcmp(p->data + 12, e->code, 4)) return NULL;
  p->data += PPPOE_LEN, p->length = length;
  e->rx_packets++, e->rx_bytes += length;
  return e->session;
}

/* Puts both headers before the PPP frame of a session and counts it. */
static inline void put_pppoe(struct packet *p) {
  struct pppoe *e = &pppoe[p->session->partner];
  uint16_t length = htons(p->length);
  e->tx_packets++, e->tx_bytes += p->length;
  p->data -= PPPOE_LEN, p->length += PPPOE_LEN;
  memcpy(p->data, e->header, 18), memcpy(p->data + 18, &length, 2);
}
