/** What can be started: one click starts, a second small button shows the options. */
import { ActionIcon, Loader, Skeleton, Tooltip, UnstyledButton } from "@mantine/core";
import { IconAdjustmentsHorizontal, IconPrompt } from "@tabler/icons-react";
import type { UseQueryResult } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import type { Application, Applications } from "../../api/types.ts";
import { useMe } from "../../me.ts";
import { recentStarts } from "../../preferences.ts";
import { text } from "../../text.ts";
import { AppIcon } from "../../ui/app-icon.tsx";
import { ProblemView } from "../../ui/problem.tsx";
import { useAsking } from "../link/asking.ts";
import { plainStart, requestOf } from "../start/request.ts";
import { newKey, useStart } from "../start/use-start.ts";
import classes from "./tiles.module.css";

export function StartTiles({ applications }: { applications: UseQueryResult<Applications> }) {
  const me = useMe();
  const start = useStart();
  const [chosen, setChosen] = useState<Application>();
  // Read once: a tile never moves under the pointer.
  const [recent] = useState(() => recentStarts(me.login));
  const offered = applications.data?.applications;
  const tiles = useMemo(() => lastUsedFirst(offered ?? [], recent), [offered, recent]);
  if (applications.isPending) return <Waiting />;
  if (applications.isError) {
    return (
      <ProblemView
        heading={text.home.loadFailed}
        error={applications.error}
        onRetry={() => void applications.refetch()}
      />
    );
  }
  const { commandAllowed } = applications.data;
  const begin = (application: Application) => {
    setChosen(application);
    const room = { width: window.innerWidth, height: window.innerHeight };
    start.mutate({ request: requestOf(plainStart(application.name), room), key: newKey() });
  };
  return (
    <>
      {start.isError && chosen ? (
        <div className={classes.refusal}>
          <ProblemView heading={text.start.refused} error={start.error} onRetry={() => begin(chosen)} />
        </div>
      ) : null}
      {tiles.length === 0 ? (
        <p className={classes.none}>
          {commandAllowed ? text.home.noApplicationsCommand : text.home.noApplications}
        </p>
      ) : null}
      <ul className={classes.tiles}>
        {tiles.map(application => (
          <li key={application.name} className={classes.item}>
            <Tile
              application={application}
              busy={start.isPending && chosen?.name === application.name}
              disabled={start.isPending}
              onStart={() => begin(application)}
            />
          </li>
        ))}
        {commandAllowed ? (
          <li className={classes.item}>
            <Link to="/start" className={classes.tile}>
              <span className={classes.icon}>
                <IconPrompt size={22} stroke={1.6} aria-hidden />
              </span>
              <span className={classes.words}>
                <span className={classes.title}>{text.home.other}</span>
              </span>
            </Link>
          </li>
        ) : null}
      </ul>
    </>
  );
}

interface TileProps {
  application: Application;
  busy: boolean;
  disabled: boolean;
  onStart: () => void;
}

function Tile({ application, busy, disabled, onStart }: TileProps) {
  const asking = useAsking();
  const phase = asking ? text.phases.asking(asking.serverId) : text.phases.choosing;
  const title = application.title || application.name;
  return (
    <>
      <UnstyledButton className={classes.tile} onClick={onStart} aria-disabled={disabled} disabled={disabled}>
        <span className={classes.icon}>
          {busy ? <Loader size={20} /> : <AppIcon icon={application.icon} />}
        </span>
        <span className={classes.words}>
          <span className={classes.title}>{title}</span>
          <span className={classes.phase} role="status">
            {busy ? phase : ""}
          </span>
        </span>
      </UnstyledButton>
      <Tooltip label={text.home.options(title)}>
        <ActionIcon
          renderRoot={props => <Link to="/start" search={{ application: application.name }} {...props} />}
          className={classes.options}
          aria-label={text.home.options(title)}
        >
          <IconAdjustmentsHorizontal size={18} stroke={1.6} aria-hidden />
        </ActionIcon>
      </Tooltip>
    </>
  );
}

function lastUsedFirst(applications: readonly Application[], recent: readonly string[]): Application[] {
  const rank = ({ name }: Application) => {
    const index = recent.indexOf(name);
    return index < 0 ? recent.length : index;
  };
  return [...applications].sort((a, b) => rank(a) - rank(b));
}

function Waiting() {
  return (
    <output className={classes.tiles} aria-label={text.common.loading}>
      {[1, 2, 3, 4].map(tile => (
        <Skeleton key={tile} className={classes.waiting} />
      ))}
    </output>
  );
}
