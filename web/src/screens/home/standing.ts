/** How a session stands, from its own state and that of its server. */
import type { Session } from "../../api/types.ts";
import type { Server } from "../../live/reducer.ts";

export type Standing = "starting" | "running" | "left" | "open" | "ending" | "ended" | "unreachable";

export function standingOf(session: Session, server: Server | undefined): Standing {
  const { state } = session;
  if (state === "ended" || state === "ending" || state === "unreachable") return state;
  if (server && !server.online) return "unreachable";
  if (state === "starting") return "starting";
  if ((session.viewers ?? 0) > 0) return "open";
  return session.lastDisconnect ? "left" : "running";
}

/** Name for people, never empty. */
export function titleOf(session: Session, fallback: string): string {
  return session.name || session.application || session.command || fallback;
}

/** Whether the session is the reader's own; older servers leave it to the name. */
export function isMine(session: Session, login: string): boolean {
  return session.mine ?? session.login === login;
}
