import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ProblemError } from "../api/problem.ts";
import type { StreamEvent } from "../api/types.ts";
import { EventStream, type LineState } from "./stream.ts";

type Opened = { lastEventId: string; send: (text: string) => void; end: () => void };

function setup(answer?: () => Error | undefined) {
  const opened: Opened[] = [];
  const events: StreamEvent[] = [];
  const lines: LineState["kind"][] = [];
  const stream = new EventStream({
    open: async lastEventId => {
      const error = answer?.();
      if (error) throw error;
      let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
      const body = new ReadableStream<Uint8Array>({
        start: each => {
          controller = each;
        },
      });
      opened.push({
        lastEventId,
        send: words => controller?.enqueue(new TextEncoder().encode(words)),
        end: () => controller?.close(),
      });
      return body;
    },
    onEvent: event => events.push(event),
    onLine: ({ kind }) => {
      if (lines.at(-1) !== kind) lines.push(kind);
    },
    now: () => Date.now(),
    random: () => 0.5,
  });
  const nth = (index: number): Opened => {
    const one = opened[index];
    if (!one) throw new Error(`connection ${index} was not opened`);
    return one;
  };
  return { stream, opened, nth, events, lines };
}

const removed = (id: string) => `id: ${id}\nevent: sessionRemoved\ndata: {"id":"${id}"}\n\n`;
const turn = () => vi.advanceTimersByTimeAsync(1);

describe("EventStream", () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  it("resumes after the last event that was taken in", async () => {
    const { stream, nth, opened, events, lines } = setup();
    stream.start();
    await turn();
    nth(0).send(removed("e-1") + removed("e-2"));
    await turn();
    nth(0).end();
    await vi.advanceTimersByTimeAsync(200);
    expect(opened.map(({ lastEventId }) => lastEventId)).toEqual(["", "e-2"]);
    nth(1).send(removed("e-3"));
    await turn();
    expect(events.map(event => event.name === "sessionRemoved" && event.data.id)).toEqual([
      "e-1",
      "e-2",
      "e-3",
    ]);
    expect(lines).toEqual(["connecting", "connected", "lost", "connected"]);
    stream.stop();
  });

  it("asks again for an event that came only in part", async () => {
    const { stream, nth } = setup();
    stream.start();
    await turn();
    nth(0).send(`${removed("e-1")}id: e-2\nevent: sessionRemoved\ndata: {"id`);
    await turn();
    nth(0).end();
    await vi.advanceTimersByTimeAsync(200);
    expect(nth(1).lastEventId).toBe("e-1");
    stream.stop();
  });

  it("counts a silent line as cut", async () => {
    const { stream, nth, opened } = setup();
    stream.start();
    await turn();
    nth(0).send(":\n\n");
    await vi.advanceTimersByTimeAsync(34_000);
    expect(opened).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(opened).toHaveLength(2);
    stream.stop();
  });

  it("backs off while nothing answers, and tries at once when told", async () => {
    let tries = 0;
    const { stream } = setup(() => {
      tries += 1;
      return new Error("no network");
    });
    stream.start();
    await vi.advanceTimersByTimeAsync(200 + 500 + 1000 + 2000);
    expect(tries).toBe(5);
    stream.retry();
    await turn();
    expect(tries).toBe(6);
    stream.stop();
  });

  it("stops when the reader is not signed in", async () => {
    let tries = 0;
    const { stream } = setup(() => {
      tries += 1;
      return new ProblemError({ type: "not-signed-in", title: "", status: 401 });
    });
    stream.start();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(tries).toBe(1);
  });

  it("passes over events of a newer node", async () => {
    const { stream, nth, events } = setup();
    stream.start();
    await turn();
    nth(0).send("event: weather\ndata: sunny\n\n");
    await turn();
    expect(events).toEqual([]);
    stream.stop();
  });
});
