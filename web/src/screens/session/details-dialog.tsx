/** What is known of a session: how it was started, why on that server, its log. */
import "../../styles/dialogs.css";
import { Modal, Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { api } from "../../api/client.ts";
import type { Session } from "../../api/types.ts";
import { text } from "../../text.ts";
import { CopyButton } from "../../ui/copy.tsx";
import facts from "../../ui/facts.module.css";
import { ProblemView, Verdicts } from "../../ui/problem.tsx";
import { When } from "../../ui/when.tsx";
import classes from "./details-dialog.module.css";
import { Here } from "./here.tsx";
import { limitRows } from "./limits.tsx";
import { oneSessionQuery } from "./one-session.ts";

interface Props {
  session: Session;
  title: string;
  opened: boolean;
  onClose: () => void;
}

export function DetailsDialog({ session, title, opened, onClose }: Props) {
  const labels = text.details;
  const rows: [string, ReactNode][] = [
    ...(session.endReason ? [[labels.ended, session.endReason] as [string, ReactNode]] : []),
    [labels.command, <code key="command">{session.command}</code>],
    [labels.server, session.serverName || session.serverId],
    [labels.profile, session.profile || labels.default],
    [labels.size, session.geometry?.replace("x", " × ") || labels.default],
    [labels.started, <When key="started" at={session.started} as="clock" />],
    ...(session.idleSince && session.state === "running"
      ? [[labels.idle, <When key="idle" at={session.idleSince} />] as [string, ReactNode]]
      : []),
    [labels.id, <code key="id">{session.id}</code>],
  ];
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      size="lg"
      title={title}
      closeButtonProps={{ "aria-label": text.common.close }}
    >
      <dl className={facts.facts}>
        {rows.map(([label, value]) => (
          <div key={label} className={classes.row}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {session.state === "ended" ? null : (
        <>
          <Fold label={labels.limits}>
            <Limits id={session.id} />
          </Fold>
          <div className={classes.here}>
            <Here session={session} title={title} />
          </div>
        </>
      )}
      <Fold label={labels.why}>
        <Why id={session.id} />
      </Fold>
      <Fold label={labels.log}>
        <Log id={session.id} />
      </Fold>
    </Modal>
  );
}

/** Loads its content when it is opened for the first time. */
function Fold({ label, children }: { label: string; children: ReactNode }) {
  const [open, setOpen] = useState(false);
  return (
    <details className={classes.fold} onToggle={event => setOpen(event.currentTarget.open)}>
      <summary>{label}</summary>
      {open ? children : null}
    </details>
  );
}

function Limits({ id }: { id: string }) {
  const session = useQuery(oneSessionQuery(id));
  if (session.isPending) return <Skeleton height={96} mt={8} />;
  if (session.isError) return <ProblemView error={session.error} />;
  const { limits } = session.data;
  if (!limits) return <p className={classes.chosen}>{text.servers.none}</p>;
  return (
    <dl className={`${facts.facts} ${classes.limits}`}>
      {limitRows(limits).map(([label, value]) => (
        <div key={label} className={classes.row}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Why({ id }: { id: string }) {
  const decision = useQuery({
    queryKey: ["decision", id],
    queryFn: ({ signal }) => api.decision(id, signal),
  });
  if (decision.isPending) return <Skeleton height={48} mt={8} />;
  if (decision.isError) return <ProblemView error={decision.error} />;
  const { chosen, servers } = decision.data;
  return (
    <>
      {chosen ? <p className={classes.chosen}>{text.decision.chosenOf(chosen, servers.length)}</p> : null}
      <Verdicts verdicts={servers} />
    </>
  );
}

function Log({ id }: { id: string }) {
  const log = useQuery({ queryKey: ["log", id], queryFn: ({ signal }) => api.log(id, signal), staleTime: 0 });
  if (log.isPending) return <Skeleton height={96} mt={8} />;
  if (log.isError) return <ProblemView error={log.error} />;
  if (!log.data.trim()) return <p className={classes.chosen}>{text.details.logEmpty}</p>;
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a text that scrolls must be reachable by keyboard */}
      <pre className={classes.log} tabIndex={0}>
        {log.data}
      </pre>
      <CopyButton value={() => log.data} />
    </>
  );
}
