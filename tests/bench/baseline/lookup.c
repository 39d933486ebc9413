/*
 * lookup PAIRS PACKETS ROUNDS: nanoseconds a packet to find its session at random, exchange headers, group it with others of
 * its peer and lay out what sendmmsg is to be given, without a system call; a line a round.
 */
#include <stdio.h>
#include <time.h>
#include "send.h"

#define FRAME 64

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* what others do on this machine costs no time of ours */
  return t.tv_sec * 1e9 + t.tv_nsec;
}

static uint8_t buffer[BATCH][HEADROOM + HEADER_LEN + FRAME + 192];

/* What the kernel would have written into the batch's buffers. */
static void fill(uint32_t pairs, uint32_t *seed, struct packet *packet) {
  for (int i = 0; i < BATCH; i++) {
    uint32_t version = 0x00000300, id = htonl(session_id(0, next_random(seed) % pairs));
    uint8_t *data = buffer[i] + HEADROOM;
    memcpy(data, &version, 4), memcpy(data + 4, &id, 4), memcpy(data + 8, cookie_in, COOKIE_LEN);
    packet[i] = (struct packet){.data = data, .length = HEADER_LEN + FRAME};
  }
}

int main(int argc, char **argv) {
  if (argc != 4) return fprintf(stderr, "usage: lookup PAIRS PACKETS ROUNDS\n"), 2;
  uint32_t pairs = atoi(argv[1]), batches = atoi(argv[2]) / BATCH, seed = 1;
  struct table table = make_table(pairs, 4);
  struct packet packet[BATCH];
  sender_init(-1, MAX_SEGMENTS, "10.99.0.2", 4);
  volatile uint32_t forwarded = 0;
  for (int round = atoi(argv[3]); round > 0; round--) {
    double start = now();
    for (uint32_t b = 0; b < batches; b++) {
      fill(pairs, &seed, packet);
      uint32_t kept = forward(&table, packet, BATCH);
      for (uint32_t i = 0; i < kept; i++) send_later(&packet[i]);
      lay_out();
      __asm__ volatile("" ::"r"(&tx) : "memory"); /* as if the kernel read it */
      start_anew();
      forwarded += kept;
    }
    double middle = now();
    for (uint32_t b = 0; b < batches; b++) {
      fill(pairs, &seed, packet);
      __asm__ volatile("" ::"r"(packet) : "memory"); /* keep what nobody reads */
    }
    printf("%.2f\n", (2 * middle - start - now()) / batches / BATCH);
    fflush(stdout);
  }
  if (dropped || forwarded % BATCH) return 1;
  return 0;
}
