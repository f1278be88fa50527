/** My sessions, and below them what can be started. */
import { ActionIcon, Skeleton, Tooltip } from "@mantine/core";
import { IconPhoto, IconPhotoOff } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { Session } from "../../api/types.ts";
import { useKnown, useLine, useSessions, useSharedWithMe } from "../../live/live.ts";
import { useMe } from "../../me.ts";
import { usePreference } from "../../preferences.ts";
import { text } from "../../text.ts";
import { ProblemView } from "../../ui/problem.tsx";
import { usePageTitle } from "../../ui/title.ts";
import { applicationsQuery } from "./applications.ts";
import { SessionCard } from "./card.tsx";
import { useDismissed } from "./dismissed.ts";
import { EndedList } from "./ended.tsx";
import classes from "./home.module.css";
import { StartTiles } from "./tiles.tsx";

export function Home() {
  usePageTitle(text.home.pageTitle);
  const me = useMe();
  const known = useKnown();
  const line = useLine();
  const all = useSessions(me.login);
  const shared = useSharedWithMe(me.login);
  const { hidden, dismiss } = useDismissed();
  const [pictures, setPictures] = usePreference("pictures", ["shown", "hidden"]);
  const applications = useQuery(applicationsQuery);
  const current = all.filter(session => session.state !== "ended");
  const ended = all.filter(session => session.state === "ended" && !hidden.has(session.id));
  const showSessions = !known || current.length > 0;
  return (
    <>
      {showSessions ? (
        <section aria-labelledby="sessions">
          <div className={classes.head}>
            <h1 id="sessions">{text.home.title}</h1>
            {known ? <PictureSwitch shown={pictures === "shown"} onChange={setPictures} /> : null}
          </div>
          {known ? (
            <Cards sessions={current} pictures={pictures === "shown"} />
          ) : line.kind === "lost" ? (
            <ProblemView error={line.error} />
          ) : (
            <Waiting />
          )}
        </section>
      ) : null}
      {shared.length > 0 ? (
        <section aria-labelledby="shared" className={classes.section}>
          <h2 id="shared" className={classes.sectionTitle}>
            {text.sharing.withMe}
          </h2>
          <Cards sessions={shared} pictures={pictures === "shown"} beside />
        </section>
      ) : null}
      <section aria-labelledby="start" className={classes.section}>
        {showSessions ? (
          <h2 id="start" className={classes.sectionTitle}>
            {text.home.startNew}
          </h2>
        ) : (
          <div className={classes.welcome}>
            <h1 id="start">{ended.length > 0 ? text.home.startNew : text.home.startFirst}</h1>
            <p>{text.home.emptyHint}</p>
          </div>
        )}
        <StartTiles applications={applications} />
      </section>
      {ended.length > 0 ? <EndedList sessions={ended} onDismiss={dismiss} /> : null}
    </>
  );
}

interface CardsProps {
  sessions: Session[];
  pictures: boolean;
  /** Not what the reader came for first. */
  beside?: boolean;
}

function Cards({ sessions, pictures, beside = false }: CardsProps) {
  const icons = useQuery(applicationsQuery).data?.applications;
  const [renaming, setRenaming] = useState<string>();
  return (
    <ul className={classes.cards}>
      {sessions.map(session => (
        <li key={session.id}>
          <SessionCard
            session={session}
            icon={icons?.find(({ name }) => name === session.application)?.icon}
            pictures={pictures}
            alone={sessions.length === 1 && !beside}
            renaming={renaming === session.id}
            onRename={on => setRenaming(on ? session.id : undefined)}
          />
        </li>
      ))}
    </ul>
  );
}

function Waiting() {
  return (
    <output className={classes.cards} aria-label={text.common.loading}>
      <Skeleton className={classes.waiting} />
      <Skeleton className={classes.waiting} />
    </output>
  );
}

interface SwitchProps {
  shown: boolean;
  onChange: (value: "shown" | "hidden") => void;
}

function PictureSwitch({ shown, onChange }: SwitchProps) {
  const label = shown ? text.home.hidePictures : text.home.showPictures;
  const Icon = shown ? IconPhoto : IconPhotoOff;
  return (
    <Tooltip label={label}>
      <ActionIcon aria-label={label} onClick={() => onChange(shown ? "hidden" : "shown")}>
        <Icon size={20} stroke={1.6} aria-hidden />
      </ActionIcon>
    </Tooltip>
  );
}
