import { describe, expect, it } from "vitest";
import type { Candidate } from "../api/types.ts";
import { type Memory, noteOrigin, worthTrying } from "./origins.ts";

const DAY = 24 * 60 * 60 * 1000;
const direct: Candidate = { kind: "direct", url: "wss://node-3:3300/x", ticket: "", expires: "" };
const relay: Candidate = { kind: "relay", url: "wss://node-1:3300/x", ticket: "", expires: "" };

function memory(): Memory {
  const kept = new Map<string, string>();
  return {
    getItem: key => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
  };
}

describe("failed origins", () => {
  it("leaves out a direct way for a day after it failed", () => {
    const store = memory();
    noteOrigin(store, direct.url, false, 1000);
    expect(worthTrying([direct, relay], store, 1000 + DAY - 1)).toEqual([relay]);
    expect(worthTrying([direct, relay], store, 1000 + DAY)).toEqual([direct, relay]);
  });

  it("forgets the failure when the way works again", () => {
    const store = memory();
    noteOrigin(store, direct.url, false, 0);
    noteOrigin(store, direct.url, true, 1);
    expect(worthTrying([direct, relay], store, 2)).toEqual([direct, relay]);
  });

  it("tries a failed way when it is the only one", () => {
    const store = memory();
    noteOrigin(store, direct.url, false, 0);
    expect(worthTrying([direct], store, 1)).toEqual([direct]);
  });

  it("lives with a store that is broken or full of something else", () => {
    const broken: Memory = {
      getItem: () => "[1,",
      setItem: () => {
        throw new Error("full");
      },
    };
    noteOrigin(broken, direct.url, false, 0);
    expect(worthTrying([direct, relay], broken, 0)).toEqual([direct, relay]);
  });
});
