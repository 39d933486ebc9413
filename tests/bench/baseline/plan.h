/*
 * What all programs of the bench agree on; tests/bench/plan.ts says the same in TypeScript.
 *
 * Peers live at one address: port PEER_PORT sends into the subject, ports SINK_PORT + k receive from it. Of 2n sessions,
 * session i < n belongs to the tunnel of the sending peer and is joined to session n + i, which belongs to
 * the tunnel of sink i % sinks. L2TPv3 over UDP (RFC 3931 §4.1.2), Ethernet, cookies of 8 bytes, no L2-Specific Sublayer.
 * Built with VERSION 2: L2TPv2 (RFC 2661 §3.1), PPP, neither length nor numbers; the tunnel of the sending peer has id 1 at both
 * ends, that of sink k has 2 + k.
 * Where an interface carries PPPoE, session i is joined to PPPoE session i + 1, all of one client.
 */
#pragma once
#include <stdint.h>

#define PEER_PORT 1701
#define SINK_PORT 2001
#define BATCH 64 /* messages a recvmmsg, as in the datapath */
#ifndef VERSION
#define VERSION 3
#endif
#define ID_AT (VERSION == 2 ? 2 : 4) /* of the session's id; in L2TPv2 of the tunnel's, and the session's behind it */
#define COOKIE_LEN (VERSION == 2 ? 0 : 8)
#define HEADER_LEN (ID_AT + 4 + COOKIE_LEN)
#define FRAME_TYPE 0x88b5 /* local experimental EtherType (IEEE 802): no protocol takes the frame */

/* Expected in what the subject receives; expected in what it sends. */
static const uint8_t cookie_in[8] = {0xc0, 1, 2, 3, 4, 5, 6, 0xc7};
static const uint8_t cookie_out[8] = {0xd0, 9, 8, 7, 6, 5, 4, 0xd7};

/* PPPoE (RFC 2516 §4): Ethernet's header, version and type 1, code 0, session id, length. */
#define PPPOE_LEN 20
static const uint8_t concentrator_mac[6] = {2, 2, 0, 0, 0, 1}, client_mac[6] = {2, 2, 0, 0, 0, 2};

/* An odd factor: every index has its own id, and ids look random to a hash. */
#define ID_FACTOR 2654435761u
#define ID_FACTOR_INVERSE 244002641u /* ID_FACTOR * ID_FACTOR_INVERSE == 1 modulo 2^32 */
#define PEER_ID_MASK 0x5bd1e995u

/* The id under which the subject knows session i, and the one that its peer gave it; `tunnel` is 0, or 1 + the sink's.
 * index_of_peer_id is the i of the latter. */
#if VERSION == 2
static inline uint32_t session_id(uint32_t tunnel, uint32_t i) { return (1 + tunnel) << 16 | ((i + 1) * ID_FACTOR & 0xffff); }
static inline uint32_t peer_session_id(uint32_t tunnel, uint32_t i) { return (1 + tunnel) << 16 | (-(i + 1) * ID_FACTOR & 0xffff); }
static inline uint32_t index_of_peer_id(uint32_t id) { return (-id * ID_FACTOR_INVERSE & 0xffff) - 1; }
#else
static inline uint32_t session_id(uint32_t tunnel, uint32_t i) { return (i + 1) * ID_FACTOR; }
static inline uint32_t peer_session_id(uint32_t tunnel, uint32_t i) { return session_id(tunnel, i) ^ PEER_ID_MASK; }
static inline uint32_t index_of_peer_id(uint32_t id) { return (id ^ PEER_ID_MASK) * ID_FACTOR_INVERSE - 1; }
#endif

/* xorshift32: cheap, and the same sequence on every run. */
static inline uint32_t next_random(uint32_t *state) {
  uint32_t x = *state;
  x ^= x << 13, x ^= x >> 17, x ^= x << 5;
  return *state = x;
}
