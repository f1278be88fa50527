import { describe, expect, it } from "vitest";
import type { Problem } from "../api/types.ts";
import { text } from "../text.ts";
import { afterClose, closeWords } from "./closes.ts";
import { broken, refused } from "./state.ts";

const middle = () => 0.5;
const problem = (status: number): Problem => ({ type: "x", title: "No", status, detail: "Because." });

describe("after a close", () => {
  it.each([
    [4401, "retry"],
    [4404, "gone"],
    [4408, "paused"],
    [4410, "ended"],
    [4503, "retry"],
    [1001, "retry"],
    [1006, "retry"],
  ] as const)("%i leads to %s", (code, next) => expect(afterClose(code)).toBe(next));

  it("has words for every code of the contract, and prefers the server's", () => {
    expect(closeWords(4503, "")).toBe(text.closes[4503]);
    expect(closeWords(4408, "disconnected by an operator")).toBe("Disconnected by an operator.");
    expect(closeWords(4999, "")).toContain("4999");
  });
});

describe("a broken line", () => {
  it("waits longer each time", () => {
    const next = broken(3, { code: 1006, why: "cut", now: 1000, random: middle });
    expect(next).toEqual({ kind: "waiting", why: "cut", attempt: 4, retryAt: 3000 });
  });

  it("does not come back by itself after a disconnect", () => {
    expect(broken(0, { code: 4408, why: "", now: 0, random: middle }).kind).toBe("paused");
  });
});

describe("a refusal to connect", () => {
  it.each([0, 408, 429, 500, 503])("of status %i passes", status => {
    expect(refused(0, problem(status), 0, middle).kind).toBe("waiting");
  });

  it.each([
    [404, "gone"],
    [410, "ended"],
    [403, "refused"],
  ] as const)("of status %i is final: %s", (status, how) => {
    expect(refused(0, problem(status), 0, middle)).toMatchObject({ kind: "over", how });
  });
});
