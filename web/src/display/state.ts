/** Where a viewer is on its way to the picture, as a value that only this file changes. */
import type { Candidate, Problem } from "../api/types.ts";
import { backoff } from "../backoff.ts";
import { afterClose } from "./closes.ts";

export type ViewerState =
  /** No picture yet, on the way to the first one. */
  | { kind: "opening"; step: "path" | "picture" }
  | { kind: "live"; candidate: Candidate }
  /** The line broke; the next try is at `retryAt`. */
  | { kind: "waiting"; why: string; attempt: number; retryAt: number }
  /** A try after a broken line. */
  | { kind: "retrying"; why: string; attempt: number }
  | { kind: "paused"; why: string }
  | { kind: "over"; how: "ended" | "gone" | "refused"; why: string; problem?: Problem };

export interface Broken {
  code: number;
  why: string;
  now: number;
  random: () => number;
}

/** What follows when the line breaks or does not come up. */
export function broken(attempts: number, { code, why, now, random }: Broken): ViewerState {
  switch (afterClose(code)) {
    case "ended":
      return { kind: "over", how: "ended", why };
    case "gone":
      return { kind: "over", how: "gone", why };
    case "paused":
      return { kind: "paused", why };
    case "retry":
      return { kind: "waiting", why, attempt: attempts + 1, retryAt: now + backoff(attempts, random) };
  }
}

/** What follows when the node refuses to hand out a way to the session. */
export function refused(attempts: number, problem: Problem, now: number, random: () => number): ViewerState {
  const why = problem.detail || problem.title;
  const passing =
    problem.status === 0 || problem.status === 408 || problem.status === 429 || problem.status >= 500;
  if (passing)
    return { kind: "waiting", why, attempt: attempts + 1, retryAt: now + backoff(attempts, random) };
  if (problem.status === 404) return { kind: "over", how: "gone", why, problem };
  if (problem.status === 410) return { kind: "over", how: "ended", why, problem };
  return { kind: "over", how: "refused", why, problem };
}
