/** A moment in words, with the exact time for whoever asks. */
import { ago, ahead, clockTime, fullTime, useNow } from "./time.ts";

interface Props {
  at: string | number;
  /** "5 minutes ago", "in 5 minutes" or "14:03". */
  as?: "ago" | "ahead" | "clock";
}

export function When({ at, as = "ago" }: Props) {
  const now = useNow();
  return (
    <time dateTime={new Date(at).toISOString()} title={fullTime(at)}>
      {as === "ago" ? ago(at, now) : as === "ahead" ? ahead(at, now) : clockTime(at, now)}
    </time>
  );
}
