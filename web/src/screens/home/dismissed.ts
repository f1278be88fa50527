/** Ended sessions that the reader has put away in this browser. */
import { useMemo } from "react";
import { recall, remember, usePreferenceText } from "../../preferences.ts";

const KEY = "dismissed";
const MOST = 200;

function parse(stored: string | null): string[] {
  return (stored ?? "").split(" ").filter(Boolean);
}

export function useDismissed(): { hidden: ReadonlySet<string>; dismiss: (id: string) => void } {
  const stored = usePreferenceText(KEY);
  const hidden = useMemo(() => new Set(parse(stored)), [stored]);
  const dismiss = (id: string) => remember(KEY, [id, ...parse(recall(KEY))].slice(0, MOST).join(" "));
  return { hidden, dismiss };
}
