/**
 * Challenges and nonces of ours that wait for their response. A peer that sends one of them back as its own asks us to
 * compute what we wait for (RFC 1994, Security Considerations): such a one is never answered, in neither version.
 *
 * @module
 */

export class OutstandingChallenges {
  readonly #all = new Set<string>();

  /** Ours was sent, or is about to be. */
  add(challenge: Uint8Array): void {
    this.#all.add(keyOf(challenge));
  }

  /** It was answered, or nobody will be believed that answers it. */
  delete(challenge: Uint8Array): void {
    this.#all.delete(keyOf(challenge));
  }

  has(challenge: Uint8Array): boolean {
    return this.#all.has(keyOf(challenge));
  }
}

function keyOf(challenge: Uint8Array): string {
  return String.fromCharCode(...challenge);
}
