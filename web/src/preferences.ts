/** What this browser remembers for its reader. */
import { useSyncExternalStore } from "react";

const PREFIX = "fastx.";
const listeners = new Set<() => void>();

function read(key: string): string | null {
  try {
    return localStorage.getItem(PREFIX + key);
  } catch {
    return null;
  }
}

export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(PREFIX + key, value);
  } catch {
    // Private windows may forbid it; the choice then holds until the reload.
  }
  for (const listener of listeners) listener();
}

export function recall(key: string): string | null {
  return read(key);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener("storage", listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener("storage", listener);
  };
}

export function usePreferenceText(key: string): string | null {
  return useSyncExternalStore(subscribe, () => read(key));
}

/** One of `allowed`, kept in this browser; the first is the default. */
export function usePreference<T extends string>(
  key: string,
  allowed: readonly [T, ...T[]],
): [T, (value: T) => void] {
  const stored = usePreferenceText(key);
  const value = allowed.find(each => each === stored) ?? allowed[0];
  return [value, next => remember(key, next)];
}

const MOST_RECENT = 12;

/** Names of what this login started, last first. */
export function recentStarts(login: string): string[] {
  try {
    const stored: unknown = JSON.parse(read(`recent.${login}`) ?? "[]");
    return Array.isArray(stored) ? stored.filter(name => typeof name === "string") : [];
  } catch {
    return [];
  }
}

export function noteStart(login: string, name: string): void {
  const names = [name, ...recentStarts(login).filter(other => other !== name)];
  remember(`recent.${login}`, JSON.stringify(names.slice(0, MOST_RECENT)));
}
