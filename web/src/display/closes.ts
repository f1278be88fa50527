/** What to do when a display closes, and what to say. */
import { text } from "../text.ts";

export const CLOSE = {
  goingAway: 1001,
  ticketRefused: 4401,
  noSession: 4404,
  disconnected: 4408,
  ended: 4410,
  nodeUnreachable: 4503,
} as const;

export type AfterClose =
  /** Come back by itself. */
  | "retry"
  /** Somebody wanted this viewer gone: wait for the reader. */
  | "paused"
  /** The session is over. */
  | "ended"
  /** There is no such session for this reader. */
  | "gone";

export function afterClose(code: number): AfterClose {
  switch (code) {
    case CLOSE.ended:
      return "ended";
    case CLOSE.noSession:
      return "gone";
    case CLOSE.disconnected:
      return "paused";
    default:
      return "retry";
  }
}

/** A sentence for a close; the server's own reason when it has one. */
export function closeWords(code: number, reason: string): string {
  if (reason.trim()) return sentence(reason.trim());
  const known: Record<number, string | undefined> = text.closes as never;
  return known[code] ?? (code === 1000 || code === 1005 ? text.closes[1006] : text.closes.other(code));
}

function sentence(words: string): string {
  const start = words.charAt(0).toUpperCase() + words.slice(1);
  return /[.!?]$/.test(start) ? start : `${start}.`;
}
