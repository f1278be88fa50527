/** Whether the window has room for a table. */
import { useSyncExternalStore } from "react";

const query = window.matchMedia("(min-width: 60rem)");

function subscribe(listener: () => void): () => void {
  query.addEventListener("change", listener);
  return () => query.removeEventListener("change", listener);
}

export function useWide(): boolean {
  return useSyncExternalStore(subscribe, () => query.matches);
}
