/** Who is connected to a session, and a way to have only oneself there. */
import { Button } from "@mantine/core";
import { IconPlugX } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { api } from "../../api/client.ts";
import type { Session } from "../../api/types.ts";
import { useMe } from "../../me.ts";
import { text } from "../../text.ts";
import { ProblemView } from "../../ui/problem.tsx";
import { say } from "../../ui/say.ts";
import { When } from "../../ui/when.tsx";
import classes from "./share-dialog.module.css";

const words = text.sharing;

interface Props {
  session: Session;
  title: string;
  /** Called before all are disconnected, by somebody who wants to come back. */
  onDisconnect?: () => void;
}

export function Here({ session, title, onDisconnect }: Props) {
  const me = useMe();
  const viewers = session.viewersList ?? [];
  const disconnect = useMutation({
    mutationFn: () => {
      onDisconnect?.();
      return api.disconnect(session.id);
    },
    onSuccess: () => say(text.session.disconnected(title)),
  });
  // From the desktop the reader is one of them.
  const others = Math.max(0, (session.viewers ?? viewers.length) - (onDisconnect ? 1 : 0));
  return (
    <section className={classes.part}>
      <div className={classes.partHead}>
        <h3>{words.here}</h3>
        {others > 0 ? (
          <Button
            variant="default"
            size="compact-sm"
            leftSection={<IconPlugX size={14} aria-hidden />}
            loading={disconnect.isPending}
            onClick={() => disconnect.mutate()}
          >
            {onDisconnect ? words.disconnectOthers : text.session.disconnectOthers}
          </Button>
        ) : null}
      </div>
      {viewers.length === 0 ? (
        <p className={classes.quiet}>
          {session.viewers ? text.session.viewers(session.viewers) : words.nobody}
        </p>
      ) : (
        <ul className={classes.list}>
          {viewers.map(viewer => (
            <li key={`${viewer.login} ${viewer.since} ${viewer.address ?? ""}`}>
              <span className={classes.who}>
                {viewer.login === me.login ? words.you(viewer.login) : viewer.login}
              </span>
              <span className={classes.quiet}>
                {words.mode[viewer.mode]}, {words.path[viewer.path]}, {words.since}{" "}
                <When at={viewer.since} as="clock" />
                {viewer.address ? `, ${viewer.address}` : ""}
              </span>
            </li>
          ))}
        </ul>
      )}
      {disconnect.isError ? <ProblemView error={disconnect.error} /> : null}
    </section>
  );
}
