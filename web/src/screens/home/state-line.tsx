/** A session's state in words, with a mark of its colour. */
import type { Session } from "../../api/types.ts";
import { useServer } from "../../live/live.ts";
import { text } from "../../text.ts";
import { When } from "../../ui/when.tsx";
import { type Standing, standingOf } from "./standing.ts";
import classes from "./state-line.module.css";

export function StateLine({ session }: { session: Session }) {
  const server = useServer(session.serverId);
  const standing = standingOf(session, server);
  const words = text.session.state;
  return (
    <p className={classes.line} data-standing={standing}>
      <span className={classes.dot} aria-hidden />
      {standing === "unreachable" ? (
        <span>
          {words.unreachable}{" "}
          <When
            at={server?.online === false ? (server.lastSeen ?? session.changed) : session.changed}
            as="clock"
          />
        </span>
      ) : standing === "left" && session.lastDisconnect ? (
        <span>
          {words.running}, {words.left.toLowerCase()} <When at={session.lastDisconnect} />
        </span>
      ) : standing === "open" ? (
        <span>
          {words.open}, {text.session.viewers(session.viewers ?? 0)}
        </span>
      ) : (
        <span>{plainWords(standing)}</span>
      )}
    </p>
  );
}

function plainWords(standing: Standing): string {
  const words = text.session.state;
  switch (standing) {
    case "starting":
      return words.starting;
    case "ending":
      return words.ending;
    case "ended":
      return words.ended;
    case "unreachable":
      return words.unreachable;
    case "open":
      return words.open;
    case "left":
    case "running":
      return words.running;
  }
}
