/* A switch's stations: who is behind which session, by MAC address. Open addressing, at most half full. */
#pragma once
#include "l2tp.h"
#include "send.h"

struct station { /* 16 bytes */
  uint64_t mac; /* its six octets; 0: the slot is free */
  uint32_t session; /* its slot */
  uint32_t heard;
};

struct stations {
  struct station *slots;
  uint32_t mask, now;
};

static inline uint64_t mac_at(const uint8_t *p) {
  uint64_t mac = 0;
  memcpy(&mac, p, 6);
  return mac;
}

static inline uint32_t mac_hash(uint64_t mac) {
  mac *= 0x9e3779b97f4a7c15ull, mac ^= mac >> 32, mac *= 0xd6e8feb86659fd93ull;
  return mac >> 40;
}

/* The slot of a station, or a free one. */
static inline struct station *station(const struct stations *t, uint64_t mac) {
  for (uint32_t i = mac_hash(mac);; i++) {
    struct station *s = &t->slots[i & t->mask];
    if (s->mac == mac || s->mac == 0) return s;
  }
}

/* `count` stations, and room for `more`. */
static struct stations make_stations(const struct table *sessions, uint32_t pairs, uint32_t count, uint32_t more) {
  uint32_t size = 1;
  while (size < 2 * (count + more)) size *= 2;
  struct stations t = {aligned_alloc(64, size * sizeof(struct station)), size - 1, 0};
  memset(t.slots, 0, size * sizeof(struct station));
  for (uint32_t i = 0; i < count; i++) {
    uint8_t mac[6] = {2, 1, i >> 24, i >> 16, i >> 8, i};
    uint32_t session = find(sessions, htonl(session_id(1, pairs + i % pairs))) - sessions->slots;
    *station(&t, mac_at(mac)) = (struct station){mac_at(mac), session, 0};
  }
  return t;
}

/* Forwards a batch by MAC address, and learns its senders; two passes, so that cache misses overlap. */
static inline uint32_t forward_macs(const struct table *t, struct stations *known, struct packet *p, uint32_t n) {
  uint32_t kept = 0;
  classify(t, p, n);
  for (uint32_t i = 0; i < n; i++) {
    if (!p[i].session || !decapsulate(&p[i], p[i].session) || p[i].length < 14) {
      p[i].session = NULL, dropped++;
      continue;
    }
    __builtin_prefetch(&known->slots[mac_hash(mac_at(p[i].data)) & known->mask]);
    __builtin_prefetch(&known->slots[mac_hash(mac_at(p[i].data + 6)) & known->mask], 1);
  }
  known->now++;
  for (uint32_t i = 0; i < n; i++) {
    if (!p[i].session) continue;
    uint32_t from = p[i].session - t->slots;
    struct station *sender = station(known, mac_at(p[i].data + 6)), *to = station(known, mac_at(p[i].data));
    *sender = (struct station){mac_at(p[i].data + 6), from, known->now};
    if (to->mac == 0 || to->session == from) {
      dropped++; /* the bench floods nothing */
      continue;
    }
    encapsulate(&p[i], &t->slots[to->session]);
    p[kept++] = p[i];
  }
  return kept;
}

static struct session *flooded[64];
static uint32_t flooded_count;

/* All sessions of the sinks are ports that frames are flooded to. */
static void make_flood(const struct table *t, uint32_t pairs) {
  for (flooded_count = 0; flooded_count < pairs && flooded_count < 64; flooded_count++)
    flooded[flooded_count] = find(t, htonl(session_id(1, pairs + flooded_count)));
}

/* Sends each frame of a batch to all ports but its own, and learns its sender. A copy is a header of its own, and the same body. */
static inline void flood(const struct table *t, struct stations *known, struct packet *p, uint32_t n) {
  classify(t, p, n);
  known->now++;
  for (uint32_t i = 0; i < n; i++) {
    if (!p[i].session || !decapsulate(&p[i], p[i].session) || p[i].length < 14) {
      dropped++;
      continue;
    }
    struct station *sender = station(known, mac_at(p[i].data + 6));
    *sender = (struct station){mac_at(p[i].data + 6), p[i].session - t->slots, known->now};
    if (!(p[i].data[0] & 1)) {
      dropped++; /* this row's frames are all broadcasts */
      continue;
    }
    for (uint32_t k = 0; k < flooded_count; k++) {
      if (flooded[k] == p[i].session) continue;
      uint8_t head[HEADER_LEN];
      struct packet copy = {.data = head + HEADER_LEN, .length = p[i].length};
      encapsulate(&copy, flooded[k]);
      send_parts(head, HEADER_LEN, p[i].data, p[i].length, copy.tunnel);
    }
  }
}
