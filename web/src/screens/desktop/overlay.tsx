/** What stands over the picture while there is none, or no fresh one. */
import { Button, Loader } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useEffect, useState } from "react";
import { ProblemError } from "../../api/problem.ts";
import type { Session } from "../../api/types.ts";
import type { ViewerState } from "../../display/state.ts";
import { text } from "../../text.ts";
import { ProblemView } from "../../ui/problem.tsx";
import { Phases } from "../start/phases.tsx";
import classes from "./overlay.module.css";

interface Props {
  state: ViewerState;
  session: Session | undefined;
  /** Started just now and never opened: its start is told in phases. */
  fresh: boolean;
  /** Flashes when keys were refused. */
  refused: number;
  onRetry: () => void;
}

export function Overlay({ state, session, fresh, refused, onRetry }: Props) {
  const body = overlayBody({ state, session, fresh, onRetry });
  if (!body) return null;
  return (
    <div className={classes.veil} data-dim={state.kind !== "opening"}>
      <div className={classes.card} key={refused} data-refused={refused > 0 ? true : undefined}>
        {body}
        {refused > 0 && (state.kind === "waiting" || state.kind === "retrying" || state.kind === "paused") ? (
          <p className={classes.refused} role="status">
            {text.desktop.refusedKeys}
          </p>
        ) : null}
      </div>
    </div>
  );
}

function overlayBody({ state, session, fresh, onRetry }: Omit<Props, "refused">): ReactNode {
  const words = text.desktop;
  if (session?.state === "ended" && state.kind !== "live")
    return <Over title={words.endedTitle} why={session.endReason} />;
  switch (state.kind) {
    case "live":
      return null;
    case "opening":
      return <Opening session={session} fresh={fresh} />;
    case "waiting":
    case "retrying":
      return <Waiting state={state} session={session} onRetry={onRetry} />;
    case "paused":
      return (
        <>
          <h1>{words.pausedTitle}</h1>
          <p>{state.why}</p>
          <p className={classes.quiet}>{words.pausedHint}</p>
          <div className={classes.actions}>
            <BackButton />
            <Button onClick={onRetry} autoFocus>
              {words.connect}
            </Button>
          </div>
        </>
      );
    case "over":
      if (state.how === "refused" && state.problem) {
        return (
          <ProblemView error={new ProblemError(state.problem)}>
            <BackButton />
          </ProblemView>
        );
      }
      return state.how === "gone" ? (
        <Over title={words.goneTitle} why={words.goneHint} />
      ) : (
        <Over title={words.endedTitle} why={session?.endReason || state.why} />
      );
  }
}

function Opening({ session, fresh }: { session: Session | undefined; fresh: boolean }) {
  if (!fresh || !session) return <Delayed>{text.desktop.opening}</Delayed>;
  const phase = session.state === "starting" ? "starting" : "picture";
  return <Phases phase={phase} server={session.serverName || session.serverId} />;
}

const PATIENCE_MS = 350;

/** Nothing at all for the usual short wait. */
function Delayed({ children }: { children: ReactNode }) {
  const [shown, setShown] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setShown(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, []);
  return (
    <p className={classes.opening} role="status" data-shown={shown}>
      <Loader size={18} /> {children}
    </p>
  );
}

interface WaitingProps {
  state: Extract<ViewerState, { kind: "waiting" | "retrying" }>;
  session: Session | undefined;
  onRetry: () => void;
}

function Waiting({ state, session, onRetry }: WaitingProps) {
  const left = useSecondsLeft(state.kind === "waiting" ? state.retryAt : undefined);
  const silent = session?.state === "unreachable";
  const why = navigator.onLine ? state.why : text.desktop.offline;
  return (
    <>
      <h1>{silent ? text.desktop.unreachableTitle : text.line.lost}</h1>
      {why ? <p role="status">{why}</p> : null}
      <p className={classes.quiet}>{silent ? text.session.unreachableHint : text.desktop.pausedHint}</p>
      <div className={classes.actions}>
        <BackButton />
        <Button onClick={onRetry} className={classes.count} loading={state.kind === "retrying"}>
          {left > 0 ? `${text.desktop.now} (${left})` : text.desktop.now}
        </Button>
      </div>
    </>
  );
}

function Over({ title, why }: { title: string; why: string | undefined }) {
  return (
    <>
      <h1>{title}</h1>
      {why && why !== text.closes[4410] ? <p className={classes.reason}>{why}</p> : null}
      <div className={classes.actions}>
        <Button component={Link} to="/" autoFocus>
          {text.common.back}
        </Button>
      </div>
    </>
  );
}

function BackButton() {
  return (
    <Button component={Link} to="/" variant="default">
      {text.common.back}
    </Button>
  );
}

const TICK_MS = 200;

function useSecondsLeft(until: number | undefined): number {
  const [left, setLeft] = useState(0);
  useEffect(() => {
    if (until === undefined) return;
    const tick = () => setLeft(Math.max(0, Math.ceil((until - Date.now()) / 1000)));
    tick();
    const timer = setInterval(tick, TICK_MS);
    return () => clearInterval(timer);
  }, [until]);
  return until === undefined ? 0 : left;
}
