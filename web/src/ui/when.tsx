/** A moment in words, with the exact time for whoever asks. */
import { ago, clockTime, fullTime, useNow } from "./time.ts";

interface Props {
  at: string | number;
  /** "5 minutes ago" or "14:03". */
  as?: "ago" | "clock";
}

export function When({ at, as = "ago" }: Props) {
  const now = useNow();
  return (
    <time dateTime={new Date(at).toISOString()} title={fullTime(at)}>
      {as === "ago" ? ago(at, now) : clockTime(at, now)}
    </time>
  );
}
