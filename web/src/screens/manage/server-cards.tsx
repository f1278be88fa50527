/** Servers as cards, for small windows and for whoever likes them. */
import { UnstyledButton } from "@mantine/core";
import type { ReactNode } from "react";
import type { Server } from "../../live/reducer.ts";
import { text } from "../../text.ts";
import { Load, Marks, Memory, Missing, Seen } from "./parts.tsx";
import classes from "./server-cards.module.css";

interface Props {
  servers: readonly Server[];
  onOpen: (serverId: string) => void;
}

export function ServerCards({ servers, onOpen }: Props) {
  return (
    <ul className={classes.cards}>
      {servers.map(server => (
        <li key={server.serverId} className={classes.card} data-lost={server.online ? undefined : true}>
          <div className={classes.head}>
            <UnstyledButton
              className={classes.name}
              onClick={() => onOpen(server.serverId)}
              aria-label={text.servers.details(server.hostname)}
            >
              {server.hostname}
            </UnstyledButton>
            <Marks server={server} />
          </div>
          <Missing server={server} />
          <dl className={classes.figures}>
            <Figure label={text.servers.columns.load}>
              <Load server={server} />
            </Figure>
            <Figure label={text.servers.columns.memory}>
              <Memory server={server} />
            </Figure>
            <Figure label={text.servers.columns.sessions}>{server.details?.sessions ?? 0}</Figure>
            <Figure label={text.servers.columns.logins}>{server.details?.loggedInUsers ?? 0}</Figure>
            <Figure label={text.servers.columns.version}>{server.details?.version || "–"}</Figure>
            <Figure label={text.servers.columns.seen}>
              <Seen server={server} />
            </Figure>
          </dl>
        </li>
      ))}
    </ul>
  );
}

function Figure({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}
