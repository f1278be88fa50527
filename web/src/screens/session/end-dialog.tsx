/** Ends a session after saying what is lost. */
import { TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "../../api/client.ts";
import type { Session } from "../../api/types.ts";
import { useMe } from "../../me.ts";
import { text } from "../../text.ts";
import { Confirm } from "../../ui/confirm.tsx";
import { say } from "../../ui/say.ts";
import { When } from "../../ui/when.tsx";
import { isMine } from "../home/standing.ts";
import classes from "./end-dialog.module.css";

interface Props {
  session: Session;
  title: string;
  opened: boolean;
  /** Viewers that are not the reader. */
  others?: number;
  onClose: () => void;
  onEnded?: () => void;
}

export function EndDialog({
  session,
  title,
  opened,
  others = session.viewers ?? 0,
  onClose,
  onEnded,
}: Props) {
  const me = useMe();
  const [reason, setReason] = useState("");
  const end = useMutation({
    mutationFn: () => api.end(session.id, reason.trim()),
    onSuccess: () => {
      say(text.session.endedToast(title));
      onClose();
      onEnded?.();
    },
  });
  return (
    <Confirm
      opened={opened}
      title={text.session.endTitle(title)}
      confirm={text.session.endConfirm}
      cancel={text.session.keep}
      busy={end.isPending}
      error={end.error}
      onConfirm={() => end.mutate()}
      onClose={onClose}
    >
      <p>{text.session.endLoss(session.command || title, session.serverName || session.serverId)}</p>
      {isMine(session, me.login) ? null : (
        <>
          <p>{text.session.endOwner(session.login)}</p>
          <TextInput
            label={text.session.endReason}
            description={text.session.endReasonHint(session.login)}
            value={reason}
            maxLength={300}
            onChange={event => setReason(event.currentTarget.value)}
          />
        </>
      )}
      <p className={classes.since}>
        {text.session.endSince} <When at={session.started} as="clock" />
      </p>
      {others > 0 ? <p>{text.session.endOthers(others)}</p> : null}
    </Confirm>
  );
}
