/** Sessions that are over, with why, until the reader puts them away. */
import { ActionIcon, Button, Tooltip } from "@mantine/core";
import { IconX } from "@tabler/icons-react";
import { useState } from "react";
import type { Session } from "../../api/types.ts";
import { text } from "../../text.ts";
import { Lazily } from "../../ui/lazily.tsx";
import { When } from "../../ui/when.tsx";
import { DetailsDialog } from "../session/dialogs.ts";
import classes from "./ended.module.css";
import { titleOf } from "./standing.ts";

interface Props {
  sessions: Session[];
  onDismiss: (id: string) => void;
}

export function EndedList({ sessions, onDismiss }: Props) {
  return (
    <section aria-labelledby="ended" className={classes.section}>
      <h2 id="ended">{text.home.ended}</h2>
      <ul className={classes.list}>
        {sessions.map(session => (
          <Ended key={session.id} session={session} onDismiss={() => onDismiss(session.id)} />
        ))}
      </ul>
    </section>
  );
}

function Ended({ session, onDismiss }: { session: Session; onDismiss: () => void }) {
  const [details, setDetails] = useState(false);
  const title = titleOf(session, text.session.unnamed);
  return (
    <li className={classes.row}>
      <div className={classes.words}>
        <p className={classes.name}>
          {title} <span>{<When at={session.changed} />}</span>
        </p>
        {session.endReason ? <p className={classes.reason}>{session.endReason.split("\n")[0]}</p> : null}
      </div>
      <Button variant="default" size="compact-sm" onClick={() => setDetails(true)}>
        {text.session.details}
      </Button>
      <Tooltip label={text.session.dismiss}>
        <ActionIcon aria-label={`${text.session.dismiss}: ${title}`} onClick={onDismiss}>
          <IconX size={16} aria-hidden />
        </ActionIcon>
      </Tooltip>
      <Lazily opened={details}>
        <DetailsDialog session={session} title={title} opened={details} onClose={() => setDetails(false)} />
      </Lazily>
    </li>
  );
}
