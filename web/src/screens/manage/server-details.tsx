/** Everything that is known of one server, beside what Kubernetes sets and how to change it. */
import "../../styles/dialogs.css";
import { Modal } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { Fragment, type ReactNode } from "react";
import { useAllSessions } from "../../live/live.ts";
import type { Server } from "../../live/reducer.ts";
import { text } from "../../text.ts";
import { CopyButton } from "../../ui/copy.tsx";
import facts from "../../ui/facts.module.css";
import { useNow } from "../../ui/time.ts";
import { When } from "../../ui/when.tsx";
import { titleOf } from "../home/standing.ts";
import { Load, Marks, Memory, Seen } from "./parts.tsx";
import classes from "./server-details.module.css";

interface Props {
  server: Server | undefined;
  onClose: () => void;
}

export function ServerDetails({ server, onClose }: Props) {
  return (
    <Modal
      opened={server !== undefined}
      onClose={onClose}
      size="lg"
      title={server?.hostname ?? ""}
      closeButtonProps={{ "aria-label": text.common.close }}
    >
      {server ? <Details server={server} /> : null}
    </Modal>
  );
}

function Details({ server }: { server: Server }) {
  const now = useNow();
  const words = text.servers;
  const { details = { serverId: server.serverId } } = server;
  const faults = details.faults ?? [];
  const upSince = details.uptime ? Math.round((now - details.uptime * 1000) / 60_000) * 60_000 : undefined;
  const rows: [string, ReactNode][] = [
    [words.columns.seen, <Seen key="seen" server={server} />],
    [words.columns.load, <Load key="load" server={server} />],
    [words.loadavg, (server.online && details.loadavg?.map(value => value.toFixed(2)).join("  ")) || "–"],
    [words.columns.memory, <Memory key="memory" server={server} />],
    [words.columns.logins, details.loggedInUsers ?? 0],
    [words.uptime, upSince ? <When key="uptime" at={upSince} as="clock" /> : "–"],
    [words.columns.version, details.version || "–"],
    [words.users, details.users?.length ? text.common.list(details.users) : words.everybody],
    [words.urls, details.urls?.length ? text.common.list(details.urls) : words.noUrls],
    [words.revision, details.configRevision ? <code key="revision">{details.configRevision}</code> : "–"],
  ];
  return (
    <div className={classes.body}>
      <Marks server={server} />
      {server.online ? null : (
        <div className={classes.lost}>
          <p>
            {words.lostHint} {words.lostCheck}
          </p>
          <p className={classes.command}>
            <code>{words.doctor}</code>{" "}
            <CopyButton value={() => words.doctor} label={text.problem.copyCommand} />
          </p>
        </div>
      )}
      {faults.length > 0 ? (
        <ul className={classes.faults}>
          {faults.map(fault => (
            <li key={fault}>{fault}</li>
          ))}
        </ul>
      ) : null}
      <dl className={facts.facts}>
        {rows.map(([label, value]) => (
          <Fragment key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </Fragment>
        ))}
      </dl>
      <SessionsHere server={server} />
      <Switches server={server} />
      <Data label={words.staticData} value={details.staticData} />
      <Data label={words.metrics} value={details.metrics} />
    </div>
  );
}

function SessionsHere({ server }: { server: Server }) {
  const sessions = Object.values(useAllSessions())
    .filter(({ serverId, state }) => serverId === server.serverId && state !== "ended")
    .sort((a, b) => a.login.localeCompare(b.login) || a.started.localeCompare(b.started));
  return (
    <section className={classes.part}>
      <h3>{text.servers.sessionsHere}</h3>
      {sessions.length === 0 ? <p className={classes.quiet}>{text.servers.noSessionsHere}</p> : null}
      <ul className={classes.sessions}>
        {sessions.map(session => (
          <li key={session.id}>
            <Link to="/desktop/$sessionId" params={{ sessionId: session.id }}>
              {titleOf(session, text.session.unnamed)}
            </Link>
            <span>{session.login}</span>
            <When at={session.started} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function Switches({ server }: { server: Server }) {
  const words = text.servers;
  const { details } = server;
  const command = `kubectl edit computenode ${server.serverId}`;
  const value = (on: boolean | undefined) => (on === undefined ? "–" : on ? words.on : words.off);
  return (
    <section className={classes.part}>
      <h3>{words.switches}</h3>
      <dl className={facts.facts}>
        <dt>{words.startSessions}</dt>
        <dd>{value(details?.startSessions)}</dd>
        <dt>{words.loginsSwitch}</dt>
        <dd>{value(details?.logins)}</dd>
      </dl>
      <p className={classes.managed}>
        {words.switchesHint} <code>{command}</code> <CopyButton value={() => command} />
      </p>
    </section>
  );
}

function Data({ label, value }: { label: string; value: Record<string, unknown> | undefined }) {
  const empty = !value || Object.keys(value).length === 0;
  return (
    <section className={classes.part}>
      <h3>{label}</h3>
      {empty ? (
        <p className={classes.quiet}>{text.servers.none}</p>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a text that scrolls must be reachable by keyboard
        <pre className={classes.data} tabIndex={0}>
          {JSON.stringify(value, null, 2)}
        </pre>
      )}
    </section>
  );
}
