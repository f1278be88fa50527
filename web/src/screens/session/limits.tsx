/** The limits of a session's profile in words. */
import type { SessionLimits } from "../../api/types.ts";
import { text } from "../../text.ts";
import { span } from "../../ui/time.ts";

const words = text.limits;

export function clipboardWords(rule: string): string {
  return words.clipboards[rule] ?? words.clipboards.both ?? "";
}

export function limitRows(limits: SessionLimits): [string, string][] {
  const { maxGeometry, disconnectIdleSeconds, endDisconnectedSeconds, clipboard } = limits;
  return [
    [words.size, maxGeometry ? maxGeometry.replace("x", " × ") : words.any],
    [words.idle, disconnectIdleSeconds > 0 ? words.idleAfter(span(disconnectIdleSeconds)) : words.stays],
    [words.left, endDisconnectedSeconds > 0 ? words.leftAfter(span(endDisconnectedSeconds)) : words.runs],
    [words.clipboard, clipboardWords(clipboard)],
  ];
}
