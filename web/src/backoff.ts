/** How long to wait before the next try. */

/** Waits of the display and of the event stream, in milliseconds; the last one repeats. */
export const RECONNECT_STEPS: readonly number[] = [200, 500, 1000, 2000, 4000];

const JITTER = 0.25;

/** The wait before try number `attempt` (from 0), spread so that a crowd does not come back at once. */
export function backoff(attempt: number, random: () => number, steps = RECONNECT_STEPS): number {
  const index = Math.min(Math.max(attempt, 0), steps.length - 1);
  const base = steps[index] ?? 0;
  return Math.round(base * (1 - JITTER + 2 * JITTER * random()));
}
