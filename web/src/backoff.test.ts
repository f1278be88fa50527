import { describe, expect, it } from "vitest";
import { backoff, RECONNECT_STEPS } from "./backoff.ts";

const middle = () => 0.5;

describe("backoff", () => {
  it("follows the steps and stays at the last one", () => {
    const waits = [0, 1, 2, 3, 4, 5, 50].map(attempt => backoff(attempt, middle));
    expect(waits).toEqual([200, 500, 1000, 2000, 4000, 4000, 4000]);
  });

  it("spreads each wait by a quarter to both sides", () => {
    for (const [attempt, step] of RECONNECT_STEPS.entries()) {
      expect(backoff(attempt, () => 0)).toBe(step * 0.75);
      expect(backoff(attempt, () => 1)).toBe(step * 1.25);
    }
  });
});
