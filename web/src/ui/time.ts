/** Times in words, in the reader's zone. */
import { useSyncExternalStore } from "react";

const reader = typeof navigator === "undefined" ? "en" : navigator.language;
// The words are English, so the dates are too; the region still decides how they are written.
const locale = reader.startsWith("en") ? reader : "en-GB";

const clock = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" });
const dayAndClock = new Intl.DateTimeFormat(locale, {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
});
const full = new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "long" });
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "long" });

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** "14:03" today, "20 Nov, 14:03" before. */
export function clockTime(at: string | number, now: number): string {
  const date = new Date(at);
  const sameDay = date.toDateString() === new Date(now).toDateString();
  return (sameDay ? clock : dayAndClock).format(date);
}

/** "5 minutes ago"; times from a clock ahead of ours count as now. */
export function ago(at: string | number, now: number): string {
  const passed = Math.max(0, now - new Date(at).getTime());
  if (passed < MINUTE) return "just now";
  if (passed < HOUR) return relative.format(-Math.floor(passed / MINUTE), "minute");
  if (passed < DAY) return relative.format(-Math.floor(passed / HOUR), "hour");
  return relative.format(-Math.floor(passed / DAY), "day");
}

/** "in 10 minutes"; what is due already is a moment away. */
export function ahead(at: string | number, now: number): string {
  const left = new Date(at).getTime() - now;
  if (left < MINUTE) return "in less than a minute";
  if (left < 2 * HOUR) return relative.format(Math.round(left / MINUTE), "minute");
  if (left < 2 * DAY) return relative.format(Math.round(left / HOUR), "hour");
  return relative.format(Math.round(left / DAY), "day");
}

/** "2 hours", "10 minutes": a span in its largest unit that says it whole. */
export function span(seconds: number): string {
  const units = [
    [86_400, "day"],
    [3_600, "hour"],
    [60, "minute"],
  ] as const;
  const [size, unit] = units.find(([each]) => seconds >= each && seconds % each === 0) ?? [1, "second"];
  const count = seconds / size;
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

export function fullTime(at: string | number): string {
  return full.format(new Date(at));
}

const TICK_MS = 15_000;
const listeners = new Set<() => void>();
let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  now = Date.now();
  timer ??= setInterval(() => {
    now = Date.now();
    for (const each of listeners) each();
  }, TICK_MS);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** The time, renewed a few times a minute for everybody at once. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => now);
}
