import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Candidate } from "../api/types.ts";
import { afterClose } from "./closes.ts";
import { type Dial, type Failure, HEAD_START_MS, RaceError, race } from "./race.ts";

const candidate = (kind: Candidate["kind"], host: string): Candidate => ({
  kind,
  url: `wss://${host}/display`,
  ticket: "t",
  expires: "",
});
const direct = candidate("direct", "direct");
const relay = candidate("relay", "relay");

class FakeDial implements Dial<string> {
  open: () => void = () => undefined;
  speak: () => void = () => undefined;
  fail: (code?: number, reason?: string) => void = () => undefined;
  closed = false;
  readonly opened: Promise<void>;
  readonly ready: Promise<string>;

  constructor(name: string) {
    let settleOpen = { resolve: (): void => undefined, reject: (_failure: Failure): void => undefined };
    let settleReady = {
      resolve: (_line: string): void => undefined,
      reject: (_failure: Failure): void => undefined,
    };
    this.opened = new Promise((resolve, reject) => {
      settleOpen = { resolve, reject };
    });
    this.ready = new Promise((resolve, reject) => {
      settleReady = { resolve, reject };
    });
    this.open = () => settleOpen.resolve();
    this.speak = () => {
      settleOpen.resolve();
      settleReady.resolve(name);
    };
    this.fail = (code = 1006, reason = "") => {
      settleOpen.reject({ code, reason });
      settleReady.reject({ code, reason });
    };
    this.opened.catch(() => undefined);
    this.ready.catch(() => undefined);
  }

  close(): void {
    this.closed = true;
  }
}

function run(candidates: Candidate[]) {
  const dials = new Map<Candidate, FakeDial>();
  const reach: [string, boolean][] = [];
  const stop = new AbortController();
  const won = race<string>(
    candidates,
    {
      dial: each => {
        const dial = new FakeDial(each.kind);
        dials.set(each, dial);
        return dial;
      },
      onReach: ({ kind }, reached) => reach.push([kind, reached]),
      isFinal: code => code !== 0 && afterClose(code) !== "retry",
    },
    stop.signal,
  );
  won.catch(() => undefined);
  const get = (each: Candidate) => {
    const dial = dials.get(each);
    if (!dial) throw new Error(`${each.kind} was not dialled`);
    return dial;
  };
  return { won, get, dialled: () => [...dials.keys()].map(({ kind }) => kind), reach, stop };
}

describe("race", () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  it("gives direct its head start and never dials the relay when direct answers in time", async () => {
    const { won, get, dialled, reach } = run([direct, relay]);
    await vi.advanceTimersByTimeAsync(HEAD_START_MS - 1);
    expect(dialled()).toEqual(["direct"]);
    get(direct).speak();
    await expect(won).resolves.toMatchObject({ line: "direct", candidate: direct });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(dialled()).toEqual(["direct"]);
    expect(reach).toEqual([["direct", true]]);
  });

  it("dials the relay after the head start, and notes a direct way that never comes up", async () => {
    const { won, get, reach } = run([direct, relay]);
    await vi.advanceTimersByTimeAsync(HEAD_START_MS);
    get(relay).speak();
    await expect(won).resolves.toMatchObject({ line: "relay" });
    expect(get(direct).closed).toBe(false);
    await vi.advanceTimersByTimeAsync(3_000);
    expect(get(direct).closed).toBe(true);
    expect(reach).toEqual([
      ["relay", true],
      ["direct", false],
    ]);
  });

  it("does not blame a direct way that comes up just after the race", async () => {
    const { won, get, reach } = run([direct, relay]);
    await vi.advanceTimersByTimeAsync(HEAD_START_MS);
    get(relay).speak();
    await won;
    get(direct).open();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(get(direct).closed).toBe(true);
    expect(reach).toEqual([
      ["relay", true],
      ["direct", true],
    ]);
  });

  it("waits a little longer for a way that is open and only has to speak", async () => {
    const { won, get, dialled } = run([direct, relay]);
    get(direct).open();
    await vi.advanceTimersByTimeAsync(HEAD_START_MS + 100);
    expect(dialled()).toEqual(["direct"]);
    get(direct).speak();
    await expect(won).resolves.toMatchObject({ line: "direct" });
  });

  it("goes to the next at once when one fails", async () => {
    const { won, get, dialled } = run([direct, relay]);
    get(direct).fail();
    await vi.advanceTimersByTimeAsync(0);
    expect(dialled()).toEqual(["direct", "relay"]);
    get(relay).speak();
    await expect(won).resolves.toMatchObject({ line: "relay" });
  });

  it("stops at a code that no other way can mend", async () => {
    const { won, get, dialled } = run([direct, relay]);
    get(direct).open();
    get(direct).fail(4410, "the program ended");
    await expect(won).rejects.toMatchObject({ failure: { code: 4410, reason: "the program ended" } });
    expect(dialled()).toEqual(["direct"]);
  });

  it("tells the server's own reason rather than a dead line", async () => {
    const { won, get } = run([direct, relay]);
    get(direct).fail(1006);
    await vi.advanceTimersByTimeAsync(0);
    get(relay).open();
    get(relay).fail(4503, "node-3 is silent");
    await expect(won).rejects.toMatchObject({ failure: { code: 4503, reason: "node-3 is silent" } });
  });

  it("gives up after ten seconds and closes what it opened", async () => {
    const { won, get } = run([direct, relay]);
    const lost = expect(won).rejects.toBeInstanceOf(RaceError);
    await vi.advanceTimersByTimeAsync(10_000);
    await lost;
    expect(get(direct).closed && get(relay).closed).toBe(true);
  });

  it("closes a way that speaks after the race was called off", async () => {
    const { won, get, stop } = run([direct]);
    stop.abort();
    await expect(won).rejects.toBeInstanceOf(RaceError);
    get(direct).speak();
    await vi.advanceTimersByTimeAsync(0);
    expect(get(direct).closed).toBe(true);
  });

  it("fails at once without candidates", async () => {
    await expect(run([]).won).rejects.toMatchObject({ failure: { code: 1006 } });
  });
});
