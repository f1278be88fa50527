/** Holds the one event stream open: reads it, notices silence, comes back where it left off. */
import { ProblemError } from "../api/problem.ts";
import type { StreamEvent } from "../api/types.ts";
import { backoff } from "../backoff.ts";
import { EventReader } from "./sse.ts";

/** The node sends a sign of life each 15 s; two missed ones and the line counts as cut. */
const SILENCE_LIMIT_MS = 35_000;
const STEPS = [200, 500, 1000, 2000, 4000, 8000];
/** A line that held this long was a good one: the next wait starts small again. */
const GOOD_LINE_MS = 5_000;
const NAMES: ReadonlySet<string> = new Set([
  "reset",
  "session",
  "sessionRemoved",
  "server",
  "serverRemoved",
  "signedOut",
] satisfies StreamEvent["name"][]);

export type LineState =
  | { kind: "connecting" }
  | { kind: "connected" }
  /** `retryAt` is on the clock of `now`. */
  | { kind: "lost"; since: number; retryAt: number; error: unknown };

export interface StreamDeps {
  open(lastEventId: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array>>;
  onEvent(event: StreamEvent): void;
  onLine(state: LineState): void;
  now(): number;
  random(): number;
}

export class EventStream {
  private readonly deps: StreamDeps;
  private stopped = new AbortController();
  private attempt: AbortController | undefined;
  private lastEventId = "";
  private failures = 0;
  private lostSince: number | undefined;
  private wake: (() => void) | undefined;

  constructor(deps: StreamDeps) {
    this.deps = deps;
  }

  start(): void {
    this.deps.onLine({ kind: "connecting" });
    void this.run(this.stopped.signal);
  }

  stop(): void {
    this.stopped.abort();
    this.attempt?.abort();
    this.wake?.();
  }

  /** Tries now instead of at the end of the wait; for "the network is back" and for the reader's button. */
  retry(): void {
    this.wake?.();
  }

  /** Drops a line that the browser says is dead. */
  drop(): void {
    this.attempt?.abort();
  }

  private async run(stopped: AbortSignal): Promise<void> {
    while (!stopped.aborted) {
      const error = await this.once();
      if (stopped.aborted || signedOut(error)) return;
      const wait = backoff(this.failures, this.deps.random, STEPS);
      this.failures += 1;
      this.lostSince ??= this.deps.now();
      this.deps.onLine({ kind: "lost", since: this.lostSince, retryAt: this.deps.now() + wait, error });
      await this.pause(wait);
    }
  }

  /** One connection, from opening to its end; answers why it ended. */
  private async once(): Promise<unknown> {
    const attempt = new AbortController();
    this.attempt = attempt;
    const opened = this.deps.now();
    let watchdog = setTimeout(() => attempt.abort(), SILENCE_LIMIT_MS);
    try {
      const body = await this.deps.open(this.lastEventId, attempt.signal);
      // A resumed stream may have nothing to say for a while.
      this.alive();
      const reader = body.getReader();
      attempt.signal.addEventListener("abort", () => void reader.cancel().catch(() => undefined));
      const decoder = new TextDecoder();
      const events = new EventReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return undefined;
        clearTimeout(watchdog);
        watchdog = setTimeout(() => attempt.abort(), SILENCE_LIMIT_MS);
        this.alive();
        for (const message of events.push(decoder.decode(value, { stream: true }))) {
          this.deliver(message.event, message.data);
          // Only now: an event that could not be taken in is asked for again.
          if (message.id !== undefined) this.lastEventId = message.id;
        }
      }
    } catch (error) {
      return error;
    } finally {
      clearTimeout(watchdog);
      attempt.abort();
      if (this.deps.now() - opened >= GOOD_LINE_MS) this.failures = 0;
    }
  }

  private alive(): void {
    this.lostSince = undefined;
    this.deps.onLine({ kind: "connected" });
  }

  private deliver(name: string, data: string): void {
    // A newer node may know events that this page does not.
    if (NAMES.has(name)) this.deps.onEvent({ name, data: JSON.parse(data) } as StreamEvent);
  }

  private pause(wait: number): Promise<void> {
    return new Promise(resolve => {
      const timer = setTimeout(resolve, wait);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function signedOut(error: unknown): boolean {
  return error instanceof ProblemError && error.problem.status === 401;
}
