/** The versions of the settings that are kept: who made them and when, what differs, and the way back. */
import { Button, Skeleton } from "@mantine/core";
import { IconArrowBackUp, IconChevronRight } from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useEffect, useId, useRef, useState } from "react";
import { toProblem } from "../../api/problem.ts";
import type { Document, Scope, SystemSettings, SystemVersion } from "../../api/types.ts";
import { useServer } from "../../live/live.ts";
import { useMe } from "../../me.ts";
import { text } from "../../text.ts";
import { Confirm } from "../../ui/confirm.tsx";
import { ProblemView } from "../../ui/problem.tsx";
import { When } from "../../ui/when.tsx";
import { changes, same } from "./changes.ts";
import { Differences } from "./differences.tsx";
import classes from "./history.module.css";
import { historyQuery, systemQuery, versionQuery } from "./query.ts";
import { madeBy, takenAgain } from "./versions.ts";

const words = text.system.history;
const ROWS_BEFORE_KNOWN = [1, 2, 3];

interface Props {
  scope: Scope;
  settings: SystemSettings;
  draft: Document;
  dirty: boolean;
  onTake: (document: Document) => void;
}

export function History(props: Props) {
  const { scope, settings, dirty } = props;
  const history = useQuery(historyQuery(scope));
  const [opened, setOpened] = useState<number>();
  const top = useRef<HTMLParagraphElement>(null);
  // A version that is gone takes the focus along, which begins anew above the list.
  const again = () => void history.refetch().then(() => top.current?.focus());
  if (history.isPending) {
    return (
      <div className={classes.waiting} role="status" aria-label={text.common.loading}>
        {ROWS_BEFORE_KNOWN.map(row => (
          <Skeleton key={row} height={60} radius="md" />
        ))}
      </div>
    );
  }
  if (history.isError) {
    return (
      <ProblemView heading={words.failed} error={history.error} onRetry={() => void history.refetch()} />
    );
  }
  const { versions } = history.data;
  const newer = versions.some(version => version.inForce && version.generation > settings.generation);
  return (
    <>
      <p ref={top} tabIndex={-1} className={classes.hint}>
        {versions.length > 1 ? words.hint : words.none}
      </p>
      {newer ? <Newer scope={scope} dirty={dirty} /> : null}
      {versions.length > 0 ? (
        <ol className={classes.versions}>
          {versions.map(version => (
            <li key={version.generation}>
              {version.inForce ? (
                <div className={classes.row}>
                  <Told version={version} />
                  <span className={classes.mark}>{words.inForce}</span>
                </div>
              ) : (
                <Fold
                  opened={opened === version.generation}
                  onToggle={open => setOpened(open ? version.generation : undefined)}
                  head={<Told version={version} />}
                >
                  <Comparison {...props} generation={version.generation} onGone={again} />
                </Fold>
              )}
            </li>
          ))}
        </ol>
      ) : null}
    </>
  );
}

/** Somebody saved since the editor was opened. */
function Newer({ scope, dirty }: { scope: Scope; dirty: boolean }) {
  const queries = useQueryClient();
  return (
    <div className={classes.newer}>
      <p>{words.newer}</p>
      <Button
        variant="default"
        size="compact-sm"
        onClick={() => void queries.invalidateQueries({ queryKey: systemQuery(scope).queryKey })}
      >
        {dirty ? text.system.loadNewer : words.loadNewer}
      </Button>
    </div>
  );
}

function Told({ version }: { version: SystemVersion }) {
  const me = useMe();
  const joined = useServer(version.via === "join" ? version.by : undefined);
  return (
    <>
      <span className={classes.when}>
        {version.at ? (
          <>
            <When at={version.at} />{" "}
            <span>
              <When at={version.at} as="clock" />
            </span>
          </>
        ) : (
          words.noTime
        )}
      </span>{" "}
      <span className={classes.who}>{madeBy(version, me.login, joined?.hostname)}</span>
    </>
  );
}

interface FoldProps {
  opened: boolean;
  onToggle: (open: boolean) => void;
  head: ReactNode;
  children: ReactNode;
}

function Fold({ opened, onToggle, head, children }: FoldProps) {
  const id = useId();
  return (
    <>
      <button
        type="button"
        className={classes.row}
        aria-expanded={opened}
        aria-controls={opened ? id : undefined}
        onClick={() => onToggle(!opened)}
      >
        <IconChevronRight className={classes.turn} size={16} aria-hidden />
        {head}
      </button>
      {opened ? (
        <div id={id} className={classes.comparison}>
          {children}
        </div>
      ) : null}
    </>
  );
}

interface ComparisonProps extends Props {
  generation: number;
  onGone: () => void;
}

/** What going back to a version would change, and the way there: through the draft, so that it is looked at before it is saved. */
function Comparison({ scope, settings, draft, dirty, generation, onTake, onGone }: ComparisonProps) {
  const version = useQuery(versionQuery(scope, generation));
  if (version.isPending) return <Skeleton height={96} />;
  if (version.isError) {
    const gone = toProblem(version.error).type === "no-such-version";
    return (
      <ProblemView
        error={version.error}
        {...(gone ? {} : { heading: words.versionFailed, onRetry: () => void version.refetch() })}
      >
        {gone ? (
          <Button variant="default" size="compact-sm" onClick={onGone}>
            {words.loadList}
          </Button>
        ) : null}
      </ProblemView>
    );
  }
  const earlier = takenAgain(version.data.document, settings.document);
  const differences = changes(settings.document, earlier);
  if (differences.length === 0) return <p className={classes.hint}>{words.same}</p>;
  return (
    <>
      <p className={classes.count}>{words.wouldChange(differences.length)}</p>
      <Differences changes={differences} />
      {settings.managedBy ? (
        <p className={classes.hint}>{words.locked}</p>
      ) : (
        <Take inDraft={same(draft, earlier)} asks={dirty} onTake={() => onTake(earlier)} />
      )}
    </>
  );
}

interface TakeProps {
  inDraft: boolean;
  /** Whether something else would be lost. */
  asks: boolean;
  onTake: () => void;
}

function Take({ inDraft, asks, onTake }: TakeProps) {
  const [asking, setAsking] = useState(false);
  const pressed = useRef(false);
  const done = useRef<HTMLParagraphElement>(null);
  const take = () => {
    pressed.current = true;
    setAsking(false);
    onTake();
  };
  // The button that had the focus is gone: the reader goes on where it was.
  useEffect(() => {
    if (inDraft && pressed.current) done.current?.focus();
    pressed.current = false;
  }, [inDraft]);
  return (
    <>
      {inDraft ? (
        <p ref={done} tabIndex={-1} className={classes.done}>
          {words.taken}
        </p>
      ) : (
        <Button
          className={classes.take ?? ""}
          leftSection={<IconArrowBackUp size={16} aria-hidden />}
          onClick={() => (asks ? setAsking(true) : take())}
        >
          {words.take}
        </Button>
      )}
      <Confirm
        opened={asking}
        title={words.replaceTitle}
        confirm={words.replace}
        cancel={words.keep}
        onConfirm={take}
        onClose={() => setAsking(false)}
      >
        <p>{words.replaceLoss}</p>
      </Confirm>
    </>
  );
}
