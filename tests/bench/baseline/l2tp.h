/* The header work of the baselines: session table, parse, check, rewrite. One batch at a time, as the datapath does it. */
#pragma once
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include "plan.h"

#define HEADROOM 64 /* before every received packet, so that a longer header still fits in place */

struct session { /* 64 bytes: one cache line */
  uint32_t id; /* network order; 0: the slot is free */
  uint32_t peer_id; /* network order */
  uint32_t partner; /* the slot of the session that it is joined to */
  uint16_t tunnel; /* whose peer it talks to */
  uint8_t cookie_len, peer_cookie_len;
  uint8_t cookie[8], peer_cookie[8]; /* sent; expected */
  uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
};

struct table {
  struct session *slots;
  uint32_t mask;
};

/* A packet on its way: from the L2TP header on when it comes, with another one when it goes. */
struct packet {
  uint8_t *data;
  uint32_t length;
  uint16_t tunnel; /* where it came from, then where it goes */
  struct session *session;
};

static uint64_t dropped; /* packets that were not for us; the bench's traffic has none */

static inline uint32_t hash(uint32_t id) {
  id = (id ^ id >> 16) * 0x85ebca6bu;
  return id ^ id >> 13;
}

static inline struct session *find(const struct table *t, uint32_t id) {
  for (uint32_t i = hash(id);; i++) {
    struct session *s = &t->slots[i & t->mask];
    if (s->id == id) return s;
    if (s->id == 0) return NULL;
  }
}

static uint32_t add(struct table *t, uint32_t index, uint16_t tunnel) {
  uint32_t id = htonl(session_id(tunnel, index)), i = hash(id);
  while (t->slots[i & t->mask].id) i++;
  i &= t->mask;
  struct session *s = &t->slots[i];
  s->id = id, s->peer_id = htonl(peer_session_id(tunnel, index)), s->tunnel = tunnel;
  s->cookie_len = s->peer_cookie_len = COOKIE_LEN;
  memcpy(s->cookie, cookie_out, COOKIE_LEN), memcpy(s->peer_cookie, cookie_in, COOKIE_LEN);
  return i;
}

/* `pairs` pairs of sessions, as plan.h has them; tunnel 0 is the sending peer's, 1 + k is sink k's. */
static struct table make_table(uint32_t pairs, uint32_t sinks) {
  uint32_t size = 1;
  while (size < 4 * pairs) size *= 2;
  struct table t = {aligned_alloc(64, size * sizeof(struct session)), size - 1};
  memset(t.slots, 0, size * sizeof(struct session));
  for (uint32_t i = 0; i < pairs; i++) {
    uint32_t a = add(&t, i, 0), b = add(&t, pairs + i, 1 + i % sinks);
    t.slots[a].partner = b, t.slots[b].partner = a;
  }
  return t;
}

/* Puts the session's header before the frame at `p->data` and counts it. */
static inline void encapsulate(struct packet *p, struct session *s) {
  static const uint8_t version[4] = {0, VERSION}; /* T = 0, Ver, in L2TPv3 reserved */
  uint32_t header = ID_AT + 4 + s->cookie_len;
  s->tx_packets++, s->tx_bytes += p->length;
  p->data -= header, p->length += header, p->tunnel = s->tunnel;
  memcpy(p->data, version, ID_AT), memcpy(p->data + ID_AT, &s->peer_id, 4), memcpy(p->data + ID_AT + 4, s->cookie, s->cookie_len);
}

/* Takes the header off and counts; false: not a data packet of this session. */
static inline int decapsulate(struct packet *p, struct session *s) {
  uint32_t header = ID_AT + 4 + s->peer_cookie_len;
  if (p->length < header || memcmp(p->data + ID_AT + 4, s->peer_cookie, s->peer_cookie_len)) return 0;
  p->data += header, p->length -= header;
  s->rx_packets++, s->rx_bytes += p->length;
  return 1;
}

/* Sets each packet's session, NULL for what is none. Two passes, so that the table's cache misses overlap. */
static inline void classify(const struct table *t, struct packet *p, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    uint32_t id;
    p[i].session = NULL;
    if (p[i].length < ID_AT + 4 || (p[i].data[0] & (VERSION == 2 ? 0xca : 0x80)) || (p[i].data[1] & 0x0f) != VERSION) continue;
    memcpy(&id, p[i].data + ID_AT, 4);
    p[i].session = &t->slots[hash(id) & t->mask];
    __builtin_prefetch(p[i].session);
  }
  for (uint32_t i = 0; i < n; i++) {
    uint32_t id;
    if (!p[i].session) continue;
    memcpy(&id, p[i].data + ID_AT, 4);
    struct session *s = find(t, id);
    p[i].session = s && s->tunnel == p[i].tunnel ? s : NULL;
    if (p[i].session) __builtin_prefetch(&t->slots[s->partner], 1);
  }
}

/* Forwards a batch between joined sessions, in place; returns how many packets are left of it. */
static inline uint32_t forward(const struct table *t, struct packet *p, uint32_t n) {
  uint32_t kept = 0;
  classify(t, p, n);
  for (uint32_t i = 0; i < n; i++) {
    if (!p[i].session || !decapsulate(&p[i], p[i].session)) {
      dropped++;
      continue;
    }
    encapsulate(&p[i], &t->slots[p[i].session->partner]);
    p[kept++] = p[i];
  }
  return kept;
}
