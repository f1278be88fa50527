/** Says that a session is about to end, why, and lets whoever may keep it. */
import { Button } from "@mantine/core";
import { IconHourglass } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { api } from "../../api/client.ts";
import type { Session } from "../../api/types.ts";
import { text } from "../../text.ts";
import { refuse, say } from "../../ui/say.ts";
import { When } from "../../ui/when.tsx";
import classes from "./ending.module.css";

interface Props {
  session: Session;
  title: string;
  /** Over the desktop rather than on a card. */
  floating?: boolean;
}

export function EndingNote({ session, title, floating = false }: Props) {
  const stay = useMutation({
    mutationFn: () => api.stay(session.id),
    onSuccess: () => say(text.ending.stayed(title)),
    onError: refuse,
  });
  const { warning } = session;
  if (!warning || session.state === "ended" || session.state === "ending") return null;
  return (
    <div className={classes.note} role="alert" data-floating={floating || undefined}>
      <IconHourglass size={18} aria-hidden className={classes.icon} />
      <p className={classes.words}>
        <strong>
          {session.endsAt ? (floating ? text.ending.soon : text.ending.ends) : text.ending.otherwise}{" "}
          <When at={warning.at} as="ahead" />.
        </strong>{" "}
        {warning.text}
      </p>
      <Button
        size="compact-sm"
        loading={stay.isPending}
        aria-label={floating ? undefined : text.ending.stayNamed(title)}
        onClick={() => stay.mutate()}
      >
        {text.ending.stay}
      </Button>
    </div>
  );
}
