/** How long to wait before the next try. Pure: the attempt and a random number in, milliseconds out. */

const FIRST_MS = 500;
/** A class that was cut off for long is back at most this long after the network is. */
const LONGEST_MS = 15_000;

/**
 * The pause before try number `attempt` (0 is the first retry): doubling from 0.5 s to 15 s, spread over its upper half,
 * so that a hundred classrooms do not all knock in the same instant after a server restart.
 *
 * @param random a number in [0, 1)
 */
export function backoffMs(attempt: number, random: number): number {
  const full = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 10));
  return Math.round(full * (0.5 + random / 2));
}
