/** Finds the best open way to a session: each candidate in order gets a short head start over the next. */
import type { Candidate } from "../api/types.ts";

/** How long the next candidate waits. */
export const HEAD_START_MS = 150;
/** How much longer when the one before it is open already and only has to say its first word. */
const OPEN_GRACE_MS = 850;
/** How long a slower candidate is watched after the race, to know whether it would have been open. */
const WATCH_MS = 3_000;
const LIMIT_MS = 10_000;

export interface Failure {
  /** Close code, or 1006 when there was none. */
  code: number;
  reason: string;
}

/** One candidate being tried. */
export interface Dial<Line> {
  /** When the path is up. */
  opened: Promise<void>;
  /** When the session's first word has come: only then was the ticket taken. Rejects with a `Failure`. */
  ready: Promise<Line>;
  close(): void;
}

export interface RaceDeps<Line> {
  dial(candidate: Candidate): Dial<Line>;
  /** Whether a candidate's address can be reached from here. */
  onReach(candidate: Candidate, reached: boolean): void;
  /** Codes that no other way can mend, such as "the session has ended". */
  isFinal(code: number): boolean;
}

export interface Won<Line> {
  line: Line;
  candidate: Candidate;
}

export class RaceError extends Error {
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.reason || `closed with ${failure.code}`);
    this.name = "RaceError";
    this.failure = failure;
  }
}

interface Runner<Line> {
  candidate: Candidate;
  dial: Dial<Line>;
  open: boolean;
  failed: boolean;
}

export function race<Line>(
  candidates: readonly Candidate[],
  deps: RaceDeps<Line>,
  signal: AbortSignal,
): Promise<Won<Line>> {
  return new Promise((resolve, reject) => {
    const runners: Runner<Line>[] = [];
    const failures: Failure[] = [];
    let next = 0;
    let over = false;
    let headStart: ReturnType<typeof setTimeout> | undefined;
    const limit = setTimeout(() => lose({ code: 0, reason: "" }), LIMIT_MS);
    const onAbort = () => lose({ code: 0, reason: "" });

    function finish(): void {
      over = true;
      clearTimeout(limit);
      clearTimeout(headStart);
      signal.removeEventListener("abort", onAbort);
    }

    function lose(failure: Failure): void {
      if (over) return;
      finish();
      for (const runner of runners) runner.dial.close();
      reject(new RaceError(failure));
    }

    function win(winner: Runner<Line>, line: Line): void {
      if (over) return winner.dial.close();
      finish();
      deps.onReach(winner.candidate, true);
      for (const runner of runners) if (runner !== winner && !runner.failed) watch(runner);
      resolve({ line, candidate: winner.candidate });
    }

    /** The sibling's ticket is void by now, so a path that comes up late does nothing but tell that it exists. */
    function watch(runner: Runner<Line>): void {
      if (runner.open) return runner.dial.close();
      const timer = setTimeout(() => {
        deps.onReach(runner.candidate, false);
        runner.dial.close();
      }, WATCH_MS);
      const settle = (reached: boolean) => {
        clearTimeout(timer);
        deps.onReach(runner.candidate, reached);
        runner.dial.close();
      };
      runner.dial.opened.then(
        () => settle(true),
        () => settle(false),
      );
    }

    function fail(runner: Runner<Line>, failure: Failure): void {
      runner.failed = true;
      if (over) return;
      if (!runner.open) deps.onReach(runner.candidate, false);
      failures.push(failure);
      if (deps.isFinal(failure.code)) return lose(failure);
      if (next < candidates.length) return launch();
      if (runners.every(other => other.failed)) lose(telling(failures));
    }

    function launch(): void {
      clearTimeout(headStart);
      const candidate = candidates[next];
      if (over || !candidate) return;
      next += 1;
      const runner: Runner<Line> = { candidate, dial: deps.dial(candidate), open: false, failed: false };
      runners.push(runner);
      runner.dial.opened.then(
        () => {
          runner.open = true;
        },
        () => undefined,
      );
      runner.dial.ready.then(
        line => win(runner, line),
        (failure: Failure) => fail(runner, failure),
      );
      headStart = setTimeout(() => {
        if (!runner.open) return launch();
        headStart = setTimeout(launch, OPEN_GRACE_MS);
      }, HEAD_START_MS);
    }

    signal.addEventListener("abort", onAbort);
    if (signal.aborted) return onAbort();
    if (candidates.length === 0) return lose({ code: 1006, reason: "" });
    launch();
  });
}

/** The failure that says most: an answer of the server's rather than a dead line. */
function telling(failures: readonly Failure[]): Failure {
  return failures.find(failure => failure.code >= 4000) ?? failures[0] ?? { code: 1006, reason: "" };
}
