/** Manage › Sessions: everybody's, live. */
import { ActionIcon, Menu } from "@mantine/core";
import { IconDots, IconInfoCircle, IconPlugX, IconPower, IconTrash } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { api } from "../../api/client.ts";
import type { Session } from "../../api/types.ts";
import { live, useAllSessions, useKnown, useLine } from "../../live/live.ts";
import { stateNames, text } from "../../text.ts";
import { Confirm } from "../../ui/confirm.tsx";
import { Lazily } from "../../ui/lazily.tsx";
import { type Column, Listing, type RowGroup } from "../../ui/listing.tsx";
import { refuse, say } from "../../ui/say.ts";
import { usePageTitle } from "../../ui/title.ts";
import { When } from "../../ui/when.tsx";
import { standingOf, titleOf } from "../home/standing.ts";
import { StateLine } from "../home/state-line.tsx";
import { DetailsDialog, EndDialog } from "../session/dialogs.ts";
import classes from "./all-sessions.module.css";

const words = text.allSessions;

/** With the state of its server, which may be silent. */
const standing = (session: Session) => standingOf(session, live.get().servers[session.serverId]);
const name = (session: Session) => titleOf(session, text.session.unnamed);
const idOf = (session: Session) => session.id;

const COLUMNS: readonly Column<Session>[] = [
  {
    key: "name",
    label: words.columns.name,
    value: name,
    cell: session =>
      session.state === "ended" ? (
        name(session)
      ) : (
        <Link to="/desktop/$sessionId" params={{ sessionId: session.id }} className={classes.name}>
          {name(session)}
        </Link>
      ),
  },
  {
    key: "login",
    label: words.columns.login,
    value: ({ login }) => login,
    cell: ({ login }) => login,
  },
  {
    key: "state",
    label: words.columns.state,
    value: session => stateNames[standing(session)] ?? text.session.state.running,
    cell: session => (
      <span className={classes.state}>
        <StateLine session={session} />
        {session.state === "ended" && session.endReason ? (
          <span className={classes.reason}>{session.endReason.split("\n")[0]}</span>
        ) : null}
        {session.warning ? (
          <span className={classes.reason}>
            {text.ending.ends} <When at={session.warning.at} as="ahead" />
          </span>
        ) : null}
      </span>
    ),
  },
  {
    key: "server",
    label: words.columns.server,
    value: ({ serverName, serverId }) => serverName || serverId,
    cell: ({ serverName, serverId }) => serverName || serverId,
  },
  {
    key: "command",
    label: words.columns.command,
    value: ({ application, command }) => application || command,
    cell: ({ application, command }) => application || <code>{command}</code>,
  },
  {
    key: "started",
    label: words.columns.started,
    value: ({ started }) => started,
    cell: ({ started }) => <When at={started} />,
  },
  {
    key: "idleSince",
    label: words.columns.idle,
    value: ({ idleSince }) => idleSince ?? "",
    cell: ({ idleSince, state }) => (idleSince && state === "running" ? <When at={idleSince} /> : "–"),
  },
  {
    key: "viewers",
    label: words.columns.viewers,
    figure: true,
    value: ({ viewers }) => viewers ?? 0,
    cell: ({ viewers }) => viewers ?? 0,
  },
];

const over = (session: Session) => session.state === "ended";
const GROUPS: readonly RowGroup<Session>[] = [
  { key: "current", label: words.current, has: session => !over(session) },
  { key: "unseen", label: words.unseen, has: session => !over(session) && (session.viewers ?? 0) === 0 },
  { key: "unreachable", label: words.unreachable, has: session => standing(session) === "unreachable" },
  { key: "ended", label: words.ended, has: over },
];

export function AllSessions() {
  usePageTitle(words.pageTitle);
  const known = useKnown();
  const line = useLine();
  const sessions = useAllSessions();
  const rows = useMemo(() => (known ? Object.values(sessions) : undefined), [known, sessions]);
  return (
    <Listing
      title={words.title}
      filter={words.filter}
      columns={COLUMNS}
      groups={GROUPS}
      rows={rows}
      error={line.kind === "lost" ? line.error : undefined}
      id={idOf}
      order={{ key: "started", down: true }}
      empty={{ title: words.empty, hint: words.emptyHint }}
      file="sessions"
      wrong={session => standing(session) === "unreachable"}
      actions={session => <Actions session={session} />}
    />
  );
}

function Actions({ session }: { session: Session }) {
  const title = name(session);
  const [dialog, setDialog] = useState<"details" | "end" | "purge">();
  const close = () => setDialog(undefined);
  const disconnect = useMutation({
    mutationFn: () => api.disconnect(session.id),
    onSuccess: () => say(text.session.disconnected(title)),
    onError: refuse,
  });
  const gone = over(session) || standing(session) === "unreachable";
  return (
    <>
      <Menu>
        <Menu.Target>
          <ActionIcon size={36} aria-label={words.menu(title, session.login)}>
            <IconDots size={18} aria-hidden />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item
            leftSection={<IconInfoCircle size={16} aria-hidden />}
            onClick={() => setDialog("details")}
          >
            {text.session.details}
          </Menu.Item>
          {over(session) ? null : (
            <Menu.Item
              leftSection={<IconPlugX size={16} aria-hidden />}
              disabled={(session.viewers ?? 0) === 0}
              onClick={() => disconnect.mutate()}
            >
              {text.session.disconnectOthers}
            </Menu.Item>
          )}
          <Menu.Divider />
          {over(session) ? null : (
            <Menu.Item
              className={classes.danger ?? ""}
              leftSection={<IconPower size={16} aria-hidden />}
              onClick={() => setDialog("end")}
            >
              {text.session.end}
            </Menu.Item>
          )}
          {gone ? (
            <Menu.Item
              className={classes.danger ?? ""}
              leftSection={<IconTrash size={16} aria-hidden />}
              onClick={() => setDialog("purge")}
            >
              {words.purge}
            </Menu.Item>
          ) : null}
        </Menu.Dropdown>
      </Menu>
      <Lazily opened={dialog === "details"}>
        <DetailsDialog session={session} title={title} opened={dialog === "details"} onClose={close} />
      </Lazily>
      <Lazily opened={dialog === "end"}>
        <EndDialog session={session} title={title} opened={dialog === "end"} onClose={close} />
      </Lazily>
      <Lazily opened={dialog === "purge"}>
        <Purge session={session} title={title} opened={dialog === "purge"} onClose={close} />
      </Lazily>
    </>
  );
}

interface PurgeProps {
  session: Session;
  title: string;
  opened: boolean;
  onClose: () => void;
}

function Purge({ session, title, opened, onClose }: PurgeProps) {
  const purge = useMutation({
    mutationFn: () => api.purge(session.id),
    onSuccess: () => {
      say(words.purged(title));
      onClose();
    },
  });
  return (
    <Confirm
      opened={opened}
      title={words.purgeTitle(title)}
      confirm={words.purge}
      busy={purge.isPending}
      error={purge.error}
      onConfirm={() => purge.mutate()}
      onClose={onClose}
    >
      <p>{over(session) ? words.purgeEnded : words.purgeLost}</p>
    </Confirm>
  );
}
