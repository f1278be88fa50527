/** One session: its picture, how it stands, and what can be done with it. */
import { ActionIcon, Button, Menu } from "@mantine/core";
import {
  IconDots,
  IconInfoCircle,
  IconPencil,
  IconPlugX,
  IconPower,
  IconUserShare,
} from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { api } from "../../api/client.ts";
import type { Session } from "../../api/types.ts";
import { useServer } from "../../live/live.ts";
import { useMe } from "../../me.ts";
import { text } from "../../text.ts";
import { AppIcon } from "../../ui/app-icon.tsx";
import { Lazily } from "../../ui/lazily.tsx";
import { refuse, say } from "../../ui/say.ts";
import { When } from "../../ui/when.tsx";
import { DetailsDialog, EndDialog, RenameDialog, ShareDialog } from "../session/dialogs.ts";
import { EndingNote } from "../session/ending.tsx";
import classes from "./card.module.css";
import { Picture } from "./picture.tsx";
import { isMine, standingOf, titleOf } from "./standing.ts";
import { StateLine } from "./state-line.tsx";

interface Props {
  session: Session;
  icon: string | undefined;
  pictures: boolean;
  /** The only session: opening it is then the one next step. */
  alone: boolean;
  renaming: boolean;
  onRename: (on: boolean) => void;
}

export function SessionCard({ session, icon, pictures, alone, renaming, onRename }: Props) {
  const title = titleOf(session, text.session.unnamed);
  const server = useServer(session.serverId);
  const standing = standingOf(session, server);
  const closing = standing === "ending";
  const me = useMe();
  const shared = isMine(session, me.login) ? undefined : session.sharedWithMe;
  const [dialog, setDialog] = useState<"end" | "details" | "share">();
  return (
    <article className={classes.card} data-standing={standing} aria-label={title}>
      <Link
        to="/desktop/$sessionId"
        params={{ sessionId: session.id }}
        className={classes.picture}
        aria-label={text.session.openNamed(title)}
        tabIndex={-1}
        disabled={closing}
      >
        <Picture session={session} shown={pictures} icon={icon} />
      </Link>
      <div className={classes.body}>
        <div className={classes.name}>
          <AppIcon icon={icon} size={18} />
          <h2>{title}</h2>
        </div>
        <StateLine session={session} />
        <p className={classes.server}>{session.serverName || server?.hostname || session.serverId}</p>
        {standing === "open" ? <Connected session={session} /> : null}
        {shared ? (
          <p className={classes.server}>
            {text.sharing.from(session.login)}, {text.sharing.mode[shared.mode].toLowerCase()}{" "}
            {text.sharing.until} <When at={shared.expires} as="clock" />
          </p>
        ) : (
          <EndingNote session={session} title={title} />
        )}
      </div>
      <div className={classes.actions}>
        {closing ? (
          <Button fullWidth disabled>
            {text.session.state.ending}
          </Button>
        ) : (
          <Button
            renderRoot={props => (
              <Link to="/desktop/$sessionId" params={{ sessionId: session.id }} {...props} />
            )}
            fullWidth
            variant={standing === "unreachable" ? "default" : alone ? "filled" : "light"}
          >
            {text.session.open}
          </Button>
        )}
        <CardMenu
          session={session}
          title={title}
          mine={!shared}
          onRename={() => onRename(true)}
          onShare={() => setDialog("share")}
          onEnd={() => setDialog("end")}
          onDetails={() => setDialog("details")}
        />
      </div>
      <Lazily opened={renaming}>
        <RenameDialog session={session} title={title} opened={renaming} onClose={() => onRename(false)} />
      </Lazily>
      <Lazily opened={dialog === "end"}>
        <EndDialog
          session={session}
          title={title}
          opened={dialog === "end"}
          onClose={() => setDialog(undefined)}
        />
      </Lazily>
      <Lazily opened={dialog === "share"}>
        <ShareDialog
          session={session}
          title={title}
          opened={dialog === "share"}
          onClose={() => setDialog(undefined)}
        />
      </Lazily>
      <Lazily opened={dialog === "details"}>
        <DetailsDialog
          session={session}
          title={title}
          opened={dialog === "details"}
          onClose={() => setDialog(undefined)}
        />
      </Lazily>
    </article>
  );
}

/** Who is connected, each once. */
function Connected({ session }: { session: Session }) {
  const me = useMe();
  const logins = [...new Set((session.viewersList ?? []).map(({ login }) => login))];
  if (logins.length === 0) return null;
  const names = logins.map(login => (login === me.login ? text.sharing.you(login) : login));
  return <p className={classes.connected}>{text.session.connected(names)}</p>;
}

interface MenuProps {
  session: Session;
  title: string;
  mine: boolean;
  onRename: () => void;
  onShare: () => void;
  onEnd: () => void;
  onDetails: () => void;
}

function CardMenu({ session, title, mine, onRename, onShare, onEnd, onDetails }: MenuProps) {
  const disconnect = useMutation({
    mutationFn: () => api.disconnect(session.id),
    onSuccess: () => say(text.session.disconnected(title)),
    onError: refuse,
  });
  const viewers = session.viewers ?? 0;
  return (
    <Menu>
      <Menu.Target>
        <ActionIcon variant="default" size={36} aria-label={text.session.menu(title)}>
          <IconDots size={18} aria-hidden />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {mine ? (
          <>
            <Menu.Item leftSection={<IconUserShare size={16} aria-hidden />} onClick={onShare}>
              {text.session.share}
            </Menu.Item>
            <Menu.Item
              leftSection={<IconPlugX size={16} aria-hidden />}
              disabled={viewers === 0}
              onClick={() => disconnect.mutate()}
            >
              {text.session.disconnectOthers}
            </Menu.Item>
            <Menu.Item leftSection={<IconPencil size={16} aria-hidden />} onClick={onRename}>
              {text.session.rename}
            </Menu.Item>
          </>
        ) : null}
        <Menu.Item leftSection={<IconInfoCircle size={16} aria-hidden />} onClick={onDetails}>
          {text.session.details}
        </Menu.Item>
        {mine ? (
          <>
            <Menu.Divider />
            <Menu.Item
              className={classes.danger ?? ""}
              leftSection={<IconPower size={16} aria-hidden />}
              onClick={onEnd}
            >
              {text.session.end}
            </Menu.Item>
          </>
        ) : null}
      </Menu.Dropdown>
    </Menu>
  );
}
