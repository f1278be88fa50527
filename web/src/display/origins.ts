/** Remembers for a day which members this browser cannot reach directly. */
import type { Candidate } from "../api/types.ts";

const KEY = "fastx.failedOrigins";
const DAY_MS = 24 * 60 * 60 * 1000;

export type Memory = Pick<Storage, "getItem" | "setItem">;

export function originOf(url: string): string {
  const { protocol, host } = new URL(url);
  return `${protocol}//${host}`;
}

function read(memory: Memory): Record<string, number> {
  try {
    const stored: unknown = JSON.parse(memory.getItem(KEY) ?? "{}");
    if (typeof stored !== "object" || stored === null) return {};
    return Object.fromEntries(Object.entries(stored).filter(([, until]) => typeof until === "number"));
  } catch {
    return {};
  }
}

function write(memory: Memory, failed: Record<string, number>): void {
  try {
    memory.setItem(KEY, JSON.stringify(failed));
  } catch {
    // A full or forbidden store costs a head start each time, nothing else.
  }
}

/** Notes whether a direct origin answered. */
export function noteOrigin(memory: Memory, url: string, reached: boolean, now: number): void {
  const failed = Object.fromEntries(Object.entries(read(memory)).filter(([, until]) => until > now));
  const origin = originOf(url);
  if (reached) delete failed[origin];
  else failed[origin] = now + DAY_MS;
  write(memory, failed);
}

/** The candidates worth trying: without direct ones that failed today, unless nothing else is left. */
export function worthTrying(candidates: readonly Candidate[], memory: Memory, now: number): Candidate[] {
  const failed = read(memory);
  const good = candidates.filter(({ kind, url }) => kind !== "direct" || (failed[originOf(url)] ?? 0) <= now);
  return good.length > 0 ? good : [...candidates];
}
