/** Short notes about what was just done; read aloud, and gone by themselves. */
import { useEffect } from "react";
import { Store, useStore } from "../live/store.ts";
import classes from "./toasts.module.css";

interface Toast {
  id: number;
  words: string;
}

const SHOWN_MS = 5_000;
const MOST = 3;
const toasts = new Store<readonly Toast[]>([]);
let nextId = 1;

export function say(words: string): void {
  toasts.set([...toasts.get(), { id: nextId++, words }].slice(-MOST));
}

export function Toasts() {
  const shown = useStore(toasts, value => value);
  const last = shown.at(-1)?.id;
  useEffect(() => {
    if (last === undefined) return;
    const timer = setTimeout(() => toasts.set([]), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [last]);
  return (
    <div className={classes.toasts} role="status">
      {shown.map(({ id, words }) => (
        <p key={id} className={classes.toast}>
          {words}
        </p>
      ))}
    </div>
  );
}
